/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_ties: which ports must be asked for which source. The rules that name a port together with
 * a source tie them: at all other ports the source gets what the one gets that it stands out from
 * (its reference), and the port is no border for all other sources. Pure.
 */
#pragma once

#include "observe/reach_points.h"
#include "observe/reach_sources.h"
#include "observe/rule_constants.h"

#include <stddef.h>
#include <stdint.h>

/* A part of a list of them: in order; points that none has are answered by the reference. */
struct reach_asks {
	uint32_t first, count;
};

struct reach_ask_list {
	struct reach_ask *items;
	size_t count, cap;
};

enum { REACH_NO_SOURCE = UINT32_MAX };

struct reach_ties {
	const struct rule_constants *constants;
	const struct reach_points *points;
	uint32_t *point_of; /* by port: the point that it is in; NULL: every port is asked */
	size_t words;	    /* of a bit for each point */
	uint64_t *alone;    /* points that are asked for their listeners: always borders */
	uint64_t *borders;  /* scratch, as the next */
	uint64_t *differs;
	uint64_t *common[4]; /* borders for every source, by family and protocol; NULL: not yet */
};

/* Of some sources: the groups of conditions that hold for each. */
struct reach_ties_sources {
	uint64_t *groups; /* of source i: places[i].count from places[i].first on, ascending */
	size_t count, cap;
	struct reach_asks *places;
	bool unknown; /* what tells them apart is not known by groups */
};

/* `alone` as for reach_points_build(). 0 or -ENOMEM; also then reach_ties_done() is due. */
int reach_ties_begin(struct reach_ties *t, const struct rule_constants *c,
		     const struct reach_points *points, const uint16_t *alone, size_t alone_count);
void reach_ties_done(struct reach_ties *t);

/* 0 or -ENOMEM; also then reach_ties_sources_done() is due. */
int reach_ties_look(const struct reach_ties *t, const struct address *list, size_t count,
		    struct reach_ties_sources *ret);
void reach_ties_sources_done(struct reach_ties_sources *s);

/* Of one source, and what to ask it about. */
struct reach_tie_question {
	const struct reach_ties_sources *sources;
	uint8_t family; /* AF_INET, AF_INET6 */
	enum proto proto;
	size_t source;
	uint32_t reference; /* REACH_NO_SOURCE: none, all points must be answered */
};
/* Adds what to ask to the list. 0 or -ENOMEM. */
int reach_ties_ask(struct reach_ties *t, const struct reach_tie_question *q,
		   struct reach_ask_list *list, struct reach_asks *ret);
/* Sets a bit in ret[t->words] for each point where the source may get something else than its
 * reference. */
void reach_ties_mark(struct reach_ties *t, const struct reach_tie_question *q, uint64_t *ret);
/* Sets a bit in ret[t->words] for each point whose packets NAT may give another port. */
void reach_ties_mark_moved(const struct reach_ties *t, enum proto proto, uint64_t *ret);
