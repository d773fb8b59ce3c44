/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_look: both looks at this machine, from outside and from inside, and their comparison.
 */
#pragma once

#include "cli/view.h"
#include "decide/scan_targets.h"
#include "decide/verify.h"
#include "observe/visitor.h"

#include <signal.h>

struct verify_look {
	const struct options *options;
	const volatile sig_atomic_t *stop; /* becomes true: it ends early, and concludes nothing */
	struct visitor visitor;		   /* ns is -1 with --from */
	char from[64];			   /* --from: the name of the host; else "" */
	struct address remote;		   /* ... and the address that it comes from */
	uint32_t remote_ifindex;	   /* ... by this interface */
	char remote_ifname[16];
	enum proto proto; /* whose ports: TCP or UDP */
	struct scan_targets targets;
	uint16_t *ports;
	size_t port_count;
	struct view view; /* who listens, in the last look */
	bool with_services;
	struct scan scan;  /* the first look from outside */
	struct scan again; /* the second, of the ports that were disagreed about; or empty */
	struct verify found;
	size_t changed; /* disagreements of the first look that were gone in the second */
	uint64_t took_ms;
};

/*
 * Looks. 0, or a negative errno with a sentence (any, when it was stopped); verify_look_done() in
 * every case. *l is zeroed by the caller but for options, stop, targets and ports, which may be
 * empty: then all of this machine's.
 */
int verify_look_take(struct verify_look *l, struct err *e);
void verify_look_done(struct verify_look *l);
/* Who listens where a difference is, or NULL. */
const struct process_info *verify_look_owner(const struct verify_look *l,
					     const struct verify_difference *d);
/* Could both sides be asked about everything? A port that says nothing was asked. */
bool verify_look_is_complete(const struct verify_look *l);
/* Ports of the first look that were asked; of each address. */
size_t verify_look_asked(const struct verify_look *l);
/* Open ports of which it cannot be told what speaks there. */
size_t verify_look_unnamed(const struct verify_look *l);
