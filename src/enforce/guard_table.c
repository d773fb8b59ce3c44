/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_table: between two places where a grant begins or ends, all ports have the same owners: so
 * it goes from place to place, and keeps the grants that hold there.
 */
#include "enforce/guard_table.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct making {
	const struct guard_rules *r;
	const struct guard_rule *keys;
	struct guard_table t;
	uint32_t *single;	    /* for each owner: the list of it alone, or 0 */
	struct guard_grant *sorted; /* those of `proto`, by their first port */
	size_t sorted_count;
	enum guard_abi_proto proto;
};

uint64_t guard_table_hash_name(const char *name)
{
	union {
		char text[GUARD_NAME_SIZE];
		uint64_t words[GUARD_NAME_SIZE / 8];
	} padded = {{0}};
	size_t len = strlen(name);

	if (len >= sizeof(padded.text))
		return 0;
	memcpy(padded.text, name, len);
	return guard_hash((const __u64 *)padded.words);
}

uint64_t guard_table_hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash ? hash : 1;
}

void guard_table_done(struct guard_table *t)
{
	free(t->ports);
	free(t->rules);
	*t = (struct guard_table){0};
}

static int compare_first(const void *a, const void *b)
{
	const struct guard_grant *x = a, *y = b;

	return x->ports.first < y->ports.first ? -1 : x->ports.first > y->ports.first;
}

static void sort_grants(struct making *m, enum proto proto)
{
	m->sorted_count = 0;
	for (size_t i = 0; i < m->r->grant_count; i++)
		if (m->r->grants[i].ports.proto == proto)
			m->sorted[m->sorted_count++] = m->r->grants[i];
	qsort(m->sorted, m->sorted_count, sizeof(*m->sorted), compare_first);
}

/* A list of rules in the map's form. -E2BIG, -ENOMEM. */
static int add_list(struct making *m, const uint32_t *owners, size_t count, uint32_t *ret)
{
	struct guard_table *t = &m->t;

	if (count == 1 && m->single[owners[0]]) {
		*ret = m->single[owners[0]];
		return 0;
	}
	if (t->rule_count + count > GUARD_RULE_LIMIT)
		return -E2BIG;
	if (mem_grow(&t->rules, &t->rule_cap, t->rule_count + count, sizeof(*t->rules)) < 0)
		return -ENOMEM;
	*ret = (uint32_t)(count << 24 | t->rule_count);
	for (size_t i = 0; i < count; i++)
		t->rules[t->rule_count++] = m->keys[owners[i]];
	if (count == 1)
		m->single[owners[0]] = *ret;
	return 0;
}

/* The owners of the grants that hold, each once. More than fit: -E2BIG; anybody: -1. */
static int gather(const struct making *m, const struct guard_grant *const *holding, size_t count,
		  uint32_t owners[GUARD_LIST_LIMIT])
{
	int found = 0;

	for (size_t i = 0; i < count; i++)
		if (guard_owner_is_anybody(&m->r->owners[holding[i]->owner]))
			return -1;
	for (size_t i = 0; i < count; i++) {
		int k = 0;

		while (k < found && owners[k] != holding[i]->owner)
			k++;
		if (k < found)
			continue;
		if (found == GUARD_LIST_LIMIT)
			return -E2BIG;
		owners[found++] = holding[i]->owner;
	}
	return found;
}

static int too_many(unsigned port, const char *proto, struct err *e)
{
	return err_set(e, -E2BIG,
		       _("the openings of %u/%s name more than %d different owners, which is more "
			 "than the guard can tell apart"),
		       port, proto, GUARD_LIST_LIMIT);
}

/* From `first` up to, not with, `end`. */
static int fill(struct making *m, unsigned first, unsigned end,
		const struct guard_grant *const *holding, size_t count, struct err *e)
{
	uint32_t owners[GUARD_LIST_LIMIT], who = GUARD_ANYBODY;
	int found = gather(m, holding, count, owners), r = 0;

	if (found == -E2BIG)
		return too_many(first, m->proto == GUARD_TCP ? "tcp" : "udp", e);
	if (found >= 0)
		r = add_list(m, owners, (size_t)found, &who);
	if (r == -E2BIG)
		return err_set(e, r,
			       _("the policy needs more than %d rules of the guard: name fewer "
				 "owners for ports that overlap"),
			       GUARD_RULE_LIMIT);
	if (r < 0)
		return err_set(e, r, _("out of memory"));
	for (unsigned port = first; port < end; port++)
		m->t.ports[port].who[m->proto] = who;
	return 0;
}

static size_t drop_ended(const struct guard_grant **holding, size_t count, unsigned port)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (holding[i]->ports.last >= port)
			holding[kept++] = holding[i];
	return kept;
}

static int sweep(struct making *m, struct err *e)
{
	const struct guard_grant **holding cleanup_free = NULL;
	size_t count = 0, next = 0;
	unsigned port = 0;
	int r = 0;

	sort_grants(m, m->proto == GUARD_TCP ? PROTO_TCP : PROTO_UDP);
	holding = calloc(m->sorted_count + 1, sizeof(*holding));
	if (!holding)
		return err_set(e, -ENOMEM, _("out of memory"));
	while (r == 0 && (count || next < m->sorted_count)) {
		unsigned end = 65536;

		if (!count)
			port = m->sorted[next].ports.first;
		while (next < m->sorted_count && m->sorted[next].ports.first <= port)
			holding[count++] = &m->sorted[next++];
		if (next < m->sorted_count)
			end = m->sorted[next].ports.first;
		for (size_t i = 0; i < count; i++)
			if (holding[i]->ports.last + 1u < end)
				end = holding[i]->ports.last + 1u;
		r = fill(m, port, end, holding, count, e);
		port = end;
		count = drop_ended(holding, count, port);
	}
	return r;
}

static int make(struct making *m, struct err *e)
{
	int r = 0;

	m->t.ports = calloc(65536, sizeof(*m->t.ports));
	m->single = calloc(m->r->owner_count + 1, sizeof(*m->single));
	m->sorted = calloc(m->r->grant_count + 1, sizeof(*m->sorted));
	if (!m->t.ports || !m->single || !m->sorted)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (m->proto = GUARD_TCP; r == 0 && m->proto < GUARD_PROTO_COUNT; m->proto++)
		r = sweep(m, e);
	return r;
}

int guard_table_make(const struct guard_rules *rules, const struct guard_rule *keys,
		     struct guard_table *ret, struct err *e)
{
	struct making m = {.r = rules, .keys = keys};
	int r = make(&m, e);

	free(m.single);
	free(m.sorted);
	if (r < 0)
		guard_table_done(&m.t);
	else
		*ret = m.t;
	return r;
}
