/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: what comes back, and what is known in the end.
 */
#include "observe/probe_inner.h"

static void answer_sentinel(struct probe_engine *p, uint64_t now_ns, const struct probe *to)
{
	struct sentinel *s = &p->sentinels[to->host].slots[to->slot - PROBE_PASS_LIMIT];

	if (!s->sent_ns || s->port != to->port)
		return;
	probe_host_take_rtt(&p->hosts[to->host], now_ns - s->sent_ns);
	probe_rate_answered(&p->rate, s->class);
	probe_end_sentinel(p, to->host, s, false);
}

/* Of an answer to this pass is known when the port was asked. */
static void measure(struct probe_engine *p, uint64_t now_ns, const struct probe *to)
{
	uint64_t value = (uint64_t)to->port * p->wish.host_count + to->host;
	uint64_t place = permutation_place(&p->order, value);

	if (to->slot == p->pass && place < p->place)
		probe_host_take_rtt(&p->hosts[to->host],
				    now_ns - p->times_ns[place / PLACES_PER_TIME]);
}

static void count_answer(struct probe_engine *p, const struct probe *to, enum scan_reply reply)
{
	enum probe_class class = reply == SCAN_SYN_ACK ? PROBE_OPEN : PROBE_CLOSED;
	struct probe_host *h = &p->hosts[to->host];

	if (reply < SCAN_RST)
		return;
	if (!h->answers[class])
		h->sentinel[class] = to->port;
	h->answers[class]++;
	h->found++;
	probe_rate_answered(&p->rate, class);
}

void probe_answer(struct probe_engine *p, uint64_t now_ns, const struct probe *to,
		  enum scan_reply reply)
{
	uint8_t *known;

	if (to->host >= p->wish.host_count || to->port >= p->wish.port_count ||
	    to->slot >= PROBE_SLOT_COUNT || reply < SCAN_HOST_UNREACH)
		return;
	probe_host_hear(&p->hosts[to->host], now_ns);
	if (to->slot >= PROBE_PASS_LIMIT) {
		answer_sentinel(p, now_ns, to);
		return;
	}
	known = &p->wish.hosts[to->host].replies[to->port];
	if (*known >= reply || *known == SCAN_UNASKED)
		return;
	/* a rule of this machine that refuses to send may forge the answer, too (reject) */
	if (*known == SCAN_KEPT_BACK && reply != SCAN_SYN_ACK)
		return;
	if (*known == SCAN_UNSURE) {
		measure(p, now_ns, to);
		p->hosts[to->host].silent--;
		p->answered++;
	}
	*known = (uint8_t)reply;
	count_answer(p, to, reply);
	if (!p->hosts[to->host].silent && !p->hosts[to->host].finished)
		probe_finish_host(p, to->host, SCAN_FINE);
}

void probe_kept_back(struct probe_engine *p, const struct probe *to)
{
	uint8_t *known = &p->wish.hosts[to->host].replies[to->port];
	struct probe_host *h = &p->hosts[to->host];

	if (to->slot >= PROBE_PASS_LIMIT || *known != SCAN_UNSURE)
		return;
	*known = SCAN_KEPT_BACK;
	h->kept_back++;
	h->silent--;
	if (!h->silent && !h->finished)
		probe_finish_host(p, to->host, SCAN_FINE);
}

void probe_spoil_pass(struct probe_engine *p)
{
	p->spoilt = true;
}

void probe_end_host(struct probe_engine *p, uint32_t host, enum scan_trouble trouble)
{
	if (!p->hosts[host].finished)
		probe_finish_host(p, host, trouble);
}

static void conclude_host(const struct probe_host *h, struct scan_host *host, uint32_t port_count)
{
	host->trouble = h->trouble == SCAN_FINE && h->kept_back ? SCAN_KEPT_HERE : h->trouble;
	host->rtt_ms = h->srtt_ns ? (double)h->srtt_ns / 1e6 : -1;
	host->rtt_var_ms = (double)h->rttvar_ns / 1e6;
	host->patience_ms = (double)probe_host_patience(h) / 1e6;
	host->loss = probe_host_loss(h);
	for (uint32_t i = 0; h->trouble == SCAN_FINE && i < port_count; i++)
		if (host->replies[i] == SCAN_UNSURE)
			host->replies[i] = SCAN_NO_REPLY;
}

void probe_conclude(struct probe_engine *p, bool interrupted)
{
	for (uint32_t i = 0; i < p->wish.host_count; i++) {
		if (!p->hosts[i].finished && interrupted)
			probe_finish_host(p, i, SCAN_INTERRUPTED);
		conclude_host(&p->hosts[i], &p->wish.hosts[i], p->wish.port_count);
	}
}

/* The first place that was passed so late that its answer may not have come yet. */
static uint64_t settled_place(const struct probe_engine *p, uint64_t now_ns)
{
	uint64_t patience = probe_patience_ns(p), place = p->place;

	if (p->spoilt)
		return 0;
	while (place && now_ns - p->times_ns[(place - 1) / PLACES_PER_TIME] <= patience)
		place = (place - 1) / PLACES_PER_TIME * PLACES_PER_TIME;
	return place;
}

void probe_remember(const struct probe_engine *p, uint64_t now_ns, struct probe_memory *ret)
{
	*ret = (struct probe_memory){.pass = p->pass,
				     .place = settled_place(p, now_ns),
				     .spent_ns = now_ns - p->begun_ns,
				     .rate = p->rate.rate};
	for (uint32_t i = 0; i < p->wish.host_count; i++)
		ret->hosts[i] = p->hosts[i];
}

struct probe_progress probe_progress(const struct probe_engine *p)
{
	return (struct probe_progress){.sent = p->sent,
				       .answered = p->answered,
				       .asked = p->place,
				       .total = p->order.count,
				       .pass = p->pass + 1,
				       .rate = p->rate.rate};
}
