/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_plan.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/json.h"
#include "cli/json_policy.h"
#include "cli/json_reach.h"
#include "cli/plan_words.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LOSING_LIMIT = 64 };

static json_t *escaped(const char *text)
{
	struct buf cleanup_call(buf_done) out = {0};

	if (!text || !text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

static json_t *address(const struct address *a)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	return json_string(text);
}

static json_t *place(const struct planned *p, const struct policy_place *at)
{
	return json_policy_place(policy_text(&p->policy, at->file_str), at);
}

/* The port as it is at one time; null where nothing is sent on to it (any more). */
static json_t *side(const struct view *v, uint32_t index)
{
	const struct port_row *row = index == PLAN_NONE ? NULL : &v->list.rows[index];

	if (!row)
		return json_null();
	return json_pack("{s:s, s:o}", "state", port_state_id(row->reach.state), "reach",
			 json_reach_port(v, row, 1, row));
}

static json_t *group(const struct planned *p, const struct plan_group *g)
{
	return json_pack("{s:s, s:o, s:s}", "class", source_class_id(g->class), "interface",
			 escaped(snapshot_interface_name(&p->now.snapshot, 0, g->ifindex)),
			 "family", g->family == FAMILY_IPV4 ? "ipv4" : "ipv6");
}

static json_t *groups(const struct planned *p, uint32_t first, uint32_t count)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, group(p, &p->plan.groups[first + i]));
	return list;
}

static json_t *losing(const struct planned *p, const struct plan_row *row)
{
	struct address peers[LOSING_LIMIT];
	size_t count = plan_words_losing(p, row, peers, LOSING_LIMIT);
	json_t *list = json_array();

	for (size_t i = 0; i < count && i < LOSING_LIMIT; i++) {
		address_unmap(&peers[i]);
		json_array_append_new(list, address(&peers[i]));
	}
	return list;
}

static json_t *why(const struct planned *p, const struct plan_row *row)
{
	struct buf cleanup_call(buf_done) text = {0};

	plan_words_why(p, row, &text);
	return text.len ? json_string(buf_text(&text)) : json_null();
}

static json_t *change(const struct planned *p, const struct plan_row *row)
{
	const struct view *v = row->before == PLAN_NONE ? &p->after : &p->now;
	const struct port_row *port =
		&v->list.rows[row->before == PLAN_NONE ? row->after : row->before];
	const struct process_info *owner = row_owner(&v->snapshot, &v->list, port);
	struct buf cleanup_call(buf_done) name = {0};

	view_port(port, &name);
	return json_pack(
		"{s:s, s:s?, s:s, s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "port",
		buf_text(&name), "family", row->families ? json_families_id(row->families) : NULL,
		"change", plan_kind_id(row->kind), "why", why(p, row), "program",
		owner ? escaped(snapshot_text(&v->snapshot, owner->program_str)) : json_null(),
		"published", port->published, "declared", declared_id(row->declared), "opening",
		row->opening == POLICY_NO_OPENING
			? json_null()
			: place(p, &p->policy.openings[row->opening].place),
		"before", side(&p->now, row->before), "after", side(&p->after, row->after), "loses",
		groups(p, row->first_lost, row->lost_count), "gains",
		groups(p, row->first_gained, row->gained_count), "connected", losing(p, row));
}

static void add_warning(json_t *list, const char *id, json_t *at, json_t *text)
{
	json_array_append_new(list,
			      json_pack("{s:s, s:o, s:o}", "id", id, "place", at, "text", text));
}

static void add_problem(json_t *list, const struct policy_problems *all,
			const struct policy_problem *one)
{
	add_warning(list, "policy",
		    json_policy_place(policy_problems_text(all, one->place.file_str), &one->place),
		    escaped(policy_problems_text(all, one->text_str)));
}

static json_t *warnings(const struct planned *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->problems.count; i++)
		add_problem(list, &p->problems, &p->problems.items[i]);
	for (uint32_t i = 0; i < p->policy.opening_count; i++) {
		const struct opening *o = &p->policy.openings[i];

		if (planned_is_missing(p, i))
			add_warning(list, "nobody-listens", place(p, &o->place), json_null());
		if (p->verify.blocked[i].wanted != POLICY_CLOSED)
			add_warning(list,
				    p->verify.let_in[i] ? "partly-blocked-by-other-rules"
							: "blocked-by-other-rules",
				    place(p, &o->place), json_null());
	}
	return list;
}

static json_t *packet(const struct planned *p, const struct policy_packet_seen *seen)
{
	return json_pack("{s:i, s:s, s:o, s:o, s:o, s:b, s:s, s:s}", "port", seen->port, "proto",
			 proto_name(seen->flow.proto), "source", address(&seen->flow.source),
			 "destination", address(&seen->flow.destination), "interface",
			 escaped(snapshot_interface_name(&p->now.snapshot, 0, seen->flow.ifindex)),
			 "declared", seen->wanted != POLICY_CLOSED, "verdict",
			 verdict_id(seen->verdict), "without", verdict_id(seen->without));
}

static json_t *unsure(const struct planned *p)
{
	const struct policy_verify *v = &p->verify;
	json_t *list = json_array();

	for (size_t i = 0; i < v->unsure_count; i++)
		json_array_append_new(
			list, json_pack("{s:o, s:I, s:o}", "why",
					escaped(strpool_get(&v->texts, v->unsure[i].why_str)),
					"packets", (json_int_t)v->unsure[i].count, "example",
					packet(p, &v->unsure[i].first)));
	return list;
}

static json_t *proof(const struct planned *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->verify.difference_count && i < POLICY_DIFFERENCE_LIMIT; i++)
		json_array_append_new(list, packet(p, &p->verify.differences[i]));
	return json_pack("{s:b, s:b, s:I, s:I, s:o, s:o}", "holds", planned_holds(p), "complete",
			 p->is_complete, "packets", (json_int_t)p->verify.asked, "unknown",
			 (json_int_t)p->verify.unknown, "unsure", unsure(p), "differences", list);
}

/* The state that waits to be confirmed, and until when; null: none does. */
static json_t *waits(const struct planned *p)
{
	struct pending cleanup_call(pending_done) pending = {0};
	struct err e = {0};
	int r = changes_pending(p->now.options, &pending, &e);

	if (r == 0)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "state",
			 r > 0 ? json_integer(pending.state) : json_null(), "deadline",
			 changes_json_time(r > 0 ? pending.deadline_s : 0), "why",
			 r > 0 ? json_null() : escaped(e.msg));
}

int json_print_plan(const struct planned *p)
{
	json_t *root = json_heading(&p->now, "portero.plan/1"), *changes = json_array();

	for (size_t i = 0; i < p->plan.row_count; i++)
		if (p->plan.rows[i].kind != PLAN_STAYS)
			json_array_append_new(changes, change(p, &p->plan.rows[i]));
	json_object_del(root, "views");
	json_object_set_new(root, "applied", json_boolean(p->is_applied));
	json_object_set_new(root, "pending", waits(p));
	json_object_set_new(root, "changes", changes);
	json_object_set_new(root, "stays", json_integer((json_int_t)p->plan.counts[PLAN_STAYS]));
	json_object_set_new(root, "holes",
			    json_pack("{s:I, s:I}", "before", (json_int_t)p->plan.holes_before,
				      "after", (json_int_t)p->plan.holes_after));
	json_object_set_new(root, "warnings", warnings(p));
	json_object_set_new(root, "proof", proof(p));
	return json_print(root);
}
