/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_words: a scan as a person reads it: a table for each host, and what is to be said of it.
 */
#pragma once

#include "cli/view.h"
#include "model/scan.h"

/* For machines: "no-neighbour", ...; NULL: none. */
const char *scan_words_trouble_id(enum scan_trouble trouble);
/* Why not all is known, not translated; NULL: all is. */
const char *scan_words_trouble(enum scan_trouble trouble);
/* For a person: "open", ... */
const char *scan_words_state(enum scan_state state);
/* All hosts, and the sums. 0 or -ENOMEM. */
int scan_words_print(const struct view *v, const struct scan *s);
