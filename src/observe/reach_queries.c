/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_queries: the queries of one interface and one destination: for each group of sources, and
 * for who sends from a special port; and what each of them must be asked.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/reach_planner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool wants_proto(const struct planner *p, enum proto proto)
{
	if (p->only_udp && proto != PROTO_UDP)
		return false;
	return !p->options->protos || p->options->protos & 1u << proto;
}

static size_t proto_count(const struct planner *p)
{
	return (size_t)wants_proto(p, PROTO_TCP) + (size_t)wants_proto(p, PROTO_UDP);
}

/* --- queries ------------------------------------------------------------------------------------
 */

struct who {
	enum source_class class, within;
	struct address source;
	uint16_t source_port; /* 0: an ordinary one */
	uint32_t text;	      /* of reach strings */
	const struct reach_ties_sources *ties;
	size_t group;	    /* in ties */
	uint32_t reference; /* in ties, or REACH_NO_SOURCE */
	uint8_t protos;	    /* who is told apart for these alone; 0: for all */
};

/* What the query must be asked; false when that is too much. */
static int find_asks(struct planner *p, const struct who *who, struct reach_query *q, bool *fits)
{
	struct reach_plan *plan = p->plan;
	struct reach_tie_question question = {
		.sources = who->ties,
		.family = q->flow.destination.family,
		.proto = q->flow.proto,
		.source = who->group,
		.reference = who->reference,
	};
	size_t before = plan->asks.count, times = p->options->thorough ? REACH_THOROUGH : 1;
	size_t index = who->group * 4 + (who->reference == REACH_NO_SOURCE ? 0u : 2u) +
		       (size_t)q->flow.proto;
	/* the same for every destination */
	struct reach_asks *known = p->known_for == who->ties ? &p->known[index] : NULL;

	if (who->ties->unknown)
		known = &p->whole;
	if (known && known->first != UINT32_MAX) {
		q->asks = *known;
	} else {
		if (reach_ties_ask(&plan->ties, &question, &plan->asks, &q->asks) < 0)
			return -ENOMEM;
		if (known)
			*known = q->asks;
	}
	*fits = plan->asks.count <= times * REACH_ASK_LIMIT &&
		plan->answer_count + q->asks.count <= times * REACH_ANSWER_LIMIT;
	if (!*fits && plan->asks.count > before) {
		plan->asks.count = before;
		if (known)
			known->first = UINT32_MAX;
	}
	return 0;
}

static int add_query(struct planner *p, const struct twin_link *link, const struct destination *to,
		     const struct who *who, const struct reach_query *like)
{
	struct reach_plan *plan = p->plan;
	size_t limit = REACH_QUERY_LIMIT * (p->options->thorough ? REACH_THOROUGH : 1);
	bool fits = true;
	struct reach_query *q;

	if (p->too_many_queries || plan->count >= limit) {
		p->too_many_queries = true;
		return 0;
	}
	if (mem_grow(&plan->queries, &plan->cap, plan->count + 1, sizeof(*plan->queries)) < 0)
		return -ENOMEM;
	q = &plan->queries[plan->count];
	*q = *like;
	q->class.source_class = who->class;
	q->class.within = who->within;
	q->class.ifindex = q->flow.ifindex = link ? link->ifindex : 0;
	q->class.ifname_str = link ? strpool_add_text(&p->reach->strings, link->name) : 0;
	q->class.proto = q->flow.proto;
	q->class.source = q->flow.source = who->source;
	q->class.destination = q->flow.destination = to->address;
	q->class.behind = to->behind;
	q->class.leads_to = to->leads_to;
	q->class.sources_str = who->text;
	q->flow.source_port = who->source_port;
	q->flow.group = to->group;
	q->first_answer = (uint32_t)plan->answer_count;
	if (find_asks(p, who, q, &fits) < 0)
		return -ENOMEM;
	p->too_many_queries = !fits;
	if (fits) {
		plan->answer_count += q->asks.count;
		plan->count++;
	}
	return 0;
}

/* Both protocols of one group; the baseline of a group is that of the same protocol. */
struct places {
	size_t first, stride, baseline, reference;
};

static int add_queries(struct planner *p, const struct twin_link *link,
		       const struct destination *to, const struct who *who, const struct places *at)
{
	size_t k = 0;

	for (int proto = PROTO_TCP; proto <= PROTO_UDP; proto++) {
		struct reach_query like = {.flow.proto = (enum proto)proto};

		if (!wants_proto(p, (enum proto)proto))
			continue;
		if (who->protos && !(who->protos >> proto & 1)) {
			k++;
			continue;
		}
		like.baseline = (uint32_t)(at->first + at->baseline * at->stride + k);
		like.reference = who->reference == REACH_NO_SOURCE
					 ? (uint32_t)p->plan->count
					 : (uint32_t)(at->first + at->reference * at->stride + k);
		if (add_query(p, link, to, who, &like) < 0)
			return -ENOMEM;
		k++;
	}
	return 0;
}

/* --- sources ------------------------------------------------------------------------------------
 */

static bool is_private(const struct address *a)
{
	static const struct reach_prefix blocks[] = {
		{{AF_INET, {10}}, 8},	    {{AF_INET, {172, 16}}, 12}, {{AF_INET, {192, 168}}, 16},
		{{AF_INET, {100, 64}}, 10}, {{AF_INET6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (planner_in_prefix(a, &blocks[i]))
			return true;
	return false;
}

/* A link-local address is reached from link-local ones; others by all. */
static bool fits(const struct address *source, const struct address *destination)
{
	return !address_is_link_local(destination) || address_is_link_local(source);
}

/* Whoever sends from a port that the rules mention may get more than others. */
static int plan_source_ports(struct planner *p, const struct twin_link *link,
			     const struct destination *to, const struct who *who, size_t baseline)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct who special = *who;

	for (size_t i = 0; i < p->sender_count; i++) {
		const struct reach_point *point = &p->senders[i].point;

		buf_clear(&text);
		if (point->first == point->last)
			buf_printf(&text, _("whoever sends from port %u"), point->first);
		else
			buf_printf(&text, _("whoever sends from ports %u-%u"), point->first,
				   point->last);
		special.class = SOURCE_LISTED;
		special.source_port = point->port;
		special.protos = p->senders[i].protos;
		special.text = strpool_add_text(&p->reach->strings, buf_text(&text));
		if (add_queries(p, link, to, &special, &(struct places){.first = baseline}) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The groups and where their queries are, of one destination. */
struct placing {
	const struct reach_sources *sources;
	const struct planner_sources *told;
	size_t *places; /* by group: SIZE_MAX: it has none */
	bool anywhere;
};

static int plan_all_source_ports(struct planner *p, const struct twin_link *link,
				 const struct destination *to, const struct placing *at,
				 size_t first)
{
	size_t stride = proto_count(p);

	for (size_t g = 0; g < at->sources->count && p->sender_count; g++) {
		const struct source_group *group = &at->sources->items[g];
		size_t i = first + at->places[g] * stride;
		struct who who = {.within = group->source_class,
				  .source = group->address,
				  .ties = &at->told->ties,
				  .group = g,
				  .reference = REACH_NO_SOURCE};

		if (at->places[g] != SIZE_MAX && !source_class_is_part(group->source_class) &&
		    plan_source_ports(p, link, to, &who, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool find_places(const struct destination *to, const struct placing *at)
{
	size_t place = 0;

	for (size_t i = 0; i < at->sources->count; i++) {
		const struct source_group *g = &at->sources->items[i];
		enum source_class within = at->sources->items[g->baseline].source_class;

		at->places[i] = SIZE_MAX;
		if (fits(&g->address, &to->address) && (at->anywhere || within == SOURCE_LINK))
			at->places[i] = place++;
	}
	return place > 0;
}

static int plan_group(struct planner *p, const struct twin_link *link, const struct destination *to,
		      const struct placing *at, size_t i, struct places where)
{
	const struct source_group *g = &at->sources->items[i];
	uint32_t text = g->text_str ? g->text_str : g->block_str;
	uint32_t reference = at->told->references[i];
	struct who who = {
		.class = g->source_class,
		.within = at->sources->items[g->baseline].source_class,
		.source = g->address,
		.text = strpool_add_text(&p->reach->strings, reach_sources_text(at->sources, text)),
		.ties = &at->told->ties,
		.group = i,
		.reference = REACH_NO_SOURCE,
	};

	where.baseline =
		at->places[g->baseline] == SIZE_MAX ? at->places[i] : at->places[g->baseline];
	if (reference != REACH_NO_SOURCE && at->places[reference] != SIZE_MAX &&
	    at->places[reference] < at->places[i]) {
		who.reference = reference;
		where.reference = at->places[reference];
	}
	if (who.class == SOURCE_INTERNET)
		who.text = 0;
	return add_queries(p, link, to, &who, &where);
}

static int plan_groups(struct planner *p, const struct twin_link *link,
		       const struct destination *to, const struct planner_sources *told,
		       bool anywhere)
{
	size_t cleanup_free *places = calloc(told->sources.count + 1, sizeof(*places));
	struct placing at = {&told->sources, told, places, anywhere};
	struct places where = {.first = p->plan->count, .stride = proto_count(p)};

	if (!places)
		return -ENOMEM;
	if (!find_places(to, &at))
		return 0;
	for (size_t i = 0; i < told->sources.count; i++)
		if (places[i] != SIZE_MAX && plan_group(p, link, to, &at, i, where) < 0)
			return -ENOMEM;
	return plan_all_source_ports(p, link, to, &at, where.first);
}

/* One source, whoever it is. */
static int plan_who(struct planner *p, const struct twin_link *link, const struct destination *to,
		    const struct who *who)
{
	struct reach_ties_sources cleanup_call(reach_ties_sources_done) ties = {0};
	struct who tied = *who;

	if (reach_ties_look(&p->plan->ties, &who->source, 1, &ties) < 0)
		return -ENOMEM;
	tied.ties = &ties;
	tied.reference = REACH_NO_SOURCE;
	return add_queries(p, link, to, &tied, &(struct places){.first = p->plan->count});
}

/* One source that the user gave. */
static int plan_one(struct planner *p, const struct twin_link *link, const struct destination *to,
		    const struct source_scope *scope)
{
	struct who who = {.class = SOURCE_INTERNET, .source = p->options->from};
	char text[ADDRESS_TEXT_SIZE];

	address_format(&who.source, text);
	who.text = strpool_add_text(&p->reach->strings, text);
	if (is_private(&who.source))
		who.class = SOURCE_PRIVATE;
	for (size_t i = 0; i < scope->link_count; i++)
		if (planner_in_prefix(&who.source, &scope->links[i]))
			who.class = SOURCE_LINK;
	who.within = who.class;
	return plan_who(p, link, to, &who);
}

int planner_plan_destination(struct planner *p, const struct twin_link *link,
			     const struct destination *to, const struct source_scope *scope,
			     const struct planner_sources *told)
{
	/* nobody but a neighbour can make it carry packets to a private address behind it */
	bool anywhere = told->faces_internet && !address_is_link_local(&to->address) &&
			!address_is_loopback(&to->address) &&
			!(to->behind && is_private(&to->address)) && !to->group;

	p->only_udp = to->group;
	if (p->options->from.family)
		return plan_one(p, link, to, scope);
	return plan_groups(p, link, to, told, anywhere);
}

int planner_plan_host(struct planner *p, const struct destination *to)
{
	struct who who = {.class = SOURCE_HOST, .within = SOURCE_HOST, .source = to->address};

	p->only_udp = false;
	if (to->address.family == AF_INET && address_is_loopback(&to->address))
		who.source = (struct address){AF_INET, {127, 0, 0, 1}};
	if (p->options->from.family)
		who.source = p->options->from;
	return plan_who(p, NULL, to, &who);
}

/* --- what the rules tie -------------------------------------------------------------------------
 */

/* Who answers for a group where the rules do not tell them apart. Private networks are a part of
 * the internet but for the rules; neighbours are reached by other routes. */
static uint32_t reference_of(const struct reach_sources *s, size_t i)
{
	const struct source_group *g = &s->items[i];

	if (g->baseline != i)
		return g->baseline < i ? g->baseline : REACH_NO_SOURCE;
	for (uint32_t k = 0; k < i && g->source_class == SOURCE_PRIVATE; k++)
		if (s->items[k].source_class == SOURCE_INTERNET)
			return k;
	return REACH_NO_SOURCE;
}

int planner_sources_tie(struct planner *p, struct planner_sources *told)
{
	const struct reach_sources *s = &told->sources;
	struct address cleanup_free *list = calloc(s->total + 1, sizeof(*list));

	told->references = calloc(s->total + 1, sizeof(*told->references));
	free(p->known);
	p->known = calloc(s->count * 4 + 1, sizeof(*p->known));
	if (!list || !told->references || !p->known)
		return -ENOMEM;
	for (size_t i = 0; i < s->total; i++) {
		list[i] = s->items[i].address;
		told->references[i] = reference_of(s, i);
	}
	for (size_t i = 0; i < s->count * 4; i++)
		p->known[i].first = UINT32_MAX;
	p->known_for = &told->ties;
	return reach_ties_look(&p->plan->ties, list, s->total, &told->ties);
}

void planner_sources_done(struct planner_sources *told)
{
	reach_sources_done(&told->sources);
	reach_ties_sources_done(&told->ties);
	free(told->references);
}

/* The points where groups that are not asked may get something else, for one protocol. */
static int mark_others(struct planner *p, const struct planner_sources *told, uint8_t family,
		       enum proto proto, uint32_t *ret)
{
	struct reach_plan *plan = p->plan;
	size_t words = plan->ties.words;
	uint64_t *bits;

	if (mem_grow(&plan->others, &plan->other_cap, (plan->other_count + 1) * words,
		     sizeof(*plan->others)) < 0)
		return -ENOMEM;
	bits = plan->others + plan->other_count * words;
	memset(bits, 0, words * sizeof(*bits));
	for (size_t i = told->sources.count; i < told->sources.total; i++)
		reach_ties_mark(&plan->ties,
				&(struct reach_tie_question){&told->ties, family, proto, i,
							     told->references[i]},
				bits);
	*ret = (uint32_t)++plan->other_count;
	return 0;
}

int planner_doubt_others(struct planner *p, const struct planner_sources *told, uint8_t family,
			 size_t first)
{
	const char *why = reach_sources_text(&told->sources, told->sources.why_str);
	uint32_t others[2] = {0, 0};

	for (int proto = PROTO_TCP; proto <= PROTO_UDP && !told->sources.vague; proto++)
		if (mark_others(p, told, family, (enum proto)proto, &others[proto]) < 0)
			return -ENOMEM;
	for (size_t i = first; i < p->plan->count; i++) {
		struct reach_query *q = &p->plan->queries[i];

		q->class.others_str = strpool_add_text(&p->reach->strings, why);
		q->others = others[q->flow.proto];
	}
	return 0;
}
