/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_join: listeners and verdicts made by hand, and what must become of each port: a wrong
 * "closed" is the worst bug.
 */
#include "base/mem.h"
#include "decide/reach_join.h"
#include "scene.h"
#include "unit.h"

/* Index of a container's namespace, and of another; its interface, and those here to it. */
enum { OTHER = 1, THIRD = 2, CONTAINER_ETH = 7, DOCKER = 20, VETH, OTHER_DOCKER, OTHER_VETH };

static struct snapshot s;
static struct listener_list list;
static struct reach reach;
static struct reach_join join;
static bool clients;

static int begin(void **state)
{
	(void)state;
	scene_begin(&s);
	reach = (struct reach){.available = true, .complete = true};
	reach.untied_str = strpool_add_text(&reach.strings, "untied");
	reach.several_str = strpool_add_text(&reach.strings, "several");
	reach.apart_str = strpool_add_text(&reach.strings, "apart");
	clients = false;
	return 0;
}

static int end(void **state)
{
	(void)state;
	reach_join_done(&join);
	reach_done(&reach);
	listeners_done(&list);
	snapshot_done(&s);
	return 0;
}

static struct address parse(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

static void listen_on(enum proto proto, uint16_t port, const char *address)
{
	uint32_t p = scene_process(&s, 10 + (uint32_t)s.process_count, "/usr/sbin/server", 5);

	scene_socket(&s, proto, port, address);
	scene_hold(&s, p);
}

static struct interface_info *add_interface(uint32_t netns, uint32_t ifindex, enum link_kind kind,
					    uint32_t link, uint32_t master)
{
	struct interface_info *info = snapshot_add_interface(&s);

	*info = (struct interface_info){
		.netns = netns, .ifindex = ifindex, .kind = kind, .link = link, .master = master};
	return info;
}

/* A container with 172.17.0.2 and fd00:1::2 in a namespace of its own, which pairs with `veth`. */
static void add_container_at(uint32_t netns, uint32_t veth)
{
	static const char *const addresses[] = {"172.17.0.2", "fd00:1::2"};

	assert_int_equal(s.netns_count, netns);
	*snapshot_add_netns(&s) =
		(struct netns_info){.inum = 98 + netns, .container = SNAPSHOT_NONE};
	add_interface(netns, CONTAINER_ETH, LINK_PAIR, veth, 0);
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct interface_address *a = snapshot_add_address(&s);

		a->netns = netns;
		a->ifindex = CONTAINER_ETH;
		a->address = parse(addresses[i]);
		a->prefix_len = 16;
	}
}

/* ... behind a bridge of this machine. */
static void add_container(void)
{
	add_interface(0, DOCKER, LINK_BRIDGE, 0, 0);
	add_interface(0, VETH, LINK_PAIR, 0, DOCKER);
	add_container_at(OTHER, VETH);
}

static void listen_in(uint32_t netns, enum proto proto, uint16_t port, const char *address)
{
	listen_on(proto, port, address);
	s.sockets[s.socket_count - 1].netns = netns;
}

static void listen_in_container(enum proto proto, uint16_t port, const char *address)
{
	listen_in(OTHER, proto, port, address);
}

/* A class whose ports all get this verdict, until span() says something else of some. */
static struct reach_class *add_class(enum source_class class, uint32_t ifindex, enum proto proto,
				     const char *destination, enum verdict rest)
{
	struct reach_class *c = reach_add_class(&reach);
	struct reach_interval *i = reach_add_interval(&reach);

	*i = (struct reach_interval){.first = 1, .last = 65535, .verdict = rest};
	*c = (struct reach_class){
		.source_class = class,
		.ifindex = ifindex,
		.proto = proto,
		.destination = parse(destination),
		.first_interval = (uint32_t)reach.interval_count - 1,
		.interval_count = 1,
	};
	return c;
}

static struct reach_class *from_internet(enum verdict rest)
{
	return add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "10.0.0.5", rest);
}

static void from_host(enum verdict verdict)
{
	static const char *const addresses[] = {"127.0.0.1", "10.0.0.5", "::1", "fd00::5"};

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		add_class(SOURCE_HOST, 0, PROTO_TCP, addresses[i], verdict);
}

/* Another fate for first..last of the class that was added last, in rising order. */
static struct reach_interval *span(uint16_t first, uint16_t last, enum verdict verdict)
{
	struct reach_class *c = &reach.classes[reach.class_count - 1];
	struct reach_interval rest = reach.intervals[reach.interval_count - 1], *i;

	assert_int_equal(c->first_interval + c->interval_count, reach.interval_count);
	assert_in_range(first, rest.first, last);
	reach.interval_count--;
	c->interval_count--;
	if (first > rest.first) {
		i = reach_add_interval(&reach);
		*i = rest;
		i->last = (uint16_t)(first - 1);
		c->interval_count++;
	}
	i = reach_add_interval(&reach);
	*i = (struct reach_interval){.first = first, .last = last, .verdict = verdict};
	c->interval_count++;
	if (last < rest.last) {
		i = reach_add_interval(&reach);
		*i = rest;
		i->first = (uint16_t)(last + 1);
		c->interval_count++;
		i--;
	}
	return i;
}

/* The same, let in under another address and number. */
static struct reach_interval *nat(uint16_t first, uint16_t last, const char *target, uint16_t port,
				  bool shifts)
{
	struct reach_interval *i = span(first, last, VERDICT_ACCEPT);

	i->nat = true;
	i->target = parse(target);
	i->target_port = port;
	i->shifts = shifts;
	i->forwarded = !address_is_loopback(&i->target) && i->target.bytes[0] != 10;
	i->out_ifindex = i->forwarded ? DOCKER : 0;
	return i;
}

static void build(void)
{
	scene_build(&s, clients, &list);
	assert_int_equal(reach_join(&s, &reach, &list, &join), 0);
}

/* The row of a port: published ones and others are told apart. */
static const struct port_row *row_of(uint16_t port, bool published)
{
	const struct port_row *found = NULL;

	for (size_t i = 0; i < list.row_count; i++) {
		if (list.rows[i].port != port || list.rows[i].published != published)
			continue;
		assert_null(found);
		found = &list.rows[i];
	}
	assert_non_null(found);
	return found;
}

static void expect(uint16_t port, enum port_state state, enum source_class widest)
{
	const struct port_reach *r = &row_of(port, false)->reach;

	assert_true(r->looked);
	assert_string_equal(port_state_id(r->state), port_state_id(state));
	assert_true(r->reached);
	assert_string_equal(source_class_id(r->widest), source_class_id(widest));
}

static void expect_nobody(uint16_t port, enum port_state state)
{
	const struct port_reach *r = &row_of(port, false)->reach;

	assert_string_equal(port_state_id(r->state), port_state_id(state));
	assert_false(r->reached);
}

static size_t count_published(void)
{
	size_t count = 0;

	for (size_t i = 0; i < list.row_count; i++)
		count += list.rows[i].published;
	return count;
}

/* --- one listener ------------------------------------------------------------------------------
 */

static void test_states(void **state)
{
	(void)state;
	for (uint16_t port = 80; port < 86; port++)
		listen_on(PROTO_TCP, port, "0.0.0.0");
	from_internet(VERDICT_DROP);
	span(80, 80, VERDICT_ACCEPT);
	span(81, 81, VERDICT_REJECT);
	span(82, 82, VERDICT_RATE_LIMITED);
	span(83, 83, VERDICT_UNKNOWN)->why_str = strpool_add_text(&reach.strings, "a queue");
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_INTERNET);
	expect(81, PORT_REJECTED, SOURCE_HOST);
	expect(82, PORT_OPEN, SOURCE_INTERNET);
	assert_true(row_of(82, false)->reach.rate_limited);
	assert_false(row_of(80, false)->reach.rate_limited);
	expect(83, PORT_UNKNOWN, SOURCE_HOST);
	assert_true(row_of(83, false)->reach.wider_unknown);
	assert_string_equal(reach_text(&reach, row_of(83, false)->reach.why_str), "a queue");
	expect(84, PORT_FILTERED, SOURCE_HOST);
	assert_false(row_of(84, false)->reach.wider_unknown);
}

/* The machine's own packets are dropped too: nobody. */
static void test_nobody(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	from_host(VERDICT_DROP);
	build();
	expect_nobody(80, PORT_FILTERED);
	assert_false(row_of(80, false)->reach.wider_unknown);
}

/* Open somewhere is open, whatever the others get; unknown goes before filtered. */
static void test_precedence(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	listen_on(PROTO_TCP, 81, "0.0.0.0");
	listen_on(PROTO_TCP, 82, "0.0.0.0");
	from_internet(VERDICT_UNKNOWN);
	span(82, 82, VERDICT_DROP);
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	span(80, 80, VERDICT_ACCEPT);
	span(82, 82, VERDICT_REJECT);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_LINK);
	assert_true(row_of(80, false)->reach.wider_unknown);
	expect(81, PORT_UNKNOWN, SOURCE_HOST);
	expect(82, PORT_REJECTED, SOURCE_HOST);
}

/* Limits of the widest class only; of another family it may come in without them. */
static void test_rate_limited(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "::");
	listen_on(PROTO_TCP, 81, "::");
	from_internet(VERDICT_RATE_LIMITED);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "fd00::5", VERDICT_DROP);
	span(81, 81, VERDICT_ACCEPT);
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_INTERNET);
	assert_true(row_of(80, false)->reach.rate_limited);
	assert_int_equal(row_of(80, false)->reach.families, FAMILY_IPV4);
	assert_false(row_of(81, false)->reach.rate_limited);
	assert_int_equal(row_of(81, false)->reach.families, FAMILY_IPV4 | FAMILY_IPV6);
}

static void test_listed(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	add_class(SOURCE_LISTED, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_ACCEPT)->sources_str =
		strpool_add_text(&reach.strings, "10.1.0.0/16");
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_LISTED);
}

static void test_loopback(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "127.0.0.1");
	listen_on(PROTO_TCP, 81, "::1");
	from_internet(VERDICT_ACCEPT);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_HOST);
	expect(81, PORT_OPEN, SOURCE_HOST);
}

/* DNAT to 127.0.0.1 with route_localnet: the same number, and it is reached from outside. */
static void test_loopback_from_outside(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 6379, "127.0.0.1");
	listen_on(PROTO_TCP, 6380, "127.0.0.1");
	from_internet(VERDICT_DROP);
	nat(6379, 6379, "127.0.0.1", 6379, false);
	nat(7000, 7000, "127.0.0.1", 6380, false);
	from_host(VERDICT_ACCEPT);
	build();
	expect(6379, PORT_OPEN, SOURCE_INTERNET);
	expect(6380, PORT_OPEN, SOURCE_HOST);
	assert_int_equal(count_published(), 1);
	assert_int_equal(row_of(7000, true)->reach.state, PORT_OPEN);
	assert_int_equal(row_of(7000, true)->reach.widest, SOURCE_INTERNET);
}

static void test_v6only(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "::");
	s.sockets[0].v6only = true;
	listen_on(PROTO_TCP, 81, "::");
	from_internet(VERDICT_ACCEPT);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "fd00::5", VERDICT_DROP);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_FILTERED, SOURCE_HOST);
	expect(81, PORT_OPEN, SOURCE_INTERNET);
	assert_int_equal(row_of(81, false)->reach.families, FAMILY_IPV4);
}

static void test_interface(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	s.sockets[0].ifindex = SCENE_ETH;
	listen_on(PROTO_TCP, 81, "0.0.0.0");
	s.sockets[1].ifindex = SCENE_ETH + 1;
	listen_on(PROTO_TCP, 82, "0.0.0.0");
	s.sockets[2].ifindex = SCENE_LOOPBACK;
	from_internet(VERDICT_ACCEPT);
	add_class(SOURCE_LINK, SCENE_ETH + 1, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_INTERNET);
	/* what the machine sends to itself comes in by the loopback interface: not by that one */
	expect_nobody(81, PORT_FILTERED);
	expect(82, PORT_OPEN, SOURCE_HOST);
}

static void test_specific_address(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "10.0.0.5");
	listen_on(PROTO_TCP, 81, "fd00::5");
	listen_on(PROTO_TCP, 82, "198.51.100.7"); /* nobody's */
	from_internet(VERDICT_ACCEPT);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "fd00::5", VERDICT_DROP);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_INTERNET);
	expect(81, PORT_FILTERED, SOURCE_HOST);
	expect_nobody(82, PORT_UNKNOWN);
	assert_int_equal(row_of(82, false)->reach.way_count, 0);
}

static void test_other_protocols(void **state)
{
	(void)state;
	listen_on(PROTO_UDP, 53, "0.0.0.0");
	listen_on(PROTO_SCTP, 80, "0.0.0.0");
	from_internet(VERDICT_ACCEPT);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_UDP, "10.0.0.5", VERDICT_DROP);
	build();
	expect_nobody(53, PORT_FILTERED);
	expect_nobody(80, PORT_UNKNOWN);
}

/* What a BPF program at the socket's cgroup does is not known. */
static void test_filtered_socket(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	listen_on(PROTO_TCP, 81, "0.0.0.0");
	reach_add_filtered(&reach, 1, "IPAddressDeny= of web.service");
	from_internet(VERDICT_ACCEPT);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_INTERNET);
	expect_nobody(81, PORT_UNKNOWN);
	assert_string_equal(reach_text(&reach, row_of(81, false)->reach.why_str),
			    "IPAddressDeny= of web.service");
	for (uint32_t i = 0; i < row_of(81, false)->reach.way_count; i++)
		assert_int_equal(join.ways[row_of(81, false)->reach.first_way + i].verdict,
				 VERDICT_UNKNOWN);
}

/* ... and drops of the firewall stay drops. */
static void test_filtered_socket_behind_firewall(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	reach_add_filtered(&reach, 0, "a filter");
	from_internet(VERDICT_DROP);
	build();
	expect_nobody(80, PORT_FILTERED);
}

static void test_machine_with_loopback_only(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	listen_on(PROTO_TCP, 81, "127.0.0.1");
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_OPEN, SOURCE_HOST);
	expect(81, PORT_OPEN, SOURCE_HOST);
	assert_int_equal(join.hole_count, 0);
}

static void test_unavailable(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	listen_on(PROTO_TCP, 81, "127.0.0.1");
	reach.available = reach.complete = false;
	build();
	expect_nobody(80, PORT_UNKNOWN);
	expect_nobody(81, PORT_UNKNOWN);
	assert_int_equal(join.silent[PROTO_TCP][PORT_CLOSED], 0);
	assert_int_equal(join.silent[PROTO_TCP][PORT_UNKNOWN], 65533);
}

/* --- what is sent on ---------------------------------------------------------------------------
 */

/* docker-proxy listens beside DNAT: nobody from outside gets to it, and the container answers. */
static void test_docker_proxy(void **state)
{
	const struct port_row *row;

	(void)state;
	add_container();
	listen_on(PROTO_TCP, 8080, "0.0.0.0");
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false);
	from_host(VERDICT_ACCEPT);
	build();
	expect(8080, PORT_OPEN, SOURCE_HOST);
	row = row_of(8080, true);
	assert_int_equal(row->netns, 0);
	assert_int_equal(row->reach.state, PORT_OPEN);
	assert_int_equal(row->reach.widest, SOURCE_INTERNET);
	assert_int_equal(list.listeners[row->first_listener].port, 80);
	assert_int_equal(list.listeners[row->first_listener].netns, OTHER);
	assert_int_equal(join.forward_count, 0);
	assert_int_equal(join.hole_count, 0);
	/* the container's own number is not the machine's */
	assert_int_equal(row_of(80, false)->netns, OTHER);
	assert_int_equal(row_of(80, false)->reach.state, PORT_UNKNOWN);
}

/* Where something was not asked, a socket that no packet was meant for stays unknown. */
static void test_docker_proxy_and_gap(void **state)
{
	(void)state;
	add_container();
	listen_on(PROTO_TCP, 8080, "0.0.0.0");
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false);
	from_host(VERDICT_ACCEPT);
	reach.complete = false;
	build();
	expect(8080, PORT_UNKNOWN, SOURCE_HOST);
}

/* The same number in the container: still another port than the machine's own. */
static void test_same_number(void **state)
{
	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(80, 80, "172.17.0.2", 80, false);
	build();
	assert_int_equal(count_published(), 1);
	assert_int_equal(row_of(80, true)->reach.state, PORT_OPEN);
}

static void test_kept_out_of_published(void **state)
{
	const struct port_row *row;

	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false)->verdict = VERDICT_RATE_LIMITED;
	build();
	row = row_of(8080, true);
	assert_int_equal(row->reach.state, PORT_OPEN);
	assert_int_equal(row->reach.widest, SOURCE_LINK);
	assert_true(row->reach.rate_limited);
	assert_int_equal(row->reach.way_count, 2);
}

/* In the container, the listener has another address: packets do not get to it. */
static void test_deaf_container(void **state)
{
	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "127.0.0.1");
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false);
	build();
	assert_int_equal(count_published(), 0);
	assert_int_equal(join.forward_count, 1);
	assert_true(join.forwards[0].here);
	assert_int_equal(join.forwards[0].first, 8080);
	assert_int_equal(join.forwards[0].target_port, 80);
}

/* ... but where some listeners could not be seen, nobody knows whether somebody listens. */
static void test_container_not_seen(void **state)
{
	(void)state;
	add_container();
	snapshot_add_gap(&s, GAP_NETNS, "what", "why", "");
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false);
	build();
	assert_int_equal(join.forward_count, 1);
	assert_false(join.forwards[0].here);
}

/* ... nor where some of the packets get to others. */
static void test_one_server_of_several(void **state)
{
	(void)state;
	add_container();
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false)->several = true;
	build();
	assert_int_equal(join.forward_count, 1);
	assert_true(join.forwards[0].several);
	assert_false(join.forwards[0].here);
}

static void test_forward_to_unknown(void **state)
{
	(void)state;
	from_internet(VERDICT_DROP);
	nat(8080, 8090, "192.0.2.99", 80, true);
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	nat(8080, 8090, "192.0.2.99", 80, true);
	build();
	assert_int_equal(join.forward_count, 1);
	assert_false(join.forwards[0].here);
	assert_true(join.forwards[0].shifts);
	assert_int_equal(join.forwards[0].last, 8090);
	assert_int_equal(reach.classes[join.forwards[0].class].source_class, SOURCE_INTERNET);
	/* neither closed nor a hole: it may be answered elsewhere */
	assert_int_equal(join.hole_count, 0);
	assert_int_equal(join.silent[PROTO_TCP][PORT_FILTERED], 65535 - 11);
	assert_int_equal(join.silent[PROTO_TCP][PORT_CLOSED], 0);
}

/* --- to which namespace ------------------------------------------------------------------------
 */

static void publish_8080(void)
{
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false);
	from_host(VERDICT_ACCEPT);
	build();
}

static void expect_unknown(uint16_t port, bool published, const char *why)
{
	const struct port_reach *r = &row_of(port, published)->reach;

	assert_string_equal(port_state_id(r->state), "unknown");
	assert_false(r->reached);
	assert_string_equal(reach_text(&reach, r->why_str), why);
}

/* Two have the address: only the one that is behind the interface gets the packets. */
static void test_address_of_two_namespaces(void **state)
{
	(void)state;
	add_container();
	add_container_at(THIRD, 0);
	listen_in(THIRD, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	assert_int_equal(count_published(), 0);
	assert_int_equal(join.forward_count, 1);
	assert_true(join.forwards[0].here);
	expect_unknown(80, false, "apart");
}

static void test_both_namespaces_listen(void **state)
{
	(void)state;
	add_container();
	add_container_at(THIRD, 0);
	listen_in(THIRD, PROTO_TCP, 80, "0.0.0.0");
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	assert_int_equal(row_of(8080, true)->reach.state, PORT_OPEN);
	assert_int_equal(list.listeners[row_of(8080, true)->first_listener].netns, OTHER);
	assert_int_equal(join.forward_count, 0);
}

/* Behind one bridge: which one answers for the address is the bridge's affair. */
static void test_two_behind_one_bridge(void **state)
{
	(void)state;
	add_container();
	add_interface(0, OTHER_VETH, LINK_PAIR, 0, DOCKER);
	add_container_at(THIRD, OTHER_VETH);
	listen_in(THIRD, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	expect_unknown(8080, true, "several");
	assert_int_equal(join.ways[row_of(8080, true)->reach.first_way].verdict, VERDICT_UNKNOWN);
	assert_int_equal(join.forward_count, 0);
}

static void test_two_behind_one_bridge_that_both_listen(void **state)
{
	(void)state;
	add_container();
	add_interface(0, OTHER_VETH, LINK_PAIR, 0, DOCKER);
	add_container_at(THIRD, OTHER_VETH);
	listen_in(THIRD, PROTO_TCP, 80, "0.0.0.0");
	listen_in(OTHER, PROTO_TCP, 80, "172.17.0.2");
	publish_8080();
	assert_int_equal(count_published(), 2);
	for (size_t i = 0; i < list.row_count; i++)
		if (list.rows[i].published)
			assert_int_equal(list.rows[i].reach.state, PORT_OPEN);
}

static void test_two_behind_one_bridge_and_nobody_listens(void **state)
{
	(void)state;
	add_container();
	add_interface(0, OTHER_VETH, LINK_PAIR, 0, DOCKER);
	add_container_at(THIRD, OTHER_VETH);
	publish_8080();
	assert_int_equal(count_published(), 0);
	assert_true(join.forwards[0].here);
}

/* The address is that of a namespace, but the route leads elsewhere. */
static void test_none_is_behind(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_BRIDGE, 0, 0);
	add_interface(0, OTHER_DOCKER, LINK_BRIDGE, 0, 0);
	add_interface(0, OTHER_VETH, LINK_PAIR, 0, OTHER_DOCKER);
	add_container_at(OTHER, OTHER_VETH);
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	expect_unknown(8080, true, "untied");
}

/* ... and where nobody listens, it may be answered elsewhere. */
static void test_none_is_behind_nor_listens(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_BRIDGE, 0, 0);
	add_container_at(OTHER, 0);
	publish_8080();
	assert_int_equal(join.forward_count, 1);
	assert_false(join.forwards[0].here);
}

/* A bridge whose port is paired with that of another. */
static void test_bridges_in_a_row(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_BRIDGE, 0, 0);
	add_interface(0, 30, LINK_PAIR, 31, DOCKER);
	add_interface(0, 31, LINK_PAIR, 30, OTHER_DOCKER);
	add_interface(0, OTHER_DOCKER, LINK_BRIDGE, 0, 0);
	add_interface(0, OTHER_VETH, LINK_PAIR, 0, OTHER_DOCKER);
	add_container_at(OTHER, OTHER_VETH);
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	assert_int_equal(row_of(8080, true)->reach.state, PORT_OPEN);
}

/* What another namespace has paired with it is none of this machine's. */
static void test_behind_another_namespace(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_PAIR, 0, 0);
	*snapshot_add_netns(&s) = (struct netns_info){.inum = 99, .container = SNAPSHOT_NONE};
	add_interface(OTHER, CONTAINER_ETH, LINK_PAIR, DOCKER, 0);
	add_interface(OTHER, DOCKER, LINK_BRIDGE, 0, 0)->link_netns = OTHER;
	add_container_at(THIRD, 0);
	listen_in(THIRD, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	expect_unknown(8080, true, "untied");
	expect_unknown(80, false, "apart");
}

/* A gateway keeps what is for itself, and sends on the rest: also to its own side. */
static void test_gateway(void **state)
{
	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(8080, 8080, "172.17.0.2", 80, false)->gateway = parse("172.17.0.2");
	nat(8082, 8082, "172.17.0.2", 80, false)->gateway = parse("172.17.0.3");
	from_host(VERDICT_ACCEPT);
	build();
	assert_int_equal(row_of(8080, true)->reach.state, PORT_OPEN);
	expect_unknown(8082, true, "untied");
}

/* A macvlan interface leads to its like on the same interface; that one itself does not. */
static void test_macvlan(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_MACVLAN, SCENE_ETH, 0);
	add_container_at(OTHER, SCENE_ETH);
	s.interfaces[s.interface_count - 1].kind = LINK_MACVLAN;
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	assert_int_equal(row_of(8080, true)->reach.state, PORT_OPEN);
}

static void test_below_macvlan(void **state)
{
	(void)state;
	add_interface(0, DOCKER, LINK_OTHER, 0, 0);
	add_interface(0, VETH, LINK_IPVLAN, DOCKER, 0);
	add_container_at(OTHER, DOCKER);
	s.interfaces[s.interface_count - 1].kind = LINK_MACVLAN;
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	publish_8080();
	expect_unknown(8080, true, "untied");
}

/* What is kept out would have gone to the one behind the route alone. */
static void test_kept_out_behind(void **state)
{
	struct reach_class *c;

	(void)state;
	add_container();
	for (size_t i = 0; i < s.address_count; i++) /* it has but the one that is asked */
		if (s.addresses[i].netns == OTHER && s.addresses[i].address.family == AF_INET6)
			s.addresses[i].netns = 0;
	add_container_at(THIRD, 0);
	listen_in(OTHER, PROTO_TCP, 80, "0.0.0.0");
	listen_in(THIRD, PROTO_TCP, 81, "0.0.0.0");
	c = add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "172.17.0.2", VERDICT_DROP);
	c->behind = true;
	c->leads_to = DOCKER;
	from_host(VERDICT_ACCEPT);
	build();
	expect_nobody(80, PORT_FILTERED);
	expect_unknown(81, false, "apart");
}

/* Sent to one behind the machine, NAT turns it to another. */
static void test_nat_behind(void **state)
{
	struct reach_interval *i;

	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "172.17.0.2", VERDICT_DROP)->behind = true;
	reach.classes[0].leads_to = DOCKER;
	i = nat(80, 80, "172.18.0.2", 80, false);
	i->out_ifindex = OTHER_DOCKER;
	build();
	assert_false(row_of(80, false)->reach.reached);
}

static void test_redirect(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(8088, 8088, "10.0.0.5", 80, false);
	from_host(VERDICT_ACCEPT);
	build();
	expect(80, PORT_FILTERED, SOURCE_HOST);
	assert_int_equal(row_of(8088, true)->reach.state, PORT_OPEN);
	assert_int_equal(row_of(8088, true)->reach.widest, SOURCE_INTERNET);
	assert_int_equal(row_of(8088, true)->last_port, 0);
	assert_int_equal(join.silent[PROTO_TCP][PORT_FILTERED], 65533);
}

static void test_redirected_range(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 22, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(9000, 9010, "10.0.0.5", 22, false);
	from_host(VERDICT_ACCEPT);
	build();
	assert_int_equal(count_published(), 1);
	assert_int_equal(row_of(9000, true)->last_port, 9010);
}

/* The own number in the middle of the range has its row already. */
static void test_range_around_own_number(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 9005, "0.0.0.0");
	from_internet(VERDICT_DROP);
	nat(9000, 9010, "10.0.0.5", 9005, false);
	from_host(VERDICT_ACCEPT);
	build();
	expect(9005, PORT_OPEN, SOURCE_INTERNET);
	assert_int_equal(count_published(), 2);
	assert_int_equal(row_of(9000, true)->last_port, 9004);
	assert_int_equal(row_of(9006, true)->last_port, 9010);
}

/* Classes that are sent on in ranges of different lengths: every port, and each for its own. */
static void test_overlapping_ranges(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 22, "0.0.0.0");
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	nat(9000, 9005, "10.0.0.5", 22, false);
	from_internet(VERDICT_DROP);
	nat(9003, 9010, "10.0.0.5", 22, false);
	build();
	assert_int_equal(count_published(), 2);
	assert_int_equal(row_of(9000, true)->last_port, 9002);
	assert_int_equal(row_of(9000, true)->reach.widest, SOURCE_LINK);
	assert_int_equal(row_of(9003, true)->last_port, 9010);
	assert_int_equal(row_of(9003, true)->reach.widest, SOURCE_INTERNET);
}

static void test_shifted_range(void **state)
{
	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 80, "0.0.0.0");
	listen_in_container(PROTO_TCP, 85, "0.0.0.0");
	listen_in_container(PROTO_TCP, 91, "0.0.0.0"); /* beyond the range */
	from_internet(VERDICT_DROP);
	nat(9000, 9010, "172.17.0.2", 80, true);
	build();
	assert_int_equal(count_published(), 2);
	/* the others are sent to where nobody listens: 9001-9004, 9006-9010 */
	assert_int_equal(join.forward_count, 2);
	assert_int_equal(join.forwards[0].first, 9001);
	assert_int_equal(join.forwards[0].target_port, 81);
	assert_int_equal(join.forwards[1].first, 9006);
	assert_int_equal(join.forwards[1].last, 9010);
	assert_int_equal(row_of(9000, true)->last_port, 0);
	assert_int_equal(list.listeners[row_of(9005, true)->first_listener].port, 85);
}

/* Routed to a container's address: not by a number of this machine. */
static void test_behind(void **state)
{
	struct reach_class *c;

	(void)state;
	add_container();
	listen_in_container(PROTO_TCP, 90, "0.0.0.0");
	listen_on(PROTO_TCP, 90, "0.0.0.0");
	from_internet(VERDICT_DROP);
	c = add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "172.17.0.2", VERDICT_ACCEPT);
	c->behind = true;
	c->leads_to = DOCKER;
	reach.intervals[c->first_interval].forwarded = true;
	reach.intervals[c->first_interval].out_ifindex = DOCKER;
	from_host(VERDICT_ACCEPT);
	scene_build(&s, false, &list);
	assert_int_equal(reach_join(&s, &reach, &list, &join), 0);
	assert_int_equal(list.row_count, 2);
	for (size_t i = 0; i < list.row_count; i++)
		assert_int_equal(list.rows[i].reach.state,
				 list.rows[i].netns ? PORT_OPEN : PORT_FILTERED);
	assert_int_equal(join.forward_count, 0);
	assert_int_equal(join.hole_count, 0);
}

/* --- holes -------------------------------------------------------------------------------------
 */

static const struct hole *hole_of(uint16_t first, uint16_t last)
{
	for (size_t i = 0; i < join.hole_count; i++)
		if (join.holes[i].first == first && join.holes[i].last == last)
			return &join.holes[i];
	fail_msg("no hole %u-%u", first, last);
	return NULL;
}

static void test_holes(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 82, "0.0.0.0");
	listen_on(PROTO_TCP, 84, "127.0.0.1");
	from_internet(VERDICT_DROP);
	span(80, 85, VERDICT_ACCEPT);
	span(90, 90, VERDICT_RATE_LIMITED);
	span(91, 91, VERDICT_UNKNOWN);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "fd00::5", VERDICT_REJECT);
	span(82, 83, VERDICT_ACCEPT);
	from_host(VERDICT_ACCEPT);
	build();
	assert_true(join.filters);
	assert_int_equal(join.hole_count, 5);
	assert_int_equal(hole_of(80, 81)->families, FAMILY_IPV4);
	assert_int_equal(hole_of(82, 82)->families, FAMILY_IPV6); /* the listener is IPv4's */
	assert_int_equal(hole_of(83, 83)->families, FAMILY_IPV4 | FAMILY_IPV6);
	assert_int_equal(hole_of(84, 85)->families, FAMILY_IPV4); /* loopback is no answer */
	assert_int_equal(hole_of(90, 90)->widest, SOURCE_INTERNET);
	assert_int_equal(join.silent[PROTO_TCP][PORT_CLOSED], 5); /* 80, 81, 83, 85, 90 */
	assert_int_equal(join.silent[PROTO_TCP][PORT_UNKNOWN], 1);
	assert_int_equal(join.silent[PROTO_TCP][PORT_REJECTED], 65535 - 2 - 6);
}

/* Each family's widest class: a hole tells the wider one, and by which family. */
static void test_holes_of_two_widths(void **state)
{
	(void)state;
	from_internet(VERDICT_DROP);
	add_class(SOURCE_LINK, SCENE_ETH, PROTO_TCP, "10.0.0.5", VERDICT_DROP);
	span(80, 81, VERDICT_ACCEPT);
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_TCP, "fd00::5", VERDICT_DROP);
	span(81, 81, VERDICT_ACCEPT);
	build();
	assert_int_equal(join.hole_count, 2);
	assert_int_equal(hole_of(80, 80)->widest, SOURCE_LINK);
	assert_int_equal(hole_of(81, 81)->widest, SOURCE_INTERNET);
	assert_int_equal(hole_of(81, 81)->families, FAMILY_IPV6);
}

/* Clients have their numbers too: no hole is counted there as closed. */
static void test_clients_are_not_counted(void **state)
{
	(void)state;
	listen_on(PROTO_UDP, 40000, "0.0.0.0");
	s.sockets[0].kind = SOCKET_CLIENT;
	add_class(SOURCE_INTERNET, SCENE_ETH, PROTO_UDP, "10.0.0.5", VERDICT_DROP);
	build();
	assert_int_equal(join.silent[PROTO_UDP][PORT_FILTERED], 65534);
}

static void test_no_firewall(void **state)
{
	(void)state;
	from_internet(VERDICT_ACCEPT);
	from_host(VERDICT_ACCEPT);
	build();
	assert_false(join.filters);
	assert_int_equal(join.hole_count, 1);
	assert_int_equal(hole_of(1, 65535)->proto, PROTO_TCP);
}

/* The most exposed first. */
static void test_order(void **state)
{
	(void)state;
	listen_on(PROTO_TCP, 80, "0.0.0.0");
	listen_on(PROTO_TCP, 81, "0.0.0.0");
	listen_on(PROTO_TCP, 82, "0.0.0.0");
	listen_on(PROTO_TCP, 83, "0.0.0.0");
	from_internet(VERDICT_DROP);
	span(81, 81, VERDICT_RATE_LIMITED);
	span(82, 82, VERDICT_UNKNOWN);
	span(83, 83, VERDICT_ACCEPT);
	build();
	assert_int_equal(list.rows[0].port, 83);
	assert_int_equal(list.rows[1].port, 81);
	assert_int_equal(list.rows[2].port, 82);
	assert_int_equal(list.rows[3].port, 80);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_states),
		TEST(test_nobody),
		TEST(test_precedence),
		TEST(test_rate_limited),
		TEST(test_listed),
		TEST(test_loopback),
		TEST(test_loopback_from_outside),
		TEST(test_v6only),
		TEST(test_interface),
		TEST(test_specific_address),
		TEST(test_other_protocols),
		TEST(test_filtered_socket),
		TEST(test_filtered_socket_behind_firewall),
		TEST(test_machine_with_loopback_only),
		TEST(test_unavailable),
		TEST(test_docker_proxy),
		TEST(test_docker_proxy_and_gap),
		TEST(test_same_number),
		TEST(test_kept_out_of_published),
		TEST(test_deaf_container),
		TEST(test_container_not_seen),
		TEST(test_one_server_of_several),
		TEST(test_forward_to_unknown),
		TEST(test_address_of_two_namespaces),
		TEST(test_both_namespaces_listen),
		TEST(test_two_behind_one_bridge),
		TEST(test_two_behind_one_bridge_that_both_listen),
		TEST(test_two_behind_one_bridge_and_nobody_listens),
		TEST(test_none_is_behind),
		TEST(test_none_is_behind_nor_listens),
		TEST(test_bridges_in_a_row),
		TEST(test_behind_another_namespace),
		TEST(test_gateway),
		TEST(test_macvlan),
		TEST(test_below_macvlan),
		TEST(test_kept_out_behind),
		TEST(test_nat_behind),
		TEST(test_redirect),
		TEST(test_redirected_range),
		TEST(test_range_around_own_number),
		TEST(test_overlapping_ranges),
		TEST(test_shifted_range),
		TEST(test_behind),
		TEST(test_holes),
		TEST(test_holes_of_two_widths),
		TEST(test_clients_are_not_counted),
		TEST(test_no_firewall),
		TEST(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
