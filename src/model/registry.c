/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry: a binary search in the compiled-in table. Pure: no I/O, no state, no allocation. The
 * table is trusted, tools/gen-registry checked it when it was built.
 */
#include "model/registry.h"
#include "model/registry_table.h"

/* The index of the first row whose port is not below `port`. */
static unsigned lower_bound(uint16_t port)
{
	unsigned low = 0, high = registry_row_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (registry_rows[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool registry_find(uint16_t port, enum proto proto, struct registry_entry *ret)
{
	unsigned bit = 1u << (proto == PROTO_UDPLITE ? PROTO_UDP : proto);

	for (unsigned i = lower_bound(port); i < registry_row_count; i++) {
		const struct registry_row *row = &registry_rows[i];

		if (row->port != port)
			return false;
		if (!(row->protos & bit))
			continue;
		*ret = (struct registry_entry){
			.name = row->name ? registry_pool + row->name : NULL,
			.description = registry_pool + row->description,
			.reference = registry_pool + row->reference,
			.reserved = row->reserved,
		};
		return true;
	}
	return false;
}
