/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_guard_review.h"
#include "base/i18n.h"
#include "base/text.h"
#include "model/guard.h"
#include "model/programs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Who declares more ports than that wants to send from them (or means every port). */
enum { MANY_PORTS = 1000 };

struct review {
	const struct policy *p;
	const struct policy_facts *facts;
	struct policy_problems *problems;
};

static void warn(const struct review *r, const struct opening *o, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void warn(const struct review *r, const struct opening *o, const char *format, ...)
{
	struct policy_place place = policy_problems_place_of(r->problems, r->p, &o->place);
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	policy_problems_add(r->problems, false, &place, NULL, "%s", text);
}

static bool is_protected(const struct policy *p, const struct port_range *range)
{
	const struct policy_settings *s = &p->settings;

	for (uint32_t i = 0; i < s->protected_count; i++) {
		const struct port_range *all = &p->ports[s->first_protected + i];

		if (all->proto == range->proto && all->first <= range->first &&
		    range->last <= all->last)
			return true;
	}
	return false;
}

/* Has it a port that the guard would hold? */
static bool is_guarded(const struct policy *p, const struct opening *o)
{
	for (uint32_t i = 0; i < o->port_count; i++) {
		const struct port_range *range = &p->ports[o->first_port + i];

		if ((range->proto == PROTO_TCP || range->proto == PROTO_UDP) &&
		    !is_protected(p, range))
			return true;
	}
	return false;
}

/* The firewall lets them in; the guard keeps them from everybody. */
static void warn_protocol(const struct review *r, const struct opening *o)
{
	for (uint32_t i = 0; i < o->port_count; i++) {
		const struct port_range *range = &r->p->ports[o->first_port + i];
		const char *proto = proto_name(range->proto);

		if (range->proto == PROTO_TCP || range->proto == PROTO_UDP)
			continue;
		warn(r, o,
		     _("the guard knows openings for tcp and udp alone: when it enforces, no "
		       "program "
		       "may listen on %u/%s (where the kernel lets it see %s: portero doctor)"),
		     range->first, proto, proto);
		return;
	}
}

static bool names_nobody(const struct opening *o)
{
	return !o->program_str && !o->unit_str && !o->user_str && !o->container_str;
}

static bool is_wider_than_host(const struct policy *p, const struct opening *o)
{
	for (uint32_t i = 0; i < o->source_count; i++)
		if (p->sources[o->first_source + i].class != SOURCE_HOST)
			return true;
	return false;
}

/* A container is as narrow as a unit with a user: what runs in it was put there. */
static void warn_scripts(const struct review *r, const struct opening *o)
{
	const char *program = policy_text(r->p, o->program_str);

	if (!program[0] || o->container_str || (o->unit_str && o->user_str) ||
	    !programs_run_scripts(text_base_name(program)))
		return;
	warn(r, o,
	     _("%.300s runs scripts, and any of them would do for the guard: name the unit and the "
	       "user as well"),
	     program);
}

static void warn_unit(const struct review *r, const struct opening *o)
{
	static const char slice[] = ".slice";
	const char *unit = policy_text(r->p, o->unit_str);
	size_t len = strlen(unit);

	if (len > GUARD_UNIT_LIMIT)
		warn(r, o,
		     _("the guard knows no names of units over %d bytes: for the guard, nobody has "
		       "this unit"),
		     GUARD_UNIT_LIMIT);
	else if (len >= sizeof(slice) && strcmp(unit + len - (sizeof(slice) - 1), slice) == 0)
		warn(r, o,
		     _("the guard knows services and scopes, not the slices that they are in: for "
		       "the guard, nobody has the unit %.300s"),
		     unit);
}

/* What the kernel gives to a client is not judged: it would lose its answers. */
static void warn_chosen(const struct review *r, const struct opening *o)
{
	for (uint32_t i = 0; i < o->port_count && r->facts->is_chosen; i++) {
		const struct port_range *range = &r->p->ports[o->first_port + i];
		unsigned port = range->first;

		if (range->proto != PROTO_UDP || range->last - range->first >= MANY_PORTS)
			continue;
		while (port <= range->last &&
		       !r->facts->is_chosen(r->facts->context, (uint16_t)port))
			port++;
		if (port > range->last)
			continue;
		warn(r, o,
		     _("the kernel may give %u/udp to any program that asks for no certain port, "
		       "which then has what is let in there, and the declared one cannot bind "
		       "it: reserve it (add it to the sysctl "
		       "net.ipv4.ip_local_reserved_ports)"),
		     port);
		return;
	}
}

static void warn_proxy(const struct review *r, const struct opening *o, bool *told)
{
	const char *path;

	if (!o->container_str || *told || !r->facts->find_stray_proxy)
		return;
	*told = true;
	path = r->facts->find_stray_proxy(r->facts->context);
	if (path)
		warn(r, o,
		     _("ports of containers are published by %.300s, whose content no package "
		       "vouches for, so the guard does not let it have them: name that program "
		       "(and its unit) instead of the container"),
		     path);
}

/* Told once: a policy that names nobody at all should not be buried under it. */
static void warn_nobody(const struct review *r, const struct opening *first, unsigned long count)
{
	if (count)
		warn(r, first,
		     ngettext("anybody on the machine may listen there: %lu opening, this one, "
			      "names no program, unit, user or container",
			      "anybody on the machine may listen there: %lu openings, of which "
			      "this is the first, name no program, unit, user or container",
			      count),
		     count);
}

void policy_guard_review(const struct policy *p, const struct policy_facts *facts,
			 struct policy_problems *problems)
{
	const struct review r = {.p = p, .facts = facts, .problems = problems};
	const struct opening *first = NULL;
	unsigned long nobody = 0;
	bool told = false;

	if (p->settings.guard == GUARD_OFF)
		return;
	for (size_t i = 0; i < p->opening_count; i++) {
		const struct opening *o = &p->openings[i];

		if (opening_is_over(o, facts->now_s))
			continue;
		warn_protocol(&r, o);
		if (!is_guarded(p, o))
			continue;
		warn_scripts(&r, o);
		warn_unit(&r, o);
		warn_proxy(&r, o, &told);
		if (!names_nobody(o))
			warn_chosen(&r, o);
		if (!names_nobody(o) || !is_wider_than_host(p, o))
			continue;
		first = first ? first : o;
		nobody++;
	}
	if (p->settings.guard == GUARD_ENFORCE)
		warn_nobody(&r, first, nobody);
}
