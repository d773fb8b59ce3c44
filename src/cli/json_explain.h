/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_explain: an explanation as JSON (data/schemas/portero.explain.1.json). */
#pragma once

#include "cli/view.h"
#include "observe/explain.h"

/* 0, or a negative errno. */
int json_explain_print(const struct view *v, const struct explanation *x);
