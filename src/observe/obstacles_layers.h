/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * obstacles_layers: interfaces that stand on others: bridges, bonds, VLANs. A twin's packets are
 * put in at the upper one, so that what stands on the lower one, or on a bridge's own way, does not
 * meet them: here it becomes an obstacle of the upper one. Pure.
 */
#pragma once

#include "base/cur.h"
#include "observe/nft_image.h"
#include "observe/obstacles.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer {
	uint32_t ifindex;
	uint32_t master; /* bridge, bond, team, VRF; 0: none */
	uint32_t lower;	 /* the one it is made on: of a VLAN, macvlan, ...; 0: none */
	bool bridge;
	char name[IF_NAMESIZE];
};

struct layers {
	struct layer *items;
	size_t count, cap;
};

/* Takes in an interface from RTM_NEWLINK: its index, and the attributes. 0 or -ENOMEM. */
int obstacles_layers_add(struct layers *l, uint32_t ifindex, struct cur attributes);
void obstacles_layers_done(struct layers *l);
/*
 * What nf_tables does below an upper interface: ingress chains of lower ones, and chains of family
 * bridge. Chains without rules that accept do nothing. 0 or -ENOMEM.
 */
int obstacles_layers_find_nft(const struct layers *l, const struct nft_image *image,
			      struct obstacles *ret);
/* Adds each obstacle of an interface once more for each that stands on it. 0 or -ENOMEM. */
int obstacles_layers_spread(const struct layers *l, struct obstacles *o);
