/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_words: where the looks from outside and from inside disagree, as a person reads it.
 */
#pragma once

#include "cli/verify_look.h"

/* What a look that was interrupted has seen. 0 or -ENOMEM. */
int verify_words_print_seen(const struct verify_look *l);
/* 0 or -ENOMEM. */
int verify_words_print(const struct verify_look *l);
