/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/guard_rules.h"
#include "decide/policy_guard.h"
#include "model/port_proxies.h"
#include "observe/package_content.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_ID = 12, PART_SIZE = 256 };

/* By its name, or its identifier as long as people cut it: as decide/policy_rows. */
static bool is_meant(const struct snapshot *s, const struct container_info *c, const char *wanted)
{
	const char *id = snapshot_text(s, c->id_str);

	return strcmp(snapshot_text(s, c->name_str), wanted) == 0 || strcmp(id, wanted) == 0 ||
	       (strlen(wanted) >= SHORT_ID && strncmp(id, wanted, strlen(wanted)) == 0);
}

/* The part of a cgroup's path that has the container's identifier: the first, as the guard takes
 * it. */
static bool find_part(const char *path, const char *id, char part[PART_SIZE])
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len && len < PART_SIZE && id[0]) {
			memcpy(part, path, len);
			part[len] = '\0';
			if (strstr(part, id))
				return true;
		}
		path += len + (path[len] == '/');
	}
	return false;
}

static bool is_known(const struct guard_rules *r, const char *container, const char *cgroup)
{
	for (size_t i = 0; i < r->container_count; i++)
		if (strcmp(guard_rules_text(r, r->containers[i].container_str), container) == 0 &&
		    strcmp(guard_rules_text(r, r->containers[i].cgroup_str), cgroup) == 0)
			return true;
	return false;
}

static int add(struct guard_rules *r, uint32_t container_str, const char *cgroup)
{
	char name[PART_SIZE * 4];
	struct guard_container *c;
	uint32_t cgroup_str;

	/* the pool may move when the new name is added */
	if ((size_t)snprintf(name, sizeof(name), "%s", guard_rules_text(r, container_str)) >=
	    sizeof(name))
		return 0;
	if (is_known(r, name, cgroup))
		return 0;
	cgroup_str = strpool_add_text(&r->strings, cgroup);
	c = cgroup_str ? guard_rules_add_container(r) : NULL;
	if (!c)
		return -ENOMEM;
	*c = (struct guard_container){.container_str = container_str, .cgroup_str = cgroup_str};
	return 0;
}

static int add_cgroups(const struct snapshot *s, struct guard_rules *r, uint32_t wanted_str)
{
	char part[PART_SIZE];
	int code = 0;

	for (size_t i = 0; code == 0 && i < s->process_count; i++) {
		const struct process_info *p = &s->processes[i];

		if (p->container == SNAPSHOT_NONE ||
		    !is_meant(s, &s->containers[p->container], guard_rules_text(r, wanted_str)) ||
		    !find_part(snapshot_text(s, p->cgroup_str),
			       snapshot_text(s, s->containers[p->container].id_str), part))
			continue;
		code = add(r, wanted_str, part);
	}
	return code;
}

static bool names_container(const struct policy *p)
{
	for (size_t i = 0; i < p->opening_count; i++)
		if (p->openings[i].container_str)
			return true;
	return false;
}

/* Nobody named them: so they must be what their package brought. */
static uint32_t find_proxies(const struct policy *p)
{
	size_t count;
	const struct port_proxy *proxies = port_proxies(&count);
	uint32_t found = 0;

	if (p->settings.guard == GUARD_OFF || !names_container(p))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (package_content_vouches(proxies[i].program, NULL))
			found |= 1u << i;
	return found;
}

int guard_rules_make(const struct planned *p, struct guard_rules *ret)
{
	struct guard_rules r = {0};
	int code = policy_guard_make(&p->policy, find_proxies(&p->policy), p->now_s, &r);

	for (size_t i = 0; code == 0 && i < r.owner_count; i++)
		if (r.owners[i].container_str)
			code = add_cgroups(&p->now.snapshot, &r, r.owners[i].container_str);
	if (code < 0)
		guard_rules_done(&r);
	else
		*ret = r;
	return code;
}
