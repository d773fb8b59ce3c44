/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_path: which rules of iptables-legacy a packet matched in a twin. These tables give no
 * trace; but every rule counts the packets that matched it, so the counters are read before and
 * after one packet. To be used around one probe: legacy_path_begin, the packet, legacy_path_end.
 */
#pragma once

#include "observe/legacy_image.h"
#include "observe/legacy_rewrite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEGACY_STEP_LIMIT = 1024 };

struct legacy_step {
	uint8_t family;
	uint8_t hook; /* NF_INET_...: where the packet was */
	char table[LEGACY_NAME], chain[LEGACY_NAME];
	uint32_t rule;		  /* as iptables -L --line-numbers counts on the machine, from 1 */
	bool policy;		  /* the policy of a built-in chain; rule has no meaning */
	bool jump;		  /* target names a chain */
	char target[LEGACY_NAME]; /* "ACCEPT", "DROP", "RETURN", a chain, or an extension's name;
				   * "" for none */
};

struct legacy_path {
	const struct legacy_image *image; /* borrowed */
	struct legacy_path_table {
		struct legacy_walk walk;	   /* of the image's table */
		struct legacy_rewritten rewritten; /* as it is in the twin */
		uint64_t *before;		   /* packets, for each entry in the twin */
	} tables[LEGACY_TABLE_LIMIT];
};

/*
 * Notes the counters of all tables of the image, which must be loaded in the twin with that
 * assignment. 0, or a negative errno. *p is to be done afterwards in any case.
 */
int legacy_path_begin(struct legacy_path *p, const struct legacy_image *image,
		      const struct legacy_sockets *twin, const struct assignment *assignment,
		      struct err *e);
/*
 * The rules that have matched since, in the order in which one packet meets them: from outside, or,
 * with `local`, from the machine itself (output before input). What a refused packet is answered
 * with passes the output chains too, and is in the list. Rules that have no say in any verdict
 * (LOG) are not in it. Returns how many steps there are in `ret` (at most `room`), or a negative
 * errno.
 */
ptrdiff_t legacy_path_end(struct legacy_path *p, const struct legacy_sockets *twin, bool local,
			  struct legacy_step *ret, size_t room, struct err *e);
void legacy_path_done(struct legacy_path *p);
