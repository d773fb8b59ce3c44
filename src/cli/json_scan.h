/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/scan.h"

/* portero.scan/1: what a scan found; `by_connect`: how it asked. 0 or -ENOMEM. */
int json_scan_print(const struct scan *s, bool by_connect, int64_t begun_s);
