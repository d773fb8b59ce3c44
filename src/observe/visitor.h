/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * visitor: somebody outside of this machine, for looking at it from there: a network namespace of
 * its own, joined with the machine by a pair of interfaces. What the visitor sends comes in like
 * any packet from a network, by an interface that no rule names. The machine gets that interface,
 * without an address, and a route to the visitor; both are gone with visitor_close(), or with the
 * process, however it ends.
 */
#pragma once

#include "base/err.h"
#include "model/port.h"

#include <net/if.h>
#include <stdint.h>

enum { VISITOR_SOURCES = 32 };

struct visitor {
	int ns;		  /* a descriptor of the namespace, for ns_run() */
	uint32_t ifindex; /* the machine's end */
	char ifname[IFNAMSIZ];
	struct address ip4, ip6; /* the visitor's; family 0: the machine has no such family */
	struct address sources[VISITOR_SOURCES]; /* IPv4: more of its own, with ip4 */
	uint32_t source_count;
};

/*
 * Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. 0, or a negative errno with a sentence; visitor_close()
 * after success only.
 */
int visitor_open(struct visitor *v, struct err *e);
/*
 * Gives the visitor more addresses of IPv4, as far as they are free: a machine limits what it tells
 * to each. What does not work is not needed.
 */
void visitor_add_sources(struct visitor *v);
void visitor_close(struct visitor *v);
/* The visitor's address of that family; NULL: it has none. */
const struct address *visitor_address(const struct visitor *v, uint8_t family);
