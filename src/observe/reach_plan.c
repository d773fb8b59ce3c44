/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_plan.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/ipset_messages.h"
#include "observe/reach_planner.h"

#include <errno.h>
#include <linux/ip.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ORDINARY_PORT = 40000, /* that twin_probe sends from: no rule is meant for it */
	SOURCE_PORT_LIMIT = 64,
};

static bool wants_family(const struct reach_options *o, uint8_t family)
{
	if (o->from.family && o->from.family != family)
		return false;
	if (o->to.family && o->to.family != family)
		return false;
	return !o->families || o->families & (family == AF_INET ? 1 : 2);
}

static bool wants_proto(const struct planner *p, enum proto proto)
{
	if (p->only_udp && proto != PROTO_UDP)
		return false;
	return !p->options->protos || p->options->protos & 1u << proto;
}

/* --- queries ------------------------------------------------------------------------------------
 */

struct who {
	enum source_class class, within;
	struct address source;
	uint16_t source_port; /* 0: an ordinary one */
	uint32_t text;	      /* of reach strings */
};

static int add_query(struct planner *p, const struct twin_link *link, const struct destination *to,
		     const struct who *who, enum proto proto, uint32_t baseline)
{
	struct reach_plan *plan = p->plan;
	struct reach_query *q;

	if (plan->count >= REACH_QUERY_LIMIT) {
		p->too_many = true;
		return 0;
	}
	if (mem_grow(&plan->queries, &plan->cap, plan->count + 1, sizeof(*plan->queries)) < 0)
		return -ENOMEM;
	q = &plan->queries[plan->count++];
	*q = (struct reach_query){
		.class = {.source_class = who->class,
			  .within = who->within,
			  .ifindex = link ? link->ifindex : 0,
			  .ifname_str = link ? strpool_add_text(&p->reach->strings, link->name) : 0,
			  .proto = proto,
			  .source = who->source,
			  .destination = to->address,
			  .behind = to->behind,
			  .leads_to = to->leads_to,
			  .sources_str = who->text},
		.flow = {.ifindex = link ? link->ifindex : 0,
			 .proto = proto,
			 .source = who->source,
			 .destination = to->address,
			 .source_port = who->source_port,
			 .group = to->group},
		.baseline = baseline,
	};
	return 0;
}

/* Both protocols of one group; the baseline of a group is that of the same protocol. */
static int add_queries(struct planner *p, const struct twin_link *link,
		       const struct destination *to, const struct who *who, size_t first,
		       size_t stride, size_t baseline)
{
	size_t k = 0;

	for (int proto = PROTO_TCP; proto <= PROTO_UDP; proto++) {
		if (!wants_proto(p, (enum proto)proto))
			continue;
		if (add_query(p, link, to, who, (enum proto)proto,
			      (uint32_t)(first + baseline * stride + k)) < 0)
			return -ENOMEM;
		k++;
	}
	return 0;
}

static size_t proto_count(const struct planner *p)
{
	return (size_t)wants_proto(p, PROTO_TCP) + (size_t)wants_proto(p, PROTO_UDP);
}

/* --- sources ------------------------------------------------------------------------------------
 */

static bool is_private(const struct address *a)
{
	static const struct reach_prefix blocks[] = {
		{{AF_INET, {10}}, 8},	    {{AF_INET, {172, 16}}, 12}, {{AF_INET, {192, 168}}, 16},
		{{AF_INET, {100, 64}}, 10}, {{AF_INET6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (planner_in_prefix(a, &blocks[i]))
			return true;
	return false;
}

/* The networks that this interface leads to, and those that others do. */
static struct source_scope scope_of(struct planner *p, const struct twin_link *link, uint8_t family)
{
	struct source_scope scope = {.family = family,
				     .links = p->links,
				     .elsewhere = p->elsewhere,
				     .locals = p->locals,
				     .local_count = p->local_count};
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

/* A link-local address is reached from link-local ones; others by all. */
static bool fits(const struct address *source, const struct address *destination)
{
	return !address_is_link_local(destination) || address_is_link_local(source);
}

/* Whoever sends from a port that the rules mention may get more than others. */
static int plan_source_ports(struct planner *p, const struct twin_link *link,
			     const struct destination *to, const struct who *who, size_t baseline)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct who special = *who;

	for (size_t i = 0; i < p->source_ports.count; i++) {
		const struct reach_point *point = &p->source_ports.items[i];

		buf_clear(&text);
		if (point->first == point->last)
			buf_printf(&text, _("whoever sends from port %u"), point->first);
		else
			buf_printf(&text, _("whoever sends from ports %u-%u"), point->first,
				   point->last);
		special.class = SOURCE_LISTED;
		special.source_port = point->port;
		special.text = strpool_add_text(&p->reach->strings, buf_text(&text));
		if (add_queries(p, link, to, &special, baseline, 0, 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_all_source_ports(struct planner *p, const struct twin_link *link,
				 const struct destination *to, size_t first, size_t end)
{
	size_t stride = proto_count(p);

	for (size_t i = first; i < end && p->source_ports.count; i += stride) {
		const struct reach_class c = p->plan->queries[i].class;
		struct who who = {.within = c.within, .source = c.source};

		if (c.source_class != SOURCE_LISTED && plan_source_ports(p, link, to, &who, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_groups(struct planner *p, const struct twin_link *link,
		       const struct destination *to, const struct reach_sources *sources,
		       bool anywhere)
{
	size_t first = p->plan->count, stride = proto_count(p);
	size_t cleanup_free *places = calloc(sources->count + 1, sizeof(*places));
	size_t place = 0;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < sources->count; i++) {
		const struct source_group *g = &sources->items[i];
		enum source_class within = sources->items[g->baseline].source_class;

		places[i] = SIZE_MAX;
		if (fits(&g->address, &to->address) && (anywhere || within == SOURCE_LINK))
			places[i] = place++;
	}
	for (size_t i = 0; i < sources->count; i++) {
		const struct source_group *g = &sources->items[i];
		uint32_t text = g->text_str ? g->text_str : g->block_str;
		struct who who = {
			.class = g->source_class,
			.within = sources->items[g->baseline].source_class,
			.source = g->address,
			.text = strpool_add_text(&p->reach->strings,
						 reach_sources_text(sources, text)),
		};
		size_t base = places[g->baseline] == SIZE_MAX ? places[i] : places[g->baseline];

		if (who.class == SOURCE_INTERNET)
			who.text = 0;
		if (places[i] != SIZE_MAX &&
		    add_queries(p, link, to, &who, first, stride, base) < 0)
			return -ENOMEM;
	}
	return plan_all_source_ports(p, link, to, first, p->plan->count);
}

/* Of the queries from `first` on: some of their sources may be treated otherwise. */
static void doubt_others(struct planner *p, size_t first, const char *why)
{
	for (size_t i = first; i < p->plan->count; i++) {
		struct reach_class *c = &p->plan->queries[i].class;

		if (c->source_class != SOURCE_HOST && !c->others_str)
			c->others_str = strpool_add_text(&p->reach->strings, why);
	}
}

/* One source that the user gave. */
static int plan_one(struct planner *p, const struct twin_link *link, const struct destination *to,
		    const struct source_scope *scope)
{
	struct who who = {SOURCE_INTERNET, SOURCE_INTERNET, p->options->from, 0, 0};
	char text[ADDRESS_TEXT_SIZE];

	address_format(&who.source, text);
	who.text = strpool_add_text(&p->reach->strings, text);
	if (is_private(&who.source))
		who.class = SOURCE_PRIVATE;
	for (size_t i = 0; i < scope->link_count; i++)
		if (planner_in_prefix(&who.source, &scope->links[i]))
			who.class = SOURCE_LINK;
	who.within = who.class;
	return add_queries(p, link, to, &who, p->plan->count, 0, 0);
}

static int plan_destination(struct planner *p, const struct twin_link *link,
			    const struct destination *to, const struct source_scope *scope,
			    const struct reach_sources *sources)
{
	/* nobody but a neighbour can make it carry packets to a private address behind it */
	bool anywhere = faces_internet(p, link, scope->family) &&
			!address_is_link_local(&to->address) &&
			!address_is_loopback(&to->address) &&
			!(to->behind && is_private(&to->address)) && !to->group;

	p->only_udp = to->group;
	if (p->options->from.family)
		return plan_one(p, link, to, scope);
	return plan_groups(p, link, to, sources, anywhere);
}

static int plan_link(struct planner *p, const struct twin_link *link, uint8_t family)
{
	struct source_scope scope = scope_of(p, link, family);
	struct reach_sources cleanup_call(reach_sources_done) sources = {0};
	bool loopback = takes_loopback(p, link, family);
	size_t first = p->plan->count;
	int r = 0;

	if (!p->options->from.family)
		r = reach_sources_build(&p->plan->constants, &scope, &sources);
	if (r < 0)
		return r;
	if (!p->options->from.family && !sources.complete)
		reach_add_gap(p->reach, _("some groups of source addresses"),
			      reach_sources_text(&sources, sources.why_str),
			      _("ask for one address: portero reach --from ADDRESS"));
	for (size_t i = 0; i < p->destination_count && r >= 0; i++) {
		const struct destination *to = &p->destinations[i];

		if (to->address.family != family ||
		    (address_is_loopback(&to->address) && !loopback) ||
		    ((to->group || address_is_link_local(&to->address)) &&
		     to->ifindex != link->ifindex))
			continue;
		r = plan_destination(p, link, to, &scope, &sources);
	}
	if (!p->options->from.family && !sources.complete)
		doubt_others(p, first, reach_sources_text(&sources, sources.why_str));
	return r;
}

/* From the machine to itself. */
static int plan_host(struct planner *p)
{
	p->only_udp = false;
	for (size_t i = 0; i < p->destination_count; i++) {
		const struct destination *to = &p->destinations[i];
		struct who who = {SOURCE_HOST, SOURCE_HOST, to->address, 0, 0};

		if (to->behind || to->group || address_is_link_local(&to->address) ||
		    !wants_family(p->options, to->address.family))
			continue;
		if (to->address.family == AF_INET && address_is_loopback(&to->address))
			who.source = (struct address){AF_INET, {127, 0, 0, 1}};
		if (p->options->from.family)
			who.source = p->options->from;
		if (add_queries(p, NULL, to, &who, p->plan->count, 0, 0) < 0)
			return -ENOMEM;
	}
	return 0;
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
	return r;
}

/* The source ports that are not treated as an ordinary one is; all other intervals, one port each.
 */
static int find_source_ports(struct planner *p)
{
	struct reach_points *points = &p->source_ports;
	const struct port_cuts *cuts = &p->plan->constants.source_ports;
	size_t kept = 0;
	int r = 0;

	if (!cuts->opaque)
		r = reach_points_build(cuts, NULL, 0, false, points);
	for (size_t i = 0; i < points->count; i++)
		if (ORDINARY_PORT < points->items[i].first || ORDINARY_PORT > points->items[i].last)
			points->items[kept++] = points->items[i];
	if (cuts->opaque || kept > SOURCE_PORT_LIMIT) {
		reach_add_gap(p->reach, _("who sends from special source ports"),
			      cuts->opaque ? rule_constants_text(&p->plan->constants, cuts->why_str)
					   : _("the rules mention too many"),
			      "");
		kept = 0;
	}
	points->count = kept;
	return r;
}

static int find_one_point(struct planner *p)
{
	struct reach_points *points = &p->plan->points;
	uint16_t port = p->options->only_port;

	if (mem_grow(&points->items, &points->cap, 1, sizeof(*points->items)) < 0)
		return -ENOMEM;
	points->items[points->count++] = (struct reach_point){port, port, port};
	return 0;
}

static int find_points(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;
	uint16_t cleanup_free *alone = calloc(s->socket_count + 1, sizeof(*alone));
	size_t count = 0;

	if (!alone)
		return -ENOMEM;
	if (p->options->only_port)
		return find_one_point(p);
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].kind == SOCKET_PORT && s->sockets[i].netns == 0)
			alone[count++] = s->sockets[i].port;
	return reach_points_build(&p->plan->constants.destination_ports, alone, count,
				  p->options->full, &p->plan->points);
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

	for (size_t i = 0; i < p->m->twin.link_count && outside; i++)
		for (size_t f = 0; f < ARRAY_LEN(families) && r >= 0; f++)
			if (is_asked(p, &p->m->twin.links[i]) &&
			    wants_family(p->options, families[f]))
				r = plan_link(p, &p->m->twin.links[i], families[f]);
	if (r >= 0 && wants_host(p))
		r = plan_host(p);
	return r;
}

int reach_plan_build(const struct mirror *m, const struct reach_options *options, struct reach *ret,
		     struct reach_plan *plan, struct err *e)
{
	struct planner p = {.m = m, .options = options, .reach = ret, .plan = plan, .e = e};
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
	if (p.too_many)
		doubt_others(&p, 0, _("there are too many addresses to ask for all"));
	if (p.too_many)
		reach_add_gap(ret, _("some of the machine's addresses or groups of sources"),
			      _("there are too many to ask for all"),
			      _("ask for some: portero reach --in INTERFACE --from ADDRESS --to "
				"ADDRESS"));
	reach_routes_done(&p.routes);
	reach_points_done(&p.source_ports);
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
	free(plan->queries);
	*plan = (struct reach_plan){0};
}
