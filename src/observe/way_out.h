/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * way_out: the rules that packets of the machine pass on their way out, answers among them: those
 * of output and postrouting, and of the chains that these jump to. Pure.
 */
#pragma once

#include "base/err.h"
#include "observe/legacy_image.h"
#include "observe/nft_image.h"
#include "observe/rule_constants.h"

#include <stdbool.h>

struct way_out {
	bool rules;			 /* some do more than let packets pass */
	bool egress;			 /* there are others behind them, by device */
	struct rule_constants constants; /* what they compare with */
};

/* 0 or a negative errno; way_out_done() either way. */
int way_out_find(const struct nft_image *image, const struct legacy_image *legacy,
		 const struct ipset_messages *ipsets, struct way_out *ret, struct err *e);
void way_out_done(struct way_out *w);
