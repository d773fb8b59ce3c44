/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/probe_host.h"

#include <math.h>

enum {
	LEAST_PATIENCE_MS = 20,
	FIRST_PATIENCE_MS = 500,
	MOST_PATIENCE_MS = 3000,
	LEAST_TRIES = 2,
	LEAST_SENTINELS = 64,
	LOSSY_SENTINELS = 128,
	SURPRISE = 4,
	SILENT_SENTINELS = 32, /* of four of five packets lost, 1 in 1,000 scans loses so many */
	SILENT_MS = 5000,
	MORE_SENTINELS = 192, /* where some were lost: how many has to be known well */
};

#define MS_NS	     UINT64_C(1000000)
#define TOLERABLE    1e-4 /* missed ports, expected */
#define LOSS_UNKNOWN 0.2  /* where it cannot be measured */
#define LOSSY	     0.5

void probe_host_init(struct probe_host *h, uint32_t port_count)
{
	*h = (struct probe_host){.silent = port_count, .expected = INFINITY};
}

void probe_host_take_rtt(struct probe_host *h, uint64_t rtt_ns)
{
	uint64_t difference = rtt_ns > h->srtt_ns ? rtt_ns - h->srtt_ns : h->srtt_ns - rtt_ns;

	if (h->srtt_ns == 0) {
		h->srtt_ns = rtt_ns ? rtt_ns : 1;
		h->rttvar_ns = rtt_ns / 2;
		return;
	}
	h->rttvar_ns += difference / 4;
	h->rttvar_ns -= h->rttvar_ns / 4;
	h->srtt_ns += rtt_ns / 8;
	h->srtt_ns -= h->srtt_ns / 8;
}

uint64_t probe_host_usual(const struct probe_host *h)
{
	return h->srtt_ns + h->rttvar_ns;
}

uint64_t probe_host_patience(const struct probe_host *h)
{
	uint64_t patience = h->srtt_ns + 4 * h->rttvar_ns;
	uint64_t least = LEAST_PATIENCE_MS * MS_NS;

	if (h->srtt_ns == 0)
		return FIRST_PATIENCE_MS * MS_NS;
	least = h->least_ns > least ? h->least_ns : least;
	if (patience < least)
		return least;
	return patience < MOST_PATIENCE_MS * MS_NS ? patience : MOST_PATIENCE_MS * MS_NS;
}

/*
 * Two deviations above what was measured (one lost more: the rule of succession). Without any
 * sentinel (open ports are not asked again by connections) no more is known than of a silent host.
 */
static double loss_bound(uint32_t kept, uint32_t lost)
{
	double count = (double)kept + lost, seen = (double)lost + 1;

	return count > 0 ? fmin(1, (seen + 2 * sqrt(seen)) / count) : LOSS_UNKNOWN;
}

static double missed_of_class(const struct probe_host *h, enum probe_class class)
{
	double bound = loss_bound(h->kept[class], h->lost[class]);
	double all_lost = pow(bound, h->tries);

	return fmin(h->silent, fmax(h->answers[class], 1) * all_lost);
}

double probe_host_expect_missed(const struct probe_host *h)
{
	double missed = 0;

	if (!h->answers[PROBE_OPEN] && !h->answers[PROBE_CLOSED])
		return fmin(h->silent, pow(LOSS_UNKNOWN, h->tries));
	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++)
		if (h->answers[i])
			missed += missed_of_class(h, (enum probe_class)i);
	return missed;
}

void probe_host_begin_pass(struct probe_host *h)
{
	h->expected = fmin(h->expected, probe_host_expect_missed(h));
	h->found = 0;
}

bool probe_host_is_sure(const struct probe_host *h)
{
	return !h->silent || (h->tries >= LEAST_TRIES && h->found == 0 &&
			      probe_host_expect_missed(h) <= TOLERABLE);
}

uint32_t probe_host_wants(const struct probe_host *h, bool gentle)
{
	uint32_t wanted = 0;

	for (unsigned i = gentle ? PROBE_CLOSED : PROBE_OPEN; h->silent && i < PROBE_CLASS_COUNT;
	     i++) {
		uint32_t enough = h->lost[i] ? MORE_SENTINELS : LEAST_SENTINELS;

		if (h->answers[i] && h->kept[i] + h->lost[i] < enough)
			wanted += enough - h->kept[i] - h->lost[i];
	}
	return wanted;
}

void probe_host_hear(struct probe_host *h, uint64_t now_ns)
{
	h->lost_in_row = 0;
	h->heard_ns = now_ns;
}

bool probe_host_fell_silent(const struct probe_host *h, uint64_t now_ns)
{
	return h->lost_in_row >= SILENT_SENTINELS && now_ns > h->heard_ns + SILENT_MS * MS_NS;
}

void probe_host_forget_loss(struct probe_host *h)
{
	h->tries = 0;
	h->expected = INFINITY;
	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++)
		h->kept[i] = h->lost[i] = 0;
}

double probe_host_loss(const struct probe_host *h)
{
	double worst = -1;

	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++)
		if (h->kept[i] + h->lost[i])
			worst = fmax(worst, (double)h->lost[i] / (h->kept[i] + h->lost[i]));
	return worst;
}

bool probe_host_is_hurried(const struct probe_host *h)
{
	if (h->found > h->expected + SURPRISE)
		return true;
	for (unsigned i = 0; i < PROBE_CLASS_COUNT; i++) {
		uint32_t count = h->kept[i] + h->lost[i];

		if (count >= LOSSY_SENTINELS && h->lost[i] > LOSSY * count)
			return true;
	}
	return false;
}
