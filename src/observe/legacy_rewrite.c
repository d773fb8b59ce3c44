/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over the entries serves for finding the doubts and for writing the new table: both must
 * meet the doubts in the same order, whatever the assignment. Every entry becomes a group of none
 * (a rule that does not match, or has no say), one, or several entries (recorders before it).
 * What jumped to an entry jumps to its group, or, if that is empty, to the next.
 */
#include "observe/legacy_rewrite.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/xt_table.h"

#include <errno.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ENTRY_SIZE_LIMIT = UINT16_MAX & ~7 };

struct work {
	const struct legacy_image *image;
	const struct legacy_table *table;
	const uint8_t *blob;
	const struct legacy_layout *layout;
	struct legacy_walk walk;
	struct doubt_list *list;	     /* finding: doubts go here */
	const struct assignment *assignment; /* writing; NULL: every doubt is true */
	struct legacy_rewritten *out;	     /* writing; NULL: finding */
	uint32_t *moved;		     /* writing: where the group of each entry begins */
	size_t doubts;			     /* of this table so far */
	size_t limit;			     /* entries from here on are left out */
	size_t entry;			     /* the one in work */
	struct buf kept;		     /* its matches that stay, so far */
	bool clock;
	int error;
};

static void work_done(struct work *w)
{
	legacy_walk_done(&w->walk);
	free(w->moved);
	buf_done(&w->kept);
}

static const struct legacy_entry *current(const struct work *w)
{
	return &w->walk.entries[w->entry];
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* The ip part of the current entry, the matches kept so far, and that target. */
static void emit(struct work *w, uint32_t origin, const void *target, size_t target_len)
{
	size_t size = w->layout->entry_size + w->kept.len + target_len, start;
	uint16_t target_offset = (uint16_t)(w->layout->entry_size + w->kept.len),
		 next_offset = (uint16_t)size;
	struct legacy_rewritten *out = w->out;
	struct buf *bytes;

	if (!out || w->error)
		return;
	if (size > ENTRY_SIZE_LIMIT)
		w->error = -EINVAL;
	else if (mem_grow(&out->origin, &out->origin_cap, out->blob.num_entries + 1u,
			  sizeof(*out->origin)) < 0)
		w->error = -ENOMEM;
	if (w->error)
		return;
	out->origin[out->blob.num_entries++] = origin;
	bytes = &out->blob.bytes;
	start = bytes->len;
	buf_add(bytes, w->blob + current(w)->offset, w->layout->entry_size);
	buf_add(bytes, w->kept.data, w->kept.len);
	buf_add(bytes, target, target_len);
	if (bytes->failed) {
		w->error = -ENOMEM;
		return;
	}
	memcpy(bytes->data + start + w->layout->target_offset, &target_offset,
	       sizeof(target_offset));
	memcpy(bytes->data + start + w->layout->next_offset, &next_offset, sizeof(next_offset));
	memset(bytes->data + start + w->layout->comefrom, 0, sizeof(uint32_t));
	memset(bytes->data + start + w->layout->counters, 0, sizeof(struct xt_counters));
	if (origin == LEGACY_NO_RULE)
		bytes->data[start + w->layout->flags] &= (char)~w->layout->goto_flag;
}

static void emit_recorder(struct work *w, size_t doubt)
{
	struct {
		struct xt_entry_target head;
		struct xt_nflog_info info;
		char pad[XT_ALIGN(sizeof(struct xt_nflog_info)) - sizeof(struct xt_nflog_info)];
	} target = {.info = {.group = GROUP_RECORDER, .threshold = 1}};

	_Static_assert(sizeof(target) % 8 == 0, "targets are multiples of 8");
	target.head.u.user.target_size = sizeof(target);
	memcpy(target.head.u.user.name, "NFLOG", sizeof("NFLOG"));
	snprintf(target.info.prefix, sizeof(target.info.prefix), "D%zu", doubt);
	emit(w, LEGACY_NO_RULE, &target, sizeof(target));
}

static void emit_drop(struct work *w)
{
	struct xt_standard_target target = {.verdict = LEGACY_DROP};

	target.target.u.user.target_size = XT_ALIGN(sizeof(target));
	emit(w, (uint32_t)w->entry, &target, sizeof(target));
}

/* The target as it is, but for what must not act in the twin. */
static void emit_rule(struct work *w, const struct legacy_extension *target)
{
	uint8_t cleanup_free *copy = malloc(target->whole_len);
	size_t len = target->whole_len;

	if (!w->out)
		return;
	if (!copy) {
		w->error = -ENOMEM;
		return;
	}
	memcpy(copy, target->whole, len);
	xt_target_quiet(target->name, target->revision, copy + (len - target->len), target->len);
	emit(w, (uint32_t)w->entry, copy, len);
}

/* --- doubts ------------------------------------------------------------------------------------
 */

static enum doubt_kind doubt_kind_of(enum xt_kind kind)
{
	return kind == XT_RATE ? DOUBT_RATE : kind == XT_UNMIRRORED ? DOUBT_UNMIRRORED : DOUBT_STOP;
}

static void describe(const struct work *w, const char *what, char *text, size_t size)
{
	const struct legacy_entry *entry = current(w);

	snprintf(text, size, _("%s in %s %s %s, rule %u"), what,
		 w->table->family == AF_INET6 ? "ip6tables-legacy" : "iptables-legacy",
		 w->table->name,
		 entry->chain == LEGACY_NO_RULE ? "?" : w->walk.chains[entry->chain].name,
		 entry->rule);
}

enum course { GOES_ON, NO_MATCH, STOPPED };

/*
 * The current entry meets a doubt, after its matches kept so far. With `silent` the rule is known
 * not to match already, and the doubt is only counted. The last place of the list stands for all
 * that follow, so it is a STOP in any case.
 */
static enum course meet(struct work *w, enum xt_kind kind, const char *what, bool silent)
{
	size_t index = w->table->first_doubt + w->doubts++;
	bool trial = !w->list && !w->assignment;
	char text[sizeof(((struct doubt *)NULL)->text)];

	if (!trial && (w->list ? w->list->count : index) >= DOUBT_LIMIT - 1) {
		kind = XT_STOP;
		index = DOUBT_LIMIT - 1;
	}
	if (w->list) {
		describe(w, what, text, sizeof(text));
		doubts_add(w->list, doubt_kind_of(kind), text);
		return GOES_ON;
	}
	if (silent)
		return NO_MATCH;
	emit_recorder(w, index);
	if (kind == XT_STOP) {
		emit_drop(w);
		return STOPPED;
	}
	return trial || assignment_has(w->assignment, index) ? GOES_ON : NO_MATCH;
}

/* --- one rule ----------------------------------------------------------------------------------
 */

/* A set that the rules themselves change holds what came before. */
static bool set_changes(const struct work *w, const struct legacy_extension *match)
{
	uint16_t sets[3];
	size_t count = xt_match_sets(match->name, match->revision, match->data, match->len, sets);

	for (size_t i = 0; i < count; i++)
		if (w->image->changed_sets[sets[i] / 64] >> sets[i] % 64 & 1)
			return true;
	return false;
}

static enum xt_kind match_kind(const struct work *w, const struct legacy_extension *match)
{
	enum xt_kind kind = xt_match_kind(match->name, match->revision, match->data, match->len);

	return kind == XT_PLAIN && set_changes(w, match) ? XT_RATE : kind;
}

static enum xt_kind target_kind(const struct legacy_entry *entry,
				const struct legacy_extension *target)
{
	if (entry->target == LEGACY_EXTENSION)
		return xt_target_kind(target->name, target->revision, target->data, target->len);
	if (entry->target == LEGACY_HEADER || entry->verdict >= 0 ||
	    entry->verdict == LEGACY_ACCEPT || entry->verdict == LEGACY_DROP ||
	    entry->verdict == LEGACY_RETURN)
		return XT_PLAIN;
	return XT_STOP; /* QUEUE */
}

static bool is_refused(const struct work *w)
{
	for (size_t i = 0; i < w->table->refused_count; i++)
		if (w->table->refused[i] == w->entry)
			return true;
	return false;
}

/* All that the rule asks is what the twin can answer, and it was not refused. */
static bool is_plain(const struct work *w)
{
	struct cur c = legacy_matches(w->layout, w->blob, current(w));
	struct legacy_extension match;

	while (legacy_match_next(&c, &match))
		if (match_kind(w, &match) != XT_PLAIN)
			return false;
	return !is_refused(w);
}

/* Whether it matches or not, the packet goes on to the next entry as it was. */
static bool has_no_say(const struct legacy_entry *entry, enum xt_kind target)
{
	return target == XT_STRIP || (entry->target == LEGACY_STANDARD && entry->verdict >= 0 &&
				      (uint32_t)entry->verdict == entry->offset + entry->size);
}

static enum course take_matches(struct work *w)
{
	struct cur c = legacy_matches(w->layout, w->blob, current(w));
	struct legacy_extension match;
	enum course course = GOES_ON;

	while (course != STOPPED && legacy_match_next(&c, &match)) {
		enum xt_kind kind = match_kind(w, &match);
		const struct xt_row *row = xt_match_find(match.name);

		w->clock |= row && row->clock;
		if (kind == XT_PLAIN)
			buf_add(&w->kept, match.whole, match.whole_len);
		else if (kind == XT_STOP && (w->list || course == NO_MATCH)) {
			meet(w, kind, match.name, true);
			return STOPPED;
		} else if (kind != XT_STRIP)
			course = meet(w, kind, match.name, course == NO_MATCH);
	}
	return course;
}

static void take_rule(struct work *w)
{
	const struct legacy_entry *entry = current(w);
	struct legacy_extension target;
	enum course course;
	enum xt_kind kind;

	if (!legacy_target_read(w->blob, entry, &target)) {
		w->error = -EINVAL;
		return;
	}
	kind = target_kind(entry, &target);
	if (has_no_say(entry, kind) && (kind == XT_STRIP || !is_plain(w)))
		return;
	if (is_refused(w)) {
		meet(w, XT_STOP, _("a rule that the kernel refused to copy"), false);
		return;
	}
	course = take_matches(w);
	if (w->kept.failed)
		w->error = -ENOMEM;
	if (course == STOPPED)
		return;
	if (kind == XT_STOP)
		meet(w, kind, target.name[0] ? target.name : "QUEUE", course == NO_MATCH);
	else if (course == GOES_ON)
		emit_rule(w, &target);
}

/* --- a table -----------------------------------------------------------------------------------
 */

static int take_entries(struct work *w)
{
	for (w->entry = 0; w->entry < w->walk.count && !w->error; w->entry++) {
		const struct legacy_entry *entry = current(w);

		buf_clear(&w->kept);
		if (w->out)
			w->moved[w->entry] = (uint32_t)w->out->blob.bytes.len;
		if (w->entry < w->limit || entry->last || entry->target == LEGACY_HEADER)
			take_rule(w);
	}
	return w->error;
}

static uint32_t moved_to(const struct work *w, uint32_t offset)
{
	ptrdiff_t entry = legacy_walk_find(&w->walk, offset);

	return entry < 0 ? 0 : w->moved[entry];
}

/* Jumps still hold the old offsets. All of this was written by emit(). */
static void patch_jumps(struct work *w)
{
	struct buf *bytes = &w->out->blob.bytes;
	size_t at = 0;

	while (at < bytes->len) {
		struct xt_standard_target target;
		uint16_t target_offset, next_offset;
		char *where;

		memcpy(&target_offset, bytes->data + at + w->layout->target_offset,
		       sizeof(target_offset));
		memcpy(&next_offset, bytes->data + at + w->layout->next_offset,
		       sizeof(next_offset));
		where = bytes->data + at + target_offset;
		memcpy(&target.target, where, sizeof(target.target));
		if (target.target.u.user.name[0] == 0) {
			where += offsetof(struct xt_standard_target, verdict);
			memcpy(&target.verdict, where, sizeof(target.verdict));
			if (target.verdict >= 0)
				target.verdict = (int)moved_to(w, (uint32_t)target.verdict);
			memcpy(where, &target.verdict, sizeof(target.verdict));
		}
		at += next_offset;
	}
}

static void patch_hooks(struct work *w)
{
	for (size_t i = 0; i < LEGACY_HOOKS; i++)
		if (w->table->valid_hooks >> i & 1) {
			w->out->blob.hook_entry[i] = moved_to(w, w->table->hook_entry[i]);
			w->out->blob.underflow[i] = moved_to(w, w->table->underflow[i]);
		}
}

static int work_begin(struct work *w, const struct legacy_image *image, size_t table)
{
	w->image = image;
	w->table = &image->tables[table];
	w->blob = legacy_image_blob(image, w->table);
	w->layout = legacy_layout_of(w->table->family);
	return legacy_walk_read(&w->walk, w->table, w->blob);
}

static int write_table(struct work *w)
{
	w->moved = calloc(w->walk.count, sizeof(*w->moved));
	if (!w->moved)
		return -ENOMEM;
	if (take_entries(w) < 0)
		return w->error;
	patch_jumps(w);
	patch_hooks(w);
	return 0;
}

int legacy_rewrite_table(const struct legacy_image *image, size_t table,
			 const struct assignment *assignment, struct legacy_rewritten *ret)
{
	struct work cleanup_call(work_done)
		w = {.assignment = assignment, .out = ret, .limit = SIZE_MAX};
	int r = work_begin(&w, image, table);

	return r < 0 ? r : write_table(&w);
}

int legacy_rewrite_trial(const struct legacy_image *image, size_t table, size_t limit,
			 struct legacy_rewritten *ret)
{
	struct work cleanup_call(work_done) w = {.out = ret, .limit = limit};
	int r = work_begin(&w, image, table);

	return r < 0 ? r : write_table(&w);
}

void legacy_rewritten_done(struct legacy_rewritten *r)
{
	buf_done(&r->blob.bytes);
	free(r->origin);
	*r = (struct legacy_rewritten){0};
}

/* --- finding -----------------------------------------------------------------------------------
 */

static int note_changed_sets(struct legacy_image *image, size_t table)
{
	struct work cleanup_call(work_done) w = {0};
	int r = work_begin(&w, image, table);

	for (size_t i = 0; r == 0 && i < w.walk.count; i++) {
		struct legacy_extension target;
		uint16_t sets[3];
		size_t count = 0;

		if (w.walk.entries[i].target == LEGACY_EXTENSION &&
		    legacy_target_read(w.blob, &w.walk.entries[i], &target))
			count = xt_target_changed_sets(target.name, target.revision, target.data,
						       target.len, sets);
		for (size_t k = 0; k < count; k++)
			image->changed_sets[sets[k] / 64] |= 1ull << sets[k] % 64;
	}
	return r;
}

static int find_in_table(struct legacy_image *image, size_t table, struct doubt_list *list,
			 bool *clock)
{
	struct work cleanup_call(work_done) w = {.list = list, .limit = SIZE_MAX};
	int r = work_begin(&w, image, table);

	if (r < 0)
		return r;
	image->tables[table].first_doubt = list->count;
	r = take_entries(&w);
	*clock |= w.clock;
	return r;
}

int legacy_rewrite_find(struct legacy_image *image, struct doubt_list *list, bool *ret_clock,
			struct err *e)
{
	bool clock = false;
	int r = 0;

	memset(image->changed_sets, 0, sizeof(image->changed_sets));
	for (size_t i = 0; i < image->count && r == 0; i++)
		r = note_changed_sets(image, i);
	for (size_t i = 0; i < image->count && r == 0; i++)
		r = find_in_table(image, i, list, &clock);
	if (r < 0)
		return err_set(e, r, _("a table of iptables-legacy cannot be understood: %s"),
			       strerror(-r));
	if (ret_clock)
		*ret_clock = clock;
	return 0;
}
