/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_pair.h"
#include "base/i18n.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool names_overlap(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	bool a_wild = a_len && a[a_len - 1] == '*', b_wild = b_len && b[b_len - 1] == '*';

	a_len -= a_wild;
	b_len -= b_wild;
	if (strncmp(a, b, a_len < b_len ? a_len : b_len) != 0)
		return false;
	return a_len == b_len || (a_len < b_len ? a_wild : b_wild);
}

static bool interfaces_overlap(const struct policy *p, const struct opening *a,
			       const struct opening *b)
{
	if (!a->interface_count || !b->interface_count)
		return true;
	for (uint32_t i = 0; i < a->interface_count; i++)
		for (uint32_t j = 0; j < b->interface_count; j++)
			if (names_overlap(policy_text(p, p->interfaces[a->first_interface + i]),
					  policy_text(p, p->interfaces[b->first_interface + j])))
				return true;
	return false;
}

void policy_pair_owners(const struct opening *o, uint32_t strs[POLICY_OWNER_KINDS])
{
	strs[0] = o->program_str;
	strs[1] = o->unit_str;
	strs[2] = o->user_str;
	strs[3] = o->container_str;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

/* The kind of owner in which they differ, or POLICY_OWNER_KINDS. */
static int owners_differ(const struct policy *p, const struct opening *a, const struct opening *b)
{
	uint32_t of_a[POLICY_OWNER_KINDS], of_b[POLICY_OWNER_KINDS];

	policy_pair_owners(a, of_a);
	policy_pair_owners(b, of_b);
	for (int i = 0; i < POLICY_OWNER_KINDS; i++) {
		if (!of_a[i] || !of_b[i] || of_a[i] == of_b[i])
			continue;
		/* 33 and www-data may be the same user */
		if (i == 2 &&
		    is_number(policy_text(p, of_a[i])) != is_number(policy_text(p, of_b[i])))
			continue;
		return i;
	}
	return POLICY_OWNER_KINDS;
}

static void format_source(const struct policy *p, uint32_t source, char *text, size_t size)
{
	const struct policy_source *s = &p->sources[source];
	char room[ADDRESS_TEXT_SIZE];
	unsigned width = s->network.family == AF_INET ? 32 : 128;

	address_format(&s->network, room);
	if (s->class != SOURCE_LISTED)
		snprintf(text, size, "%s", source_class_id(s->class));
	else if (s->prefix_len == width)
		snprintf(text, size, "%s", room);
	else
		snprintf(text, size, "%s/%u", room, s->prefix_len);
}

/* Both places, the later first: that is the one which was added. */
static void order_places(struct policy_pairs *s, const struct policy_pair_side *a,
			 const struct policy_pair_side *b, const struct policy_pair_side **later,
			 struct policy_place places[2])
{
	const struct policy_pair_side *earlier = a->source < b->source ? a : b;

	*later = earlier == a ? b : a;
	places[0] =
		policy_problems_place_of(s->problems, s->p, &s->p->sources[(*later)->source].place);
	places[1] =
		policy_problems_place_of(s->problems, s->p, &s->p->sources[earlier->source].place);
}

static void tell_duplicate(struct policy_pairs *s, const struct policy_pair_side *a,
			   const struct policy_pair_side *b)
{
	struct policy_place places[2];
	const struct policy_pair_side *later;
	char source[64];

	order_places(s, a, b, &later, places);
	if (s->told[later->opening])
		return;
	s->told[later->opening] = true;
	format_source(s->p, later->source, source, sizeof(source));
	policy_problems_add(s->problems, true, &places[0], &places[1],
			    _("%u/%s from %s is let in twice: keep one of the two"), s->at.first,
			    proto_name(s->at.proto), source);
}

static void tell_contradiction(struct policy_pairs *s, const struct policy_pair_side *a,
			       const struct policy_pair_side *b, int kind)
{
	static const char *const kinds[] = {"program", "unit", "user", "container"};
	uint32_t here[POLICY_OWNER_KINDS], there[POLICY_OWNER_KINDS];
	struct policy_place places[2];
	const struct policy_pair_side *later, *earlier;
	char source[64];

	order_places(s, a, b, &later, places);
	if (s->told[later->opening])
		return;
	s->told[later->opening] = true;
	earlier = later == a ? b : a;
	policy_pair_owners(&s->p->openings[later->opening], here);
	policy_pair_owners(&s->p->openings[earlier->opening], there);
	format_source(s->p, later->source, source, sizeof(source));
	policy_problems_add(s->problems, true, &places[0], &places[1],
			    _("%u/%s from %s is for %s %.100s here, but for %.100s in another "
			      "opening: give it to one of them"),
			    s->at.first, proto_name(s->at.proto), source, kinds[kind],
			    policy_text(s->p, here[kind]), policy_text(s->p, there[kind]));
}

void policy_pair_compare(struct policy_pairs *s, const struct policy_pair_side *a,
			 const struct policy_pair_side *b, bool same_node)
{
	const struct policy *p = s->p;
	const struct opening *of_a = &p->openings[a->opening], *of_b = &p->openings[b->opening];
	bool equal = same_node && p->sources[a->source].class == p->sources[b->source].class;
	int kind = owners_differ(p, of_a, of_b);

	if ((!equal && kind == POLICY_OWNER_KINDS) || !interfaces_overlap(p, of_a, of_b))
		return;
	if (kind != POLICY_OWNER_KINDS)
		tell_contradiction(s, a, b, kind);
	else
		tell_duplicate(s, a, b);
}
