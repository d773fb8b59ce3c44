/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard: what the guard is to enforce: which programs may have which ports. Plain data; made of a
 * policy by decide/policy_guard, kept with a state and loaded into the kernel by enforce/guard.
 */
#pragma once

#include "base/map.h"
#include "model/policy.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_UNIT_LIMIT = 159 }; /* bytes of a unit's name; a longer one is nobody's */

/* Who may have a port, and until when: all that are given (not 0) must match; none given: anybody.
 */
struct guard_owner {
	uint32_t program_str; /* absolute path */
	uint32_t unit_str;    /* with its suffix */
	uint32_t user_str;    /* a name or a number */
	uint32_t container_str;
	int64_t until_s; /* seconds since the epoch; 0: for ever */
};

struct guard_grant {
	struct port_range ports; /* any_proto is false */
	uint32_t owner;		 /* in owners[] */
};

/* What runtimes call the cgroup of a container that an owner names: "docker-ID.scope". */
struct guard_container {
	uint32_t container_str; /* as the owner has it */
	uint32_t cgroup_str;
};

/* A port that no grant has is nobody's. A port that several have is each owner's. */
struct guard_rules {
	struct strpool strings;
	enum guard_mode mode;
	bool loopback;	/* who is bound to a loopback address is not judged */
	bool ephemeral; /* nor who listens, undeclared, on a port that the kernel chose */
	struct guard_owner *owners;
	size_t owner_count, owner_cap;
	struct guard_grant *grants;
	size_t grant_count, grant_cap;
	struct guard_container *containers;
	size_t container_count, container_cap;
};

void guard_rules_done(struct guard_rules *r);
const char *guard_rules_text(const struct guard_rules *r, uint32_t str);
/* For ever, that is. */
bool guard_owner_is_anybody(const struct guard_owner *o);
/* Append one, zeroed; valid until the next append; NULL when out of memory. */
struct guard_owner *guard_rules_add_owner(struct guard_rules *r);
struct guard_grant *guard_rules_add_grant(struct guard_rules *r);
struct guard_container *guard_rules_add_container(struct guard_rules *r);
