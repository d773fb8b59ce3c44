/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_sync: making one kind of things in the twin like the machine's: what is too much is removed,
 * what is missing is made, in as many passes as anything new fits. For twin_addresses and
 * twin_routes.
 */
#pragma once

#include "base/err.h"
#include "observe/rt_image.h"

struct twin;
struct twin_report;

/*
 * Makes the items of `kind` in `twin` (an image of the twin, read just now) those of t->host. Items
 * of t->host that could not be made are marked `refused`. Returns how many are, or a negative
 * errno.
 */
int twin_sync(struct twin *t, const struct rt_image *twin, enum rt_kind kind, struct err *e);
/* Once more those that are refused: for after other things have been made. */
int twin_sync_again(struct twin *t, enum rt_kind kind, struct err *e);
