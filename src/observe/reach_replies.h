/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_replies: what rules for packets that go out make of the machine's answers. Pure.
 */
#pragma once

#include "observe/legacy_image.h"
#include "observe/nft_image.h"
#include "observe/rule_constants.h"

/*
 * Where rules for output may stop an answer, or send it elsewhere, what they say of destinations
 * is also of senders, and what they say of source ports of the ports that are asked: an answer has
 * these the other way round. To be called when all constants are there. 0 or -ENOMEM.
 */
int reach_replies_constants(const struct nft_image *image, const struct legacy_image *legacy,
			    struct rule_constants *c);
