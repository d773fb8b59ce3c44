/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * belief: what is known inside of each port of one address, for packets of the one who looks at it:
 * does somebody listen whom they get to? To be held against what a look from outside has found.
 * Pure.
 */
#pragma once

#include "decide/reach_join.h"

struct belief_question {
	const struct listener_list *list;
	const struct reach *reach;
	const struct reach_join *join; /* of both */
	struct address to;
	enum proto proto; /* TCP or UDP */
	bool of_host;	  /* the machine looks at itself; else the first other class in the reach */
};

struct belief {
	enum { SURE_CLOSED, SURE_OPEN, UNSURE } open;
	enum verdict verdict; /* of the rules */
	uint32_t listener;    /* in the list; SNAPSHOT_NONE: nobody is known */
};

/* Fills in beliefs[0..65535], by port: UNSURE where nothing was asked. */
void belief_take(const struct belief_question *q, struct belief *beliefs);
