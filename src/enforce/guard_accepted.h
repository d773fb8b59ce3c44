/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_accepted: STATE_DIR/programs.json: the content that each program of the policy had when it
 * was accepted. By it, a program whose file was touched is told from one that is another now.
 */
#pragma once

#include "enforce/guard_programs.h"
#include "enforce/states.h"

/*
 * Compares: sets `trust` of each program that has a file. 0; -EBADMSG when the file is damaged
 * (then nothing is trusted), or another negative errno with a sentence. No file: all are new.
 */
int guard_accepted_compare(const struct states *s, struct guard_programs *p, struct err *e);
/* Adds those that are `accepted_now`. Whole or not at all. */
int guard_accepted_save(const struct states *s, const struct guard_programs *p, struct err *e);
