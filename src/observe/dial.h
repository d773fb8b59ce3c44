/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dial: asks a port by connect(), as anybody may who is not root. What is connected is reset at
 * once (SO_LINGER 0): nothing is said, and nothing stays behind in TIME_WAIT.
 */
#pragma once

#include "base/err.h"
#include "observe/probe.h"

#include <stddef.h>
#include <stdint.h>

struct dial;

/* As many at once as this process may have open files. NULL with a sentence. */
struct dial *dial_new(struct err *e);
void dial_free(struct dial *d);
/* How many can be begun now. */
size_t dial_room(const struct dial *d);

/* What came of one: dial_take is told, as probe_answer() wants it. */
typedef void dial_take(const struct probe *probe, enum scan_reply reply, void *context);
struct dial_wish {
	struct probe probe;
	const struct address *to;
	uint16_t port;
	uint64_t until_ns; /* CLOCK_MONOTONIC: then it is given up */
};

/*
 * Begins one. What cannot be begun now counts as lost. False: this machine has no way there now, so
 * that nothing was sent.
 */
bool dial_begin(struct dial *d, const struct dial_wish *wish, dial_take *take, void *context);
/* Waits until something came of one, or until `wake_ns` (CLOCK_MONOTONIC), and tells all. */
void dial_receive(struct dial *d, uint64_t now_ns, uint64_t wake_ns, dial_take *take,
		  void *context);
/* Gives up those whose time is over. */
void dial_expire(struct dial *d, uint64_t now_ns);
