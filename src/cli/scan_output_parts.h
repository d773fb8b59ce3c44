/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_output_parts: a scan in nmap's words, as all of the formats say it. A stranger's texts are
 * made safe here: what comes out is UTF-8 that acts on no terminal.
 */
#pragma once

#include "cli/scan_output.h"

/* nmap has no word for what portero calls rejected: it is filtered, with the reason. */
enum scan_output_state {
	OUTPUT_OPEN,
	OUTPUT_CLOSED,
	OUTPUT_FILTERED,
	OUTPUT_OPEN_FILTERED,
	OUTPUT_UNKNOWN,
	OUTPUT_STATE_COUNT,
};

/* A host, counted. */
struct scan_output_host {
	const struct scan_host *host;
	size_t index;
	bool up;
	const char *reason; /* of being up or not */
	char address[ADDRESS_TEXT_SIZE];
	size_t counts[OUTPUT_STATE_COUNT];
	bool only_open; /* --open */
	bool left_out;	/* by that: all is known, and nothing is or may be open */
};

/* What speaks on a port; empty texts: not known. */
struct scan_output_service {
	struct buf name, product, version, extra, host, os;
	bool tls;	     /* inside TLS from the first byte */
	bool probed;	     /* the port said so; else it is the number's name */
	unsigned confidence; /* 0 to 10 */
};

enum scan_output_state scan_output_state(enum scan_reply reply);
const char *scan_output_state_name(enum scan_output_state state);
const char *scan_output_reason(enum scan_reply reply, bool by_connect);

void scan_output_take_host(const struct scan_report *r, size_t index, struct scan_output_host *ret);
/* Is each port of the state listed? Open ones are, the others when they are few. */
bool scan_output_lists(const struct scan_output_host *h, enum scan_output_state state);
/* How many hosts are up. */
size_t scan_output_count_up(const struct scan_report *r);

/* Fills in *ret, which must be done. */
void scan_output_take_service(const struct scan_report *r, size_t host, size_t port,
			      struct scan_output_service *ret);
void scan_output_service_done(struct scan_output_service *s);
/* Ran any of the buffers out of memory? */
bool scan_output_service_failed(const struct scan_output_service *s);

/* "22,80,8000-8100": of the ports whose reply is `reply`; of all when host is NULL. */
void scan_output_add_ports(const struct scan *s, enum proto proto, const struct scan_host *host,
			   enum scan_reply reply, struct buf *out);
/* The command line, made safe. */
void scan_output_add_command(const struct options *o, struct buf *out);
/* "Fri Nov 27 06:29:03 2026", local time, in every locale. */
void scan_output_add_time(int64_t seconds, struct buf *out);
/* "# portero 1.0 scan initiated ... as: ...\n", and the line at the end. */
void scan_output_add_begin(const struct scan_report *r, struct buf *out);
void scan_output_add_end(const struct scan_report *r, struct buf *out);
/* "1 IP address (1 host up) scanned in 0.98 seconds" */
void scan_output_add_sums(const struct scan_report *r, struct buf *out);
