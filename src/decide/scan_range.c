/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_range.h"
#include "base/i18n.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { OCTETS = 4, LAST = 255 };

/* "7", "20-", "-9", "3-5", "-" and "*" */
static int mark_part(const char *part, size_t len, bool wanted[LAST + 1])
{
	const char *dash = memchr(part, '-', len);
	size_t first_len = dash ? (size_t)(dash - part) : len;
	uint64_t first = 0, last = LAST;

	if (len == 1 && *part == '*')
		first_len = 0;
	else if (!dash && !len)
		return -EINVAL;
	if (first_len && text_parse_number(part, first_len, LAST, &first) < 0)
		return -EINVAL;
	if (!dash && first_len)
		last = first;
	else if (dash && first_len + 1 < len &&
		 text_parse_number(dash + 1, len - first_len - 1, LAST, &last) < 0)
		return -EINVAL;
	if (first > last)
		return -EINVAL;
	memset(wanted + first, true, last - first + 1);
	return 0;
}

/* All parts of one octet. */
static int mark_octet(const char *text, size_t len, bool wanted[LAST + 1])
{
	for (const char *at = text, *end = text + len;;) {
		size_t part = 0;

		while (at + part < end && at[part] != ',')
			part++;
		if (mark_part(at, part, wanted) < 0)
			return -EINVAL;
		if (at + part == end)
			return 0;
		at += part + 1;
	}
}

static int mark_octets(const char *text, struct scan_range *r)
{
	for (unsigned i = 0; i < OCTETS; i++) {
		size_t len = strcspn(text, ".");

		if (mark_octet(text, len, r->wanted[i]) < 0 ||
		    (i + 1 < OCTETS) != (text[len] == '.'))
			return -EINVAL;
		text += len + (i + 1 < OCTETS);
	}
	return 0;
}

int scan_range_parse(const char *text, struct scan_range *ret, struct err *e)
{
	struct scan_range r = {0};

	if (strspn(text, "0123456789.-,*/") != strlen(text) || !strpbrk(text, "-,*"))
		return -ENOENT;
	if (mark_octets(text, &r) < 0)
		return err_set(
			e, -EINVAL,
			_("'%.64s' are no addresses: write each of the four numbers (0 to 255) "
			  "as in 10.0.0-3.1,5 or 192.168.1.*"),
			text);
	*ret = r;
	return 0;
}

static unsigned count_octet(const bool wanted[LAST + 1])
{
	unsigned count = 0;

	for (unsigned i = 0; i <= LAST; i++)
		count += wanted[i];
	return count;
}

uint64_t scan_range_count(const struct scan_range *r)
{
	uint64_t count = 1;

	for (unsigned i = 0; i < OCTETS; i++)
		count *= count_octet(r->wanted[i]);
	return count;
}

/* The `number`th that is wanted. */
static uint8_t octet_at(const bool wanted[LAST + 1], uint64_t number)
{
	unsigned i = 0;

	while (i < LAST && (!wanted[i] || number--))
		i++;
	return (uint8_t)i;
}

struct address scan_range_at(const struct scan_range *r, uint64_t number)
{
	struct address a = {.family = AF_INET};

	for (unsigned i = OCTETS; i-- > 0;) {
		unsigned count = count_octet(r->wanted[i]);

		a.bytes[i] = octet_at(r->wanted[i], number % count);
		number /= count;
	}
	return a;
}

bool scan_range_has(const struct scan_range *r, const struct address *a)
{
	for (unsigned i = 0; i < OCTETS; i++)
		if (a->family != AF_INET || !r->wanted[i][a->bytes[i]])
			return false;
	return true;
}
