/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outside_host: what is known of one address as one onlooker saw it, an entry of outside.json: of
 * each TCP port how it looked last, and what was heard there last, each with the look that told it.
 *
 *	{"address": "10.5.0.1", "from": null or "host",
 *	 "looks": [[time, "boot id"], ...],
 *	 "ports": [[first, last, "reason", look(, "kind of disagreement")], ...],
 *	 "services": {"22": {"look": 0, "service": {...}, "contradicts": null}, ...}}
 *
 * Entries are read as if anybody had written them.
 */
#pragma once

#include "cli/outside.h"
#include "decide/verify.h"

#include <jansson.h>

/* An entry's member "looks": when, and in which start of the machine. */
json_t *outside_host_look(int64_t time_s, const char *boot);

/*
 * What a look makes of an entry (NULL: there is none; one that is nonsense counts as none): it
 * counts wherever it could tell something, and where it could not, what was known stays. What was
 * heard on a port goes when the port is open no more. `host` is one of the scan's; a new reference,
 * NULL: out of memory.
 */
json_t *outside_host_merge(const json_t *before, const json_t *look, const char *from,
			   const struct scan *s, size_t host, const struct verify *found);
/*
 * What an entry tells of a port. 1; 0: nothing; -EBADMSG. `boot` is that of this start of the
 * machine.
 */
int outside_host_read(const json_t *entry, uint16_t port, const char *boot,
		      struct outside_port *ret);
