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
				scan_join_udp(&s, &host, &(struct scan_look){beliefs, all},
					      &(struct scan_look){beliefs, all});
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

/* What both looks make of it stands; else nothing is known. */
static void what_changes_meanwhile_is_unknown(void **state)
{
	static struct belief before[65536], after[65536];
	uint16_t ports[] = {PORT};
	uint8_t reply;
	struct scan s = {.ports = ports, .port_count = 1};
	struct scan_host host = {.own = true, .replies = &reply};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
			before[PORT] = cases[i].belief;
			after[PORT] = cases[k].belief;
			reply = SCAN_UDP_SILENT;
			scan_join_udp(&s, &host, &(struct scan_look){before, true},
				      &(struct scan_look){after, true});
			assert_int_equal(reply, cases[i].silent == cases[k].silent
							? cases[i].silent
							: SCAN_UDP_CHANGED);
			reply = SCAN_UDP_CLOSED;
			scan_join_udp(&s, &host, &(struct scan_look){before, true},
				      &(struct scan_look){after, true});
			assert_int_equal(reply, cases[i].closed == cases[k].closed
							? cases[i].closed
							: SCAN_UDP_CHANGED);
			reply = SCAN_UDP_ANSWER;
			scan_join_udp(&s, &host, &(struct scan_look){before, true},
				      &(struct scan_look){after, true});
			assert_int_equal(reply, SCAN_UDP_ANSWER);
		}
}

/* Who refuses one port on which nobody is would have refused the other, had nobody been there. */
static void who_lived_between_the_looks_is_not_nobody(void **state)
{
	static struct belief beliefs[65536];
	const struct belief nobody = {SURE_CLOSED, VERDICT_ACCEPT, NOBODY};
	uint16_t ports[] = {PORT, PORT + 1};
	uint8_t replies[2];
	struct scan s = {.ports = ports, .port_count = 2};
	struct scan_host host = {.own = true, .replies = replies};

	(void)state;
	beliefs[PORT] = nobody;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (uint8_t r = 0; r < SCAN_REPLY_COUNT; r++) {
			bool as_nobody = i == 1;

			beliefs[PORT + 1] = cases[i].belief;
			replies[0] = SCAN_UDP_SILENT;
			replies[1] = r;
			scan_join_udp(&s, &host, &(struct scan_look){beliefs, true},
				      &(struct scan_look){beliefs, true});
			assert_int_equal(replies[0], r == SCAN_UDP_CLOSED && as_nobody
							     ? SCAN_UDP_CHANGED
							     : SCAN_UDP_UNBOUND);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_inside_replaces_silence),
		cmocka_unit_test(what_changes_meanwhile_is_unknown),
		cmocka_unit_test(who_lived_between_the_looks_is_not_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
