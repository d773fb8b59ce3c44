/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_reach.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/json.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A string that cannot harm, or null for an empty one. */
static json_t *str(const struct view *v, uint32_t s)
{
	const char *text = reach_text(&v->reach, s);
	struct buf cleanup_call(buf_done) out = {0};

	if (!text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

static json_t *address(const struct address *a)
{
	char text[ADDRESS_TEXT_SIZE];

	if (!a->family)
		return json_null();
	address_format(a, text);
	return json_string(text);
}

static const char *family(const struct reach_class *c)
{
	return c->destination.family == AF_INET ? "ipv4" : "ipv6";
}

static json_t *interval(const struct view *v, const struct reach_interval *i)
{
	json_t *o = json_pack("{s:i, s:i, s:s}", "from", i->first, "to", i->last, "verdict",
			      verdict_id(i->verdict));

	if (i->forwarded)
		json_object_set_new(o, "forwarded", json_true());
	if (i->several)
		json_object_set_new(o, "several", json_true());
	if (i->nat)
		json_object_set_new(o, "target",
				    json_pack("{s:o, s:i, s:b}", "address", address(&i->target),
					      "port", i->target_port, "shifts", i->shifts));
	if (i->why_str)
		json_object_set_new(o, "why", str(v, i->why_str));
	return o;
}

static json_t *class(const struct view *v, const struct reach_class *c)
{
	json_t *intervals = json_array();

	for (uint32_t i = 0; i < c->interval_count; i++)
		json_array_append_new(intervals,
				      interval(v, &v->reach.intervals[c->first_interval + i]));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:s, s:s, s:o}", "name",
			 source_class_id(c->source_class), "interface", str(v, c->ifname_str),
			 "source", address(&c->source), "sources", str(v, c->sources_str),
			 "destination", address(&c->destination), "behind", c->behind, "family",
			 family(c), "proto", proto_name(c->proto), "intervals", intervals);
}

const char *json_families_id(uint8_t families)
{
	return families == FAMILY_IPV4 ? "ipv4" : families == FAMILY_IPV6 ? "ipv6" : "both";
}

static json_t *holes(const struct view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->join.hole_count; i++) {
		const struct hole *h = &v->join.holes[i];

		json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s, s:s}", "from", h->first,
						      "to", h->last, "proto", proto_name(h->proto),
						      "family", json_families_id(h->families),
						      "widest", source_class_id(h->widest)));
	}
	return list;
}

int json_print_reach(const struct view *v)
{
	json_t *classes = json_array(), *missing = json_array(), *root;

	for (size_t i = 0; i < v->reach.gap_count; i++)
		json_array_append_new(missing, json_pack("{s:o, s:o, s:o}", "what",
							 str(v, v->reach.gaps[i].what_str), "why",
							 str(v, v->reach.gaps[i].why_str), "remedy",
							 str(v, v->reach.gaps[i].remedy_str)));
	for (size_t i = 0; i < v->reach.class_count; i++)
		json_array_append_new(classes, class(v, &v->reach.classes[i]));
	root = json_heading(v, "portero.reach/1");
	json_object_del(root, "views");
	json_object_set_new(root, "complete", json_boolean(v->reach.complete));
	json_object_set_new(root, "missing", missing);
	json_object_set_new(root, "generation", json_integer(v->reach.generation));
	json_object_set_new(root, "classes", classes);
	json_object_set_new(root, "holes",
			    v->reach.available && snapshot_has_all_listeners(&v->snapshot)
				    ? holes(v)
				    : json_null());
	return json_print(root);
}

static json_t *way(const struct view *v, const struct reach_way *w)
{
	const struct reach_class *c = &v->reach.classes[w->class];

	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:o}", "name",
			 source_class_id(c->source_class), "interface", str(v, c->ifname_str),
			 "sources", str(v, c->sources_str), "destination", address(&c->destination),
			 "family", family(c), "verdict", verdict_id(w->verdict), "why",
			 str(v, w->why_str));
}

static const char *widest(const struct port_reach *r)
{
	if (r->reached)
		return source_class_id(r->widest);
	return r->looked && r->way_count && !r->wider_unknown ? "none" : "unknown";
}

json_t *json_reach_port(const struct view *v, const struct port_row *rows, size_t count,
			const struct port_row *most)
{
	const struct port_reach *r = &most->reach;
	json_t *ways = json_array(), *families = json_array();

	if (r->families & FAMILY_IPV4)
		json_array_append_new(families, json_string("ipv4"));
	if (r->families & FAMILY_IPV6)
		json_array_append_new(families, json_string("ipv6"));
	for (size_t n = 0; n < count; n++)
		for (uint32_t i = 0; i < rows[n].reach.way_count; i++)
			json_array_append_new(ways,
					      way(v, &v->join.ways[rows[n].reach.first_way + i]));
	return json_pack("{s:s, s:o, s:b, s:b, s:o, s:o}", "widest", widest(r), "families",
			 families, "limited", r->rate_limited, "wider_unknown", r->wider_unknown,
			 "why", str(v, r->why_str), "ways", ways);
}

json_t *json_reach_rest(const struct view *v)
{
	json_t *forwards = json_array();

	for (size_t i = 0; i < v->join.forward_count; i++) {
		const struct forward *f = &v->join.forwards[i];

		json_array_append_new(
			forwards,
			json_pack("{s:i, s:i, s:s, s:o, s:i, s:b, s:b, s:b, s:s}", "from", f->first,
				  "to", f->last, "proto", proto_name(f->proto), "address",
				  address(&f->target), "port", f->target_port, "shifts", f->shifts,
				  "several", f->several, "here", f->here, "widest",
				  source_class_id(v->reach.classes[f->class].source_class)));
	}
	return json_pack("{s:o, s:o}", "holes", holes(v), "forwards", forwards);
}
