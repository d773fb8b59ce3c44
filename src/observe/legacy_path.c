/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters tell which entries matched, not in which order. The order is found by walking the chains
 * as the kernel does, where "matched" is "has counted more than it did", one packet less each time.
 */
#include "observe/legacy_path.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void legacy_path_done(struct legacy_path *p)
{
	for (size_t i = 0; i < LEGACY_TABLE_LIMIT; i++) {
		legacy_walk_done(&p->tables[i].walk);
		legacy_rewritten_done(&p->tables[i].rewritten);
		free(p->tables[i].before);
	}
	*p = (struct legacy_path){0};
}

/* --- counters ----------------------------------------------------------------------------------
 */

/* The twin's table as it is now. */
struct now {
	struct buf bytes;
	struct legacy_table table;
	struct legacy_walk walk;
	uint64_t *packets; /* for each entry; later: those that are not walked yet */
};

static void now_done(struct now *n)
{
	buf_done(&n->bytes);
	legacy_walk_done(&n->walk);
	free(n->packets);
}

static int now_read(struct now *n, const struct legacy_sockets *twin, const struct legacy_table *t)
{
	const struct legacy_layout *l = legacy_layout_of(t->family);
	const uint8_t *blob;
	int r = legacy_sock_read(t->family == AF_INET6 ? twin->ipv6 : twin->ipv4, t->family,
				 t->name, &n->bytes, &n->table);

	if (r < 0)
		return r;
	blob = (const uint8_t *)n->bytes.data;
	r = legacy_walk_read(&n->walk, &n->table, blob);
	if (r < 0)
		return r;
	n->packets = calloc(n->walk.count, sizeof(*n->packets));
	if (!n->packets)
		return -ENOMEM;
	for (size_t i = 0; i < n->walk.count; i++)
		n->packets[i] = legacy_entry_packets(l, blob, &n->walk.entries[i]);
	return 0;
}

static int begin_table(struct legacy_path *p, size_t table, const struct legacy_sockets *twin,
		       const struct assignment *assignment)
{
	const struct legacy_table *t = &p->image->tables[table];
	struct legacy_path_table *mine = &p->tables[table];
	struct now cleanup_call(now_done) now = {0};
	int r = legacy_walk_read(&mine->walk, t, legacy_image_blob(p->image, t));

	if (r == 0)
		r = legacy_rewrite_table(p->image, table, assignment, &mine->rewritten);
	if (r == 0)
		r = now_read(&now, twin, t);
	if (r == 0 && now.walk.count != mine->rewritten.blob.num_entries)
		r = -ESTALE;
	if (r < 0)
		return r;
	mine->before = now.packets;
	now.packets = NULL;
	return 0;
}

int legacy_path_begin(struct legacy_path *p, const struct legacy_image *image,
		      const struct legacy_sockets *twin, const struct assignment *assignment,
		      struct err *e)
{
	int r = 0;

	*p = (struct legacy_path){.image = image};
	for (size_t i = 0; i < image->count && r == 0; i++)
		r = begin_table(p, i, twin, assignment);
	if (r < 0)
		return err_set(e, r, _("the counters of iptables-legacy cannot be read: %s"),
			       strerror(-r));
	return 0;
}

/* --- walking -----------------------------------------------------------------------------------
 */

struct steps {
	struct legacy_step *items;
	size_t count, room;
};

/* That come by while one is followed: itself, perhaps twice, and what it is answered with. */
enum { PACKETS_AT_A_HOOK = 4 };

/* One table at one hook. */
struct course {
	struct now *now;
	const struct legacy_path_table *mine;
	const struct legacy_table *original;
	const struct legacy_image *image;
	uint32_t hook;
	uint32_t *stack; /* entries to come back to; one place for each chain */
	size_t depth;
};

static void name_target(struct legacy_step *step, const struct course *c,
			const struct legacy_entry *entry)
{
	const uint8_t *blob = legacy_image_blob(c->image, c->original);
	struct legacy_extension target = {0};
	const char *name = "";

	if (entry->target != LEGACY_STANDARD) {
		if (legacy_target_read(blob, entry, &target))
			name = target.name;
	} else if (entry->verdict >= 0) {
		ptrdiff_t to = legacy_walk_find(&c->mine->walk, (uint32_t)entry->verdict);
		uint32_t chain = to < 0 ? LEGACY_NO_RULE : c->mine->walk.entries[to].chain;

		step->jump = (uint32_t)entry->verdict != entry->offset + entry->size;
		if (step->jump && chain != LEGACY_NO_RULE)
			name = c->mine->walk.chains[chain].name;
	} else {
		name = entry->verdict == LEGACY_ACCEPT	 ? "ACCEPT"
		       : entry->verdict == LEGACY_DROP	 ? "DROP"
		       : entry->verdict == LEGACY_RETURN ? "RETURN"
							 : "QUEUE";
	}
	snprintf(step->target, sizeof(step->target), "%s", name);
}

static void add_step(struct steps *s, const struct course *c, size_t twin_entry)
{
	uint32_t origin = c->mine->rewritten.origin[twin_entry];
	const struct legacy_entry *entry;
	struct legacy_step *step;

	if (origin >= c->mine->walk.count || s->count == s->room)
		return; /* a recorder */
	entry = &c->mine->walk.entries[origin];
	if (entry->chain == LEGACY_NO_RULE)
		return;
	step = &s->items[s->count++];
	*step = (struct legacy_step){
		.family = c->original->family, .hook = (uint8_t)c->hook, .rule = entry->rule};
	snprintf(step->table, sizeof(step->table), "%s", c->original->name);
	snprintf(step->chain, sizeof(step->chain), "%s", c->mine->walk.chains[entry->chain].name);
	step->policy = entry->last && c->mine->walk.chains[entry->chain].builtin;
	name_target(step, c, entry);
	if (entry->last && !step->policy)
		s->count--; /* the end of a chain is no rule of anybody */
}

static bool ends_table(const struct course *c, const struct legacy_entry *entry)
{
	static const char *const terminal[] = {"REJECT",   "DNAT",	 "SNAT",
					       "REDIRECT", "MASQUERADE", "NETMAP"};
	struct legacy_extension target;

	if (entry->target == LEGACY_STANDARD)
		return entry->verdict == LEGACY_ACCEPT || entry->verdict == LEGACY_DROP;
	if (!legacy_target_read((const uint8_t *)c->now->bytes.data, entry, &target))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(terminal); i++)
		if (strcmp(target.name, terminal[i]) == 0)
			return true;
	return false;
}

/* Where the packet goes from an entry that it matched; -1: nowhere. */
static ptrdiff_t follow(struct course *c, size_t at)
{
	const struct legacy_entry *entry = &c->now->walk.entries[at];
	const struct legacy_layout *l = legacy_layout_of(c->original->family);

	if (ends_table(c, entry))
		return -1;
	if (entry->target != LEGACY_STANDARD)
		return (ptrdiff_t)at + 1;
	if (entry->verdict == LEGACY_RETURN)
		return c->depth ? (ptrdiff_t)c->stack[--c->depth]
				: legacy_walk_find(&c->now->walk, c->now->table.underflow[c->hook]);
	if (entry->verdict < 0)
		return -1;
	if ((uint32_t)entry->verdict != entry->offset + entry->size &&
	    !((uint8_t)c->now->bytes.data[entry->offset + l->flags] & l->goto_flag)) {
		if (c->depth > c->now->walk.chain_count)
			return -1;
		c->stack[c->depth++] = (uint32_t)at + 1;
	}
	return legacy_walk_find(&c->now->walk, (uint32_t)entry->verdict);
}

/* The way of one packet. Ends: every turn takes a packet off a counter and a place in the list, or
 * goes forward. */
static void walk_packet(struct steps *s, struct course *c)
{
	ptrdiff_t at = legacy_walk_find(&c->now->walk, c->now->table.hook_entry[c->hook]);
	size_t turns = 0;

	c->depth = 0;
	while (at >= 0 && (size_t)at < c->now->walk.count && turns < LEGACY_STEP_LIMIT) {
		if (c->now->packets[at]) {
			c->now->packets[at]--;
			turns++;
			add_step(s, c, (size_t)at);
			at = follow(c, (size_t)at);
		} else if (c->now->walk.entries[at].last) {
			at = -1; /* an entry before this one had the last word */
		} else {
			at++;
		}
	}
}

static bool ends_refused(const struct steps *s, size_t first)
{
	return s->count > first && strcmp(s->items[s->count - 1].target, "REJECT") == 0;
}

/*
 * What a refused packet of the machine itself is answered with comes by the same chains: its way is
 * found like that of another packet, and which is which tells REJECT, as no answer is refused.
 */
static void walk_hook(struct steps *s, struct course *c)
{
	size_t first = s->count, kept;

	walk_packet(s, c);
	if (ends_refused(s, first))
		return;
	kept = s->count;
	for (size_t packet = 1; packet < PACKETS_AT_A_HOOK; packet++) {
		walk_packet(s, c);
		if (ends_refused(s, kept)) {
			memmove(&s->items[first], &s->items[kept],
				(s->count - kept) * sizeof(*s->items));
			s->count -= kept - first;
			return;
		}
		s->count = kept;
	}
}

/* Packets since the beginning. */
static int subtract(const struct legacy_path_table *mine, struct now *now)
{
	if (now->walk.count != mine->rewritten.blob.num_entries)
		return -ESTALE;
	for (size_t i = 0; i < now->walk.count; i++)
		now->packets[i] -= mine->before[i];
	return 0;
}

static int read_all(struct legacy_path *p, const struct legacy_sockets *twin, struct now *now)
{
	int r = 0;

	for (size_t i = 0; i < p->image->count && r == 0; i++) {
		r = now_read(&now[i], twin, &p->image->tables[i]);
		if (r == 0)
			r = subtract(&p->tables[i], &now[i]);
	}
	return r;
}

/* nat comes last where it rewrites sources, and before filter where it rewrites destinations: the
 * image's order is that of destinations. */
static bool is_due(const struct legacy_table *t, uint32_t hook, bool late)
{
	bool source_nat = strcmp(t->name, "nat") == 0 &&
			  (hook == NF_INET_LOCAL_IN || hook == NF_INET_POST_ROUTING);

	return t->valid_hooks >> hook & 1 && source_nat == late;
}

static int walk_all(struct legacy_path *p, struct now *now, uint32_t hook, bool late,
		    struct steps *s)
{
	for (size_t i = 0; i < p->image->count && !ends_refused(s, 0); i++) {
		struct course c = {.now = &now[i],
				   .mine = &p->tables[i],
				   .original = &p->image->tables[i],
				   .image = p->image,
				   .hook = hook};

		if (!is_due(c.original, hook, late))
			continue;
		c.stack = calloc(now[i].walk.chain_count + 2, sizeof(*c.stack));
		if (!c.stack)
			return -ENOMEM;
		walk_hook(s, &c);
		free(c.stack);
	}
	return 0;
}

ptrdiff_t legacy_path_end(struct legacy_path *p, const struct legacy_sockets *twin, bool local,
			  struct legacy_step *ret, size_t room, struct err *e)
{
	static const uint8_t orders[2][LEGACY_HOOKS] = {
		{NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, NF_INET_FORWARD, NF_INET_LOCAL_OUT,
		 NF_INET_POST_ROUTING},
		{NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN,
		 NF_INET_FORWARD},
	};
	struct now now[LEGACY_TABLE_LIMIT] = {0};
	struct steps s = {.items = ret, .room = room};
	int r = read_all(p, twin, now);

	for (size_t i = 0; i < LEGACY_HOOKS && r == 0; i++) {
		r = walk_all(p, now, orders[local][i], false, &s);
		if (r == 0)
			r = walk_all(p, now, orders[local][i], true, &s);
	}
	for (size_t i = 0; i < LEGACY_TABLE_LIMIT; i++)
		now_done(&now[i]);
	if (r < 0)
		return err_set(e, r, _("the counters of iptables-legacy cannot be read: %s"),
			       strerror(-r));
	return (ptrdiff_t)s.count;
}
