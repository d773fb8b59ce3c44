/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_plan.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/ipset_messages.h"
#include "observe/reach_planner.h"
#include "observe/reach_replies.h"

#include <errno.h>
#include <linux/ip.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SOURCE_PORT_LIMIT = 64,
};

static bool names_family(const struct reach_options *o, uint8_t family)
{
	for (size_t i = 0; i < o->also_count; i++)
		if (o->also[i].family == family)
			return true;
	return false;
}

static bool wants_family(const struct reach_options *o, uint8_t family)
{
	if (o->from.family && o->from.family != family)
		return false;
	if (o->to.family && o->to.family != family && !names_family(o, family))
		return false;
	return !o->families || o->families & (family == AF_INET ? 1 : 2);
}

/* The networks that this interface leads to, and those that others do. */
static struct source_scope scope_of(struct planner *p, const struct twin_link *link, uint8_t family)
{
	struct source_scope scope = {.family = family,
				     .links = p->links,
				     .elsewhere = p->elsewhere,
				     .locals = p->locals,
				     .local_count = p->local_count,
				     .limit = p->options->thorough ? REACH_SOURCE_LIMIT_THOROUGH
								   : 0};
	struct reach_prefix link_local = {{AF_INET6, {0xfe, 0x80}}, 10};

	for (size_t i = 0; i < p->routes.count; i++) {
		const struct reach_route *route = &p->routes.items[i];

		if (route->prefix.address.family != family || route->prefix.bits == 0 ||
		    planner_in_prefix(&route->prefix.address, &link_local))
			continue;
		if (route->ifindex == link->ifindex)
			p->links[scope.link_count++] = route->prefix;
		else
			p->elsewhere[scope.elsewhere_count++] = route->prefix;
	}
	if (family == AF_INET6)
		p->links[scope.link_count++] = link_local;
	return scope;
}

/* Devices that lead to other machines, rather than to containers or through tunnels. */
static bool is_like_hardware(const char *kind)
{
	static const char *const kinds[] = {"",	       "vlan",	 "bond", "team",
					    "macvlan", "ipvlan", "veth", "hsr"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

static bool has_address(const struct planner *p, uint32_t ifindex, uint8_t family)
{
	for (size_t i = 0; i < p->destination_count; i++)
		if (p->destinations[i].ifindex == ifindex && !p->destinations[i].behind &&
		    !p->destinations[i].group && p->destinations[i].address.family == family)
			return true;
	return false;
}

/* Can packets from anywhere come in by this interface? */
static bool faces_internet(const struct planner *p, const struct twin_link *link, uint8_t family)
{
	if (reach_routes_has_default(&p->routes, family, link->ifindex))
		return true;
	/* one without addresses or networks of the family takes packets to the others' */
	if (is_like_hardware(link->kind))
		return has_address(p, link->ifindex, family) ||
		       !reach_routes_has_any(&p->routes, family, link->ifindex);
	return strcmp(link->kind, "bridge") != 0 && has_address(p, link->ifindex, family) &&
	       !reach_routes_has_default(&p->routes, family, 0);
}

/* Does the interface take packets to 127.0.0.0/8 (sysctl route_localnet)? */
static bool takes_loopback(const struct planner *p, const struct twin_link *link, uint8_t family)
{
	const struct rt_link *host = rt_image_link(&p->m->twin.host, link->ifindex);
	enum { INDEX = IPV4_DEVCONF_ROUTE_LOCALNET - 1 };
	bool everywhere = false;
	FILE *f;

	if (family != AF_INET)
		return false;
	if (host && host->conf4_count > INDEX && host->conf4[INDEX])
		return true;
	f = fopen("/proc/sys/net/ipv4/conf/all/route_localnet", "re");
	if (f) {
		everywhere = fgetc(f) == '1';
		fclose(f);
	}
	return everywhere;
}

/* Is the packet's way to another interface's address the same as to one that is asked already? */
static bool is_asked_already(const struct planner *p, const struct twin_link *link, size_t at)
{
	const struct destination *to = &p->destinations[at];

	if (!to->alike || to->bound || to->ifindex == link->ifindex)
		return false;
	for (size_t i = 0; i < at; i++)
		if (p->destinations[i].alike == to->alike &&
		    p->destinations[i].ifindex != link->ifindex)
			return true;
	return false;
}

static bool is_asked_of(const struct planner *p, const struct twin_link *link, size_t at,
			bool loopback)
{
	const struct destination *to = &p->destinations[at];

	if (address_is_loopback(&to->address) && !loopback)
		return false;
	if ((to->group || address_is_link_local(&to->address)) && to->ifindex != link->ifindex)
		return false;
	return !is_asked_already(p, link, at);
}

/* No interface takes more queries than its share, but the widest classes are asked at each. */
static void limit_sources(const struct planner *p, struct reach_sources *s, size_t destinations)
{
	size_t share = (REACH_QUERY_LIMIT - p->plan->count) / (p->links_left ? p->links_left : 1);
	size_t limit = share / ((destinations ? destinations : 1) * 2), baselines = 0;

	for (size_t i = 0; i < s->count; i++)
		baselines += s->items[i].baseline == i;
	reach_sources_limit(s, limit > baselines ? limit : baselines);
}

static int find_sources(struct planner *p, const struct source_scope *scope, size_t destinations,
			struct planner_sources *told)
{
	int r = reach_sources_build(&p->plan->constants, scope, &told->sources);

	if (r < 0)
		return r;
	if (!p->options->thorough)
		limit_sources(p, &told->sources, destinations);
	if (!told->sources.complete)
		reach_add_gap(p->reach, _("some groups of source addresses"),
			      reach_sources_text(&told->sources, told->sources.why_str),
			      _("ask for one address: portero reach --from ADDRESS"));
	return planner_sources_tie(p, told);
}

static int plan_link(struct planner *p, const struct twin_link *link, uint8_t family)
{
	struct source_scope scope = scope_of(p, link, family);
	struct planner_sources cleanup_call(planner_sources_done)
		told = {.faces_internet = faces_internet(p, link, family)};
	bool cleanup_free *asked = calloc(p->destination_count + 1, sizeof(*asked));
	bool loopback = takes_loopback(p, link, family);
	size_t first = p->plan->count, count = 0;
	int r = asked ? 0 : -ENOMEM;

	for (size_t i = 0; asked && i < p->destination_count; i++) {
		asked[i] = p->destinations[i].address.family == family &&
			   is_asked_of(p, link, i, loopback);
		count += asked[i];
	}
	if (r == 0 && !p->options->from.family)
		r = find_sources(p, &scope, count, &told);
	for (size_t i = 0; i < p->destination_count && r >= 0; i++)
		if (asked[i])
			r = planner_plan_destination(p, link, &p->destinations[i], &scope, &told);
	if (r >= 0 && !p->options->from.family && !told.sources.complete)
		r = planner_doubt_others(p, &told, family, first);
	p->known_for = NULL;
	return r;
}

/* From the machine to itself. */
static int plan_host(struct planner *p)
{
	for (size_t i = 0; i < p->destination_count; i++) {
		const struct destination *to = &p->destinations[i];

		if (to->behind || to->group || address_is_link_local(&to->address) ||
		    !wants_family(p->options, to->address.family))
			continue;
		if (planner_plan_host(p, to) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Of the queries: some of their sources may be treated otherwise. */
static void doubt_all(struct planner *p, const char *why)
{
	for (size_t i = 0; i < p->plan->count; i++) {
		struct reach_class *c = &p->plan->queries[i].class;

		if (c->source_class == SOURCE_HOST || c->others_str)
			continue;
		c->others_str = strpool_add_text(&p->reach->strings, why);
		p->plan->queries[i].others = 0;
	}
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static int find_locals(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;

	for (size_t i = 0; i < s->address_count; i++) {
		if (s->addresses[i].netns != 0)
			continue;
		if (mem_grow(&p->locals, &p->local_cap, p->local_count + 1, sizeof(*p->locals)) < 0)
			return -ENOMEM;
		p->locals[p->local_count++] = s->addresses[i].address;
	}
	return 0;
}

static int find_constants(struct planner *p)
{
	struct rule_constants *c = &p->plan->constants;
	const struct legacy_image *legacy = &p->m->legacy;
	struct ipset_list cleanup_call(ipset_list_done) ipsets = {0};
	int r = ipset_list_build(&p->m->ipset, &ipsets);

	if (r >= 0)
		r = reach_routes_constants(&p->m->twin.host, c);
	if (r >= 0)
		r = rule_constants_add_nft(c, &p->m->nft, &ipsets.messages, p->e);
	for (size_t i = 0; i < legacy->count && r >= 0; i++)
		r = rule_constants_add_legacy(c, legacy->tables[i].family,
					      legacy_image_blob(legacy, &legacy->tables[i]),
					      legacy->tables[i].size, &ipsets.messages, p->e);
	return r < 0 ? r
		     : reach_replies_find(p->m, p->options->snapshot, &ipsets.messages, c,
					  &p->plan->replies, p->e);
}

/* For which protocols is it another than an ordinary one, and than those that are kept already? */
static uint8_t special_protos(const struct planner *p, uint16_t port)
{
	const struct rule_constants *c = &p->plan->constants;
	uint8_t protos = 0;

	for (int i = PROTO_TCP; i <= PROTO_UDP; i++) {
		enum proto proto = (enum proto)i;
		bool known = rule_constants_senders_alike(c, proto, port, REACH_ORDINARY_PORT);

		for (size_t k = 0; k < p->sender_count && !known; k++)
			known = p->senders[k].protos >> i & 1 &&
				rule_constants_senders_alike(c, proto, port,
							     p->senders[k].point.port);
		protos |= known ? 0 : (uint8_t)(1u << i);
	}
	return protos;
}

/* Of all intervals of source ports that rules treat alike, and not as an ordinary port, one. */
static int keep_senders(struct planner *p, const struct reach_points *points)
{
	for (size_t i = 0; i < points->count && p->sender_count <= SOURCE_PORT_LIMIT; i++) {
		struct planner_senders special = {points->items[i],
						  special_protos(p, points->items[i].port)};

		if (!special.protos)
			continue;
		if (mem_grow(&p->senders, &p->sender_cap, p->sender_count + 1,
			     sizeof(*p->senders)) < 0)
			return -ENOMEM;
		p->senders[p->sender_count++] = special;
	}
	return 0;
}

static int find_source_ports(struct planner *p)
{
	struct reach_points cleanup_call(reach_points_done) points = {0};
	const struct port_cuts *cuts = &p->plan->constants.source_ports;
	int r = cuts->opaque ? 0 : reach_points_build(cuts, NULL, 0, false, &points);

	if (r >= 0)
		r = keep_senders(p, &points);
	if (r >= 0 && (cuts->opaque || p->sender_count > SOURCE_PORT_LIMIT)) {
		reach_add_gap(p->reach, _("who sends from special source ports"),
			      cuts->opaque ? rule_constants_text(&p->plan->constants, cuts->why_str)
					   : _("the rules mention too many"),
			      "");
		p->sender_count = 0;
	}
	return r;
}

static int find_one_point(struct planner *p)
{
	struct reach_points *points = &p->plan->points;
	uint16_t port = p->options->only_port;

	if (mem_grow(&points->items, &points->cap, 1, sizeof(*points->items)) < 0)
		return -ENOMEM;
	points->items[points->count++] = (struct reach_point){port, port, port};
	points->every = true;
	return 0;
}

/* Which points somebody listens at. */
static int mark_listened(struct planner *p, const uint16_t *alone, size_t count)
{
	struct reach_plan *plan = p->plan;
	size_t at = 0;
	bool cleanup_free *listened = calloc(65536, sizeof(*listened));

	plan->listened = calloc(plan->points.count + 1, sizeof(*plan->listened));
	if (!listened || !plan->listened)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		listened[alone[i]] = true;
	for (at = 0; at < plan->points.count; at++)
		plan->listened[at] = listened[plan->points.items[at].port];
	return 0;
}

static int find_points(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;
	uint16_t cleanup_free *alone = calloc(s->socket_count + 1, sizeof(*alone));
	struct reach_plan *plan = p->plan;
	size_t count = 0;
	int r;

	if (!alone)
		return -ENOMEM;
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].kind == SOCKET_PORT && s->sockets[i].netns == 0)
			alone[count++] = s->sockets[i].port;
	r = p->options->only_port ? find_one_point(p)
				  : reach_points_build(&plan->constants.destination_ports, alone,
						       count, p->options->full, &plan->points);
	if (r >= 0)
		r = mark_listened(p, alone, count);
	return r < 0 ? r
		     : reach_ties_begin(&plan->ties, &plan->constants, &plan->points, alone, count);
}

static const struct twin_link *find_link(const struct mirror *m, const char *name)
{
	for (size_t i = 0; i < m->twin.link_count; i++)
		if (strcmp(m->twin.links[i].name, name) == 0)
			return &m->twin.links[i];
	return NULL;
}

static int check_options(const struct planner *p)
{
	const struct reach_options *o = p->options;
	const struct twin_link *link = o->in ? find_link(p->m, o->in) : NULL;

	if (o->in && !link)
		return err_set(
			p->e, -EINVAL,
			_("--in: this machine has no interface '%.32s' (ip link lists them)"),
			o->in);
	if (link && !link->up)
		return err_set(p->e, -EINVAL, _("--in: the interface %s is down: nothing comes in"),
			       link->name);
	if (link && link->master)
		return err_set(
			p->e, -EINVAL,
			_("--in: %s belongs to another interface (a bridge or bond): its packets "
			  "come in by that one"),
			link->name);
	return 0;
}

/* Does anything come in by it that the machine's own rules see? */
static bool is_asked(const struct planner *p, const struct twin_link *link)
{
	if (link->loopback || !link->up || link->tap < 0 || link->master)
		return false;
	return !p->options->in || strcmp(link->name, p->options->in) == 0;
}

static bool wants_host(const struct planner *p)
{
	const struct reach_options *o = p->options;

	if (o->in)
		return find_link(p->m, o->in)->loopback;
	return !o->from.family || planner_is_local(p, &o->from);
}

static int plan_all(struct planner *p)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	bool outside = !p->options->from.family || !planner_is_local(p, &p->options->from);
	int r = 0;

	for (size_t i = 0; i < p->m->twin.link_count; i++)
		p->links_left += is_asked(p, &p->m->twin.links[i]) ? 2 : 0;
	for (size_t i = 0; i < p->m->twin.link_count && outside; i++)
		for (size_t f = 0; f < ARRAY_LEN(families) && r >= 0; f++) {
			if (!is_asked(p, &p->m->twin.links[i]))
				continue;
			if (wants_family(p->options, families[f]))
				r = plan_link(p, &p->m->twin.links[i], families[f]);
			p->links_left--;
		}
	if (r >= 0 && wants_host(p))
		r = plan_host(p);
	return r;
}

int reach_plan_build(const struct mirror *m, const struct reach_options *options, struct reach *ret,
		     struct reach_plan *plan, struct err *e)
{
	struct planner p = {.m = m,
			    .options = options,
			    .reach = ret,
			    .plan = plan,
			    .e = e,
			    .whole = {.first = UINT32_MAX}};
	int r;

	*plan = (struct reach_plan){0};
	r = check_options(&p);
	if (r >= 0)
		r = reach_routes_read(&m->twin.host, &p.routes);
	p.links = calloc(p.routes.count + 1, sizeof(*p.links));
	p.elsewhere = calloc(p.routes.count + 1, sizeof(*p.elsewhere));
	if (r >= 0 && (!p.links || !p.elsewhere))
		r = -ENOMEM;
	if (r >= 0)
		r = find_locals(&p);
	if (r >= 0)
		r = find_constants(&p);
	if (r >= 0)
		r = find_points(&p);
	if (r >= 0 && !options->only_port)
		r = find_source_ports(&p);
	if (r >= 0)
		r = planner_find_destinations(&p);
	if (r >= 0)
		r = plan_all(&p);
	p.too_many |= p.too_many_queries;
	if (p.too_many)
		doubt_all(&p, _("there are too many addresses to ask for all"));
	if (p.too_many)
		reach_add_gap(ret, _("some of the machine's addresses or groups of sources"),
			      _("there are too many to ask for all"),
			      _("ask for some: portero reach --in INTERFACE --from ADDRESS --to "
				"ADDRESS"));
	reach_routes_done(&p.routes);
	free(p.senders);
	free(p.known);
	free(p.links);
	free(p.elsewhere);
	free(p.locals);
	free(p.local_routes);
	free(p.destinations);
	return r == -ENOMEM ? err_set(e, r, _("out of memory")) : r;
}

void reach_plan_done(struct reach_plan *plan)
{
	rule_constants_done(&plan->constants);
	reach_points_done(&plan->points);
	for (size_t i = 0; i < ARRAY_LEN(plan->group_sockets); i++)
		if (plan->group_sockets[i] > 0)
			close(plan->group_sockets[i]);
	reach_ties_done(&plan->ties);
	free(plan->asks.items);
	free(plan->listened);
	free(plan->others);
	free(plan->queries);
	*plan = (struct reach_plan){0};
}
