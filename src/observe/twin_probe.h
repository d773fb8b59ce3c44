/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_probe: sends packets into a twin and tells what its kernel did with each: the verdict, where
 * an accepted one would have gone, and which doubts it met. It owns the *sinks*, a table of the
 * twin in which every packet ends that got through all rules. It does not know what the rules are.
 *
 * A packet is written to the TAP of its interface, and when write() returns the kernel has decided;
 * nothing is waited for, and nothing is a matter of time.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "observe/frame.h"
#include "observe/twin_answers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

/* An interface through which packets can be made to come in. */
struct probe_port {
	uint32_t ifindex;
	int tap_fd;		    /* IFF_NO_PI; becomes non-blocking */
	bool tun;		    /* no Ethernet header */
	uint8_t mac[FRAME_MAC_LEN]; /* the interface's own; of a bridge, when this is its port */
};

struct twin_probe;

/*
 * `netns_fd`, `filter` (NETLINK_NETFILTER, in the twin) and the TAPs must live longer than it;
 * `ports` is copied. Loads the sinks, and asks the kernel one thing that must be accepted and one
 * that must not: so there must be no rules yet. NULL with a sentence in *e.
 */
struct twin_probe *twin_probe_new(int netns_fd, struct nl *filter, const struct probe_port *ports,
				  size_t count, struct err *e);
void twin_probe_free(struct twin_probe *p);

/*
 * Loads the sinks (again): to be called after each load of a ruleset that deletes all tables.
 * Replaces those that are there. Who loads rules must call this afterwards, or spare the table
 * "portero_twin" (inet; where the kernel has no inet tables, ip and ip6); else twin_probe() fails
 * with -ENOENT.
 */
int twin_probe_load_sinks(struct twin_probe *p, struct err *e);
/* From now on the sinks are tables of ip and ip6, as on kernels without inet tables (for tests). */
void twin_probe_split_sinks(struct twin_probe *p);

/*
 * Sends one packet of the flow to each of `count` ports, and fills ret[0..count). `met` (may be
 * NULL) is emptied and gets the doubts.
 *
 * flow->ifindex must be one of the ports' (else -ENODEV), or 0: the machine sends it to itself;
 * then a source port of 0 becomes one of 40000-41023, otherwise it is 40000. Verdicts: ACCEPT,
 * REJECT (a RST or an ICMP error "unreachable" came back), DROP (nothing came), UNKNOWN (it could
 * not be sent). Returns 0 or a negative errno, after which *ret has no meaning.
 */
int twin_probe(struct twin_probe *p, const struct flow *flow, const uint16_t *ports, size_t count,
	       struct outcome *ret, struct met_doubts *met, struct err *e);

/* For twin_trace. */
int twin_probe_netns(const struct twin_probe *p);
struct nl *twin_probe_filter(const struct twin_probe *p);
uint32_t twin_probe_next_cookie(const struct twin_probe *p);
/* The interface's name, or "". */
void twin_probe_name(const struct twin_probe *p, uint32_t ifindex, char name[16]);
