/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry_table: the shape of the table that tools/gen-registry makes from data/ports.tsv. Only
 * registry.c and the generated file need it; everyone else asks model/registry.
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stdint.h>

struct registry_row {
	uint16_t port;	/* host order; the rows are sorted by it, and one port may have several */
	uint8_t protos; /* 1 << enum proto, for each protocol that the row is about */
	bool reserved;
	uint32_t name, description, reference; /* offsets in the pool; "" when there is none */
};

extern const struct registry_row registry_rows[];
extern const unsigned registry_row_count;
extern const char registry_pool[]; /* strings, each with its NUL; the one at 0 is empty */
