/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nflog and twin_answers: recorded log messages, cut off everywhere, and what they mean. */
#include "observe/doubts.h"
#include "observe/twin_answers.h"
#include "unit.h"

#include <sys/socket.h>

enum { COOKIE = 0x12345678 };

static struct recorded_list messages, frames;

static int load(void **state)
{
	(void)state;
	recorded_load(&messages, "nflog.hex");
	recorded_load(&frames, "frames.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&messages);
	recorded_done(&frames);
	return 0;
}

static void decodes_a_message(void **state)
{
	const struct recorded *r = recorded_find(&messages, "doubt4-0");
	struct nflog_message m;
	struct frame_seen seen;

	(void)state;
	assert_int_equal(nflog_decode(r->bytes, r->len, &m), 0);
	assert_int_equal(m.group, GROUP_RECORDER);
	assert_string_equal(m.prefix, "D12");
	assert_int_equal(m.in_ifindex, 2);
	assert_int_equal(m.out_ifindex, 0);
	assert_int_equal(m.hook, 1);
	assert_int_equal(m.mark, 0);
	assert_int_equal(frame_decode(m.packet.at, m.packet.left, &seen), 0);
	assert_int_equal(seen.destination_port, 53);
	r = recorded_find(&messages, "doubt4-1");
	assert_int_equal(nflog_decode(r->bytes, r->len, &m), 0);
	assert_int_equal(m.group, GROUP_SINK);
	assert_string_equal(m.prefix, "I");
	assert_int_equal(m.mark, 7);
}

static void cut_messages_are_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *r = &messages.items[i];

		for (size_t len = 0; len < r->len; len++) {
			void *copy = unit_copy(r->bytes, len);
			struct nflog_message m;

			/* at the end of an attribute, what comes before it is whole */
			if (nflog_decode(copy, len, &m) == 0)
				assert_true(m.packet.left <= len);
			free(copy);
		}
	}
}

struct scene {
	struct outcome outcomes[4];
	struct met_doubts met;
	struct answer_batch batch;
};

/* The recorded packet is the third of four. */
static void begin(struct scene *s, enum proto proto)
{
	*s = (struct scene){0};
	for (size_t i = 0; i < 4; i++)
		s->outcomes[i].verdict = VERDICT_DROP;
	s->batch = (struct answer_batch){.proto = proto,
					 .first_cookie = COOKIE - 2,
					 .count = 4,
					 .open = 4,
					 .outcomes = s->outcomes,
					 .first_index = 100,
					 .met = &s->met};
}

static int take(struct scene *s, const char *name)
{
	const struct recorded *r = recorded_find(&messages, name);
	struct nflog_message m;

	assert_int_equal(nflog_decode(r->bytes, r->len, &m), 0);
	return twin_answers_take_logged(&m, &s->batch);
}

static void a_sunk_packet_is_accepted(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, PROTO_TCP);
	assert_int_equal(take(&s, "redirected4-0"), 0);
	assert_int_equal(s.outcomes[2].verdict, VERDICT_ACCEPT);
	assert_int_equal(s.outcomes[2].target_port, 22);
	assert_int_equal(s.outcomes[2].target.family, AF_INET);
	assert_false(s.outcomes[2].forwarded);
	assert_int_equal(s.batch.open, 3);
	assert_int_equal(s.outcomes[1].verdict, VERDICT_DROP);
	/* the first answer counts */
	assert_int_equal(take(&s, "accepted4-0"), 0);
	assert_int_equal(s.batch.open, 3);
}

static void a_doubt_is_kept_with_its_packet(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, PROTO_UDP);
	assert_int_equal(take(&s, "doubt4-0"), 0);
	assert_int_equal(take(&s, "doubt4-1"), 0);
	assert_int_equal(take(&s, "doubt6-0"), 0);
	assert_int_equal(s.met.count, 2);
	assert_int_equal(s.met.items[0].index, 102);
	assert_int_equal(s.met.items[0].doubt, 12);
	assert_int_equal(s.outcomes[2].verdict, VERDICT_ACCEPT);
	met_doubts_done(&s.met);
}

static void a_false_prefix_is_refused(void **state)
{
	static const char *const prefixes[] = {"", "D", "D256", "Dx", "D1x", "X1", "D-1", "D 1"};
	const struct recorded *r = recorded_find(&messages, "doubt4-0");
	struct nflog_message m;
	struct scene s;

	(void)state;
	begin(&s, PROTO_UDP);
	assert_int_equal(nflog_decode(r->bytes, r->len, &m), 0);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		snprintf(m.prefix, sizeof(m.prefix), "%s", prefixes[i]);
		assert_int_equal(twin_answers_take_logged(&m, &s.batch), -EBADMSG);
	}
	assert_int_equal(s.met.count, 0);
}

/* Other batches' cookies, and other protocols. */
static void others_are_passed_over(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, PROTO_UDP);
	assert_int_equal(take(&s, "accepted4-0"), 0);
	s.batch.proto = PROTO_TCP;
	s.batch.first_cookie = COOKIE + 1;
	assert_int_equal(take(&s, "accepted4-0"), 0);
	s.batch.first_cookie = COOKIE - 4;
	assert_int_equal(take(&s, "accepted4-0"), 0);
	assert_int_equal(s.batch.open, 4);
	s.batch.first_cookie = COOKIE - 3;
	assert_int_equal(take(&s, "accepted4-0"), 0);
	assert_int_equal(s.batch.open, 3);
	assert_int_equal(s.outcomes[3].verdict, VERDICT_ACCEPT);
}

static void take_frame(struct scene *s, const char *name)
{
	const struct recorded *r = recorded_find(&frames, name);
	struct frame_seen seen;

	assert_int_equal(frame_decode_ethernet(r->bytes, r->len, &seen), 0);
	twin_answers_take_packet(&s->batch, &seen);
}

static void only_refusals_refuse(void **state)
{
	static const char *const refusals[] = {"reset4", "reset6", "unreachable4", "unreachable6"};
	static const char *const others[] = {"sent-syn4", "syn-ack4",	  "redirect4",
					     "too-big6",  "frag-needed4", "time-exceeded4"};
	struct scene s;

	(void)state;
	begin(&s, PROTO_TCP);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		take_frame(&s, others[i]);
	assert_int_equal(s.batch.open, 4);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		begin(&s, PROTO_TCP);
		take_frame(&s, refusals[i]);
		assert_int_equal(s.outcomes[2].verdict, VERDICT_REJECT);
		assert_int_equal(s.batch.open, 3);
	}
	/* what was never sent stays unknown */
	begin(&s, PROTO_TCP);
	s.outcomes[2].verdict = VERDICT_UNKNOWN;
	take_frame(&s, "reset4");
	assert_int_equal(s.outcomes[2].verdict, VERDICT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_a_message),
		cmocka_unit_test(cut_messages_are_harmless),
		cmocka_unit_test(a_sunk_packet_is_accepted),
		cmocka_unit_test(a_doubt_is_kept_with_its_packet),
		cmocka_unit_test(a_false_prefix_is_refused),
		cmocka_unit_test(others_are_passed_over),
		cmocka_unit_test(only_refusals_refuse),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
