/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach: who can send packets to which port: verdicts, and for each class of sources the intervals
 * of ports that the kernel treats alike. Plain data, made by observe/reach, read by decide/ and
 * cli/.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel does with a new packet. */
enum verdict {
	VERDICT_UNKNOWN,      /* could not be asked, or depends on what the twin does not have */
	VERDICT_ACCEPT,	      /* it gets to where a socket would be looked up, or is forwarded */
	VERDICT_DROP,	      /* silence */
	VERDICT_REJECT,	      /* a refusal: TCP RST or an ICMP error */
	VERDICT_RATE_LIMITED, /* some get through and some do not: limits, quotas, counts, chance */
	VERDICT_COUNT,
};
const char *verdict_id(enum verdict verdict); /* "accept", ...: in JSON; never NULL */
/* All packets, or some of them. */
bool verdict_lets_in(enum verdict verdict);

/* Never CLOSED when it was not looked at. */
enum port_state {
	PORT_UNKNOWN,
	PORT_OPEN,     /* somebody listens, and packets from somewhere reach it */
	PORT_FILTERED, /* somebody listens; from outside, packets are dropped on the way */
	PORT_REJECTED, /* ... are refused on the way */
	PORT_CLOSED,   /* nobody listens */
	PORT_STATE_COUNT,
};
const char *port_state_id(enum port_state state); /* "open", ...: in JSON */

/* Everything of a packet but the port that it knocks at. */
struct flow {
	uint32_t ifindex; /* where it comes in; 0: the machine sends it to itself */
	enum proto proto; /* PROTO_TCP: a SYN; PROTO_UDP: a datagram */
	struct address source, destination;
	uint16_t source_port; /* 0: an ordinary one */
	bool group;	      /* destination: a multicast group, or a broadcast address */
	bool replied;	      /* a SYN that the machine takes is also to be answered (see reply) */
	bool again; /* the machine's own: what nothing becomes of is sent once more, as by TCP */
	bool exact; /* ... by somebody who listens: rules may tell that from a refusal */
};

/* What became of the machine's answer to a SYN that it took. */
enum reply {
	REPLY_NOT_ASKED,
	REPLY_NONE,	/* it made none, and why is not known */
	REPLY_NO_ROUTE, /* it made none: no route leads back to the sender */
	REPLY_DROPPED,	/* rules dropped it on its way out */
	REPLY_SOME,	/* ... but not to another port of the sender */
	REPLY_SENT,	/* it passed all rules of output and postrouting */
	REPLY_LEFT, /* it was seen behind the interface; of the machine's own: where it arrives */
};

/* What one kernel did with one packet. */
struct outcome {
	enum verdict verdict;  /* ACCEPT, DROP, REJECT; UNKNOWN: the packet could not be sent */
	bool forwarded;	       /* ACCEPT: on its way through the machine, not to it */
	struct address target; /* ACCEPT: destination after NAT */
	uint16_t target_port;
	uint32_t out_ifindex; /* ACCEPT, forwarded: where it leaves */
	enum reply reply;     /* ACCEPT, to the machine, when the flow asks for it */
};

/* How far a source is; the order is the order of width. */
enum source_class {
	SOURCE_HOST,	 /* this machine */
	SOURCE_LINK,	 /* the networks that the machine is attached to */
	SOURCE_PRIVATE,	 /* RFC 1918, RFC 6598 (CGNAT), RFC 4193 (ULA) */
	SOURCE_INTERNET, /* any other */
	SOURCE_LISTED,	 /* addresses that the rules themselves mention */
	SOURCE_FORGED,	 /* ... of networks behind another interface: forged, or come by a detour */
	SOURCE_CLASS_COUNT,
};
const char *source_class_id(enum source_class class); /* "host", "link", ... */
/* LISTED, FORGED: a part of another class (see reach_class.within). */
bool source_class_is_part(enum source_class class);
/* How much of the world it is, for comparing: host 0, forged, link, listed, private, internet. */
unsigned source_class_rank(enum source_class class);

/* Ports that are treated alike. Those of a list cover 1-65535 without a gap. */
struct reach_interval {
	uint16_t first, last;
	enum verdict verdict;
	bool forwarded;	       /* accepted on the way to another machine or container */
	bool shifts;	       /* target_port is that of `first`; the others follow it one by one */
	bool nat;	       /* the destination was rewritten: target says to what */
	bool several;	       /* forwarded: some of its packets may get to other targets */
	struct address target; /* destination as it arrives, when accepted */
	uint16_t target_port;  /* of `first` (see shifts) */
	uint32_t out_ifindex;
	struct address gateway; /* forwarded: that it goes to there; family 0: to none */
	uint32_t why_str; /* why it is unknown or rate-limited: a sentence; 0: nothing to say */
};

/* What one group of sources gets, at one interface, family, protocol and destination. */
struct reach_class {
	enum source_class source_class;
	enum source_class within; /* of a part: the class whose addresses it is a part of */
	uint32_t ifindex;	  /* 0: the machine itself */
	uint32_t ifname_str;
	enum proto proto;
	struct address source;	    /* the representative that was asked with */
	struct address destination; /* of the machine, or of a container behind it */
	bool behind;		    /* destination is not the machine's own */
	uint32_t leads_to;    /* behind: the interface to which its route leads; 0: who knows */
	uint32_t others_str;  /* why some of its sources may get in where this one does not; or 0 */
	uint32_t sources_str; /* who is meant, in words: "10.0.0.0/8, @blocklist"; 0: class */
	uint32_t first_interval, interval_count;
};

struct reach_gap {
	uint32_t what_str, why_str, remedy_str;
};

/* A listening socket that something else filters, once the packets are let in. */
struct reach_filtered {
	uint32_t socket; /* index into sockets[] of the snapshot */
	uint32_t why_str;
};

struct reach {
	struct strpool strings;
	bool complete;	     /* nothing is unknown that the twin should have known */
	bool available;	     /* there was a twin; false: every verdict is unknown, gaps say why */
	uint32_t generation; /* of nf_tables, that was seen */
	/* sentences for what the twin cannot tell, when it lets packets out to other namespaces: */
	uint32_t untied_str;  /* none that has the address is behind the interface */
	uint32_t several_str; /* more than one is, and not all of them listen */
	uint32_t apart_str;   /* the namespace is behind none of this machine's interfaces */
	struct reach_class *classes;
	size_t class_count, class_cap;
	struct reach_interval *intervals;
	size_t interval_count, interval_cap;
	struct reach_gap *gaps;
	size_t gap_count, gap_cap;
	struct reach_filtered *filtered; /* by socket */
	size_t filtered_count, filtered_cap;
};

void reach_done(struct reach *r);
const char *reach_text(const struct reach *r, uint32_t str);
/* Append one, zeroed; valid until the next append; NULL when out of memory. */
struct reach_class *reach_add_class(struct reach *r);
struct reach_interval *reach_add_interval(struct reach *r);
/* Adds a gap once; complete becomes false. */
void reach_add_gap(struct reach *r, const char *what, const char *why, const char *remedy);
/* Adds a socket that something filters; to be called in the order of the sockets. */
void reach_add_filtered(struct reach *r, uint32_t socket, const char *why);
/* Why it cannot be told whether packets get to the socket (of strings); 0: they do. */
uint32_t reach_filtered_why(const struct reach *r, uint32_t socket);
/* The interval of a class that has the port; NULL when the class has none (port 0). */
const struct reach_interval *reach_find(const struct reach *r, const struct reach_class *class,
					uint16_t port);
