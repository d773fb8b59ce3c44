/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror: a twin with the machine's network and packet filter in it, ready to be asked. It reads
 * the rules (nf_tables, iptables-legacy, ipsets), finds their doubts, and loads them as often as
 * the doubts must be decided otherwise. What it could not mirror is in `differences` and
 * `obstacles`.
 */
#pragma once

#include "base/err.h"
#include "observe/doubts.h"
#include "observe/hook_order.h"
#include "observe/ipset_image.h"
#include "observe/legacy_image.h"
#include "observe/nft_image.h"
#include "observe/nft_load.h"
#include "observe/nft_rewrite.h"
#include "observe/obstacles.h"
#include "observe/twin.h"
#include "observe/twin_probe.h"

#include <stdbool.h>
#include <stdint.h>

struct mirror {
	/* set by the caller: what the machine is to have in place of its table inet portero
	 * (nft_graft); NULL: the machine as it is */
	const struct nft_image *planned;
	/* of the machine */
	struct nft_image nft;
	struct legacy_image legacy;
	struct ipset_image ipset;
	struct hook_orders orders; /* in which chains at one priority may run */
	struct obstacles obstacles;
	bool is_read, has_looked; /* by mirror_read(), by mirror_look() */
	uint64_t fingerprint;	  /* of rules, sets, interfaces, addresses, routes, sysctls */
	/* the twin */
	struct twin twin;
	struct twin_report differences; /* what of the network is not mirrored */
	struct legacy_sockets legacy_sockets;
	struct nft_rewrite nft_rewrite;
	struct nft_load_report nft_report;
	struct legacy_report legacy_report;
	struct doubt_list doubts;
	struct twin_probe *probe;
	char ipset_trouble[256]; /* what is wrong with the ipsets in the twin; "": nothing */
	bool clock;		 /* some rule asks for the time: what it says holds now */
	bool changing;		 /* the machine's rules or network changed all the time */
	unsigned loads;		 /* how often the rules were loaded */
	bool is_loaded;		 /* with `loaded` */
	struct assignment loaded;
};

/* What a mirror is before it has read, and after mirror_done(). */
/* One with nothing in it; `planned` as there. */
struct mirror mirror_of(const struct nft_image *planned);
/*
 * Reads the rules of the network namespace that the thread is in, and their fingerprint, once. 0
 * or a negative errno. To be ended with mirror_done() in every case; *m is of mirror_of() before.
 */
int mirror_read(struct mirror *m, struct err *e);
/* Looks for obstacles, once. `s` (may be NULL) as for obstacles_find(). 0 or a negative errno. */
int mirror_look(struct mirror *m, const struct snapshot *s, struct err *e);
/*
 * Makes the twin and loads the rules, with all doubts decided as "does not match"; has looked for
 * obstacles then. 0; 1: the machine changed meanwhile; or a negative errno (-EPERM,
 * -EACCES, -ENODEV, ... as twin_open()): nothing can be asked.
 */
int mirror_build(struct mirror *m, const struct snapshot *s, struct err *e);
/* Reads (unless it has) and builds until nothing changed meanwhile, or gives up and sets
 * m->changing. */
int mirror_open(struct mirror *m, const struct snapshot *s, struct err *e);
/* Loads the rules with the doubts decided otherwise, if they are not loaded so. 0 or -errno. */
int mirror_load(struct mirror *m, const struct assignment *assignment, struct err *e);
void mirror_done(struct mirror *m);
