/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace_steps: recorded traces and chains, decoded, cut off everywhere; which step decides. */
#include "observe/trace_steps.h"
#include "unit.h"

#include <linux/netfilter.h>

static struct recorded_list messages;

static int load(void **state)
{
	(void)state;
	recorded_load(&messages, "nft_trace.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&messages);
	return 0;
}

static bool is_chain(const struct recorded *r)
{
	return strncmp(r->name, "chain-", 6) == 0;
}

enum { STEPS = 16, CHAINS = 16 };

/* All steps of one packet, placed. */
static size_t read_steps(const char *packet, struct trace_step *steps)
{
	static struct base_chain chains[CHAINS];
	size_t count = 0, chain_count = 0, name_len = strlen(packet);

	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *r = &messages.items[i];

		if (is_chain(r) && base_chain_decode(r->bytes, r->len, &chains[chain_count]) == 0)
			chain_count++;
		if (strncmp(r->name, packet, name_len) != 0 || r->name[name_len] != '-')
			continue;
		assert_true(count < STEPS);
		assert_int_equal(trace_step_decode(r->bytes, r->len, &steps[count++]), 0);
	}
	assert_int_equal(chain_count, 5);
	trace_steps_place(steps, count, chains, chain_count);
	return count;
}

static void assert_decides(const char *packet, const char *chain, enum trace_kind kind,
			   enum trace_verdict verdict)
{
	static struct trace_step steps[STEPS];
	const struct trace_step *decides = trace_decides(steps, read_steps(packet, steps));

	assert_non_null(decides);
	assert_string_equal(decides->table, "t");
	assert_string_equal(decides->chain, chain);
	assert_int_equal(decides->kind, kind);
	assert_int_equal(decides->verdict, verdict);
	assert_int_equal(decides->hook, NF_INET_LOCAL_IN);
	assert_string_equal(decides->type, "filter");
}

static void the_deciding_step(void **state)
{
	(void)state;
	assert_decides("reset4", "in", TRACE_RULE, TRACE_DROP);
	assert_decides("unreachable4", "in", TRACE_RULE, TRACE_DROP);
	assert_decides("dropped4", "in", TRACE_POLICY, TRACE_DROP);
	assert_decides("goto4", "in", TRACE_POLICY, TRACE_DROP);
	/* here the sink drops, which twin_trace leaves out */
	assert_decides("accepted4", "sink", TRACE_RULE, TRACE_DROP);
}

static void the_way_of_a_packet(void **state)
{
	static struct trace_step steps[STEPS];
	size_t count = read_steps("accepted4", steps), jumps = 0, seen = 0;

	(void)state;
	assert_int_equal(count, 8);
	for (size_t i = 0; i < count; i++) {
		jumps += steps[i].verdict == TRACE_JUMP;
		seen += steps[i].has_seen;
		assert_true(steps[i].hook != TRACE_HOOK_UNKNOWN);
		assert_int_equal(steps[i].packet, steps[0].packet);
		if (steps[i].has_seen)
			assert_int_equal(steps[i].seen.cookie, 0x12345678);
		if (strcmp(steps[i].chain, "sub") == 0)
			assert_int_equal(steps[i].hook, NF_INET_LOCAL_IN);
		if (strcmp(steps[i].table, "n") == 0)
			assert_string_equal(steps[i].type, "nat");
		if (steps[i].verdict == TRACE_JUMP)
			assert_string_equal(steps[i].to_chain, "sub");
	}
	assert_int_equal(jumps, 1);
	assert_true(seen >= 2);
	/* without the sink */
	assert_ptr_equal(trace_decides(steps, count - 1), &steps[count - 2]);
	assert_string_equal(steps[count - 2].chain, "sub");
}

static struct trace_step step(enum trace_kind kind, enum trace_verdict verdict, uint8_t hook,
			      const char *type)
{
	struct trace_step s = {
		.kind = kind, .verdict = verdict, .hook = hook, .family = NFPROTO_INET};

	snprintf(s.type, sizeof(s.type), "%s", type);
	return s;
}

static void what_weighs_more(void **state)
{
	struct trace_step s[] = {
		step(TRACE_RULE, TRACE_ACCEPT, NF_INET_LOCAL_IN, "nat"),
		step(TRACE_RULE, TRACE_CONTINUE, NF_INET_LOCAL_IN, "filter"),
		step(TRACE_POLICY, TRACE_ACCEPT, NF_INET_PRE_ROUTING, "filter"),
		step(TRACE_RULE, TRACE_ACCEPT, NF_INET_PRE_ROUTING, "filter"),
		step(TRACE_POLICY, TRACE_ACCEPT, NF_INET_FORWARD, "filter"),
		step(TRACE_RULE, TRACE_ACCEPT, NF_INET_FORWARD, "filter"),
		step(TRACE_RULE, TRACE_DROP, NF_INET_PRE_ROUTING, "nat"),
	};
	size_t count = sizeof(s) / sizeof(s[0]);

	(void)state;
	assert_null(trace_decides(s, 0));
	assert_null(trace_decides(s, 2));
	for (size_t n = 3; n <= count; n++)
		assert_ptr_equal(trace_decides(s, n), &s[n - 1]);
	/* a weaker one that comes later does not */
	s[count - 1] = s[2];
	assert_ptr_equal(trace_decides(s, count), &s[5]);
	/* of two the last */
	s[count - 1] = s[5];
	assert_ptr_equal(trace_decides(s, count), &s[count - 1]);
}

static void cut_messages_are_harmless(void **state)
{
	static struct trace_step got_step;
	static struct base_chain got_chain;

	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *r = &messages.items[i];

		for (size_t len = 0; len < r->len; len++) {
			void *copy = unit_copy(r->bytes, len);

			if (is_chain(r)) {
				int e = base_chain_decode(copy, len, &got_chain);

				assert_true(e == 0 || e == -ENOENT || e == -EBADMSG);
			} else {
				int e = trace_step_decode(copy, len, &got_step);

				assert_true(e == 0 || e == -EBADMSG);
			}
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_deciding_step),
		cmocka_unit_test(the_way_of_a_packet),
		cmocka_unit_test(what_weighs_more),
		cmocka_unit_test(cut_messages_are_harmless),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
