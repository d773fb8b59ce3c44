/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: what a look from outside has found: for every port that was asked, what came back. Plain
 * data: observe/ fills it in, cli/ shows it.
 */
#pragma once

#include "model/port.h"
#include "model/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What came back from a port. The order is that of certainty: a later one replaces an earlier. */
enum scan_reply {
	SCAN_UNASKED,	    /* the scan ended before */
	SCAN_NO_REPLY,	    /* asked, as often as it took to be sure that answers would have come */
	SCAN_UNSURE,	    /* asked, but not often enough: the scan ended, or too much was lost */
	SCAN_KEPT_BACK,	    /* this machine's own rules, or guard, refuse to send there (EPERM) */
	SCAN_HOST_UNREACH,  /* ICMP: no way to the host, or nobody there */
	SCAN_PROHIBITED,    /* ICMP: somebody on the way (or the host) does not allow it */
	SCAN_PORT_UNREACH,  /* ICMP port unreachable: how a firewall refuses */
	SCAN_OTHER_UNREACH, /* another ICMP "unreachable" */
	SCAN_RST,
	SCAN_SYN_ACK,
	/* of UDP: instead of SCAN_NO_REPLY, SCAN_RST and SCAN_SYN_ACK */
	SCAN_UDP_SILENT,
	SCAN_UDP_CLOSED, /* ICMP port unreachable, from the host itself */
	SCAN_UDP_ANSWER,
	/* the same of this machine's own ports that keep silent, joined with the inside */
	SCAN_UDP_BOUND,	  /* a socket is bound there, and the rules let this packet in */
	SCAN_UDP_UNBOUND, /* nobody is, and it is not sent on: the rules swallow the refusal */
	SCAN_UDP_DROPPED, /* the rules drop this packet, whoever is bound */
	SCAN_UDP_OWN,	  /* of this machine: the scan itself asked from that port */
	SCAN_UDP_CHANGED, /* that was not the same before the port was asked and after it, or
			     between */
	SCAN_REPLY_COUNT,
};

enum scan_state {
	SCAN_OPEN,
	SCAN_CLOSED,	    /* the host itself says so: RST; of UDP, ICMP port unreachable */
	SCAN_REJECTED,	    /* refused on the way: an ICMP error */
	SCAN_FILTERED,	    /* silence, although the host's other answers arrive */
	SCAN_OPEN_FILTERED, /* silence of a UDP port, whose server may have nothing to say */
	SCAN_UNKNOWN,
	SCAN_STATE_COUNT,
};

enum scan_state scan_reply_state(enum scan_reply reply);
const char *scan_state_name(enum scan_state state);   /* "open", ...: for machines */
const char *scan_reply_reason(enum scan_reply reply); /* "syn-ack", ... */

/* Why a host was not asked, or not to its end. */
enum scan_trouble {
	SCAN_FINE,
	SCAN_NO_NEIGHBOUR, /* nobody on the attached network has the address */
	SCAN_NO_ROUTE,
	SCAN_NO_HOST,	  /* a broadcast or multicast address */
	SCAN_TIMED_OUT,	  /* --host-timeout */
	SCAN_INTERRUPTED, /* Ctrl-C */
	SCAN_LOSSY,	  /* so much was lost on the way that ports may have been missed */
	SCAN_KEPT_HERE,	  /* some ports are SCAN_KEPT_BACK */
	SCAN_WAY_LOST,	  /* there was a way, which ended or became one that is shared */
	SCAN_TROUBLE_COUNT,
};

struct scan_host {
	struct address address;
	enum scan_trouble trouble;
	bool own;      /* an address of this machine */
	bool done;     /* all was done that could be; not when it was interrupted */
	double rtt_ms; /* smoothed; negative: not known */
	double rtt_var_ms,
		patience_ms; /* with rtt_ms: its variation; how long answers could take */
	uint32_t took_ms;    /* of the time that it may take */
	double loss;	  /* share of the answers that were lost on the way; negative: not known */
	double refusals;  /* of UDP ports, that it sends in a second: its limit; negative: not known
			   */
	uint8_t *replies; /* enum scan_reply of ports[i] of the scan */
};

/* What speaks on an open port. */
struct scan_service {
	uint32_t host, port; /* as in hosts[] and ports[] of the scan */
	struct service found;
};

/* Services that are asked at once: their answers are kept in memory. */
enum { SCAN_SERVICE_LIMIT = 65536 };

/* Of a host with no more silent UDP ports than that, they are asked, too. */
enum { SCAN_SILENT_LIMIT = 16 };

struct scan {
	uint16_t *ports; /* those of TCP, then those of UDP; each ascending, each once */
	size_t port_count;
	size_t tcp_count; /* of them */
	struct scan_host *hosts;
	size_t host_count;
	uint64_t sent, answers; /* packets */
	uint64_t took_ns;
	bool by_connect; /* not by packets */
	bool wants_services;
	struct scan_service *services; /* by host and port */
	size_t service_count;
};

/*
 * Room for the results: every port (of TCP) SCAN_UNASKED. The lists are copied. 0 or -ENOMEM.
 */
int scan_init(struct scan *s, const struct address *hosts, size_t host_count, const uint16_t *ports,
	      size_t port_count);
/* The same; ports[] from tcp_count on are UDP's. */
int scan_init_both(struct scan *s, const struct address *hosts, size_t host_count,
		   const uint16_t *ports, size_t tcp_count, size_t udp_count);
enum proto scan_port_proto(const struct scan *s, size_t port);
void scan_done(struct scan *s);
/* How many ports of the host are in each state. */
void scan_count_states(const struct scan *s, const struct scan_host *host,
		       size_t counts[SCAN_STATE_COUNT]);
/*
 * How many silent TCP ports of the host may be refused by ICMP, as others are: hosts send few of
 * those errors (Linux: six at once, then one a second to each address; icmp(7),
 * net.ipv4.icmp_ratelimit), and the rest of what a rule rejects looks like what a rule drops.
 */
size_t scan_count_maybe_rejected(const struct scan *s, const struct scan_host *host);
/*
 * Makes services[] of the open ports, and of silent UDP ports where they are few
 * (SCAN_SILENT_LIMIT), each SERVICE_UNASKED: not of hosts that answer on every port
 * (scan_host_opens_all), and SCAN_SERVICE_LIMIT at most. 0 or -ENOMEM.
 */
int scan_add_services(struct scan *s);
/* Removes from services[] the ports that are silent still. */
void scan_drop_silent_services(struct scan *s);
/* What is known of an open port; NULL: it is none of services[]. */
const struct service *scan_find_service(const struct scan *s, size_t host, size_t port);
/* How many open ports of the host are none of services[], although they were wanted. */
size_t scan_count_left_out(const struct scan *s, size_t host);
/* Was every port found out that was asked, whatever speaks there? */
bool scan_ports_are_complete(const struct scan *s);
/* Was everything found out that was asked? A host that is not there is an answer, too. */
bool scan_is_complete(const struct scan *s);
/*
 * Does the host answer on nearly every port, which no host of services does: a middlebox or a
 * tarpit? (Of 1,000 ports or more, at least 90 % open.)
 */
bool scan_host_opens_all(const struct scan *s, const struct scan_host *host);
