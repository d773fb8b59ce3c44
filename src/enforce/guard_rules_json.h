/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_rules_json: the rules of the guard as text: guard.json, beside ruleset.nft in the folder of
 * each state (enforce/states), and back. No I/O.
 *
 *	{"schema":"portero.guard-rules/1","mode":"enforce","loopback":true,"ephemeral":false,
 *	 "owners":[{"program":"/usr/sbin/nginx","unit":"nginx.service"},{}],
 *	 "grants":[["80/tcp",0],["8000-8010/tcp",0],["22/tcp",1]]}
 *
 * An owner has those of program, unit, user and container that are given; {} is anybody. "until":
 * seconds since the epoch, where it ends. A grant is a port or a range of ports, and the index of
 * its owner. Where owners name containers, there is also "containers":[["web","docker-ID.scope"]].
 */
#pragma once

#include "model/guard.h"

#include <stddef.h>

enum {
	/* what a policy can have: each opening its own owner, and anybody; and the proxies of
	 * containers (model/port_proxies) with each end */
	GUARD_RULES_OWNER_LIMIT = 8 * (POLICY_OPENING_LIMIT + 1),
	/* POLICY_SOURCE_LIMIT ports, and those of DHCP clients; the same for the proxies */
	GUARD_RULES_GRANT_LIMIT = 8 * (POLICY_SOURCE_LIMIT + 2),
	GUARD_RULES_CONTAINER_LIMIT = 4096,
	GUARD_RULES_NAME_LIMIT = POLICY_TEXT_LIMIT + 16, /* bytes: a unit got its suffix */
	GUARD_RULES_TEXT_LIMIT = 2 * POLICY_TOTAL_LIMIT, /* bytes of the whole */
};

/* In one line, without a newline. To be freed; NULL when out of memory, or when a name is no UTF-8
 * (none of a policy's is). */
char *guard_rules_format(const struct guard_rules *r);

/*
 * text[0..len) need not end with a NUL. 0, -ENOMEM or -EBADMSG: anything but what
 * guard_rules_format() can have written, white space between its parts apart; a part of a good text
 * is never good. *ret, which is written on success only, is ended with guard_rules_done().
 */
int guard_rules_parse(const char *text, size_t len, struct guard_rules *ret);
