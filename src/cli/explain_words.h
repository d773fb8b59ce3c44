/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_words: the parts of an explanation's sentences, for people and for JSON alike. All
 * append; what others chose (names, rules) is escaped.
 */
#pragma once

#include "base/buf.h"
#include "cli/view.h"
#include "decide/listener_at.h"
#include "observe/explain.h"

#include <stdint.h>

/* A string of the explanation. */
void explain_words_str(const struct view *v, const struct explanation *x, uint32_t str,
		       struct buf *out);
/* "A new tcp packet from 198.51.100.7 by eth0 to 192.0.2.1 port 22" */
void explain_words_packet(const struct view *v, const struct explanation *x, struct buf *out);
/*
 * Does somebody listen where the packet arrives? UNKNOWN also where it does not, or not on this
 * machine for certain. The view has clients, and of UDP connections.
 */
enum listener_at explain_words_listener(const struct view *v, const struct explanation *x);
/* Is it the step that refuses the packet, which is more than to drop it? */
bool explain_words_is_refusal(const struct explanation *x, uint32_t index);
/* "is dropped, without an answer" */
void explain_words_verdict(const struct view *v, const struct explanation *x, struct buf *out);
/* "inet filter input, rule 4 (handle 12)", "ip filter INPUT, its policy" */
void explain_words_place(const struct view *v, const struct explanation *x,
			 const struct explain_step *s, struct buf *out);
/* "ingress", "prerouting", ...; "?" */
const char *explain_words_hook(const struct explain_step *s);
