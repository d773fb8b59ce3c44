/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view_take: the look at the machine that a view shows.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/policy_load.h"
#include "cli/reach_words.h"
#include "cli/view.h"
#include "cli/view_guard.h"
#include "decide/listener_notes.h"
#include "observe/reach.h"
#include "observe/services_file.h"

#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t number;

	if (columns && text_parse_number(columns, strlen(columns), 10000, &number) == 0 && number)
		return number;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

static bool wants_color(const struct options *o)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (o->no_color || (no_color && no_color[0]) || (term && strcmp(term, "dumb") == 0))
		return false;
	return isatty(STDOUT_FILENO);
}

static const char *const declared_words[DECLARED_COUNT] = {
	[DECLARED_NO_POLICY] = "-",
	[DECLARED_LOCAL] = "-",
	[DECLARED_YES] = N_("declared"),
	[DECLARED_NO] = N_("undeclared"),
	[DECLARED_OTHER] = N_("other program"),
	[DECLARED_UNKNOWN] = N_("unknown"),
};

static void translate_words(struct view_words *w)
{
	w->listening = _("listening");
	w->everywhere = _("everywhere");
	w->this_machine = _("this machine");
	for (int i = 0; i < PORT_STATE_COUNT; i++)
		w->states[i] = reach_words_state((enum port_state)i);
	for (int i = 0; i < DECLARED_COUNT; i++)
		w->declared[i] = _(declared_words[i]);
	w->guarded = _("guarded");
	w->impostor = _("impostor");
	for (int i = 0; i < NOTE_COUNT; i++)
		w->notes[i] = note_brief((enum note)i) ? _(note_brief((enum note)i)) : NULL;
}

void view_start(struct view *v, const struct options *options)
{
	*v = (struct view){.options = options};
	translate_words(&v->words);
	v->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	v->colored = wants_color(options);
	v->width = terminal_width();
}

static void copy_gaps(const struct snapshot *from, size_t first, struct snapshot *to)
{
	for (size_t i = first; i < from->gap_count; i++)
		snapshot_add_gap(to, from->gaps[i].kind,
				 snapshot_text(from, from->gaps[i].what_str),
				 snapshot_text(from, from->gaps[i].why_str),
				 snapshot_text(from, from->gaps[i].remedy_str));
}

bool view_shows(const struct view *v, uint32_t netns)
{
	return netns == 0 || v->options->all;
}

static void read_ahead(void *context)
{
	struct view *v = context;

	v->ahead = reach_read_ahead();
}

/*
 * Ports may be published to containers, and containers be reached: so with reach, their listeners
 * are looked at too. What they are not shown for stays a number.
 */
static int take_inventory(struct view *v, const struct view_wish *wish, struct err *e)
{
	struct inventory_options inventory = {
		.all_netns = v->options->all,
		.cmdlines = wish->cmdlines,
		.numeric = v->options->numeric,
		.no_bpf = v->options->no_bpf,
		.sockets_only = wish->reach_only,
		.connections_of = wish->connections_of,
		.connections = wish->connections,
		.meanwhile = v->with_reach ? read_ahead : NULL,
		.context = v,
	};
	uint32_t listeners, netns;
	int r = inventory_take(&inventory, &v->snapshot, &v->status, e);

	if (r < 0 || !v->with_reach || inventory.all_netns || !v->snapshot.other_netns ||
	    !reach_forwards())
		return r;
	listeners = v->snapshot.other_listeners;
	netns = v->snapshot.other_netns;
	inventory.all_netns = true;
	inventory.meanwhile = NULL;
	copy_gaps(&v->snapshot, 0, &v->own_gaps);
	snapshot_done(&v->snapshot);
	v->snapshot = (struct snapshot){0};
	v->status = (struct inventory_status){0};
	r = inventory_take(&inventory, &v->snapshot, &v->status, e);
	v->snapshot.other_listeners = listeners;
	v->snapshot.other_netns = netns;
	v->look_gap_count = v->snapshot.gap_count;
	return r;
}

/* A listener of another namespace that others reach by routing through this machine. */
static bool is_routed(const struct port_row *row)
{
	return row->netns != 0 && row->reach.state == PORT_OPEN && row->reach.widest != SOURCE_HOST;
}

/* Rows of other namespaces were only needed for what is published to them, or reached by routing.
 */
static int keep_own_rows(struct view *v)
{
	size_t kept = 0;

	v->behind = calloc(v->list.row_count + 1, sizeof(*v->behind));
	if (!v->behind)
		return -ENOMEM;
	for (size_t i = 0; i < v->list.row_count; i++) {
		const struct port_row *row = &v->list.rows[i];

		if (is_routed(row))
			v->behind[v->behind_count++] = *row;
		else if (row->netns == 0)
			v->list.rows[kept++] = *row;
	}
	v->list.row_count = kept;
	return 0;
}

static bool has_unknown_owner(const struct view *v)
{
	for (size_t i = 0; i < v->list.row_count; i++)
		if (v->list.rows[i].published &&
		    !row_owner(&v->snapshot, &v->list, &v->list.rows[i]))
			return true;
	return false;
}

/*
 * What could not be seen of other namespaces is no gap when they are not shown: what is sent on to
 * them is then said to go where nobody can look. But an owner that is shown must be known.
 */
static void keep_own_gaps(struct view *v)
{
	if (!v->look_gap_count || has_unknown_owner(v))
		return;
	copy_gaps(&v->snapshot, v->look_gap_count, &v->own_gaps);
	v->snapshot.gap_count = 0;
	copy_gaps(&v->own_gaps, 0, &v->snapshot);
}

static int take_reach(struct view *v, const struct reach_options *ask, struct err *e)
{
	struct reach_options options = ask ? *ask : (struct reach_options){0};
	int r;

	if (!ask)
		options.patience = REACH_PATIENCE_STATUS;
	options.snapshot = &v->snapshot;
	options.ahead = v->ahead;
	options.cache_dir = v->options->runtime_dir;
	options.no_cache = v->options->no_cache;
	r = reach_take(&options, &v->reach, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < v->reach.gap_count; i++)
		snapshot_add_gap(&v->snapshot, GAP_REACH,
				 reach_text(&v->reach, v->reach.gaps[i].what_str),
				 reach_text(&v->reach, v->reach.gaps[i].why_str),
				 reach_text(&v->reach, v->reach.gaps[i].remedy_str));
	return 0;
}

static void note_families(struct view *v)
{
	memset(v->offered, 0, sizeof(v->offered));
	for (size_t i = 0; i < v->reach.class_count; i++) {
		const struct reach_class *c = &v->reach.classes[i];

		v->offered[c->proto][c->source_class] |=
			c->destination.family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
	}
}

static int join_rows(struct view *v, struct err *e)
{
	int r = reach_join(&v->snapshot, &v->reach, &v->list, &v->join);

	note_families(v);
	if (r >= 0 && !v->options->all)
		r = keep_own_rows(v);
	if (r >= 0)
		keep_own_gaps(v);
	return r < 0 ? err_set(e, r, _("out of memory")) : 0;
}

static int build_list(struct view *v, struct err *e)
{
	const struct options *o = v->options;
	struct listener_options listeners = {
		.services = &v->services,
		.clients = v->clients,
		.families = (o->ipv4 ? FAMILY_IPV4 : 0) | (o->ipv6 ? FAMILY_IPV6 : 0),
	};
	int r = listeners_build(&v->snapshot, &listeners, &v->list);

	return r < 0 ? err_set(e, r, _("out of memory")) : 0;
}

static int build_rows(struct view *v, struct err *e)
{
	struct err services = {0};

	if (services_load(&v->services, "/etc/services", &services) < 0)
		snapshot_add_gap(&v->snapshot, GAP_OWNERS,
				 _("the site's own names of services are not known"), services.msg,
				 "");
	return build_list(v, e);
}

/* Having no policy is no gap; having one that cannot be read is. */
static int take_policy(struct view *v)
{
	struct policy_problems problems = {0};
	struct err why = {0};
	int r = policy_load(v->options->policy_dir, &v->policy, &problems, &why);

	v->now_s = time(NULL);
	v->has_policy = r >= 0 && !problems.error_count;
	if (r >= 0 && problems.error_count)
		snapshot_add_gap(&v->snapshot, GAP_DETAILS, _("which ports are meant to be open"),
				 _("the policy has errors"), _("see portero policy check"));
	else if (r < 0 && r != -ENOENT)
		snapshot_add_gap(&v->snapshot, GAP_DETAILS, _("which ports are meant to be open"),
				 why.msg, "");
	policy_problems_done(&problems);
	return r == -ENOMEM ? r : 0;
}

int view_take(struct view *v, const struct options *options, const struct view_wish *wish,
	      struct err *e)
{
	int r;

	view_start(v, options);
	v->with_reach = wish->reach && !options->no_reach;
	v->clients = wish->clients;
	r = take_inventory(v, wish, e);
	if (r >= 0)
		r = wish->reach_only ? build_list(v, e) : build_rows(v, e);
	if (r >= 0)
		view_guard_take(v);
	if (r >= 0 && v->with_reach)
		r = take_reach(v, wish->ask, e);
	if (r >= 0 && v->with_reach)
		r = join_rows(v, e);
	if (r >= 0)
		view_guard_apply(v);
	if (r >= 0 && wish->policy && take_policy(v) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	return r;
}

void view_done(struct view *v)
{
	view_guard_done(v);
	free(v->behind);
	reach_read_free(v->ahead);
	snapshot_done(&v->own_gaps);
	reach_join_done(&v->join);
	reach_done(&v->reach);
	policy_done(&v->policy);
	listeners_done(&v->list);
	services_done(&v->services);
	snapshot_done(&v->snapshot);
}

/* The same sockets, with the answers of another firewall. */
int view_take_other(struct view *other, const struct view *v, const struct reach_options *ask,
		    struct err *e)
{
	int r;

	*other = *v;
	other->list = (struct listener_list){0};
	other->reach = (struct reach){0};
	other->join = (struct reach_join){0};
	other->ahead = NULL;
	other->behind = NULL;
	other->behind_count = 0;
	/* their gaps are those of the other firewall, and told by who asks */
	other->look_gap_count = 0;
	r = build_list(other, e);
	if (r >= 0) {
		struct reach_options options = *ask;

		options.snapshot = &v->snapshot;
		r = reach_take(&options, &other->reach, e);
	}
	if (r >= 0)
		r = join_rows(other, e);
	return r;
}

void view_done_other(struct view *other)
{
	free(other->behind);
	reach_join_done(&other->join);
	reach_done(&other->reach);
	listeners_done(&other->list);
}
