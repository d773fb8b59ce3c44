/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_payload: each UDP port that data/probes/ names has its requests, and is one of those that are
 * asked when none is named.
 */
#include "decide/scan_ports.h"
#include "observe/udp_payload.h"
#include "unit.h"

#include <sys/socket.h>

static struct udp_payloads payloads;

static int set_up(void **state)
{
	struct err e = {0};

	(void)state;
	return udp_payloads_init(&payloads, &e);
}

static int tear_down(void **state)
{
	(void)state;
	udp_payloads_done(&payloads);
	return 0;
}

static void known_ports_are_usual_ones(void **state)
{
	uint16_t *usual = malloc(65535 * sizeof(*usual));
	int count, known = 0, at = 0;
	struct err e = {0};

	(void)state;
	assert_non_null(usual);
	count = scan_ports_parse(scan_ports_usual_udp, usual, &e);
	for (unsigned port = 1; port <= 65535; port++) {
		while (at < count && usual[at] < port)
			at++;
		if (!udp_payloads_count(&payloads, (uint16_t)port))
			continue;
		known++;
		if (at == count || usual[at] != port)
			fail_msg("%u/udp is asked by data/probes, and is no usual port", port);
	}
	print_message("%d usual ports, %d with requests\n", count, known);
	assert_true(known >= 30 && count <= 120);
	free(usual);
}

static void requests(void **state)
{
	const struct address ip4 = {.family = AF_INET, .bytes = {192, 0, 2, 7}},
			     ip6 = {.family = AF_INET6, .bytes = {0xfe, 0x80}};
	uint8_t room[UDP_PAYLOAD_SIZE];

	(void)state;
	for (unsigned port = 1; port <= 65535; port++)
		for (unsigned i = 0; i < udp_payloads_count(&payloads, (uint16_t)port); i++) {
			assert_true(udp_payloads_write(&payloads, (uint16_t)port, i, &ip4, room));
			assert_true(udp_payloads_write(&payloads, (uint16_t)port, i, &ip6, room));
		}
	assert_int_equal(udp_payloads_write(&payloads, 123, 0, &ip4, room), 48);
	assert_int_equal(room[0], 0x23); /* a client's, version 4 */
	assert_int_equal(udp_payloads_count(&payloads, 1), 0);
	assert_true(udp_payloads_count(&payloads, 443) >= 2); /* QUIC and DTLS, at least */
}

static void the_address_is_written_where_it_is_wanted(void **state)
{
	const struct address ip4 = {.family = AF_INET, .bytes = {192, 0, 2, 7}};
	uint8_t room[UDP_PAYLOAD_SIZE + 1];
	size_t len = udp_payloads_write(&payloads, 5060, 0, &ip4, room);

	(void)state;
	assert_true(len > 0 && len < sizeof(room));
	room[len] = '\0';
	assert_non_null(strstr((char *)room, "192.0.2.7"));
	assert_null(strstr((char *)room, "$host"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_ports_are_usual_ones),
		cmocka_unit_test(requests),
		cmocka_unit_test(the_address_is_written_where_it_is_wanted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
