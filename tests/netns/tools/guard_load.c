/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_load: puts the guard's rules into force without a policy or a firewall.
 *	guard_load CGROUP PINS STATE_DIR MODE [PORTS=program:PATH,unit:NAME,user:NAME | PORTS]...
 * MODE: off, observe, enforce, refresh (of one that enforces). Prints a line of what became of it.
 */
#include "enforce/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct guard_rules *r, char *text)
{
	char *owner = strchr(text, '='), *field, *rest;
	struct guard_grant *grant = guard_rules_add_grant(r);
	struct guard_owner *o = guard_rules_add_owner(r);
	struct err e = {0};

	if (owner)
		*owner++ = '\0';
	if (!grant || !o || port_range_parse(text, &grant->ports, &e) < 0)
		return -1;
	grant->owner = (uint32_t)r->owner_count - 1;
	for (field = owner ? strtok_r(owner, ",", &rest) : NULL; field;
	     field = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(field, ':');

		if (!value)
			return -1;
		*value++ = '\0';
		if (strcmp(field, "program") == 0)
			o->program_str = strpool_add_text(&r->strings, value);
		else if (strcmp(field, "unit") == 0)
			o->unit_str = strpool_add_text(&r->strings, value);
		else if (strcmp(field, "user") == 0)
			o->user_str = strpool_add_text(&r->strings, value);
		else
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct guard_rules rules = {.loopback = true};
	struct guard_report report = {0};
	struct guard_place place;
	struct guard_wish wish = {.place = &place};
	const struct guard_acceptance acceptance = {.accept_new = true};
	struct guard_programs programs = {0};
	size_t missing = 0, changed = 0;
	struct states states;
	struct err e = {0};
	int r;

	if (argc < 5)
		return 2;
	place = (struct guard_place){argv[1], argv[2]};
	for (int i = 5; i < argc; i++)
		if (add(&rules, argv[i]) < 0)
			return 2;
	rules.mode = strcmp(argv[4], "off") == 0       ? GUARD_OFF
		     : strcmp(argv[4], "observe") == 0 ? GUARD_OBSERVE
						       : GUARD_ENFORCE;
	if (states_open(&states, argv[3], true, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		return 2;
	}
	wish.states = &states;
	r = guard_accept(&states, &rules, &acceptance, &programs, &e);
	if (r == 0)
		r = strcmp(argv[4], "refresh") == 0 ? guard_refresh(&wish, &rules, &report, &e)
						    : guard_load(&wish, &rules, &report, &e);
	for (size_t i = 0; i < report.programs.count; i++) {
		missing += report.programs.items[i].trust == GUARD_TRUST_NONE;
		changed += report.programs.items[i].trust == GUARD_TRUST_CHANGED;
	}
	if (r < 0)
		fprintf(stderr, "%s\n", e.msg);
	else
		printf("missing %zu changed %zu seeded %d absent %x\n", missing, changed,
		       report.is_seeded, report.absent);
	guard_programs_done(&programs);
	guard_report_done(&report);
	guard_rules_done(&rules);
	states_close(&states);
	return r < 0;
}
