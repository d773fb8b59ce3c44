/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_sources_read: the addresses of this machine from which UDP ports are asked in turn
 * (--sources).
 */
#pragma once

#include "base/err.h"
#include "cli/options.h"
#include "model/port.h"

enum { SCAN_SOURCE_LIMIT = 256 };

struct scan_sources {
	struct address items[SCAN_SOURCE_LIMIT];
	uint32_t count;
};

/* 0, or -EINVAL with a sentence. Without the option there are none. */
int scan_sources_read(const struct options *o, struct scan_sources *ret, struct err *e);
