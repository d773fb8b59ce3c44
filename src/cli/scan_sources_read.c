/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_sources_read.h"
#include "base/i18n.h"
#include "observe/scan.h"

#include <errno.h>
#include <string.h>

static int add(struct scan_sources *s, const char *text, size_t len, struct err *e)
{
	char word[ADDRESS_TEXT_SIZE] = "";
	struct address a;

	if (len && len < sizeof(word))
		memcpy(word, text, len);
	if (address_parse(word, &a) < 0 || address_is_loopback(&a) || !scan_is_own(&a))
		return err_set(e, -EINVAL,
			       _("--sources takes addresses of this machine, separated by commas, "
				 "not '%.64s'"),
			       text);
	if (s->count && a.family != s->items[0].family)
		return err_set(e, -EINVAL, _("--sources takes addresses of one family"));
	for (uint32_t i = 0; i < s->count; i++)
		if (address_equal(&s->items[i], &a))
			return 0;
	if (s->count == SCAN_SOURCE_LIMIT)
		return err_set(e, -EINVAL, _("--sources takes no more than %d addresses"),
			       SCAN_SOURCE_LIMIT);
	s->items[s->count++] = a;
	return 0;
}

int scan_sources_read(const struct options *o, struct scan_sources *ret, struct err *e)
{
	const char *at = o->sources;
	int r = 0;

	ret->count = 0;
	if (!at)
		return 0;
	if (!o->by_datagrams)
		return err_set(e, -EINVAL, _("--sources is for UDP ports: use it with -sU"));
	while (r == 0) {
		size_t len = strcspn(at, ",");

		r = add(ret, at, len, e);
		if (!at[len])
			return r;
		at += len + 1;
	}
	return r;
}
