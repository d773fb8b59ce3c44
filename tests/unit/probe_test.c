/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: scans of simulated networks, in virtual time: packets and answers are lost, late, twice
 * and in another order, and hosts limit their RSTs. Whatever the weather: no port is missed, none
 * is made up, and the end comes.
 */
#include "observe/probe.h"
#include "unit.h"

#include <math.h>

enum {
	HOSTS = 3,
	PORTS = 400,
	BATCH = 64,
	QUEUE = 1 << 17,
	SEEDS = 10000,
	STEP_LIMIT = 2000000,
};

#define MS_NS UINT64_C(1000000)

struct weather {
	double lost_out, lost_back, twice; /* shares */
	uint64_t delay_ns, jitter_ns;
	double resets_per_s; /* 0: no limit */
};

struct event {
	uint64_t at_ns;
	struct probe to;
	enum scan_reply reply;
};

struct network {
	struct weather weather;
	uint64_t seed;
	uint32_t host_count, port_count;
	uint8_t truth[HOSTS][PORTS]; /* enum scan_reply */
	struct event queue[QUEUE];   /* a heap, the earliest first */
	size_t queued;
	double reset_credit[HOSTS];
	uint64_t reset_ns[HOSTS];
	uint64_t sent;
	unsigned interruptions; /* how often the scan ends, and another process goes on */
};

static struct network network;

static double chance(struct network *n)
{
	return (double)(unit_random(&n->seed) >> 11) / (double)(UINT64_C(1) << 53);
}

static void push(struct network *n, const struct event *e)
{
	size_t at = n->queued++;

	assert_true(n->queued <= QUEUE);
	for (; at && n->queue[(at - 1) / 2].at_ns > e->at_ns; at = (at - 1) / 2)
		n->queue[at] = n->queue[(at - 1) / 2];
	n->queue[at] = *e;
}

static struct event pop(struct network *n)
{
	struct event first = n->queue[0], last = n->queue[--n->queued];
	size_t at = 0;

	for (size_t child; (child = 2 * at + 1) < n->queued; at = child) {
		child += child + 1 < n->queued && n->queue[child + 1].at_ns < n->queue[child].at_ns;
		if (n->queue[child].at_ns >= last.at_ns)
			break;
		n->queue[at] = n->queue[child];
	}
	n->queue[at] = last;
	return first;
}

/* Each host has a bucket of 20. */
static bool may_reset(struct network *n, uint64_t now_ns, uint32_t host)
{
	double *credit = &n->reset_credit[host];

	if (n->weather.resets_per_s == 0)
		return true;
	*credit += (double)(now_ns - n->reset_ns[host]) * n->weather.resets_per_s / 1e9;
	*credit = fmin(*credit, 20);
	n->reset_ns[host] = now_ns;
	if (*credit < 1)
		return false;
	*credit -= 1;
	return true;
}

static uint64_t delay(struct network *n)
{
	return n->weather.delay_ns + (uint64_t)(chance(n) * (double)n->weather.jitter_ns);
}

static void take_probe(struct network *n, uint64_t now_ns, const struct probe *probe)
{
	struct event e = {.to = *probe, .reply = n->truth[probe->host][probe->port]};

	n->sent++;
	if (chance(n) < n->weather.lost_out || e.reply == SCAN_NO_REPLY)
		return;
	if (e.reply == SCAN_RST && !may_reset(n, now_ns, probe->host))
		return;
	for (int i = 0; i < 1 + (chance(n) < n->weather.twice); i++) {
		e.at_ns = now_ns + delay(n);
		if (chance(n) >= n->weather.lost_back)
			push(n, &e);
	}
}

static enum scan_reply random_truth(struct network *n, unsigned kind)
{
	double c = chance(n);

	if (c < 0.03)
		return SCAN_SYN_ACK;
	if (kind == 0) /* answers */
		return SCAN_RST;
	if (kind == 1) /* drops */
		return SCAN_NO_REPLY;
	return c < 0.4 ? SCAN_RST : c < 0.5 ? SCAN_PROHIBITED : SCAN_NO_REPLY;
}

static void make_network(struct network *n, uint64_t seed, const struct weather *weather)
{
	n->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	n->weather = *weather;
	n->host_count = 1 + (uint32_t)(unit_random(&n->seed) % HOSTS);
	n->port_count = 1 + (uint32_t)(unit_random(&n->seed) % PORTS);
	n->queued = 0;
	memset(n->reset_credit, 0, sizeof(n->reset_credit));
	memset(n->reset_ns, 0, sizeof(n->reset_ns)); /* at the epoch: full by now */
	n->sent = 0;
	n->interruptions = 0;
	for (uint32_t h = 0; h < n->host_count; h++)
		for (uint32_t p = 0; p < n->port_count; p++)
			n->truth[h][p] = (uint8_t)random_truth(n, (unsigned)((seed + h) % 3));
}

struct result {
	struct scan_host hosts[HOSTS];
	uint8_t replies[HOSTS][PORTS];
	uint64_t took_ns;
};

/* Another process goes on with it, which can tell nothing of the answers to the one before. */
static struct probe_engine *go_on(struct network *n, const struct probe_wish *base,
				  struct probe_engine *engine, uint64_t *now)
{
	struct probe_memory *memory = malloc(sizeof(*memory));
	struct probe_wish wish = *base;

	assert_non_null(memory);
	probe_remember(engine, *now, memory);
	probe_free(engine);
	n->interruptions--;
	n->queued = 0;
	*now += unit_random(&n->seed) % (1000 * MS_NS);
	wish.memory = memory;
	engine = probe_new(&wish, *now);
	assert_non_null(engine);
	free(memory);
	return engine;
}

/* What has answered is asked again by sentinels only. */
static void assert_not_known(const struct result *r, const struct probe *probe)
{
	assert_true(probe->slot >= PROBE_PASS_LIMIT ||
		    r->replies[probe->host][probe->port] <= SCAN_UNSURE);
}

/* Scans it to the end; returns the virtual time. */
static void scan(struct network *n, const struct probe_wish *base, struct result *ret)
{
	struct probe_wish wish = *base;
	uint64_t begun = 5 * 1000 * MS_NS, now = begun;
	struct probe_engine *engine;
	struct probe out[BATCH];

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < n->host_count; i++)
		ret->hosts[i].replies = ret->replies[i];
	wish.hosts = ret->hosts;
	wish.host_count = n->host_count;
	wish.port_count = n->port_count;
	wish.seed = n->seed;
	engine = probe_new(&wish, now);
	assert_non_null(engine);
	for (unsigned step = 0; !probe_finished(engine); step++) {
		uint64_t next;
		size_t count;

		assert_true(step < STEP_LIMIT);
		while (n->queued && n->queue[0].at_ns <= now) {
			struct event e = pop(n);

			probe_answer(engine, now, &e.to, e.reply);
		}
		if (n->interruptions && chance(n) < 0.1)
			engine = go_on(n, &wish, engine, &now);
		count = probe_next(engine, now, out, BATCH);
		for (size_t i = 0; i < count; i++) {
			assert_not_known(ret, &out[i]);
			take_probe(n, now, &out[i]);
		}
		next = probe_wake_ns(engine, now);
		if (n->queued && n->queue[0].at_ns < next)
			next = n->queue[0].at_ns;
		now = next > now ? next : now + 1000;
	}
	probe_conclude(engine, false);
	probe_free(engine);
	ret->took_ns = now - begun;
}

static const struct probe_wish plain = {.rate = 100000, .max_rate = 1e6};

/*
 * Where nothing ever answered, loss cannot be measured: a host with a single port that answers may
 * be taken for silent in bad weather. (That all of several are lost is too rare for these seeds.)
 */
static bool said_nothing(const struct network *n, uint32_t h)
{
	uint32_t answering = 0;

	for (uint32_t p = 0; p < n->port_count; p++)
		answering += n->truth[h][p] >= SCAN_RST;
	return answering == 1 && n->weather.lost_out >= 0.2;
}

static void assert_truth(const struct network *n, const struct result *r, uint64_t seed)
{
	for (uint32_t h = 0; h < n->host_count; h++) {
		if (r->hosts[h].trouble != SCAN_FINE)
			fail_msg("seed %llu: host %u is in trouble", (unsigned long long)seed, h);
		for (uint32_t p = 0; p < n->port_count; p++)
			if (r->replies[h][p] != n->truth[h][p] && !said_nothing(n, h) &&
			    /* ICMP errors are not waited for: they are the silence of a firewall */
			    !(n->truth[h][p] == SCAN_PROHIBITED &&
			      r->replies[h][p] == SCAN_NO_REPLY))
				fail_msg("seed %llu: host %u port %u is %u, not %u",
					 (unsigned long long)seed, h, p, r->replies[h][p],
					 n->truth[h][p]);
	}
}

static void run_seeds(const struct weather *weather, uint64_t first, uint64_t count)
{
	struct result *result = malloc(sizeof(*result));

	assert_non_null(result);
	for (uint64_t seed = first; seed < first + count; seed++) {
		make_network(&network, seed, weather);
		scan(&network, &plain, result);
		assert_truth(&network, result, seed);
	}
	free(result);
}

static void misses_nothing_in_any_weather(void **state)
{
	static const struct weather weathers[] = {
		{.delay_ns = 50000},
		{.delay_ns = 200000, .jitter_ns = 5 * MS_NS, .twice = 0.1},
		{.lost_out = 0.01, .lost_back = 0.01, .delay_ns = 80 * MS_NS, .jitter_ns = MS_NS},
		{.lost_out = 0.05, .lost_back = 0.05, .delay_ns = MS_NS, .jitter_ns = 9 * MS_NS},
		{.lost_out = 0.2, .lost_back = 0.2, .delay_ns = 30 * MS_NS, .twice = 0.05},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(weathers) / sizeof(weathers[0]); i++)
		run_seeds(&weathers[i], 1 + i * SEEDS / 5, SEEDS / 5);
}

/* Whenever it is interrupted, and however often: nothing is missed. */
static void misses_nothing_when_it_goes_on(void **state)
{
	static const struct weather weathers[] = {
		{.delay_ns = 200000, .jitter_ns = 5 * MS_NS},
		{.lost_out = 0.05, .lost_back = 0.05, .delay_ns = 30 * MS_NS},
		{.lost_out = 0.2, .lost_back = 0.2, .delay_ns = 30 * MS_NS, .twice = 0.05},
		{.delay_ns = 100000, .resets_per_s = 500},
	};
	struct result *result = malloc(sizeof(*result));

	(void)state;
	assert_non_null(result);
	for (size_t i = 0; i < sizeof(weathers) / sizeof(weathers[0]); i++)
		for (uint64_t seed = 1; seed <= (i == 3 ? 50 : 500); seed++) {
			make_network(&network, seed + 100 * i, &weathers[i]);
			network.interruptions = 1 + (unsigned)(seed % 6);
			scan(&network, &plain, result);
			assert_truth(&network, result, seed + 100 * i);
		}
	free(result);
}

/* What is known is not asked again, and what is silent is not asked from the beginning. */
static void goes_on_where_it_was(void **state)
{
	static uint8_t replies[PORTS];
	struct scan_host host = {.replies = replies};
	struct probe_memory *memory = malloc(sizeof(*memory));
	struct probe_wish wish = {.hosts = &host,
				  .host_count = 1,
				  .port_count = PORTS,
				  .seed = 5,
				  .rate = 1000,
				  .max_rate = 1000,
				  .fixed_rate = true};
	struct probe_engine *engine = probe_new(&wish, MS_NS);
	uint64_t now = MS_NS, asked = 0;
	struct probe out[BATCH];

	(void)state;
	assert_non_null(memory);
	assert_non_null(engine);
	for (; asked < PORTS + PORTS / 2; now += MS_NS) /* silent: in its second pass */
		asked += probe_next(engine, now, out, BATCH);
	now += 5000 * MS_NS;
	probe_remember(engine, now, memory);
	assert_int_equal(memory->pass, 1);
	assert_in_range(memory->place, PORTS / 2 - 64, PORTS / 2);
	probe_free(engine);
	wish.memory = memory;
	asked = memory->place;
	engine = probe_new(&wish, now);
	for (; !probe_finished(engine); now += MS_NS)
		asked += probe_next(engine, now, out, BATCH);
	assert_int_equal(asked, 5 * PORTS); /* of six passes the first is done */
	probe_free(engine);
	free(memory);
}

/* A host of which all is known by now needs no packet. */
static void all_may_be_known_already(void **state)
{
	uint8_t replies[2] = {SCAN_RST, SCAN_SYN_ACK};
	struct scan_host host = {.replies = replies};
	struct probe_wish wish = {
		.hosts = &host, .host_count = 1, .port_count = 2, .rate = 1000, .max_rate = 1000};
	struct probe_engine *engine = probe_new(&wish, MS_NS);

	(void)state;
	assert_non_null(engine);
	assert_true(probe_finished(engine));
	probe_conclude(engine, false);
	assert_int_equal(host.trouble, SCAN_FINE);
	probe_free(engine);
}

/* A host that sends no more than some RSTs a second: closed ports are waited for. */
static void outlasts_a_limit_on_resets(void **state)
{
	static const struct weather weathers[] = {
		{.delay_ns = 100000, .resets_per_s = 200},
		{.delay_ns = 20 * MS_NS, .resets_per_s = 1000, .lost_out = 0.02},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(weathers) / sizeof(weathers[0]); i++)
		run_seeds(&weathers[i], 1 + i * 100, 100);
}

/* What nothing is lost of is asked no more often than need be. */
static void asks_once_what_answers_and_twice_what_does_not(void **state)
{
	static const struct weather fine = {.delay_ns = 100000};
	struct result *r = malloc(sizeof(*r));

	(void)state;
	assert_non_null(r);
	make_network(&network, 1, &fine);
	network.host_count = 1;
	network.port_count = PORTS;
	for (uint32_t p = 0; p < PORTS; p++)
		network.truth[0][p] = p == 7 ? SCAN_SYN_ACK : SCAN_RST;
	scan(&network, &plain, r);
	assert_true(network.sent <= PORTS + PORTS / 60 + 1);
	assert_true(r->took_ns < 20 * MS_NS);
	free(r);
}

static void a_silent_host_is_filtered_in_a_few_passes(void **state)
{
	static const struct weather fine = {.delay_ns = 100000};
	struct result *r = malloc(sizeof(*r));

	(void)state;
	assert_non_null(r);
	make_network(&network, 2, &fine);
	network.host_count = 1;
	memset(network.truth, SCAN_NO_REPLY, sizeof(network.truth));
	scan(&network, &plain, r);
	assert_int_equal(r->hosts[0].trouble, SCAN_FINE);
	assert_int_equal(r->replies[0][0], SCAN_NO_REPLY);
	assert_int_equal(network.sent, 6 * network.port_count);
	assert_true(r->hosts[0].rtt_ms < 0 && r->hosts[0].loss < 0);
	free(r);
}

/* Where hardly anything arrives, silence means nothing, and is not called an answer. */
static void what_is_mostly_lost_is_not_known(void **state)
{
	static const struct weather storm = {.lost_out = 0.8, .lost_back = 0.8, .delay_ns = 100000};
	struct result *r = malloc(sizeof(*r));

	(void)state;
	assert_non_null(r);
	make_network(&network, 3, &storm);
	network.host_count = 1;
	network.port_count = PORTS;
	for (uint32_t p = 0; p < PORTS; p++)
		network.truth[0][p] = p % 2 ? SCAN_RST : SCAN_NO_REPLY;
	scan(&network, &plain, r);
	assert_int_equal(r->hosts[0].trouble, SCAN_LOSSY);
	assert_int_equal(r->replies[0][0], SCAN_UNSURE);
	free(r);
}

static void a_host_may_take_no_longer_than_its_time(void **state)
{
	static const struct weather slow = {.delay_ns = 100000, .resets_per_s = 10};
	struct probe_wish wish = plain;
	struct result *r = malloc(sizeof(*r));

	(void)state;
	assert_non_null(r);
	make_network(&network, 3, &slow);
	network.host_count = 1;
	network.port_count = PORTS;
	memset(network.truth, SCAN_RST, sizeof(network.truth));
	wish.host_timeout_ns = 2000 * MS_NS;
	scan(&network, &wish, r);
	assert_int_equal(r->hosts[0].trouble, SCAN_TIMED_OUT);
	assert_true(r->took_ns >= 2000 * MS_NS && r->took_ns < 2200 * MS_NS);
	for (uint32_t p = 0; p < PORTS; p++)
		assert_true(r->replies[0][p] == SCAN_RST || r->replies[0][p] == SCAN_UNSURE);
	free(r);
}

/* Of a rate that was asked for, no packet more; and it is not given up for loss. */
static void keeps_to_a_rate(void **state)
{
	static const struct weather lossy = {.lost_back = 0.3, .delay_ns = 100000};
	struct probe_wish wish = {.rate = 1000, .max_rate = 1000, .fixed_rate = true};
	struct result *r = malloc(sizeof(*r));
	double seconds;

	(void)state;
	assert_non_null(r);
	make_network(&network, 3, &lossy);
	network.host_count = 1;
	network.port_count = PORTS;
	memset(network.truth, SCAN_RST, sizeof(network.truth));
	scan(&network, &wish, r);
	seconds = (double)r->took_ns / 1e9;
	assert_true((double)network.sent <= 1000 * seconds + 3);
	assert_true((double)network.sent >= 1000 * seconds * 0.5);
	free(r);
}

/* Answers that nobody asked for, or that cannot be, change nothing. */
static void nonsense_is_ignored(void **state)
{
	uint8_t replies[4] = {0};
	struct scan_host host = {.replies = replies};
	struct probe_wish wish = plain;
	struct probe_engine *engine;
	uint64_t seed = 99, now = MS_NS;

	(void)state;
	wish.hosts = &host;
	wish.host_count = 1;
	wish.port_count = 4;
	engine = probe_new(&wish, now);
	assert_non_null(engine);
	for (int i = 0; i < 100000; i++) {
		struct probe to = {.host = (uint32_t)(unit_random(&seed) % 3),
				   .port = (uint32_t)(unit_random(&seed) % 6),
				   .slot = (uint16_t)unit_random(&seed)};

		probe_answer(engine, now, &to,
			     (enum scan_reply)(unit_random(&seed) % SCAN_REPLY_COUNT));
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(replies[i], SCAN_UNASKED);
	assert_false(probe_finished(engine));
	probe_conclude(engine, true);
	assert_int_equal(host.trouble, SCAN_INTERRUPTED);
	probe_free(engine);
}

/* An answer that this process lost itself is no silence: such a pass does not count. */
static void an_overflow_is_made_good(void **state)
{
	uint8_t replies[1] = {0};
	struct scan_host host = {.replies = replies};
	struct probe_wish wish = plain;
	struct probe_engine *engine;
	struct probe out[BATCH];
	uint64_t now = MS_NS;
	unsigned asked = 0;

	(void)state;
	wish.hosts = &host;
	wish.host_count = wish.port_count = 1;
	engine = probe_new(&wish, now);
	assert_non_null(engine);
	while (!probe_finished(engine)) {
		asked += probe_next(engine, now, out, BATCH) == 1;
		if (asked <= 3)
			probe_spoil_pass(engine);
		now = probe_wake_ns(engine, now) + 1;
	}
	assert_int_equal(asked, 3 + 6);
	probe_free(engine);
}

static void who_is_given_up_stays_unsure(void **state)
{
	uint8_t replies[64] = {0};
	struct scan_host host = {.replies = replies};
	struct probe_wish wish = plain;
	struct probe_engine *engine;
	struct probe out[BATCH];

	(void)state;
	wish.hosts = &host;
	wish.host_count = 1;
	wish.port_count = 64;
	engine = probe_new(&wish, MS_NS);
	assert_non_null(engine);
	assert_true(probe_next(engine, MS_NS, out, BATCH) > 0);
	probe_answer(engine, 2 * MS_NS, &out[0], SCAN_RST);
	probe_end_host(engine, 0, SCAN_WAY_LOST);
	assert_true(probe_finished(engine));
	probe_end_host(engine, 0, SCAN_TIMED_OUT);
	probe_conclude(engine, false);
	assert_int_equal(host.trouble, SCAN_WAY_LOST);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(replies[i] == SCAN_RST, i == out[0].port);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_not_equal(replies[i], SCAN_NO_REPLY);
	probe_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misses_nothing_in_any_weather),
		cmocka_unit_test(misses_nothing_when_it_goes_on),
		cmocka_unit_test(goes_on_where_it_was),
		cmocka_unit_test(all_may_be_known_already),
		cmocka_unit_test(outlasts_a_limit_on_resets),
		cmocka_unit_test(asks_once_what_answers_and_twice_what_does_not),
		cmocka_unit_test(a_silent_host_is_filtered_in_a_few_passes),
		cmocka_unit_test(what_is_mostly_lost_is_not_known),
		cmocka_unit_test(a_host_may_take_no_longer_than_its_time),
		cmocka_unit_test(keeps_to_a_rate),
		cmocka_unit_test(nonsense_is_ignored),
		cmocka_unit_test(an_overflow_is_made_good),
		cmocka_unit_test(who_is_given_up_stays_unsure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
