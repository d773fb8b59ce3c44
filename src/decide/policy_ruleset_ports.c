/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ruleset_ports: the maps that lead from a port to the openings of that port. For each
 * protocol one of openings without a rate and one of those with one, which are asked last: only
 * what nothing else lets in uses up a rate.
 *
 * A port with one opening leads to its chain at once, others to the chain of a list, which jumps to
 * one after the other. Lists share their ends (policy_ranges), and a long one asks a map of sources
 * first which of its openings are worth a look: those chains still decide.
 */
#include "base/mem.h"
#include "decide/policy_ranges.h"
#include "decide/policy_ruleset_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LONG_LIST = 8 };

/* nf_tables counts nanoseconds in 64 bits: a later end is none */
static const int64_t time_limit_s = INT64_MAX / 1000000000;

/* The ports of one protocol. */
struct ports {
	struct ruleset *r;
	enum proto proto;
	bool protected[65537];
	bool named[65537];
	uint32_t change[65537]; /* the next port that differs in being protected */
	struct policy_ranges ranges;
};

/* Lists that are written as chains NAME_N, where N is the list's number. */
struct lists {
	struct ruleset *r;
	const struct policy_ranges *ranges;
	const char *name;
	bool of_sources; /* not of ports: no further map */
};

/* --- from ports to targets --- */

static bool is_of(const struct port_range *range, enum proto proto)
{
	return range->any_proto || range->proto == proto;
}

static void mark(bool *ports, const struct port_range *range)
{
	memset(ports + range->first, true, (size_t)range->last - range->first + 1);
}

static void look_at_protected(struct ports *w)
{
	const struct policy *p = w->r->p;

	memset(w->protected, 0, sizeof(w->protected));
	memset(w->named, 0, sizeof(w->named));
	for (uint32_t i = 0; i < p->settings.protected_count; i++)
		if (is_of(&p->ports[p->settings.first_protected + i], w->proto))
			mark(w->protected, &p->ports[p->settings.first_protected + i]);
	for (size_t i = 0; i < p->opening_count && p->settings.protected_count; i++)
		for (uint32_t j = 0; j < p->openings[i].port_count; j++)
			if (is_of(&p->ports[p->openings[i].first_port + j], w->proto))
				mark(w->named, &p->ports[p->openings[i].first_port + j]);
	w->change[65536] = 65536;
	for (uint32_t port = 65535; port > 0; port--)
		w->change[port] = port == 65535 || w->protected[port] != w->protected[port + 1]
					  ? port + 1
					  : w->change[port + 1];
}

static int lead(struct ports *w, uint32_t first, uint32_t last, uint32_t target)
{
	w->r->used[target] = true;
	return policy_ranges_add_ports(&w->ranges, (uint16_t)first, (uint16_t)last, target);
}

static int add_range(struct ports *w, uint32_t opening, const struct port_range *range)
{
	const struct opening *o = &w->r->p->openings[opening];
	bool is_over = opening_is_over(o, w->r->wish->now_s);
	bool timed = o->until_s && o->until_s <= time_limit_s;
	uint32_t end;

	for (uint32_t port = range->first; port <= range->last; port = end) {
		bool plain = !timed || w->protected[port];

		end = timed ? w->change[port] : (uint32_t)range->last + 1;
		if (end > range->last)
			end = (uint32_t)range->last + 1;
		if ((plain || !is_over) &&
		    lead(w, port, end - 1,
			 ruleset_target(opening, plain ? TARGET_PLAIN : TARGET_TIMED)) < 0)
			return -1;
	}
	return 0;
}

static int add_openings(struct ports *w, bool rated)
{
	const struct policy *p = w->r->p;

	for (uint32_t i = 0; i < p->opening_count; i++) {
		const struct opening *o = &p->openings[i];

		if ((o->rate_count != 0) != rated || !ruleset_lets_in(p, o))
			continue;
		for (uint32_t j = 0; j < o->port_count; j++)
			if (is_of(&p->ports[o->first_port + j], w->proto) &&
			    add_range(w, i, &p->ports[o->first_port + j]) < 0)
				return -1;
	}
	return 0;
}

static int add_protected(struct ports *w)
{
	uint32_t first = 0;

	for (uint32_t port = 1; port <= 65536; port++) {
		bool is_free = port < 65536 && w->protected[port] && !w->named[port];

		if (is_free && !first)
			first = port;
		if (!is_free && first && lead(w, first, port - 1, ruleset_protected(w->r)) < 0)
			return -1;
		if (!is_free)
			first = 0;
	}
	return 0;
}

/* --- lists --- */

/* A list of one target alone needs no chain. */
static bool is_single(const struct lists *l, uint32_t list)
{
	return l->ranges->lists[list].count == 1 && !l->ranges->lists[list].rest;
}

static void add_list_verdict(const struct lists *l, struct buf *out, const char *verb,
			     uint32_t list)
{
	buf_printf(out, "%s ", verb);
	if (is_single(l, list))
		ruleset_add_target(l->r, out, l->ranges->targets[l->ranges->lists[list].first]);
	else
		buf_printf(out, "%s_%u", l->name, list);
}

static int write_lists(const struct lists *l);

static void write_source_map(const struct lists *l, const char *name, int family)
{
	struct buf *out = &l->r->maps;

	buf_printf(out, "\tmap %s {\n\t\ttype %s : verdict\n\t\tflags interval\n\t\telements = {",
		   name, family == AF_INET ? "ipv4_addr" : "ipv6_addr");
	for (size_t i = 0; i < l->ranges->segment_count; i++) {
		const struct range_segment *s = &l->ranges->segments[i];
		struct address first = range_first_address(s, family);
		struct address last = range_last_address(s, family);

		ruleset_next_element(out, i);
		ruleset_add_addresses(out, &first, &last);
		buf_add_text(out, " : ");
		add_list_verdict(l, out, "jump", s->list);
	}
	buf_add_text(out, " }\n\t}\n");
}

static int add_sources(const struct ruleset *r, struct policy_ranges *ranges, int family,
		       uint32_t target)
{
	const struct opening *o = ruleset_opening(r, target);
	const struct policy_network *private;
	size_t count = policy_private_networks(&private);

	for (uint32_t i = 0; i < o->source_count; i++) {
		const struct policy_source *source = &r->p->sources[o->first_source + i];

		if (source->class == SOURCE_LISTED && source->network.family == family &&
		    policy_ranges_add_network(ranges, &source->network, source->prefix_len,
					      target) < 0)
			return -1;
		for (size_t j = 0; j < count && source->class == SOURCE_PRIVATE; j++)
			if (private[j].network.family == family &&
			    policy_ranges_add_network(ranges, &private[j].network,
						      private[j].prefix_len, target) < 0)
				return -1;
	}
	return 0;
}

/* Can a map of sources not tell whom it lets in? */
static bool is_for_anywhere(const struct ruleset *r, uint32_t target)
{
	const struct opening *o = ruleset_opening(r, target);

	for (uint32_t i = 0; o && i < o->source_count; i++) {
		enum source_class class = r->p->sources[o->first_source + i].class;

		if (class == SOURCE_INTERNET || class == SOURCE_LINK)
			return true;
	}
	return !o;
}

/* One family: a map from sources to lists of openings. */
static int write_sources(const struct lists *l, uint32_t list, int family, struct buf *chain,
			 const uint32_t *targets, size_t count)
{
	cleanup_call(policy_ranges_done) struct policy_ranges ranges = {0};
	char name[64];
	struct lists sources = {.r = l->r, .ranges = &ranges, .name = name, .of_sources = true};

	for (size_t i = 0; i < count; i++)
		if (!is_for_anywhere(l->r, targets[i]) &&
		    add_sources(l->r, &ranges, family, targets[i]) < 0)
			return -1;
	if (ranges.item_count == 0)
		return 0;
	snprintf(name, sizeof(name), "%s_%u_%s", l->name, list, family == AF_INET ? "v4" : "v6");
	if (policy_ranges_cut(&ranges) < 0 || write_lists(&sources) < 0)
		return -1;
	write_source_map(&sources, name, family);
	buf_printf(chain, "\t\t%s saddr vmap @%s\n", family == AF_INET ? "ip" : "ip6", name);
	return 0;
}

static void write_jumps(const struct lists *l, struct buf *chain, const uint32_t *targets,
			size_t count, bool only_anywhere)
{
	for (size_t i = 0; i < count; i++) {
		if (only_anywhere && !is_for_anywhere(l->r, targets[i]))
			continue;
		buf_add_text(chain, "\t\tjump ");
		ruleset_add_target(l->r, chain, targets[i]);
		buf_add_char(chain, '\n');
	}
}

static int write_targets(const struct lists *l, uint32_t list, struct buf *chain,
			 const uint32_t *targets, size_t count)
{
	bool is_long = !l->of_sources && count > LONG_LIST;

	write_jumps(l, chain, targets, count, is_long);
	if (!is_long)
		return 0;
	if (write_sources(l, list, AF_INET, chain, targets, count) < 0)
		return -1;
	return write_sources(l, list, AF_INET6, chain, targets, count);
}

/* Its targets, and then the rest. */
static int write_list(const struct lists *l, uint32_t number)
{
	const struct range_list *list = &l->ranges->lists[number];
	cleanup_call(buf_done) struct buf chain = {0};

	buf_printf(&chain, "\tchain %s_%u {\n", l->name, number);
	if (write_targets(l, number, &chain, l->ranges->targets + list->first, list->count) < 0)
		return -1;
	if (list->rest) {
		buf_add_text(&chain, "\t\t");
		add_list_verdict(l, &chain, "goto", list->rest);
		buf_add_char(&chain, '\n');
	}
	buf_add_text(&chain, "\t}\n");
	buf_add(&l->r->lists, buf_text(&chain), chain.len);
	return chain.failed ? -1 : 0;
}

/* Only those that something leads to: a segment, or another list. */
static int write_lists(const struct lists *l)
{
	const struct policy_ranges *ranges = l->ranges;
	cleanup_free bool *used = calloc(ranges->list_count, sizeof(*used));

	if (!used)
		return -1;
	for (size_t i = 0; i < ranges->segment_count; i++)
		used[ranges->segments[i].list] = true;
	for (size_t i = ranges->list_count; i-- > 1;)
		if (used[i])
			used[ranges->lists[i].rest] = true;
	for (uint32_t i = 1; i < ranges->list_count; i++)
		if (used[i] && !is_single(l, i) && write_list(l, i) < 0)
			return -1;
	return 0;
}

/* --- the maps --- */

static void write_port_map(const struct lists *l, const char *proto)
{
	struct buf *out = &l->r->maps;

	buf_printf(out,
		   "\tmap %s {\n\t\ttype inet_service : verdict\n\t\tflags interval\n"
		   "\t\telements = {",
		   l->name);
	for (size_t i = 0; i < l->ranges->segment_count; i++) {
		const struct range_segment *s = &l->ranges->segments[i];

		ruleset_next_element(out, i);
		buf_printf(out, "%u", range_first_port(s));
		if (range_last_port(s) != range_first_port(s))
			buf_printf(out, "-%u", range_last_port(s));
		buf_add_text(out, " : ");
		add_list_verdict(l, out, "jump", s->list);
	}
	buf_add_text(out, " }\n\t}\n");
	buf_printf(&l->r->check, "\t\tmeta l4proto %s th dport vmap @%s\n", proto, l->name);
}

static int write_ports(struct ports *w, bool rated)
{
	char name[64];
	struct lists lists = {.r = w->r, .ranges = &w->ranges, .name = name};

	if (add_openings(w, rated) < 0 || (!rated && add_protected(w) < 0))
		return -1;
	if (w->ranges.item_count == 0)
		return 0;
	snprintf(name, sizeof(name), "%s_%s", proto_name(w->proto), rated ? "rated" : "ports");
	if (policy_ranges_cut(&w->ranges) < 0 || write_lists(&lists) < 0)
		return -1;
	write_port_map(&lists, proto_name(w->proto));
	return 0;
}

int ruleset_write_ports(struct ruleset *r)
{
	struct ports *w = calloc(1, sizeof(*w));
	int result = w ? 0 : -1;

	for (int i = 0; i < PROTO_COUNT && result == 0; i++) {
		w->r = r;
		w->proto = (enum proto)i;
		look_at_protected(w);
		for (int rated = 0; rated < 2 && result == 0; rated++) {
			result = write_ports(w, rated);
			policy_ranges_done(&w->ranges);
		}
	}
	free(w);
	return result;
}
