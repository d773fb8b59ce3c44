/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status: one line for each port that something listens on: as a table, CSV (status_table) or JSON.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/rest.h"
#include "cli/status_table.h"
#include "cli/view.h"
#include "decide/filter.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name that nobody has would match nothing, and look like a user who listens nowhere. */
static int set_user(const char *user, struct filter *f, struct err *e)
{
	const struct passwd *account;
	uint64_t number;

	f->only_user = true;
	if (text_parse_number(user, strlen(user), UINT32_MAX, &number) == 0) {
		f->uid = (uint32_t)number;
		return 0;
	}
	account = getpwnam(user);
	if (!account)
		return err_set(e, -EINVAL,
			       _("no user of this machine is called '%.64s': --user takes a name "
				 "or a number"),
			       user);
	f->uid = account->pw_uid;
	return 0;
}

static int build_filter(const struct options *o, struct filter *f, struct err *e)
{
	*f = (struct filter){.unit = o->unit};
	if (o->user && set_user(o->user, f, e) < 0)
		return -EINVAL;
	if (o->tcp)
		f->protos |= 1u << PROTO_TCP;
	if (o->udp)
		f->protos |= 1u << PROTO_UDP | 1u << PROTO_UDPLITE;
	if (o->listening_on)
		filter_set_bound(f, o->listening_on);
	for (size_t i = 0; i < o->word_count; i++) {
		int r = filter_add_word(f, o->words[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static void sort_rows(struct view *v)
{
	for (int i = 0; v->options->sort && i < ORDER_COUNT; i++)
		if (strcmp(row_order_name((enum row_order)i), v->options->sort) == 0)
			listeners_sort(&v->snapshot, &v->list, (enum row_order)i);
}

/* Of portero's own namespace, unless all are shown. */
static unsigned count_kind(const struct view *v, enum socket_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < v->snapshot.socket_count; i++)
		count += v->snapshot.sockets[i].kind == kind &&
			 view_shows(v, v->snapshot.sockets[i].netns);
	return count;
}

/* Sockets that are no port, and yet receive: one line, so that they are not forgotten. */
static void print_portless(const struct view *v)
{
	unsigned raw = count_kind(v, SOCKET_RAW);
	unsigned packet = count_kind(v, SOCKET_PACKET);
	unsigned vsock = count_kind(v, SOCKET_VSOCK);

	if (raw + packet + vsock == 0)
		return;
	view_print_line(v,
			_("Without a port, but receiving: %u packet, %u raw, %u vsock sockets (see "
			  "--json)."),
			packet, raw, vsock);
}

static void print_footer(const struct view *v, bool filtered)
{
	unsigned clients = count_kind(v, SOCKET_CLIENT);

	if (v->options->quiet)
		return;
	if (v->list.row_count)
		putchar('\n');
	if (!filtered)
		rest_print(v);
	if (!filtered && clients && !v->options->clients)
		view_print_line(v,
				ngettext("%u UDP client is not shown (--clients shows it).",
					 "%u UDP clients are not shown (--clients shows them).",
					 clients),
				clients);
	if (!filtered)
		print_portless(v);
	if (v->snapshot.other_listeners && !v->options->all)
		view_print_line(
			v,
			ngettext(
				"%u listener in other network namespaces is not shown (--all shows "
				"it).",
				"%u listeners in other network namespaces are not shown (--all "
				"shows them).",
				v->snapshot.other_listeners),
			v->snapshot.other_listeners);
	if (!v->with_reach)
		view_print_line(
			v, "%s",
			_("The firewall was not looked at: a port that listens may still be "
			  "out of reach."));
}

/* A word that is no port, no command and matches nothing may be a mistyped command. */
static const struct command *mistyped(const struct options *o, const struct view *v)
{
	if (o->word_count == 0 || v->list.row_count || port_range_looks_like(o->words[0]))
		return NULL;
	return command_guess(o->words[0]);
}

static void print_no_match(const struct view *v, const struct filter *f)
{
	struct buf cleanup_call(buf_done) word = {0};
	const char *first = v->options->word_count ? v->options->words[0] : "";
	bool by_owner = f->word_count || f->only_user || f->unit;

	text_escape(&word, first, strnlen(first, 64), v->ascii);
	if (!snapshot_has_all_listeners(&v->snapshot))
		view_print_line(v, "%s",
				_("No listener that was seen matches, but not every one could be "
				  "(see below)."));
	else if (by_owner && !snapshot_has_all_owners(&v->snapshot))
		view_print_line(v, "%s",
				_("No listener is known to match, but not every owner could be "
				  "looked at (see below)."));
	else if (!first[0] || port_range_looks_like(first))
		view_print_line(v, "%s", _("No listener matches."));
	else
		view_print_line(
			v, _("No listener matches (nor is '%s' a command: see portero --help)."),
			buf_text(&word));
}

static int print_human(const struct view *v, const struct filter *f, bool filtered)
{
	int r = status_table_print(v);

	if (r < 0)
		return r;
	if (v->list.row_count == 0 && filtered && !v->options->quiet)
		print_no_match(v, f);
	else if (v->list.row_count == 0 && !v->options->quiet)
		printf("%s\n", snapshot_has_all_listeners(&v->snapshot)
				       ? _("No port has a listener.")
				       : _("No listener was seen, but not every one could be "
					   "(see below)."));
	print_footer(v, filtered);
	view_print_gaps(v);
	return 0;
}

static int print_view(const struct options *o, struct view *v, const struct filter *f)
{
	bool filtered = f->range_count || f->word_count || f->only_user || f->unit ||
			f->only_bound || f->protos || o->ipv4 || o->ipv6;
	const struct command *near;

	filter_apply(f, &v->snapshot, &v->services, &v->list);
	sort_rows(v);
	near = mistyped(o, v);
	if (near)
		return command_fail(
			_("'%.64s' is no command, and no listener has that name: did you "
			  "mean '%s'?"),
			o->words[0], near->name);
	if ((o->json  ? json_print_status(v)
	     : o->csv ? status_table_print_csv(v)
		      : print_human(v, f, filtered)) < 0)
		return command_fail(_("out of memory"));
	return view_exit_code(v);
}

int command_status(const struct options *o)
{
	struct view_wish wish = {
		.cmdlines = o->json, .clients = o->clients, .reach = true, .policy = true};
	struct filter cleanup_free *f = calloc(1, sizeof(*f));
	struct view v = {0};
	struct err e = {0};
	int code;

	if (!f)
		return command_fail(_("out of memory"));
	if (o->json && o->csv)
		return command_fail(_("--json and --csv exclude each other: choose one"));
	if (build_filter(o, f, &e) < 0)
		return command_fail("%s", e.msg);
	code = view_take(&v, o, &wish, &e) < 0 ? command_fail("%s", e.msg) : print_view(o, &v, f);
	view_done(&v);
	return code;
}
