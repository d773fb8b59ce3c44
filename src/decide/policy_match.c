/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_match.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MASTERS = 4 /* of a port of a bond of a bridge of a VRF */, NAME_LIMIT = 15 };

static const struct policy_network private_networks[] = {
	{{AF_INET, {10}}, 8},	     {{AF_INET, {100, 64}}, 10}, {{AF_INET, {172, 16}}, 12},
	{{AF_INET, {192, 168}}, 16}, {{AF_INET6, {0xfc}}, 7},
};
static const struct policy_network link_networks[] = {
	{{AF_INET, {0}}, 32},
	{{AF_INET, {169, 254}}, 16},
	{{AF_INET6, {0xfe, 0x80}}, 10},
};

size_t policy_private_networks(const struct policy_network **ret)
{
	*ret = private_networks;
	return ARRAY_LEN(private_networks);
}

size_t policy_link_networks(const struct policy_network **ret)
{
	*ret = link_networks;
	return ARRAY_LEN(link_networks);
}

/* --- own networks --- */

static int add_own(struct policy_links *links, const struct address *address)
{
	for (size_t i = 0; i < links->own_count; i++)
		if (address_equal(&links->own[i], address))
			return 0;
	if (mem_grow(&links->own, &links->own_cap, links->own_count + 1, sizeof(*links->own)) < 0)
		return -ENOMEM;
	links->own[links->own_count++] = *address;
	return 0;
}

int policy_links_add(struct policy_links *links, const char *ifname, const struct address *address,
		     uint8_t prefix_len)
{
	struct policy_link link = {.network = address_network(address, prefix_len),
				   .prefix_len = prefix_len};

	if (add_own(links, address) < 0)
		return -ENOMEM;
	if (!policy_interface_is_possible(ifname))
		return 0;
	link.ifname_str = strpool_add_text(&links->strings, ifname);
	if (!link.ifname_str ||
	    mem_grow(&links->items, &links->cap, links->count + 1, sizeof(*links->items)) < 0)
		return -ENOMEM;
	links->items[links->count++] = link;
	return 0;
}

void policy_links_done(struct policy_links *links)
{
	strpool_done(&links->strings);
	free(links->items);
	free(links->own);
	*links = (struct policy_links){0};
}

static const struct interface_info *find_interface(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == 0 && s->interfaces[i].ifindex == ifindex)
			return &s->interfaces[i];
	return NULL;
}

static int take_address(const struct snapshot *s, const struct interface_address *a,
			struct policy_links *links)
{
	const struct interface_info *interface = find_interface(s, a->ifindex);
	const char *name = snapshot_text(s, a->ifname_str);

	for (int i = 0; i <= MASTERS && *name; i++) {
		if (policy_links_add(links, name, &a->address, a->prefix_len) < 0)
			return -ENOMEM;
		interface = interface && interface->master ? find_interface(s, interface->master)
							   : NULL;
		name = interface ? snapshot_text(s, interface->name_str) : "";
	}
	return 0;
}

int policy_links_take(const struct snapshot *s, struct policy_links *links)
{
	for (size_t i = 0; i < s->interface_count; i++)
		links->has_vrf |= s->interfaces[i].netns == 0 && s->interfaces[i].kind == LINK_VRF;
	for (size_t i = 0; i < s->address_count; i++) {
		const struct interface_address *a = &s->addresses[i];

		if (a->netns == 0 && !a->loopback && take_address(s, a, links) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- one opening --- */

bool policy_interface_is_possible(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("\"\\/", name[i]))
			return false;
	return len > 0 && len <= NAME_LIMIT;
}

bool policy_interface_matches(const char *pattern, const char *ifname)
{
	size_t len = strlen(pattern);

	if (!policy_interface_is_possible(pattern))
		return false;
	if (pattern[len - 1] == '*')
		return strncmp(pattern, ifname, len - 1) == 0;
	return strcmp(pattern, ifname) == 0;
}

static bool has_interface(const struct policy *p, const struct opening *o, const char *ifname)
{
	for (uint32_t i = 0; i < o->interface_count; i++)
		if (policy_interface_matches(policy_text(p, p->interfaces[o->first_interface + i]),
					     ifname))
			return true;
	return o->interface_count == 0;
}

static bool in_networks(const struct policy_network *networks, size_t count,
			const struct address *a)
{
	for (size_t i = 0; i < count; i++)
		if (address_in_network(a, &networks[i].network, networks[i].prefix_len))
			return true;
	return false;
}

static bool is_on_link(const struct policy_links *links, const struct policy_packet *packet)
{
	for (size_t i = 0; i < links->count; i++)
		if (address_in_network(&packet->source, &links->items[i].network,
				       links->items[i].prefix_len) &&
		    strcmp(strpool_get(&links->strings, links->items[i].ifname_str),
			   packet->ifname) == 0)
			return true;
	return in_networks(link_networks, ARRAY_LEN(link_networks), &packet->source);
}

static bool has_source(const struct policy *p, const struct policy_links *links,
		       const struct opening *o, const struct policy_packet *packet)
{
	for (uint32_t i = 0; i < o->source_count; i++) {
		const struct policy_source *source = &p->sources[o->first_source + i];
		bool has = false;

		switch (source->class) {
		case SOURCE_INTERNET:
			has = true;
			break;
		case SOURCE_PRIVATE:
			has = in_networks(private_networks, ARRAY_LEN(private_networks),
					  &packet->source);
			break;
		case SOURCE_LINK:
			has = is_on_link(links, packet);
			break;
		case SOURCE_LISTED:
			has = address_in_network(&packet->source, &source->network,
						 source->prefix_len);
			break;
		case SOURCE_HOST:
		case SOURCE_FORGED:
		case SOURCE_CLASS_COUNT:
			break;
		}
		if (has)
			return true;
	}
	return false;
}

static enum policy_answer answer_of(const struct opening *o)
{
	return o->rate_count ? POLICY_RATED : POLICY_OPEN;
}

/* --- all of them --- */

enum policy_answer policy_match_indexed(const struct policy_index *index,
					const struct policy_links *links,
					const struct policy_packet *packet, int64_t now_s,
					uint32_t *ret_opening)
{
	const struct policy *p = index->policy;
	struct policy_candidates candidates = policy_index_find(index, packet->port, packet->proto);
	bool is_protected = policy_protects(p, packet->port, packet->proto), named = false;
	enum policy_answer best = POLICY_CLOSED;
	uint32_t opening = POLICY_NO_OPENING;

	if (strcmp(packet->ifname, "lo") == 0)
		best = POLICY_OPEN;
	for (uint32_t k = 0; k < candidates.count && best != POLICY_OPEN; k++) {
		uint32_t i = candidates.all ? k : candidates.items[k];
		const struct opening *o = &p->openings[i];

		if (!opening_has_port(p, o, packet->port, packet->proto))
			continue;
		named = true;
		if (answer_of(o) > best && (is_protected || !opening_is_over(o, now_s)) &&
		    has_interface(p, o, packet->ifname) && has_source(p, links, o, packet)) {
			best = answer_of(o);
			opening = i;
		}
	}
	if (is_protected && !named)
		best = POLICY_OPEN;
	if (ret_opening)
		*ret_opening = opening;
	return best;
}

enum policy_answer policy_match(const struct policy *p, const struct policy_links *links,
				const struct policy_packet *packet, int64_t now_s,
				uint32_t *ret_opening)
{
	const struct policy_index none = {.policy = p};

	return policy_match_indexed(&none, links, packet, now_s, ret_opening);
}

/* --- all ports at once: each is painted once, and skipped from then on --- */

struct painter {
	uint32_t next[65537]; /* the first port from here on that is not painted; 65536: none */
	bool named[65536], protected[65536];
	struct policy_answers *answers;
};

static uint32_t next_unpainted(struct painter *w, uint32_t port)
{
	while (w->next[port] != port) {
		w->next[port] = w->next[w->next[port]];
		port = w->next[port];
	}
	return port;
}

static void paint(struct painter *w, const struct port_range *range, enum policy_answer answer,
		  uint32_t opening, bool is_over)
{
	for (uint32_t port = next_unpainted(w, range->first); port <= range->last;
	     port = next_unpainted(w, port + 1)) {
		if (is_over && !w->protected[port])
			continue;
		w->answers->answer[port] = (uint8_t)answer;
		w->answers->opening[port] = opening;
		w->next[port] = port + 1;
	}
}

static bool is_of(const struct port_range *range, enum proto proto)
{
	return range->any_proto || range->proto == proto;
}

/* The openings that give one answer. */
static void paint_openings(struct painter *w, const struct policy *p,
			   const struct policy_links *links, const struct policy_packet *packet,
			   int64_t now_s, enum policy_answer answer)
{
	for (size_t i = 0; i < p->opening_count; i++) {
		const struct opening *o = &p->openings[i];

		if (answer_of(o) != answer ||
		    (opening_is_over(o, now_s) && !p->settings.protected_count) ||
		    !has_interface(p, o, packet->ifname) || !has_source(p, links, o, packet))
			continue;
		for (uint32_t j = 0; j < o->port_count; j++)
			if (is_of(&p->ports[o->first_port + j], packet->proto))
				paint(w, &p->ports[o->first_port + j], answer, (uint32_t)i,
				      opening_is_over(o, now_s));
	}
}

static void mark(bool ports[65536], const struct port_range *range, bool value)
{
	memset(ports + range->first, value, (size_t)range->last - range->first + 1);
}

static void paint_protected(struct painter *w)
{
	for (uint32_t port = 1; port < 65536; port++)
		if (w->protected[port] && !w->named[port])
			w->answers->answer[port] = POLICY_OPEN;
}

static void mark_ports(struct painter *w, const struct policy *p, enum proto proto)
{
	const struct policy_settings *settings = &p->settings;

	for (uint32_t i = 0; i < settings->protected_count; i++)
		if (is_of(&p->ports[settings->first_protected + i], proto))
			mark(w->protected, &p->ports[settings->first_protected + i], true);
	for (size_t i = 0; i < p->opening_count && settings->protected_count; i++)
		for (uint32_t j = 0; j < p->openings[i].port_count; j++)
			if (is_of(&p->ports[p->openings[i].first_port + j], proto))
				mark(w->named, &p->ports[p->openings[i].first_port + j], true);
}

int policy_match_ports(const struct policy *p, const struct policy_links *links,
		       const struct policy_packet *packet, int64_t now_s,
		       struct policy_answers *ret)
{
	bool is_own = strcmp(packet->ifname, "lo") == 0;
	struct painter *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->answers = ret;
	memset(ret->answer, is_own ? POLICY_OPEN : POLICY_CLOSED, sizeof(ret->answer));
	for (uint32_t port = 0; port < 65536; port++) {
		w->next[port] = port;
		ret->opening[port] = POLICY_NO_OPENING;
	}
	w->next[65536] = 65536;
	if (!is_own) {
		mark_ports(w, p, packet->proto);
		paint_openings(w, p, links, packet, now_s, POLICY_OPEN);
		paint_openings(w, p, links, packet, now_s, POLICY_RATED);
		paint_protected(w);
	}
	free(w);
	return 0;
}
