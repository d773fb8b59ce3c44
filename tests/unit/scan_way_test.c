/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan_way: rtnetlink's answers about a way and a neighbour, whole and cut off. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/scan_way.h"
#include "unit.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

enum { HEAD = sizeof(struct nlmsghdr) };

/* The payload of a message about a route to 192.0.2.7 by 198.51.100.1. */
static void make_route(struct buf *b, uint8_t type)
{
	static const uint8_t source[] = {198, 51, 100, 2}, gateway[] = {198, 51, 100, 1};
	struct rtmsg head = {.rtm_family = AF_INET, .rtm_type = type};
	size_t at = nla_begin_message(b, RTM_NEWROUTE, 0, &head, sizeof(head));

	nla_put_u32(b, RTA_OIF, 7);
	nla_put(b, RTA_PREFSRC, source, sizeof(source));
	nla_put(b, RTA_GATEWAY, gateway, sizeof(gateway));
	nla_end_message(b, at);
	assert_false(b->failed);
}

static void a_route(void **state)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct scan_way w;
	uint32_t index;

	(void)state;
	make_route(&b, RTN_UNICAST);
	assert_int_equal(scan_way_decode_route(b.data + HEAD, b.len - HEAD, &w, &index), 0);
	assert_int_equal(index, 7);
	assert_int_equal(w.source.bytes[3], 2);
	assert_int_equal(w.hop.bytes[3], 1);
	assert_false(w.way.own);
}

static void what_is_no_way(void **state)
{
	static const struct {
		uint8_t type;
		int code;
	} cases[] = {{RTN_LOCAL, 0},
		     {RTN_BROADCAST, -EDESTADDRREQ},
		     {RTN_MULTICAST, -EDESTADDRREQ},
		     {RTN_UNREACHABLE, -ENETUNREACH},
		     {RTN_BLACKHOLE, -ENETUNREACH}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf cleanup_call(buf_done) b = {0};
		struct scan_way w = {0};
		uint32_t index;

		make_route(&b, cases[i].type);
		assert_int_equal(scan_way_decode_route(b.data + HEAD, b.len - HEAD, &w, &index),
				 cases[i].code);
		assert_int_equal(w.way.own, cases[i].type == RTN_LOCAL);
	}
}

static void a_neighbour(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 9}, too_long[9] = {0};
	struct ndmsg head = {.ndm_family = AF_INET, .ndm_state = NUD_REACHABLE};
	struct sockaddr_ll link = {.sll_ifindex = 3};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_NEWNEIGH, 0, &head, sizeof(head));
	uint16_t seen = 0;

	(void)state;
	nla_put(&b, NDA_LLADDR, mac, sizeof(mac));
	nla_end_message(&b, at);
	assert_int_equal(scan_way_decode_neighbour(b.data + HEAD, b.len - HEAD, &seen, &link), 0);
	assert_int_equal(seen, NUD_REACHABLE);
	assert_int_equal(link.sll_halen, 6);
	assert_int_equal(link.sll_ifindex, 3);
	assert_memory_equal(link.sll_addr, mac, sizeof(mac));
	buf_clear(&b);
	at = nla_begin_message(&b, RTM_NEWNEIGH, 0, &head, sizeof(head));
	nla_put(&b, NDA_LLADDR, too_long, sizeof(too_long));
	nla_end_message(&b, at);
	assert_int_equal(scan_way_decode_neighbour(b.data + HEAD, b.len - HEAD, &seen, &link),
			 -EBADMSG);
}

static void cut_off_anywhere(void **state)
{
	struct buf cleanup_call(buf_done) b = {0};

	(void)state;
	make_route(&b, RTN_UNICAST);
	for (size_t len = 0; len < b.len - HEAD; len++) {
		void *copy = unit_copy(b.data + HEAD, len);
		struct scan_way w;
		uint32_t index;
		int r = scan_way_decode_route(copy, len, &w, &index);

		free(copy);
		/* between two attributes the message is whole, only shorter */
		assert_true(r == -EBADMSG || (r == 0 && len % 4 == 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route),
		cmocka_unit_test(what_is_no_way),
		cmocka_unit_test(a_neighbour),
		cmocka_unit_test(cut_off_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
