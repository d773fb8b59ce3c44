/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_probe: UDP scans of simulated hosts, in virtual time, which refuse as real ones do: so many
 * at once, then so many a second. Packets are lost, late, twice and in another order. No closed
 * port is told silent, no open one missed, and the end comes about when the last refusal can.
 */
#include "base/mem.h"
#include "observe/udp_probe.h"
#include "unit.h"

#include <math.h>

enum { HOSTS = 3, SOURCES = 20, PORTS = 400, BATCH = 64, QUEUE = 1 << 14, STEP_LIMIT = 2000000 };

#define MS_NS UINT64_C(1000000)
#define S_NS  UINT64_C(1000000000)

struct weather {
	double lost_out, lost_back, twice; /* shares */
	uint64_t delay_ns, jitter_ns;
	double tokens_per_s; /* 0: no limit */
	double burst;
	bool random; /* a token more or less is taken, as of the machine's own limit since 5.10 */
};

struct event {
	uint64_t at_ns;
	uint32_t host, port;
	enum scan_reply reply;
};

struct network {
	struct weather weather;
	uint64_t seed;
	uint32_t host_count, port_count;
	uint8_t truth[HOSTS][PORTS]; /* SCAN_UDP_ANSWER, _CLOSED, _SILENT, SCAN_PROHIBITED */
	struct event queue[QUEUE];   /* by time, a heap */
	size_t queued;
	uint32_t sources;		/* 0: one */
	double tokens[HOSTS * SOURCES]; /* for each source */
	uint64_t filled_ns[HOSTS * SOURCES], sent;
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

static bool may_refuse(struct network *n, uint64_t now_ns, uint32_t host)
{
	double *tokens = &n->tokens[host];

	if (n->weather.tokens_per_s == 0)
		return true;
	*tokens += (double)(now_ns - n->filled_ns[host]) * n->weather.tokens_per_s / 1e9;
	*tokens = fmin(*tokens, n->weather.burst);
	n->filled_ns[host] = now_ns;
	if (*tokens < 1)
		return false;
	*tokens -= 1;
	if (n->weather.random && *tokens >= 1)
		*tokens -= floor(chance(n) * 2);
	return true;
}

static void take_probe(struct network *n, uint64_t now_ns, const struct probe *probe)
{
	struct event e = {.host = probe->host, .port = probe->port};

	e.reply = n->truth[probe->host][probe->port];
	n->sent++;
	if (chance(n) < n->weather.lost_out || e.reply == SCAN_UDP_SILENT)
		return;
	if (e.reply != SCAN_UDP_ANSWER &&
	    !may_refuse(n, now_ns,
			probe->host * SOURCES + (n->sources ? probe->port % n->sources : 0)))
		return;
	for (int i = 0; i < 1 + (chance(n) < n->weather.twice); i++) {
		e.at_ns = now_ns + n->weather.delay_ns +
			  (uint64_t)(chance(n) * (double)n->weather.jitter_ns);
		if (chance(n) >= n->weather.lost_back)
			push(n, &e);
	}
}

/* What is likely on a host: all closed but a few; all dropped but a few; or some of each. */
static enum scan_reply random_truth(struct network *n, unsigned kind)
{
	double c = chance(n);

	if (c < 0.04)
		return SCAN_UDP_ANSWER;
	if (kind == 0)
		return c < 0.1 ? SCAN_UDP_SILENT : SCAN_UDP_CLOSED;
	if (kind == 1)
		return SCAN_UDP_SILENT;
	return c < 0.3 ? SCAN_UDP_CLOSED : c < 0.35 ? SCAN_PROHIBITED : SCAN_UDP_SILENT;
}

static void fill(struct network *n)
{
	n->queued = 0;
	n->sent = 0;
	for (uint32_t h = 0; h < HOSTS; h++) {
		for (uint32_t i = 0; i < SOURCES; i++)
			n->tokens[h * SOURCES + i] = n->weather.burst;
		n->filled_ns[h] = 0;
	}
}

static void make_network(struct network *n, uint64_t seed, const struct weather *weather)
{
	n->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	n->weather = *weather;
	n->host_count = 1 + (uint32_t)(unit_random(&n->seed) % HOSTS);
	n->port_count = 1 + (uint32_t)(unit_random(&n->seed) % (PORTS / 4));
	fill(n);
	for (uint32_t h = 0; h < n->host_count; h++)
		for (uint32_t p = 0; p < n->port_count; p++)
			n->truth[h][p] = (uint8_t)random_truth(n, (unsigned)((seed + h) % 3));
}

struct result {
	struct scan_host hosts[HOSTS];
	uint8_t replies[HOSTS][PORTS];
	uint64_t took_ns;
};

/* What was told of the time that is left, as of the beginning of each second; negative: nothing. */
static double told_left_s[200];

static void note_left(const struct udp_engine *engine, uint64_t passed_ns)
{
	double left = udp_probe_progress(engine).left_s;

	if (passed_ns / S_NS < ARRAY_LEN(told_left_s))
		told_left_s[passed_ns / S_NS] =
			left < 0 ? left : left + (double)(passed_ns % S_NS) / 1e9;
}

static const struct udp_wish plain = {.rate = 5000, .tries = 3};

/* Scans until the end, or until `most_ns` (0: the end): Ctrl-C. */
static void scan(struct network *n, const struct udp_wish *base, uint64_t most_ns,
		 struct result *ret)
{
	uint64_t begun = 5 * S_NS, now = begun;
	struct udp_wish wish = *base;
	struct udp_engine *engine;
	struct probe out[BATCH];

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < n->host_count; i++) {
		ret->hosts[i].replies = ret->replies[i];
		ret->hosts[i].rtt_ms = -1;
	}
	wish.hosts = ret->hosts;
	wish.host_count = n->host_count;
	wish.port_count = n->port_count;
	wish.seed = n->seed;
	engine = udp_probe_new(&wish, now);
	assert_non_null(engine);
	for (unsigned step = 0; !udp_probe_finished(engine); step++) {
		uint64_t next;
		size_t count;

		assert_true(step < STEP_LIMIT);
		if (most_ns && now - begun > most_ns)
			break;
		while (n->queued && n->queue[0].at_ns <= now) {
			struct event e = pop(n);

			udp_probe_answer(engine, now, e.host, e.port, e.reply);
		}
		count = udp_probe_next(engine, now, out, BATCH);
		for (size_t i = 0; i < count; i++)
			take_probe(n, now, &out[i]);
		note_left(engine, now - begun);
		next = udp_probe_wake_ns(engine, now);
		if (n->queued && n->queue[0].at_ns < next)
			next = n->queue[0].at_ns;
		now = next > now ? next : now + 1000;
	}
	udp_probe_conclude(engine, !udp_probe_finished(engine));
	udp_probe_free(engine);
	ret->took_ns = now - begun;
}

static uint32_t count_of(const struct network *n, uint32_t host, enum scan_reply reply)
{
	uint32_t count = 0;

	for (uint32_t p = 0; p < n->port_count; p++)
		count += n->truth[host][p] == reply;
	return count;
}

/* Told silent, and are not. Never told closed or open when they are not. */
static uint32_t count_wrong(const struct network *n, const struct result *r, uint64_t seed)
{
	uint32_t wrong = 0;

	for (uint32_t h = 0; h < n->host_count; h++)
		for (uint32_t p = 0; p < n->port_count; p++) {
			uint8_t is = n->truth[h][p], told = r->replies[h][p];

			if (told == is)
				continue;
			if (told != SCAN_UDP_SILENT && told != SCAN_UNSURE && told != SCAN_UNASKED)
				fail_msg("seed %llu: host %u port %u is %u, and told to be %u",
					 (unsigned long long)seed, h, p, is, told);
			wrong += told == SCAN_UDP_SILENT;
		}
	return wrong;
}

/* How long it must take: the bucket's rest comes at its pace. */
static double least_s(const struct network *n)
{
	double most = 0;

	for (uint32_t h = 0; h < n->host_count; h++) {
		double refused = count_of(n, h, SCAN_UDP_CLOSED) + count_of(n, h, SCAN_PROHIBITED);

		if (n->weather.tokens_per_s > 0)
			most = fmax(most, (refused - n->weather.burst) / n->weather.tokens_per_s);
	}
	return most;
}

static void run_seeds(const char *name, const struct weather *weather, uint64_t count,
		      double wrong_share)
{
	uint64_t wrong = 0, ports = 0, sent = 0;
	double took = 0, least = 0, worst = 0;

	for (uint64_t seed = 1; seed <= count; seed++) {
		static struct result result;

		make_network(&network, seed, weather);
		scan(&network, &plain, 0, &result);
		wrong += count_wrong(&network, &result, seed);
		for (uint32_t h = 0; h < network.host_count; h++)
			if (result.hosts[h].trouble != SCAN_FINE)
				fail_msg("seed %llu: trouble %d", (unsigned long long)seed,
					 result.hosts[h].trouble);
		ports += (uint64_t)network.host_count * network.port_count;
		sent += network.sent;
		took += (double)result.took_ns / 1e9;
		least += least_s(&network);
		worst = fmax(worst, (double)result.took_ns / 1e9 - least_s(&network));
	}
	print_message("%s, seeds 1 to %llu: %llu of %llu ports wrong; %.2f packets a port; "
		      "%.1f s, at least %.1f s, worst by %.1f s\n",
		      name, (unsigned long long)count, (unsigned long long)wrong,
		      (unsigned long long)ports, (double)sent / (double)ports, took / (double)count,
		      least / (double)count, worst);
	assert_true((double)wrong <= wrong_share * (double)ports);
}

static void tells_the_truth_whatever_the_limit(void **state)
{
	static const struct weather linux4 = {.delay_ns = 50000, .tokens_per_s = 1, .burst = 6},
				    linux6 = {.delay_ns = 50000, .tokens_per_s = 10, .burst = 6},
				    far = {.delay_ns = 80 * MS_NS,
					   .jitter_ns = 5 * MS_NS,
					   .tokens_per_s = 1,
					   .burst = 6,
					   .twice = 0.05},
				    slow = {.delay_ns = MS_NS, .tokens_per_s = 0.5, .burst = 1},
				    bsd = {.delay_ns = MS_NS, .tokens_per_s = 200, .burst = 200},
				    chancy = {.delay_ns = MS_NS,
					      .tokens_per_s = 2,
					      .burst = 10,
					      .random = true},
				    none = {.delay_ns = MS_NS, .jitter_ns = MS_NS};

	(void)state;
	run_seeds("Linux, IPv4", &linux4, 1000, 0);
	run_seeds("Linux, IPv6", &linux6, 1000, 0);
	run_seeds("far away", &far, 300, 0);
	run_seeds("one in 2 s", &slow, 300, 0);
	run_seeds("200 a second", &bsd, 300, 0);
	run_seeds("by chance", &chancy, 300, 0);
	run_seeds("no limit", &none, 1000, 0);
}

/* What is lost is not always noticed where little answers: but one in a thousand is not missed. */
static void hears_what_is_lost_at_times(void **state)
{
	static const struct weather some = {.lost_out = 0.01,
					    .lost_back = 0.01,
					    .delay_ns = MS_NS,
					    .tokens_per_s = 10,
					    .burst = 6},
				    much = {.lost_out = 0.05,
					    .lost_back = 0.05,
					    .delay_ns = 20 * MS_NS,
					    .jitter_ns = 10 * MS_NS,
					    .twice = 0.05};

	(void)state;
	run_seeds("2 % lost, limited", &some, 500, 0.001);
	run_seeds("10 % lost", &much, 500, 0.001);
}

static void plain_network(const struct weather *weather, uint32_t port_count, enum scan_reply all)
{
	make_network(&network, 1, weather);
	network.host_count = 1;
	network.port_count = port_count;
	memset(network.truth, (int)all, sizeof(network.truth));
}

/* Nothing before the host's pace is known; then about what it takes, and never more than before. */
static void what_is_left_is_told_as_it_is(void **state)
{
	static const struct weather linux4 = {.delay_ns = MS_NS, .tokens_per_s = 1, .burst = 6};
	static struct result r;
	unsigned told = 0;

	(void)state;
	plain_network(&linux4, 100, SCAN_UDP_CLOSED);
	scan(&network, &plain, 0, &r);
	for (unsigned s = 0; s + 1 < r.took_ns / S_NS; s++) {
		double rest = (double)r.took_ns / 1e9 - s;

		if (told_left_s[s] < 0) {
			assert_true(s < 5 && !told);
			continue;
		}
		if (fabs(told_left_s[s] - rest) > 2 + rest / 10)
			fail_msg("after %u s: %.1f s, and it took %.1f s", s, told_left_s[s], rest);
		if (told++)
			assert_true(told_left_s[s] < told_left_s[s - 1] + 0.5);
	}
	assert_true(told > 80);
}

/* A hundred closed ports of a Linux host: 94 s are what it takes. */
static void a_hundred_closed_ports_take_no_longer_than_the_limit(void **state)
{
	static const struct weather linux4 = {.delay_ns = 50000, .tokens_per_s = 1, .burst = 6};
	static struct result r;

	(void)state;
	plain_network(&linux4, 100, SCAN_UDP_CLOSED);
	network.truth[0][7] = network.truth[0][70] = SCAN_UDP_ANSWER;
	scan(&network, &plain, 0, &r);
	print_message("100 ports: %.1f s, %llu packets\n", (double)r.took_ns / 1e9,
		      (unsigned long long)network.sent);
	assert_int_equal(count_wrong(&network, &r, 1), 0);
	assert_true(r.took_ns < 98 * S_NS);
	assert_true(network.sent < 500);
	assert_true(r.hosts[0].refusals > 0.95 && r.hosts[0].refusals < 1.05);
}

/* Silence where nothing is ever refused: three rounds, a second apart from the first to the last.
 */
static void a_silent_host_is_done_in_a_moment(void **state)
{
	static const struct weather fine = {.delay_ns = MS_NS};
	static struct result r;

	(void)state;
	plain_network(&fine, 400, SCAN_UDP_SILENT);
	scan(&network, &plain, 0, &r);
	assert_int_equal(r.replies[0][0], SCAN_UDP_SILENT);
	assert_int_equal(network.sent, 3 * 400);
	assert_true(r.took_ns < 3 * S_NS);
	assert_true(r.hosts[0].refusals < 0);
	plain_network(&fine, 400, SCAN_UDP_SILENT);
	scan(&network, &(struct udp_wish){.rate = 5000, .tries = 1}, 0, &r);
	assert_int_equal(network.sent, 400);
}

/* To each of the one who asks's addresses a host tells as much: nothing is asked from two of them.
 */
static void sources_share_the_ports(void **state)
{
	static const struct weather linux4 = {.delay_ns = 50000, .tokens_per_s = 1, .burst = 6};
	static const uint32_t counts[] = {2, 7, 17, SOURCES};
	static struct result r;
	struct udp_wish wish = plain;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		plain_network(&linux4, 101, SCAN_UDP_CLOSED);
		network.sources = wish.sources = counts[i];
		network.truth[0][7] = network.truth[0][70] = SCAN_UDP_ANSWER;
		network.truth[0][100] = network.truth[0][33] = SCAN_UDP_SILENT;
		scan(&network, &wish, 0, &r);
		print_message("%u sources: %.1f s, %llu packets\n", counts[i],
			      (double)r.took_ns / 1e9, (unsigned long long)network.sent);
		assert_int_equal(count_wrong(&network, &r, 1), 0);
		assert_int_equal(r.replies[0][100], SCAN_UDP_SILENT);
		assert_int_equal(r.replies[0][33], SCAN_UDP_SILENT);
		assert_true(r.took_ns < (101 / counts[i] + 8) * S_NS);
	}
	/* no more than there are ports */
	plain_network(&linux4, 3, SCAN_UDP_CLOSED);
	network.sources = 3;
	scan(&network, &wish, 0, &r);
	assert_int_equal(count_wrong(&network, &r, 1), 0);
}

/* What this machine keeps back was not asked: neither silent nor waited for. */
static void what_is_kept_back_is_unknown(void **state)
{
	uint8_t replies[3] = {0};
	struct scan_host host = {.replies = replies, .rtt_ms = -1};
	struct udp_wish wish = {
		.hosts = &host, .host_count = 1, .port_count = 3, .rate = 1000, .tries = 1};
	struct udp_engine *u = udp_probe_new(&wish, S_NS);
	uint64_t now = S_NS;

	(void)state;
	assert_non_null(u);
	for (; !udp_probe_finished(u); now = udp_probe_wake_ns(u, now) + 1) {
		struct probe out[3];
		size_t count = udp_probe_next(u, now, out, 3);

		for (size_t i = 0; i < count; i++) {
			assert_int_not_equal(replies[out[i].port], SCAN_KEPT_BACK);
			if (out[i].port < 2)
				udp_probe_kept_back(u, 0, out[i].port);
		}
	}
	udp_probe_answer(u, now, 0, 1, SCAN_UDP_ANSWER); /* of what was sent before */
	udp_probe_conclude(u, false);
	udp_probe_free(u);
	assert_int_equal(replies[0], SCAN_KEPT_BACK);
	assert_int_equal(replies[1], SCAN_UDP_ANSWER);
	assert_int_equal(replies[2], SCAN_UDP_SILENT);
	assert_int_equal(host.trouble, SCAN_KEPT_HERE);
}

/*
 * This machine lets 20 requests a second out, and five at once: all ports are asked after all, and
 * those of the odd numbers, which are open and silent, often enough.
 */
static void a_limit_of_this_machine_is_waited_for(void **state)
{
	enum { COUNT = 40, TRIES = 3 };
	uint8_t replies[COUNT] = {0};
	unsigned asks[COUNT] = {0}, kept_back = 0;
	struct scan_host host = {.replies = replies, .rtt_ms = -1};
	struct udp_wish wish = {
		.hosts = &host, .host_count = 1, .port_count = COUNT, .rate = 1000, .tries = TRIES};
	struct udp_engine *u = udp_probe_new(&wish, S_NS);
	uint64_t now = S_NS, filled = now;
	double tokens = 5;

	(void)state;
	assert_non_null(u);
	for (; !udp_probe_finished(u); now = udp_probe_wake_ns(u, now) + 1) {
		struct probe out[BATCH];
		size_t count = udp_probe_next(u, now, out, BATCH);

		tokens = fmin(5, tokens + (double)(now - filled) * 20 / 1e9);
		filled = now;
		for (size_t i = 0; i < count; i++) {
			uint32_t port = out[i].port;

			if (tokens < 1) {
				udp_probe_kept_back(u, 0, port);
				kept_back++;
				continue;
			}
			tokens -= 1;
			asks[port]++;
			if (port % 2 == 0)
				udp_probe_answer(u, now, 0, port, SCAN_UDP_CLOSED);
		}
	}
	udp_probe_conclude(u, false);
	udp_probe_free(u);
	assert_true(kept_back > COUNT / 2);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(replies[i], i % 2 ? SCAN_UDP_SILENT : SCAN_UDP_CLOSED);
		assert_true(i % 2 == 0 || asks[i] >= TRIES);
	}
	assert_int_equal(host.trouble, SCAN_FINE);
	assert_true(now < 20 * S_NS);
}

/* At whatever time it is stopped: nothing is closed that was not refused, and what may have been
 * kept silent by the limit is not known. */
static void what_is_not_known_yet_is_told_so(void **state)
{
	static const struct weather linux4 = {.delay_ns = 50000, .tokens_per_s = 1, .burst = 6};
	static struct result r;
	struct udp_wish late = plain;

	(void)state;
	for (uint64_t ms = 1; ms < 60000; ms += ms / 3 + 1) {
		plain_network(&linux4, 100, SCAN_UDP_CLOSED);
		scan(&network, &plain, ms * MS_NS, &r);
		assert_int_equal(count_wrong(&network, &r, ms), 0);
		assert_int_equal(r.hosts[0].trouble, SCAN_INTERRUPTED);
		plain_network(&linux4, 100, SCAN_UDP_CLOSED);
		late.host_timeout_ns = ms * MS_NS;
		scan(&network, &late, 0, &r);
		assert_int_equal(count_wrong(&network, &r, ms), 0);
		assert_int_equal(r.hosts[0].trouble, SCAN_TIMED_OUT);
		assert_true(r.took_ns < ms * MS_NS + 200 * MS_NS);
	}
}

/* A host that refuses at first, and then nothing any more, proves nothing by its silence. */
static void who_stops_refusing_is_given_up(void **state)
{
	static const struct weather six = {.delay_ns = MS_NS, .tokens_per_s = 1e-9, .burst = 6};
	static struct result r;

	(void)state;
	plain_network(&six, 50, SCAN_UDP_CLOSED);
	scan(&network, &plain, 0, &r);
	assert_int_equal(r.hosts[0].trouble, SCAN_LOSSY);
	assert_int_equal(count_wrong(&network, &r, 1), 0);
	assert_true(r.took_ns < 60 * S_NS);
}

/* Answers to what was never asked, and nonsense, change nothing. */
static void nonsense_is_ignored(void **state)
{
	uint8_t replies[4] = {0};
	struct scan_host host = {.replies = replies, .rtt_ms = -1};
	struct udp_wish wish = {
		.hosts = &host, .host_count = 1, .port_count = 4, .rate = 1000, .tries = 1};
	struct udp_engine *u = udp_probe_new(&wish, S_NS);
	uint64_t seed = 9;

	(void)state;
	assert_non_null(u);
	for (uint32_t port = 0; port < 4; port++)
		udp_probe_answer(u, S_NS, 0, port, SCAN_UDP_ANSWER);
	assert_int_equal(replies[0] | replies[1] | replies[2] | replies[3], SCAN_UNASKED);
	for (int i = 0; i < 100000; i++) {
		struct probe out[4];
		uint64_t now = S_NS + (uint64_t)i * 50000;

		udp_probe_next(u, now, out, 4);
		udp_probe_answer(u, now, (uint32_t)(unit_random(&seed) % 3),
				 (uint32_t)(unit_random(&seed) % 6),
				 (enum scan_reply)(unit_random(&seed) % (SCAN_REPLY_COUNT + 2)));
	}
	udp_probe_conclude(u, false);
	udp_probe_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_truth_whatever_the_limit),
		cmocka_unit_test(hears_what_is_lost_at_times),
		cmocka_unit_test(a_hundred_closed_ports_take_no_longer_than_the_limit),
		cmocka_unit_test(a_silent_host_is_done_in_a_moment),
		cmocka_unit_test(what_is_not_known_yet_is_told_so),
		cmocka_unit_test(who_stops_refusing_is_given_up),
		cmocka_unit_test(what_is_left_is_told_as_it_is),
		cmocka_unit_test(sources_share_the_ports),
		cmocka_unit_test(what_is_kept_back_is_unknown),
		cmocka_unit_test(a_limit_of_this_machine_is_waited_for),
		cmocka_unit_test(nonsense_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
