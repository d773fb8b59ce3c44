/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_host: which UDP port of one host is asked next, and what its silence means. Pure: no I/O, no
 * clock; times are nanoseconds, and never go back.
 *
 * A closed port is told by an ICMP error, and hosts send few of those: Linux six at once, then one
 * a second to each address (icmp(7), net.ipv4.icmp_ratelimit), so that of a hundred closed ports
 * asked at once 94 keep silent like an open one. The host's errors are *tokens*, one of which comes
 * at every interval; the interval is learnt from when they were taken.
 *
 * A silence counts (is *good*) only when the host could have refused: when a port that was asked
 * right afterwards was refused, or when it was asked longer after the last token was taken than
 * tokens take to come, and the host has refused something since. Where no port is left that would
 * be refused, one that was is asked once more, as a witness (the *sentinel*). All ports are asked
 * once at the speed of the link, since what is open answers at once; then what is silent is asked
 * again whenever a token is due.
 */
#pragma once

#include "observe/probe_host.h"

#include <stdbool.h>
#include <stdint.h>

struct udp_port {
	uint32_t asked; /* when, the last time: ticks (udp_silence) */
	uint8_t asks, good;
	uint8_t waiting; /* asks that count when the host refuses something, in this `era` */
	uint8_t era;
};

struct udp_ask {
	uint32_t asked, port;
};

enum udp_phase {
	UDP_FIRST, /* all ports, once */
	UDP_QUIET, /* and again: the host has refused nothing yet */
	UDP_FREE,  /* it may have tokens left: as fast as it refuses */
	UDP_TIMED, /* it has none: whenever one is due */
	UDP_FINISHED,
};

struct udp_host {
	struct udp_port *ports;
	uint32_t port_count, unresolved, silent;
	uint32_t *queue; /* a ring of ports to be asked, those first that were asked least */
	uint32_t queue_head, queue_count;
	struct udp_ask *asks; /* a ring of those not judged yet, in order */
	uint32_t ask_room, ask_head, ask_count;
	enum udp_phase phase;
	uint8_t tries, needed;	  /* silences: as was wished; by what is lost */
	uint32_t pass, pass_left; /* UDP_FIRST, UDP_QUIET */
	uint64_t begun_ns, due_ns, sent_ns;
	uint64_t spread_ns; /* before then, a host that refuses nothing is not done */
	/* tokens: all; since it was seen that none was left, at anchor_ns */
	uint32_t taken, drained;
	uint64_t taken_ns, anchor_ns;	   /* when that was sent which took the last */
	uint64_t interval_ns;		   /* of tokens, at most; 0: not known */
	uint64_t usual_ns;		   /* the same, about so much */
	uint64_t next_ns, step_ns;	   /* when the next is due; until it is tried for again */
	uint32_t group, group_left, tried; /* `tried`: since the last token */
	uint32_t round_asks, round_answers;
	uint32_t sentinel, sentinel_asks;
	bool sentinel_sent, sentinel_due;
	uint32_t kept, lost; /* of answered ports: answers; asks that were not, and should have */
	bool gave_up;	     /* it refused, and does not any more */
	uint32_t given_up;   /* ports that could not be asked */
	unsigned again;	     /* so often those were asked again */
	uint64_t gap_ns;     /* between two requests of a pass, then */
	struct probe_host times;
};

/*
 * `order`: all ports, the most promising first, copied. `tries`: how many good silences make a port
 * silent; more where answers are seen to be lost. `most_asks`: so many are kept to be judged, of 8
 * bytes each. 0 or -ENOMEM; udp_host_done() either way.
 */
int udp_host_init(struct udp_host *h, const uint32_t *order, uint32_t port_count, unsigned tries,
		  uint32_t most_asks, uint64_t now_ns);
void udp_host_done(struct udp_host *h);
/* Is a port to be asked now? *ret_port is set, and taken as asked. */
bool udp_host_next(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port);
/* udp_host_next() has nothing before then; UINT64_MAX: never again. */
uint64_t udp_host_wake_ns(const struct udp_host *h, uint64_t now_ns);
/* A port answered, or was refused (`refused`). */
void udp_host_answer(struct udp_host *h, uint64_t now_ns, uint32_t port, bool refused);
/*
 * The port could not be asked: it is not waited for, and not silent. When all else is known, it is
 * asked again, twice at most and slowly: what kept it back may have been a limit.
 */
void udp_host_give_up(struct udp_host *h, uint32_t port);
/* Was the port asked so often that its silence is known? Not of one that answered. */
bool udp_host_is_silent(const struct udp_host *h, uint32_t port);
/*
 * How many seconds it will take the host to refuse all that is silent, which is the most where some
 * of that is open; negative: not known.
 */
double udp_host_left_s(const struct udp_host *h);
