/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_plan: portero.plan/1, see data/schemas/. */
#pragma once

#include "cli/planned.h"

/* 0 or -ENOMEM */
int json_print_plan(const struct planned *p);
