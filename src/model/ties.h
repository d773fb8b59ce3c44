/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ties: which network namespaces stand directly behind an interface of portero's own: at the other
 * end of a veth pair, behind a port of a bridge, beside a macvlan or ipvlan interface. What is
 * behind another namespace is not tied: what becomes of packets there is for that one to say. Pure.
 */
#pragma once

#include "model/snapshot.h"

struct tie {
	uint32_t ifindex; /* of portero's own namespace */
	uint32_t netns;	  /* index of another */
};

struct ties {
	struct tie *items; /* by ifindex, then namespace; each once */
	size_t count, cap;
};

/* 0 or -ENOMEM; to be ended with ties_done() in every case. */
int ties_find(const struct snapshot *s, struct ties *ret);
void ties_done(struct ties *t);
/* The first tie of the interface; those that follow have its ifindex, too. t->count: it has none.
 */
size_t ties_of(const struct ties *t, uint32_t ifindex);
bool ties_lead_to(const struct ties *t, uint32_t ifindex, uint32_t netns);
