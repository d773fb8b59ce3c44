/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_ring: the guard's events, from the ring buffer that it has pinned: read in batches, in the
 * order in which they happened. What is in the ring when a reader comes is from before. What they
 * mean to a person is not its matter.
 *
 * There is one reader at a time: the folder of the pins is locked (flock), since the ring is there
 * only once, wherever a reader keeps its own files.
 */
#pragma once

#include "base/err.h"
#include "bpf/guard_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_ring {
	int dir_fd; /* of the pins; it is locked */
	int ring_fd, counts_fd, epoll_fd, inotify_fd;
	struct guard_config config;   /* as it was when the ring was opened */
	uint8_t *consumer, *producer; /* mapped: a page with a position each; behind the
				       * producer's, the data, twice in a row */
	size_t page, size;
	unsigned long at; /* up to here it was read; the kernel may use what was released */
	uint64_t odd;	  /* records that are no events of this version */
	int64_t active_ms;
};

/* One that is not open, which guard_ring_close() may be given. */
#define GUARD_RING_CLOSED                                                                          \
	((struct guard_ring){                                                                      \
		.dir_fd = -1, .ring_fd = -1, .counts_fd = -1, .epoll_fd = -1, .inotify_fd = -1})

/*
 * Opens the ring that is pinned in the folder `pins`, and locks it. 0, or a negative errno with a
 * sentence: -ENOENT when no guard is there, -EBUSY when another reads. guard_ring_close() in every
 * case.
 */
int guard_ring_open(const char *pins, struct guard_ring *r, struct err *e);
void guard_ring_close(struct guard_ring *r);

/* At most `max` events; 0: there are none now. -EBADMSG: it is no ring of the kernel's. */
int guard_ring_read(struct guard_ring *r, struct guard_event *events, size_t max);
/* What was read is done with: another reader will not get it. */
void guard_ring_release(struct guard_ring *r);
/* How many events there was no room for, since the guard was put up. 0 or a negative errno. */
int guard_ring_lost(const struct guard_ring *r, uint64_t *ret);

/* To be told of by guard_ring_wait(), for `events` of epoll. Files cannot be: no error. */
void guard_ring_add(struct guard_ring *r, int fd, uint32_t events);
enum guard_ring_news {
	GUARD_RING_GONE = 1,  /* the guard was taken away: nothing more will come */
	GUARD_RING_OTHER = 2, /* something that was added */
};
/*
 * Sleeps until there may be events, or something else; at most so long (-1: for ever). Right after
 * an event that is a millisecond, since the kernel does not wake for those that come close together
 * (guard.bpf.c). Bits of enum guard_ring_news, or a negative errno.
 */
int guard_ring_wait(struct guard_ring *r, int timeout_ms);

/*
 * A record as an event: 0, or -EBADMSG when it is none that this version knows, or says what no
 * guard says. Names are terminated. *ret on success only.
 */
int guard_ring_decode(const void *bytes, size_t len, struct guard_event *ret);
/* The process that has locked it, by the text of /proc/locks; 0: none that is seen from here. */
uint32_t guard_ring_find_lock(const char *locks, size_t len, uint32_t major, uint32_t minor,
			      uint64_t inode);
