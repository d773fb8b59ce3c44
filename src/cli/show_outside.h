/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_outside: how a port last looked from outside (verify), for show: as a person reads it, and
 * as JSON.
 */
#pragma once

#include "cli/outside.h"
#include "cli/view.h"

#include <jansson.h>

struct show_outside {
	struct outside seen;
	struct err why; /* code: not 0: it could not be read */
};

void show_outside_take(struct show_outside *s, const struct options *o, uint16_t port);
void show_outside_done(struct show_outside *s);
/* Lines "Outside ..."; none when nobody ever looked. */
void show_outside_print(const struct view *v, const struct show_outside *s);
/* An array, or null when it could not be read; a new reference. */
json_t *show_outside_pack(const struct view *v, const struct show_outside *s);
