/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_pack.h"
#include "base/cur.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What a file begins with; the number changes with what follows. */
static const char magic[16] = "portero reach 4";

/* Bytes of one of each, at least: what bounds the counts of a file. */
enum {
	ADDRESS_BYTES = 17,
	CLASS_BYTES = 28 + 2 * ADDRESS_BYTES,
	INTERVAL_BYTES = 19 + 2 * ADDRESS_BYTES,
	GAP_BYTES = 12
};

/* Eight bytes at a time: there may be a million of them, and somebody waits. */
uint64_t reach_pack_sum(const void *bytes, size_t len)
{
	struct cur c = cur_init(bytes, len);
	uint64_t sum = len, word;

	while (c.left >= sizeof(word)) {
		cur_read(&c, &word, sizeof(word));
		sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
		sum ^= sum >> 32;
	}
	return map_mix(sum, map_hash_bytes(c.at, c.left));
}

/* --- out ----------------------------------------------------------------------------------------
 */

static void put(struct buf *out, uint64_t value, size_t len)
{
	uint8_t bytes[sizeof(value)];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	buf_add(out, bytes, len);
}

static void put_address(struct buf *out, const struct address *a)
{
	put(out, a->family, 1);
	buf_add(out, a->bytes, sizeof(a->bytes));
}

static void put_class(struct buf *out, const struct reach_class *c)
{
	put(out, c->source_class, 1);
	put(out, c->within, 1);
	put(out, c->proto, 1);
	put(out, c->behind, 1);
	put(out, c->leads_to, 4);
	put(out, c->ifindex, 4);
	put(out, c->ifname_str, 4);
	put(out, c->sources_str, 4);
	put(out, c->first_interval, 4);
	put(out, c->interval_count, 4);
	put_address(out, &c->source);
	put_address(out, &c->destination);
}

static void put_interval(struct buf *out, const struct reach_interval *i)
{
	put(out, i->first, 2);
	put(out, i->last, 2);
	put(out, i->verdict, 1);
	put(out, i->forwarded, 1);
	put(out, i->shifts, 1);
	put(out, i->nat, 1);
	put(out, i->several, 1);
	put(out, i->target_port, 2);
	put(out, i->out_ifindex, 4);
	put(out, i->why_str, 4);
	put_address(out, &i->target);
	put_address(out, &i->gateway);
}

static void put_body(struct buf *out, const struct reach *r)
{
	put(out, r->complete, 1);
	put(out, r->available, 1);
	put(out, r->strings.bytes.len, 4);
	put(out, r->class_count, 4);
	put(out, r->interval_count, 4);
	put(out, r->gap_count, 4);
	if (r->strings.bytes.len)
		buf_add(out, r->strings.bytes.data, r->strings.bytes.len);
	for (size_t i = 0; i < r->class_count; i++)
		put_class(out, &r->classes[i]);
	for (size_t i = 0; i < r->interval_count; i++)
		put_interval(out, &r->intervals[i]);
	for (size_t i = 0; i < r->gap_count; i++) {
		put(out, r->gaps[i].what_str, 4);
		put(out, r->gaps[i].why_str, 4);
		put(out, r->gaps[i].remedy_str, 4);
	}
}

void reach_pack(const struct reach *r, uint64_t key, struct buf *out)
{
	struct buf cleanup_call(buf_done) body = {0};

	put_body(&body, r);
	if (body.failed) {
		out->failed = true;
		return;
	}
	buf_add(out, magic, sizeof(magic));
	put(out, key, 8);
	put(out, reach_pack_sum(body.data, body.len), 8);
	buf_add(out, body.data, body.len);
}

/* --- and in -------------------------------------------------------------------------------------
 */

struct unpacking {
	struct cur c;
	struct reach *r;
	size_t strings, classes, intervals, gaps; /* how many the file says there are */
};

static uint64_t get(struct unpacking *u, size_t len)
{
	const uint8_t *bytes = cur_take(&u->c, len);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < len; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

/* A number below `limit`. */
static uint32_t get_below(struct unpacking *u, size_t len, uint64_t limit)
{
	uint64_t value = get(u, len);

	if (value >= limit)
		u->c.ok = false;
	return u->c.ok ? (uint32_t)value : 0;
}

static bool get_bool(struct unpacking *u)
{
	return get_below(u, 1, 2);
}

static uint32_t get_string(struct unpacking *u)
{
	return get_below(u, 4, u->strings ? u->strings : 1);
}

static void get_address(struct unpacking *u, struct address *a)
{
	a->family = (uint8_t)get(u, 1);
	cur_read(&u->c, a->bytes, sizeof(a->bytes));
	if (a->family != 0 && a->family != AF_INET && a->family != AF_INET6)
		u->c.ok = false;
}

static int get_strings(struct unpacking *u)
{
	const char *text = cur_take(&u->c, u->strings);

	if (!u->c.ok || u->strings == 0)
		return 0;
	if (text[0] != '\0' || text[u->strings - 1] != '\0') {
		u->c.ok = false;
		return 0;
	}
	buf_add(&u->r->strings.bytes, text, u->strings);
	return u->r->strings.bytes.failed ? -ENOMEM : 0;
}

static int get_class(struct unpacking *u)
{
	struct reach_class *c = reach_add_class(u->r);

	if (!c)
		return -ENOMEM;
	c->source_class = (enum source_class)get_below(u, 1, SOURCE_CLASS_COUNT);
	c->within = (enum source_class)get_below(u, 1, SOURCE_CLASS_COUNT);
	c->proto = (enum proto)get_below(u, 1, PROTO_COUNT);
	c->behind = get_bool(u);
	c->leads_to = (uint32_t)get(u, 4);
	c->ifindex = (uint32_t)get(u, 4);
	c->ifname_str = get_string(u);
	c->sources_str = get_string(u);
	c->first_interval = get_below(u, 4, u->intervals + 1);
	c->interval_count = get_below(u, 4, u->intervals - c->first_interval + 1);
	get_address(u, &c->source);
	get_address(u, &c->destination);
	return 0;
}

static int get_interval(struct unpacking *u)
{
	struct reach_interval *i = reach_add_interval(u->r);

	if (!i)
		return -ENOMEM;
	i->first = (uint16_t)get(u, 2);
	i->last = (uint16_t)get(u, 2);
	i->verdict = (enum verdict)get_below(u, 1, VERDICT_COUNT);
	i->forwarded = get_bool(u);
	i->shifts = get_bool(u);
	i->nat = get_bool(u);
	i->several = get_bool(u);
	i->target_port = (uint16_t)get(u, 2);
	i->out_ifindex = (uint32_t)get(u, 4);
	i->why_str = get_string(u);
	get_address(u, &i->target);
	get_address(u, &i->gateway);
	if (i->first == 0 || i->first > i->last)
		u->c.ok = false;
	return 0;
}

static int get_gap(struct unpacking *u)
{
	struct reach *r = u->r;

	if (mem_grow(&r->gaps, &r->gap_cap, r->gap_count + 1, sizeof(*r->gaps)) < 0)
		return -ENOMEM;
	r->gaps[r->gap_count].what_str = get_string(u);
	r->gaps[r->gap_count].why_str = get_string(u);
	r->gaps[r->gap_count++].remedy_str = get_string(u);
	return 0;
}

/* Those of each class follow one another, without a gap and without one port twice. */
static bool are_in_order(const struct reach *r)
{
	for (size_t i = 0; i < r->class_count; i++) {
		const struct reach_class *c = &r->classes[i];

		for (uint32_t k = 1; k < c->interval_count; k++)
			if (r->intervals[c->first_interval + k].first !=
			    r->intervals[c->first_interval + k - 1].last + 1)
				return false;
	}
	return true;
}

static int get_all(struct unpacking *u)
{
	int r = get_strings(u);

	for (size_t i = 0; i < u->classes && r == 0 && u->c.ok; i++)
		r = get_class(u);
	for (size_t i = 0; i < u->intervals && r == 0 && u->c.ok; i++)
		r = get_interval(u);
	for (size_t i = 0; i < u->gaps && r == 0 && u->c.ok; i++)
		r = get_gap(u);
	if (r < 0)
		return r;
	return u->c.ok && u->c.left == 0 && are_in_order(u->r) ? 0 : -EBADMSG;
}

int reach_unpack(const void *bytes, size_t len, uint64_t key, struct reach *ret)
{
	struct unpacking u = {.c = cur_init(bytes, len), .r = ret};
	char begins[sizeof(magic)];
	uint64_t of_key, hash;

	cur_read(&u.c, begins, sizeof(begins));
	of_key = get(&u, 8);
	hash = get(&u, 8);
	if (!u.c.ok || memcmp(begins, magic, sizeof(magic)) != 0 || of_key != key ||
	    hash != reach_pack_sum(u.c.at, u.c.left))
		return -EBADMSG;
	ret->complete = get_bool(&u);
	ret->available = get_bool(&u);
	u.strings = (size_t)get(&u, 4);
	u.classes = get_below(&u, 4, len / CLASS_BYTES + 1);
	u.intervals = get_below(&u, 4, len / INTERVAL_BYTES + 1);
	u.gaps = get_below(&u, 4, len / GAP_BYTES + 1);
	return get_all(&u);
}
