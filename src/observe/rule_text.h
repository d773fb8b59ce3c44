/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_text: a rule of the machine in the words of the tool that writes such rules: nft,
 * iptables-nft or iptables-legacy, which are run for it and only list. Words are for people: no
 * verdict comes from them.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct rule_place {
	uint8_t family; /* NFPROTO_... */
	const char *table, *chain;
	uint32_t number; /* in its chain, from 1 */
	uint64_t handle; /* of nf_tables; 0: a legacy rule */
	bool xtables;	 /* written by iptables-nft: nft has no words for all of it */
	bool legacy;
};

/*
 * Appends the rule: 1. 0: the tool is not there or does not list it. -ETIMEDOUT, -E2BIG: the tool
 * took too long or said too much, and better is not asked again.
 */
int rule_text(const struct rule_place *place, struct buf *out);

/* Of what `nft -a list chain` printed: the rule with that handle, on one line. False: none. */
bool rule_text_find_handle(const char *list, uint64_t handle, struct buf *out);
/* Of what `iptables -S CHAIN` printed: the n-th rule, from 1. */
bool rule_text_find_number(const char *list, uint32_t number, struct buf *out);
