/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_remedy: what to type to change what an explanation says: in the words of the program that
 * wrote the rule (model/front_ends), or else for nft and iptables, for exactly the packets that
 * were asked about.
 */
#pragma once

#include "base/buf.h"
#include "observe/explain.h"

#include <stdbool.h>
#include <stdint.h>

/* Between two commands of a remedy. */
#define REMEDY_THEN "; then "
#define REMEDY_OR   "; or "

/* Appends the commands for a step, with the above between them; nothing when there are none. Names
 * are quoted for a shell where they need it; those that neither shell nor nft take have no command.
 */
void explain_remedy(const struct explanation *x, uint32_t step, struct buf *out);
/* Is a rule taken away by what explain_remedy() wrote? */
bool explain_remedy_deletes(const char *commands);
/* Does explain_remedy() tell of nft or iptables, which forget what is not written down elsewhere?
 */
bool explain_remedy_is_direct(const struct explanation *x, uint32_t step);
/* The step that a person would change: EXPLAIN_NONE when there is none. */
uint32_t explain_remedy_step(const struct explanation *x);
