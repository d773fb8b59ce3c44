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
	struct reach_points source_ports; /* those that rules tell apart from an ordinary one */
	bool too_many;
	bool only_udp; /* of the destination that is planned now */
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
/* Fills in the destinations; constants and routes must be there. 0 or -ENOMEM. */
int planner_find_destinations(struct planner *p);
