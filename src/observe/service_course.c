/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_course.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	QUICK_ROUND = 1,
	PATIENT_ROUND = 2, /* what is most likely again, for who said nothing at all; not of UDP,
			    * where silence is common, and each is asked twice later */
	LAST_ROUND = 3,	   /* all the others again */
	/* milliseconds, beside some round trips */
	GREETING_MS = 120,	 /* where nothing says that the server speaks first */
	LONG_GREETING_MS = 3000, /* where something does */
	LATE_GREETING_MS = 350,	 /* where the likeliest request was refused without a word */
	QUICK_FIRST_MS = 200,	 /* for what is most likely: HTTP, TLS */
	QUICK_LIKELY_MS = 100,
	QUICK_MS = 50,
	LAST_MS = 200,	     /* the same in the last round */
	LAST_SLOW_MS = 1500, /* for what is known to take its time */
	PATIENT_MS = 2000,
	PATIENT_TLS_MS = 1000,
	/* rarities: the most likely; what is asked patiently; what is likely; what is asked inside
	 * TLS */
	FIRST_RARITY = 1,
	PATIENT_RARITY = 2,
	LIKELY_RARITY = 3,
	TLS_RARITY = 4,
};

int service_course_init(struct service_course *c, const struct probes *p, uint16_t port,
			uint8_t over)
{
	*c = (struct service_course){.probes = p, .port = port, .over = over, .round = QUICK_ROUND};
	c->asked = calloc(p->request_count + 1, 1);
	return c->asked ? 0 : -ENOMEM;
}

void service_course_done(struct service_course *c)
{
	free(c->asked);
}

void service_course_settle(struct service_course *c, int event)
{
	if (event >= 0)
		c->asked[event] = LAST_ROUND;
}

void service_course_hang_up(struct service_course *c, int event)
{
	service_course_settle(c, event);
	c->closed |= event >= 0 && c->probes->requests[event].rarity == FIRST_RARITY && !c->heard;
}

void service_course_doubt(struct service_course *c)
{
	if (c->round == QUICK_ROUND && !c->heard)
		c->round = PATIENT_ROUND;
}

void service_course_enter_tls(struct service_course *c)
{
	c->over = PROBE_OVER_TLS;
	c->begun = false;
	c->heard = false;
	c->closed = false;
	c->listened = false;
	c->round = QUICK_ROUND;
	c->hint_count = 0;
	memset(c->asked, 0, c->probes->request_count);
}

bool service_course_hint(struct service_course *c, int event)
{
	if (event == PROBE_TLS ? c->tls_round == LAST_ROUND || c->over != PROBE_OVER_TCP
			       : event < 0 || c->asked[event] >= c->round)
		return false;
	for (unsigned i = 0; i < c->hint_count; i++)
		if (c->hints[i] == event)
			return true;
	if (c->hint_count == COURSE_HINT_LIMIT)
		return false;
	c->hints[c->hint_count++] = event;
	return true;
}

/* Marks it as asked in the round: those after it, at the earliest, do so again. */
static int ask(struct service_course *c, int event, uint8_t round)
{
	if (event == PROBE_TLS)
		c->tls_round = round;
	else if (event >= 0)
		c->asked[event] = round;
	return event;
}

static uint32_t patience(const struct service_course *c, uint32_t base_ms)
{
	return base_ms + 4 * c->round_trip_ms;
}

/* With all the time that it may want: once is enough. */
static int ask_properly(struct service_course *c, int event, uint32_t *wait_ms)
{
	*wait_ms = patience(c, event >= 0 ? c->probes->requests[event].wait_ms : PROBE_WAIT_MS);
	return ask(c, event, LAST_ROUND);
}

/* The next request of the files that name the port. */
static int named(struct service_course *c, bool alone)
{
	const struct probes *p = c->probes;

	for (size_t i = 0; i < p->file_count; i++) {
		const struct probe_file *f = &p->files[i];

		if (!probes_has_port(p, f, c->port, c->over) || (alone && !f->alone))
			continue;
		for (size_t k = f->request; k < f->request + f->request_count; k++) {
			const struct probe_request *q = &p->requests[k];

			if ((q->over & c->over) && !q->after_greeting && !c->asked[k])
				return (int)k;
		}
	}
	return PROBE_NONE;
}

/* Is the port one on which nothing may be guessed (printers print it)? */
static bool is_alone(const struct service_course *c)
{
	const struct probes *p = c->probes;

	for (size_t i = 0; i < p->file_count; i++)
		if (p->files[i].alone && probes_has_port(p, &p->files[i], c->port, c->over))
			return true;
	return false;
}

static bool has_file(const struct service_course *c, uint8_t over, bool greets)
{
	const struct probes *p = c->probes;

	for (size_t i = 0; i < p->file_count; i++)
		if ((p->files[i].greets || !greets) &&
		    probes_has_port(p, &p->files[i], c->port, over))
			return true;
	return false;
}

/* Is it guessed in this round? */
static bool is_of_round(const struct service_course *c, const struct probe_request *q)
{
	if (!(q->over & c->over) || !q->rarity ||
	    (c->over == PROBE_OVER_TLS && q->rarity > TLS_RARITY))
		return false;
	return c->round == QUICK_ROUND || c->over == PROBE_OVER_UDP ||
	       (q->rarity <= PATIENT_RARITY) == (c->round == PATIENT_ROUND);
}

/* The most common that was not asked in this round. */
static int common(struct service_course *c)
{
	const struct probes *p = c->probes;
	int best = PROBE_NONE;

	for (size_t i = 0; i < p->request_count; i++)
		if (is_of_round(c, &p->requests[i]) && c->asked[i] < c->round &&
		    (best == PROBE_NONE || p->requests[i].rarity < p->requests[best].rarity))
			best = (int)i;
	return best;
}

/* Whether the server is given time to speak first, and how much; nothing is sent meanwhile. */
static bool begin(struct service_course *c, uint32_t *wait_ms)
{
	if (c->begun || c->over == PROBE_OVER_UDP)
		return false;
	c->begun = true;
	*wait_ms = patience(c, GREETING_MS);
	if (has_file(c, c->over, true)) {
		*wait_ms = patience(c, LONG_GREETING_MS);
		return true;
	}
	return !has_file(c, c->over, false) && !has_file(c, PROBE_OVER_TLS, false);
}

static uint32_t guess_patience(const struct service_course *c, int event)
{
	unsigned rarity = event == PROBE_TLS ? FIRST_RARITY : c->probes->requests[event].rarity;

	switch (c->round) {
	case QUICK_ROUND:
		return rarity <= FIRST_RARITY	 ? QUICK_FIRST_MS
		       : rarity <= LIKELY_RARITY ? QUICK_LIKELY_MS
						 : QUICK_MS;
	case PATIENT_ROUND:
		return event == PROBE_TLS ? PATIENT_TLS_MS : PATIENT_MS;
	default:
		return event >= 0 && c->probes->requests[event].wait_ms > PROBE_WAIT_MS
			       ? LAST_SLOW_MS
			       : LAST_MS;
	}
}

static int guess(struct service_course *c, uint32_t *wait_ms)
{
	int event = common(c);

	if (c->over == PROBE_OVER_TCP && c->round != LAST_ROUND && c->tls_round < c->round &&
	    (event == PROBE_NONE || c->probes->requests[event].rarity > FIRST_RARITY))
		event = PROBE_TLS;
	if (c->closed && !c->listened &&
	    (event == PROBE_NONE ||
	     (event >= 0 && c->probes->requests[event].rarity > PATIENT_RARITY))) {
		c->listened = true;
		*wait_ms = patience(c, LATE_GREETING_MS);
		return PROBE_GREETING;
	}
	if (event == PROBE_NONE)
		return event;
	*wait_ms = patience(c, guess_patience(c, event));
	return ask(c, event, c->round);
}

bool service_course_asks_twice(const struct service_course *c, int event)
{
	return c->over == PROBE_OVER_UDP && event >= 0 && c->asked[event] == LAST_ROUND;
}

int service_course_next(struct service_course *c, uint32_t *wait_ms)
{
	bool alone = is_alone(c);
	int event;

	if (c->hint_count) {
		event = c->hints[0];
		memmove(c->hints, c->hints + 1, --c->hint_count * sizeof(c->hints[0]));
		return ask_properly(c, event, wait_ms);
	}
	if (begin(c, wait_ms))
		return PROBE_GREETING;
	if (!alone && c->over == PROBE_OVER_TCP && !c->tls_round &&
	    has_file(c, PROBE_OVER_TLS, false))
		return ask_properly(c, PROBE_TLS, wait_ms);
	event = named(c, alone);
	if (event != PROBE_NONE)
		return ask_properly(c, event, wait_ms);
	if (alone)
		return PROBE_NONE;
	event = guess(c, wait_ms);
	while (event == PROBE_NONE && c->round < LAST_ROUND) {
		c->round++;
		if (c->round != PATIENT_ROUND || !(c->heard || c->over == PROBE_OVER_UDP))
			event = guess(c, wait_ms);
	}
	return event;
}
