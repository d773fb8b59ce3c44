/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_review.h"
#include "base/i18n.h"
#include "decide/policy_conflicts.h"
#include "decide/policy_guard_review.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MANY_PORTS = 1000 };

struct review {
	const struct policy *p;
	const struct policy_facts *facts;
	struct policy_problems *problems;
	struct map asked; /* names that were looked for: each is told at the first that has it */
	bool failed;
};

static struct policy_place place_of(struct review *r, const struct policy_place *place)
{
	return policy_problems_place_of(r->problems, r->p, place);
}

static bool is_from_internet(const struct policy *p, const struct opening *o)
{
	for (uint32_t i = 0; i < o->source_count; i++) {
		const struct policy_source *s = &p->sources[o->first_source + i];

		if (s->class == SOURCE_INTERNET ||
		    (s->class == SOURCE_LISTED && s->prefix_len == 0))
			return true;
	}
	return false;
}

static void warn_wide(struct review *r, const struct opening *o)
{
	struct policy_place place = place_of(r, &o->place);
	unsigned long ports = 0;

	for (uint32_t i = 0; i < o->port_count; i++) {
		const struct port_range *range = &r->p->ports[o->first_port + i];

		ports += range->last - range->first + 1u;
	}
	if (ports <= MANY_PORTS || !is_from_internet(r->p, o))
		return;
	policy_problems_add(r->problems, false, &place, NULL,
			    _("THE WHOLE INTERNET may reach %lu ports: as if there were no "
			      "firewall. Name the ports that are needed"),
			    ports);
}

static bool has_protected_port(const struct policy *p, const struct opening *o)
{
	const struct policy_settings *s = &p->settings;

	for (uint32_t i = 0; i < o->port_count; i++) {
		const struct port_range *a = &p->ports[o->first_port + i];

		for (uint32_t j = 0; j < s->protected_count; j++) {
			const struct port_range *b = &p->ports[s->first_protected + j];

			if (a->proto == b->proto && a->first <= b->last && b->first <= a->last)
				return true;
		}
	}
	return false;
}

static void warn_until(struct review *r, const struct opening *o)
{
	struct policy_place place;
	time_t until = (time_t)o->until_s;
	char text[32];
	struct tm tm;

	if (!o->until_s)
		return;
	place = place_of(r, &o->place);
	if (has_protected_port(r->p, o))
		policy_problems_add(r->problems, false, &place, NULL,
				    _("'until' does not end this opening for ports that are "
				      "protected (settings: protect)"));
	if (!opening_is_over(o, r->facts->now_s) || !gmtime_r(&until, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	policy_problems_add(r->problems, false, &place, NULL,
			    _("this opening ended at %s and lets nobody in any more: remove it"),
			    text);
}

typedef bool has_name(void *context, const char *name);

/* A name that nothing was asked about yet, by this function. */
static bool is_new(struct review *r, uint32_t str, uintptr_t function)
{
	uint64_t key = map_mix(str, function);
	uint32_t ignored;

	if (!str || map_get(&r->asked, key, &ignored))
		return false;
	r->failed |= map_set(&r->asked, key, 0) < 0;
	return true;
}

/* Is it a name that the machine does not have, and that was not told yet? */
static bool is_absent(struct review *r, uint32_t str, has_name *has)
{
	return has && is_new(r, str, (uintptr_t)has) &&
	       !has(r->facts->context, policy_text(r->p, str));
}

/* What listens for a script is its interpreter, whose path is another. */
static void warn_script(struct review *r, const struct opening *o)
{
	struct policy_place place = place_of(r, &o->place);
	const char *path = policy_text(r->p, o->program_str);
	char interpreter[POLICY_FOUND_SIZE] = "";

	if (!r->facts->is_script || !is_new(r, o->program_str, (uintptr_t)r->facts->is_script) ||
	    !r->facts->is_script(r->facts->context, path, interpreter))
		return;
	if (interpreter[0])
		policy_problems_add(r->problems, false, &place, NULL,
				    _("%.300s is a script: its interpreter is the program that "
				      "listens, so this never fits. Write 'program: %.300s', and "
				      "the unit and the user of the script"),
				    path, interpreter);
	else
		policy_problems_add(r->problems, false, &place, NULL,
				    _("%.300s is a script: its interpreter is the program that "
				      "listens, so this never fits. Write the interpreter, and "
				      "the unit and the user of the script"),
				    path);
}

/* What runs is shown, and compared, by its own path. False: it is no link. */
static bool warn_link(struct review *r, const struct opening *o)
{
	struct policy_place place = place_of(r, &o->place);
	const char *path = policy_text(r->p, o->program_str);
	char real[POLICY_FOUND_SIZE];

	if (!r->facts->is_link || !is_new(r, o->program_str, (uintptr_t)r->facts->is_link) ||
	    !r->facts->is_link(r->facts->context, path, real))
		return false;
	policy_problems_add(r->problems, false, &place, NULL,
			    _("%.300s is a link, and what runs is shown by its own path, which is "
			      "another: write 'program: %.300s'"),
			    path, real);
	return true;
}

/* The guard knows a program by its content. */
static void warn_writable(struct review *r, const struct opening *o)
{
	struct policy_place place = place_of(r, &o->place);
	char what[POLICY_FOUND_SIZE];

	if (r->p->settings.guard == GUARD_OFF || !r->facts->is_writable ||
	    !is_new(r, o->program_str, (uintptr_t)r->facts->is_writable) ||
	    !r->facts->is_writable(r->facts->context, policy_text(r->p, o->program_str), what))
		return;
	policy_problems_add(r->problems, false, &place, NULL,
			    _("others than root may change %.300s, and the guard gives no port to "
			      "a changed program until somebody accepts it. Let %.300s be root's "
			      "alone"),
			    policy_text(r->p, o->program_str), what);
}

static void warn_absent(struct review *r, const struct opening *o)
{
	const struct policy_facts *f = r->facts;
	struct policy_place place = place_of(r, &o->place);
	const char *user = policy_text(r->p, o->user_str);

	for (uint32_t i = 0; i < o->interface_count; i++) {
		uint32_t name = r->p->interfaces[o->first_interface + i];

		if (is_absent(r, name, f->has_interface))
			policy_problems_add(r->problems, false, &place, NULL,
					    _("this machine has no interface %.64s now"),
					    policy_text(r->p, name));
	}
	if (o->container_str) /* it has units, users and programs of its own */
		return;
	if (is_absent(r, o->unit_str, f->has_unit))
		policy_problems_add(r->problems, false, &place, NULL,
				    _("this machine has no unit %.300s now"),
				    policy_text(r->p, o->unit_str));
	if (user[strspn(user, "0123456789")] && is_absent(r, o->user_str, f->has_user))
		policy_problems_add(r->problems, false, &place, NULL,
				    _("this machine has no user %.300s now"), user);
	if (is_absent(r, o->program_str, f->has_program))
		policy_problems_add(r->problems, false, &place, NULL,
				    _("this machine has no program %.300s now"),
				    policy_text(r->p, o->program_str));
	else if (!warn_link(r, o))
		warn_script(r, o);
	warn_writable(r, o);
}

/* A rule that never fits, unless rp_filter and the routes let the network in by two ways. */
static void warn_elsewhere(struct review *r, const struct opening *o)
{
	const struct policy_facts *f = r->facts;
	char found[POLICY_FOUND_SIZE], network[ADDRESS_TEXT_SIZE];

	for (uint32_t i = 0; f->is_elsewhere && i < o->source_count * o->interface_count; i++) {
		const struct policy_source *s =
			&r->p->sources[o->first_source + i / o->interface_count];
		const char *name = policy_text(
			r->p, r->p->interfaces[o->first_interface + i % o->interface_count]);
		struct policy_place place = place_of(r, &s->place);

		if (s->class != SOURCE_LISTED || !f->is_elsewhere(f->context, s, name, found))
			continue;
		address_format(&s->network, network);
		policy_problems_add(r->problems, false, &place, NULL,
				    _("%s/%u is a network of %.64s: its packets do not come in by "
				      "%.64s, unless they are forged or routed in a circle"),
				    network, s->prefix_len, found, name);
		return;
	}
}

int policy_review(const struct policy *p, const struct policy_facts *facts,
		  struct policy_problems *problems)
{
	struct review r = {.p = p, .facts = facts, .problems = problems};
	int code = policy_conflicts_find(p, facts->now_s, problems);

	for (size_t i = 0; i < p->opening_count && code == 0; i++) {
		warn_wide(&r, &p->openings[i]);
		warn_until(&r, &p->openings[i]);
		warn_absent(&r, &p->openings[i]);
		warn_elsewhere(&r, &p->openings[i]);
	}
	if (code == 0)
		policy_guard_review(p, facts, problems);
	map_done(&r.asked);
	return r.failed || problems->failed ? -ENOMEM : code;
}
