/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_planner: what reach_plan and reach_destinations share while a plan is made. For them alone.
 */
#pragma once

#include "model/ties.h"
#include "observe/mirror.h"
#include "observe/reach_plan.h"
#include "observe/reach_routes.h"
#include "observe/reach_sources.h"

/* An address that packets can go to. */
struct destination {
	struct address address;
	uint32_t ifindex; /* whose address it is; 0: any interface's packets may go there */
	bool behind;
	uint32_t leads_to; /* behind: the interface to which its route leads; 0: who knows */
	bool group;	   /* multicast or broadcast: for datagrams of neighbours at `ifindex` */
	bool bound;	   /* somebody listens on the very address */
	/* own addresses with the same number are treated alike where they are not those of the
	 * interface; 0: it may be another than all */
	uint64_t alike;
};

/* Source ports that rules treat alike, of the protocols for which it is not as an ordinary one. */
struct planner_senders {
	struct reach_point point;
	uint8_t protos;
};

struct planner {
	const struct mirror *m;
	const struct reach_options *options;
	struct reach *reach;
	struct reach_plan *plan;
	struct err *e;
	struct reach_routes routes;
	struct address *locals; /* all addresses of the machine */
	size_t local_count, local_cap;
	struct reach_prefix *local_routes; /* whole networks that are the machine's own */
	size_t local_route_count, local_route_cap;
	struct destination *destinations;
	size_t destination_count, destination_cap;
	struct reach_prefix *links, *elsewhere; /* room for as many as there are routes */
	struct planner_senders *senders; /* source ports that rules tell from an ordinary one */
	size_t sender_count, sender_cap;
	bool too_many;	       /* destinations */
	bool too_many_queries; /* from then on none is added */
	size_t links_left;     /* interfaces and families that are still to be planned */
	/* what the groups of `known_for` are asked: by group, with a reference or not, protocol */
	struct reach_asks *known;
	const struct reach_ties_sources *known_for;
	struct reach_asks whole; /* every point */
	bool only_udp;		 /* of the destination that is planned now */
};

/*
 * Adds the groups and broadcast addresses which the rules may tell from the machine's own addresses
 * (which must be among the destinations), and joins the groups in the twin, since the kernel takes
 * packets only to those that it has joined. 0 or -ENOMEM.
 */
int planner_add_groups(struct planner *p);
int planner_add_destination(struct planner *p, const struct destination *d);
/* Is the address one of the machine's own? */
bool planner_is_local(const struct planner *p, const struct address *a);
bool planner_in_prefix(const struct address *a, const struct reach_prefix *prefix);

/* The groups of sources at an interface, and what tells them apart. */
struct planner_sources {
	struct reach_sources sources;
	struct reach_ties_sources ties;
	uint32_t *references; /* by group: who answers where they are alike, or REACH_NO_SOURCE */
	bool faces_internet;  /* packets from anywhere come in by it */
};
/* Fills in ties and references; the next call, or the plan's end, makes the one before void. */
int planner_sources_tie(struct planner *p, struct planner_sources *told);
void planner_sources_done(struct planner_sources *told);
/* Adds the queries of all sources to one destination. `link` as in plan_link. 0 or -ENOMEM. */
int planner_plan_destination(struct planner *p, const struct twin_link *link,
			     const struct destination *to, const struct source_scope *scope,
			     const struct planner_sources *told);
/* From the machine to itself. */
int planner_plan_host(struct planner *p, const struct destination *to);
/* Groups that are not asked make answers of the queries from `first` on doubtful. */
int planner_doubt_others(struct planner *p, const struct planner_sources *told, uint8_t family,
			 size_t first);
/* Fills in the destinations; constants and routes must be there. 0 or -ENOMEM. */
int planner_find_destinations(struct planner *p);
