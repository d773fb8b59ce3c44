/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text: that nothing which could act on a terminal gets through, whatever goes in, and that what
 * is harmless comes out as it was.
 */
#include "base/mem.h"
#include "base/text.h"
#include "unit.h"

#include <locale.h>

static void expect_escape(const char *bytes, size_t len, bool ascii, const char *wanted)
{
	char *copy = unit_copy(bytes, len);
	struct buf out = {0};

	text_escape(&out, copy, len, ascii);
	assert_string_equal(buf_text(&out), wanted);
	assert_int_equal(out.len, strlen(wanted));
	buf_done(&out);
	free(copy);
}

#define ESCAPE(bytes, wanted)	    expect_escape(bytes, sizeof(bytes) - 1, false, wanted)
#define ESCAPE_ASCII(bytes, wanted) expect_escape(bytes, sizeof(bytes) - 1, true, wanted)

/* Encodes any number, also one that is no code point, in `len` bytes (0: as few as it needs). */
static size_t encode(uint32_t code, size_t len, char bytes[5])
{
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	if (len == 0)
		len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = len; i > 1; i--, code >>= 6)
		bytes[i - 1] = (char)(0x80 | (code & 0x3f));
	bytes[0] = (char)(first[len] | code);
	bytes[len] = '\0';
	return len;
}

/* What must never come out, as ranges: written down again, not taken from the sources. */
static bool is_dangerous(uint32_t code)
{
	static const uint32_t ranges[][2] = {
		{0, 0x1f},	    {0x7f, 0x9f},	{0xad, 0xad},	    {0x34f, 0x34f},
		{0x61c, 0x61c},	    {0x115f, 0x1160},	{0x17b4, 0x17b5},   {0x180b, 0x180f},
		{0x200b, 0x200f},   {0x2028, 0x202e},	{0x2060, 0x206f},   {0x3164, 0x3164},
		{0xd800, 0xdfff},   {0xfe00, 0xfe0f},	{0xfeff, 0xfeff},   {0xffa0, 0xffa0},
		{0xfff0, 0xfffb},   {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return code > 0x10ffff;
}

/* A strict decoder of its own, by the table of RFC 3629 section 4. */
static size_t decode(const uint8_t *s, size_t len, uint32_t *code)
{
	static const struct {
		uint8_t first, last, low, high, size;
	} rows[] = {
		{0x00, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

	for (size_t i = 0; i < ARRAY_LEN(rows) && len > 0; i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].size > len || (rows[i].size > 1 && s[1] < rows[i].low) ||
		    (rows[i].size > 1 && s[1] > rows[i].high))
			return 0;
		*code = s[0] & mask[rows[i].size];
		for (size_t k = 1; k < rows[i].size; k++) {
			if (k > 1 && (s[k] & 0xc0) != 0x80)
				return 0;
			*code = *code << 6 | (s[k] & 0x3fu);
		}
		return rows[i].size;
	}
	return 0;
}

static void test_decode_like_the_rfc(void **state)
{
	uint64_t seed = 3629;

	(void)state;
	for (uint32_t i = 0; i < 2000000; i++) {
		uint64_t r = unit_random(&seed);
		uint8_t bytes[4] = {(uint8_t)(r | 0x80), (uint8_t)(r >> 8), (uint8_t)(r >> 16),
				    (uint8_t)(r >> 24)};
		size_t len = r >> 40 & 3, used;
		uint32_t ours = 0xdead, theirs = 0xdead;

		len++;
		if (r >> 50 & 1) /* make it likely that the tail is a tail */
			for (size_t k = 1; k < 4; k++)
				bytes[k] = (uint8_t)((bytes[k] & 0x3f) | 0x80);
		used = decode(bytes, len, &theirs);
		assert_int_equal(text_decode_utf8((char *)bytes, len, &ours), used);
		if (used)
			assert_int_equal(ours, theirs);
	}
	assert_int_equal(text_decode_utf8("x", 0, &(uint32_t){0}), 0);
}

static void test_decode_every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x120000; code++) {
		bool valid = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
		char bytes[5];
		uint32_t got = 0;
		size_t len = encode(code, 0, bytes);

		assert_int_equal(text_decode_utf8(bytes, len, &got), valid ? len : 0);
		if (valid)
			assert_int_equal(got, code);
	}
}

static void test_plain_text(void **state)
{
	char printable[128];
	size_t len = 0;

	(void)state;
	for (char c = ' '; c < 0x7f; c++)
		if (c != '\\')
			printable[len++] = c;
	printable[len] = '\0';
	expect_escape(printable, len, false, printable);
	expect_escape(printable, len, true, printable);
	ESCAPE("", "");
	ESCAPE("größe", "größe");
	ESCAPE("日本", "日本");
	ESCAPE("e\xcc\x81", "e\xcc\x81"); /* a combining accent is no danger */
	ESCAPE("\xc2\xa0", "\xc2\xa0");
	ESCAPE("😀", "😀");
}

static void test_control_characters(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0xa0; c++) {
		char bytes[5], wanted[16];
		size_t len = encode(c, 0, bytes);

		if (c >= 0x20 && c < 0x7f)
			continue;
		snprintf(wanted, sizeof(wanted), c < 0x80 ? "\\x%02x" : "\\xc2\\x%02x", c);
		expect_escape(bytes, len, false, wanted);
		expect_escape(bytes, len, true, wanted);
	}
	ESCAPE("a\x1b[31mb\n", "a\\x1b[31mb\\x0a");
	ESCAPE("\0", "\\x00");
	ESCAPE("\x9b"
	       "31m",
	       "\\x9b31m"); /* a bare C1 byte: CSI on 8-bit terminals */
}

static void test_backslash(void **state)
{
	(void)state;
	ESCAPE("\\", "\\\\");
	ESCAPE("\\x1b", "\\\\x1b"); /* cannot be mistaken for what stands for ESC */
	ESCAPE_ASCII("a\\b\\", "a\\\\b\\\\");
}

static void test_invalid_utf8(void **state)
{
	(void)state;
	ESCAPE("\x80", "\\x80");
	ESCAPE("\xbf\xbf", "\\xbf\\xbf");
	ESCAPE("\xc0\xaf", "\\xc0\\xaf"); /* overlong '/' */
	ESCAPE("\xc1\xbf", "\\xc1\\xbf");
	ESCAPE("\xe0\x80\xaf", "\\xe0\\x80\\xaf");	    /* overlong, 3 bytes */
	ESCAPE("\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"); /* overlong, 4 bytes */
	ESCAPE("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");
	ESCAPE("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	ESCAPE("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogates */
	ESCAPE("\xed\xbf\xbf", "\\xed\\xbf\\xbf");
	ESCAPE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* over U+10FFFF */
	ESCAPE("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
	ESCAPE("\xff\xfe", "\\xff\\xfe");
	ESCAPE("\xc3(", "\\xc3(");
	ESCAPE("\xe2\x82(", "\\xe2\\x82(");
	ESCAPE("\xc3\xc3\xa4", "\\xc3ä"); /* finds its way back into step */
}

/* Every truncation, at the end and before other text: each byte by itself, and what follows whole.
 */
static void test_truncated_utf8(void **state)
{
	static const uint32_t codes[] = {0x80,	 0xe4,	  0x7ff,   0x800,   0x20ac,
					 0xffff, 0x10000, 0x1f600, 0x10ffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		char bytes[5];
		size_t len = encode(codes[i], 0, bytes);

		for (size_t cut = 1; cut < len; cut++) {
			char text[16], wanted[64] = "";

			for (size_t k = 0; k < cut; k++)
				snprintf(wanted + k * 4, 8, "\\x%02x", (uint8_t)bytes[k]);
			expect_escape(bytes, cut, false, wanted);
			memcpy(text, bytes, cut);
			memcpy(text + cut, "ä!", 3);
			memcpy(wanted + cut * 4, "ä!", 4);
			expect_escape(text, cut + 3, false, wanted);
		}
	}
}

static void test_invisible(void **state)
{
	(void)state;
	ESCAPE("a\xe2\x80\xae"
	       "b",
	       "a\\u{202e}b"); /* right-to-left override */
	ESCAPE("\xe2\x81\xa6\xe2\x81\xa9", "\\u{2066}\\u{2069}");
	ESCAPE("a\xe2\x80\x8b"
	       "b",
	       "a\\u{200b}b"); /* zero-width space */
	ESCAPE("\xef\xbb\xbfx", "\\u{feff}x");
	ESCAPE("\xc2\xad", "\\u{ad}");
	ESCAPE("\xe2\x80\xa8\xe2\x80\xa9", "\\u{2028}\\u{2029}");
	ESCAPE("\xf3\xa0\x81\x81", "\\u{e0041}"); /* a tag */
	ESCAPE("\xef\xb8\x8f", "\\u{fe0f}");
	for (uint32_t code = 0xa0; code < 0x110000; code++) {
		char bytes[5], wanted[16];
		size_t len = encode(code, 0, bytes);

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		snprintf(wanted, sizeof(wanted), "\\u{%x}", code);
		if (is_dangerous(code))
			expect_escape(bytes, len, false, wanted);
	}
}

/* The format controls of Egyptian hieroglyphs have no shape of their own (Unicode 15: Cf). */
static void test_invisible_hieroglyph_controls(void **state)
{
	(void)state;
	ESCAPE("\xf0\x93\x90\xb0", "\\u{13430}");
	ESCAPE("\xf0\x93\x90\xbf", "\\u{1343f}");
}

static void test_ascii(void **state)
{
	(void)state;
	ESCAPE_ASCII("größe", "gr\\u{f6}\\u{df}e");
	ESCAPE_ASCII("😀", "\\u{1f600}");
	ESCAPE_ASCII("\xff", "\\xff");
	ESCAPE_ASCII("\xc2\x85", "\\xc2\\x85");
}

static void expect_safe(const struct buf *out, bool ascii)
{
	for (size_t i = 0; i < out->len;) {
		uint32_t code;
		size_t used = decode((const uint8_t *)out->data + i, out->len - i, &code);

		assert_int_not_equal(used, 0);
		assert_false(is_dangerous(code));
		if (ascii)
			assert_in_range(code, 0x20, 0x7e);
		i += used;
	}
}

/* The form can be read back: undoes the escapes and compares. */
static void expect_reversible(const struct buf *out, const char *bytes, size_t len)
{
	char *back = malloc(out->len + 1);
	size_t n = 0;

	assert_non_null(back);
	for (size_t i = 0; i < out->len;) {
		char *end;

		if (out->data[i] != '\\') {
			back[n++] = out->data[i++];
		} else if (out->data[i + 1] == '\\') {
			back[n++] = '\\';
			i += 2;
		} else if (out->data[i + 1] == 'x') {
			char digits[3] = {out->data[i + 2], out->data[i + 3], '\0'};

			back[n++] = (char)strtoul(digits, NULL, 16);
			i += 4;
		} else {
			char one[5];
			uint32_t code = (uint32_t)strtoul(out->data + i + 3, &end, 16);
			size_t used = encode(code, 0, one);

			assert_int_equal(*end, '}');
			memcpy(back + n, one, used);
			n += used;
			i = (size_t)(end - out->data) + 1;
		}
	}
	assert_int_equal(n, len);
	assert_memory_equal(back, bytes, len);
	free(back);
}

/* Bytes that like to go wrong: lead bytes, tails, controls, pieces of unsafe code points. */
static size_t make_hostile(uint64_t *seed, char *bytes, size_t limit)
{
	size_t len = unit_random(seed) % limit, i = 0;

	while (i < len) {
		uint64_t r = unit_random(seed);
		char one[5] = {(char)(r >> 8)};
		size_t used = 1;

		if (r % 5 == 0)
			used = encode((uint32_t)(r >> 16) % 0x110000, 0, one);
		else if (r % 5 == 1)
			used = encode(0x2000 + (uint32_t)(r >> 16) % 0x80, 0, one);
		else if (r % 5 == 2)
			used = encode((uint32_t)(r >> 16) % 0xc0, r >> 40 & 1 ? 2 : 3, one);
		if (r % 7 == 0 && used > 1)
			used--; /* cut */
		for (size_t k = 0; k < used && i < len; k++)
			bytes[i++] = one[k];
	}
	return len;
}

static void test_any_bytes_are_safe(void **state)
{
	uint64_t seed = 0x5eed;
	char bytes[64];

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		size_t len = make_hostile(&seed, bytes, sizeof(bytes));
		char *copy = unit_copy(bytes, len);
		struct buf out = {0};

		text_escape(&out, copy, len, i & 1);
		assert_false(out.failed);
		expect_safe(&out, i & 1);
		expect_reversible(&out, copy, len);
		buf_done(&out);
		free(copy);
	}
}

/* Every pair of bytes, and every first three of a sequence. */
static void test_all_short_bytes_are_safe(void **state)
{
	struct buf out = {0};

	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			for (unsigned c = 0x7e; c < 0xc3; c += 17) {
				char bytes[3] = {(char)a, (char)b, (char)c};

				buf_clear(&out);
				text_escape(&out, bytes, 1 + (c & 1) + (a >= 0xe0), false);
				expect_safe(&out, false);
				text_escape(&out, bytes, 3, true);
			}
		}
	}
	buf_done(&out);
}

static void test_message(void **state)
{
	struct buf out = {0};
	uint64_t seed = 77;
	char bytes[64];

	(void)state;
	text_escape_message(&out, "'\\x1b' \x1b\xe2\x80\xae ä");
	assert_string_equal(buf_text(&out), "'\\x1b' \\x1b\\u{202e} ä");
	for (uint32_t i = 0; i < 20000; i++) {
		size_t len = make_hostile(&seed, bytes, sizeof(bytes));

		bytes[len] = '\0';
		buf_clear(&out);
		text_escape_message(&out, bytes);
		expect_safe(&out, false);
	}
	buf_done(&out);
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc def~"), 8);
	assert_int_equal(text_width("größe"), 5);
	assert_int_equal(text_width("日本語"), 6);
	assert_int_equal(text_width("a日b"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1);
	assert_int_equal(text_width("…"), 1);
	assert_int_equal(text_width("\\x1b"), 4);
}

static void test_prefix(void **state)
{
	(void)state;
	assert_int_equal(text_prefix("abc", 0), 0);
	assert_int_equal(text_prefix("abc", 2), 2);
	assert_int_equal(text_prefix("abc", 3), 3);
	assert_int_equal(text_prefix("abc", 99), 3);
	assert_int_equal(text_prefix("äöü", 2), 4);
	assert_int_equal(text_prefix("日本", 1), 0); /* never half of one */
	assert_int_equal(text_prefix("日本", 2), 3);
	assert_int_equal(text_prefix("日本", 3), 3);
	assert_int_equal(text_prefix("日本", 4), 6);
	assert_int_equal(text_prefix("e\xcc\x81x", 1), 3); /* the accent stays with its letter */
	assert_int_equal(text_prefix("", 5), 0);
}

static void test_prefix_agrees_with_width(void **state)
{
	uint64_t seed = 12;
	char bytes[64], prefix[256];

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		size_t len = make_hostile(&seed, bytes, sizeof(bytes));
		struct buf out = {0};

		text_escape(&out, bytes, len, false);
		for (size_t columns = 0; columns < 30; columns += 7) {
			size_t n = text_prefix(buf_text(&out), columns);

			assert_true(n <= out.len && n < sizeof(prefix));
			memcpy(prefix, buf_text(&out), n);
			prefix[n] = '\0';
			assert_true(text_width(prefix) <= columns);
			if (n < out.len) /* the longest: one more would not fit */
				assert_true(text_width(buf_text(&out)) > columns);
		}
		buf_done(&out);
	}
}

static void test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{"", "", 0},	      {"", "abc", 3},
		{"same", "same", 0},  {"tcp", "tpc", 1},
		{"tcp", "udp", 2},    {"json", "jsn", 1},
		{"json", "jjson", 1}, {"kitten", "sitting", 3},
		{"abcd", "badc", 2},  {"status", "sttaus", 1},
		{"a", "b", 1},	      {"ab", "ba", 1},
	};
	char long_text[65];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(text_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(text_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
	memset(long_text, 'x', sizeof(long_text));
	long_text[64] = '\0';
	assert_int_equal(text_distance(long_text, "x"), 64);
	assert_int_equal(text_distance("x", long_text), 64);
	long_text[63] = '\0';
	assert_int_equal(text_distance(long_text, long_text), 0);
	assert_int_equal(text_distance(long_text, ""), 63);
}

struct number_case {
	const char *text;
	uint64_t max;
	int r;
	uint64_t value;
};

static void expect_number(const struct number_case *c,
			  int (*parse)(const char *, size_t, uint64_t, uint64_t *))
{
	size_t len = strlen(c->text);
	char *copy = unit_copy(c->text, len);
	uint64_t got = 0xbad;

	assert_int_equal(parse(copy, len, c->max, &got), c->r);
	assert_int_equal(got, c->r == 0 ? c->value : 0xbad);
	free(copy);
}

static void test_put_number(void **state)
{
	static const uint64_t numbers[] = {0, 9, 10, 99, 100, 65535, UINT32_MAX, UINT64_MAX};
	char text[21], wanted[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		memset(text, '.', sizeof(text));
		snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)numbers[i]);
		assert_int_equal(text_put_number(text, numbers[i]), strlen(wanted));
		assert_memory_equal(text, wanted, strlen(wanted));
		assert_int_equal(text[strlen(wanted)], '.');
	}
	text_put_digits(text, 4, 7);
	assert_memory_equal(text, "0007", 4);
	text_put_digits(text, 2, 12345);
	assert_memory_equal(text, "4507", 4);
	text_put_digits(text, 0, 9);
	assert_memory_equal(text, "4507", 4);
}

static void test_parse_number(void **state)
{
	static const struct number_case cases[] = {
		{"0", 0, 0, 0},
		{"7", 7, 0, 7},
		{"8", 7, -ERANGE, 0},
		{"0080", 100, 0, 80},
		{"65535", 65535, 0, 65535},
		{"65536", 65535, -ERANGE, 0},
		{"4294967296", UINT32_MAX, -ERANGE, 0},
		{"9223372036854775807", UINT64_MAX, 0, INT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"18446744073709551695", 100, -ERANGE, 0},
		{"99999999999999999999999999", UINT64_MAX, -ERANGE, 0},
		{"", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"0x1", 10, -EINVAL, 0},
		{"1a", 10, -EINVAL, 0},
		{"1\xd9\xa3", 10, -EINVAL, 0},
	};
	uint64_t got = 5;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_number(&cases[i], text_parse_number);
	assert_int_equal(text_parse_number("12345", 2, 100, &got), 0);
	assert_int_equal(got, 12);
	assert_int_equal(text_parse_number("1\0", 2, 100, &got), -EINVAL);
}

/* The largest number that there is, where the limit allows it. */
static void test_parse_largest_number(void **state)
{
	static const struct number_case largest = {"18446744073709551615", UINT64_MAX, 0,
						   UINT64_MAX};

	(void)state;
	expect_number(&largest, text_parse_number);
}

static void test_parse_hex(void **state)
{
	static const struct number_case cases[] = {
		{"0", 0, 0, 0},
		{"1F90", 65535, 0, 8080},
		{"1f90", 65535, 0, 8080},
		{"ffff", 65535, 0, 65535},
		{"10000", 65535, -ERANGE, 0},
		{"FFFFFFFFFFFFFFFF", UINT64_MAX, 0, UINT64_MAX},
		{"10000000000000000", UINT64_MAX, -ERANGE, 0},
		{"0000000000000000000000000000001", 1, 0, 1},
		{"", 10, -EINVAL, 0},
		{"g", 100, -EINVAL, 0},
		{"G", 100, -EINVAL, 0},
		{"@", 100, -EINVAL, 0},
		{"`", 100, -EINVAL, 0},
		{"0x1", 100, -EINVAL, 0},
		{"-1", 100, -EINVAL, 0},
		{"1 ", 100, -EINVAL, 0},
		{"\x10", 100, -EINVAL, 0}, /* '0' but for a bit */
		{"\x19", 100, -EINVAL, 0},
		{"!", 100, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_number(&cases[i], text_parse_hex);
}

static void test_parse_duration(void **state)
{
	static const struct {
		const char *text;
		uint32_t max;
		int code;
		uint32_t seconds;
	} cases[] = {
		{"120", 3600, 0, 120},
		{"120s", 3600, 0, 120},
		{"5m", 3600, 0, 300},
		{"2h", 7200, 0, 7200},
		{"7d", 604800, 0, 604800},
		{"8d", 604800, -ERANGE, 0},
		{"1h", 3599, -ERANGE, 0},
		{"0", 10, -ERANGE, 0},
		{"0m", 100, -ERANGE, 0},
		{"", 10, -EINVAL, 0},
		{"s", 10, -EINVAL, 0},
		{"5ms", 100, -EINVAL, 0},
		{"-5s", 100, -EINVAL, 0},
		{"5 s", 100, -EINVAL, 0},
		{"1y", 100, -EINVAL, 0},
		{"1.5h", 100000, -EINVAL, 0},
		{"99999999999999999999d", UINT32_MAX, -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t seconds = 0;

		assert_int_equal(text_parse_duration(cases[i].text, cases[i].max, &seconds),
				 cases[i].code);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static int set_locale(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_like_the_rfc),
		cmocka_unit_test(test_decode_every_code_point),
		cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_backslash),
		cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_truncated_utf8),
		cmocka_unit_test(test_invisible),
		cmocka_unit_test(test_invisible_hieroglyph_controls),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_any_bytes_are_safe),
		cmocka_unit_test(test_all_short_bytes_are_safe),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_agrees_with_width),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_put_number),
		cmocka_unit_test(test_parse_number),
		cmocka_unit_test(test_parse_largest_number),
		cmocka_unit_test(test_parse_hex),
		cmocka_unit_test(test_parse_duration),
	};

	return cmocka_run_group_tests_name("text", tests, set_locale, NULL);
}
