/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_match: does the policy let a new packet in, and by which opening? The meaning of a policy,
 * said once more than in the ruleset that decide/policy_ruleset makes of it: tests hold the two
 * together. Pure; no I/O.
 *
 * - A packet gets in when any opening lets it in: its port, its interface and its source match, and
 *   the opening has not ended.
 * - A protected port that no opening names is open to everybody. An opening of a protected port
 *   never ends for that port.
 * - What the machine sends to itself (interface "lo") always gets in.
 *
 * Not asked here: what becomes of the others (settings.undeclared), DHCP answers, which the ruleset
 * lets in by their two ports, connections that are established, and protocols without ports.
 */
#pragma once

#include "decide/policy_index.h"
#include "model/policy.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_answer {
	POLICY_CLOSED,
	POLICY_RATED, /* up to a rate of new connections of its source, and closed over it */
	POLICY_OPEN,
};

enum { POLICY_NO_OPENING = UINT32_MAX };

/* A network that the machine is attached to. */
struct policy_link {
	uint32_t ifname_str;
	struct address network; /* its bits behind the prefix are zero */
	uint8_t prefix_len;
};

struct policy_links {
	struct strpool strings;
	struct policy_link *items;
	size_t count, cap;
	struct address *own; /* the machine's addresses, each once */
	size_t own_count, own_cap;
	bool has_vrf; /* the machine has a VRF: its own packets may come in by it */
};

/* A new packet, the first of a connection or datagram of a stranger. */
struct policy_packet {
	const char *ifname; /* where it comes in; of a port of a bridge, the bridge */
	struct address source;
	enum proto proto;
	uint16_t port; /* that it arrives at, before any NAT; 1-65535 */
};

/* What every port of one protocol answers to one source. */
struct policy_answers {
	uint8_t answer[65536];	 /* enum policy_answer, by port */
	uint32_t opening[65536]; /* index of the opening that lets in, or POLICY_NO_OPENING */
};

/*
 * The networks of portero's own namespace, but for those of loopback interfaces: of a port of
 * another interface (a bridge, a VRF) also at that one, by whose name its packets come in. Appends;
 * 0 or -ENOMEM.
 */
int policy_links_take(const struct snapshot *s, struct policy_links *links);
/* Appends the network of an address of the machine, and that. A name that no rule can have is left
 * out. 0 or -ENOMEM. */
int policy_links_add(struct policy_links *links, const char *ifname, const struct address *address,
		     uint8_t prefix_len);
void policy_links_done(struct policy_links *links);

/*
 * The best answer of all openings. *ret_opening (may be NULL) is the first opening that gives it,
 * or POLICY_NO_OPENING: nothing lets it in, or it is protected, or the machine's own. Takes time in
 * proportion to the openings.
 */
enum policy_answer policy_match(const struct policy *p, const struct policy_links *links,
				const struct policy_packet *packet, int64_t now_s,
				uint32_t *ret_opening);

/* The same, in proportion to the openings that name the port. */
enum policy_answer policy_match_indexed(const struct policy_index *index,
					const struct policy_links *links,
					const struct policy_packet *packet, int64_t now_s,
					uint32_t *ret_opening);

/* The same for all ports of one protocol at once (packet->port is not read); it takes hardly longer
 * than one port. 0 or -ENOMEM. */
int policy_match_ports(const struct policy *p, const struct policy_links *links,
		       const struct policy_packet *packet, int64_t now_s,
		       struct policy_answers *ret);

/* Does it have the name of an interface that an opening names? The last character of `pattern` may
 * be '*'. A pattern that is no possible name has none. */
bool policy_interface_matches(const char *pattern, const char *ifname);
/* Can it be one: 1 to 15 bytes, without quotes, backslashes, slashes, control characters? */
bool policy_interface_is_possible(const char *name);

/* The networks of SOURCE_PRIVATE, and those of SOURCE_LINK at every interface (169.254.0.0/16,
 * fe80::/10, and 0.0.0.0, from which a machine asks for its address). */
struct policy_network {
	struct address network;
	uint8_t prefix_len;
};
size_t policy_private_networks(const struct policy_network **ret);
size_t policy_link_networks(const struct policy_network **ret);
