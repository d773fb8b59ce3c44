/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_course.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROUND = 1,
	SECOND_ROUND = 2, /* with patience, for who said nothing at all */
	/* milliseconds, beside some round trips */
	GREETING_MS = 120,	 /* where nothing says that the server speaks first */
	LONG_GREETING_MS = 3000, /* where something does */
	FIRST_MS = 700,		 /* for what is most likely: HTTP, TLS */
	SHORT_MS = 250,		 /* for what is guessed */
	PATIENT_MS = 3000,
	/* rarities: the most likely; what is asked patiently; what is asked inside TLS */
	FIRST_RARITY = 1,
	PATIENT_RARITY = 2,
	TLS_RARITY = 4,
};

int service_course_init(struct service_course *c, const struct probes *p, uint16_t port,
			uint8_t over)
{
	*c = (struct service_course){.probes = p, .port = port, .over = over, .round = FIRST_ROUND};
	c->asked = calloc(p->request_count + 1, 1);
	return c->asked ? 0 : -ENOMEM;
}

void service_course_done(struct service_course *c)
{
	free(c->asked);
}

void service_course_enter_tls(struct service_course *c)
{
	c->over = PROBE_OVER_TLS;
	c->begun = false;
	c->round = FIRST_ROUND;
	c->hint_count = 0;
	memset(c->asked, 0, c->probes->request_count);
}

bool service_course_hint(struct service_course *c, int event)
{
	if (event == PROBE_TLS ? c->tls_tried || c->over != PROBE_OVER_TCP
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

/* Marks it as asked. */
static int ask(struct service_course *c, int event)
{
	if (event == PROBE_TLS)
		c->tls_tried = true;
	else if (event >= 0)
		c->asked[event] = c->round;
	return event;
}

static uint32_t patience(const struct service_course *c, uint32_t base_ms)
{
	return base_ms + 4 * c->round_trip_ms;
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

/* The most common that was not asked in this round. */
static int common(struct service_course *c, unsigned rarity_limit)
{
	const struct probes *p = c->probes;
	int best = PROBE_NONE;

	for (size_t i = 0; i < p->request_count; i++) {
		const struct probe_request *q = &p->requests[i];

		if ((q->over & c->over) && q->rarity && q->rarity <= rarity_limit &&
		    c->asked[i] < c->round &&
		    (best == PROBE_NONE || q->rarity < p->requests[best].rarity))
			best = (int)i;
	}
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

static int guess(struct service_course *c, uint32_t *wait_ms)
{
	unsigned limit = c->over == PROBE_OVER_TLS ? TLS_RARITY : PROBE_RARITY_LIMIT;
	int event;

	if (c->round == SECOND_ROUND)
		limit = PATIENT_RARITY;
	event = common(c, limit);
	if (c->over == PROBE_OVER_TCP && !c->tls_tried &&
	    (event == PROBE_NONE || c->probes->requests[event].rarity > FIRST_RARITY))
		event = PROBE_TLS;
	if (event == PROBE_NONE)
		return event;
	*wait_ms = patience(c, c->round == SECOND_ROUND ? PATIENT_MS
			       : event == PROBE_TLS ||
					       c->probes->requests[event].rarity <= FIRST_RARITY
				       ? FIRST_MS
				       : SHORT_MS);
	return ask(c, event);
}

int service_course_next(struct service_course *c, uint32_t *wait_ms)
{
	bool alone = is_alone(c);
	int event;

	if (c->hint_count) {
		event = ask(c, c->hints[0]);
		memmove(c->hints, c->hints + 1, --c->hint_count * sizeof(c->hints[0]));
		*wait_ms = patience(c, event >= 0 ? c->probes->requests[event].wait_ms
						  : PROBE_WAIT_MS);
		return event;
	}
	if (begin(c, wait_ms))
		return PROBE_GREETING;
	if (!alone && c->over == PROBE_OVER_TCP && !c->tls_tried &&
	    has_file(c, PROBE_OVER_TLS, false)) {
		*wait_ms = patience(c, PROBE_WAIT_MS);
		return ask(c, PROBE_TLS);
	}
	event = named(c, alone);
	if (event != PROBE_NONE) {
		*wait_ms = patience(c, c->probes->requests[event].wait_ms);
		return ask(c, event);
	}
	if (alone)
		return PROBE_NONE;
	event = guess(c, wait_ms);
	if (event == PROBE_NONE && c->round == FIRST_ROUND && !c->heard) {
		c->round = SECOND_ROUND;
		event = guess(c, wait_ms);
	}
	return event;
}
