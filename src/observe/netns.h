/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns: finding every network namespace of the machine: those with a name (`ip netns`, Docker),
 * and those that a process lives in. One that is kept alive only by a descriptor or a socket has no
 * way in from here; sock_iter sees its sockets all the same.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netns_entry {
	uint64_t inum;
	char path[300]; /* how to open it: /run/netns/NAME or /proc/PID/ns/net */
	char name[256]; /* of `ip netns`, or "" */
	uint32_t pid;	/* a process inside (the lowest number found), or 0 */
};

struct netns_list {
	struct netns_entry *entries; /* sorted by inum, each inum once; owned */
	size_t count, cap;
	uint32_t unreadable; /* processes whose namespace could not be told */
	int error;	     /* negative errno of a name that could not be opened; 0: none */
};

/* The namespace this process is in; 0 when it cannot be told (no /proc, and not root). */
uint64_t netns_own(void);
/* A descriptor of it, or a negative errno. */
int netns_open_own(void);
/* 0 or a negative errno. */
int netns_list_read(struct netns_list *list, struct err *e);
/*
 * A descriptor of the namespace; where the process that it was found by has ended, by way of
 * another that is in it. -ESRCH when the namespace has gone, or another negative errno.
 */
int netns_open(const struct netns_entry *entry);
void netns_list_done(struct netns_list *list);
