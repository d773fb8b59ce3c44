/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_review: looks at a whole policy, after all files are parsed: what contradicts itself is an
 * error, what is right but probably not meant is a warning. Pure: what the machine has is asked by
 * callbacks, the time is given.
 *
 * Errors: a port is let in twice from the same source at one interface (a *duplicate*: the rate or
 * the end of one of them would never matter); a port is for one program, unit, user or container
 * and for another one, from sources that overlap at one interface (a *contradiction*). Openings
 * that are over count for neither. Warnings about the guard are in decide/policy_guard_review.
 */
#pragma once

#include "model/policy_problems.h"

enum { POLICY_FOUND_SIZE = 512 };

/* What the machine has. A NULL: that is not looked at. */
struct policy_facts {
	int64_t now_s;
	void *context;
	bool (*has_interface)(void *context, const char *name); /* "eth0"; "veth*": any of these */
	/* Is another interface attached to the network, and this one not? Then *ret is that one. */
	bool (*is_elsewhere)(void *context, const struct policy_source *network,
			     const char *interface, char ret[POLICY_FOUND_SIZE]);
	bool (*has_unit)(void *context, const char *name);
	bool (*has_user)(void *context, const char *name); /* a name, not a number */
	bool (*has_program)(void *context, const char *path);
	/* Is it a script? Then *ret is the program that runs it, "" when that is not known. */
	/* Is it a link, or do others than root write to it? Then *ret is where it leads to, or what
	 * they may write to. */
	bool (*is_link)(void *context, const char *path, char ret[POLICY_FOUND_SIZE]);
	bool (*is_writable)(void *context, const char *path, char ret[POLICY_FOUND_SIZE]);
	/* May the kernel give this port to a program that asks for none? */
	bool (*is_chosen)(void *context, uint16_t port);
	/* The path of a program that publishes containers' ports (model/port_proxies) whose content
	 * no package vouches for; NULL: all that are there are vouched for. */
	const char *(*find_stray_proxy)(void *context);
	bool (*is_script)(void *context, const char *path, char ret[POLICY_FOUND_SIZE]);
};

/* 0 or -ENOMEM. 10,000 openings and 50,000 sources take a fraction of a second. */
int policy_review(const struct policy *p, const struct policy_facts *facts,
		  struct policy_problems *problems);
