/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_course: in which order a port is asked, so that the right question comes early: what an
 * answer hinted at, what the port's number says, HTTP and TLS, then all others by how common they
 * are. Pure: no descriptor, no clock.
 */
#pragma once

#include "observe/service_probes.h"

enum { COURSE_HINT_LIMIT = 4 };

struct service_course {
	const struct probes *probes;
	uint16_t port;
	uint8_t over; /* one bit of enum probe_over */
	bool begun, heard;
	bool closed, listened;	  /* at the likeliest request; listened again then */
	uint8_t round, tls_round; /* the second: in which TLS was tried last */
	uint8_t *asked;		  /* for each request: in which round it was asked last; owned */
	int hints[COURSE_HINT_LIMIT];
	unsigned hint_count;
	uint32_t round_trip_ms;
};

/* `over`: PROBE_OVER_TCP or PROBE_OVER_UDP. 0 or -ENOMEM; service_course_done() in every case. */
int service_course_init(struct service_course *c, const struct probes *p, uint16_t port,
			uint8_t over);
void service_course_done(struct service_course *c);

/* An answer says what to ask next; again and again the same is not asked. Returns if it will be. */
bool service_course_hint(struct service_course *c, int event);

/* The request was answered: it is not asked again. */
void service_course_settle(struct service_course *c, int event);

/*
 * The server closed the connection without a word: the same; and it may be one that greets late,
 * and takes no request before.
 */
void service_course_hang_up(struct service_course *c, int event);

/* Perhaps nobody takes the connections: now only what is likely, with patience. */
void service_course_doubt(struct service_course *c);

/* TLS was begun: all may be asked again, inside it. */
void service_course_enter_tls(struct service_course *c);

/* Over UDP: is it asked a second time, should the first be lost? Guesses are so in later rounds. */
bool service_course_asks_twice(const struct service_course *c, int event);

/*
 * What comes next: PROBE_GREETING (listen), PROBE_TLS, a request, or PROBE_NONE at the end;
 * *wait_ms is how long the answer may take to begin.
 */
int service_course_next(struct service_course *c, uint32_t *wait_ms);
