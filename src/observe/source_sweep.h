/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_sweep: the number line of source addresses, cut where any condition or block begins or
 * ends, with the signature of each piece. A part of reach_sources.
 */
#pragma once

#include "observe/source_blocks.h"

enum { SOURCE_LABELS = 64 };
#define SOURCE_NO_BLOCK UINT32_MAX

/* Neighbouring pieces differ in block or signature; together they are the whole line. */
struct source_piece {
	struct source_number first, last;
	uint32_t block; /* index in source_blocks; SOURCE_NO_BLOCK: no source, none or excluded */
	bool elsewhere; /* its network is behind another interface: forged, or came by a detour */
	uint64_t signature;
	uint64_t rules;	 /* the signature but for what only routes tell apart */
	uint64_t labels; /* bit n: it is in the n-th label of rule_constants; the first 64 */
};

struct source_pieces {
	struct source_piece *items;
	size_t count, cap;
};

/* 0 or -ENOMEM. */
int source_sweep(const struct rule_constants *c, enum rule_field field,
		 const struct source_blocks *blocks, struct source_pieces *ret);
