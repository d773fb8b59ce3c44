/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_saved_fuzz: any bytes as a saved scan. It looks for refusals without a sentence, for numbers
 * that the engine does not expect, and for what is not the same when it is written and read again.
 */
#include "cli/scan_saved.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct scan_saved *state, const struct scan *s)
{
	const struct scan_memory *m = &state->memory;

	if (!s->host_count || !s->port_count || m->count > PROBE_HOST_LIMIT ||
	    m->engine.pass >= PROBE_PASS_LIMIT ||
	    m->engine.place > (uint64_t)m->count * s->port_count)
		abort();
	for (uint32_t i = 0; i < m->count; i++)
		if (m->indexes[i] >= s->host_count || s->hosts[m->indexes[i]].done)
			abort();
	for (size_t i = 0; i < s->host_count; i++)
		for (size_t k = 0; k < s->port_count; k++)
			if (s->hosts[i].replies[k] >= SCAN_REPLY_COUNT)
				abort();
}

/* An engine takes it up without a word. */
static void go_on(const struct scan_saved *state, struct scan *s)
{
	struct scan_host hosts[PROBE_HOST_LIMIT];
	struct probe_wish wish = {.memory = &state->memory.engine,
				  .hosts = hosts,
				  .host_count = state->memory.count,
				  .port_count = (uint32_t)s->port_count,
				  .seed = state->memory.seed,
				  .rate = 1000,
				  .max_rate = 100000};
	struct probe_engine *engine;
	struct probe out[64];

	for (uint32_t i = 0; i < wish.host_count; i++)
		hosts[i] = s->hosts[state->memory.indexes[i]];
	engine = probe_new(&wish, UINT64_C(1) << 40);
	if (!engine)
		return;
	for (uint64_t now = UINT64_C(1) << 40, i = 0; i < 100 && !probe_finished(engine); i++)
		probe_next(engine, now += 1000000, out, 64);
	probe_conclude(engine, true);
	probe_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan_saved *state = malloc(sizeof(*state)), *again = malloc(sizeof(*again));
	struct buf first = {0}, second = {0};
	struct scan s, copy = {0};
	struct err e = {0};

	if (!state || !again)
		abort();
	if (scan_saved_parse("f", (const char *)data, size, state, &s, &e) < 0) {
		if (!e.msg[0])
			abort();
	} else if (s.host_count * s.port_count < 1 << 20) {
		check(state, &s);
		scan_saved_format(state, &s, &first);
		if (scan_saved_parse("f", first.data, first.len, again, &copy, &e) < 0)
			abort();
		scan_saved_format(again, &copy, &second);
		if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
			abort();
		go_on(state, &s);
	}
	buf_done(&first);
	buf_done(&second);
	scan_done(&s);
	scan_done(&copy);
	free(state);
	free(again);
	return 0;
}
