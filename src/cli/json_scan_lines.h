/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_scan_lines: a scan as it becomes known: portero.scan-line/1, one object in a line, each
 * written at once. What cannot be written ends the scan, and is told when portero ends.
 */
#pragma once

#include "model/scan.h"

#include <signal.h>

struct scan_lines {
	const struct scan *scan;
	volatile sig_atomic_t *stop; /* becomes 1 when nobody can read on */
};

void json_scan_lines_begin(const struct scan_lines *l, bool by_connect, int64_t begun_s);
void json_scan_lines_port(const struct scan_lines *l, size_t host, size_t port);
void json_scan_lines_service(const struct scan_lines *l, size_t host, size_t port);
void json_scan_lines_host(const struct scan_lines *l, size_t host);
void json_scan_lines_end(const struct scan_lines *l);
