/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_saved_services: the part of a saved scan (cli/scan_saved) that says what speaks on the open
 * ports, as far as that is known: a list "known_services", each with all that struct service has.
 * Pure.
 */
#pragma once

#include "base/buf.h"
#include "model/scan.h"

#include <jansson.h>

/* Appends `,"known_services":[...]`; nothing while ports of a host are to be asked, or none is
 * known. */
void scan_saved_format_services(const struct scan *s, struct buf *out);

/*
 * The reverse: makes services[] of *s, whose ports are all known, when `list` is not NULL, and
 * fills in those that stand in it. 0, -ENOMEM, or -EINVAL: it is no such list.
 */
int scan_saved_take_services(const json_t *list, struct scan *s);
