/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reach_pack: answers as bytes and back; cut off everywhere, with every byte changed. */
#include "observe/reach_pack.h"
#include "unit.h"

#include <sys/socket.h>

enum { KEY = 4711, HEADING = 32, HASH_AT = 24 };

static void add_class(struct reach *r, const char *name, uint16_t cut)
{
	struct reach_class *c = reach_add_class(r);
	struct reach_interval *i;

	assert_non_null(c);
	c->source_class = SOURCE_LISTED;
	c->within = SOURCE_PRIVATE;
	c->ifindex = 7;
	c->proto = PROTO_UDP;
	c->behind = true;
	c->leads_to = 9;
	c->source = (struct address){AF_INET, {10, 1, 2, 3}};
	c->destination = (struct address){AF_INET6, {0xfd, [15] = 1}};
	c->ifname_str = strpool_add_text(&r->strings, name);
	c->sources_str = strpool_add_text(&r->strings, "10.0.0.0/8");
	c->first_interval = (uint32_t)r->interval_count;
	c->interval_count = 2;
	i = reach_add_interval(r);
	assert_non_null(i);
	*i = (struct reach_interval){.first = 1, .last = cut, .verdict = VERDICT_DROP};
	i = reach_add_interval(r);
	assert_non_null(i);
	*i = (struct reach_interval){.first = (uint16_t)(cut + 1),
				     .last = 65535,
				     .verdict = VERDICT_ACCEPT,
				     .forwarded = true,
				     .nat = true,
				     .several = true,
				     .shifts = true,
				     .target = {AF_INET, {172, 17, 0, 2}},
				     .target_port = 80,
				     .out_ifindex = 3,
				     .gateway = {AF_INET, {10, 0, 0, 9}},
				     .why_str = strpool_add_text(&r->strings, "a limit")};
}

static void make(struct reach *r)
{
	*r = (struct reach){.available = true, .complete = true};
	add_class(r, "eth0", 99);
	add_class(r, "eth1", 5000);
	reach_add_gap(r, "what", "why", "remedy");
}

static void assert_same(const struct reach *a, const struct reach *b)
{
	assert_int_equal(a->complete, b->complete);
	assert_int_equal(a->available, b->available);
	assert_int_equal(a->class_count, b->class_count);
	assert_int_equal(a->interval_count, b->interval_count);
	assert_int_equal(a->gap_count, b->gap_count);
	assert_string_equal(reach_text(a, a->classes[1].ifname_str),
			    reach_text(b, b->classes[1].ifname_str));
	assert_string_equal(reach_text(b, b->intervals[3].why_str), "a limit");
	assert_string_equal(reach_text(b, b->gaps[0].remedy_str), "remedy");
	for (size_t i = 0; i < a->class_count; i++) {
		const struct reach_class *x = &a->classes[i], *y = &b->classes[i];

		assert_int_equal(x->source_class, y->source_class);
		assert_int_equal(x->within, y->within);
		assert_int_equal(x->ifindex, y->ifindex);
		assert_int_equal(x->proto, y->proto);
		assert_int_equal(x->behind, y->behind);
		assert_int_equal(x->leads_to, y->leads_to);
		assert_true(address_equal(&x->source, &y->source));
		assert_true(address_equal(&x->destination, &y->destination));
		assert_int_equal(x->first_interval, y->first_interval);
		assert_int_equal(x->interval_count, y->interval_count);
	}
	for (size_t i = 0; i < a->interval_count; i++) {
		const struct reach_interval *x = &a->intervals[i], *y = &b->intervals[i];

		assert_int_equal(x->first, y->first);
		assert_int_equal(x->last, y->last);
		assert_int_equal(x->verdict, y->verdict);
		assert_int_equal(x->forwarded, y->forwarded);
		assert_int_equal(x->nat, y->nat);
		assert_int_equal(x->several, y->several);
		assert_int_equal(x->shifts, y->shifts);
		assert_true(address_equal(&x->target, &y->target));
		assert_int_equal(x->target_port, y->target_port);
		assert_int_equal(x->out_ifindex, y->out_ifindex);
		assert_true(address_equal(&x->gateway, &y->gateway));
	}
}

static void test_back(void **state)
{
	struct reach r, back = {0};
	struct buf b = {0};

	(void)state;
	make(&r);
	reach_pack(&r, KEY, &b);
	assert_false(b.failed);
	assert_int_equal(reach_unpack(b.data, b.len, KEY, &back), 0);
	assert_same(&r, &back);
	/* texts can be added to those that were read */
	assert_string_equal(reach_text(&back, strpool_add_text(&back.strings, "more")), "more");
	reach_done(&back);
	assert_int_equal(reach_unpack(b.data, b.len, KEY + 1, &back), -EBADMSG);
	reach_done(&back);
	reach_done(&r);
	buf_done(&b);
}

static void test_empty(void **state)
{
	struct reach r = {.available = true}, back = {0};
	struct buf b = {0};

	(void)state;
	reach_pack(&r, KEY, &b);
	assert_int_equal(reach_unpack(b.data, b.len, KEY, &back), 0);
	assert_true(back.available);
	assert_int_equal(back.class_count, 0);
	reach_done(&back);
	buf_done(&b);
}

/* Makes the hash right again, so that what is behind it gets looked at. */
static void sign(uint8_t *bytes, size_t len)
{
	uint64_t hash;

	if (len < HEADING)
		return;
	hash = reach_pack_sum(bytes + HEADING, len - HEADING);
	for (int i = 0; i < 8; i++)
		bytes[HASH_AT + i] = (uint8_t)(hash >> (8 * i));
}

static void test_every_truncation(void **state)
{
	struct reach r;
	struct buf b = {0};

	(void)state;
	make(&r);
	reach_pack(&r, KEY, &b);
	for (size_t len = 0; len < b.len; len++)
		for (int is_signed = 0; is_signed < 2; is_signed++) {
			uint8_t *copy = unit_copy(b.data, len);
			struct reach back = {0};

			if (is_signed)
				sign(copy, len);
			assert_int_equal(reach_unpack(copy, len, KEY, &back), -EBADMSG);
			reach_done(&back);
			free(copy);
		}
	reach_done(&r);
	buf_done(&b);
}

static void assert_sound(const struct reach *r)
{
	size_t texts = r->strings.bytes.len ? r->strings.bytes.len : 1;

	for (size_t i = 0; i < r->class_count; i++) {
		const struct reach_class *c = &r->classes[i];

		assert_true(c->source_class < SOURCE_CLASS_COUNT && c->proto < PROTO_COUNT);
		assert_true(c->ifname_str < texts && c->sources_str < texts);
		assert_true((size_t)c->first_interval + c->interval_count <= r->interval_count);
	}
	for (size_t i = 0; i < r->interval_count; i++)
		assert_true(
			r->intervals[i].first && r->intervals[i].first <= r->intervals[i].last &&
			r->intervals[i].verdict < VERDICT_COUNT && r->intervals[i].why_str < texts);
}

/* A changed byte is noticed; one that somebody signed is never worse than another answer. */
static void test_every_byte(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	struct reach r;
	struct buf b = {0};

	(void)state;
	make(&r);
	reach_pack(&r, KEY, &b);
	for (size_t at = 0; at < b.len; at++)
		for (size_t m = 0; m < sizeof(masks); m++) {
			uint8_t *copy = unit_copy(b.data, b.len);
			struct reach back = {0};

			copy[at] ^= masks[m];
			assert_int_equal(reach_unpack(copy, b.len, KEY, &back), -EBADMSG);
			reach_done(&back);
			sign(copy, b.len);
			if (reach_unpack(copy, b.len, KEY, &back) == 0)
				assert_sound(&back);
			reach_done(&back);
			free(copy);
		}
	reach_done(&r);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests_name("reach_pack", tests, NULL, NULL);
}
