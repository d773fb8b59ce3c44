/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_rows.h"

#include "model/port_proxies.h"

#include <stdio.h>
#include <string.h>

const char *declared_id(enum declared declared)
{
	static const char *const ids[DECLARED_COUNT] = {"no-policy",  "local", "declared",
							"undeclared", "other", "unknown"};

	return ids[declared];
}

/* What an opening wants, and whether the owner has it. */
enum fit { FIT_NO, FIT_UNKNOWN, FIT_YES };

static enum fit fits(const char *wanted, const char *is)
{
	if (!wanted[0])
		return FIT_YES;
	if (!is[0])
		return FIT_UNKNOWN;
	return strcmp(wanted, is) == 0 ? FIT_YES : FIT_NO;
}

static enum fit worse(enum fit a, enum fit b)
{
	return a < b ? a : b;
}

static enum fit better(enum fit a, enum fit b)
{
	return a > b ? a : b;
}

static enum fit fits_user(const char *wanted, const struct snapshot *s,
			  const struct process_info *owner)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", owner->uid);
	return strcmp(wanted, number) == 0 ? FIT_YES
					   : fits(wanted, snapshot_text(s, owner->user_str));
}

/* By its name, or its identifier as long as people cut it. */
static enum fit fits_container(const char *wanted, const struct snapshot *s,
			       const struct process_info *owner)
{
	enum { SHORT_ID = 12 };
	const struct container_info *c;
	const char *id;

	if (!wanted[0])
		return FIT_YES;
	if (owner->container == SNAPSHOT_NONE)
		return FIT_NO;
	c = &s->containers[owner->container];
	id = snapshot_text(s, c->id_str);
	if (strlen(wanted) >= SHORT_ID && strncmp(id, wanted, strlen(wanted)) == 0)
		return FIT_YES;
	return fits(wanted, snapshot_text(s, c->name_str));
}

/*
 * A unit is one of the machine's systemd. What a user's own manager runs is in the unit of that
 * manager, whatever the user calls it. The guard sees it so, too.
 */
static enum fit fits_own_unit(const char *wanted, const struct snapshot *s,
			      const struct process_info *owner)
{
	char manager[32];
	enum fit fit;

	if (owner->unit_of_user) {
		snprintf(manager, sizeof(manager), "user@%u.service", owner->manager_uid);
		return fits(wanted, manager);
	}
	fit = fits(wanted, snapshot_text(s, owner->unit_str));
	/* its cgroup could be read, and is no unit's */
	return fit == FIT_UNKNOWN && owner->cgroup_str ? FIT_NO : fit;
}

/* A service that systemd listens for is meant by its own unit and by its socket's. */
static enum fit fits_unit(const char *wanted, const struct snapshot *s, const struct listener *l,
			  const struct process_info *owner)
{
	enum fit fit = fits_own_unit(wanted, s, owner);
	const struct activation_info *a;

	if (fit == FIT_YES || l->activation == SNAPSHOT_NONE)
		return fit;
	a = &s->activations[l->activation];
	return better(fits(wanted, snapshot_text(s, a->socket_unit_str)),
		      fits(wanted, snapshot_text(s, a->service_str)));
}

/* The port that a container publishes is its runtime's on the machine; the guard lets it, too. */
static bool is_proxy(const struct snapshot *s, const struct process_info *owner)
{
	return owner->container == SNAPSHOT_NONE && !owner->unit_of_user &&
	       port_proxies_have(snapshot_text(s, owner->program_str),
				 snapshot_text(s, owner->unit_str), owner->uid == 0 ? "root" : "");
}

static enum fit fits_opening(const struct policy *p, const struct opening *o,
			     const struct snapshot *s, const struct listener *l)
{
	const struct process_info *owner;
	enum fit fit;

	if (!o->program_str && !o->unit_str && !o->user_str && !o->container_str)
		return FIT_YES;
	if (l->owner == SNAPSHOT_NONE)
		return FIT_UNKNOWN;
	owner = &s->processes[l->owner];
	if (o->container_str && is_proxy(s, owner))
		return FIT_YES;
	fit = fits(policy_text(p, o->program_str), snapshot_text(s, owner->program_str));
	if (fit != FIT_YES && l->activation != SNAPSHOT_NONE)
		fit = better(fit,
			     fits(policy_text(p, o->program_str),
				  snapshot_text(s, s->activations[l->activation].program_str)));
	fit = worse(fit, fits_unit(policy_text(p, o->unit_str), s, l, owner));
	fit = worse(fit, fits_user(policy_text(p, o->user_str), s, owner));
	return worse(fit, fits_container(policy_text(p, o->container_str), s, owner));
}

/* Of whom it is asked whether a port is meant for them. */
struct judging {
	const struct policy *p;
	const struct snapshot *s;
	const struct listener *l;
	enum proto proto;
	int64_t now_s;
};

static enum declared judge(const struct judging *j, uint16_t port, uint32_t *ret_opening)
{
	bool is_protected = policy_protects(j->p, port, j->proto);
	enum fit best = FIT_NO;

	*ret_opening = POLICY_NO_OPENING;
	for (uint32_t i = 0; i < j->p->opening_count; i++) {
		const struct opening *o = &j->p->openings[i];
		enum fit fit;

		if (!opening_has_port(j->p, o, port, j->proto) ||
		    (opening_is_over(o, j->now_s) && !is_protected))
			continue;
		fit = fits_opening(j->p, o, j->s, j->l);
		if (*ret_opening == POLICY_NO_OPENING || fit > best)
			*ret_opening = i;
		best = better(best, fit);
	}
	if (*ret_opening == POLICY_NO_OPENING)
		return is_protected ? DECLARED_YES : DECLARED_NO;
	return best == FIT_YES ? DECLARED_YES : best == FIT_NO ? DECLARED_OTHER : DECLARED_UNKNOWN;
}

/* Of the ports of a row, the one that is the least meant to be open. */
static enum declared judge_row(const struct judging *j, const struct port_row *row,
			       uint32_t *ret_opening)
{
	static const unsigned badness[DECLARED_COUNT] = {
		[DECLARED_UNKNOWN] = 1, [DECLARED_OTHER] = 2, [DECLARED_NO] = 3};
	unsigned last = row->last_port ? row->last_port : row->port;
	enum declared worst = judge(j, row->port, ret_opening);

	for (unsigned port = row->port + 1u; port <= last; port++) {
		uint32_t opening;
		enum declared one = judge(j, (uint16_t)port, &opening);

		if (badness[one] <= badness[worst])
			continue;
		worst = one;
		*ret_opening = opening;
	}
	return worst;
}

static bool is_local(const struct port_row *row)
{
	if (row->reach.looked && row->reach.state == PORT_OPEN)
		return row->reach.widest == SOURCE_HOST && !row->reach.wider_unknown;
	return row->bound == BOUND_HOST && !row->published;
}

enum declared policy_row(const struct policy *p, const struct snapshot *s,
			 const struct listener_list *list, const struct port_row *row,
			 int64_t now_s, uint32_t *ret_opening)
{
	/* all listeners of a row have one owner: the first stands for them */
	const struct judging judging = {.p = p,
					.s = s,
					.l = &list->listeners[row->first_listener],
					.proto = row->proto,
					.now_s = now_s};
	enum declared declared;

	*ret_opening = POLICY_NO_OPENING;
	if (p->file_count == 0)
		return DECLARED_NO_POLICY;
	declared = judge_row(&judging, row, ret_opening);
	return declared == DECLARED_NO && is_local(row) ? DECLARED_LOCAL : declared;
}

bool policy_names_owner(const struct policy *p, const struct snapshot *s, const struct listener *l,
			uint16_t port, enum proto proto, int64_t now_s)
{
	for (uint32_t i = 0; i < p->opening_count; i++) {
		const struct opening *o = &p->openings[i];

		if ((o->program_str || o->unit_str || o->container_str) &&
		    opening_has_port(p, o, port, proto) && !opening_is_over(o, now_s) &&
		    fits_opening(p, o, s, l) == FIT_YES)
			return true;
	}
	return false;
}

static bool has_row(const struct policy *p, const struct opening *o, const struct port_row *row)
{
	for (uint32_t i = 0; i < o->port_count; i++) {
		const struct port_range *range = &p->ports[o->first_port + i];
		uint16_t last = row->last_port ? row->last_port : row->port;

		if (range->proto == row->proto && range->first <= last && range->last >= row->port)
			return true;
	}
	return false;
}

bool policy_is_missing(const struct policy *p, const struct opening *o,
		       const struct listener_list *list)
{
	for (size_t i = 0; i < list->row_count; i++)
		if (has_row(p, o, &list->rows[i]))
			return false;
	return true;
}
