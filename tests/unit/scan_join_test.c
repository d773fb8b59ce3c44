/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan_join: each thing that a UDP port of this machine may say x each that may be known inside. */
#include "decide/scan_join.h"
#include "unit.h"

enum { PORT = 53, NOBODY = SNAPSHOT_NONE };

static const struct {
	struct belief belief;
	enum scan_reply silent, silent_unsure, closed; /* `unsure`: a listener may be missed */
} cases[] = {
	{{SURE_OPEN, VERDICT_ACCEPT, 0}, SCAN_UDP_BOUND, SCAN_UDP_BOUND, SCAN_PORT_UNREACH},
	{{SURE_CLOSED, VERDICT_ACCEPT, NOBODY}, SCAN_UDP_UNBOUND, SCAN_UDP_SILENT, SCAN_UDP_CLOSED},
	{{SURE_CLOSED, VERDICT_DROP, 0}, SCAN_UDP_DROPPED, SCAN_UDP_DROPPED, SCAN_PORT_UNREACH},
	{{SURE_CLOSED, VERDICT_DROP, NOBODY}, SCAN_UDP_DROPPED, SCAN_UDP_DROPPED, SCAN_UDP_CLOSED},
	{{SURE_CLOSED, VERDICT_REJECT, 0}, SCAN_UDP_DROPPED, SCAN_UDP_DROPPED, SCAN_PORT_UNREACH},
	{{UNSURE, VERDICT_RATE_LIMITED, 0}, SCAN_UDP_SILENT, SCAN_UDP_SILENT, SCAN_PORT_UNREACH},
	{{UNSURE, VERDICT_UNKNOWN, NOBODY}, SCAN_UDP_SILENT, SCAN_UDP_SILENT, SCAN_UDP_CLOSED},
	/* sent on to where nobody is known */
	{{UNSURE, VERDICT_ACCEPT, NOBODY}, SCAN_UDP_SILENT, SCAN_UDP_SILENT, SCAN_UDP_CLOSED},
};

static void what_is_known_inside_replaces_silence(void **state)
{
	static struct belief beliefs[65536];
	uint16_t ports[] = {PORT, PORT};
	uint8_t replies[2];
	struct scan s = {.ports = ports, .port_count = 2, .tcp_count = 1};
	struct scan_host host = {.own = true, .replies = replies};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		beliefs[PORT] = cases[i].belief;
		for (uint8_t r = 0; r < SCAN_REPLY_COUNT; r++)
			for (int all = 0; all <= 1; all++) {
				replies[0] = replies[1] = r;
				assert_int_equal(scan_join_helps(&s, &host),
						 r == SCAN_UDP_SILENT || r == SCAN_UDP_CLOSED);
				scan_join_udp(&s, &host, beliefs, all);
				assert_int_equal(replies[0], r); /* TCP's */
				if (r == SCAN_UDP_SILENT)
					assert_int_equal(replies[1], all ? cases[i].silent
									 : cases[i].silent_unsure);
				else
					assert_int_equal(replies[1], r == SCAN_UDP_CLOSED
									     ? cases[i].closed
									     : r);
			}
	}
	host.own = false;
	replies[1] = SCAN_UDP_SILENT;
	assert_false(scan_join_helps(&s, &host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_inside_replaces_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
