/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top_ports: each port once, and the first ones in ascending order. */
#include "model/top_ports.h"
#include "unit.h"

static void each_port_is_ranked_once(void **state)
{
	static bool seen[65536];

	(void)state;
	assert_true(top_ports_row_count >= 1000);
	for (size_t i = 0; i < top_ports_row_count; i++) {
		assert_int_not_equal(top_ports_rows[i], 0);
		assert_false(seen[top_ports_rows[i]]);
		seen[top_ports_rows[i]] = true;
	}
}

static void what_everybody_knows_is_among_the_first(void **state)
{
	static const uint16_t known[] = {21,  22,  25,	 53,   80,   110, 143,
					 443, 445, 3306, 3389, 5432, 8080};
	uint16_t ports[100];

	(void)state;
	top_ports_take(100, ports);
	for (int i = 1; i < 100; i++)
		assert_true(ports[i - 1] < ports[i]);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		bool found = false;

		for (int k = 0; k < 100; k++)
			found |= ports[k] == known[i];
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_port_is_ranked_once),
		cmocka_unit_test(what_everybody_knows_is_among_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
