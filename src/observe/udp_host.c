/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/udp_host.h"
#include "observe/udp_silence.h"

#include <errno.h>
#include <stdlib.h>

#define MS_NS UINT64_C(1000000)

enum {
	LEAST_ASKS = 256,
	FIRST_GROUP = 16,
	MOST_GROUP = 16384,
	SPREAD_MS = 1100, /* over so long a host without refusals is asked */
	SLOW_MS = 300,	  /* so long may a service think */
	FIRST_STEP_MS = 10,
	MOST_STEP_MS = 250,
	LEAST_STEP_MS = 1,
	WITH_SENTINEL = 4, /* ports */
	SENTINEL_LIMIT = 16,
	/* what could not be asked: how often again, after which pause, how far apart, all within */
	AGAIN_LIMIT = 2,
	AGAIN_PAUSE_MS = 1000,
	AGAIN_GAP_MS = 100,
	AGAIN_MS = 5000,
};

static uint64_t patience(const struct udp_host *h)
{
	return probe_host_patience(&h->times);
}

int udp_host_init(struct udp_host *h, const uint32_t *order, uint32_t port_count, unsigned tries,
		  uint32_t most_asks, uint64_t now_ns)
{
	*h = (struct udp_host){.port_count = port_count,
			       .unresolved = port_count,
			       .pass_left = port_count,
			       .queue_count = port_count,
			       .tries = (uint8_t)(tries < UDP_MOST_TRIES ? tries : UDP_MOST_TRIES),
			       .begun_ns = now_ns,
			       .due_ns = now_ns,
			       .spread_ns = now_ns + SPREAD_MS * MS_NS,
			       .ask_room = 4 * port_count,
			       .group = FIRST_GROUP};
	if (h->ask_room > most_asks)
		h->ask_room = most_asks;
	if (h->ask_room < LEAST_ASKS)
		h->ask_room = LEAST_ASKS;
	h->needed = h->tries;
	probe_host_init(&h->times, port_count);
	h->ports = calloc(port_count, sizeof(*h->ports));
	h->queue = calloc(port_count, sizeof(*h->queue));
	h->asks = calloc(h->ask_room, sizeof(*h->asks));
	if (!h->ports || !h->queue || !h->asks)
		return -ENOMEM;
	for (uint32_t i = 0; i < port_count; i++)
		h->queue[i] = order[i];
	return 0;
}

void udp_host_done(struct udp_host *h)
{
	free(h->ports);
	free(h->queue);
	free(h->asks);
	*h = (struct udp_host){0};
}

bool udp_host_is_silent(const struct udp_host *h, uint32_t port)
{
	return h->ports[port].good == UDP_SILENT;
}

/* --- asking -------------------------------------------------------------------------------------
 */

static void note_ask(struct udp_host *h, uint64_t now_ns, uint32_t port)
{
	struct udp_port *p = &h->ports[port];
	uint32_t at = (h->ask_head + h->ask_count) % h->ask_room;

	if (h->ask_count == h->ask_room)
		h->ask_head = (h->ask_head + 1) % h->ask_room;
	else
		h->ask_count++;
	p->asked = udp_silence_tick(h, now_ns);
	p->asks += p->asks < UINT8_MAX;
	if (p->era != (uint8_t)h->taken) {
		p->era = (uint8_t)h->taken;
		p->waiting = 0;
	}
	if (h->phase == UDP_TIMED && now_ns >= h->taken_ns + udp_silence_sure_ns(h) &&
	    p->waiting < UDP_GOOD_LIMIT)
		p->waiting++;
	h->asks[at] = (struct udp_ask){p->asked, port};
	h->sent_ns = now_ns;
	h->round_asks++;
}

/* The first in the queue that is not resolved; false: there is none. */
static bool see_first(struct udp_host *h, uint32_t *ret_port)
{
	for (; h->queue_count; h->queue_count--) {
		struct udp_port *p = &h->ports[h->queue[h->queue_head]];

		if (!udp_silence_is_over(p) && p->good >= h->needed)
			udp_silence_conclude(h, p); /* less is needed than was thought */
		if (!udp_silence_is_over(p)) {
			*ret_port = h->queue[h->queue_head];
			return true;
		}
		h->queue_head = (h->queue_head + 1) % h->port_count;
	}
	return false;
}

/* Asks it, and lines it up again. */
static bool ask_first(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	uint32_t port;

	if (!see_first(h, &port))
		return false;
	h->queue_head = (h->queue_head + 1) % h->port_count;
	h->queue[(h->queue_head + h->queue_count - 1) % h->port_count] = port;
	note_ask(h, now_ns, port);
	*ret_port = port;
	return true;
}

static bool ask_sentinel(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	h->sentinel_sent = true;
	h->sentinel_asks++;
	note_ask(h, now_ns, h->sentinel);
	*ret_port = h->sentinel;
	return true;
}

static void begin_round(struct udp_host *h, uint32_t group)
{
	h->group_left = group < h->unresolved ? group : h->unresolved;
	h->round_asks = h->round_answers = 0;
	h->sentinel_sent = false;
}

/* Each of these: true when *ret_port is to be asked now; else due_ns or the phase was changed. */
typedef bool udp_step(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port);

static bool go_through(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	while (h->pass_left) {
		h->pass_left--;
		if (ask_first(h, now_ns, ret_port))
			return true;
	}
	return false;
}

static void begin_free(struct udp_host *h)
{
	h->phase = UDP_FREE;
	h->group = h->again ? WITH_SENTINEL : FIRST_GROUP;
	begin_round(h, h->group);
}

static void finish_quiet(struct udp_host *h)
{
	uint32_t port;

	while (see_first(h, &port))
		udp_silence_conclude(h, &h->ports[port]);
}

/* All once; and as long as nothing is refused, again. */
static bool step_first(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	if (go_through(h, now_ns, ret_port)) {
		h->due_ns = now_ns + h->gap_ns;
		return true;
	}
	if (now_ns < h->sent_ns + patience(h)) {
		h->due_ns = h->sent_ns + patience(h);
		return false;
	}
	h->pass++;
	if (h->taken) {
		begin_free(h);
		return false;
	}
	h->phase = UDP_QUIET;
	if (h->pass >= h->needed && (h->needed == 1 || now_ns >= h->spread_ns)) {
		finish_quiet(h);
		return false;
	}
	/* the last one: a token has come by then, if one ever does */
	if (h->pass + 1 >= h->needed && h->due_ns < h->spread_ns)
		h->due_ns = h->spread_ns;
	h->pass_left = h->unresolved;
	return false;
}

static void begin_timed(struct udp_host *h)
{
	h->phase = UDP_TIMED;
	h->anchor_ns = h->taken_ns;
	h->drained = 0;
	h->group = 1;
	h->tried = 0;
	h->group_left = 0;
	h->sentinel_asks = 0;
	h->sentinel_due = false;
	h->step_ns = FIRST_STEP_MS * MS_NS;
	h->next_ns = h->taken_ns;
}

/* A group, and behind it the sentinel: does the host still refuse? */
static bool step_free(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	while (h->group_left) {
		h->group_left--;
		if (ask_first(h, now_ns, ret_port))
			return true;
	}
	if (!h->sentinel_sent) {
		h->due_ns = now_ns + patience(h);
		return ask_sentinel(h, now_ns, ret_port);
	}
	if (!h->round_answers) {
		begin_timed(h);
		return false;
	}
	if (h->round_answers > h->round_asks / 2 && h->group < MOST_GROUP && !h->again)
		h->group *= 2;
	begin_round(h, h->group);
	h->due_ns = now_ns + h->gap_ns * (h->group_left + 1);
	return false;
}

static void lengthen_step(struct udp_host *h)
{
	if (h->interval_ns)
		h->step_ns = h->interval_ns / 8 > LEAST_STEP_MS * MS_NS ? h->interval_ns / 8
									: LEAST_STEP_MS * MS_NS;
	else if (h->step_ns < MOST_STEP_MS * MS_NS)
		h->step_ns += h->step_ns / 4;
}

/* All that is silent was asked: now a witness. */
static bool call_witness(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	uint64_t pause = patience(h);

	if (h->sentinel_asks >= SENTINEL_LIMIT &&
	    now_ns - h->taken_ns > SENTINEL_LIMIT / 2 * udp_silence_sure_ns(h)) {
		h->gave_up = true;
		h->phase = UDP_FINISHED;
		return false;
	}
	if (h->sentinel_asks > 2 && pause < udp_silence_sure_ns(h) / 2)
		pause = udp_silence_sure_ns(h) / 2; /* the interval was taken to be too short */
	h->due_ns = now_ns + pause;
	return ask_sentinel(h, now_ns, ret_port);
}

/* Is there one whose silences, should all count, are not enough yet? */
static bool is_one_wanting(struct udp_host *h)
{
	uint32_t port;
	const struct udp_port *p;

	if (!see_first(h, &port))
		return false;
	p = &h->ports[port];
	return p->good + (p->era == (uint8_t)h->taken ? p->waiting : 0U) < h->needed;
}

/* One; but several and the sentinel behind them, as long as the interval is not known. */
static bool try_for_token(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	h->tried++;
	if (h->usual_ns && now_ns < h->taken_ns + h->usual_ns / 2)
		h->next_ns += h->usual_ns / 4; /* of those that are kept there are less */
	lengthen_step(h);
	h->due_ns = now_ns + h->step_ns;
	if (h->interval_ns)
		return ask_first(h, now_ns, ret_port);
	begin_round(h, WITH_SENTINEL);
	h->sentinel_due = true;
	h->due_ns = now_ns;
	return false;
}

/* When a token is due, one; when it is overdue, what was asked may be open: more and more. */
static bool step_timed(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	if (h->group_left) {
		h->group_left--;
		h->due_ns = h->group_left || h->sentinel_due ? now_ns : now_ns + patience(h);
		if (ask_first(h, now_ns, ret_port))
			return true;
	}
	if (h->sentinel_due) {
		h->sentinel_due = false;
		h->due_ns = now_ns + h->step_ns;
		return ask_sentinel(h, now_ns, ret_port);
	}
	if (now_ns + h->usual_ns / 20 < h->next_ns) {
		h->due_ns = h->next_ns - h->usual_ns / 20;
		return false;
	}
	if (now_ns < h->taken_ns + udp_silence_sure_ns(h))
		return try_for_token(h, now_ns, ret_port);
	if (!is_one_wanting(h))
		return call_witness(h, now_ns, ret_port);
	begin_round(h, h->group);
	if (h->group < MOST_GROUP)
		h->group *= 2;
	return false;
}

static bool is_over(struct udp_host *h, uint64_t now_ns)
{
	uint64_t slow = patience(h) > SLOW_MS * MS_NS ? patience(h) : SLOW_MS * MS_NS;

	if (h->unresolved)
		return false;
	if (h->silent && now_ns < h->sent_ns + slow) {
		h->due_ns = h->sent_ns + slow;
		return false;
	}
	return true;
}

static bool ask_again(struct udp_host *h, uint64_t now_ns)
{
	if (!h->given_up || h->again == AGAIN_LIMIT)
		return false;
	h->queue_head = h->queue_count = h->ask_count = 0;
	for (uint32_t i = 0; i < h->port_count; i++)
		if (h->ports[i].good == UDP_GIVEN_UP) {
			h->ports[i] = (struct udp_port){0};
			h->queue[h->queue_count++] = i;
		}
	if (!h->queue_count)
		return false;
	h->again++;
	h->given_up = 0;
	h->unresolved = h->pass_left = h->queue_count;
	h->pass = 0;
	h->phase = UDP_FIRST;
	h->due_ns = now_ns + AGAIN_PAUSE_MS * MS_NS;
	h->spread_ns = h->due_ns + SPREAD_MS * MS_NS;
	h->gap_ns = AGAIN_MS * MS_NS / h->queue_count;
	if (h->gap_ns > AGAIN_GAP_MS * MS_NS)
		h->gap_ns = AGAIN_GAP_MS * MS_NS;
	return true;
}

bool udp_host_next(struct udp_host *h, uint64_t now_ns, uint32_t *ret_port)
{
	static udp_step *const steps[UDP_FINISHED] = {
		[UDP_FIRST] = step_first,
		[UDP_QUIET] = step_first,
		[UDP_FREE] = step_free,
		[UDP_TIMED] = step_timed,
	};

	while (h->phase != UDP_FINISHED) {
		if (is_over(h, now_ns) && !ask_again(h, now_ns)) {
			h->phase = UDP_FINISHED;
			break;
		}
		if (now_ns < h->due_ns)
			return false;
		if (steps[h->phase](h, now_ns, ret_port))
			return true;
	}
	return false;
}

uint64_t udp_host_wake_ns(const struct udp_host *h, uint64_t now_ns)
{
	if (h->phase == UDP_FINISHED)
		return UINT64_MAX;
	return h->due_ns > now_ns ? h->due_ns : now_ns;
}

/* --- answers ------------------------------------------------------------------------------------
 */

/* What came to the first ask only: of a later one it is not known which it answers (Karn). */
static void take_time(struct udp_host *h, uint64_t now_ns, const struct udp_port *p)
{
	uint64_t asked = udp_silence_tick_ns(h, p->asked);

	if (p->asks == 1 && now_ns > asked)
		probe_host_take_rtt(&h->times, now_ns - asked);
}

void udp_host_answer(struct udp_host *h, uint64_t now_ns, uint32_t port, bool refused)
{
	struct udp_port *p = &h->ports[port];

	if (!p->asks)
		return;
	h->round_answers++;
	if (refused && udp_silence_end(h, port)) {
		h->group = 1;
		h->group_left = 0;
		h->due_ns = now_ns;
		h->sentinel_asks = 0;
		h->sentinel_due = false;
	}
	if (h->phase == UDP_FREE && h->sentinel_sent && h->sentinel == port)
		h->due_ns = now_ns;
	if (p->good == UDP_ANSWERED)
		return;
	take_time(h, now_ns, p);
	if (p->good == UDP_SILENT)
		h->silent--;
	else if (p->good == UDP_GIVEN_UP)
		h->given_up--;
	else
		h->unresolved--;
	h->kept++;
	h->lost += p->good == UDP_SILENT     ? h->tries
		   : p->good == UDP_GIVEN_UP ? 0
		   : h->phase == UDP_QUIET   ? p->asks - 1U
					     : p->good;
	p->good = UDP_ANSWERED;
	udp_silence_set_needed(h);
}

void udp_host_give_up(struct udp_host *h, uint32_t port)
{
	struct udp_port *p = &h->ports[port];

	if (p->good == UDP_ANSWERED || p->good == UDP_GIVEN_UP)
		return;
	if (p->good == UDP_SILENT)
		h->silent--;
	else
		h->unresolved--;
	p->good = UDP_GIVEN_UP;
	h->given_up++;
}

double udp_host_left_s(const struct udp_host *h)
{
	if (h->phase == UDP_FINISHED || !h->unresolved)
		return 0;
	if (h->phase != UDP_TIMED || !h->usual_ns)
		return -1;
	return (double)h->usual_ns * h->unresolved / 1e9;
}
