/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_routes.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/twin.h"
#include "observe/twin_sync.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>

/* The next rule of a family at or after *at; NULL: there is none. */
static const struct rt_item *next_rule(const struct rt_image *image, uint8_t family, size_t *at)
{
	for (; *at < image->count; (*at)++) {
		const struct rt_item *item = &image->items[*at];

		if (item->kind == RT_RULE && item->family == family)
			return &image->items[(*at)++];
	}
	return NULL;
}

/* The same rules in the same order? */
static bool has_same_rules(const struct rt_image *a, const struct rt_image *b, uint8_t family)
{
	size_t at_a = 0, at_b = 0;
	const struct rt_item *one, *other;

	do {
		one = next_rule(a, family, &at_a);
		other = next_rule(b, family, &at_b);
		if (one && other && one->hash != other->hash)
			return false;
	} while (one && other);
	return !one && !other;
}

static void put_rules(struct buf *b, const struct rt_image *image, uint8_t family, uint16_t type)
{
	const struct rt_item *item;
	size_t at = 0;

	while ((item = next_rule(image, family, &at))) {
		size_t message = nla_begin_message(b, type, type == RTM_NEWRULE ? NLM_F_CREATE : 0,
						   rt_image_payload(image, item), item->len);

		nla_end_message(b, message);
	}
}

/* All anew: their order within one priority is the order in which they were made. */
static int replace_rules(struct twin *t, struct err *e)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct rt_image cleanup_call(rt_image_done) twin = {0};
	int r = rt_image_read(&twin, &t->route, 1u << RT_RULE, e);

	for (size_t i = 0; i < ARRAY_LEN(families) && r >= 0; i++) {
		struct buf cleanup_call(buf_done) b = {0};

		if (has_same_rules(&t->host, &twin, families[i]))
			continue;
		put_rules(&b, &twin, families[i], RTM_DELRULE);
		put_rules(&b, &t->host, families[i], RTM_NEWRULE);
		r = nl_send(&t->route, &b, NULL, NULL, e); /* twin_compare sees what was refused */
	}
	return r < 0 ? r : 0;
}

int twin_routes_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) twin = {0};
	int r = rt_image_read(&twin, &t->route, 1u << RT_NEXTHOP | 1u << RT_ROUTE, e), refused;

	(void)report; /* what was refused is missing in the comparison */
	if (r == 0)
		r = twin_sync(t, &twin, RT_NEXTHOP, e);
	if (r >= 0)
		r = twin_sync(t, &twin, RT_ROUTE, e);
	refused = r;
	if (r >= 0)
		r = replace_rules(t, e);
	/* a gateway may be found by the rules only */
	if (r >= 0 && refused > 0)
		r = twin_sync_again(t, RT_ROUTE, e);
	return r < 0 ? r : 0;
}
