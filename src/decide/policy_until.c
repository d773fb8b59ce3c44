/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_until: times of RFC 3339, for policy_value.
 */
#include "base/i18n.h"
#include "base/text.h"
#include "decide/policy_value.h"

#include <errno.h>
#include <string.h>

/* Days from 1970-01-01 to a date of the Gregorian calendar, from year 1970 on. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1; /* years begin in March: leap days come last */
	int64_t m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* `len` digits at *at, from min to max; moves *at behind them. */
static bool take_digits(const char **at, size_t len, unsigned min, unsigned max, unsigned *ret)
{
	uint64_t value;

	if (strnlen(*at, len) < len || text_parse_number(*at, len, max, &value) < 0 || value < min)
		return false;
	*ret = (unsigned)value;
	*at += len;
	return true;
}

static bool take_char(const char **at, const char *any_of)
{
	if (!**at || !strchr(any_of, **at))
		return false;
	(*at)++;
	return true;
}

/* "Z", "+02:00": RFC 3339's time-offset. */
static bool take_zone(const char **at, int64_t *ret)
{
	bool west = **at == '-';
	unsigned hours, minutes;

	*ret = 0;
	if (take_char(at, "Zz"))
		return true;
	if (!take_char(at, "+-") || !take_digits(at, 2, 0, 23, &hours) || !take_char(at, ":") ||
	    !take_digits(at, 2, 0, 59, &minutes))
		return false;
	*ret = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

static bool take_time(const char **at, int64_t *ret)
{
	unsigned hour, minute, second;

	if (!take_digits(at, 2, 0, 23, &hour) || !take_char(at, ":") ||
	    !take_digits(at, 2, 0, 59, &minute) || !take_char(at, ":") ||
	    !take_digits(at, 2, 0, 60, &second)) /* 60: a leap second */
		return false;
	if (take_char(at, ".")) {
		size_t digits = strspn(*at, "0123456789");

		*at += digits; /* the fraction is not kept */
		if (!digits)
			return false;
	}
	*ret = (int64_t)hour * 3600 + minute * 60 + second;
	return true;
}

int policy_value_until(const char *text, int64_t *ret, struct err *e)
{
	const char *at = text;
	int64_t time = 0, zone = 0;
	unsigned year, month, day;

	if (!take_digits(&at, 4, 2000, 9999, &year) || !take_char(&at, "-") ||
	    !take_digits(&at, 2, 1, 12, &month) || !take_char(&at, "-") ||
	    !take_digits(&at, 2, 1, 31, &day))
		return err_set(e, -EINVAL,
			       _("'%.64s' is no time: write it as in 2026-12-01T18:00:00Z, or "
				 "2026-12-01 for the beginning of that day (UTC)"),
			       text);
	if (day > days_in(year, month))
		return err_set(e, -EINVAL, _("'%.64s' is no date: month %u of %u has %u days"),
			       text, month, year, days_in(year, month));
	if (*at) {
		if (!take_char(&at, "Tt ") || !take_time(&at, &time))
			return err_set(e, -EINVAL,
				       _("'%.64s' is no time: write it as in "
					 "2026-12-01T18:00:00Z"),
				       text);
		if (!take_zone(&at, &zone) || *at)
			return err_set(e, -EINVAL,
				       _("'%.64s' does not say in which time zone: write Z for "
					 "UTC at the end, or the difference to it, as in +02:00"),
				       text);
	}
	*ret = days_of(year, month, day) * 86400 + time - zone;
	return 0;
}
