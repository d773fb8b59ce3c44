/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback_steps: what enforce/rollback.c and enforce/rollback_return.c share: steps of a change,
 * and what tells that one was cut short. The lock is the caller's.
 */
#pragma once

#include "enforce/pending.h"

#include <stdbool.h>

/* Was whoever loaded the pending change killed before it was told? Then which of both rules the
 * kernel has is not known. */
bool rollback_was_interrupted(const struct states *s);
/* Was it confirmed, by somebody who was killed before the rest was done? */
bool rollback_is_confirmed(const struct states *s, const struct pending *p);
/* Does that rest. 0 or a negative errno. */
int rollback_finish_confirmed(const struct states *s, const struct pending *p, struct err *e);
