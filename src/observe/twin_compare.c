/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_compare.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/twin.h"
#include "observe/twin_sysctls.h"

#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { MTU_LIMIT = 65521 }; /* of a TAP */

/* --- interfaces ----------------------------------------------------------------------------------
 */

static void report_link(struct twin_report *report, const struct rt_link *link, const char *why)
{
	struct twin_difference d = {.scope = TWIN_INTERFACE, .ifindex = link->ifindex};

	snprintf(d.what, sizeof(d.what), _("interface %s"), link->name);
	snprintf(d.why, sizeof(d.why), "%s", why);
	twin_report_add(report, &d);
}

/* What of the two differs, or NULL. */
static const char *link_difference(const struct rt_link *host, const struct rt_link *twin)
{
	uint32_t state = IFF_UP | (host->flags & IFF_UP ? (unsigned)IFF_LOWER_UP : 0);
	bool same_mtu = host->mtu == twin->mtu || (host->mtu > MTU_LIMIT && twin->mtu >= MTU_LIMIT);

	if (strcmp(host->name, twin->name) != 0)
		return _("its name differs in the twin");
	if ((host->flags ^ twin->flags) & state)
		return _("its state differs in the twin");
	if (host->type != twin->type)
		return _("its type differs in the twin");
	if (!same_mtu)
		return _("its MTU differs in the twin");
	if (host->group != twin->group)
		return _("its group differs in the twin");
	if ((host->conf6_count != 0) != (twin->conf6_count != 0))
		return _("only one of the machine and the twin has IPv6 there");
	return NULL;
}

static void compare_links(const struct rt_image *host, const struct rt_image *twin,
			  struct twin_report *report)
{
	for (size_t i = 0; i < host->link_count; i++) {
		const struct rt_link *link = &host->links[i];
		const struct rt_link *copy = rt_image_link(twin, link->ifindex);
		const char *why = copy ? link_difference(link, copy) : _("it is not in the twin");

		if (why)
			report_link(report, link, why);
	}
}

/* --- addresses, nexthops, routes
 * ------------------------------------------------------------------ */

static void report_item(struct twin_report *report, const struct rt_image *image,
			const struct rt_item *item, bool extra)
{
	struct twin_difference d = {.scope = TWIN_FAMILY, .family = item->family};
	const struct rt_link *link = rt_image_link(image, item->ifindex);
	char text[RT_TEXT_SIZE];

	if (item->kind == RT_NEXTHOP && d.family == 0)
		d.scope = TWIN_ALL;
	rt_image_describe(image, item, text);
	if (link)
		snprintf(d.what, sizeof(d.what), "%s (%s)", text, link->name);
	else
		snprintf(d.what, sizeof(d.what), "%s", text);
	snprintf(d.why, sizeof(d.why), "%s",
		 extra ? _("the twin has it, the machine does not")
		       : _("the kernel did not take it into the twin"));
	twin_report_add(report, &d);
}

/* Of every kind but rules, whose order counts. */
static int report_missing(const struct rt_image *a, const struct rt_image *b, bool extra,
			  struct twin_report *report)
{
	struct map cleanup_call(map_done) known = {0};
	uint32_t unused;

	for (size_t i = 0; i < b->count; i++)
		if (map_set(&known, b->items[i].hash, 0) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].kind != RT_RULE && !map_get(&known, a->items[i].hash, &unused))
			report_item(report, a, &a->items[i], extra);
	return 0;
}

static uint64_t hash_rules(const struct rt_image *image, uint8_t family)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].kind == RT_RULE && image->items[i].family == family)
			hash = map_mix(hash, image->items[i].hash);
	return hash;
}

static void compare_rules(const struct rt_image *host, const struct rt_image *twin, uint8_t family,
			  struct twin_report *report)
{
	struct twin_difference d = {.scope = TWIN_FAMILY, .family = family};

	if (hash_rules(host, family) == hash_rules(twin, family))
		return;
	snprintf(d.what, sizeof(d.what), "%s", _("the policy rules of routing"));
	snprintf(d.why, sizeof(d.why), "%s",
		 _("the kernel did not take all of them into the twin"));
	twin_report_add(report, &d);
}

int twin_compare_images(const struct rt_image *host, const struct rt_image *twin,
			struct twin_report *report)
{
	int r;

	compare_links(host, twin, report);
	r = report_missing(host, twin, false, report);
	if (r == 0)
		r = report_missing(twin, host, true, report);
	compare_rules(host, twin, AF_INET, report);
	compare_rules(host, twin, AF_INET6, report);
	return r;
}

int twin_compare_network(struct twin *t, struct twin_report *report, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) twin = {0};
	int r = rt_image_read(&twin, &t->route, RT_READ_ALL, e);

	if (r == 0 && twin_compare_images(&t->host, &twin, report) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r == 0)
		r = twin_sysctls_compare(t, &twin, report, e);
	return r;
}

int twin_compare_host(struct twin *t, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) now = {0};
	uint64_t sysctls = 0;
	int r = rt_image_read(&now, &t->host_route, RT_READ_ALL, e);

	if (r == 0)
		r = twin_sysctls_hash(&sysctls, e);
	if (r < 0)
		return r;
	return rt_image_hash(&now) != rt_image_hash(&t->host) || sysctls != t->host_sysctls;
}
