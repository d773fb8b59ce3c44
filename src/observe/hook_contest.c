/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/hook_contest.h"
#include "base/i18n.h"
#include "observe/hook_effects.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What an order is for the packets of a family: a bit for each pair that is turned round. */
struct turned {
	uint32_t pairs[HOOK_FAMILIES];
};

struct ordering {
	struct hook_contest *contest;
	struct turned seen[HOOK_PERMUTATIONS]; /* of the contest's orders */
	bool is_known[HOOK_FAMILIES];
	struct turned known;
	bool too_many;
};

bool hook_member_is_fixed(const struct hook_member *m)
{
	return m->item == HOOK_LEGACY || m->item == HOOK_NAT;
}

/* --- who matters to whom ------------------------------------------------------------------------
 */

static bool depend(const struct hook_member *a, const struct hook_member *b)
{
	return a->families & b->families && hook_effects_collide(a->effects, b->effects);
}

/* Those of one table were made in the order of the dump. */
static bool is_one_table(const struct hook_member *a, const struct hook_member *b)
{
	return !hook_member_is_fixed(a) && !hook_member_is_fixed(b) && a->table_key == b->table_key;
}

int hook_contest_find(struct hook_contest *ret, const struct hook_member *members, size_t count)
{
	bool matters = false;

	*ret = (struct hook_contest){0};
	for (size_t i = 0; i < count; i++) {
		bool any = false;

		for (size_t k = 0; k < count; k++) {
			if (k == i || !depend(&members[i], &members[k]))
				continue;
			any = true;
			matters |= !is_one_table(&members[i], &members[k]);
		}
		if (!any)
			continue;
		if (ret->count == HOOK_MEMBERS)
			return -E2BIG;
		ret->members[ret->count++] = members[i];
	}
	return matters;
}

/* --- orders -------------------------------------------------------------------------------------
 */

/* `position` of each member -> the pairs that are not as in order 0. */
static struct turned find_turned(const struct hook_contest *c, const ptrdiff_t *position)
{
	struct turned t = {0};
	uint32_t bit = 1;

	for (size_t i = 0; i < c->count; i++)
		for (size_t k = i + 1; k < c->count; k++, bit <<= 1) {
			const struct hook_member *a = &c->members[i], *b = &c->members[k];

			if (position[i] < position[k] || !depend(a, b))
				continue;
			for (size_t f = 0; f < HOOK_FAMILIES; f++)
				if (a->families & b->families & 1u << f)
					t.pairs[f] |= bit;
		}
	return t;
}

/* Where each of the contest's members of that family is in the kernel's list. */
static bool find_positions(const struct hook_contest *c, const struct nft_image *image,
			   const struct hook_list *told, size_t family, ptrdiff_t *ret)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct hook_member *m = &c->members[i];
		uint64_t key = hook_member_is_fixed(m) ? 0 : nft_image_item_key(image, m->item);

		ret[i] = (ptrdiff_t)i;
		if (!(m->families & 1u << family))
			continue;
		ret[i] = hook_list_find(told, key, m->item, m->priority);
		if (ret[i] < 0)
			return false;
	}
	return true;
}

static bool has_family(const struct hook_contest *c, size_t family)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->members[i].families & 1u << family)
			return true;
	return false;
}

static void ask(struct ordering *o, const struct nft_image *image, struct hook_list *told)
{
	static const uint8_t protocols[] = {NFPROTO_IPV4, NFPROTO_IPV6};
	const struct hook_member *first = &o->contest->members[0];
	ptrdiff_t positions[HOOK_MEMBERS];

	for (size_t f = 0; f < HOOK_FAMILIES && first->space != HOOK_OF_DEVICES; f++) {
		uint8_t family =
			first->space == HOOK_OF_BRIDGES ? (uint8_t)NFPROTO_BRIDGE : protocols[f];

		if (!has_family(o->contest, f) || !hook_list_ask(told, family, first->hook) ||
		    !find_positions(o->contest, image, told, f, positions))
			continue;
		o->is_known[f] = true;
		o->known.pairs[f] = find_turned(o->contest, positions).pairs[f];
	}
}

static bool is_allowed(const struct hook_contest *c, const uint8_t *order)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t k = i + 1; k < c->count; k++)
			if (order[i] > order[k] &&
			    is_one_table(&c->members[order[i]], &c->members[order[k]]))
				return false;
	return true;
}

static bool is_seen(const struct ordering *o, const struct turned *t, size_t family)
{
	for (size_t i = 0; i < o->contest->order_count; i++)
		if (o->seen[i].pairs[family] == t->pairs[family])
			return true;
	return false;
}

/* Takes an order that is new to a family whose packets may meet it; `all`: only if those of all
 * families may. */
static void consider(struct ordering *o, const uint8_t *order, bool all)
{
	struct hook_contest *c = o->contest;
	ptrdiff_t position[HOOK_MEMBERS];
	bool is_new = false, possible = true;
	struct turned t;

	if (!is_allowed(c, order))
		return;
	for (size_t i = 0; i < c->count; i++)
		position[order[i]] = (ptrdiff_t)i;
	t = find_turned(c, position);
	for (size_t f = 0; f < HOOK_FAMILIES; f++) {
		bool can_be = !o->is_known[f] || t.pairs[f] == o->known.pairs[f];

		possible &= can_be;
		is_new |= can_be && !is_seen(o, &t, f);
	}
	if (!is_new || (all && !possible))
		return;
	if (c->order_count == HOOK_PERMUTATIONS) {
		o->too_many = true;
		return;
	}
	o->seen[c->order_count] = t;
	memcpy(c->orders[c->order_count++], order, c->count);
}

/* The next one in alphabetical order; false after the last. */
static bool permute(uint8_t *order, size_t count)
{
	size_t i = count - 1, k = i;
	uint8_t swap;

	if (count < 2)
		return false;
	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[k] < order[i - 1])
		k--;
	swap = order[i - 1];
	order[i - 1] = order[k];
	order[k] = swap;
	for (size_t j = count - 1; i < j; i++, j--) {
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	return true;
}

/* Order 0 and its reverse first: they turn all pairs of both families at once. */
static void consider_all(struct ordering *o, bool all)
{
	uint8_t order[HOOK_MEMBERS] = {0}, reverse[HOOK_MEMBERS] = {0};
	size_t count = o->contest->count;

	for (size_t i = 0; i < count; i++) {
		order[i] = (uint8_t)i;
		reverse[i] = (uint8_t)(count - 1 - i);
	}
	consider(o, order, all);
	consider(o, reverse, all);
	while (permute(order, count))
		consider(o, order, all);
}

int hook_contest_order(struct hook_contest *c, const struct nft_image *image,
		       struct hook_list *told)
{
	struct ordering o = {.contest = c};

	c->order_count = 0;
	if (told)
		ask(&o, image, told);
	consider_all(&o, true);
	/* of iptables-legacy and ip6tables-legacy, one may come before a chain of inet, and one
	 * after */
	consider_all(&o, false);
	if (c->order_count == 0) { /* what was told is not what was dumped */
		memset(o.is_known, 0, sizeof(o.is_known));
		consider_all(&o, true);
	}
	return o.too_many ? -E2BIG : 0;
}

/* --- words --------------------------------------------------------------------------------------
 */

static void name_member(const struct hook_member *m, const struct nft_image *image,
			const struct legacy_image *legacy, char *text, size_t size)
{
	struct nft_place place;

	if (m->item == HOOK_NAT) {
		snprintf(text, size, "%s", _("the kernel's NAT"));
	} else if (m->item == HOOK_LEGACY) {
		const struct legacy_table *t = &legacy->tables[m->table];

		snprintf(text, size, _("table %s of %s"), t->name,
			 t->family == AF_INET6 ? "ip6tables-legacy" : "iptables-legacy");
	} else {
		nft_image_place(image, m->item, &place);
		snprintf(text, size, _("table %s %s"), nft_family_name(place.family), place.table);
	}
}

void hook_contest_describe(const struct hook_contest *c, const struct nft_image *image,
			   const struct legacy_image *legacy, char *text, size_t size)
{
	char first[48], second[48];
	size_t other = 1;

	/* the first, and one of another table that it matters to */
	while (other + 1 < c->count && (is_one_table(&c->members[0], &c->members[other]) ||
					!depend(&c->members[0], &c->members[other])))
		other++;
	name_member(&c->members[0], image, legacy, first, sizeof(first));
	name_member(&c->members[other], image, legacy, second, sizeof(second));
	if (c->count > 2)
		snprintf(text, size,
			 _("the order of %s, %s and others, all at priority %d, is not known"),
			 first, second, c->members[0].priority);
	else
		snprintf(text, size, _("the order of %s and %s, both at priority %d, is not known"),
			 first, second, c->members[0].priority);
}
