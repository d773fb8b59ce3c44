/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_words: a plan as a person reads it, like a diff: what closes, narrows, opens; who loses
 * access; and what to know before it is applied.
 */
#pragma once

#include "cli/planned.h"

/* The changes, port by port, or that there are none. */
void plan_words_print(const struct planned *p);
/* What a person should know: openings without a listener, for another program, kept closed by other
 * rules, ... */
void plan_words_print_remarks(const struct planned *p);
/* "10-web.yaml:12" */
void plan_words_place(const struct planned *p, uint32_t opening, struct buf *out);
/* Why it gets what it gets: "undeclared", "declared (10-web.yaml:12: public web site)", ... */
void plan_words_why(const struct planned *p, const struct plan_row *row, struct buf *out);
/* May who has the connection connect again? True also of what does not come from outside. */
bool plan_words_may_come(const struct planned *p, const struct connection_info *c);
/* Who is connected now, and could not connect again: at most `limit` addresses. Returns how many
 * there are. */
size_t plan_words_losing(const struct planned *p, const struct plan_row *row, struct address *ret,
			 size_t limit);
