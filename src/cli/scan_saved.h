/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_saved: a scan that is under way as text, so that another process can go on with it: JSON,
 * portero.scan-state/1, for portero alone. Pure: the file is cli/scan_saving's. Who is to be asked
 * stands in it: the scope must be looked at again.
 *
 * A host's replies are a letter for each port, with a number behind it when several in a row are
 * the same: "r21s1..." is written "r21sr".
 */
#pragma once

#include "base/buf.h"
#include "observe/scan.h"

enum {
	SCAN_SAVED_PROBE_LIMIT = 1 << 26, /* addresses times ports: a byte each, at most */
	SCAN_SAVED_FILE_LIMIT = 128 << 20,
};

/* What was asked for, and how far it is, beside the hosts of the scan. */
struct scan_saved {
	int64_t begun_s; /* since 1970 */
	bool connect, services;
	double rate, max_rate; /* as in struct scan_wish */
	uint32_t host_timeout_s;
	struct scan_memory memory;
};

/* Appends it. */
void scan_saved_format(const struct scan_saved *state, const struct scan *s, struct buf *out);

/*
 * The reverse; any bytes will do. Makes *s, which must be done in every case. 0, or -EINVAL or
 * -ENOMEM with a sentence, which begins with `path`.
 */
int scan_saved_parse(const char *path, const char *text, size_t len, struct scan_saved *ret,
		     struct scan *s, struct err *e);
