/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: the passes and the sentinels of a scan. How a host is judged stands in observe/probe_host,
 * how fast it may go in observe/probe_rate.
 *
 * There is no state for a packet: a reply byte for each port, and when each 64th place of the order
 * was passed. The order can be turned round (observe/permutation), which tells when a port was
 * asked.
 */
#include "observe/probe.h"
#include "observe/probe_inner.h"

#include <stdlib.h>

enum {
	SENTINEL_EVERY = 64,   /* packets */
	SENTINEL_SELDOM = 512, /* where answers are lost: then so may be what ends them */
	SENTINELS_OUT = 64,    /* at most, of a host */
	SKIP_LIMIT = 1 << 18,  /* places gone through in one call, so that answers are read */
};

#define WAKE_NS	     UINT64_C(100000000)
#define LONG_PASS_NS UINT64_C(10000000000) /* what is still lost in a pass so slow is lost */

static uint64_t target_count(const struct probe_engine *p)
{
	return (uint64_t)p->wish.host_count * p->wish.port_count;
}

/* What is counted of a host's replies: ports may be known already. */
static void count_known(struct probe_engine *p, uint32_t number)
{
	const struct scan_host *host = &p->wish.hosts[number];
	struct probe_host *h = &p->hosts[number];

	h->silent = p->wish.port_count;
	h->kept_back = 0;
	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++)
		h->answers[i] = 0;
	for (uint32_t i = 0; i < p->wish.port_count; i++) {
		enum probe_class class =
			host->replies[i] == SCAN_SYN_ACK ? PROBE_OPEN : PROBE_CLOSED;

		h->silent -= host->replies[i] > SCAN_UNSURE;
		h->kept_back += host->replies[i] == SCAN_KEPT_BACK;
		if (host->replies[i] < SCAN_RST)
			continue;
		if (!h->answers[class])
			h->sentinel[class] = i;
		h->answers[class]++;
	}
	h->finished |= !h->silent;
	p->left -= h->finished;
}

static void recall(struct probe_engine *p, const struct probe_memory *memory, uint64_t now_ns)
{
	p->pass = memory->pass;
	p->place = memory->place;
	p->begun_ns = now_ns > memory->spent_ns ? now_ns - memory->spent_ns : 0;
	p->last_sent_ns = now_ns;
	if (!p->wish.fixed_rate)
		p->rate = probe_rate_init(memory->rate, p->wish.max_rate, false);
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		p->hosts[i] = memory->hosts[i];
}

static void set_up(struct probe_engine *p, uint64_t now_ns)
{
	p->begun_ns = p->looked_ns = p->pass_begun_ns = now_ns;
	p->left = p->wish.host_count;
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		probe_host_init(&p->hosts[i], p->wish.port_count);
	if (p->wish.memory)
		recall(p, p->wish.memory, now_ns);
	p->wish.memory = NULL;
	for (uint32_t i = 0; i < p->wish.host_count; i++) {
		p->hosts[i].least_ns = p->wish.patience_ns;
		probe_host_hear(&p->hosts[i], now_ns);
	}
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		count_known(p, i);
	if (p->left == 0)
		p->phase = PHASE_FINISHED;
}

struct probe_engine *probe_new(const struct probe_wish *wish, uint64_t now_ns)
{
	struct probe_engine *p = calloc(1, sizeof(*p));

	if (!p || !wish->host_count || !wish->port_count) {
		free(p);
		return NULL;
	}
	p->wish = *wish;
	p->order = permutation_init(target_count(p), wish->seed);
	p->rate = probe_rate_init(wish->rate, wish->max_rate, wish->fixed_rate);
	p->times_ns = calloc(target_count(p) / PLACES_PER_TIME + 1, sizeof(*p->times_ns));
	p->sentinels = calloc(wish->host_count, sizeof(*p->sentinels));
	if (p->times_ns && p->sentinels) {
		set_up(p, now_ns);
		return p;
	}
	probe_free(p);
	return NULL;
}

void probe_free(struct probe_engine *p)
{
	if (!p)
		return;
	free(p->times_ns);
	free(p->sentinels);
	free(p);
}

bool probe_finished(const struct probe_engine *p)
{
	return p->phase == PHASE_FINISHED;
}

uint64_t probe_patience_ns(const struct probe_engine *p)
{
	uint64_t longest = 0;

	for (uint32_t i = 0; i < p->wish.host_count; i++) {
		uint64_t one = probe_host_patience(&p->hosts[i]);

		if (!p->hosts[i].finished && one > longest)
			longest = one;
	}
	return longest;
}

void probe_finish_host(struct probe_engine *p, uint32_t host, enum scan_trouble trouble)
{
	p->hosts[host].finished = true;
	p->hosts[host].trouble = trouble;
	p->left--;
	if (p->left == 0)
		p->phase = PHASE_FINISHED;
}

/* --- sentinels ---------------------------------------------------------------------------------
 */

void probe_end_sentinel(struct probe_engine *p, uint32_t host, struct sentinel *s, bool lost)
{
	struct probe_host *h = &p->hosts[host];

	h->lost_in_row += lost;
	if (lost)
		h->lost[s->class]++;
	else
		h->kept[s->class]++;
	probe_rate_sentinel(&p->rate, s->class, lost);
	s->sent_ns = 0;
	p->sentinels[host].out--;
}

static void expire_sentinels(struct probe_engine *p, uint64_t now_ns)
{
	for (uint32_t host = 0; host < p->wish.host_count; host++) {
		struct sentinels *all = &p->sentinels[host];
		uint64_t patience = probe_host_patience(&p->hosts[host]);

		for (; all->oldest != all->next; all->oldest++) {
			struct sentinel *s = &all->slots[all->oldest % PROBE_SENTINEL_SLOTS];

			if (s->sent_ns && now_ns - s->sent_ns <= patience)
				break;
			if (s->sent_ns)
				probe_end_sentinel(p, host, s, true);
		}
	}
}

/* Open and closed ports in turn, where there are both. */
static bool choose_class(const struct probe_engine *p, uint32_t host, enum probe_class *ret)
{
	const struct probe_host *h = &p->hosts[host];
	bool open = h->answers[PROBE_OPEN] && !p->wish.gentle, closed = h->answers[PROBE_CLOSED];

	if (open && closed)
		*ret = p->sentinels[host].next & 1 ? PROBE_CLOSED : PROBE_OPEN;
	else
		*ret = open ? PROBE_OPEN : PROBE_CLOSED;
	return open || closed;
}

static bool send_sentinel(struct probe_engine *p, uint64_t now_ns, uint32_t host, struct probe *out)
{
	struct sentinels *all = &p->sentinels[host];
	uint32_t slot = all->next % PROBE_SENTINEL_SLOTS;
	enum probe_class class;

	if (all->out >= SENTINELS_OUT || all->next - all->oldest >= PROBE_SENTINEL_SLOTS ||
	    !choose_class(p, host, &class))
		return false;
	all->slots[slot] = (struct sentinel){
		.sent_ns = now_ns, .port = p->hosts[host].sentinel[class], .class = class};
	all->next++;
	all->out++;
	*out = (struct probe){.host = host,
			      .port = all->slots[slot].port,
			      .slot = (uint16_t)(PROBE_PASS_LIMIT + slot)};
	return true;
}

static uint32_t sentinel_interval(const struct probe_host *h)
{
	return h->lost[PROBE_OPEN] || h->lost[PROBE_CLOSED] ? SENTINEL_SELDOM : SENTINEL_EVERY;
}

/* --- passes ------------------------------------------------------------------------------------
 */

static void begin_pass(struct probe_engine *p, uint64_t now_ns)
{
	p->pass++;
	p->place = 0;
	p->spoilt = false;
	p->pass_sent = 0;
	p->pass_begun_ns = now_ns;
	p->phase = PHASE_ASKING;
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		probe_host_begin_pass(&p->hosts[i]);
}

/* The rate is lower now: what was lost before says nothing. */
static void forget_loss(struct probe_engine *p)
{
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		probe_host_forget_loss(&p->hosts[i]);
}

/*
 * A pass that was over before the rate could be adapted may still have been too fast: then the
 * next one takes twice as long, until more answers come.
 */
static void slow_down(struct probe_engine *p, uint64_t pass_ns)
{
	probe_rate_lower(&p->rate, (double)p->pass_sent / ((double)pass_ns / 1e9) / 2);
	forget_loss(p);
}

static void judge_host(struct probe_engine *p, uint32_t host, bool last)
{
	struct probe_host *h = &p->hosts[host];

	h->tries += !p->spoilt;
	if (probe_host_is_sure(h))
		probe_finish_host(p, host, SCAN_FINE);
	else if (last || p->pass + 1 == PROBE_PASS_LIMIT)
		probe_finish_host(p, host, SCAN_LOSSY);
}

static void judge_hosts(struct probe_engine *p, uint64_t now_ns)
{
	uint64_t pass_ns = now_ns - p->pass_begun_ns;
	bool hurried = false;

	for (uint32_t i = 0; i < p->wish.host_count; i++) {
		bool this_is = probe_host_is_hurried(&p->hosts[i]);

		if (p->hosts[i].finished)
			continue;
		judge_host(p, i, this_is && pass_ns > LONG_PASS_NS);
		hurried |= this_is && !p->hosts[i].finished;
	}
	if (hurried && !p->wish.fixed_rate)
		slow_down(p, pass_ns);
}

static void end_silent_hosts(struct probe_engine *p, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		if (!p->hosts[i].finished && probe_host_fell_silent(&p->hosts[i], now_ns))
			probe_finish_host(p, i, SCAN_LOSSY);
}

static void time_out_hosts(struct probe_engine *p, uint64_t now_ns)
{
	if (!p->wish.host_timeout_ns || now_ns - p->begun_ns < p->wish.host_timeout_ns)
		return;
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		if (!p->hosts[i].finished)
			probe_finish_host(p, i, SCAN_TIMED_OUT);
}

static uint64_t pass_end_ns(const struct probe_engine *p)
{
	return p->last_sent_ns + probe_patience_ns(p);
}

bool probe_will_judge(const struct probe_engine *p, uint64_t now_ns)
{
	return p->phase == PHASE_WAITING && now_ns > pass_end_ns(p);
}

/* When the host should get sentinels, because too little is known of it; UINT64_MAX: never. */
static uint64_t sentinels_due_ns(const struct probe_engine *p, uint32_t host)
{
	const struct probe_host *h = &p->hosts[host];

	if (h->finished || p->sentinels[host].out >= SENTINELS_OUT ||
	    p->sentinels[host].out >= probe_host_wants(h, p->wish.gentle))
		return UINT64_MAX;
	return p->asked_ns + probe_host_usual(h);
}

/* While the last answers are waited for, those of which too little is known are asked for it. */
static size_t fill_up_sentinels(struct probe_engine *p, uint64_t now_ns, struct probe *out,
				size_t room)
{
	size_t count = 0;

	for (uint32_t i = 0; i < p->wish.host_count && count < room; i++)
		while (count < room && sentinels_due_ns(p, i) < now_ns &&
		       send_sentinel(p, now_ns, i, &out[count]))
			count++;
	if (count)
		p->last_sent_ns = now_ns;
	return count;
}

/* The next target of the order that has not answered; false: none in this call. */
static bool next_target(struct probe_engine *p, uint64_t now_ns, struct probe *ret)
{
	for (uint64_t stop = p->place + SKIP_LIMIT; p->place < p->order.count && p->place < stop;) {
		uint64_t value = permutation_at(&p->order, p->place);
		uint32_t host = (uint32_t)(value % p->wish.host_count),
			 port = (uint32_t)(value / p->wish.host_count);

		if (p->place % PLACES_PER_TIME == 0)
			p->times_ns[p->place / PLACES_PER_TIME] = now_ns;
		p->place++;
		if (p->hosts[host].finished || p->wish.hosts[host].replies[port] > SCAN_UNSURE)
			continue;
		p->wish.hosts[host].replies[port] = SCAN_UNSURE;
		*ret = (struct probe){.host = host, .port = port, .slot = (uint16_t)p->pass};
		return true;
	}
	return false;
}

static size_t ask(struct probe_engine *p, uint64_t now_ns, struct probe *out, size_t room)
{
	size_t count = 0;

	while (count < room && next_target(p, now_ns, &out[count])) {
		uint32_t host = out[count++].host;

		if (++p->since_sentinel >= sentinel_interval(&p->hosts[host]) && count < room &&
		    send_sentinel(p, now_ns, host, &out[count])) {
			p->since_sentinel = 0;
			count++;
		}
	}
	if (count)
		p->last_sent_ns = p->asked_ns = now_ns;
	if (p->place == p->order.count) {
		p->phase = PHASE_WAITING;
		probe_rate_pause(&p->rate, now_ns, probe_patience_ns(p));
	}
	return count;
}

size_t probe_next(struct probe_engine *p, uint64_t now_ns, struct probe *out, size_t room)
{
	uint32_t allowed;
	size_t count = 0;

	if (p->looked_ns != now_ns) {
		p->looked_ns = now_ns;
		expire_sentinels(p, now_ns);
		end_silent_hosts(p, now_ns);
		time_out_hosts(p, now_ns);
	}
	if (probe_will_judge(p, now_ns)) {
		judge_hosts(p, now_ns);
		if (p->phase == PHASE_WAITING)
			begin_pass(p, now_ns);
	}
	allowed = probe_rate_allows(&p->rate, now_ns);
	room = allowed < room ? allowed : room;
	if (p->phase == PHASE_ASKING) {
		if (probe_rate_adapt(&p->rate, now_ns, probe_patience_ns(p)))
			forget_loss(p);
		count = ask(p, now_ns, out, room);
	} else if (p->phase == PHASE_WAITING) {
		count = fill_up_sentinels(p, now_ns, out, room);
	}
	probe_rate_sent(&p->rate, (uint32_t)count);
	p->sent += count;
	p->pass_sent += count;
	return count;
}

uint64_t probe_wake_ns(const struct probe_engine *p, uint64_t now_ns)
{
	uint64_t may_send = probe_rate_next_ns(&p->rate), wake = may_send;

	if (p->phase == PHASE_WAITING) {
		wake = pass_end_ns(p) + 1;
		for (uint32_t i = 0; i < p->wish.host_count; i++) {
			uint64_t due = sentinels_due_ns(p, i);

			due = due < may_send ? may_send : due;
			wake = due < wake ? due + 1 : wake;
		}
	}
	return wake < now_ns + WAKE_NS ? wake : now_ns + WAKE_NS;
}
