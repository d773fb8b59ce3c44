/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/probe_rate.h"

#include <math.h>
#include <string.h>

enum { EPOCH_OUTCOMES = 64, LEAST_OUTCOMES = 16 };

#define SECOND_NS     1e9
#define EPOCH_NS      UINT64_C(10000000)
#define LONG_NS	      UINT64_C(1000000000)
#define BURST_NS      2e6 /* what was not sent for so long is not made good */
#define LEAST_RATE    100.0
#define LOSS_AT_ALL   0.02
#define SLOWER_AT_ALL 0.75

struct probe_rate probe_rate_init(double rate, double cap, bool fixed)
{
	return (struct probe_rate){.rate = fmin(rate, cap),
				   .cap = cap,
				   .fixed = fixed,
				   .credit = 1,
				   .tolerated = LOSS_AT_ALL};
}

uint32_t probe_rate_allows(struct probe_rate *r, uint64_t now_ns)
{
	double most = fmax(1, r->rate * BURST_NS / SECOND_NS);

	if (r->credit_ns)
		r->credit += (double)(now_ns - r->credit_ns) * r->rate / SECOND_NS;
	r->credit = fmin(r->credit, most);
	r->credit_ns = now_ns;
	return r->credit >= 1 ? (uint32_t)r->credit : 0;
}

uint64_t probe_rate_next_ns(const struct probe_rate *r)
{
	return r->credit >= 1
		       ? r->credit_ns
		       : r->credit_ns + (uint64_t)((1 - r->credit) * SECOND_NS / r->rate) + 1;
}

void probe_rate_sent(struct probe_rate *r, uint32_t count)
{
	r->credit -= count;
	r->sent += count;
}

void probe_rate_answered(struct probe_rate *r, enum probe_class class)
{
	r->answers[class]++;
}

void probe_rate_sentinel(struct probe_rate *r, enum probe_class class, bool lost)
{
	if (lost)
		r->lost[class]++;
	else
		r->kept[class]++;
}

static void begin_epoch(struct probe_rate *r, uint64_t at_ns)
{
	r->begin_ns = at_ns;
	r->sent = 0;
	memset(r->answers, 0, sizeof(r->answers));
	memset(r->kept, 0, sizeof(r->kept));
	memset(r->lost, 0, sizeof(r->lost));
}

void probe_rate_pause(struct probe_rate *r, uint64_t now_ns, uint64_t patience_ns)
{
	begin_epoch(r, now_ns + patience_ns);
}

void probe_rate_lower(struct probe_rate *r, double rate)
{
	r->rate = fmax(LEAST_RATE, fmin(r->rate, rate));
	r->slowed = true;
}

static double loss_of(const struct probe_rate *r, unsigned class)
{
	uint32_t outcomes = r->kept[class] + r->lost[class];

	return outcomes >= LEAST_OUTCOMES ? (double)r->lost[class] / outcomes : 0;
}

/*
 * True when fewer packets brought as many answers, or nearly: when the answers are nearer to what
 * they were than to their share in the packets.
 */
static bool judge_trial(struct probe_rate *r, double loss, double sent, double answers)
{
	double share = sent / r->before_sent;

	r->trying = share > SLOWER_AT_ALL; /* the processor did what it liked: once more */
	if (r->trying)
		return false;
	if (answers >= r->before_answers * (1 + share) / 2) {
		r->slowed = true;
		return true;
	}
	r->rate = r->before;
	r->tolerated = fmax(r->tolerated, 1.5 * loss + LOSS_AT_ALL);
	return false;
}

static void begin_trial(struct probe_rate *r, double sent, double answers)
{
	if (!r->trying)
		r->before = r->rate;
	r->trying = true;
	r->before_sent = sent;
	r->before_answers = answers;
	/* what the processor can do may be less than what is allowed */
	r->rate = fmax(LEAST_RATE, fmin(r->rate, sent) / 2);
}

bool probe_rate_adapt(struct probe_rate *r, uint64_t now_ns, uint64_t patience_ns)
{
	uint32_t outcomes = 0;
	double elapsed, loss, sent, answers;
	bool lowered = false;

	if (r->fixed)
		return false;
	if (now_ns < r->begin_ns) { /* answers to what was sent before */
		begin_epoch(r, r->begin_ns);
		return false;
	}
	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++)
		outcomes += r->kept[i] + r->lost[i];
	if (now_ns - r->begin_ns < EPOCH_NS ||
	    (outcomes < EPOCH_OUTCOMES && now_ns - r->begin_ns < LONG_NS))
		return false;
	if (!r->trying)
		r->class = loss_of(r, PROBE_OPEN) > loss_of(r, PROBE_CLOSED) ? PROBE_OPEN
									     : PROBE_CLOSED;
	elapsed = (double)(now_ns - r->begin_ns) / SECOND_NS;
	loss = loss_of(r, r->class);
	sent = (double)r->sent / elapsed;
	answers = (double)r->answers[r->class] / elapsed;
	if (r->trying)
		lowered = judge_trial(r, loss, sent, answers);
	if (loss > r->tolerated && r->rate > LEAST_RATE)
		begin_trial(r, sent, answers);
	else if (loss <= r->tolerated)
		r->rate = fmin(r->cap, r->rate * (r->slowed ? 1.25 : 2));
	begin_epoch(r, now_ns + patience_ns);
	return lowered;
}
