/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/udp_silence.h"

#include <math.h>

#define MS_NS UINT64_C(1000000)

enum {
	TICK_BITS = 16,		  /* 65.5 us; 2^32 of them are 78 hours */
	NEXT_TO_MS = 20,	  /* "right afterwards" */
	FIRST_INTERVAL_MS = 1000, /* the longest that is usual: Linux, IPv4 */
	LEAST_DRAINED = 3,	  /* tokens: then their interval is known */
	KEPT_TOKENS = 5,
};

#define MISSED 0.01 /* ports that answer and are not heard: expected in a scan */

uint32_t udp_silence_tick(const struct udp_host *h, uint64_t ns)
{
	return (uint32_t)((ns - h->begun_ns) >> TICK_BITS) + 1;
}

uint64_t udp_silence_tick_ns(const struct udp_host *h, uint32_t ticks)
{
	return h->begun_ns + ((uint64_t)(ticks - 1) << TICK_BITS);
}

/* --- what silence means -------------------------------------------------------------------------
 */

/* More silences are needed where answers were lost that should have come. */
void udp_silence_set_needed(struct udp_host *h)
{
	double share = ((double)h->lost + sqrt(h->lost)) / fmax(1, (double)h->kept + h->lost);
	unsigned tries = h->tries;

	while (h->lost && tries < UDP_MOST_TRIES && h->kept * pow(fmin(share, 0.9), tries) > MISSED)
		tries++;
	h->needed = (uint8_t)tries;
}

bool udp_silence_is_over(const struct udp_port *p)
{
	return p->good >= UDP_GIVEN_UP;
}

void udp_silence_conclude(struct udp_host *h, struct udp_port *p)
{
	p->good = UDP_SILENT;
	h->silent++;
	h->unresolved--;
}

static void count_good(struct udp_host *h, struct udp_port *p)
{
	if (udp_silence_is_over(p))
		return;
	if (p->good < UDP_GOOD_LIMIT)
		p->good++;
	if (p->good >= h->needed)
		udp_silence_conclude(h, p);
}

/* How long after one token was taken the next is there for certain. */
uint64_t udp_silence_sure_ns(const struct udp_host *h)
{
	uint64_t interval = h->interval_ns ? h->interval_ns : FIRST_INTERVAL_MS * MS_NS;

	return interval + interval / 4;
}

static uint64_t next_to_ns(const struct udp_host *h)
{
	uint64_t most = NEXT_TO_MS * MS_NS;

	return h->interval_ns && h->interval_ns / 8 < most ? h->interval_ns / 8 : most;
}

/* The port was refused when it was asked at `asked`: what does that say of those before it? */
static void judge(struct udp_host *h, uint32_t port, uint32_t asked)
{
	uint64_t at = udp_silence_tick_ns(h, asked);

	while (h->ask_count) {
		struct udp_ask *ask = &h->asks[h->ask_head];
		uint64_t then = udp_silence_tick_ns(h, ask->asked);

		if (ask->asked > asked)
			return;
		h->ask_head = (h->ask_head + 1) % h->ask_room;
		h->ask_count--;
		if (ask->port == port && ask->asked == asked)
			return;
		if (at - then <= next_to_ns(h) || (h->phase == UDP_TIMED && h->interval_ns &&
						   then >= h->taken_ns + udp_silence_sure_ns(h)))
			count_good(h, &h->ports[ask->port]);
	}
}

/* n tokens came since none was there: at least n - 1 whole intervals have passed. */
static void learn_interval(struct udp_host *h, uint64_t at)
{
	uint64_t most, passed = at - h->anchor_ns;

	h->drained++;
	if (h->drained < LEAST_DRAINED)
		return;
	most = passed / (h->drained - 1) + 1;
	if (h->interval_ns && most >= h->interval_ns)
		return;
	h->interval_ns = most;
	h->usual_ns = passed / h->drained + 1;
}

/*
 * When the next is to be tried for. Those that nobody took are kept, at least some; and where the
 * first try took one, it may have come earlier.
 */
static void set_next(struct udp_host *h, uint64_t at)
{
	uint64_t usual = h->usual_ns ? h->usual_ns : at - h->taken_ns;
	uint64_t saved = KEPT_TOKENS * usual < at ? at - KEPT_TOKENS * usual : 0;

	if (!h->usual_ns || h->next_ns < saved)
		h->next_ns = h->usual_ns ? saved : at;
	h->next_ns += h->tried > 1 ? usual : usual - usual / 8;
	h->tried = 0;
}

bool udp_silence_end(struct udp_host *h, uint32_t port)
{
	uint32_t asked = h->ports[port].asked;
	uint64_t at = udp_silence_tick_ns(h, asked);
	bool is_new = at > h->taken_ns, timed = h->phase == UDP_TIMED && is_new;

	judge(h, port, asked);
	if (timed) {
		learn_interval(h, at);
		set_next(h, at);
	}
	if (is_new)
		h->taken_ns = at;
	h->taken++;
	h->sentinel = port;
	return timed;
}
