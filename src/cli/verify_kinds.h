/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_kinds: what outside and inside may disagree about, as a person reads it.
 */
#pragma once

#include "base/buf.h"
#include "decide/verify.h"

const char *verify_kinds_word(enum verify_kind kind); /* "ghost" */
/* "ghost: it answers, and ..." */
const char *verify_kinds_meaning(enum verify_kind kind);
/* "the number stands for redis, and what speaks there is ssh." What was heard is not escaped. */
void verify_kinds_impostor(enum impostor of, const char *expected, const struct service *heard,
			   struct buf *out);
