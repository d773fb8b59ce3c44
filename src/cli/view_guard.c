/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/view_guard.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "enforce/guard_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int open_marks(const struct options *o, struct guard_marks *marks, struct err *e)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct guard_where *where cleanup_free = calloc(1, sizeof(*where));
	int r = where ? states_open(&s, o->state_dir, false, e) : -ENOMEM;

	if (r == 0)
		r = guard_state_where(&s, where, e);
	if (r <= 0)
		return r;
	r = guard_marks_open(&where->place, marks, e);
	return r < 0 ? r : 1;
}

void view_guard_take(struct view *v)
{
	struct guard_marks *marks;
	struct err e = {0};
	int r;

	marks = calloc(1, sizeof(*marks));
	r = marks ? open_marks(v->options, marks, &e) : -ENOMEM;
	if (r < 0 && r != -ENOENT)
		snapshot_add_gap(&v->snapshot, GAP_DETAILS,
				 _("which ports are bound to their programs"), e.msg,
				 _("run portero as root"));
	if (r == 1 && marks->there) {
		v->guard = marks;
		v->snapshot.guard_program = marks->program_id;
		return;
	}
	if (marks && r == 1)
		guard_marks_close(marks);
	free(marks);
}

void view_guard_done(struct view *v)
{
	if (v->guard)
		guard_marks_close(v->guard);
	free(v->guard);
	v->guard = NULL;
}

static uint8_t proto_of(const struct port_row *row)
{
	return row->proto == PROTO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

/* A listener by any of its processes. */
static enum guard_judgement judge_listener(const struct view *v, const struct port_row *row,
					   const struct listener *l, struct guard_socket *mark)
{
	const struct snapshot *s = &v->snapshot;
	const struct socket_info *socket = &s->sockets[l->socket];
	struct guard_listener asked = {.port = row->port,
				       .proto = proto_of(row),
				       .loopback = address_is_loopback(&socket->address),
				       .cgroup = socket->cgroup_id};

	for (uint32_t i = 0; i < socket->holder_count; i++) {
		const struct holder_info *h = &s->holders[socket->first_holder + i];
		enum guard_judgement is;

		asked.pid = s->processes[h->process].pid;
		asked.fd = h->fd;
		is = guard_marks_judge(v->guard, &asked, mark);
		if (is != GUARD_NOT_KNOWN)
			return is;
	}
	return GUARD_NOT_KNOWN;
}

enum guard_judgement view_guard_judge(const struct view *v, const struct port_row *row,
				      struct guard_socket *ret_mark)
{
	static const int badness[] = {
		[GUARD_LET_BE] = 0, [GUARD_BOUND] = 1, [GUARD_NOT_KNOWN] = 2, [GUARD_CUT_OFF] = 3};
	enum guard_judgement worst = GUARD_LET_BE;
	bool first = true;

	if (!v->guard || row->netns != 0 || row->last_port ||
	    (row->proto != PROTO_TCP && row->proto != PROTO_UDP))
		return GUARD_NOT_KNOWN;
	for (uint32_t i = 0; i < row->listener_count; i++) {
		struct guard_socket mark = {0};
		enum guard_judgement is =
			judge_listener(v, row, &v->list.listeners[row->first_listener + i], &mark);

		if (!first && badness[is] <= badness[worst])
			continue;
		first = false;
		worst = is;
		if (ret_mark)
			*ret_mark = mark;
	}
	return worst;
}

void view_guard_apply(struct view *v)
{
	for (size_t i = 0; v->guard && i < v->list.row_count; i++) {
		struct port_row *row = &v->list.rows[i];
		struct port_reach *reach = &row->reach;

		if (reach->state != PORT_OPEN || !view_guard_cuts_off(v, row))
			continue;
		/* what nobody declared takes nobody's place: the machine itself may have it */
		reach->reached &= !guard_marks_is_declared(v->guard, row->port, proto_of(row));
		if (!reach->reached || reach->widest != SOURCE_HOST)
			reach->state = PORT_FILTERED;
		reach->widest = SOURCE_HOST;
	}
}

bool view_guard_cuts_off(const struct view *v, const struct port_row *row)
{
	return v->guard && v->guard->config.mode == GUARD_ABI_ENFORCE &&
	       view_guard_judge(v, row, NULL) == GUARD_CUT_OFF;
}

const char *view_guard_id(const struct view *v, const struct port_row *row)
{
	bool enforced = v->guard && v->guard->config.mode == GUARD_ABI_ENFORCE;

	switch (view_guard_judge(v, row, NULL)) {
	case GUARD_BOUND:
		return enforced ? "guarded" : "observed";
	case GUARD_CUT_OFF:
		return enforced ? "cut-off" : "would-be-cut-off";
	case GUARD_LET_BE:
		return "unguarded";
	case GUARD_NOT_KNOWN:
		break;
	}
	return v->guard ? "unknown" : NULL;
}

void view_guard_identity(const struct view *v, const struct port_row *row, struct buf *out)
{
	struct buf cleanup_call(buf_done) name = {0};
	struct guard_socket mark = {0};
	enum guard_judgement is = view_guard_judge(v, row, &mark);
	const struct guard_identity *who = &mark.who;

	if (is == GUARD_NOT_KNOWN) {
		buf_add_text(out, _("not known"));
		return;
	}
	buf_add_text(out, is == GUARD_BOUND    ? _("bound to its program")
			  : is == GUARD_LET_BE ? _("anybody's, or not judged")
			  : v->guard->config.mode == GUARD_ABI_ENFORCE
				  ? _("not the declared program: cut off")
				  : _("not the declared program: would be cut off"));
	text_escape(&name, who->name, strnlen(who->name, sizeof(who->name)), v->ascii);
	buf_printf(out, _("; opened by %s (pid %u, inode %llu)"), buf_text(&name), who->pid,
		   (unsigned long long)who->exe_inode);
	if (mark.refused)
		buf_printf(
			out,
			ngettext("; %llu packet refused", "; %llu packets refused", mark.refused),
			(unsigned long long)mark.refused);
}
