/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_scan: a scan for programs: portero.scan/1, and parts of it. */
#pragma once

#include "model/scan.h"

#include <jansson.h>

/* portero.scan/1: what a scan found; `by_connect`: how it asked. 0 or -ENOMEM. */
int json_scan_print(const struct scan *s, bool by_connect, int64_t begun_s);

/* A member of "ports", and of "hosts": new references, NULL when out of memory. */
json_t *json_scan_port(const struct scan *s, size_t host, size_t port);
json_t *json_scan_host(const struct scan *s, const struct scan_host *host);
/* What speaks there, in short: name, product, version, confidence, end, tls; NULL: null. */
json_t *json_scan_service(const struct service *s);
/* All that is known of what speaks there. */
json_t *json_scan_service_whole(const struct service *s);
/* RFC 3339, UTC. */
json_t *json_scan_time(int64_t seconds);
