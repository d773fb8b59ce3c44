/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pending: a change that waits to be confirmed, as STATE_DIR/pending.json keeps it. While it is
 * there, the state `previous` is to come back at the deadline. The policy's files that the change
 * wrote are named with what they were before: a copy beside each, so that putting it back is one
 * rename, and needs no room on the disk.
 */
#pragma once

#include "enforce/states.h"

#include <stddef.h>

enum { PENDING_FILES_LIMIT = 16, PENDING_ID_SIZE = 33, PENDING_BOOT_SIZE = 40 };

struct pending_file {
	char *path;   /* absolute */
	bool existed; /* before the change; its content is in a copy: enforce/pending_files */
};

struct pending {
	char id[PENDING_ID_SIZE];     /* random: no two changes have the same */
	uint32_t state;		      /* to be confirmed */
	uint32_t previous;	      /* comes back otherwise */
	char boot[PENDING_BOOT_SIZE]; /* of which start of the machine the deadline is */
	uint64_t netns;		      /* inode of the network namespace that it is about */
	int64_t deadline_ms;	      /* CLOCK_BOOTTIME: no change of the clock moves it */
	int64_t deadline_s;	      /* the same on the wall's clock when it was set, for people */
	uint32_t window_s;	      /* how long from the start to the deadline */
	struct pending_file files[PENDING_FILES_LIMIT];
	size_t file_count;
};

void pending_done(struct pending *p);

/* Reads it: 1 it is there, 0 nothing is pending, or a negative errno with a sentence. */
int pending_read(const struct states *s, struct pending *ret, struct err *e);
/* Puts it in the place of that which is there, whole or not at all. */
int pending_write(const struct states *s, const struct pending *p, struct err *e);
/* Nothing is pending any more. */
int pending_remove(const struct states *s, struct err *e);

/* The two halves of reading and writing, without the file. -EBADMSG; NULL when out of memory. */
int pending_parse(const char *text, size_t len, struct pending *ret);
char *pending_format(const struct pending *p);

/* A new one, of this start of the machine and this network namespace, without a deadline. 0 or a
 * negative errno with a sentence. */
int pending_begin(struct pending *p, struct err *e);
/* In window_s + more_s seconds from now: more, while it is not loaded yet. */
void pending_set_deadline(struct pending *p, uint32_t window_s, uint32_t more_s);

/* How many milliseconds are left; <= 0: it is over. */
int64_t pending_left_ms(const struct pending *p);
/* Is it of an earlier start of the machine, so that the firewall cannot have it any more? */
bool pending_is_of_old_boot(const struct pending *p);
/* Is it about the network namespace of the calling thread? */
bool pending_is_here(const struct pending *p);
