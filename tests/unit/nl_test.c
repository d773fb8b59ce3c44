/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nl: dumps asked of the running kernel, which are only read: links, and what it does not have. */
#include "base/nl.h"
#include "observe/interfaces.h"
#include "unit.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <sys/socket.h>

struct seen {
	unsigned restarts, messages;
	uint16_t type;
	bool loopback;
	int answer; /* of the callback */
};

static void restart(void *context)
{
	struct seen *seen = context;

	seen->restarts++;
	seen->messages = 0;
	seen->loopback = false;
}

static int message(uint16_t type, const void *payload, size_t len, void *context)
{
	struct seen *seen = context;
	struct ifinfomsg m;

	seen->messages++;
	seen->type = type;
	assert_non_null(payload);
	if (type == RTM_NEWLINK) {
		assert_true(len >= sizeof(m));
		memcpy(&m, payload, sizeof(m));
		seen->loopback |= (m.ifi_flags & IFF_LOOPBACK) != 0;
	}
	return seen->answer;
}

static int dump_links(struct nl *n, struct seen *seen, struct err *e)
{
	struct nl_dump_ops ops = {restart, message, seen};
	char room[128] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);

	header->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	return nl_dump(n, header, &ops, e);
}

static void test_links(void **state)
{
	struct seen seen = {0};
	struct nl n = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(nl_open(&n, NETLINK_ROUTE, &e), 0);
	for (unsigned i = 1; i < 4; i++) { /* one socket answers again and again */
		assert_true(dump_links(&n, &seen, &e) >= 0);
		assert_true(seen.restarts >= i);
		assert_true(seen.messages >= 1);
		assert_int_equal(seen.type, RTM_NEWLINK);
		assert_true(seen.loopback);
	}
	assert_int_equal(e.code, 0);
	nl_close(&n);
	nl_close(&n);
}

/* Another process ends the dump before it begins: not the kernel's word. */
static void test_strangers_are_not_heard(void **state)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	struct nl n = {0}, stranger = {0};
	struct seen seen = {0};
	struct err e = {0};
	struct {
		struct nlmsghdr header;
		int error;
	} forged = {{.nlmsg_len = sizeof(forged), .nlmsg_type = NLMSG_DONE}, 0};
	ssize_t sent;

	(void)state;
	assert_int_equal(nl_open(&n, NETLINK_ROUTE, &e), 0);
	assert_int_equal(nl_open(&stranger, NETLINK_ROUTE, &e), 0);
	to.nl_pid = mnl_socket_get_portid(n.socket);
	forged.header.nlmsg_pid = to.nl_pid;
	forged.header.nlmsg_seq = n.seq + 1;
	sent = sendto(mnl_socket_get_fd(stranger.socket), &forged, sizeof(forged), 0,
		      (const struct sockaddr *)&to, sizeof(to));
	if (sent < 0) { /* it takes CAP_NET_ADMIN */
		assert_int_equal(errno, EPERM);
		skip();
	}
	assert_true(dump_links(&n, &seen, &e) >= 0);
	assert_true(seen.loopback);
	nl_close(&stranger);
	nl_close(&n);
}

static void test_callback_stops(void **state)
{
	struct seen seen = {.answer = -EXFULL};
	struct nl n = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(nl_open(&n, NETLINK_ROUTE, &e), 0);
	assert_int_equal(dump_links(&n, &seen, &e), -EXFULL);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.restarts, 1); /* it was not interrupted: no second attempt */
	assert_int_equal(e.code, -EXFULL);
	assert_true(e.msg[0] != '\0');
	nl_close(&n);
}

/* "There is no such table" must not look like "the table is empty". */
static void test_missing_dump(void **state)
{
	struct inet_diag_req_v2 *request;
	struct seen seen = {0};
	struct nl_dump_ops ops = {restart, message, &seen};
	char room[256] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);
	struct nl n = {0};
	struct err e = {0};
	int r;

	(void)state;
	assert_int_equal(nl_open(&n, NETLINK_SOCK_DIAG, &e), 0);
	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = 251; /* nobody's */
	request->idiag_states = 0xfff;
	r = nl_dump(&n, header, &ops, &e);
	assert_true(r < 0);
	assert_int_equal(r, -ENOENT);
	assert_int_equal(e.code, r);
	assert_int_equal(seen.messages, 0);
	nl_close(&n);
}

static void test_unknown_protocol(void **state)
{
	struct nl n = {0};
	struct err e = {0};
	int r = nl_open(&n, 31, &e);

	(void)state;
	if (r == 0) {
		nl_close(&n);
		skip(); /* a module has taken the number */
	}
	assert_int_equal(r, -EPROTONOSUPPORT);
	assert_int_equal(e.code, r);
	assert_null(n.socket);
	nl_close(&n);
}

/* The whole way: what this namespace has, with an earlier namespace's left alone. */
static void test_interfaces_read(void **state)
{
	struct snapshot s = {0};
	struct err e = {0};
	bool loopback = false;

	(void)state;
	snapshot_add_interface(&s)->ifindex = 4711;
	snapshot_add_address(&s)->ifindex = 4711;
	assert_int_equal(interfaces_read(&s, 3, -1, &e), 0);
	assert_int_equal(s.interfaces[0].ifindex, 4711);
	assert_int_equal(s.addresses[0].ifindex, 4711);
	assert_true(s.interface_count >= 2);
	for (size_t i = 1; i < s.interface_count; i++) {
		const struct interface_info *info = &s.interfaces[i];
		char name[IF_NAMESIZE] = "";

		assert_int_equal(info->netns, 3);
		assert_non_null(if_indextoname(info->ifindex, name));
		assert_string_equal(snapshot_text(&s, info->name_str), name);
		loopback |= info->loopback && strcmp(name, "lo") == 0;
	}
	assert_true(loopback);
	for (size_t i = 1; i < s.address_count; i++) {
		const struct interface_address *a = &s.addresses[i];

		assert_int_equal(a->netns, 3);
		assert_string_equal(snapshot_text(&s, a->ifname_str),
				    snapshot_interface_name(&s, 3, a->ifindex));
		assert_int_equal(a->loopback, strcmp(snapshot_text(&s, a->ifname_str), "lo") == 0);
	}
	snapshot_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_missing_dump),
		cmocka_unit_test(test_unknown_protocol),
		cmocka_unit_test(test_interfaces_read),
		cmocka_unit_test(test_strangers_are_not_heard),
	};

	return cmocka_run_group_tests_name("nl", tests, NULL, NULL);
}
