/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_verify: where the looks from outside and from inside disagree, as JSON (portero.verify/1).
 */
#pragma once

#include "cli/verify_look.h"

/* 0 or -ENOMEM. */
int json_verify_print(const struct verify_look *l);
