/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_order: who meets whom, and what a twin is told to get an order. The orders of one contest
 * are hook_contest's.
 */
#include "observe/hook_order.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/hook_contest.h"
#include "observe/hook_effects.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	INET_INGRESS = 5,	 /* NF_INET_INGRESS, Linux 5.10 */
	PRIORITY_OF_DNAT = -100, /* NF_IP_PRI_NAT_DST */
	PRIORITY_OF_SNAT = 100,	 /* NF_IP_PRI_NAT_SRC */
	BOTH = 1 << HOOK_IPV4 | 1 << HOOK_IPV6,
};

struct finder {
	const struct nft_image *image;
	const struct legacy_image *legacy;
	struct hook_member *items;
	size_t count, cap;
	uint8_t nat_families;
};

static void finder_done(struct finder *f)
{
	free(f->items);
}

/* --- who hooks in -------------------------------------------------------------------------------
 */

static int add(struct finder *f, const struct hook_member *member)
{
	if (mem_grow(&f->items, &f->cap, f->count + 1, sizeof(*f->items)) < 0)
		return -ENOMEM;
	f->items[f->count++] = *member;
	return 0;
}

static bool place_chain(uint8_t family, struct hook_member *ret)
{
	switch (family) {
	case NFPROTO_IPV4:
		ret->families = 1 << HOOK_IPV4;
		return true;
	case NFPROTO_IPV6:
		ret->families = 1 << HOOK_IPV6;
		return true;
	case NFPROTO_INET:
		ret->families = BOTH;
		if (ret->hook == INET_INGRESS) {
			ret->space = HOOK_OF_DEVICES;
			ret->hook = NF_NETDEV_INGRESS;
		}
		return true;
	case NFPROTO_NETDEV:
		ret->families = BOTH;
		ret->space = HOOK_OF_DEVICES;
		return true;
	case NFPROTO_BRIDGE:
		ret->families = BOTH;
		ret->space = HOOK_OF_BRIDGES;
		return true;
	default:
		return false;
	}
}

static int add_chain(struct finder *f, size_t item)
{
	struct cur attributes = nft_image_attributes(f->image, item), hook;
	struct hook_member member = {.item = (uint32_t)item};
	char type[NFT_NAME_SIZE];

	if (!nla_find(attributes, NFTA_CHAIN_HOOK, &hook))
		return 0;
	member.hook = (uint8_t)nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
	member.priority = (int32_t)(uint32_t)nft_attr_number(hook, NFTA_HOOK_PRIORITY);
	member.table_key = hook_effects_table_key(f->image, item);
	if (!place_chain(f->image->items[item].family, &member))
		return 0;
	nft_attr_name(attributes, NFTA_CHAIN_TYPE, type);
	member.nat = strcmp(type, "nat") == 0;
	if (member.nat)
		f->nat_families |= member.families;
	return add(f, &member);
}

static bool is_at(const struct hook_member *a, const struct hook_member *b)
{
	return a->space == b->space && a->hook == b->hook && a->nat == b->nat &&
	       a->priority == b->priority;
}

/* The tables of both families are one: no packet is of both. */
static int add_legacy_hook(struct finder *f, size_t table, struct hook_member *member)
{
	struct hook_member *other;

	member->effects = (uint8_t)hook_effects_of_legacy(f->legacy, table, member->hook);
	for (size_t i = 0; i < f->count; i++) {
		other = &f->items[i];
		if (other->item != HOOK_LEGACY || !is_at(other, member))
			continue;
		other->families |= member->families;
		other->effects |= member->effects;
		return 0;
	}
	return add(f, member);
}

static int priority_of_nat(uint8_t hook)
{
	return hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT ? PRIORITY_OF_DNAT
									: PRIORITY_OF_SNAT;
}

static int add_legacy(struct finder *f, size_t table)
{
	static const struct {
		const char *name;
		int32_t priority;
	} known[] = {{"raw", -300}, {"mangle", -150}, {"nat", 0}, {"filter", 0}, {"security", 50}};
	const struct legacy_table *t = &f->legacy->tables[table];
	size_t kind = 0;
	int r = 0;

	while (kind < ARRAY_LEN(known) && strcmp(known[kind].name, t->name) != 0)
		kind++;
	if (kind == ARRAY_LEN(known))
		return 0;
	for (uint8_t hook = 0; hook < LEGACY_HOOKS && r == 0; hook++) {
		struct hook_member member = {
			.hook = hook,
			.nat = strcmp(t->name, "nat") == 0,
			.priority = known[kind].priority,
			.item = HOOK_LEGACY,
			.table = (uint8_t)table,
			.families = 1 << (t->family == AF_INET6 ? HOOK_IPV6 : HOOK_IPV4),
		};

		if (!(t->valid_hooks >> hook & 1))
			continue;
		if (member.nat) {
			member.priority = priority_of_nat(hook);
			f->nat_families |= member.families;
		}
		r = add_legacy_hook(f, table, &member);
	}
	return r;
}

/* All chains of type nat are called from one place, whatever their priorities are. */
static int add_nat(struct finder *f)
{
	static const uint8_t hooks[] = {NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT,
					NF_INET_POST_ROUTING};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(hooks) && f->nat_families && r == 0; i++)
		r = add(f, &(struct hook_member){.hook = hooks[i],
						 .priority = priority_of_nat(hooks[i]),
						 .item = HOOK_NAT,
						 .families = f->nat_families,
						 .effects = HOOK_CHANGES});
	return r;
}

static int collect(struct finder *f)
{
	int r = 0;

	for (size_t i = 0; i < f->image->count && r == 0; i++)
		if (f->image->items[i].type == NFT_MSG_NEWCHAIN)
			r = add_chain(f, i);
	for (size_t i = 0; i < f->legacy->count && r == 0; i++)
		r = add_legacy(f, i);
	return r < 0 ? r : add_nat(f);
}

/* --- contests -----------------------------------------------------------------------------------
 */

/* As order 0 runs them: what was made last comes first; what the twin always has, last. */
static int compare_members(const void *a, const void *b)
{
	const struct hook_member *m = a, *n = b;

	if (m->space != n->space)
		return m->space < n->space ? -1 : 1;
	if (m->hook != n->hook)
		return m->hook < n->hook ? -1 : 1;
	if (m->nat != n->nat)
		return m->nat < n->nat ? -1 : 1;
	if (m->priority != n->priority)
		return m->priority < n->priority ? -1 : 1;
	if (hook_member_is_fixed(m) != hook_member_is_fixed(n))
		return hook_member_is_fixed(m) ? 1 : -1;
	return m->item > n->item ? -1 : m->item < n->item;
}

static size_t count_same(const struct finder *f, size_t first)
{
	size_t count = 1;

	while (first + count < f->count && is_at(&f->items[first], &f->items[first + count]))
		count++;
	return count;
}

/* Input and forward are for different packets. */
static uint8_t way_of(const struct hook_member *m)
{
	return m->space == HOOK_OF_PACKETS && m->hook == NF_INET_FORWARD ? NF_INET_LOCAL_IN
									 : m->hook;
}

static int take_stage(struct hook_orders *o, struct hook_contest *contest)
{
	const struct hook_member *first = &contest->members[0], *other;
	struct hook_stage *stage;

	for (size_t i = 0; i < o->contest_count; i++) {
		other = &o->contests[i].members[0];
		if (other->space != first->space || way_of(other) != way_of(first) ||
		    other->nat != first->nat || other->priority != first->priority)
			continue;
		contest->stage = o->contests[i].stage;
		stage = &o->stages[contest->stage];
		if (stage->order_count < contest->order_count)
			stage->order_count = contest->order_count;
		return 0;
	}
	if (mem_grow(&o->stages, &o->stage_cap, o->stage_count + 1, sizeof(*o->stages)) < 0)
		return -ENOMEM;
	contest->stage = (uint8_t)o->stage_count;
	o->stages[o->stage_count++] = (struct hook_stage){
		.order_count = contest->order_count,
		/* all others are passed by answers, too */
		.own_packets = first->space == HOOK_OF_PACKETS &&
			       first->hook == NF_INET_LOCAL_OUT && first->nat,
	};
	return 0;
}

static int add_contest(struct hook_orders *o, const struct hook_member *members, size_t count,
		       const struct nft_image *image, struct hook_list *told)
{
	struct hook_contest contest;
	int r = hook_contest_find(&contest, members, count);

	if (r == 0 || o->stage_count == UINT8_MAX)
		return 0;
	if (r > 0)
		r = hook_contest_order(&contest, image, told);
	if (r < 0) {
		o->too_many = true;
		return 0;
	}
	if (take_stage(o, &contest) < 0 ||
	    mem_grow(&o->contests, &o->contest_cap, o->contest_count + 1, sizeof(contest)) < 0)
		return -ENOMEM;
	o->contests[o->contest_count++] = contest;
	return 0;
}

static int find_contests(struct finder *f, struct hook_list *told, struct hook_orders *o)
{
	struct hook_effects cleanup_call(hook_effects_done) effects = {0};
	int r = hook_effects_find(f->image, &effects);

	for (size_t i = 0; i < f->count && r == 0; i++)
		if (!hook_member_is_fixed(&f->items[i]))
			f->items[i].effects = (uint8_t)hook_effects_of_chain(&effects, f->image,
									     f->items[i].item);
	for (size_t i = 0, count; i < f->count && r == 0; i += count) {
		count = count_same(f, i);
		r = add_contest(o, &f->items[i], count, f->image, told);
	}
	return r;
}

static bool has_meeting(const struct finder *f)
{
	for (size_t i = 1; i < f->count; i++)
		if (is_at(&f->items[i - 1], &f->items[i]))
			return true;
	return false;
}

/* --- orders -------------------------------------------------------------------------------------
 */

static void count_orders(struct hook_orders *o)
{
	size_t product = 1, sum = 1;

	for (size_t i = 0; i < o->stage_count; i++) {
		sum += o->stages[i].order_count - 1u;
		if (product <= HOOK_ORDERS)
			product *= o->stages[i].order_count;
	}
	o->by_stages = product > HOOK_ORDERS;
	o->count = o->by_stages ? sum : product;
}

/* Which of its orders a stage has. */
static size_t digit(const struct hook_orders *o, size_t order, size_t stage)
{
	size_t others = 1;

	for (size_t i = 0; i < stage; i++)
		others = o->by_stages ? others + o->stages[i].order_count - 1u
				      : others * o->stages[i].order_count;
	if (!o->by_stages)
		return order / others % o->stages[stage].order_count;
	return order >= others && order - others + 1 < o->stages[stage].order_count
		       ? order - others + 1
		       : 0;
}

int hook_orders_find(const struct nft_image *image, const struct legacy_image *legacy,
		     struct hook_list *told, struct hook_orders *ret)
{
	struct finder cleanup_call(finder_done) f = {.image = image, .legacy = legacy};
	int r = collect(&f);

	*ret = (struct hook_orders){.count = 1};
	if (r < 0 || f.count == 0)
		return r;
	qsort(f.items, f.count, sizeof(*f.items), compare_members);
	if (has_meeting(&f))
		r = find_contests(&f, told, ret);
	count_orders(ret);
	return r;
}

void hook_orders_done(struct hook_orders *o)
{
	free(o->contests);
	free(o->stages);
	*o = (struct hook_orders){0};
}

uint64_t hook_orders_hash(const struct hook_orders *o)
{
	uint64_t hash = o->count;

	for (size_t i = 0; i < o->contest_count; i++)
		hash = map_mix(
			hash, map_hash_bytes(o->contests[i].orders, sizeof(o->contests[i].orders)));
	return hash;
}

bool hook_orders_concern(const struct hook_orders *o, size_t order, bool own_packet)
{
	bool any = false;

	for (size_t i = 0; i < o->stage_count; i++) {
		if (digit(o, order, i) == 0)
			continue;
		/* with the others alone, it is an order of its own */
		if (o->stages[i].own_packets && !own_packet)
			return false;
		any = true;
	}
	return any;
}

uint16_t hook_orders_doubt(const struct hook_orders *o, size_t order)
{
	size_t stage = 0;

	while (stage + 1 < o->stage_count && digit(o, order, stage) == 0)
		stage++;
	return o->stages[stage].doubt;
}

void hook_orders_add_doubts(struct hook_orders *o, const struct nft_image *image,
			    const struct legacy_image *legacy, struct doubt_list *list)
{
	for (size_t i = 0; i < o->stage_count; i++) {
		char text[sizeof(list->items[0].text)];

		if (o->stages[i].order_count < 2)
			continue;
		for (size_t k = o->contest_count; k-- > 0;)
			if (o->contests[k].stage == i && o->contests[k].order_count > 1)
				hook_contest_describe(&o->contests[k], image, legacy, text,
						      sizeof(text));
		o->stages[i].doubt = (uint16_t)doubts_add(list, DOUBT_ORDER, text);
	}
}

/* --- a twin's chains ----------------------------------------------------------------------------
 */

struct place {
	uint32_t item, contest; /* contest: UINT32_MAX: none */
	uint8_t position;
	bool filter, later; /* filter: not of type nat, which makes the kernel's NAT hook in */
};

static void place_members(const struct hook_orders *o, size_t order, uint32_t contest,
			  struct place *places)
{
	const struct hook_contest *c = &o->contests[contest];
	const uint8_t *members = c->orders[digit(o, order, c->stage) % c->order_count];
	bool later = false;

	for (uint8_t i = 0; i < c->count; i++) {
		const struct hook_member *m = &c->members[members[i]];

		if (hook_member_is_fixed(m)) {
			later = true;
			continue;
		}
		places[m->item].contest = contest;
		places[m->item].position = i;
		places[m->item].later = later;
	}
}

/* What is made last runs first: at its own priority, and at the one that it is moved to. */
static int compare_places(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	if (p->filter != q->filter)
		return p->filter ? 1 : -1;
	if (p->later != q->later)
		return p->later ? 1 : -1;
	if (p->contest != q->contest)
		return p->contest < q->contest ? -1 : 1;
	if (p->contest != UINT32_MAX && p->position != q->position)
		return p->position > q->position ? -1 : 1;
	return p->item < q->item ? -1 : p->item > q->item;
}

static bool is_filter(const struct nft_image *image, size_t item)
{
	char type[NFT_NAME_SIZE];

	nft_attr_name(nft_image_attributes(image, item), NFTA_CHAIN_TYPE, type);
	return strcmp(type, "nat") != 0;
}

ptrdiff_t hook_orders_chains(const struct hook_orders *o, const struct nft_image *image,
			     size_t order, uint32_t *items, bool *later)
{
	struct place cleanup_free *places = calloc(image->count + 1, sizeof(*places));
	ptrdiff_t count = 0;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < image->count; i++)
		places[i] = (struct place){.item = (uint32_t)i, .contest = UINT32_MAX};
	for (size_t i = 0; o && i < o->contest_count; i++)
		place_members(o, order, (uint32_t)i, places);
	for (size_t i = 0; i < image->count; i++) {
		if (image->items[i].type != NFT_MSG_NEWCHAIN)
			continue;
		later[i] = places[i].later;
		places[i].filter = o && is_filter(image, i);
		places[count++] = places[i];
	}
	qsort(places, (size_t)count, sizeof(*places), compare_places);
	for (ptrdiff_t i = 0; i < count; i++)
		items[i] = places[i].item;
	return count;
}
