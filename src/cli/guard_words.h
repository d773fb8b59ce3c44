/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_words: what enforce/guard_check found, for people. */
#pragma once

#include "enforce/guard_check.h"

#include <stddef.h>
#include <stdio.h>

/* One sentence, translated, with what to do. */
void guard_words_fault(const struct guard_check_fault *fault, char *text, size_t size);
/* "critical", "high": in JSON */
const char *guard_words_severity(enum guard_fault fault);
/* A line for each fault. */
void guard_words_print_faults(const struct guard_check *c, FILE *out);
/* What it means that this kernel lacks an optional part; "" for the others. */
const char *guard_words_without(enum guard_part part);
/* A line for each promise that is weaker here than it could be. */
void guard_words_print_weaker(const struct guard_check *c, FILE *out);
