/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ruleset_openings: the chain of each opening. Its rules say the whole truth about the
 * opening but for its ports, whatever led there.
 *
 * The kernel looks for the sets of a table one by one, so that thousands of them take it long to
 * load: few networks are rules, and only many are a set.
 */
#include "base/mem.h"
#include "decide/policy_ruleset_parts.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RULES_LIMIT = 16,     /* networks of one family that are rules */
	COMMENT_LIMIT = 120,  /* nft takes 127 bytes */
	RATE_SET_SIZE = 65535 /* sources that one rate knows; if there are more, those get in */
};

/* An opening while its chain is written. */
struct chain {
	struct ruleset *r;
	const struct opening *o;
	uint32_t number; /* oN */
	struct buf tail; /* of each rule that lets somebody in */
	struct prefixes prefixes;
	bool internet, private, link;
};

bool ruleset_lets_in(const struct policy *p, const struct opening *o)
{
	bool interfaces = o->interface_count == 0, sources = false;

	for (uint32_t i = 0; i < o->interface_count; i++)
		interfaces |= policy_interface_is_possible(
			policy_text(p, p->interfaces[o->first_interface + i]));
	for (uint32_t i = 0; i < o->source_count; i++)
		sources |= p->sources[o->first_source + i].class != SOURCE_HOST;
	return interfaces && sources;
}

/* Printable ASCII, no quotes and no backslashes; each other character becomes one '?'. */
static void add_comment_text(char comment[COMMENT_LIMIT + 1], const char *text)
{
	size_t len = strlen(comment);

	for (; *text && len < COMMENT_LIMIT; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c & 0xc0) == 0x80) /* the rest of a character of several bytes */
			continue;
		comment[len++] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : (char)c;
	}
	comment[len] = '\0';
}

static void add_comment(const struct chain *c, struct buf *out)
{
	char comment[COMMENT_LIMIT + 1] = "", line[16];

	add_comment_text(comment, policy_text(c->r->p, c->o->place.file_str));
	snprintf(line, sizeof(line), ":%u ", c->o->place.line);
	add_comment_text(comment, line);
	add_comment_text(comment, policy_text(c->r->p, c->o->why_str));
	for (size_t len = strlen(comment); len && comment[len - 1] == ' '; len--)
		comment[len - 1] = '\0';
	buf_printf(out, " comment \"%s\"", comment);
}

static int collect_sources(struct chain *c)
{
	const struct policy *p = c->r->p;

	c->prefixes.count = 0;
	for (uint32_t i = 0; i < c->o->source_count; i++) {
		const struct policy_source *source = &p->sources[c->o->first_source + i];

		c->internet |= source->class == SOURCE_INTERNET;
		c->private |= source->class == SOURCE_PRIVATE;
		c->link |= source->class == SOURCE_LINK;
		if (source->class == SOURCE_LISTED &&
		    prefixes_add(&c->prefixes, 0, &source->network, source->prefix_len) < 0)
			return -1;
	}
	prefixes_tidy(&c->prefixes);
	return 0;
}

/* --- the rules for sources --- */

static void add_rule(struct chain *c, const char *match)
{
	buf_printf(&c->r->openings, "\t\t%s%s", match, buf_text(&c->tail));
}

static void write_network_rule(struct chain *c, const struct address *network, uint8_t prefix_len)
{
	struct buf *out = &c->r->openings;
	bool v4 = network->family == AF_INET;

	if (prefix_len == 0) { /* nft makes no sense of a network of all */
		buf_printf(out, "\t\tmeta nfproto %s", v4 ? "ipv4" : "ipv6");
	} else {
		buf_printf(out, "\t\t%s saddr ", v4 ? "ip" : "ip6");
		ruleset_add_network(out, network, prefix_len);
	}
	buf_add_text(out, buf_text(&c->tail));
}

static void write_set(struct ruleset *r, uint32_t number, const struct prefix *items, size_t count)
{
	buf_printf(&r->sets, "\tset s%u {\n\t\ttype %s\n\t\tflags interval\n\t\telements = {",
		   number + 1, items[0].network.family == AF_INET ? "ipv4_addr" : "ipv6_addr");
	for (size_t i = 0; i < count; i++) {
		ruleset_next_element(&r->sets, i);
		ruleset_add_network(&r->sets, &items[i].network, items[i].len);
	}
	buf_add_text(&r->sets, " }\n\t}\n");
}

/* The listed networks of one family. */
static int write_networks(struct chain *c, const struct prefix *items, size_t count)
{
	uint32_t number;
	bool is_new;

	if (count <= RULES_LIMIT) {
		for (size_t i = 0; i < count; i++)
			write_network_rule(c, &items[i].network, items[i].len);
		return 0;
	}
	if (prefix_store_add(&c->r->store, items, count, &number, &is_new) < 0)
		return -1;
	if (is_new)
		write_set(c->r, number, items, count);
	buf_printf(&c->r->openings, "\t\t%s saddr @s%u%s",
		   items[0].network.family == AF_INET ? "ip" : "ip6", number + 1,
		   buf_text(&c->tail));
	return 0;
}

static void write_link(struct chain *c)
{
	const struct policy_network *networks;
	size_t count = policy_link_networks(&networks);

	c->r->link_sets = true;
	for (size_t i = 0; i < count; i++)
		write_network_rule(c, &networks[i].network, networks[i].prefix_len);
	if (c->r->has_link4)
		add_rule(c, "iifname . ip saddr @link4");
	if (c->r->has_link6)
		add_rule(c, "iifname . ip6 saddr @link6");
}

static int write_sources(struct chain *c)
{
	size_t v4 = 0;

	if (c->internet) {
		/* the tail begins with a space */
		buf_printf(&c->r->openings, "\t\t%s", buf_text(&c->tail) + 1);
		return 0;
	}
	if (c->link)
		write_link(c);
	if (c->private) {
		c->r->private_set = true;
		add_rule(c, "ip saddr @private4");
		add_rule(c, "ip6 saddr fc00::/7");
	}
	while (v4 < c->prefixes.count && c->prefixes.items[v4].network.family == AF_INET)
		v4++;
	if (write_networks(c, c->prefixes.items, v4) < 0)
		return -1;
	return write_networks(c, c->prefixes.items + v4, c->prefixes.count - v4);
}

/* --- the rate --- */

static const char *rate_unit(uint32_t seconds)
{
	return seconds == 1	 ? "second"
	       : seconds == 60	 ? "minute"
	       : seconds == 3600 ? "hour"
				 : "day";
}

/* A source is forgotten when it was quiet for so long that all of its rate is there again. */
static void write_rate(struct chain *c)
{
	struct ruleset *r = c->r;
	const struct opening *o = c->o;
	static const struct {
		int family;
		const char *type, *key;
	} families[] = {{4, "ipv4_addr", "ip saddr"},
			{6, "ipv6_addr", "ip6 saddr & ffff:ffff:ffff:ffff::"}};

	buf_printf(&r->openings, "\tchain o%ur {\n", c->number);
	/* more of a connection that was let in, and has no answer yet */
	buf_add_text(&r->openings, "\t\tct state new ct status confirmed counter accept");
	add_comment(c, &r->openings);
	buf_add_char(&r->openings, '\n');
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		buf_printf(&r->sets,
			   "\tset rate%u_%d {\n\t\ttype %s\n\t\tsize %d\n"
			   "\t\tflags dynamic,timeout\n\t\ttimeout %us\n\t}\n",
			   c->number, families[i].family, families[i].type, RATE_SET_SIZE,
			   o->rate_seconds);
		buf_printf(&r->openings,
			   "\t\tupdate @rate%u_%d { %s limit rate over %u/%s burst %u packets } "
			   "return\n",
			   c->number, families[i].family, families[i].key, o->rate_count,
			   rate_unit(o->rate_seconds), o->rate_count);
	}
	buf_add_text(&r->openings, "\t\tcounter accept");
	add_comment(c, &r->openings);
	buf_add_text(&r->openings, "\n\t}\n");
}

/* --- the chain --- */

/* One interface: others leave. Several: each leads to the sources, in a chain of its own. */
static void write_interfaces(struct chain *c)
{
	const struct policy *p = c->r->p;
	const uint32_t *names = p->interfaces + c->o->first_interface;
	struct buf *out = &c->r->openings;

	if (c->o->interface_count == 1) {
		if (strcmp(policy_text(p, names[0]), "*") != 0)
			buf_printf(out, "\t\tiifname != \"%s\" return\n", policy_text(p, names[0]));
		return;
	}
	for (uint32_t i = 0; i < c->o->interface_count; i++) {
		const char *name = policy_text(p, names[i]);

		if (strcmp(name, "*") == 0)
			buf_printf(out, "\t\tgoto o%us\n", c->number);
		else if (policy_interface_is_possible(name))
			buf_printf(out, "\t\tiifname \"%s\" goto o%us\n", name, c->number);
	}
	buf_printf(out, "\t}\n\tchain o%us {\n", c->number);
}

static int write_chain(struct chain *c)
{
	struct buf *out = &c->r->openings;

	c->internet = c->private = c->link = false;
	if (collect_sources(c) < 0)
		return -1;
	buf_clear(&c->tail);
	if (c->o->rate_count) {
		write_rate(c);
		buf_printf(&c->tail, " goto o%ur\n", c->number);
	} else {
		buf_add_text(&c->tail, " counter accept");
		add_comment(c, &c->tail);
		buf_add_char(&c->tail, '\n');
	}
	buf_printf(out, "\tchain o%u {\n", c->number);
	if (c->o->interface_count)
		write_interfaces(c);
	if (write_sources(c) < 0)
		return -1;
	buf_add_text(out, "\t}\n");
	return 0;
}

int ruleset_write_openings(struct ruleset *r)
{
	struct chain c = {.r = r};
	int result = 0;

	for (uint32_t i = 0; i < r->p->opening_count && result == 0; i++) {
		bool timed = r->used[ruleset_target(i, TARGET_TIMED)];

		c.o = &r->p->openings[i];
		c.number = i + 1;
		if (timed || r->used[ruleset_target(i, TARGET_PLAIN)])
			result = write_chain(&c);
		if (timed)
			buf_printf(&r->openings,
				   "\tchain o%ut {\n\t\tmeta time < %lld goto o%u\n\t}\n", i + 1,
				   (long long)c.o->until_s, i + 1);
	}
	if (r->used[ruleset_protected(r)])
		buf_add_text(&r->openings, "\tchain protected {\n\t\tcounter accept comment "
					   "\"protected\"\n\t}\n");
	if (c.tail.failed)
		result = -1;
	buf_done(&c.tail);
	prefixes_done(&c.prefixes);
	return result;
}
