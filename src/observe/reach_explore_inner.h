/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of reach_explore share: the jobs that are still to be asked, and the answers of a
 * query's asks.
 */
#pragma once

#include "observe/reach_explore.h"

/* A packet that is to be asked about once more: a query and one of its asks. */
struct item {
	uint32_t query, ask;
	uint16_t last; /* the doubt that was decided last; REACH_NO_DOUBT: none */
};

/* An assignment, and the packets whose way leads to it. */
struct job {
	struct assignment assignment;
	struct item *items;
	size_t count, cap;
};

struct explorer {
	struct mirror *m;
	const struct reach_plan *plan;
	struct reach_answers *ret;
	struct err *e;
	uint64_t order;	  /* of chains at one priority: what is asked now */
	struct job *jobs; /* those before `next` are done */
	size_t job_count, job_cap, next;
	const struct reach_options *options;
	uint64_t *moves[2]; /* by protocol: points whose packets rules may give other ports */
	/* of one call of twin_probe */
	uint16_t *ports;
	uint32_t *asks;
	uint16_t *lasts; /* of each: see struct item */
	struct outcome *outcomes;
	struct met_doubts met;
};

static inline struct reach_answer *answer_of(const struct explorer *x, uint32_t query, uint32_t ask)
{
	return &x->ret->items[x->plan->queries[query].first_answer + ask];
}

static inline const struct reach_ask *ask_of(const struct explorer *x, uint32_t query, uint32_t ask)
{
	return &x->plan->asks.items[x->plan->queries[query].asks.first + ask];
}

static inline uint16_t port_of(const struct explorer *x, uint32_t query, uint32_t ask)
{
	return x->plan->points.items[ask_of(x, query, ask)->first].port;
}

/* Does the ask speak for more than the port that it is asked about? */
static inline bool is_range(const struct explorer *x, uint32_t query, uint32_t ask)
{
	const struct reach_ask *a = ask_of(x, query, ask);
	const struct reach_point *items = x->plan->points.items;

	return items[a->first].first != items[a->end - 1].last;
}

/* Is the time over? */
bool reach_explore_is_over(struct explorer *x);

/* The answer hangs on that doubt. */
void reach_explore_depend_on(const struct explorer *x, struct reach_answer *a, uint16_t doubt);
/* ... on the one that was decided last in the first place, but on the job's others, too. */
void reach_explore_depend_on_job(const struct explorer *x, struct reach_answer *a,
				 const struct job *job, uint16_t last);

/*
 * What became of a packet of that job goes into its answer; `last` is the doubt that the job
 * decided last. 0 or a negative errno.
 */
int reach_explore_take(struct explorer *x, const struct job *job, struct reach_answer *a,
		       uint16_t last, const struct outcome *o);

/* Where an ask stands for several ports and NAT moves it: do the others follow? 0 or an errno. */
int reach_explore_shifts(struct explorer *x);
