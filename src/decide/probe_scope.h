/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_scope: the networks whose ports may be probed, as /etc/portero/scope declares them: a
 * network (or an address) on each line, and behind it who authorised that. '#' begins a comment.
 * Pure.
 */
#pragma once

#include "base/err.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCOPE_FILE_LIMIT = 1 << 20, /* bytes */
	SCOPE_NETWORK_LIMIT = 4096,
};

struct network {
	struct address address; /* with no bit behind the prefix */
	uint8_t bits;
};

struct probe_scope {
	struct network *networks;
	size_t count, cap;
};

/*
 * Parses "10.0.0.0/8", "2001:db8::/32", "192.0.2.7". 0, or -EINVAL with a sentence; *ret on success
 * only. -ENOENT, without a sentence: it is not meant as a network (a name).
 */
int network_parse(const char *text, struct network *ret, struct err *e);

/*
 * Parses the file; `path` is for the sentences ("FILE:LINE: ..."). 0, -EINVAL or -ENOMEM;
 * probe_scope_done() in every case.
 */
int probe_scope_parse(struct probe_scope *s, const char *path, const char *text, size_t len,
		      struct err *e);
void probe_scope_done(struct probe_scope *s);
bool probe_scope_has(const struct probe_scope *s, const struct address *a);
