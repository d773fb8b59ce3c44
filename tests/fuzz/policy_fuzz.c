/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_fuzz: any text as a policy's file, parsed and reviewed. It looks for openings that are not
 * whole, for values out of range, and for places that are not in the text.
 */
#include "decide/policy_parse.h"
#include "decide/policy_review.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static void check_source(const struct policy_source *s)
{
	struct address network = address_network(&s->network, s->prefix_len);

	MUST(s->place.line && s->place.column);
	if (s->class != SOURCE_LISTED) {
		MUST(s->class < SOURCE_LISTED && !s->network.family && !s->prefix_len);
		return;
	}
	MUST(s->network.family == AF_INET || s->network.family == AF_INET6);
	MUST(s->prefix_len <= (s->network.family == AF_INET ? 32 : 128));
	MUST(memcmp(&network, &s->network, sizeof(network)) == 0);
}

static void check_port(const struct port_range *r)
{
	MUST(r->first && r->first <= r->last && !r->any_proto && r->proto < PROTO_COUNT);
}

static void check_opening(const struct policy *p, const struct opening *o)
{
	MUST(o->port_count && o->first_port + (size_t)o->port_count <= p->port_count);
	MUST(o->source_count && o->first_source + (size_t)o->source_count <= p->source_count);
	MUST(o->first_interface + (size_t)o->interface_count <= p->interface_count);
	MUST((o->rate_count == 0) == (o->rate_seconds == 0));
	MUST(o->until_s >= 0 && o->place.line && o->place.column);
	MUST(strlen(policy_text(p, o->why_str)) <= POLICY_TEXT_LIMIT);
	if (o->program_str)
		MUST(policy_text(p, o->program_str)[0] == '/');
}

static void check_problems(const struct policy_problems *problems, size_t size)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct policy_problem *p = &problems->items[i];

		MUST(policy_problems_text(problems, p->text_str)[0]);
		MUST(p->place.line <= size + 1 && p->place.column <= size + 1);
		MUST(policy_problems_text(problems, p->place.file_str)[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy_facts facts = {.now_s = 1800000000};
	struct policy_problems problems = {0};
	struct policy p = {0};
	/* twice: as a second file it meets its own settings */
	int r = policy_parse(&p, "a.yaml", (const char *)data, size, &problems);

	check_problems(&problems, size);
	for (size_t i = 0; i < p.opening_count; i++)
		check_opening(&p, &p.openings[i]);
	for (size_t i = 0; i < p.source_count; i++)
		check_source(&p.sources[i]);
	for (size_t i = 0; i < p.port_count; i++)
		check_port(&p.ports[i]);
	if (r == 0)
		r = policy_parse(&p, "b.yaml", (const char *)data, size, &problems);
	if (r == 0)
		r = policy_review(&p, &facts, &problems);
	policy_problems_sort(&problems);
	check_problems(&problems, size);
	MUST(r == 0);
	policy_problems_done(&problems);
	policy_done(&p);
	return 0;
}
