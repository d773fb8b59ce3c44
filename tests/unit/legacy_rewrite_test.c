/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_rewrite: recorded tables are rewritten with many assignments, and a small interpreter of
 * tables (jumps, gotos, returns, policies) runs both: the original, with each doubt's truth from
 * the assignment, and the rewritten one, which has no doubts left. Whatever else matches is chance,
 * the same in both. They must do the same and meet the same doubts. Then damage: truncated, wrong
 * lengths, random bytes.
 */
#include "base/map.h"
#include "base/mem.h"
#include "legacy_scene.h"
#include "observe/legacy_rewrite.h"
#include "observe/xt_table.h"
#include "unit.h"

#include <linux/netfilter/xt_NFLOG.h>

enum { STEPS = 4000, EFFECTS = 512 };

static struct recorded_list recorded;

static int load(void **state)
{
	(void)state;
	recorded_load(&recorded, "legacy.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&recorded);
	return 0;
}

static void image_of_all(struct legacy_image *image)
{
	memset(image, 0, sizeof(*image));
	for (size_t i = 0; i < recorded.count; i++)
		assert_true(scene_add_table(image, recorded.items[i].name, recorded.items[i].bytes,
					    recorded.items[i].len));
}

/* --- the interpreter ---------------------------------------------------------------------------
 */

/* What happens to one packet: effects as hashes, doubts as numbers below DOUBT_LIMIT. */
struct fate {
	uint64_t effects[EFFECTS];
	size_t count;
};

struct machine {
	const struct legacy_image *image; /* of the original: for what the rules change */
	const struct legacy_table *table;
	const uint8_t *blob;
	const struct legacy_walk *walk;
	const struct assignment *assignment; /* NULL: no doubts are left */
	const size_t *first_doubt;	     /* for each entry: index of its first doubt */
	uint64_t chance;
	struct fate *fate;
};

static void note(struct machine *m, uint64_t effect)
{
	assert_true(m->fate->count < EFFECTS);
	m->fate->effects[m->fate->count++] = effect;
}

static bool by_chance(const struct machine *m, const void *bytes, size_t len)
{
	return map_mix(map_hash_bytes(bytes, len), m->chance) % 8 < 5;
}

static enum xt_kind kind_of(const struct machine *m, const struct legacy_extension *match)
{
	enum xt_kind kind = xt_match_kind(match->name, match->revision, match->data, match->len);
	uint16_t sets[3];

	if (kind == XT_PLAIN &&
	    xt_match_sets(match->name, match->revision, match->data, match->len, sets) &&
	    m->image->changed_sets[sets[0] / 64] >> sets[0] % 64 & 1)
		return XT_RATE;
	return kind;
}

/* -1: it does not match; 0: it does; 1: nobody can tell (the packet is gone). */
static int match_entry(struct machine *m, size_t at, size_t *doubt)
{
	const struct legacy_entry *entry = &m->walk->entries[at];
	const struct legacy_layout *l = legacy_layout_of(m->table->family);
	struct cur c = legacy_matches(l, m->blob, entry);
	struct legacy_extension match;
	uint8_t ip[256];
	bool silent = false;

	memcpy(ip, m->blob + entry->offset, l->target_offset - 4);
	ip[l->flags] &= (uint8_t)~l->goto_flag;
	/* an ip part of zeroes matches everything: policies do */
	for (size_t i = 0; i < l->target_offset - 4; i++)
		if (ip[i]) {
			silent = !by_chance(m, ip, l->target_offset - 4);
			break;
		}
	while (legacy_match_next(&c, &match)) {
		enum xt_kind kind = m->assignment ? kind_of(m, &match) : XT_PLAIN;

		if (kind == XT_STRIP)
			continue;
		if (kind == XT_PLAIN) {
			silent |= !by_chance(m, match.whole, match.whole_len);
			continue;
		}
		if (!silent)
			note(m, *doubt);
		if (!silent && kind == XT_STOP)
			return 1;
		silent |= !assignment_has(m->assignment, *doubt);
		++*doubt;
	}
	return silent ? -1 : 0;
}

/* A recorder's target is met as the doubt that it names. */
static bool note_recorder(struct machine *m, const struct legacy_extension *target)
{
	struct xt_nflog_info info;

	if (strcmp(target->name, "NFLOG") != 0 || target->len < sizeof(info))
		return false;
	memcpy(&info, target->data, sizeof(info));
	if (info.group != GROUP_RECORDER || info.prefix[0] != 'D')
		return false;
	note(m, strtoul(info.prefix + 1, NULL, 10));
	return true;
}

static void note_target(struct machine *m, const struct legacy_extension *target)
{
	uint8_t copy[1024];

	assert_true(target->len <= sizeof(copy));
	memcpy(copy, target->data, target->len);
	xt_target_quiet(target->name, target->revision, copy, target->len);
	note(m, map_hash_bytes(copy, target->len) | DOUBT_LIMIT);
}

static enum xt_kind target_kind_of(const struct machine *m, const struct legacy_extension *target)
{
	return m->assignment && target->name[0] && strcmp(target->name, "ERROR") != 0
		       ? xt_target_kind(target->name, target->revision, target->data, target->len)
		       : XT_PLAIN;
}

/* A rule without a say leaves the packet as it was and where it was. */
static bool without_say(const struct machine *m, const struct legacy_entry *entry,
			const struct legacy_extension *target)
{
	return target_kind_of(m, target) == XT_STRIP ||
	       (entry->target == LEGACY_STANDARD && entry->verdict >= 0 &&
		(uint32_t)entry->verdict == entry->offset + entry->size);
}

/* Runs one packet through a hook. */
static void run(struct machine *m, uint32_t hook)
{
	const struct legacy_layout *l = legacy_layout_of(m->table->family);
	size_t stack[64], depth = 0;
	ptrdiff_t at = legacy_walk_find(m->walk, m->table->hook_entry[hook]);

	for (int step = 0; step < STEPS; step++) {
		const struct legacy_entry *entry;
		struct legacy_extension target;
		size_t doubt;
		int matched;

		assert_true(at >= 0 && (size_t)at < m->walk->count);
		entry = &m->walk->entries[at];
		doubt = m->first_doubt ? m->first_doubt[at] : 0;
		assert_true(legacy_target_read(m->blob, entry, &target));
		if (without_say(m, entry, &target)) {
			at++;
			continue;
		}
		matched = match_entry(m, (size_t)at, &doubt);
		if (matched < 0) {
			at++;
			continue;
		}
		if (matched == 0 && target_kind_of(m, &target) == XT_STOP) {
			note(m, doubt);
			matched = 1;
		}
		if (matched > 0) {
			note(m, UINT64_MAX); /* the rewritten table drops */
			return;
		}
		if (entry->target == LEGACY_STANDARD && entry->verdict == LEGACY_RETURN) {
			at = depth ? (ptrdiff_t)stack[--depth] + 1
				   : legacy_walk_find(m->walk, m->table->underflow[hook]);
		} else if (entry->target == LEGACY_STANDARD && entry->verdict < 0) {
			note(m, entry->verdict == LEGACY_DROP ? UINT64_MAX : UINT64_MAX - 1);
			return;
		} else if (entry->target == LEGACY_STANDARD) {
			if (!(m->blob[entry->offset + l->flags] & l->goto_flag)) {
				assert_true(depth < 64);
				stack[depth++] = (size_t)at;
			}
			at = legacy_walk_find(m->walk, (uint32_t)entry->verdict);
		} else {
			if (!note_recorder(m, &target))
				note_target(m, &target);
			at++;
		}
	}
	fail_msg("a packet did not come to an end");
}

/* The doubts of a table by entry, counted independently of the rewriting. */
static size_t *count_doubts(const struct machine *m)
{
	size_t *first = calloc(m->walk->count, sizeof(*first)), next = m->table->first_doubt;

	assert_non_null(first);
	for (size_t i = 0; i < m->walk->count; i++) {
		const struct legacy_entry *entry = &m->walk->entries[i];
		struct cur c = legacy_matches(legacy_layout_of(m->table->family), m->blob, entry);
		struct legacy_extension match, target;
		bool stopped = false;

		first[i] = next;
		assert_true(legacy_target_read(m->blob, entry, &target));
		if (without_say(m, entry, &target))
			continue;
		while (!stopped && legacy_match_next(&c, &match)) {
			enum xt_kind kind = kind_of(m, &match);

			next += kind != XT_PLAIN && kind != XT_STRIP;
			stopped = kind == XT_STOP;
		}
		next += !stopped && target_kind_of(m, &target) == XT_STOP;
	}
	return first;
}

static struct legacy_table rewritten_table(const struct legacy_table *t,
					   const struct legacy_blob *blob)
{
	struct legacy_table ret = *t;

	ret.size = blob->bytes.len;
	ret.num_entries = blob->num_entries;
	memcpy(ret.hook_entry, blob->hook_entry, sizeof(ret.hook_entry));
	memcpy(ret.underflow, blob->underflow, sizeof(ret.underflow));
	return ret;
}

/* Both tables with the same packets: returns how many doubts they met. */
static size_t compare(const struct legacy_image *image, size_t table, const struct assignment *a,
		      uint64_t *seed)
{
	static struct fate fates[2];
	const struct legacy_table *t = &image->tables[table];
	struct legacy_rewritten cleanup_call(legacy_rewritten_done) w = {0};
	struct legacy_walk cleanup_call(legacy_walk_done) before = {0}, after = {0};
	struct legacy_table copy;
	struct machine original = {.image = image,
				   .table = t,
				   .blob = legacy_image_blob(image, t),
				   .walk = &before,
				   .assignment = a,
				   .fate = &fates[0]};
	struct machine rewritten;
	size_t *first, met = 0;

	assert_int_equal(legacy_rewrite_table(image, table, a, &w), 0);
	copy = rewritten_table(t, &w.blob);
	assert_int_equal(legacy_walk_read(&before, t, original.blob), 0);
	assert_int_equal(legacy_walk_read(&after, &copy, (uint8_t *)w.blob.bytes.data), 0);
	assert_int_equal(after.count, w.blob.num_entries);
	first = count_doubts(&original);
	original.first_doubt = first;
	rewritten = (struct machine){.image = image,
				     .table = &copy,
				     .blob = (uint8_t *)w.blob.bytes.data,
				     .walk = &after,
				     .fate = &fates[1]};
	for (int packet = 0; packet < 40; packet++)
		for (uint32_t hook = 0; hook < LEGACY_HOOKS; hook++) {
			if (!(t->valid_hooks >> hook & 1))
				continue;
			fates[0].count = fates[1].count = 0;
			original.chance = rewritten.chance = unit_random(seed);
			run(&original, hook);
			run(&rewritten, hook);
			assert_int_equal(fates[0].count, fates[1].count);
			assert_memory_equal(fates[0].effects, fates[1].effects,
					    fates[0].count * sizeof(uint64_t));
			for (size_t i = 0; i < fates[0].count; i++)
				met += fates[0].effects[i] < DOUBT_LIMIT;
		}
	free(first);
	return met;
}

static void test_rewritten_does_the_same(void **state)
{
	struct legacy_image cleanup_call(legacy_image_done) image;
	static struct doubt_list list;
	uint64_t seed = 20261126;
	size_t met = 0;

	(void)state;
	image_of_all(&image);
	memset(&list, 0, sizeof(list));
	assert_int_equal(legacy_rewrite_find(&image, &list, NULL, NULL), 0);
	assert_true(list.count > 30);
	assert_false(list.overflow);
	for (size_t table = 0; table < image.count; table++)
		for (int i = 0; i < 30; i++) {
			struct assignment a = {0};

			for (size_t k = 0; k < ARRAY_LEN(a.bits); k++)
				a.bits[k] = i == 0 ? 0 : i == 1 ? UINT64_MAX : unit_random(&seed);
			met += compare(&image, table, &a, &seed);
		}
	assert_true(met > 1000);
}

/* The list begins where nft's doubts ended, and its last place stands for all that follow. */
static void test_too_many_doubts(void **state)
{
	struct legacy_image cleanup_call(legacy_image_done) image;
	static struct doubt_list list;
	struct assignment all = {0};

	(void)state;
	image_of_all(&image);
	memset(&list, 0, sizeof(list));
	while (list.count < DOUBT_LIMIT - 3)
		doubts_add(&list, DOUBT_RATE, "another's");
	assert_int_equal(legacy_rewrite_find(&image, &list, NULL, NULL), 0);
	assert_true(list.overflow);
	assert_int_equal(list.items[DOUBT_LIMIT - 1].kind, DOUBT_STOP);
	memset(all.bits, 0xff, sizeof(all.bits));
	for (size_t table = 0; table < image.count; table++) {
		struct legacy_rewritten cleanup_call(legacy_rewritten_done) w = {0};

		assert_int_equal(legacy_rewrite_table(&image, table, &all, &w), 0);
		for (size_t at = 0; at + 4 < w.blob.bytes.len; at++)
			assert_memory_not_equal(w.blob.bytes.data + at, "D256", 4);
	}
}

static bool has_doubt(const struct doubt_list *list, enum doubt_kind kind, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == kind && strcmp(list->items[i].text, text) == 0)
			return true;
	return false;
}

static void test_texts_and_kinds(void **state)
{
	struct legacy_image cleanup_call(legacy_image_done) image;
	static struct doubt_list list;
	bool clock = false;

	(void)state;
	image_of_all(&image);
	memset(&list, 0, sizeof(list));
	assert_int_equal(legacy_rewrite_find(&image, &list, &clock, NULL), 0);
	assert_true(clock);
	assert_true(has_doubt(&list, DOUBT_RATE, "limit in iptables-legacy filter first, rule 1"));
	assert_true(has_doubt(&list, DOUBT_RATE, "recent in iptables-legacy filter first, rule 3"));
	assert_true(
		has_doubt(&list, DOUBT_UNMIRRORED, "mac in ip6tables-legacy filter six, rule 1"));
	assert_true(has_doubt(&list, DOUBT_STOP,
			      "TPROXY in iptables-legacy mangle PREROUTING, rule 2"));
	/* it only logs: no verdict depends on it */
	assert_false(
		has_doubt(&list, DOUBT_RATE, "limit in iptables-legacy filter second, rule 1"));
}

/* A rule that the kernel refused is a STOP, and is not in the table any more. */
static void test_refused_rule(void **state)
{
	struct legacy_image cleanup_call(legacy_image_done) image;
	static struct doubt_list list;
	struct legacy_rewritten cleanup_call(legacy_rewritten_done) before = {0}, after = {0};
	struct assignment none = {0};
	struct legacy_table *t;
	size_t stops = 0;

	(void)state;
	image_of_all(&image);
	t = &image.tables[0];
	memset(&list, 0, sizeof(list));
	assert_int_equal(legacy_rewrite_find(&image, &list, NULL, NULL), 0);
	assert_int_equal(legacy_rewrite_table(&image, 0, &none, &before), 0);
	t->refused = calloc(1, sizeof(*t->refused));
	t->refused_count = t->refused_cap = 1;
	t->refused[0] = 1;
	memset(&list, 0, sizeof(list));
	assert_int_equal(legacy_rewrite_find(&image, &list, NULL, NULL), 0);
	for (size_t i = 0; i < list.count; i++)
		stops += strstr(list.items[i].text, "refused") != NULL;
	assert_int_equal(stops, 1);
	assert_int_equal(legacy_rewrite_table(&image, 0, &none, &after), 0);
	assert_int_equal(after.blob.num_entries, before.blob.num_entries + 1);
}

/* --- damage ------------------------------------------------------------------------------------
 */

/* Read past the end is what AddressSanitizer sees; a result must be a table. */
static void try_bytes(const char *name, const void *bytes, size_t len)
{
	struct legacy_image image = {0};
	static struct doubt_list list;
	struct assignment all = {0};
	void *copy = unit_copy(bytes, len);
	bool table = scene_add_table(&image, name, copy, len);

	memset(&list, 0, sizeof(list));
	memset(all.bits, 0xff, sizeof(all.bits));
	scene_shrink(&image);
	if (table && legacy_rewrite_find(&image, &list, NULL, NULL) == 0) {
		struct legacy_rewritten w = {0};
		struct legacy_walk walk = {0};

		if (legacy_rewrite_table(&image, 0, &all, &w) == 0) {
			struct legacy_table t = rewritten_table(&image.tables[0], &w.blob);

			assert_int_equal(legacy_walk_read(&walk, &t, (uint8_t *)w.blob.bytes.data),
					 0);
		}
		legacy_walk_done(&walk);
		legacy_rewritten_done(&w);
	}
	free(copy);
	legacy_image_done(&image);
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < recorded.count; i++) {
		const struct recorded *r = &recorded.items[i];
		struct legacy_image image = {0};
		size_t step = r->len > 8000 ? 37 : 1;

		for (size_t len = 0; len < r->len; len += step) {
			try_bytes(r->name, r->bytes, len);
			/* no part of a table is a table */
			image = (struct legacy_image){0};
			if (scene_add_table(&image, r->name, r->bytes, len)) {
				struct legacy_walk walk;

				assert_int_equal(
					legacy_walk_read(
						&walk, &image.tables[0],
						legacy_image_blob(&image, &image.tables[0])),
					-EINVAL);
			}
			legacy_image_done(&image);
		}
	}
}

static void test_damaged(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (size_t i = 0; i < recorded.count; i++)
		for (int round = 0; round < 2000; round++) {
			const struct recorded *r = &recorded.items[i];
			uint8_t *bytes = unit_copy(r->bytes, r->len);
			size_t at = unit_random(&seed) % r->len;

			bytes[at] = (uint8_t)unit_random(&seed);
			bytes[unit_random(&seed) % r->len] ^= (uint8_t)(1 << at % 8);
			if (r->len < 8000 || round < 200)
				try_bytes(r->name, bytes, r->len);
			free(bytes);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewritten_does_the_same),
		cmocka_unit_test(test_too_many_doubts),
		cmocka_unit_test(test_texts_and_kinds),
		cmocka_unit_test(test_refused_rule),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
