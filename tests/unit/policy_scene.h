/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_scene: policies made by hand, for tests of what is made of them. Lists are words with
 * spaces between them.
 */
#pragma once

#include "base/mem.h"
#include "decide/policy_match.h"
#include "model/policy.h"
#include "unit.h"

#include <arpa/inet.h>

enum { SCENE_NOW = 1800000000 };

struct given {
	const char *ports;	/* "22/tcp 8000-8100/udp" */
	const char *from;	/* "internet", "private link 10.0.0.0/8 2001:db8::/32" */
	const char *interfaces; /* NULL: all */
	uint32_t rate_count, rate_seconds;
	int64_t until_s;
	const char *why;
};

static inline void scene_network(const char *word, struct address *network, uint8_t *prefix_len)
{
	char text[64];
	const char *slash = strchr(word, '/');

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(word, "/"), word);
	*network = (struct address){.family = strchr(word, ':') ? AF_INET6 : AF_INET};
	assert_int_equal(inet_pton(network->family, text, network->bytes), 1);
	*prefix_len = (uint8_t)(slash ? atoi(slash + 1) : strchr(word, ':') ? 128 : 32);
	*network = address_network(network, *prefix_len);
}

static inline struct address scene_address(const char *word)
{
	struct address a;
	uint8_t ignored;

	scene_network(word, &a, &ignored);
	return a;
}

static inline void scene_ports(struct policy *p, const char *words, uint32_t *first,
			       uint32_t *count)
{
	char copy[1024], *rest = NULL;

	*first = (uint32_t)p->port_count;
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		struct err e;
		struct port_range range;

		assert_int_equal(port_range_parse(w, &range, &e), 0);
		assert_false(range.any_proto);
		*policy_add_port(p) = range;
	}
	*count = (uint32_t)p->port_count - *first;
}

static inline void scene_source(struct policy *p, const char *word)
{
	struct policy_source source = {.class = SOURCE_LISTED};

	for (int class = 0; class < SOURCE_LISTED; class ++)
		if (strcmp(word, source_class_id((enum source_class) class)) == 0)
			source.class = (enum source_class) class;
	if (source.class == SOURCE_LISTED)
		scene_network(word, &source.network, &source.prefix_len);
	*policy_add_source(p) = source;
}

static inline void scene_open(struct policy *p, const struct given *g)
{
	struct opening o = {.rate_count = g->rate_count,
			    .rate_seconds = g->rate_seconds,
			    .until_s = g->until_s,
			    .first_source = (uint32_t)p->source_count,
			    .first_interface = (uint32_t)p->interface_count};
	char *copy = strdup(g->from), *rest = NULL;

	scene_ports(p, g->ports, &o.first_port, &o.port_count);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		scene_source(p, w);
	free(copy);
	copy = strdup(g->interfaces ? g->interfaces : "");
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		assert_int_equal(policy_add_interface(p, w), 0);
	free(copy);
	o.source_count = (uint32_t)p->source_count - o.first_source;
	o.interface_count = (uint32_t)p->interface_count - o.first_interface;
	o.place = (struct policy_place){.file_str = strpool_add_text(&p->strings, "web.yaml"),
					.line = (uint32_t)p->opening_count + 1,
					.column = 3};
	o.why_str = strpool_add_text(&p->strings, g->why ? g->why : "");
	*policy_add_opening(p) = o;
}

static inline void scene_protect(struct policy *p, const char *ports)
{
	scene_ports(p, ports, &p->settings.first_protected, &p->settings.protected_count);
}

/* "eth0 10.0.0.1/24" */
static inline void scene_link(struct policy_links *links, const char *ifname, const char *network)
{
	struct address a;
	uint8_t len;

	scene_network(network, &a, &len);
	assert_int_equal(policy_links_add(links, ifname, &a, len), 0);
}

/* A policy of random openings over few ports, interfaces and sources, so that they meet. */
static inline void scene_random(struct policy *p, uint64_t *seed, unsigned openings)
{
	static const char *const from[] = {"internet",
					   "private",
					   "link",
					   "host",
					   "10.0.0.0/8",
					   "10.1.0.0/16",
					   "10.1.2.3",
					   "192.168.0.0/16 8.8.0.0/16",
					   "2001:db8::/32",
					   "fd00::/8 link",
					   "8.8.8.8 10.1.2.0/24 2001:db8:1::/48",
					   "0.0.0.0/0",
					   "::/0",
					   "198.51.100.0/25"};
	static const char *const interfaces[] = {"eth0",  "eth1", "eth*",  "eth0 br-*",
						 "wlan0", "*",	  "ba\"d", "eth1 br-1 lo"};

	for (unsigned i = 0; i < openings; i++) {
		char ports[128];
		unsigned first = 1 + (unsigned)(unit_random(seed) % 40);
		struct given g = {.ports = ports,
				  .from = from[unit_random(seed) % ARRAY_LEN(from)]};

		snprintf(ports, sizeof(ports), "%u-%u/%s %u/tcp", first,
			 first + (unsigned)(unit_random(seed) % 4 ? 0 : unit_random(seed) % 30),
			 unit_random(seed) % 2 ? "tcp" : "udp",
			 60000 + (unsigned)(unit_random(seed) % 6));
		if (unit_random(seed) % 3 == 0)
			g.interfaces = interfaces[unit_random(seed) % ARRAY_LEN(interfaces)];
		if (unit_random(seed) % 4 == 0) {
			g.rate_count = 5;
			g.rate_seconds = 60;
		}
		if (unit_random(seed) % 4 == 0)
			g.until_s = SCENE_NOW + (unit_random(seed) % 2 ? 100 : -100);
		scene_open(p, &g);
	}
	if (unit_random(seed) % 2)
		scene_protect(p, "5-9/tcp 22/tcp 7/udp 65535/tcp");
}
