/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_scan_read: a scan back from what json_scan made of it: by a portero elsewhere, or kept in a
 * file. Nothing in it is trusted: what does not fit is refused, and texts are made fit to be shown.
 */
#pragma once

#include "model/scan.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Fills in *s (scan_init: of which hosts and TCP ports) from a portero.scan/1 of the same hosts;
 * other ports are passed over. With `services`, also what speaks on the open ones (as
 * scan_services_ask() does; what is not told was not asked). 0, -EBADMSG or -ENOMEM.
 */
int json_scan_read(const json_t *root, bool services, struct scan *s);
/* What speaks on a port, into *ret (zeroed by the caller): as json_scan_service_whole() has it. */
void json_scan_read_service(const json_t *from, struct service *ret);
/* An enum scan_reply of its reason; -1: none that this version knows, or NULL. */
int json_scan_read_reply(const char *reason);
