/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_gaps.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/mirror.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { WHY_SIZE = 400 };

/* --- sentences ----------------------------------------------------------------------------------
 */

/* What is wrong with the tables of iptables-legacy in the twin, or "". */
static void legacy_trouble(const struct mirror *m, char why[WHY_SIZE])
{
	why[0] = '\0';
	for (size_t i = 0; i < m->legacy.count; i++) {
		if (!m->legacy_report.tables[i].error && !m->legacy_report.tables[i].different)
			continue;
		snprintf(why, WHY_SIZE, _("the table %s of %s could not be copied as it is"),
			 m->legacy.tables[i].name,
			 m->legacy.tables[i].family == AF_INET ? "iptables-legacy"
							       : "ip6tables-legacy");
	}
}

/* Why no answer at all is certain, or "". */
static void general_trouble(const struct mirror *m, char why[WHY_SIZE])
{
	legacy_trouble(m, why);
	if (m->nft_report.lost_count)
		snprintf(why, WHY_SIZE, _("the rules could not be copied as they are: %.*s"),
			 (int)strcspn(buf_text(&m->nft_report.lost), "\n"),
			 buf_text(&m->nft_report.lost));
	if (m->orders.too_many)
		snprintf(
			why, WHY_SIZE, "%s",
			_("too many tables have chains at one priority, whose order is not known"));
	if (m->ipset_trouble[0])
		snprintf(why, WHY_SIZE, "%s", m->ipset_trouble);
}

static bool meets(const struct obstacle *o, const struct reach_query *q)
{
	switch (o->scope) {
	case OBSTACLE_ALL:
		return true;
	case OBSTACLE_FAMILY:
		return o->family == q->flow.destination.family;
	case OBSTACLE_INTERFACE:
		return o->ifindex == q->flow.ifindex;
	case OBSTACLE_SOCKET:
		break;
	}
	return false;
}

uint32_t reach_gaps_of_query(const struct mirror *m, const struct reach_query *q, struct reach *ret)
{
	char why[WHY_SIZE];
	const struct twin_difference *d =
		twin_report_find(&m->differences, q->flow.destination.family, q->flow.ifindex);

	general_trouble(m, why);
	if (d)
		snprintf(why, sizeof(why), "%s: %s", d->what, d->why);
	for (size_t i = 0; i < m->obstacles.count && !why[0]; i++)
		if (meets(&m->obstacles.items[i], q))
			snprintf(why, sizeof(why), _("%s decides too, and cannot be asked"),
				 m->obstacles.items[i].what);
	return why[0] ? strpool_add_text(&ret->strings, why) : 0;
}

/* --- gaps ---------------------------------------------------------------------------------------
 */

void reach_gaps_add_filtered(const struct mirror *m, const struct snapshot *s, struct reach *ret)
{
	for (size_t i = 0; s && i < m->obstacles.count; i++) {
		const struct obstacle *o = &m->obstacles.items[i];

		if (o->scope == OBSTACLE_SOCKET && o->ifindex < s->socket_count)
			reach_add_filtered(ret, o->ifindex, o->what);
	}
}

bool reach_gaps_are_lasting(const struct mirror *m)
{
	char why[WHY_SIZE];

	general_trouble(m, why);
	for (size_t i = 0; i < m->differences.count; i++)
		if (m->differences.items[i].scope == TWIN_ALL)
			return false;
	return !why[0] && !m->differences.failed;
}

void reach_gaps_add(const struct mirror *m, struct reach *ret)
{
	char why[WHY_SIZE];

	general_trouble(m, why);
	if (why[0])
		reach_add_gap(ret, _("who can reach the ports"), why, "");
	if (m->changing)
		reach_add_gap(
			ret, _("who can reach the ports just now"),
			_("the firewall's rules, or the network, change all the time: this is "
			  "what one moment's would do"),
			_("try again"));
	for (size_t i = 0; i < m->differences.count; i++)
		reach_add_gap(ret, m->differences.items[i].what, m->differences.items[i].why, "");
	for (size_t i = 0; i < m->obstacles.count; i++)
		if (m->obstacles.items[i].scope != OBSTACLE_SOCKET)
			reach_add_gap(ret, m->obstacles.items[i].what,
				      _("it decides about packets, and cannot be asked"), "");
}
