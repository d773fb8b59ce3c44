/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show: one port, everything that is known of it.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/connections.h"
#include "cli/fields.h"
#include "cli/json.h"
#include "cli/reach_words.h"
#include "cli/show_outside.h"
#include "cli/view.h"
#include "cli/view_guard.h"
#include "decide/filter.h"
#include "decide/listener_notes.h"
#include "model/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROCESS_LIMIT = 20 };

static void print_reserved(const struct view *v, uint16_t port, enum proto proto)
{
	const char *site = services_name(&v->services, port, proto);
	struct buf cleanup_call(buf_done) text = {0};
	struct registry_entry entry;

	if (!registry_find(port, proto, &entry)) {
		if (port_class(port) == PORT_DYNAMIC)
			buf_add_text(&text, _("nobody: dynamic numbers are for whoever needs one"));
		else
			buf_add_text(&text, _("nobody: IANA has not assigned this number"));
	} else if (!entry.name) {
		buf_add_text(&text, _("nobody: IANA keeps it back"));
	} else {
		buf_printf(&text, "%s", entry.name);
		if (entry.description[0])
			buf_printf(&text, " - %s", entry.description);
		if (entry.reference[0])
			buf_printf(&text, " (%s)", entry.reference);
	}
	fields_print("  ", _("Reserved for"), buf_text(&text));
	if (site &&
	    (!registry_find(port, proto, &entry) || !entry.name || strcmp(site, entry.name) != 0))
		fields_print("  ", _("Called here"), site);
	/* translators: system, user and dynamic ports, RFC 6335 */
	fields_print("  ", _("Range"),
		     port_class(port) == PORT_SYSTEM ? _("system (0-1023)")
		     : port_class(port) == PORT_USER ? _("user (1024-49151)")
						     : _("dynamic (49152-65535)"));
}

static const char *program_state_text(enum program_state state)
{
	switch (state) {
	case PROGRAM_THERE:
		return _("its file is in place");
	case PROGRAM_REPLACED:
		return _("REPLACED: another file stands at its path now");
	case PROGRAM_DELETED:
		return _("DELETED: nothing stands at its path any more");
	case PROGRAM_MEMORY:
		return _("runs from memory: it never was a file");
	case PROGRAM_KERNEL:
		return _("a kernel thread");
	case PROGRAM_UNKNOWN:
		break;
	}
	return _("its file could not be looked at");
}

static void print_process(const struct view *v, const struct process_info *p)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct buf cleanup_call(buf_done) user = {0};
	struct buf cleanup_call(buf_done) name = {0};
	char since[32];

	fields_format_time(p->since, since, sizeof(since));
	view_escape(v, snapshot_text(&v->snapshot, p->cmdline_str), &text);
	view_escape(v, snapshot_text(&v->snapshot, p->user_str), &user);
	view_escape(v, snapshot_text(&v->snapshot, p->comm_str), &name);
	fields_label("    ", "");
	printf(_("pid %u, user %s, since %s"), p->pid, buf_text(&user), since);
	putchar('\n');
	fields_label("    ", "");
	if (text.len)
		printf("  %s\n", buf_text(&text));
	else
		printf("  [%s]\n", buf_text(&name));
}

static void print_processes(const struct view *v, const struct listener *l)
{
	if (l->process_count == 0)
		return;
	fields_label("    ", _("Processes"));
	printf("%u\n", l->process_count);
	for (uint32_t i = 0; i < l->process_count && i < PROCESS_LIMIT; i++) {
		uint32_t index = v->list.process_indexes[l->first_process + i];

		print_process(v, &v->snapshot.processes[index]);
	}
	if (l->process_count > PROCESS_LIMIT) {
		fields_label("    ", "");
		printf(_("and %u more (--json lists them)\n"), l->process_count - PROCESS_LIMIT);
	}
}

static void print_container(const struct view *v, const struct process_info *p)
{
	const struct container_info *c = &v->snapshot.containers[p->container];
	struct buf cleanup_call(buf_done) name = {0};
	struct buf cleanup_call(buf_done) image = {0};
	struct buf cleanup_call(buf_done) id = {0};
	struct buf cleanup_call(buf_done) runtime = {0};

	view_escape(v, snapshot_text(&v->snapshot, c->name_str), &name);
	view_escape(v, snapshot_text(&v->snapshot, c->image_str), &image);
	view_escape(v, snapshot_text(&v->snapshot, c->id_str), &id);
	fields_label("    ", _("Container"));
	printf("%s %s, %s %s, id %.12s\n",
	       view_escape(v, snapshot_text(&v->snapshot, c->runtime_str), &runtime),
	       name.len ? buf_text(&name) : "-", _("image"), image.len ? buf_text(&image) : "-",
	       buf_text(&id));
}

/* Who will get the connection, when systemd holds the socket for a service. */
static void print_activation(const struct view *v, const struct listener *l)
{
	struct buf cleanup_call(buf_done) service = {0};
	struct buf cleanup_call(buf_done) program = {0};
	const struct activation_info *a;

	if (l->activation == SNAPSHOT_NONE)
		return;
	a = &v->snapshot.activations[l->activation];
	view_escape(v, snapshot_text(&v->snapshot, a->service_str), &service);
	view_escape(v, snapshot_text(&v->snapshot, a->program_str), &program);
	fields_label("    ", _("Service"));
	printf("%s%s%s\n", buf_text(&service), service.len && program.len ? ", " : "",
	       buf_text(&program));
	if (a->package_str)
		fields_print("    ", _("Its package"),
			     view_escape(v, snapshot_text(&v->snapshot, a->package_str), &program));
}

static void print_owner(const struct view *v, const struct listener *l)
{
	const struct process_info *p =
		l->owner == SNAPSHOT_NONE ? NULL : &v->snapshot.processes[l->owner];
	struct buf cleanup_call(buf_done) text = {0};

	print_activation(v, l);
	if (!p) {
		fields_print("    ", _("Program"), _("not known"));
		return;
	}
	view_escape(v, snapshot_text(&v->snapshot, p->program_str), &text);
	fields_label("    ", _("Program"));
	printf("%s (%s)\n", text.len ? buf_text(&text) : "-", program_state_text(p->program_state));
	if (p->package_str)
		fields_print("    ", _("Package"),
			     view_escape(v, snapshot_text(&v->snapshot, p->package_str), &text));
	if (p->unit_str)
		fields_print("    ", _("Unit"),
			     view_escape(v, snapshot_text(&v->snapshot, p->unit_str), &text));
	if (p->container != SNAPSHOT_NONE)
		print_container(v, p);
	print_processes(v, l);
}

static void print_socket(const struct view *v, const struct listener *l)
{
	const struct socket_info *socket = &v->snapshot.sockets[l->socket];

	fields_label("    ", _("Socket"));
	printf(ngettext("%u socket, inode %lu, seen in %s",
			"%u sockets, the first with inode %lu, seen in %s", l->socket_count),
	       l->socket_count, (unsigned long)socket->inode,
	       socket->views == (VIEW_KERNEL | VIEW_FILES)
		       ? _("the kernel's tables and the processes' files")
	       : socket->views == VIEW_KERNEL ? _("the kernel's tables only")
					      : _("the processes' files only"));
	putchar('\n');
	if (l->backlog_limit) {
		fields_label("    ", _("Backlog"));
		printf(_("%u waiting, at most %u"), l->backlog_used, l->backlog_limit);
		putchar('\n');
	}
	if (l->drops && l->proto == PROTO_UDP) {
		fields_label("    ", _("Lost packets"));
		printf("%u\n", l->drops);
	}
}

static void print_notes(const struct view *v, const struct listener *l)
{
	struct buf cleanup_call(buf_done) text = {0};
	char note_text[NOTE_TEXT_SIZE];

	for (int note = 0; note < NOTE_COUNT; note++) {
		if (!(l->notes & 1u << note))
			continue;
		note_format(&v->snapshot, &v->services, l, (enum note)note, false, note_text);
		fields_print("    ", _("Note"), view_escape(v, note_text, &text));
	}
}

static const char *family_text(uint8_t families)
{
	return families == FAMILY_IPV4	 ? _("IPv4 only")
	       : families == FAMILY_IPV6 ? _("IPv6 only")
					 : _("IPv4 and IPv6");
}

/* Two addresses of one program: its processes need not be told twice. */
static bool same_processes(const struct view *v, const struct listener *a, const struct listener *b)
{
	if (a->process_count != b->process_count || a->process_count == 0 || a->owner != b->owner)
		return false;
	for (uint32_t i = 0; i < a->process_count; i++)
		if (v->list.process_indexes[a->first_process + i] !=
		    v->list.process_indexes[b->first_process + i])
			return false;
	return true;
}

static void print_listener(const struct view *v, const struct port_row *row,
			   const struct listener *l, bool as_above)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct buf cleanup_call(buf_done) netns = {0};
	struct port_row alone = *row;

	alone.first_listener = (uint32_t)(l - v->list.listeners);
	alone.listener_count = 1;
	alone.bound = l->bound;
	alone.families = 0;
	view_listener_address(v, l, &text);
	buf_add_text(&text, ": ");
	view_bound(v, &alone, false, &text);
	buf_printf(&text, ", %s", family_text(l->families));
	fields_print("  ", _("Listener"), buf_text(&text));
	if (l->netns != 0) {
		view_netns(v, l->netns, &netns);
		fields_print("    ", _("Namespace"), buf_text(&netns));
	}
	if (as_above)
		fields_print("    ", _("Program"), _("as above, with the same processes"));
	else
		print_owner(v, l);
	print_socket(v, l);
	print_notes(v, l);
}

/* A list that may be long, in lines that are no wider than the terminal. */
static void print_wrapped(const struct view *v, const char *label, const struct buf *text)
{
	fields_label("  ", label);
	view_print_indented(v, FIELDS_INDENT, buf_text(text));
}

static void print_ways(const struct view *v, const struct port_row *row, enum verdict verdict,
		       const char *label)
{
	struct buf cleanup_call(buf_done) text = {0};

	reach_words_ways(v, row, verdict, &text);
	if (text.len)
		print_wrapped(v, label, &text);
}

/* Who can reach it, who cannot, and why not. */
static void print_reach(const struct view *v, const struct port_row *row)
{
	struct buf cleanup_call(buf_done) why = {0};

	if (!v->with_reach)
		return;
	fields_print("  ", _("State"), reach_words_state(row->reach.state));
	print_ways(v, row, VERDICT_ACCEPT, _("Open from"));
	print_ways(v, row, VERDICT_RATE_LIMITED, _("Limited from"));
	print_ways(v, row, VERDICT_REJECT, _("Refused from"));
	print_ways(v, row, VERDICT_DROP, _("Dropped from"));
	print_ways(v, row, VERDICT_UNKNOWN, _("Unknown from"));
	if (row->reach.why_str)
		fields_print("  ", _("Because"),
			     view_escape(v, reach_text(&v->reach, row->reach.why_str), &why));
}

/* Is it meant to be open, and why? */
static void print_policy(const struct view *v, const struct port_row *row)
{
	struct buf cleanup_call(buf_done) text = {0};

	if (!v->has_policy)
		return;
	view_policy(v, row, &text);
	view_policy_place(v, row, &text);
	fields_print("  ", _("Policy"), buf_text(&text));
	if (!v->guard)
		return;
	buf_clear(&text);
	view_guard_identity(v, row, &text);
	fields_print("  ", _("Guard"), buf_text(&text));
}

/* What is sent on may be answered elsewhere. */
static const char *silent_state(const struct view *v, uint16_t port, enum proto proto)
{
	const char *text = NULL;

	for (size_t i = 0; i < v->join.forward_count; i++) {
		const struct forward *f = &v->join.forwards[i];

		if (f->proto != proto || port < f->first || port > f->last)
			continue;
		if (!f->here)
			return _("unknown: sent on to where no listener can be seen from here");
		text = _("sent on to where nobody listens");
	}
	for (size_t i = 0; !text && i < v->reach.class_count; i++) {
		const struct reach_class *c = &v->reach.classes[i];
		const struct reach_interval *at = reach_find(&v->reach, c, port);

		if (c->proto == proto && !c->behind && (!at || at->verdict == VERDICT_UNKNOWN))
			text = _("closed: nobody listens (what the firewall does is not known)");
	}
	return text ? text : _("closed: nobody listens");
}

static void print_fates(const struct view *v, uint16_t port, enum proto proto)
{
	static const struct {
		enum verdict verdict;
		const char *label;
	} fates[] = {{VERDICT_ACCEPT, N_("Let in from")},
		     {VERDICT_RATE_LIMITED, N_("Limited from")},
		     {VERDICT_REJECT, N_("Refused from")},
		     {VERDICT_DROP, N_("Dropped from")},
		     {VERDICT_UNKNOWN, N_("Unknown from")}};

	fields_print("  ", _("State"), silent_state(v, port, proto));
	for (size_t k = 0; k < ARRAY_LEN(fates); k++) {
		struct buf cleanup_call(buf_done) text = {0};

		reach_words_port(v, port, proto, fates[k].verdict, &text);
		if (text.len)
			print_wrapped(v, _(fates[k].label), &text);
	}
}

/* What would become of a packet to a port that nobody listens on. */
static void print_silent(const struct view *v, uint16_t port, enum proto proto)
{
	bool certain = snapshot_has_all_listeners(&v->snapshot);

	if (!certain) {
		fields_print("  ", _("State"),
			     _("unknown: no listener was seen, but not everything could be (see "
			       "below)"));
		return;
	}
	if (!v->with_reach || !v->reach.available)
		fields_print("  ", _("State"), _("closed: nobody listens"));
	else
		print_fates(v, port, proto);
}

static void print_port(const struct view *v, uint16_t port, enum proto proto,
		       const struct show_outside *outside)
{
	const char *name =
		v->options->numeric ? NULL : listener_service_name(&v->services, port, proto);
	bool any = false;

	printf("%u/%s%s%s\n", port, proto_name(proto), name ? "  " : "", name ? name : "");
	print_reserved(v, port, proto);
	for (size_t i = 0; i < v->list.row_count; i++) {
		const struct port_row *row = &v->list.rows[i];

		if (row->port != port || row->proto != proto)
			continue;
		any = true;
		print_reach(v, row);
		print_policy(v, row);
		for (uint32_t k = 0; k < row->listener_count; k++) {
			const struct listener *l = &v->list.listeners[row->first_listener + k];

			print_listener(v, row, l, k > 0 && same_processes(v, l - 1, l));
		}
	}
	if (!any)
		print_silent(v, port, proto);
	if (proto == PROTO_TCP)
		show_outside_print(v, outside);
	connections_print(v, port, proto);
	putchar('\n');
}

static void print_show(const struct view *v, const struct port_range *range,
		       const struct show_outside *outside)
{
	for (int p = 0; p < PROTO_COUNT; p++) {
		bool wanted = range->any_proto ? p <= PROTO_UDP : (enum proto)p == range->proto;

		/* without a protocol: tcp and udp, and the rest where something listens */
		for (size_t i = 0; i < v->list.row_count && range->any_proto; i++)
			wanted |= v->list.rows[i].port == range->first &&
				  v->list.rows[i].proto == (enum proto)p;
		if (wanted)
			print_port(v, range->first, (enum proto)p, outside);
	}
}

static int show_port(const struct options *o, const struct port_range *range)
{
	struct view_wish wish = {.cmdlines = true,
				 .clients = true,
				 .connections_of = range->first,
				 .reach = true,
				 .policy = true};
	struct filter cleanup_free *f = calloc(1, sizeof(*f));
	struct show_outside cleanup_call(show_outside_done) outside = {0};
	struct view v = {0};
	struct err e = {0};
	int code;

	if (!f)
		return command_fail(_("out of memory"));
	f->ranges[0] = *range;
	f->range_count = 1;
	if (view_take(&v, o, &wish, &e) < 0) {
		code = command_fail("%s", e.msg);
	} else {
		filter_apply(f, &v.snapshot, &v.services, &v.list);
		code = view_exit_code(&v);
		if (range->any_proto || range->proto == PROTO_TCP)
			show_outside_take(&outside, o, range->first);
		if (o->json && json_print_show(&v, range, 1, show_outside_pack(&v, &outside)) < 0)
			code = command_fail(_("out of memory"));
		if (!o->json) {
			print_show(&v, range, &outside);
			view_print_gaps(&v);
		}
	}
	view_done(&v);
	return code;
}

int command_show(const struct options *o)
{
	int code = EXIT_DECLARED;

	if (o->word_count == 0)
		return command_fail(_("show which port? For example: portero show 443/tcp"));
	if (o->json && o->word_count > 1)
		return command_fail(_("with --json, show one port at a time"));
	for (size_t i = 0; i < o->word_count; i++) {
		struct port_range range;
		struct err e;

		if (port_range_parse(o->words[i], &range, &e) < 0)
			return command_fail("%s", e.msg);
		if (range.first != range.last)
			return command_fail(
				_("show takes one port, not a range: portero %s lists it"),
				o->words[i]);
	}
	for (size_t i = 0; i < o->word_count; i++) {
		struct port_range range;
		struct err e;
		int r;

		port_range_parse(o->words[i], &range, &e);
		r = show_port(o, &range);
		if (r > code)
			code = r;
	}
	return code;
}
