/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_words: the parts of an explanation's sentences, for people and for JSON alike. All
 * append; what others chose (names, rules) is escaped.
 */
#pragma once

#include "base/buf.h"
#include "cli/view.h"
#include "observe/explain.h"

#include <stdint.h>

/* A string of the explanation. */
void explain_words_str(const struct view *v, const struct explanation *x, uint32_t str,
		       struct buf *out);
/* "A new tcp packet from 198.51.100.7 by eth0 to 192.0.2.1 port 22" */
void explain_words_packet(const struct view *v, const struct explanation *x, struct buf *out);
/* "is dropped, without an answer" */
void explain_words_verdict(const struct view *v, const struct explanation *x, struct buf *out);
/* "inet filter input, rule 4 (handle 12)", "ip filter INPUT, its policy" */
void explain_words_place(const struct view *v, const struct explanation *x,
			 const struct explain_step *s, struct buf *out);
/* "ingress", "prerouting", ...; "?" */
const char *explain_words_hook(const struct explain_step *s);
