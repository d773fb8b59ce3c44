/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_pack_fuzz: any bytes as kept answers. The first 24 bytes of a file (what it is, and its
 * key) and its hash are made right, so that the fuzzer gets behind them. Besides memory errors, it
 * looks for answers that refer to what is not there, and for such that become others when they are
 * written and read once more.
 */
#include "observe/reach_pack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEY = 1, HEADING = 32 };

static void look(const struct reach *r)
{
	size_t sum = 0;

	for (size_t i = 0; i < r->class_count; i++) {
		const struct reach_class *c = &r->classes[i];
		const struct reach_interval *found = reach_find(r, c, 80);

		if ((size_t)c->first_interval + c->interval_count > r->interval_count)
			abort();
		if (found && (found->first > 80 || found->last < 80))
			abort();
		sum += strlen(reach_text(r, c->ifname_str)) + strlen(reach_text(r, c->sources_str));
		sum += strlen(source_class_id(c->source_class)) + strlen(proto_name(c->proto));
	}
	for (size_t i = 0; i < r->gap_count; i++)
		sum += strlen(reach_text(r, r->gaps[i].why_str));
	if (sum > SIZE_MAX / 2)
		abort();
}

static void once_more(const struct reach *r, const struct buf *bytes)
{
	struct buf again = {0};

	reach_pack(r, KEY, &again);
	if (!again.failed &&
	    (again.len != bytes->len || memcmp(again.data, bytes->data, again.len)))
		abort();
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reach empty = {0}, r = {0};
	struct buf b = {0};
	uint64_t hash = reach_pack_sum(data, size);

	reach_pack(&empty, KEY, &b); /* for its heading */
	if (b.failed)
		return 0;
	b.len = HEADING - sizeof(hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		buf_add_char(&b, (char)(hash >> (8 * i)));
	buf_add(&b, data, size);
	if (!b.failed && reach_unpack(b.data, b.len, KEY, &r) == 0) {
		look(&r);
		once_more(&r, &b);
	}
	reach_done(&r);
	buf_done(&b);
	return 0;
}
