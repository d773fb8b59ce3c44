/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_guard.h"
#include "base/mem.h"
#include "model/port_proxies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DHCP_CLIENT = 68, DHCP6_CLIENT = 546 };

struct making {
	const struct policy *p;
	struct guard_rules rules;
	uint32_t proxies;  /* bits of those that may stand for a container */
	struct map owners; /* by a hash of the owner: its index in rules.owners[] */
};

/* The policy's strings are each once in its pool, so these are the same if their offsets are. */
static uint64_t owner_hash(const struct guard_owner *o)
{
	return map_mix(map_mix(map_mix(o->program_str, o->unit_str),
			       map_mix(o->user_str, o->container_str)),
		       (uint64_t)o->until_s);
}

static bool is_same_owner(const struct guard_owner *a, const struct guard_owner *b)
{
	return a->program_str == b->program_str && a->unit_str == b->unit_str &&
	       a->user_str == b->user_str && a->container_str == b->container_str &&
	       a->until_s == b->until_s;
}

/* A text of the policy among those of the rules. */
static int keep_text(struct making *m, const char *text, uint32_t *ret)
{
	*ret = strpool_add_text(&m->rules.strings, text);
	return *ret || !text[0] ? 0 : -ENOMEM;
}

static int keep_owner(struct making *m, const struct opening *o, struct guard_owner *ret)
{
	if (keep_text(m, policy_text(m->p, o->program_str), &ret->program_str) < 0 ||
	    keep_text(m, policy_text(m->p, o->unit_str), &ret->unit_str) < 0 ||
	    keep_text(m, policy_text(m->p, o->user_str), &ret->user_str) < 0 ||
	    keep_text(m, policy_text(m->p, o->container_str), &ret->container_str) < 0)
		return -ENOMEM;
	return 0;
}

static int find_owner(struct making *m, const struct guard_owner *owner, uint32_t *ret)
{
	uint64_t key = owner_hash(owner);
	struct guard_owner *new;

	/* two with one hash are kept apart by trying the next key */
	for (; map_get(&m->owners, key, ret); key++)
		if (*ret < m->rules.owner_count && is_same_owner(owner, &m->rules.owners[*ret]))
			return 0;
	*ret = (uint32_t)m->rules.owner_count;
	new = guard_rules_add_owner(&m->rules);
	if (!new || map_set(&m->owners, key, *ret) < 0)
		return -ENOMEM;
	*new = *owner;
	return 0;
}

static int add_ports(struct making *m, const struct guard_owner *owner,
		     const struct port_range *ports, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct guard_grant *grant;
		uint32_t index;

		if (ports[i].proto != PROTO_TCP && ports[i].proto != PROTO_UDP)
			continue;
		if (find_owner(m, owner, &index) < 0)
			return -ENOMEM;
		grant = guard_rules_add_grant(&m->rules);
		if (!grant)
			return -ENOMEM;
		*grant = (struct guard_grant){.ports = ports[i], .owner = index};
	}
	return 0;
}

/* The port that a container publishes is bound by its runtime. */
static int add_proxies(struct making *m, const struct opening *o)
{
	size_t count;
	const struct port_proxy *proxies = port_proxies(&count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct guard_owner owner = {.until_s = o->until_s};

		if (!(m->proxies & 1u << i))
			continue;
		if (keep_text(m, proxies[i].program, &owner.program_str) < 0 ||
		    keep_text(m, proxies[i].unit ?: "", &owner.unit_str) < 0 ||
		    keep_text(m, proxies[i].user ?: "", &owner.user_str) < 0)
			return -ENOMEM;
		r = add_ports(m, &owner, &m->p->ports[o->first_port], o->port_count);
	}
	return r;
}

static int add_opening(struct making *m, const struct opening *o)
{
	struct guard_owner owner = {.until_s = o->until_s};

	if (keep_owner(m, o, &owner) < 0 ||
	    add_ports(m, &owner, &m->p->ports[o->first_port], o->port_count) < 0)
		return -ENOMEM;
	return o->container_str ? add_proxies(m, o) : 0;
}

static int add_anybodys(struct making *m)
{
	static const struct port_range dhcp[] = {
		{.first = DHCP_CLIENT, .last = DHCP_CLIENT, .proto = PROTO_UDP},
		{.first = DHCP6_CLIENT, .last = DHCP6_CLIENT, .proto = PROTO_UDP},
	};
	static const struct guard_owner anybody = {0};
	const struct policy_settings *s = &m->p->settings;

	if (s->protected_count &&
	    add_ports(m, &anybody, &m->p->ports[s->first_protected], s->protected_count) < 0)
		return -ENOMEM;
	return add_ports(m, &anybody, dhcp, ARRAY_LEN(dhcp));
}

static int compare_grants(const void *a_pointer, const void *b_pointer)
{
	const struct guard_grant *a = a_pointer, *b = b_pointer;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->ports.proto != b->ports.proto)
		return a->ports.proto < b->ports.proto ? -1 : 1;
	return (a->ports.first > b->ports.first) - (a->ports.first < b->ports.first);
}

/* A port with several openings (for other sources, say) is granted to each owner once. */
static void join_grants(struct guard_rules *r)
{
	size_t count = 0;

	if (r->grant_count)
		qsort(r->grants, r->grant_count, sizeof(*r->grants), compare_grants);
	for (size_t i = 0; i < r->grant_count; i++) {
		const struct guard_grant *g = &r->grants[i];
		struct guard_grant *last = count ? &r->grants[count - 1] : NULL;

		if (last && last->owner == g->owner && last->ports.proto == g->ports.proto &&
		    g->ports.first <= last->ports.last + 1u) {
			if (g->ports.last > last->ports.last)
				last->ports.last = g->ports.last;
			continue;
		}
		r->grants[count++] = *g;
	}
	r->grant_count = count;
}

int policy_guard_make(const struct policy *p, uint32_t proxies, int64_t now_s,
		      struct guard_rules *ret)
{
	struct making m = {.p = p, .proxies = proxies};
	int r = 0;

	m.rules.mode = p->settings.guard;
	m.rules.loopback = !p->settings.deny_loopback;
	m.rules.ephemeral = p->settings.allow_ephemeral;
	for (size_t i = 0; i < p->opening_count && r == 0; i++)
		if (!opening_is_over(&p->openings[i], now_s))
			r = add_opening(&m, &p->openings[i]);
	if (r == 0)
		r = add_anybodys(&m);
	map_done(&m.owners);
	if (r < 0) {
		guard_rules_done(&m.rules);
		return r;
	}
	join_grants(&m.rules);
	*ret = m.rules;
	return 0;
}
