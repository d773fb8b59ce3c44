/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_compare: is what a twin has what it was given? Object by object, in words that leave out
 * counters and handles; and which rule of the twin is which rule of the machine. Pure.
 */
#pragma once

#include "observe/nft_load.h"

#include <stdbool.h>

/*
 * Compares `twin`, read back, with the image as it was sent (rewritten by the assignment, without
 * the items that are true in left_out). Fills report->rules, and adds to report->lost. 0 or
 * -ENOMEM.
 */
int nft_compare(const struct nft_image *image, struct nft_rewrite *rewrite,
		const struct assignment *assignment, const bool *left_out,
		const struct nft_image *twin, struct nft_load_report *report);
