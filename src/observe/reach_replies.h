/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_replies: what rules for packets that go out, and routing, make of the machine's answers.
 */
#pragma once

#include "base/err.h"
#include "observe/rule_constants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mirror;
struct snapshot;

enum { REPLY_PORT_LIMIT = 48 };

struct reach_replies {
	bool rules;  /* some may stop an answer, or tell one from another */
	bool egress; /* there are rules behind those of postrouting */
	bool odd; /* routing may treat a listener of the machine otherwise than one of the twin */
	bool opaque;   /* which ports rules mean is not known */
	bool one_port; /* rules tell the source ports from each other that twin_probe goes through
			*/
	uint16_t ports[REPLY_PORT_LIMIT]; /* of senders: those that rules for output may mean */
	size_t port_count;
	bool more_ports; /* there are more of them */
};

/*
 * To be called when all constants are there. Where rules for output may stop an answer, or send it
 * elsewhere, what they say of destinations is also of senders, what they say of sources also of the
 * machine's addresses, and what of source ports, of the ports that are asked: an answer has these
 * the other way round. 0 or a negative errno.
 */
int reach_replies_find(const struct mirror *m, const struct snapshot *s,
		       const struct ipset_messages *ipsets, struct rule_constants *c,
		       struct reach_replies *ret, struct err *e);
