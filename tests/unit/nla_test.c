/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nla: what is built can be read again; every truncation and lying length is refused. */
#include "base/mem.h"
#include "base/nla.h"
#include "unit.h"

#include <linux/netlink.h>

enum { EXTRA = 4 };

static void build(struct buf *b)
{
	static const uint8_t extra[EXTRA] = {1, 2, 3, 4};
	size_t message = nla_begin_message(b, 0x20, NLM_F_CREATE, extra, sizeof(extra)), nest;

	nla_put_u8(b, 1, 0x12);
	nla_put_u16_be(b, 2, 0x1234);
	nla_put_u32_be(b, 3, 0x12345678);
	nla_put_u64_be(b, 4, 0x123456789abcdef0);
	nla_put_u32(b, 5, 77);
	nla_put_text(b, 6, "name");
	nest = nla_begin_nest(b, 7);
	nla_put(b, 1, "abc", 3);
	nla_put(b, 2, NULL, 0);
	nla_end_nest(b, nest);
	nla_end_message(b, message);
	assert_false(b->failed);
}

static void test_messages(void **state)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nlmsghdr header[2];

	(void)state;
	build(&b);
	memcpy(&header[0], b.data, sizeof(header[0]));
	assert_int_equal(header[0].nlmsg_len, b.len);
	assert_int_equal(header[0].nlmsg_type, 0x20);
	assert_int_equal(header[0].nlmsg_flags & NLM_F_CREATE, NLM_F_CREATE);
	assert_int_equal(b.len % 4, 0);
	build(&b);
	memcpy(&header[1], b.data + header[0].nlmsg_len, sizeof(header[1]));
	assert_int_equal(header[1].nlmsg_len, header[0].nlmsg_len);
	assert_int_equal(b.len, 2 * header[0].nlmsg_len);
}

static void test_reading(void **state)
{
	static const uint64_t numbers[] = {0x12, 0x1234, 0x12345678, 0x123456789abcdef0};
	struct buf cleanup_call(buf_done) b = {0};
	struct cur c, value, inner;
	uint16_t type;
	uint32_t native;
	char text[5], little[4];

	(void)state;
	build(&b);
	c = cur_init(b.data + sizeof(struct nlmsghdr) + EXTRA,
		     b.len - sizeof(struct nlmsghdr) - EXTRA);
	for (uint16_t i = 1; i <= ARRAY_LEN(numbers); i++) {
		assert_true(nla_find(c, i, &value));
		assert_true(nla_number_be(value) == numbers[i - 1]);
	}
	assert_true(nla_find(c, 5, &value));
	memcpy(&native, value.at, sizeof(native));
	assert_int_equal(native, 77);
	assert_true(nla_find(c, 6, &value));
	assert_true(nla_string(value, text, sizeof(text)));
	assert_string_equal(text, "name");
	assert_false(nla_string(value, little, sizeof(little)));
	assert_true(nla_number_be(cur_init(b.data, 9)) == 0);
	assert_true(nla_find(c, 7, &value));
	assert_true(nla_next(&value, &type, &inner));
	assert_int_equal(type, 1);
	assert_true(nla_string(inner, text, sizeof(text))); /* without its NUL */
	assert_string_equal(text, "abc");
	assert_true(nla_next(&value, &type, &inner));
	assert_int_equal(type, 2);
	assert_true(nla_string(inner, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_false(nla_next(&value, &type, &inner));
	assert_true(value.ok);
	assert_false(nla_find(c, 8, &value));
}

/* Reads all there is. Returns how many attributes; *ok: nothing ran past the end. */
static int count_attributes(const uint8_t *bytes, size_t len, bool *ok)
{
	struct cur c = cur_init(bytes, len), value;
	uint16_t type;
	int count = 0;

	while (nla_next(&c, &type, &value))
		count++;
	*ok = c.ok;
	return count;
}

static void test_truncations(void **state)
{
	struct buf cleanup_call(buf_done) b = {0};
	const size_t head = sizeof(struct nlmsghdr) + EXTRA;
	bool ok;

	(void)state;
	build(&b);
	assert_int_equal(count_attributes((const uint8_t *)b.data + head, b.len - head, &ok), 7);
	assert_true(ok);
	for (size_t len = 0; len < b.len - head; len++) {
		uint8_t cleanup_free *copy = unit_copy(b.data + head, len);

		assert_in_range(count_attributes(copy, len, &ok), 0, 6);
	}
}

static void test_lengths_that_lie(void **state)
{
	static const uint16_t lengths[] = {0, 1, 3, 9, 100, 65535};
	bool ok;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct nlattr head = {.nla_len = lengths[i], .nla_type = 1};
		uint8_t bytes[8] = {0};
		uint8_t cleanup_free *copy = NULL;

		memcpy(bytes, &head, sizeof(head));
		copy = unit_copy(bytes, sizeof(bytes));
		assert_int_equal(count_attributes(copy, sizeof(bytes), &ok), 0);
		assert_false(ok);
	}
}

/* The flags of a type are no part of its number. */
static void test_flags(void **state)
{
	struct nlattr head = {.nla_len = 4, .nla_type = 9 | NLA_F_NESTED | NLA_F_NET_BYTEORDER};
	struct cur c = cur_init(&head, sizeof(head)), value;
	uint16_t type;

	(void)state;
	assert_true(nla_next(&c, &type, &value));
	assert_int_equal(type, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),    cmocka_unit_test(test_reading),
		cmocka_unit_test(test_truncations), cmocka_unit_test(test_lengths_that_lie),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
