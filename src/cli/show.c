/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show: one port, everything that is known of it.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/view.h"
#include "decide/filter.h"
#include "decide/listener_notes.h"
#include "model/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LABEL_WIDTH = 16,
	PROCESS_LIMIT = 20,
	PEER_LIMIT = 20,
	STATE_SYN_RECV = 3,
	STATE_NEW_SYN_RECV = 12,
	STATE_TIME_WAIT = 6
};

static void print_label(const char *indent, const char *label)
{
	size_t width = text_width(label) + strlen(indent);

	printf("%s%s", indent, label);
	for (; width < LABEL_WIDTH; width++)
		putchar(' ');
	putchar(' ');
}

static void print_field(const char *indent, const char *label, const char *value)
{
	print_label(indent, label);
	printf("%s\n", value);
}

static void format_time(int64_t seconds, char *text, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, size, "?");
}

/* "12 s", "3 min", "2 h", "5 d" */
static void format_span(uint64_t ms, char *text, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < 120)
		snprintf(text, size, _("%lu s"), (unsigned long)s);
	else if (s < 7200)
		snprintf(text, size, _("%lu min"), (unsigned long)(s / 60));
	else if (s < 172800)
		snprintf(text, size, _("%lu h"), (unsigned long)(s / 3600));
	else
		snprintf(text, size, _("%lu d"), (unsigned long)(s / 86400));
}

static void format_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1000 && unit < ARRAY_LEN(units) - 1; unit++)
		value /= 1000;
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

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
	print_field("  ", _("Reserved for"), buf_text(&text));
	if (site &&
	    (!registry_find(port, proto, &entry) || !entry.name || strcmp(site, entry.name) != 0))
		print_field("  ", _("Called here"), site);
	/* translators: system, user and dynamic ports, RFC 6335 */
	print_field("  ", _("Range"),
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

	format_time(p->since, since, sizeof(since));
	view_escape(v, snapshot_text(&v->snapshot, p->cmdline_str), &text);
	view_escape(v, snapshot_text(&v->snapshot, p->user_str), &user);
	view_escape(v, snapshot_text(&v->snapshot, p->comm_str), &name);
	print_label("    ", "");
	printf(_("pid %u, user %s, since %s"), p->pid, buf_text(&user), since);
	putchar('\n');
	print_label("    ", "");
	if (text.len)
		printf("  %s\n", buf_text(&text));
	else
		printf("  [%s]\n", buf_text(&name));
}

static void print_processes(const struct view *v, const struct listener *l)
{
	if (l->process_count == 0)
		return;
	print_label("    ", _("Processes"));
	printf("%u\n", l->process_count);
	for (uint32_t i = 0; i < l->process_count && i < PROCESS_LIMIT; i++) {
		uint32_t index = v->list.process_indexes[l->first_process + i];

		print_process(v, &v->snapshot.processes[index]);
	}
	if (l->process_count > PROCESS_LIMIT) {
		print_label("    ", "");
		printf(_("and %u more (--json lists them)\n"), l->process_count - PROCESS_LIMIT);
	}
}

static void print_container(const struct view *v, const struct process_info *p)
{
	const struct container_info *c = &v->snapshot.containers[p->container];
	struct buf cleanup_call(buf_done) name = {0};
	struct buf cleanup_call(buf_done) image = {0};
	struct buf cleanup_call(buf_done) id = {0};

	view_escape(v, snapshot_text(&v->snapshot, c->name_str), &name);
	view_escape(v, snapshot_text(&v->snapshot, c->image_str), &image);
	view_escape(v, snapshot_text(&v->snapshot, c->id_str), &id);
	print_label("    ", _("Container"));
	printf("%s %s, %s %s, id %.12s\n", snapshot_text(&v->snapshot, c->runtime_str),
	       name.len ? buf_text(&name) : "-", _("image"), image.len ? buf_text(&image) : "-",
	       buf_text(&id));
}

static void print_owner(const struct view *v, const struct listener *l)
{
	const struct process_info *p =
		l->owner == SNAPSHOT_NONE ? NULL : &v->snapshot.processes[l->owner];
	struct buf cleanup_call(buf_done) text = {0};

	if (!p) {
		print_field("    ", _("Program"), _("not known"));
		return;
	}
	view_escape(v, snapshot_text(&v->snapshot, p->program_str), &text);
	print_label("    ", _("Program"));
	printf("%s (%s)\n", text.len ? buf_text(&text) : "-", program_state_text(p->program_state));
	if (p->package_str)
		print_field("    ", _("Package"),
			    view_escape(v, snapshot_text(&v->snapshot, p->package_str), &text));
	if (p->unit_str)
		print_field("    ", _("Unit"),
			    view_escape(v, snapshot_text(&v->snapshot, p->unit_str), &text));
	if (p->container != SNAPSHOT_NONE)
		print_container(v, p);
	print_processes(v, l);
}

static void print_socket(const struct view *v, const struct listener *l)
{
	const struct socket_info *socket = &v->snapshot.sockets[l->socket];

	print_label("    ", _("Socket"));
	printf(ngettext("%u socket, inode %lu, seen in %s",
			"%u sockets, the first with inode %lu, seen in %s", l->socket_count),
	       l->socket_count, (unsigned long)socket->inode,
	       socket->views == (VIEW_KERNEL | VIEW_FILES)
		       ? _("the kernel's tables and the processes' files")
	       : socket->views == VIEW_KERNEL ? _("the kernel's tables only")
					      : _("the processes' files only"));
	putchar('\n');
	if (l->backlog_limit) {
		print_label("    ", _("Backlog"));
		printf(_("%u waiting, at most %u"), l->backlog_used, l->backlog_limit);
		putchar('\n');
	}
	if (l->drops) {
		print_label("    ", _("Lost packets"));
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
		print_field("    ", _("Note"), view_escape(v, note_text, &text));
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
	print_field("  ", _("Listener"), buf_text(&text));
	if (l->netns != 0) {
		view_netns(v, l->netns, &netns);
		print_field("    ", _("Namespace"), buf_text(&netns));
	}
	if (as_above)
		print_field("    ", _("Program"), _("as above, with the same processes"));
	else
		print_owner(v, l);
	print_socket(v, l);
	print_notes(v, l);
}

/* What one peer has open to the port. */
struct peer {
	struct address address;
	enum proto proto;
	uint32_t netns;
	unsigned count;
	uint64_t bytes_in, bytes_out;
	uint32_t quiet_ms;
};

static int compare_peers(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

static bool is_counted(const struct connection_info *c, uint16_t port, enum proto proto)
{
	return c->local_port == port && c->proto == proto && c->state != STATE_TIME_WAIT &&
	       c->state != STATE_SYN_RECV && c->state != STATE_NEW_SYN_RECV;
}

static size_t group_peers(const struct view *v, uint16_t port, enum proto proto, struct peer *peers)
{
	struct map cleanup_call(map_done) known = {0};
	size_t count = 0;

	for (size_t i = 0; i < v->snapshot.connection_count; i++) {
		const struct connection_info *c = &v->snapshot.connections[i];
		struct address address = c->peer;
		uint64_t key;
		uint32_t at;
		struct peer *p;

		if (!is_counted(c, port, proto))
			continue;
		address_unmap(&address);
		key = map_mix(map_hash_bytes(address.bytes, sizeof(address.bytes)), c->netns);
		if (!map_get(&known, key, &at)) {
			at = (uint32_t)count++;
			map_set(&known, key, at);
			peers[at] = (struct peer){.address = address,
						  .proto = proto,
						  .netns = c->netns,
						  .quiet_ms = UINT32_MAX};
		}
		p = &peers[at];
		p->count++;
		p->bytes_in += c->bytes_in;
		p->bytes_out += c->bytes_out;
		if (c->has_bytes && c->quiet_ms < p->quiet_ms)
			p->quiet_ms = c->quiet_ms;
	}
	qsort(peers, count, sizeof(*peers), compare_peers);
	return count;
}

static void print_peer(const struct peer *p)
{
	char address[ADDRESS_TEXT_SIZE], in[32], out[32], quiet[32];

	address_format(&p->address, address);
	print_label("    ", "");
	printf(ngettext("%s: %u connection", "%s: %u connections", p->count), address, p->count);
	if (p->quiet_ms != UINT32_MAX) {
		format_bytes(p->bytes_in, in, sizeof(in));
		format_bytes(p->bytes_out, out, sizeof(out));
		format_span(p->quiet_ms, quiet, sizeof(quiet));
		printf(_(", %s in, %s out, quiet for %s"), in, out, quiet);
	}
	putchar('\n');
}

static void print_connections(const struct view *v, uint16_t port, enum proto proto)
{
	struct peer cleanup_free *peers = calloc(v->snapshot.connection_count + 1, sizeof(*peers));
	unsigned total = 0;
	size_t count;

	if (!peers)
		return;
	count = group_peers(v, port, proto, peers);
	for (size_t i = 0; i < count; i++)
		total += peers[i].count;
	print_label("  ", _("Connections"));
	if (total == 0) {
		printf("%s\n", _("none now"));
		return;
	}
	printf("%u", total);
	printf(ngettext(" from %zu peer\n", " from %zu peers\n", count), count);
	for (size_t i = 0; i < count && i < PEER_LIMIT; i++)
		print_peer(&peers[i]);
	if (count > PEER_LIMIT) {
		print_label("    ", "");
		printf(_("and %zu more (--json lists them)\n"), count - PEER_LIMIT);
	}
}

static void print_port(const struct view *v, uint16_t port, enum proto proto)
{
	const char *name = listener_service_name(&v->services, port, proto);
	bool any = false;

	printf("%u/%s%s%s\n", port, proto_name(proto), name ? "  " : "", name ? name : "");
	print_reserved(v, port, proto);
	for (size_t i = 0; i < v->list.row_count; i++) {
		const struct port_row *row = &v->list.rows[i];

		if (row->port != port || row->proto != proto)
			continue;
		any = true;
		for (uint32_t k = 0; k < row->listener_count; k++) {
			const struct listener *l = &v->list.listeners[row->first_listener + k];

			print_listener(v, row, l, k > 0 && same_processes(v, l - 1, l));
		}
	}
	if (!any)
		print_field("  ", _("State"),
			    snapshot_has_all_listeners(&v->snapshot)
				    ? _("closed: nobody listens")
				    : _("unknown: no listener was seen, but not everything could "
					"be (see below)"));
	print_connections(v, port, proto);
	putchar('\n');
}

static void print_show(const struct view *v, const struct port_range *range)
{
	for (int p = 0; p < PROTO_COUNT; p++) {
		bool wanted = range->any_proto ? p <= PROTO_UDP : (enum proto)p == range->proto;

		/* without a protocol: tcp and udp, and the rest where something listens */
		for (size_t i = 0; i < v->list.row_count && range->any_proto; i++)
			wanted |= v->list.rows[i].port == range->first &&
				  v->list.rows[i].proto == (enum proto)p;
		if (wanted)
			print_port(v, range->first, (enum proto)p);
	}
}

static int show_port(const struct options *o, const struct port_range *range)
{
	struct view_wish wish = {.cmdlines = true, .clients = true, .connections_of = range->first};
	struct filter cleanup_free *f = calloc(1, sizeof(*f));
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
		code = snapshot_is_complete(&v.snapshot) ? EXIT_DECLARED : EXIT_BLIND;
		if (o->json && json_print_show(&v, range, 1) < 0)
			code = command_fail(_("out of memory"));
		if (!o->json) {
			print_show(&v, range);
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
