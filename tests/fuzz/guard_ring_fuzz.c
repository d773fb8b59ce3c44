/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_ring_fuzz: any bytes as a record of the guard's ring, and as /proc/locks. Besides memory
 * errors, it looks for names without an end, and for events that no guard makes; and what it lets
 * through is put into words and into JSON.
 */
#include "base/mem.h"
#include "cli/json_watch.h"
#include "observe/guard_ring.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_who who = {0};
	struct buf cleanup_call(buf_done) out = {0};
	struct watch_said cleanup_call(watch_words_forget) said = {0};
	struct buf cleanup_call(buf_done) again = {0};
	struct guard_event e;
	json_t *line;
	struct watch_event w = {.event = &e, .who = &who, .time_ns = 1700000000000000000};

	guard_ring_find_lock((const char *)data, size, 0, 0x2a, 77);
	if (guard_ring_decode(data, size, &e) < 0)
		return 0;
	if (size != sizeof(e) || !memchr(e.who.name, '\0', sizeof(e.who.name)))
		abort();
	who.alive = e.who.uid & 1;
	who.program = who.alive ? e.who.name : NULL;
	w.owner = e.who.uid & 2 ? e.who.name : NULL;
	w.start_ns = (int64_t)(e.who.start_ns >> 1);
	watch_words_add(&w, false, false, &out);
	if (memchr(buf_text(&out), '\n', out.len) || memchr(buf_text(&out), '\033', out.len))
		abort();
	buf_clear(&out);
	if (json_watch_add(&w, &out) < 0 || memchr(buf_text(&out), '\n', out.len - 1))
		abort();
	/* twice: it is kept, and said again */
	who.serial = 1;
	w.said = &said;
	for (int i = 0; i < 2; i++) {
		buf_clear(&again);
		if (json_watch_add(&w, &again) < 0 || strcmp(buf_text(&again), buf_text(&out)) != 0)
			abort();
	}
	line = json_loadb(buf_text(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(line))
		abort();
	json_decref(line);
	return 0;
}
