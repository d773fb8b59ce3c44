/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_blocks: which sources are plausible at an interface, and of which class: a list of
 * prefixes, where the one with the highest rank decides; networks behind other interfaces are
 * marked in whatever block they lie in. A part of reach_sources.
 */
#pragma once

#include "observe/reach_sources.h"
#include "observe/source_number.h"

struct source_block {
	struct reach_prefix prefix;
	struct source_number first, last;
	bool excluded;
	bool elsewhere;			/* behind another interface; else a block of its own */
	enum source_class source_class; /* when it is neither */
	unsigned rank;
};

struct source_blocks {
	struct source_block *items;
	size_t count, cap;
	uint8_t family;
	size_t width; /* of an address in bytes */
};

/* 0 or -ENOMEM; also then source_blocks_done() is due. */
int source_blocks_build(struct source_blocks *b, const struct source_scope *scope);
void source_blocks_done(struct source_blocks *b);
