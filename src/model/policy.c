/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/policy.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

void policy_done(struct policy *p)
{
	strpool_done(&p->strings);
	free(p->openings);
	free(p->ports);
	free(p->sources);
	free(p->interfaces);
	*p = (struct policy){0};
}

const char *policy_text(const struct policy *p, uint32_t str)
{
	return strpool_get(&p->strings, str);
}

struct opening *policy_add_opening(struct policy *p)
{
	if (mem_grow(&p->openings, &p->opening_cap, p->opening_count + 1, sizeof(*p->openings)) < 0)
		return NULL;
	p->openings[p->opening_count] = (struct opening){0};
	return &p->openings[p->opening_count++];
}

struct port_range *policy_add_port(struct policy *p)
{
	if (mem_grow(&p->ports, &p->port_cap, p->port_count + 1, sizeof(*p->ports)) < 0)
		return NULL;
	p->ports[p->port_count] = (struct port_range){0};
	return &p->ports[p->port_count++];
}

struct policy_source *policy_add_source(struct policy *p)
{
	if (mem_grow(&p->sources, &p->source_cap, p->source_count + 1, sizeof(*p->sources)) < 0)
		return NULL;
	p->sources[p->source_count] = (struct policy_source){0};
	return &p->sources[p->source_count++];
}

int policy_add_interface(struct policy *p, const char *name)
{
	uint32_t str = strpool_add_text(&p->strings, name);

	if (!str || mem_grow(&p->interfaces, &p->interface_cap, p->interface_count + 1,
			     sizeof(*p->interfaces)) < 0)
		return -ENOMEM;
	p->interfaces[p->interface_count++] = str;
	return 0;
}

bool opening_is_over(const struct opening *o, int64_t now_s)
{
	return o->until_s && o->until_s <= now_s;
}

static bool has_port(const struct policy *p, uint32_t first, uint32_t count, uint16_t port,
		     enum proto proto)
{
	for (uint32_t i = 0; i < count; i++)
		if (port_range_has(&p->ports[first + i], port, proto))
			return true;
	return false;
}

bool opening_has_port(const struct policy *p, const struct opening *o, uint16_t port,
		      enum proto proto)
{
	return has_port(p, o->first_port, o->port_count, port, proto);
}

bool policy_protects(const struct policy *p, uint16_t port, enum proto proto)
{
	return has_port(p, p->settings.first_protected, p->settings.protected_count, port, proto);
}

const char *undeclared_id(enum undeclared undeclared)
{
	static const char *const ids[] = {"drop", "reject", "observe"};

	return ids[undeclared];
}

const char *guard_mode_id(enum guard_mode mode)
{
	static const char *const ids[] = {"off", "observe", "enforce"};

	return ids[mode];
}
