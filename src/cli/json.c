/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/json_policy.h"
#include "cli/json_reach.h"
#include "decide/listener_notes.h"
#include "model/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A string that cannot harm, or null for an unknown one. */
static json_t *safe(const char *text)
{
	struct buf cleanup_call(buf_done) out = {0};

	if (!text || !text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

static json_t *str(const struct view *v, uint32_t s)
{
	return safe(snapshot_text(&v->snapshot, s));
}

static json_t *rfc3339(int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[40];

	if (!gmtime_r(&t, &tm))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *missing(const struct view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->snapshot.gap_count; i++) {
		const struct gap_info *gap = &v->snapshot.gaps[i];

		json_array_append_new(
			list, json_pack("{s:o, s:o, s:o}", "what", str(v, gap->what_str), "why",
					str(v, gap->why_str), "remedy", str(v, gap->remedy_str)));
	}
	return list;
}

json_t *json_heading(const struct view *v, const char *schema)
{
	const char *files = v->snapshot.files_view;

	return json_pack("{s:s, s:o, s:o, s:b, s:o, s:{s:s, s:s?}}", "schema", schema, "host",
			 str(v, v->snapshot.host_str), "time", rfc3339(v->snapshot.time_s),
			 "complete", snapshot_is_complete(&v->snapshot), "missing", missing(v),
			 "views", "sockets", "kernel", "owners", files);
}

static json_t *families(uint8_t bits)
{
	json_t *list = json_array();

	if (bits & FAMILY_IPV4)
		json_array_append_new(list, json_string("ipv4"));
	if (bits & FAMILY_IPV6)
		json_array_append_new(list, json_string("ipv6"));
	return list;
}

static json_t *container(const struct view *v, uint32_t index)
{
	const struct container_info *c;

	if (index == SNAPSHOT_NONE)
		return json_null();
	c = &v->snapshot.containers[index];
	return json_pack("{s:o, s:o, s:o, s:o}", "runtime", str(v, c->runtime_str), "id",
			 str(v, c->id_str), "name", str(v, c->name_str), "image",
			 str(v, c->image_str));
}

static json_t *netns(const struct view *v, uint32_t index)
{
	const struct netns_info *n = &v->snapshot.netns[index];

	return json_pack("{s:o, s:b, s:I, s:o}", "name", n->own ? json_null() : str(v, n->name_str),
			 "own", n->own, "inode", (json_int_t)n->inum, "container",
			 container(v, n->container));
}

static const char *program_state(enum program_state state)
{
	static const char *const names[] = {
		[PROGRAM_UNKNOWN] = "unknown",	 [PROGRAM_THERE] = "file",
		[PROGRAM_REPLACED] = "replaced", [PROGRAM_DELETED] = "deleted",
		[PROGRAM_MEMORY] = "memory",	 [PROGRAM_KERNEL] = "kernel",
	};

	return names[state];
}

static json_t *pids(const struct view *v, const struct listener *l)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->process_count; i++) {
		uint32_t index = v->list.process_indexes[l->first_process + i];

		json_array_append_new(list, json_integer(v->snapshot.processes[index].pid));
	}
	return list;
}

static json_t *activation(const struct view *v, const struct listener *l)
{
	const struct activation_info *a;

	if (l->activation == SNAPSHOT_NONE)
		return json_null();
	a = &v->snapshot.activations[l->activation];
	return json_pack("{s:o, s:o, s:o, s:o}", "socket_unit", str(v, a->socket_unit_str),
			 "service", str(v, a->service_str), "program", str(v, a->program_str),
			 "package", str(v, a->package_str));
}

static void set_owner(const struct view *v, const struct listener *l, json_t *o)
{
	static const struct process_info nobody = {.container = SNAPSHOT_NONE};
	const struct socket_info *socket = &v->snapshot.sockets[l->socket];
	const struct process_info *p =
		l->owner == SNAPSHOT_NONE ? &nobody : &v->snapshot.processes[l->owner];
	bool known = p != &nobody;

	json_object_set_new(o, "pid", known ? json_integer(p->pid) : json_null());
	json_object_set_new(o, "pids", pids(v, l));
	json_object_set_new(o, "program", str(v, p->program_str));
	json_object_set_new(o, "program_state", json_string(program_state(p->program_state)));
	json_object_set_new(o, "deleted",
			    json_boolean(p->program_state == PROGRAM_DELETED ||
					 p->program_state == PROGRAM_REPLACED ||
					 p->program_state == PROGRAM_MEMORY));
	json_object_set_new(o, "name", str(v, p->comm_str));
	json_object_set_new(o, "cmdline", str(v, p->cmdline_str));
	json_object_set_new(o, "user", str(v, known ? p->user_str : socket->user_str));
	json_object_set_new(o, "uid", json_integer(known ? p->uid : socket->uid));
	json_object_set_new(o, "unit", str(v, p->unit_str));
	json_object_set_new(o, "activation", activation(v, l));
	json_object_set_new(o, "container", container(v, p->container));
	json_object_set_new(o, "package", str(v, p->package_str));
	json_object_set_new(o, "since", known ? rfc3339(p->since) : json_null());
}

static json_t *views(const struct socket_info *socket)
{
	json_t *list = json_array();

	if (socket->views & VIEW_KERNEL)
		json_array_append_new(list, json_string("kernel"));
	if (socket->views & VIEW_FILES)
		json_array_append_new(list, json_string("files"));
	return list;
}

static json_t *listener(const struct view *v, const struct listener *l)
{
	const struct socket_info *socket = &v->snapshot.sockets[l->socket];
	struct buf cleanup_call(buf_done) network = {0};
	char address[ADDRESS_TEXT_SIZE];
	json_t *o;

	address_format(&l->address, address);
	view_network(v, l, &network);
	o = json_pack("{s:s, s:i, s:o, s:s, s:o, s:o, s:o}", "address", address, "port", l->port,
		      "families", families(l->families), "bound", bound_id(l->bound), "network",
		      safe(buf_text(&network)), "interface",
		      safe(l->ifindex ? snapshot_interface_name(&v->snapshot, l->netns, l->ifindex)
				      : NULL),
		      "netns", netns(v, l->netns));
	if (!o)
		return NULL;
	set_owner(v, l, o);
	json_object_set_new(o, "sockets", json_integer(l->socket_count));
	json_object_set_new(o, "backlog",
			    json_pack("{s:i, s:i}", "used", (int)l->backlog_used, "limit",
				      (int)l->backlog_limit));
	json_object_set_new(o, "drops", json_integer(l->drops));
	json_object_set_new(o, "mptcp", json_boolean(socket->mptcp));
	json_object_set_new(o, "mark", json_integer(socket->mark));
	json_object_set_new(o, "inode", json_integer((json_int_t)socket->inode));
	json_object_set_new(o, "seen_by", views(socket));
	return o;
}

static bool has_note(const json_t *notes, const char *id, const json_t *text)
{
	size_t i;
	json_t *note;

	json_array_foreach(notes, i,
			   note) if (strcmp(json_string_value(json_object_get(note, "id")), id) ==
					     0 &&
				     json_equal(json_object_get(note, "text"), text)) return true;
	return false;
}

static void add_notes(const struct view *v, const struct listener *l, json_t *notes)
{
	for (int note = 0; note < NOTE_COUNT; note++) {
		const char *id = note_id((enum note)note);
		char text[NOTE_TEXT_SIZE];
		json_t *sentence;

		if (!(l->notes & 1u << note))
			continue;
		note_format(&v->snapshot, &v->services, l, (enum note)note, false, text);
		sentence = safe(text);
		if (has_note(notes, id, sentence))
			json_decref(sentence);
		else
			json_array_append_new(notes,
					      json_pack("{s:s, s:o}", "id", id, "text", sentence));
	}
}

static json_t *reserved(const struct view *v, uint16_t port, enum proto proto)
{
	struct registry_entry entry;
	const char *name = listener_service_name(&v->services, port, proto);

	if (!registry_find(port, proto, &entry))
		return json_pack("{s:s, s:o, s:n, s:n, s:n}", "range",
				 port_class_name(port_class(port)), "name", safe(name), "iana_name",
				 "description", "reference");
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "range", port_class_name(port_class(port)),
			 "name", safe(name), "iana_name", safe(entry.name), "description",
			 safe(entry.description), "reference", safe(entry.reference));
}

/* The row that is the most exposed: what the port as a whole is. */
static const struct port_row *most_exposed(const struct port_row *rows, size_t count)
{
	const struct port_row *most = rows;

	for (size_t i = 1; i < count; i++)
		if (row_exposure(&rows[i]) > row_exposure(most))
			most = &rows[i];
	return most;
}

static const char *state(const struct view *v, const struct port_row *rows, size_t count)
{
	return v->with_reach ? port_state_id(most_exposed(rows, count)->reach.state) : "listening";
}

static json_t *reach(const struct view *v, const struct port_row *rows, size_t count)
{
	return v->with_reach ? json_reach_port(v, rows, count, most_exposed(rows, count))
			     : json_null();
}

/* What is sent on to a listener with another number, or in another namespace. */
static void set_published(const struct port_row *rows, size_t count, json_t *o)
{
	uint16_t last = 0;

	for (size_t i = 0; i < count; i++) {
		if (!rows[i].published)
			continue;
		json_object_set_new(o, "published", json_true());
		last = rows[i].last_port > last ? rows[i].last_port : last;
	}
	if (last)
		json_object_set_new(o, "last_port", json_integer(last));
}

/* A port: rows[from..to) are its owners. */
static json_t *port(const struct view *v, const struct port_row *rows, size_t count)
{
	const char *name = listener_service_name(&v->services, rows->port, rows->proto);
	json_t *listeners = json_array(), *notes = json_array(), *o;
	enum bound bound = BOUND_HOST;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].bound > bound)
			bound = rows[i].bound;
		for (uint32_t k = 0; k < rows[i].listener_count; k++) {
			const struct listener *l = &v->list.listeners[rows[i].first_listener + k];

			json_array_append_new(listeners, listener(v, l));
			add_notes(v, l, notes);
		}
	}
	o = json_pack("{s:i, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "port", rows->port, "proto",
		      proto_name(rows->proto), "service", safe(name), "state",
		      state(v, rows, count), "bound", bound_id(bound), "reach",
		      reach(v, rows, count), "reserved", reserved(v, rows->port, rows->proto),
		      "listeners", listeners, "notes", notes);
	if (o) {
		json_object_set_new(o, "policy", json_policy_port(v, rows, count));
		set_published(rows, count, o);
	}
	return o;
}

/* Prints and releases. */
static int print_value(json_t *value)
{
	int r = value ? json_dumpf(value, stdout,
				   JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY |
					   JSON_REALS)
		      : -1;

	json_decref(value);
	return r < 0 && !ferror(stdout) ? -ENOMEM : 0;
}

static bool same_port(const struct port_row *a, const struct port_row *b)
{
	return a->netns == b->netns && a->port == b->port && a->proto == b->proto;
}

/*
 * Prints the ports one by one: as one tree in memory, a hundred thousand of them would take a
 * gigabyte. 0 or -ENOMEM.
 */
static int print_ports(const struct view *v)
{
	struct listener_list sorted = v->list;
	struct port_row cleanup_free *rows = calloc(v->list.row_count + 1, sizeof(*rows));
	const char *before = "\n";
	size_t start = 0;
	int r = 0;

	if (!rows)
		return -ENOMEM;
	if (v->list.row_count)
		memcpy(rows, v->list.rows, v->list.row_count * sizeof(*rows));
	sorted.rows = rows;
	listeners_sort(&v->snapshot, &sorted, ORDER_PORT);
	fputs(",\n\"ports\": [", stdout);
	for (size_t i = 0; r == 0 && i < sorted.row_count; i++) {
		if (i + 1 < sorted.row_count && same_port(&rows[i], &rows[i + 1]))
			continue;
		fputs(before, stdout);
		r = print_value(port(v, rows + start, i + 1 - start));
		before = ",\n";
		start = i + 1;
	}
	fputs("]", stdout);
	return r;
}

static json_t *portless(const struct view *v)
{
	static const char *const kinds[] = {
		[SOCKET_RAW] = "raw", [SOCKET_PACKET] = "packet", [SOCKET_VSOCK] = "vsock"};
	json_t *list = json_array();

	for (size_t i = 0; i < v->snapshot.socket_count; i++) {
		const struct socket_info *socket = &v->snapshot.sockets[i];
		json_t *holders = json_array(), *o;

		if (socket->kind < SOCKET_RAW || !view_shows(v, socket->netns)) {
			json_decref(holders);
			continue;
		}
		for (uint32_t k = 0; k < socket->holder_count; k++) {
			const struct process_info *p =
				&v->snapshot.processes[v->snapshot.holders[socket->first_holder + k]
							       .process];

			json_array_append_new(holders, json_pack("{s:I, s:o, s:o}", "pid",
								 (json_int_t)p->pid, "program",
								 str(v, p->program_str), "user",
								 str(v, p->user_str)));
		}
		o = json_pack(
			"{s:s, s:I, s:o, s:o, s:o}", "kind", kinds[socket->kind], "number",
			(json_int_t)socket->number, "interface",
			safe(snapshot_interface_name(&v->snapshot, socket->netns, socket->ifindex)),
			"netns", netns(v, socket->netns), "holders", holders);
		json_array_append_new(list, o);
	}
	return list;
}

int json_print(json_t *root)
{
	int r = print_value(root);

	putchar('\n');
	return r;
}

/* Prints the members of `root`, which is released, without the closing brace. */
static int print_open(json_t *root)
{
	const char *before = "{\n", *key;
	json_t *value;
	int r = root ? 0 : -ENOMEM;

	json_object_foreach(root, key, value)
	{
		printf("%s\"%s\": ", before, key);
		r |= print_value(json_incref(value));
		before = ",\n";
	}
	json_decref(root);
	return r;
}

static int print_member(const char *key, json_t *value)
{
	printf(",\n\"%s\": ", key);
	return print_value(value);
}

int json_print_status(const struct view *v)
{
	int r = print_open(json_heading(v, "portero.status/1"));

	r |= print_ports(v);
	r |= print_member("rest", v->with_reach ? json_reach_rest(v) : json_null());
	r |= print_member("portless", portless(v));
	r |= print_member("other_namespaces",
			  json_pack("{s:I, s:I}", "count", (json_int_t)v->snapshot.other_netns,
				    "listeners", (json_int_t)v->snapshot.other_listeners));
	puts("\n}");
	return r < 0 ? -ENOMEM : 0;
}

static json_t *connection(const struct connection_info *c)
{
	char local[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE];
	json_t *o;

	address_format(&c->local, local);
	address_format(&c->peer, peer);
	o = json_pack("{s:s, s:s, s:i, s:s, s:i}", "proto", proto_name(c->proto), "local", local,
		      "local_port", c->local_port, "peer", peer, "peer_port", c->peer_port);
	if (!o)
		return NULL;
	json_object_set_new(o, "bytes_in",
			    c->has_bytes ? json_integer((json_int_t)c->bytes_in) : json_null());
	json_object_set_new(o, "bytes_out",
			    c->has_bytes ? json_integer((json_int_t)c->bytes_out) : json_null());
	json_object_set_new(o, "quiet_ms", c->has_bytes ? json_integer(c->quiet_ms) : json_null());
	return o;
}

int json_print_show(const struct view *v, const struct port_range *ranges, size_t count,
		    json_t *outside)
{
	json_t *numbers = json_array(), *connections = json_array();
	int r = print_open(json_heading(v, "portero.show/1"));

	for (size_t i = 0; i < count; i++) {
		for (int p = 0; p < PROTO_COUNT; p++) {
			enum proto proto = (enum proto)p;
			json_t *o;

			if (ranges[i].any_proto ? p > PROTO_UDP : proto != ranges[i].proto)
				continue;
			o = reserved(v, ranges[i].first, proto);
			json_object_set_new(o, "port", json_integer(ranges[i].first));
			json_object_set_new(o, "proto", json_string(proto_name(proto)));
			json_array_append_new(numbers, o);
		}
	}
	for (size_t i = 0; i < v->snapshot.connection_count; i++)
		json_array_append_new(connections, connection(&v->snapshot.connections[i]));
	r |= print_member("numbers", numbers);
	r |= print_ports(v);
	r |= print_member("connections", connections);
	r |= print_member("outside", outside);
	puts("\n}");
	return r < 0 ? -ENOMEM : 0;
}
