/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/guard.h"
#include "base/mem.h"

#include <stdlib.h>

void guard_rules_done(struct guard_rules *r)
{
	strpool_done(&r->strings);
	free(r->owners);
	free(r->grants);
	free(r->containers);
	*r = (struct guard_rules){0};
}

const char *guard_rules_text(const struct guard_rules *r, uint32_t str)
{
	return strpool_get(&r->strings, str);
}

bool guard_owner_is_anybody(const struct guard_owner *o)
{
	return !o->program_str && !o->unit_str && !o->user_str && !o->container_str && !o->until_s;
}

struct guard_owner *guard_rules_add_owner(struct guard_rules *r)
{
	if (mem_grow(&r->owners, &r->owner_cap, r->owner_count + 1, sizeof(*r->owners)) < 0)
		return NULL;
	r->owners[r->owner_count] = (struct guard_owner){0};
	return &r->owners[r->owner_count++];
}

struct guard_grant *guard_rules_add_grant(struct guard_rules *r)
{
	if (mem_grow(&r->grants, &r->grant_cap, r->grant_count + 1, sizeof(*r->grants)) < 0)
		return NULL;
	r->grants[r->grant_count] = (struct guard_grant){0};
	return &r->grants[r->grant_count++];
}

struct guard_container *guard_rules_add_container(struct guard_rules *r)
{
	if (mem_grow(&r->containers, &r->container_cap, r->container_count + 1,
		     sizeof(*r->containers)) < 0)
		return NULL;
	r->containers[r->container_count] = (struct guard_container){0};
	return &r->containers[r->container_count++];
}
