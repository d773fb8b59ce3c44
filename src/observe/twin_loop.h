/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_loop: packets that a twin sends to itself: raw sockets, through output, lo and input. The
 * loopback interface hands packets on in a softirq, which the kernel may put off; so there is a
 * fence that tells when everything sent before it has been dealt with.
 */
#pragma once

#include "base/err.h"
#include "observe/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct twin_loop {
	int raw4, raw6; /* -1: the kernel has no such family */
	int packet;	/* the fence's, on lo */
	uint64_t fence_count;
	struct twin_affinity *affinity; /* the thread's own, while it is pinned */
};

/* Opens it in the network namespace that the thread is in. 0 or a negative errno. */
int twin_loop_open(struct twin_loop *l, struct err *e);
void twin_loop_close(struct twin_loop *l);

/*
 * Keeps the thread on the processor that it is on, because each has its own queue of packets that
 * wait on lo; and lets it go again. Between the two: twin_loop_send and twin_loop_settle.
 */
int twin_loop_pin(struct twin_loop *l, struct err *e);
void twin_loop_unpin(struct twin_loop *l);

/* Sends a packet (it begins with IP's header) to `destination`. 0; -EPERM: a rule dropped it on its
 * way out; another negative errno: it could not be sent. */
int twin_loop_send(struct twin_loop *l, const void *packet, size_t len,
		   const struct address *destination);
/* Returns when all that was sent, and the kernel's answers to it, have arrived. 0 or a negative
 * errno. */
int twin_loop_settle(struct twin_loop *l, struct err *e);
