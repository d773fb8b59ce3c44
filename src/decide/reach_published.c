/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is sent on to listeners with another number or in another namespace, or to nobody who is
 * known.
 */
#include "base/mem.h"
#include "decide/reach_join_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* May packets of the interval arrive in that namespace? */
static bool may_arrive(const struct join *j, uint32_t netns, const struct reach_class *c,
		       const struct reach_interval *i)
{
	const struct address *a = arrives_on(c, i);
	struct leaving by = leaves_by(i);

	if (netns == 0)
		return join_is_own(j, a);
	return i->forwarded && join_arrival(j, netns, a, &by) != ARRIVAL_NONE;
}

/* Adds a row once for each listener and first port. */
static int add_published(struct join *j, uint32_t listener, uint16_t port, uint16_t last)
{
	uint64_t key = (uint64_t)listener << 16 | port;
	uint32_t found;
	struct listener_list *list = j->list;
	const struct listener *l = &list->listeners[listener];
	struct port_row *row;

	if (map_get(&j->published, key, &found))
		return 0;
	if (map_set(&j->published, key, 0) < 0 ||
	    mem_grow(&list->rows, &list->row_cap, list->row_count + 1, sizeof(*list->rows)) < 0)
		return -ENOMEM;
	row = &list->rows[list->row_count++];
	*row = (struct port_row){
		.proto = l->proto,
		.port = port,
		.last_port = last > port ? last : 0,
		.bound = l->bound,
		.families = l->families,
		.first_listener = listener,
		.listener_count = 1,
		.notes = l->notes,
		.published = true,
	};
	return 0;
}

/* Which of an interval's ports arrive at that number: *ret_first..*ret_last; false: none. */
static bool ports_to(const struct reach_interval *i, uint16_t number, uint16_t *ret_first,
		     uint16_t *ret_last)
{
	int at;

	if (i->nat && !i->shifts) {
		*ret_first = i->first;
		*ret_last = i->last;
		return i->target_port == number;
	}
	at = i->nat ? i->first + (number - i->target_port) : number;
	if (at < i->first || at > i->last)
		return false;
	*ret_first = *ret_last = (uint16_t)at;
	return true;
}

/* A listener reached by this interval under another number, or in another namespace. */
static bool is_sent_to(const struct join *j, const struct reach_class *c,
		       const struct reach_interval *i, uint32_t listener, uint16_t *first,
		       uint16_t *last)
{
	const struct listener *l = &j->list->listeners[listener];

	if (l->proto != c->proto || !ports_to(i, l->port, first, last) ||
	    !join_serves(j, l, arrives_on(c, i), c->ifindex) || !may_arrive(j, l->netns, c, i))
		return false;
	return l->netns != 0 || *first != l->port || *last != l->port;
}

/*
 * Does all of it arrive in another namespace of this machine, all of whose listeners were seen?
 * Then it is known that nobody listens there.
 */
static bool is_seen(const struct join *j, const struct reach_class *c,
		    const struct reach_interval *i)
{
	struct leaving by = leaves_by(i);

	if (i->several)
		return false;
	for (size_t k = 0; k < j->s->gap_count; k++)
		if (j->s->gaps[k].kind == GAP_NETNS || j->s->gaps[k].kind == GAP_LISTENERS)
			return false;
	return join_is_tied(j, arrives_on(c, i), &by);
}

static int add_forward(struct join *j, const struct reach_class *c, const struct reach_interval *i,
		       uint16_t first, uint16_t last)
{
	struct reach_join *ret = j->ret;

	for (size_t k = 0; k < ret->forward_count; k++) {
		struct forward *f = &ret->forwards[k];

		if (f->proto != c->proto || f->first != first || f->last != last ||
		    f->several != i->several || !address_equal(&f->target, arrives_on(c, i)))
			continue;
		if (source_class_rank(c->source_class) >
		    source_class_rank(j->reach->classes[f->class].source_class))
			f->class = (uint32_t)(c - j->reach->classes);
		return 0;
	}
	if (mem_grow(&ret->forwards, &ret->forward_cap, ret->forward_count + 1,
		     sizeof(*ret->forwards)) < 0)
		return -ENOMEM;
	ret->forwards[ret->forward_count++] = (struct forward){
		.proto = c->proto,
		.first = first,
		.last = last,
		.target = *arrives_on(c, i),
		.target_port = arrives_at(i, first),
		.shifts = i->shifts || !i->nat,
		.several = i->several,
		.here = is_seen(j, c, i),
		.class = (uint32_t)(c - j->reach->classes),
	};
	return 0;
}

/*
 * A row for each part of first..last that no class treats in two ways, but for the listener's own
 * number, which has a row.
 */
static int add_parts(struct join *j, uint32_t listener, uint16_t first, uint16_t last)
{
	const struct listener *l = &j->list->listeners[listener];

	for (unsigned from = first, to; from <= last; from = to + 1) {
		bool own = l->netns == 0 && from == l->port;

		for (to = from; !own && to < last && !j->maps[l->proto]->cuts[to] &&
				!(l->netns == 0 && to + 1 == l->port);)
			to++;
		if (!own && add_published(j, listener, (uint16_t)from, (uint16_t)to) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Forwards for the ports of an interval that are sent on to nobody who is known. */
static int add_forwards(struct join *j, const struct reach_class *c, const struct reach_interval *i,
			const bool *answered)
{
	for (unsigned first = i->first, last; first <= i->last; first = last + 1) {
		for (last = first; last < i->last && answered[last + 1] == answered[first];)
			last++;
		if (!answered[first] && add_forward(j, c, i, (uint16_t)first, (uint16_t)last) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Rows for what one interval sends on; where nobody is known to listen, forwards. */
static int publish(struct join *j, const struct reach_class *c, const struct reach_interval *i)
{
	bool *answered = j->answered;
	uint16_t first, last;

	memset(answered + i->first, 0, (size_t)(i->last - i->first) + 1);
	for (size_t k = 0; k < j->list->listener_count; k++) {
		if (!is_sent_to(j, c, i, (uint32_t)k, &first, &last))
			continue;
		memset(answered + first, 1, (size_t)(last - first) + 1);
		if (add_parts(j, (uint32_t)k, first, last) < 0)
			return -ENOMEM;
	}
	return i->forwarded ? add_forwards(j, c, i, answered) : 0;
}

static bool is_sent_on(const struct reach_class *c, const struct reach_interval *i)
{
	return !c->behind && c->proto <= PROTO_UDP && (i->nat || i->forwarded) &&
	       verdict_lets_in(i->verdict);
}

/* The ways of every class to a published row: also of those that are kept out. */
static int judge_published(struct join *j, struct port_row *row)
{
	const struct listener *l = &j->list->listeners[row->first_listener];
	uint16_t first, last;

	row->reach = (struct port_reach){.looked = true, .first_way = (uint32_t)j->ret->way_count};
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];
		const struct reach_interval *i = reach_find(j->reach, c, row->port);

		if (!i || c->proto != row->proto || c->behind ||
		    !(l->families & family_bit(&c->destination)))
			continue;
		if (verdict_lets_in(i->verdict) &&
		    (!is_sent_on(c, i) || !is_sent_to(j, c, i, row->first_listener, &first, &last)))
			continue;
		if (join_add_way(j, c, i, row->first_listener, row->port) < 0)
			return -ENOMEM;
	}
	row->reach.way_count = (uint32_t)j->ret->way_count - row->reach.first_way;
	join_judge_row(j, row);
	return 0;
}

static int compare_published(const void *a, const void *b)
{
	const struct port_row *x = a, *y = b;

	if (x->first_listener != y->first_listener)
		return x->first_listener < y->first_listener ? -1 : 1;
	return (int)x->port - y->port;
}

/* Is the row's first port the one behind the last of `before`, and its fate the same? */
static bool follows(const struct port_row *before, const struct port_row *row)
{
	const struct port_reach *x = &before->reach, *y = &row->reach;
	uint16_t last = before->last_port ? before->last_port : before->port;

	return before->first_listener == row->first_listener && last + 1 == row->port &&
	       x->state == y->state && x->reached == y->reached && x->widest == y->widest &&
	       x->families == y->families && x->rate_limited == y->rate_limited &&
	       x->wider_unknown == y->wider_unknown && x->why_str == y->why_str &&
	       !source_class_is_part(x->widest);
}

/* Neighbours that read the same are one row, as far as its ports arrive at one listener. */
static void merge_published(struct join *j, size_t first_row)
{
	struct listener_list *list = j->list;
	size_t kept = first_row;

	for (size_t i = first_row; i < list->row_count; i++) {
		struct port_row *row = &list->rows[i], *before = &list->rows[kept - 1];
		uint16_t last = row->last_port ? row->last_port : row->port;

		if (kept > first_row && follows(before, row))
			before->last_port = last;
		else
			list->rows[kept++] = *row;
	}
	list->row_count = kept;
}

/* Marks the last ports of all intervals, so that a part between two marks has one fate. */
static void mark_cuts(struct join *j)
{
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		for (uint32_t n = 0; n < c->interval_count && c->proto <= PROTO_UDP; n++)
			j->maps[c->proto]->cuts[j->reach->intervals[c->first_interval + n].last] =
				true;
	}
}

int join_published(struct join *j, size_t first_row)
{
	mark_cuts(j);
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		for (uint32_t n = 0; n < c->interval_count; n++) {
			const struct reach_interval *i =
				&j->reach->intervals[c->first_interval + n];

			if (is_sent_on(c, i) && publish(j, c, i) < 0)
				return -ENOMEM;
		}
	}
	if (j->list->row_count > first_row) /* there may be no rows at all */
		qsort(j->list->rows + first_row, j->list->row_count - first_row,
		      sizeof(*j->list->rows), compare_published);
	for (size_t i = first_row; i < j->list->row_count; i++)
		if (judge_published(j, &j->list->rows[i]) < 0)
			return -ENOMEM;
	merge_published(j, first_row);
	return 0;
}
