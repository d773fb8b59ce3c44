/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/view.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/reach_words.h"
#include "decide/listener_notes.h"
#include "observe/reach.h"
#include "observe/services_file.h"

#include <errno.h>
#include <langinfo.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ID_COLUMNS = 12, WIDEST = 3 };

int view_exit_code(const struct view *v)
{
	if (!snapshot_is_complete(&v->snapshot))
		return EXIT_BLIND;
	for (size_t i = 0; i < v->list.row_count; i++)
		if (notes_are_finding(v->list.rows[i].notes) ||
		    view_is_undeclared(v, &v->list.rows[i]))
			return EXIT_DIFFERENT;
	return EXIT_DECLARED;
}

const char *view_escape(const struct view *v, const char *text, struct buf *out)
{
	buf_clear(out);
	text_escape(out, text, strlen(text), v->ascii);
	return buf_text(out);
}

static void add_escaped(const struct view *v, const char *text, struct buf *out)
{
	text_escape(out, text, strlen(text), v->ascii);
}

/* An identifier as people cut it: its first 12 columns. It may come from a cgroup's name. */
static void add_short(const struct view *v, const char *text, struct buf *out)
{
	text_escape(out, text, text_prefix(text, ID_COLUMNS), v->ascii);
}

static void add_str(const struct view *v, uint32_t str, struct buf *out)
{
	add_escaped(v, snapshot_text(&v->snapshot, str), out);
}

static const struct listener *first_listener(const struct view *v, const struct port_row *row)
{
	return &v->list.listeners[row->first_listener];
}

static const struct activation_info *activation_of(const struct view *v, const struct listener *l)
{
	return l->activation == SNAPSHOT_NONE ? NULL : &v->snapshot.activations[l->activation];
}

void view_port(const struct port_row *row, struct buf *out)
{
	char digits[8];
	size_t at = sizeof(digits);

	for (unsigned port = row->port; port > 0 || at == sizeof(digits); port /= 10)
		digits[--at] = (char)('0' + port % 10);
	buf_add(out, digits + at, sizeof(digits) - at);
	if (row->last_port)
		buf_printf(out, "-%u", row->last_port);
	buf_add_char(out, '/');
	buf_add_text(out, proto_name(row->proto));
}

void view_state(const struct view *v, const struct port_row *row, struct buf *out)
{
	buf_add_text(out, v->with_reach ? v->words.states[row->reach.state] : v->words.listening);
}

void view_service(const struct view *v, const struct port_row *row, struct buf *out)
{
	const char *name = listener_service_name(&v->services, row->port, row->proto);

	if (v->options->numeric || !name)
		buf_add_char(out, '-');
	else
		add_escaped(v, name, out);
}

void view_network(const struct view *v, const struct listener *l, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];
	const struct interface_address *a;
	struct address network;

	if (l->network == SNAPSHOT_NONE)
		return;
	a = &v->snapshot.addresses[l->network];
	network = address_network(&a->address, a->prefix_len);
	address_format(&network, text);
	buf_printf(out, "%s/%u", text, a->prefix_len);
}

static const char *interface_of(const struct view *v, const struct listener *l)
{
	if (l->ifindex)
		return snapshot_interface_name(&v->snapshot, l->netns, l->ifindex);
	if (l->network != SNAPSHOT_NONE)
		return snapshot_text(&v->snapshot, v->snapshot.addresses[l->network].ifname_str);
	return NULL;
}

static void add_interface(const struct view *v, const struct listener *l, struct buf *out)
{
	const char *name = interface_of(v, l);

	if (!name)
		return;
	buf_add_text(out, " (");
	add_escaped(v, name, out);
	buf_add_char(out, ')');
}

/* What a listener that is bound to an address or an interface is bound to. */
static void add_place(const struct view *v, const struct listener *l, bool brief, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&l->address, text);
	if (address_is_any(&l->address)) {
		const char *name = interface_of(v, l);

		add_escaped(v, name ? name : "?", out);
		return;
	}
	if (address_is_multicast(&l->address))
		buf_printf(out, _("multicast %s"), text);
	else if (l->network == SNAPSHOT_NONE)
		buf_add_text(out, text);
	else
		view_network(v, l, out);
	if (!brief)
		add_interface(v, l, out);
}

static void add_family(uint8_t families, struct buf *out)
{
	if (families == FAMILY_IPV4)
		buf_add_text(out, " (IPv4)");
	if (families == FAMILY_IPV6)
		buf_add_text(out, " (IPv6)");
}

void view_bound(const struct view *v, const struct port_row *row, bool brief, struct buf *out)
{
	size_t start = out->len;

	if (row->bound == BOUND_HOST) {
		buf_add_text(out, v->words.this_machine);
		return;
	}
	if (row->bound == BOUND_EVERYWHERE) {
		buf_add_text(out, v->words.everywhere);
		add_family(row->families, out);
		return;
	}
	for (uint32_t i = 0; i < row->listener_count; i++) {
		const struct listener *l = first_listener(v, row) + i;
		struct buf cleanup_call(buf_done) place = {0};

		if (l->bound != BOUND_NETWORK)
			continue;
		add_place(v, l, brief, &place);
		if (out->len > start && strstr(out->data + start, buf_text(&place)))
			continue;
		if (out->len > start)
			buf_add_text(out, ", ");
		buf_add_text(out, buf_text(&place));
	}
}

void view_listener_address(const struct view *v, const struct listener *l, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&l->address, text);
	buf_printf(out, l->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, l->port);
	add_interface(v, l, out);
}

static void add_program(const struct view *v, const struct process_info *p, bool brief,
			struct buf *out)
{
	const char *path = snapshot_text(&v->snapshot, p->program_str);
	const char *comm = snapshot_text(&v->snapshot, p->comm_str);

	if (p->program_state == PROGRAM_KERNEL) {
		buf_add_char(out, '[');
		add_escaped(v, comm, out);
		buf_add_char(out, ']');
	} else if (!path[0]) {
		/* the name it gives itself is all that is known of it */
		add_escaped(v, comm[0] ? comm : "-", out);
		buf_add_char(out, '?');
	} else {
		add_escaped(v,
			    brief && p->program_state != PROGRAM_MEMORY ? text_base_name(path)
									: path,
			    out);
	}
}

/* The other programs that hold the same sockets, each once. */
static void add_other_programs(const struct view *v, const struct port_row *row, bool brief,
			       struct buf *out)
{
	const struct listener *l = first_listener(v, row);
	const struct process_info *owner = row_owner(&v->snapshot, &v->list, row);
	uint32_t named[4] = {owner->program_str};
	size_t count = 1;

	for (uint32_t i = 0; i < l->process_count; i++) {
		uint32_t index = v->list.process_indexes[l->first_process + i];
		const struct process_info *p = &v->snapshot.processes[index];
		bool known = p->is_manager;

		for (size_t k = 0; k < count; k++)
			known |= named[k] == p->program_str;
		if (known)
			continue;
		buf_add_text(out, ", ");
		if (count == ARRAY_LEN(named)) {
			buf_add_text(out, "...");
			return;
		}
		named[count++] = p->program_str;
		add_program(v, p, brief, out);
	}
}

static uint32_t count_processes(const struct view *v, const struct port_row *row)
{
	struct map cleanup_call(map_done) seen = {0};

	for (uint32_t i = 0; i < row->listener_count; i++) {
		const struct listener *l = first_listener(v, row) + i;

		if (row->listener_count == 1)
			return l->process_count;
		for (uint32_t k = 0; k < l->process_count; k++)
			map_set(&seen, v->list.process_indexes[l->first_process + k], 0);
	}
	return (uint32_t)seen.count;
}

void view_program(const struct view *v, const struct port_row *row, bool brief, struct buf *out)
{
	const struct process_info *p = row_owner(&v->snapshot, &v->list, row);
	const struct activation_info *a = activation_of(v, first_listener(v, row));
	uint32_t count;

	if (!p) {
		buf_add_char(out, '-');
		return;
	}
	if (a && p->is_manager) {
		const char *program = snapshot_text(&v->snapshot, a->program_str ? a->program_str
										 : a->service_str);

		add_escaped(v, brief ? text_base_name(program) : program, out);
		return;
	}
	add_program(v, p, brief, out);
	if (row->notes & 1u << NOTE_SHARED)
		add_other_programs(v, row, brief, out);
	count = count_processes(v, row);
	if (count > 1)
		buf_printf(out, " (%u)", count);
}

void view_user(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct process_info *p = row_owner(&v->snapshot, &v->list, row);
	const struct socket_info *socket = &v->snapshot.sockets[first_listener(v, row)->socket];

	add_str(v, p ? p->user_str : socket->user_str, out);
}

void view_unit(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct process_info *p = row_owner(&v->snapshot, &v->list, row);
	const struct activation_info *a = activation_of(v, first_listener(v, row));
	const struct container_info *c;

	if (a && (!p || p->is_manager)) {
		if (a->service_str)
			add_str(v, a->service_str, out);
		else
			buf_add_char(out, '-');
		return;
	}
	if (!p || (p->container == SNAPSHOT_NONE && !p->unit_str)) {
		buf_add_char(out, '-');
		return;
	}
	if (p->container == SNAPSHOT_NONE) {
		add_str(v, p->unit_str, out);
		return;
	}
	c = &v->snapshot.containers[p->container];
	add_str(v, c->runtime_str, out);
	buf_add_char(out, ':');
	if (c->name_str)
		add_str(v, c->name_str, out);
	else
		add_short(v, snapshot_text(&v->snapshot, c->id_str), out);
}

void view_package(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct process_info *p = row_owner(&v->snapshot, &v->list, row);
	const struct activation_info *a = activation_of(v, first_listener(v, row));
	uint32_t package = a && p && p->is_manager ? a->package_str : p ? p->package_str : 0;

	if (package)
		add_str(v, package, out);
	else
		buf_add_char(out, '-');
}

/* The note of the first listener of the row that has it. */
static void add_note(const struct view *v, const struct port_row *row, enum note note,
		     struct buf *out)
{
	const struct listener *l = first_listener(v, row);
	char text[NOTE_TEXT_SIZE];

	while (!(l->notes & 1u << note))
		l++;
	note_format(&v->snapshot, &v->services, l, note, true, text);
	add_escaped(v, text, out);
}

/* Where the packets of a published row go: another number, perhaps in another namespace. */
static void add_destination(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct listener *l = first_listener(v, row);

	if (l->netns == 0)
		buf_printf(out, _("to port %u"), l->port);
	else
		buf_printf(out, _("to port %u of "), l->port);
	if (l->netns != 0)
		view_netns_name(v, l->netns, out);
}

void view_notes(const struct view *v, const struct port_row *row, struct buf *out)
{
	/* the column PROGRAM shows by '-' that the owner could not be looked at */
	uint32_t left = row->notes & ~(1u << NOTE_OWNER_UNREADABLE);
	size_t start = out->len;

	if (row->published)
		add_destination(v, row, out);
	for (; left; left &= left - 1) {
		enum note note = (enum note)__builtin_ctz(left);

		if (out->len > start)
			buf_add_text(out, "; ");
		if (v->words.notes[note])
			buf_add_text(out, v->words.notes[note]);
		else
			add_note(v, row, note, out);
	}
}

void view_netns_name(const struct view *v, uint32_t netns, struct buf *out)
{
	const struct netns_info *n = &v->snapshot.netns[netns];

	if (n->own) {
		buf_add_text(out, _("this machine"));
		return;
	}
	if (n->container != SNAPSHOT_NONE) {
		const struct container_info *c = &v->snapshot.containers[n->container];

		buf_add_text(out, _("container "));
		add_str(v, c->runtime_str, out);
		buf_add_char(out, ':');
		add_str(v, c->name_str ? c->name_str : c->id_str, out);
	} else if (n->name_str) {
		buf_add_text(out, _("network namespace "));
		add_str(v, n->name_str, out);
	} else {
		buf_printf(out, _("network namespace %lu"), (unsigned long)n->inum);
	}
}

void view_netns(const struct view *v, uint32_t netns, struct buf *out)
{
	const struct netns_info *n = &v->snapshot.netns[netns];

	view_netns_name(v, netns, out);
	if (n->pid && !n->own)
		buf_printf(out, " (pid %u)", n->pid);
}

void view_number(unsigned long number, struct buf *out)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%lu", number);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_add_text(out, /* thousands separator of your language */ _(","));
		buf_add_char(out, digits[i]);
	}
}

/* How much of `text` goes on a line of `width` columns: up to the last space that fits. */
static size_t line_length(const char *text, size_t width)
{
	size_t fits = width ? text_prefix(text, width) : strlen(text), space;

	while (fits == 0 && width++ < WIDEST && text[0])
		fits = text_prefix(text, width); /* a character that is wider than the line */
	space = fits;
	if (text[fits] == '\0')
		return fits;
	while (space > 0 && text[space] != ' ')
		space--;
	return space ? space : fits;
}

void view_print_indented(const struct view *v, size_t indent, const char *text)
{
	size_t width = v->width > 2 * indent ? v->width - indent : 0;
	const char *at = text;

	do {
		size_t len = line_length(at, width);

		printf("%*s%.*s\n", at == text ? 0 : (int)indent, "", (int)len, at);
		at += len;
		at += strspn(at, " ");
	} while (*at);
}

void view_print_line(const struct view *v, const char *format, ...)
{
	char text[2048];
	const char *at = text;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	do {
		size_t len = line_length(at, v->width);

		printf("%.*s\n", (int)len, at);
		at += len;
		at += strspn(at, " ");
	} while (*at);
}

void view_print_gap(const struct view *v, const char *what, const char *why, const char *remedy)
{
	struct buf cleanup_call(buf_done) safe_what = {0};
	struct buf cleanup_call(buf_done) safe_why = {0};

	text_escape_message(&safe_what, what);
	text_escape_message(&safe_why, why);
	if (remedy[0])
		view_print_line(v, _("Not seen: %s: %s. To see it: %s."), buf_text(&safe_what),
				buf_text(&safe_why), remedy);
	else
		view_print_line(v, _("Not seen: %s: %s."), buf_text(&safe_what),
				buf_text(&safe_why));
}

void view_print_gaps(const struct view *v)
{
	const struct snapshot *s = &v->snapshot;

	for (size_t i = 0; i < s->gap_count; i++)
		view_print_gap(v, snapshot_text(s, s->gaps[i].what_str),
			       snapshot_text(s, s->gaps[i].why_str),
			       snapshot_text(s, s->gaps[i].remedy_str));
}
