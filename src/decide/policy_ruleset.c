/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_ruleset.h"
#include "base/mem.h"
#include "decide/policy_ruleset_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ELEMENTS_A_LINE = 6 };

const struct opening *ruleset_opening(const struct ruleset *r, uint32_t target)
{
	return target == ruleset_protected(r) ? NULL : &r->p->openings[target / TARGET_KINDS];
}

void ruleset_add_target(const struct ruleset *r, struct buf *out, uint32_t target)
{
	if (target == ruleset_protected(r))
		buf_add_text(out, "protected");
	else
		buf_printf(out, "o%u%s", target / TARGET_KINDS + 1,
			   target % TARGET_KINDS == TARGET_TIMED ? "t" : "");
}

void ruleset_next_element(struct buf *out, size_t index)
{
	if (index)
		buf_add_char(out, ',');
	buf_add_text(out, index && index % ELEMENTS_A_LINE == 0 ? "\n\t\t\t" : " ");
}

void ruleset_add_network(struct buf *out, const struct address *network, uint8_t prefix_len)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(network, text);
	buf_add_text(out, text);
	if (prefix_len < (network->family == AF_INET ? 32 : 128))
		buf_printf(out, "/%u", prefix_len);
}

void ruleset_add_addresses(struct buf *out, const struct address *first, const struct address *last)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(first, text);
	buf_add_text(out, text);
	if (address_equal(first, last))
		return;
	address_format(last, text);
	buf_printf(out, "-%s", text);
}

/* --- own networks --- */

static void write_link_set(struct ruleset *r, const struct prefixes *list, int family)
{
	bool v4 = family == AF_INET;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct prefix *prefix = &list->items[i];

		if (prefix->network.family != family)
			continue;
		if (count == 0)
			buf_printf(&r->sets,
				   "\tset link%d {\n\t\ttype ifname . %s\n\t\tflags interval\n"
				   "\t\telements = {",
				   v4 ? 4 : 6, v4 ? "ipv4_addr" : "ipv6_addr");
		ruleset_next_element(&r->sets, count++);
		buf_printf(&r->sets, "\"%s\" . ",
			   strpool_get(&r->wish->links->strings, prefix->group));
		ruleset_add_network(&r->sets, &prefix->network, prefix->len);
	}
	if (count)
		buf_add_text(&r->sets, " }\n\t}\n");
}

/* Those that the link class has not at every interface. */
static int collect_links(struct ruleset *r, struct prefixes *list)
{
	const struct policy_links *links = r->wish->links;

	for (size_t i = 0; i < links->count; i++) {
		const struct policy_link *link = &links->items[i];

		if (!policy_interface_is_possible(strpool_get(&links->strings, link->ifname_str)) ||
		    (address_is_link_local(&link->network) && link->prefix_len >= 10))
			continue;
		if (prefixes_add(list, link->ifname_str, &link->network, link->prefix_len) < 0)
			return -1;
		r->has_link4 |= link->network.family == AF_INET;
		r->has_link6 |= link->network.family == AF_INET6;
	}
	prefixes_tidy(list);
	return 0;
}

static void write_private_set(struct ruleset *r)
{
	const struct policy_network *networks;
	size_t count = policy_private_networks(&networks), written = 0;

	buf_add_text(&r->sets, "\tset private4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
			       "\t\telements = {");
	for (size_t i = 0; i < count; i++) {
		if (networks[i].network.family != AF_INET)
			continue;
		ruleset_next_element(&r->sets, written++);
		ruleset_add_network(&r->sets, &networks[i].network, networks[i].prefix_len);
	}
	buf_add_text(&r->sets, " }\n\t}\n");
}

static void write_class_sets(struct ruleset *r, const struct prefixes *links)
{
	if (r->private_set)
		write_private_set(r);
	if (r->link_sets) {
		write_link_set(r, links, AF_INET);
		write_link_set(r, links, AF_INET6);
	}
}

/* --- the hooks --- */

static const char own[] = "\t\tiif lo accept\n";
/* A SYN is checked whatever connection tracking says: a connection that was reset can be opened
 * again by a SYN that it calls established. What is related is ICMP (no port), or what a helper
 * expects, as FTP's data: that must be declared, too. */
static const char tracked[] = "\t\ttcp flags & (syn | ack) != syn ct state established accept\n"
			      "\t\tmeta l4proto != tcp ct state established accept\n";
static const char protocols[] = "\t\tmeta l4proto != { tcp, udp, udplite, sctp, dccp } accept\n";
/* Of connections that are older than connection tracking. One that begins has no ACK, or (what
 * answers to a SYN of the machine itself) finds a socket that does not listen. */
static const char sockets[] = "\t\ttcp flags & ack == ack socket wildcard 0 accept\n";

static void write_echo(const struct ruleset *r, struct buf *out, const char *match)
{
	if (!r->p->settings.drop_echo)
		return;
	for (int v6 = 0; v6 < 2; v6++)
		buf_printf(out, "\t\t%s type echo-request %s counter%s comment \"echo\"\n",
			   v6 ? "icmpv6" : "icmp", match, r->observe ? "" : " drop");
}

/* Multicast is left to `input`: a router passes on what is not for itself alone. */
static void write_prerouting(const struct ruleset *r, struct buf *out)
{
	buf_add_text(out, "\tchain prerouting {\n"
			  "\t\ttype filter hook prerouting priority -199; policy accept;\n");
	buf_add_text(out, own);
	write_echo(r, out, "fib daddr type { local, broadcast, anycast, multicast }");
	if (r->wish->vrf) /* the second look, after that at its port; and its own to itself */
		buf_add_text(out, "\t\tmeta iifkind \"vrf\" accept\n");
	buf_add_text(out, tracked);
	buf_add_text(out, protocols);
	if (!r->wish->no_socket)
		buf_add_text(out, sockets);
	buf_add_text(out, "\t\tfib daddr type { local, broadcast, anycast } goto check\n\t}\n");
}

/* What was sent to an address of the machine has been checked where it arrived, whatever NAT made
 * of it. */
static void write_own(const struct ruleset *r, int family, struct buf *out)
{
	const struct policy_links *links = r->wish->links;
	const char *separator = "";
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < links->own_count; i++) {
		if (links->own[i].family != family)
			continue;
		if (!separator[0])
			buf_printf(out, "\t\tct status dnat ct original %s daddr { ",
				   family == AF_INET ? "ip" : "ip6");
		address_format(&links->own[i], text);
		buf_printf(out, "%s%s", separator, text);
		separator = ", ";
	}
	if (separator[0])
		buf_add_text(out, " } accept\n");
}

/* What the machine takes, but prerouting could not tell: multicast, what NAT or a transparent proxy
 * takes in although it was sent to another's address, and VRFs on older kernels. */
static void write_input(const struct ruleset *r, struct buf *out)
{
	buf_add_text(out, "\tchain input {\n"
			  "\t\ttype filter hook input priority -10; policy accept;\n");
	buf_add_text(out, own);
	buf_add_text(out, tracked);
	buf_add_text(out, protocols);
	write_own(r, AF_INET, out);
	write_own(r, AF_INET6, out);
	buf_add_text(out,
		     "\t\tct status ! dnat fib daddr type { local, broadcast, anycast } accept\n");
	if (!r->wish->no_socket)
		buf_add_text(out, sockets);
	buf_add_text(out, "\t\tgoto check\n\t}\n");
}

static void write_check(const struct ruleset *r, struct buf *out)
{
	buf_add_text(out, "\tchain check {\n");
	buf_add(out, buf_text(&r->check), r->check.len);
	/* what answers to a machine that asks for its address has no connection */
	buf_add_text(out, "\t\tmeta nfproto ipv4 udp sport 67 udp dport 68 accept\n"
			  "\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n"
			  "\t\tcounter comment \"undeclared\"\n");
	if (r->observe)
		buf_add_text(out, "\t\taccept\n");
	else if (r->p->settings.undeclared == UNDECLARED_REJECT)
		buf_add_text(out, "\t\tmeta l4proto tcp reject with tcp reset\n"
				  "\t\treject with icmpx port-unreachable\n");
	else
		buf_add_text(out, "\t\tdrop\n");
	buf_add_text(out, "\t}\n");
}

/* --- all of it --- */

static void join(const struct ruleset *r, struct buf *out)
{
	const struct buf *parts[] = {&r->sets, &r->openings, &r->lists, &r->maps};

	buf_add_text(out, "add table inet portero\n"
			  "delete table inet portero\n"
			  "table inet portero {\n");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_add(out, buf_text(parts[i]), parts[i]->len);
		out->failed |= parts[i]->failed;
	}
	out->failed |= r->check.failed;
	write_check(r, out);
	write_prerouting(r, out);
	write_input(r, out);
	buf_add_text(out, "}\n");
}

static void done(struct ruleset *r)
{
	buf_done(&r->sets);
	buf_done(&r->openings);
	buf_done(&r->lists);
	buf_done(&r->maps);
	buf_done(&r->check);
	prefix_store_done(&r->store);
	free(r->used);
}

int policy_ruleset_format(const struct policy_ruleset_wish *wish, struct buf *out)
{
	cleanup_call(done) struct ruleset r = {
		.wish = wish,
		.p = wish->policy,
		.observe = wish->observe || wish->policy->settings.undeclared == UNDECLARED_OBSERVE,
	};
	cleanup_call(prefixes_done) struct prefixes links = {0};

	r.used = calloc((r.p->opening_count + 1) * TARGET_KINDS, sizeof(*r.used));
	if (!r.used || collect_links(&r, &links) < 0 || ruleset_write_ports(&r) < 0 ||
	    ruleset_write_openings(&r) < 0)
		return -ENOMEM;
	write_class_sets(&r, &links);
	join(&r, out);
	return out->failed ? -ENOMEM : 0;
}
