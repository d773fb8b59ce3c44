/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <wchar.h>

size_t text_decode_utf8(const char *bytes, size_t len, uint32_t *code)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)bytes;
	size_t need;
	uint32_t c;

	if (len == 0)
		return 0;
	if (s[0] < 0x80) {
		*code = s[0];
		return 1;
	}
	need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || need > len)
		return 0;
	c = s[0] & (0xffu >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < lowest[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return need;
}

/* Code points that change how other text looks, or that cannot be seen (Unicode 15, general
 * category Cf and the line separators), as ranges in ascending order. */
static const struct {
	uint32_t first, last;
} invisible[] = {
	{0x00ad, 0x00ad},   {0x034f, 0x034f},	{0x061c, 0x061c},   {0x115f, 0x1160},
	{0x17b4, 0x17b5},   {0x180b, 0x180f},	{0x200b, 0x200f},   {0x2028, 0x202e},
	{0x2060, 0x206f},   {0x3164, 0x3164},	{0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
	{0xffa0, 0xffa0},   {0xfff0, 0xfffb},	{0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_unsafe(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return true;
	for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++)
		if (code >= invisible[i].first && code <= invisible[i].last)
			return true;
	return false;
}

/* How many of the next bytes are printable ASCII, which is nearly all text there is. */
static size_t plain_run(const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '\\')
		i++;
	return i;
}

static void escape(struct buf *out, const char *bytes, size_t len, bool ascii,
		   bool double_backslash)
{
	for (size_t i = 0; i < len;) {
		size_t plain = plain_run(bytes + i, len - i), used;
		uint32_t code = 0;

		buf_add(out, bytes + i, plain);
		i += plain;
		if (i == len)
			break;
		used = text_decode_utf8(bytes + i, len - i, &code);
		if (used == 0 || (code < 0xa0 && is_unsafe(code))) {
			used = used ? used : 1;
			for (size_t k = 0; k < used; k++)
				buf_printf(out, "\\x%02x", (unsigned char)bytes[i + k]);
		} else if (code == '\\' && double_backslash) {
			buf_add(out, "\\\\", 2);
		} else if (code >= 0x80 && (ascii || is_unsafe(code))) {
			buf_printf(out, "\\u{%x}", code);
		} else {
			buf_add(out, bytes + i, used);
		}
		i += used;
	}
}

void text_escape(struct buf *out, const char *bytes, size_t len, bool ascii)
{
	escape(out, bytes, len, ascii, true);
}

void text_escape_message(struct buf *out, const char *message)
{
	escape(out, message, strlen(message), false, false);
}

static size_t code_width(uint32_t code)
{
	int width;

	if (code < 0x80)
		return 1;
	width = wcwidth((wchar_t)code);
	return width < 0 ? 1 : (size_t)width;
}

size_t text_width(const char *text)
{
	size_t len = strlen(text), columns = plain_run(text, len);

	for (size_t i = columns; i < len;) {
		uint32_t code = '?';
		size_t used = text_decode_utf8(text + i, len - i, &code);

		columns += code_width(code);
		i += used ? used : 1;
	}
	return columns;
}

size_t text_prefix(const char *text, size_t columns)
{
	size_t width = 0, len = strlen(text), i = 0;

	while (i < len) {
		uint32_t code = '?';
		size_t used = text_decode_utf8(text + i, len - i, &code);

		width += code_width(code);
		if (width > columns)
			break;
		i += used ? used : 1;
	}
	return i;
}

size_t text_distance(const char *a, const char *b)
{
	enum { LIMIT = 64 };
	size_t rows[3][LIMIT], a_len = strlen(a), b_len = strlen(b);

	if (a_len >= LIMIT || b_len >= LIMIT)
		return LIMIT;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_up = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two_up[j - 2] + 1 < best)
				best = two_up[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

bool text_is_nearer(const char *word, const char *name, size_t *best)
{
	size_t len = strlen(word), distance = text_distance(word, name);

	/* as many edits as there are letters make any name of any other */
	if (distance > (len > 4 ? 2u : 1u) || distance >= len || distance >= *best)
		return false;
	*best = distance;
	return true;
}

int text_parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int text_parse_hex(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char lower = (char)(text[i] | 0x20);
		bool digit = text[i] >= '0' && text[i] <= '9';

		if (!digit && (lower < 'a' || lower > 'f'))
			return -EINVAL;
		if (value > UINT64_MAX >> 4)
			return -ERANGE;
		value = value << 4 | (uint64_t)(digit ? text[i] - '0' : lower - 'a' + 10);
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

const char *text_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int text_parse_duration(const char *text, uint32_t max, uint32_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t len = strlen(text);
	uint32_t factor = 1;
	uint64_t number;
	int r;

	for (size_t i = 0; len > 1 && i < ARRAY_LEN(units); i++) {
		if (text[len - 1] == units[i].unit) {
			factor = units[i].seconds;
			len--;
			break;
		}
	}
	r = text_parse_number(text, len, max / factor, &number);
	if (r < 0 || number == 0)
		return r < 0 ? r : -ERANGE;
	*ret = (uint32_t)number * factor;
	return 0;
}

void text_put_digits(char *to, size_t digits, uint64_t value)
{
	for (; digits; value /= 10)
		to[--digits] = (char)('0' + value % 10);
}

size_t text_put_number(char *to, uint64_t value)
{
	size_t digits = 1;

	for (uint64_t rest = value / 10; rest; rest /= 10)
		digits++;
	text_put_digits(to, digits, value);
	return digits;
}
