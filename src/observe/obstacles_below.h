/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * obstacles_below: packets for a bridge, a bond, a VLAN or the like come in by another interface
 * first. What stands in their way there is not asked by a packet that enters the twin at the upper
 * one: programs, rules at the ingress hook, rules of the bridge family. Pure.
 */
#pragma once

#include "observe/nft_image.h"
#include "observe/obstacles.h"
#include "observe/rt_image.h"

/* Adds an obstacle for each upper interface whose packets meet something below. 0 or -ENOMEM. */
int obstacles_below_add(struct obstacles *o, const struct rt_image *network,
			const struct nft_image *rules);
