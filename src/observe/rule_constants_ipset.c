/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants_ipset: what a lookup in an ipset compares with: every element of the set, in each
 * of its dimensions. From the raw messages of IPSET_CMD_LIST; sets that no rule looks into are not
 * read.
 *
 * The group of an element in one dimension is the set, the rest of the element, and what the set
 * has for it; so a set of addresses is one group. Where elements may hide one another (nomatch, or
 * more than membership is asked), the length of the prefix is part of the group.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rule_collect.h"

#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/xt_set.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { DIMENSIONS = 3, IPSET_ATTR_BITMASK_6_3 = 12 };

enum dimension { DIM_NONE, DIM_ADDRESS, DIM_PORT, DIM_IFACE, DIM_OTHER };

struct ipset {
	uint16_t index;
	char name[IPSET_MAXNAMELEN];
	char type[IPSET_MAXNAMELEN];
	unsigned family; /* FAMILY4, FAMILY6; 0: has no addresses */
	enum dimension dimensions[DIMENSIONS];
	bool is_list;
	unsigned netmask; /* of the looked up address; 0: whole */
	bool has_bitmask;
	uint8_t bitmask[RULE_VALUE_SIZE]; /* the same as a mask */
	bool layered;			  /* the length of prefixes counts */
};

/* One dimension of an element: the values from first to last. */
struct part {
	uint8_t first[RULE_VALUE_SIZE], last[RULE_VALUE_SIZE];
};

struct element {
	struct part parts[DIMENSIONS];
	uint64_t extra; /* a hash of all else */
};

static enum dimension parse_dimension(const char *word, size_t len)
{
	static const struct {
		const char *word;
		enum dimension dimension;
	} known[] = {
		{"ip", DIM_ADDRESS},  {"net", DIM_ADDRESS}, {"port", DIM_PORT},
		{"iface", DIM_IFACE}, {"mac", DIM_OTHER},   {"mark", DIM_OTHER},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].word) == len && memcmp(word, known[i].word, len) == 0)
			return known[i].dimension;
	return DIM_NONE;
}

/* "hash:net,port,net": 0, or -1 for a type that is not known. */
static int parse_type(struct ipset *set)
{
	const char *at = strchr(set->type, ':');

	if (strcmp(set->type, "list:set") == 0) {
		set->is_list = true;
		return 0;
	}
	if (!at)
		return -1;
	for (size_t i = 0; *at; i++) {
		size_t len = strcspn(at + 1, ",");

		if (i == DIMENSIONS)
			return -1;
		set->dimensions[i] = parse_dimension(at + 1, len);
		if (set->dimensions[i] == DIM_NONE)
			return -1;
		at += 1 + len;
	}
	return 0;
}

/* The bytes of a nested IP attribute; false when it has none. */
static bool read_ip(struct cur value, uint8_t bytes[RULE_VALUE_SIZE])
{
	struct cur ip;

	memset(bytes, 0, RULE_VALUE_SIZE);
	if (nla_find(value, IPSET_ATTR_IPADDR_IPV4, &ip)) {
		cur_read(&ip, bytes, 4);
		return ip.ok;
	}
	if (nla_find(value, IPSET_ATTR_IPADDR_IPV6, &ip)) {
		cur_read(&ip, bytes, 16);
		return ip.ok;
	}
	return false;
}

static void read_create(struct ipset *set, struct cur data)
{
	struct cur value;

	if (nla_find(data, IPSET_ATTR_NETMASK, &value))
		set->netmask = (unsigned)nla_number_be(value);
	if (nla_find(data, IPSET_ATTR_BITMASK_6_3, &value) && read_ip(value, set->bitmask))
		set->has_bitmask = true;
	if (nla_find(data, IPSET_ATTR_CADT_FLAGS, &value) &&
	    nla_number_be(value) & IPSET_FLAG_WITH_SKBINFO)
		set->layered = true;
}

/* True when any element of the message is a nomatch. */
static bool has_nomatch(struct cur elements)
{
	struct cur element, value;
	uint16_t type;

	while (nla_next(&elements, &type, &element))
		if (nla_find(element, IPSET_ATTR_CADT_FLAGS, &value) &&
		    nla_number_be(value) & IPSET_FLAG_NOMATCH)
			return true;
	return false;
}

static bool same_index(const struct ipset_messages *all, size_t i, uint16_t index)
{
	return i < all->count && all->items[i].index == index;
}

static struct cur attributes(const struct ipset_messages *all, size_t i)
{
	return cur_init(all->items[i].bytes, all->items[i].len);
}

/* Reads the heading of the set whose messages begin at `at`; -1 when it has none, or is of no known
 * type. */
static int read_heading(const struct ipset_messages *all, size_t at, struct ipset *ret)
{
	struct cur message = attributes(all, at), value;

	*ret = (struct ipset){.index = all->items[at].index};
	if (!nla_find(message, IPSET_ATTR_SETNAME, &value) ||
	    !nla_string(value, ret->name, sizeof(ret->name)) ||
	    !nla_find(message, IPSET_ATTR_TYPENAME, &value) ||
	    !nla_string(value, ret->type, sizeof(ret->type)))
		return -1;
	if (nla_find(message, IPSET_ATTR_FAMILY, &value)) {
		uint64_t family = nla_number_be(value);

		ret->family = family == AF_INET ? FAMILY4 : family == AF_INET6 ? FAMILY6 : 0;
	}
	if (nla_find(message, IPSET_ATTR_DATA, &value))
		read_create(ret, value);
	for (size_t i = at; !ret->layered && same_index(all, i, ret->index); i++)
		if (nla_find(attributes(all, i), IPSET_ATTR_ADT, &value))
			ret->layered = has_nomatch(value);
	return parse_type(ret);
}

/* --- elements ----------------------------------------------------------------------------------
 */

/* The attributes of an element's n-th address. */
struct address_attributes {
	uint16_t ip, to, cidr;
};
static const struct address_attributes address_attributes[] = {
	{IPSET_ATTR_IP, IPSET_ATTR_IP_TO, IPSET_ATTR_CIDR},
	{IPSET_ATTR_IP2, IPSET_ATTR_IP2_TO, IPSET_ATTR_CIDR2},
};

static void spread(struct part *part, unsigned bits, size_t width)
{
	for (unsigned i = 0; i < width; i++) {
		unsigned own = bits <= i * 8 ? 0 : bits - i * 8;
		uint8_t host = own >= 8 ? 0 : (uint8_t)(0xff >> own);

		part->first[i] &= (uint8_t)~host;
		part->last[i] |= host;
	}
}

static bool read_address(const struct ipset *set, struct cur element, size_t nth, struct part *part)
{
	const struct address_attributes *which = &address_attributes[nth];
	struct cur value;
	uint64_t bits = 0;

	if (!nla_find(element, which->ip, &value) || !read_ip(value, part->first))
		return false;
	memcpy(part->last, part->first, sizeof(part->last));
	if (nla_find(element, which->to, &value))
		return read_ip(value, part->last);
	if (nla_find(element, which->cidr, &value))
		bits = nla_number_be(value);
	else if (set->netmask)
		bits = set->netmask;
	else
		return true;
	spread(part, (unsigned)(bits < 128 ? bits : 128), set->family == FAMILY4 ? 4 : 16);
	return true;
}

static bool read_port(struct cur element, struct part *part)
{
	struct cur value;

	if (!nla_find(element, IPSET_ATTR_PORT, &value) || value.left != 2)
		return false;
	cur_read(&value, part->first, 2);
	memcpy(part->last, part->first, sizeof(part->last));
	if (nla_find(element, IPSET_ATTR_PORT_TO, &value) && value.left == 2)
		cur_read(&value, part->last, 2);
	return true;
}

static bool read_iface(struct cur element, struct part *part)
{
	char name[RULE_VALUE_SIZE] = {0};
	struct cur value;
	size_t len;

	if (!nla_find(element, IPSET_ATTR_IFACE, &value) || !nla_string(value, name, sizeof(name)))
		return false;
	len = strlen(name);
	memcpy(part->first, name, sizeof(name));
	memcpy(part->last, name, sizeof(name));
	if (nla_find(element, IPSET_ATTR_CADT_FLAGS, &value) &&
	    nla_number_be(value) & IPSET_FLAG_IFACE_WILDCARD)
		memset(part->last + len, 0xff, sizeof(name) - len);
	return true;
}

/* A hash of what an element has besides of its dimensions. */
static uint64_t hash_extra(const struct ipset *set, struct cur element)
{
	static const uint16_t always[] = {IPSET_ATTR_PROTO,   IPSET_ATTR_MARK,
					  IPSET_ATTR_ETHER,   IPSET_ATTR_SKBMARK,
					  IPSET_ATTR_SKBPRIO, IPSET_ATTR_SKBQUEUE};
	static const uint16_t in_layers[] = {IPSET_ATTR_CIDR, IPSET_ATTR_CIDR2};
	uint64_t hash = 0;
	struct cur value;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (nla_find(element, always[i], &value))
			hash = map_mix(hash + i, map_hash_bytes(value.at, value.left));
	/* of the flags, those that change what the element means */
	if (nla_find(element, IPSET_ATTR_CADT_FLAGS, &value))
		hash = map_mix(hash,
			       nla_number_be(value) & (IPSET_FLAG_NOMATCH | IPSET_FLAG_PHYSDEV));
	for (size_t i = 0; set->layered && i < ARRAY_LEN(in_layers); i++)
		if (nla_find(element, in_layers[i], &value))
			hash = map_mix(hash + 16 + i, nla_number_be(value));
	return hash;
}

static bool read_element(const struct ipset *set, struct cur element, struct element *ret)
{
	size_t addresses = 0;
	bool ok = true;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < DIMENSIONS && ok; i++) {
		struct part *part = &ret->parts[i];

		if (set->dimensions[i] == DIM_ADDRESS)
			ok = addresses < ARRAY_LEN(address_attributes) &&
			     read_address(set, element, addresses++, part);
		else if (set->dimensions[i] == DIM_PORT)
			ok = read_port(element, part);
		else if (set->dimensions[i] == DIM_IFACE)
			ok = read_iface(element, part);
	}
	ret->extra = hash_extra(set, element);
	return ok;
}

/* The group of dimension i: the set and all of the element but that dimension. */
static uint64_t element_group(const struct ipset *set, const struct element *e, size_t i)
{
	uint64_t hash = map_mix(map_mix(0x6970736574, set->index), map_mix(e->extra, i));

	for (size_t j = 0; j < DIMENSIONS; j++)
		if (j != i)
			hash = map_mix(hash, map_hash_bytes(&e->parts[j], sizeof(e->parts[j])));
	return hash;
}

static void collect_address(struct rule_collector *k, const struct ipset *set,
			    enum rule_field field, const struct part *part, uint64_t group)
{
	group = map_mix(group, field); /* as a source it is another condition */
	if (set->has_bitmask)
		collect_masked(k, field, set->bitmask, part->first, group);
	else
		collect_range(k, field, part->first, part->last, group);
	if (set->dimensions[1] == DIM_NONE && !set->layered)
		collect_label(k, group, set->name);
}

static uint16_t port_of(const uint8_t bytes[RULE_VALUE_SIZE])
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void collect_element(struct rule_collector *k, const struct ipset *set,
			    const struct element *e, unsigned sources)
{
	for (size_t i = 0; i < DIMENSIONS; i++) {
		bool source = sources >> (i + 1) & 1;
		const struct part *part = &e->parts[i];
		uint64_t group = element_group(set, e, i);

		if (set->dimensions[i] == DIM_PORT)
			rule_constants_cut_ports(source ? &k->out->source_ports
							: &k->out->destination_ports,
						 port_of(part->first), port_of(part->last));
		else if (set->dimensions[i] == DIM_IFACE && source)
			collect_range(k, RULE_IIFNAME, part->first, part->last, group);
		else if (set->dimensions[i] == DIM_ADDRESS && k->families & set->family)
			collect_address(k, set,
					collect_field(source ? RULE_SOURCE4 : RULE_DESTINATION4,
						      set->family),
					part, group);
	}
}

/* Finds the first message of a set, by name when `name` is not NULL; count: there is none. */
static size_t find_set(const struct ipset_messages *all, uint16_t index, const char *name)
{
	for (size_t i = 0; i < all->count; i++) {
		char text[IPSET_MAXNAMELEN];
		struct cur value;

		if (!name && all->items[i].index == index)
			return i;
		if (name && nla_find(attributes(all, i), IPSET_ATTR_SETNAME, &value) &&
		    nla_string(value, text, sizeof(text)) && strcmp(text, name) == 0)
			return i;
	}
	return all->count;
}

static void not_readable(struct rule_collector *k, uint16_t index)
{
	char what[80];

	snprintf(what, sizeof(what), _("the ipset with index %u is not understood"), index);
	collect_opaque_all(k, what);
}

/* A set of ports only: a port is in it or not, so that neighbours in it are alike. */
static void collect_port_set(struct rule_collector *k, const struct ipset *set, size_t at,
			     struct port_cuts *ports)
{
	uint8_t has[65536 + 1] = {0}; /* and none after the last */
	struct cur elements, one;
	struct element element;
	uint16_t type;

	for (; same_index(k->ipsets, at, set->index); at++) {
		if (!nla_find(attributes(k->ipsets, at), IPSET_ATTR_ADT, &elements))
			continue;
		while (nla_next(&elements, &type, &one)) {
			if (!read_element(set, one, &element))
				not_readable(k, set->index);
			for (uint32_t p = port_of(element.parts[0].first);
			     p <= port_of(element.parts[0].last); p++)
				has[p] = 1;
		}
		if (!elements.ok)
			not_readable(k, set->index);
	}
	for (uint32_t first = 0, last; first < 65536; first = last + 1) {
		last = first;
		while (has[last] && has[last + 1])
			last++;
		if (has[first])
			rule_constants_cut_ports(ports, (uint16_t)first, (uint16_t)last);
	}
}

/* All elements of a set that is no list. */
static void collect_elements(struct rule_collector *k, const struct ipset *set, size_t at,
			     unsigned sources)
{
	struct cur elements, one;
	struct element element;
	uint16_t type;

	if (set->dimensions[0] == DIM_PORT && set->dimensions[1] == DIM_NONE) {
		collect_port_set(k, set, at,
				 sources >> 1 & 1 ? &k->out->source_ports
						  : &k->out->destination_ports);
		return;
	}
	for (; same_index(k->ipsets, at, set->index); at++) {
		if (!nla_find(attributes(k->ipsets, at), IPSET_ATTR_ADT, &elements))
			continue;
		while (nla_next(&elements, &type, &one)) {
			if (read_element(set, one, &element))
				collect_element(k, set, &element, sources);
			else
				not_readable(k, set->index);
		}
		if (!elements.ok)
			not_readable(k, set->index);
	}
}

/* A set that is a member of a list, or asked for itself. */
static void collect_plain(struct rule_collector *k, size_t at, unsigned sources)
{
	struct ipset set;

	if (read_heading(k->ipsets, at, &set) < 0 || set.is_list)
		not_readable(k, k->ipsets->items[at].index);
	else
		collect_elements(k, &set, at, sources);
}

/* list:set: a packet is in it when it is in one of its sets. */
static void collect_list(struct rule_collector *k, uint16_t index, size_t at, unsigned sources)
{
	struct cur elements, one, value;
	char name[IPSET_MAXNAMELEN];
	uint16_t type;

	for (; same_index(k->ipsets, at, index); at++) {
		if (!nla_find(attributes(k->ipsets, at), IPSET_ATTR_ADT, &elements))
			continue;
		while (nla_next(&elements, &type, &one)) {
			size_t member = k->ipsets->count;

			if (nla_find(one, IPSET_ATTR_NAME, &value) &&
			    nla_string(value, name, sizeof(name)))
				member = find_set(k->ipsets, 0, name);
			if (member == k->ipsets->count)
				not_readable(k, index);
			else
				collect_plain(k, member, sources);
		}
	}
}

static void collect_any(struct rule_collector *k, uint16_t index, unsigned sources)
{
	struct ipset set;
	size_t at;

	at = k->ipsets ? find_set(k->ipsets, index, NULL) : 0;
	if (!k->ipsets || at == k->ipsets->count || read_heading(k->ipsets, at, &set) < 0)
		not_readable(k, index);
	else if (set.is_list)
		collect_list(k, index, at, sources);
	else
		collect_elements(k, &set, at, sources);
}

void collect_ipset(struct rule_collector *k, uint16_t index, unsigned sources)
{
	enum scope_mode before = k->scope.mode;

	if (!collect_first_time(k, map_mix(map_mix(index, sources), k->families + 8)))
		return;
	/* other rules may ask it, too */
	k->scope.mode = SCOPE_SET;
	k->scope.plain = 0;
	collect_any(k, index, sources);
	k->scope.mode = before;
}
