/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_walk: what rule_constants_nft and rule_nft_loads share while rules of nf_tables are
 * read. For them alone.
 */
#pragma once

#include "observe/rule_nft_sets.h"

/* What an expression reader works on. */
struct walk {
	struct rule_collector k;
	struct nft_sets sets;
	struct registers registers;
	uint64_t table_key;
	/* `>= a` that may be followed by `<= b`: together they are one range */
	bool has_border;
	int border_at;
	struct cur border;
};

/* A number; `absent` when there is no such attribute. */
uint64_t walk_number(struct cur data, uint16_t type, uint64_t absent);
/* The first byte of the register that an attribute names; -1: none. */
int walk_register(struct cur data, uint16_t type);
/* The bytes of a nested NFTA_DATA_VALUE; empty when it has none. */
struct cur walk_value(struct cur data, uint16_t type);

/* Readers of the expressions of these names. */
void walk_read_payload(struct walk *w, struct cur data);
void walk_read_meta(struct walk *w, struct cur data);
void walk_read_immediate(struct walk *w, struct cur data);
void walk_read_ct(struct walk *w, struct cur data);
void walk_read_bitwise(struct walk *w, struct cur data);
void walk_read_nat(struct walk *w, struct cur data);
void walk_read_redir(struct walk *w, struct cur data);
void walk_read_routes(struct walk *w, struct cur data);
void walk_read_byteorder(struct walk *w, struct cur data);
void walk_read_exthdr(struct walk *w, struct cur data);
void walk_read_socket(struct walk *w, struct cur data);
void walk_read_tproxy(struct walk *w, struct cur data);
void walk_read_other(struct walk *w, struct cur data);
void walk_read_hash(struct walk *w, struct cur data);
void walk_read_xfrm(struct walk *w, struct cur data);
void walk_read_tunnel(struct walk *w, struct cur data);
