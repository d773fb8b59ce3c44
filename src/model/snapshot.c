/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/snapshot.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void snapshot_done(struct snapshot *s)
{
	strpool_done(&s->strings);
	free(s->sockets);
	free(s->holders);
	free(s->processes);
	free(s->containers);
	free(s->netns);
	free(s->addresses);
	free(s->interfaces);
	free(s->activations);
	free(s->connections);
	free(s->gaps);
	*s = (struct snapshot){0};
}

const char *snapshot_text(const struct snapshot *s, uint32_t str)
{
	return strpool_get(&s->strings, str);
}

uint32_t snapshot_add_text(struct snapshot *s, const char *text)
{
	uint32_t str = strpool_add_text(&s->strings, text);

	if (!str && text[0])
		s->out_of_memory = true;
	return str;
}

/* Makes room for one more item and returns its zeroed address, or NULL (and marks the snapshot). */
static void *add(struct snapshot *s, void *items_pointer, size_t *count, size_t *cap, size_t size)
{
	char *items;

	if (mem_grow_unset(items_pointer, cap, *count + 1, size) < 0) {
		s->out_of_memory = true;
		return NULL;
	}
	memcpy(&items, items_pointer, sizeof(items));
	return memset(items + size * (*count)++, 0, size);
}

#define ADD(s, items, count, cap) add((s), &(s)->items, &(s)->count, &(s)->cap, sizeof(*(s)->items))

struct socket_info *snapshot_add_socket(struct snapshot *s)
{
	return ADD(s, sockets, socket_count, socket_cap);
}

struct holder_info *snapshot_add_holder(struct snapshot *s)
{
	return ADD(s, holders, holder_count, holder_cap);
}

struct process_info *snapshot_add_process(struct snapshot *s)
{
	struct process_info *p = ADD(s, processes, process_count, process_cap);

	if (p)
		p->container = SNAPSHOT_NONE;
	return p;
}

struct container_info *snapshot_add_container(struct snapshot *s)
{
	return ADD(s, containers, container_count, container_cap);
}

struct netns_info *snapshot_add_netns(struct snapshot *s)
{
	struct netns_info *n = ADD(s, netns, netns_count, netns_cap);

	if (n)
		n->container = SNAPSHOT_NONE;
	return n;
}

struct interface_address *snapshot_add_address(struct snapshot *s)
{
	return ADD(s, addresses, address_count, address_cap);
}

struct interface_info *snapshot_add_interface(struct snapshot *s)
{
	return ADD(s, interfaces, interface_count, interface_cap);
}

struct activation_info *snapshot_add_activation(struct snapshot *s)
{
	return ADD(s, activations, activation_count, activation_cap);
}

struct connection_info *snapshot_add_connection(struct snapshot *s)
{
	return ADD(s, connections, connection_count, connection_cap);
}

void snapshot_add_gap(struct snapshot *s, enum gap_kind kind, const char *what, const char *why,
		      const char *remedy)
{
	struct gap_info gap = {kind, snapshot_add_text(s, what), snapshot_add_text(s, why),
			       snapshot_add_text(s, remedy)};
	struct gap_info *added;

	for (size_t i = 0; i < s->gap_count; i++)
		if (s->gaps[i].what_str == gap.what_str && s->gaps[i].why_str == gap.why_str)
			return;
	added = ADD(s, gaps, gap_count, gap_cap);
	if (added)
		*added = gap;
}

bool snapshot_is_complete(const struct snapshot *s)
{
	return s->gap_count == 0 && !s->out_of_memory;
}

static bool has_gap(const struct snapshot *s, enum gap_kind kind)
{
	for (size_t i = 0; i < s->gap_count; i++)
		if (s->gaps[i].kind == kind)
			return true;
	return s->out_of_memory;
}

bool snapshot_has_all_listeners(const struct snapshot *s)
{
	return !has_gap(s, GAP_LISTENERS);
}

bool snapshot_has_all_owners(const struct snapshot *s)
{
	return !has_gap(s, GAP_OWNERS);
}

const char *snapshot_interface_name(const struct snapshot *s, uint32_t netns, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == netns && s->interfaces[i].ifindex == ifindex)
			return snapshot_text(s, s->interfaces[i].name_str);
	return NULL;
}

const struct activation_info *snapshot_activation(const struct snapshot *s, uint32_t socket)
{
	for (size_t i = 0; i < s->activation_count; i++)
		if (s->activations[i].socket == socket)
			return &s->activations[i];
	return NULL;
}
