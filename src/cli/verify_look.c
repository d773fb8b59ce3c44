/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_look.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/ns.h"
#include "base/text.h"
#include "cli/verify_ports.h"
#include "cli/verify_remote.h"
#include "observe/reach.h"
#include "observe/scan.h"
#include "observe/scan_services.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* seconds for which the kernel remembers a connection that was refused
	 * (nf_conntrack_tcp_timeout_close) */
	REMEMBERED_S = 10,
	RATE_LEAST = 500, /* packets a second */
	/* a ghost's answer is made by a program, which must be given the processor first */
	LATE_MS = 200,
	/* who says nothing for so long accuses nobody; Postfix lets strangers wait for 6 s */
	SERVICE_MS = 8000,
	SERVICES_S = 120, /* for all services of one address */
};

/* --- the look from inside ----------------------------------------------------------------------
 */

static const struct address *source_of(const struct verify_look *l, uint8_t family)
{
	if (!l->from[0])
		return visitor_address(&l->visitor, family);
	return l->remote.family == family ? &l->remote : NULL;
}

static struct reach_options ask_for(const struct verify_look *l, const struct address *to)
{
	return (struct reach_options){
		.in = l->from[0] ? l->remote_ifname : l->visitor.ifname,
		.from = *source_of(l, to->family),
		.to = *to,
		.protos = 1U << l->proto,
	};
}

/* Who listens; what the rules do with packets is asked for each address. */
static int look_inside(struct verify_look *l, struct err *e)
{
	struct reach_options ask = {.in = l->from[0] ? l->remote_ifname : l->visitor.ifname,
				    .protos = 1U << l->proto,
				    .only_port = 1};
	const struct view_wish wish = {.clients = l->proto == PROTO_UDP,
				       .cmdlines = l->with_services,
				       .reach = true,
				       .ask = &ask,
				       .policy = l->with_services};

	view_done(&l->view);
	l->view = (struct view){0};
	return view_take(&l->view, l->options, &wish, e);
}

static bool is_wanted(const struct verify_look *l, const struct address *a)
{
	const struct options *o = l->options;

	if (o->ipv4 != o->ipv6 && (a->family == AF_INET ? o->ipv6 : o->ipv4))
		return false;
	return source_of(l, a->family) != NULL;
}

static int choose_targets(struct verify_look *l, struct err *e)
{
	const struct snapshot *s = &l->view.snapshot;
	int r = 0;

	for (size_t i = 0; i < s->address_count && r == 0; i++) {
		const struct interface_address *a = &s->addresses[i];

		if (a->netns == 0 && !a->loopback && !address_is_loopback(&a->address) &&
		    !address_is_link_local(&a->address) && is_wanted(l, &a->address))
			r = scan_targets_add(&l->targets, &a->address, e);
	}
	if (r == 0 && !l->targets.count)
		return err_set(
			e, -EADDRNOTAVAIL,
			_("this machine has no address that could be looked at from outside"));
	return r;
}

static int check_targets(const struct verify_look *l, struct err *e)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < l->targets.count; i++) {
		const struct address *a = &l->targets.items[i];

		address_format(a, text);
		if (address_is_loopback(a) || address_is_link_local(a) || !scan_is_own(a))
			return err_set(e, -EINVAL,
				       _("%s is no address of this machine that others can reach: "
					 "portero verify compares this machine with itself"),
				       text);
		if (!source_of(l, a->family))
			return err_set(e, -EINVAL,
				       _("%s cannot be looked at: the one who looks has no address "
					 "of that family"),
				       text);
	}
	return 0;
}

/* --- the look from outside ---------------------------------------------------------------------
 */

static bool read_number(const char *path, uint64_t *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	size_t len;

	if (file_read_at(AT_FDCWD, path, 64, &text) < 0)
		return false;
	len = strcspn(buf_text(&text), "\n");
	return text_parse_number(buf_text(&text), len, UINT32_MAX, ret) == 0;
}

/*
 * The kernel keeps an entry for each connection that is let in and refused, and drops everybody's
 * packets when there is no room for more: at most half of what is free is used.
 */
static uint64_t bearable_rate(const struct verify_look *l, size_t hosts)
{
	uint64_t limit, used, room, rate;

	if (!read_number("/proc/sys/net/netfilter/nf_conntrack_max", &limit) ||
	    !read_number("/proc/sys/net/netfilter/nf_conntrack_count", &used) || !limit)
		return 0;
	room = limit > used ? (limit - used) / 2 : 0;
	if (hosts * l->port_count <= room)
		return 0;
	rate = room / REMEMBERED_S;
	return rate > RATE_LEAST ? rate : RATE_LEAST;
}

struct visit {
	struct scan *scan;
	struct scan_wish wish;
	bool with_services;
	struct err *e;
};

/* Of all that is open outside: also what nobody inside knows of should be named. */
static int visit_services(struct visit *v)
{
	uint32_t longest_ms = 0;
	int r;

	for (size_t i = 0; i < v->scan->host_count; i++)
		if (v->scan->hosts[i].took_ms > longest_ms)
			longest_ms = v->scan->hosts[i].took_ms;
	v->wish.service_ms = SERVICE_MS;
	v->wish.host_timeout_s = longest_ms / 1000 + SERVICES_S;
	r = scan_services_ask(v->scan, &v->wish, v->e);
	if (r == 0)
		scan_services_conclude(v->scan, &v->wish);
	return r;
}

static int visit(void *context)
{
	struct visit *v = context;
	int r = scan_run(v->scan, &v->wish, v->e);

	return r == 0 && v->with_services ? visit_services(v) : r;
}

static int look_outside(const struct verify_look *l, struct scan *s, struct err *e)
{
	uint64_t rate = bearable_rate(l, s->host_count);
	struct visit v = {.scan = s,
			  .wish = {.max_rate = (double)rate,
				   .patience_ms = LATE_MS,
				   .stop = l->stop,
				   .sources = l->visitor.sources,
				   .source_count = l->visitor.source_count},
			  .with_services = l->with_services,
			  .e = e};

	return l->from[0] ? verify_remote_scan(l, rate, s, e) : ns_run(l->visitor.ns, visit, &v, e);
}

/* --- both --------------------------------------------------------------------------------------
 */

static int compare(struct verify_look *l, const struct scan *s, struct verify *ret, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->host_count && r == 0 && !*l->stop; i++) {
		struct reach_options ask = ask_for(l, &s->hosts[i].address);
		struct view asked = {0};

		r = view_take_other(&asked, &l->view, &ask, e);
		if (r == 0) {
			const struct verify_inside in = {
				.snapshot = &asked.snapshot,
				.policy = l->view.has_policy ? &l->view.policy : NULL,
				.now_s = l->view.now_s,
				.list = &asked.list,
				.reach = &asked.reach,
				.join = &asked.join,
				.guarded = l->view.guard != NULL,
				.partial = s->port_count < l->port_count,
			};

			r = verify_compare(&in, s, &s->hosts[i], ret);
			if (r < 0)
				err_set(e, r, _("out of memory"));
		}
		view_done_other(&asked);
	}
	return r;
}

/*
 * The ports of the disagreements, in ports[]; all of them when one is about an address as a whole.
 * Returns how many.
 */
static size_t doubtful_ports(const struct verify_look *l, uint16_t *ports)
{
	bool cleanup_free *doubtful = calloc((size_t)UINT16_MAX + 1, sizeof(*doubtful));
	size_t count = 0;

	for (size_t i = 0; doubtful && i < l->found.count; i++)
		doubtful[l->found.differences[i].port] = true;
	for (size_t i = 0; i < l->port_count; i++)
		if (!doubtful || doubtful[0] || doubtful[l->ports[i]])
			ports[count++] = l->ports[i];
	return count;
}

/* Did the second look, too, hear what speaks there? An address with many open ports is not asked.
 */
static bool was_heard_again(const struct verify_look *l, const struct verify_difference *d)
{
	const struct scan *s = &l->again;

	for (size_t i = 0; i < s->service_count; i++)
		if (s->ports[s->services[i].port] == d->port &&
		    address_equal(&s->hosts[s->services[i].host].address, &d->address))
			return true;
	return false;
}

static bool is_open_again(const struct verify_look *l, const struct verify_difference *d)
{
	const struct scan *s = &l->again;

	for (size_t host = 0; host < s->host_count; host++)
		for (size_t i = 0; i < s->port_count; i++)
			if (s->ports[i] == d->port &&
			    address_equal(&s->hosts[host].address, &d->address))
				return scan_reply_state(s->hosts[host].replies[i]) == SCAN_OPEN;
	return false;
}

/* What the second look has not is no disagreement: something came or went in between. */
static void keep_persistent(struct verify_look *l, const struct verify *again)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->found.count; i++) {
		const struct verify_difference *d = verify_find(again, &l->found.differences[i]);

		if (!d && l->found.differences[i].kind == VERIFY_IMPOSTOR &&
		    is_open_again(l, &l->found.differences[i]) &&
		    !was_heard_again(l, &l->found.differences[i])) {
			l->found.differences[i].owner = SNAPSHOT_NONE; /* of the first look */
			d = &l->found.differences[i];
		}
		if (d)
			l->found.differences[kept++] = *d;
	}
	l->changed = l->found.count - kept;
	l->found.count = kept;
	/* what could not be told the second time did not go away */
	l->found.unsure_inside += again->unsure_inside;
	l->found.unsure_outside += again->unsure_outside;
}

/* What was seen last counts, for who asks later. */
static void take_over(struct scan *s, const struct scan *again)
{
	for (size_t i = 0, k = 0; i < s->port_count && k < again->port_count; i++) {
		if (s->ports[i] != again->ports[k])
			continue;
		for (size_t host = 0; host < s->host_count; host++)
			s->hosts[host].replies[i] = again->hosts[host].replies[k];
		for (size_t n = 0; n < s->service_count; n++) {
			const struct service *found =
				s->services[n].port == i
					? scan_find_service(again, s->services[n].host, k)
					: NULL;

			if (found)
				s->services[n].found = *found;
		}
		k++;
	}
}

static int look_again(struct verify_look *l, struct err *e)
{
	uint16_t cleanup_free *ports = calloc(l->port_count, sizeof(*ports));
	struct verify cleanup_call(verify_done) again = {0};
	struct scan *s = &l->again;
	int r;

	if (!ports || verify_ports_init_scan(l, ports, doubtful_ports(l, ports), s) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = look_inside(l, e);
	if (r == 0 && !*l->stop)
		r = look_outside(l, s, e);
	if (r == 0)
		r = compare(l, s, &again, e);
	if (r == 0 && !*l->stop) {
		keep_persistent(l, &again);
		take_over(&l->scan, s);
	}
	return r;
}

static int look(struct verify_look *l, struct err *e)
{
	int r = look_inside(l, e);

	if (r == 0)
		r = l->targets.count ? check_targets(l, e) : choose_targets(l, e);
	if (r < 0)
		return r;
	verify_ports_add_bound(l);
	if (verify_ports_init_scan(l, l->ports, l->port_count, &l->scan) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (!*l->stop)
		r = look_outside(l, &l->scan, e);
	if (r == 0)
		r = compare(l, &l->scan, &l->found, e);
	return r == 0 && l->found.count && !*l->stop ? look_again(l, e) : r;
}

int verify_look_take(struct verify_look *l, struct err *e)
{
	int64_t begun = clock_mono_ms();
	int r;

	l->visitor.ns = -1;
	l->with_services = l->proto == PROTO_TCP && !l->options->no_services;
	r = l->from[0] ? verify_remote_find(l, e) : visitor_open(&l->visitor, e);
	if (r == 0 && l->proto == PROTO_UDP)
		visitor_add_sources(&l->visitor);
	if (r == 0)
		r = look(l, e);
	l->took_ms = (uint64_t)(clock_mono_ms() - begun);
	return r;
}

void verify_look_done(struct verify_look *l)
{
	visitor_close(&l->visitor);
	verify_done(&l->found);
	scan_done(&l->scan);
	scan_done(&l->again);
	scan_targets_done(&l->targets);
	view_done(&l->view);
	free(l->ports);
}

const struct process_info *verify_look_owner(const struct verify_look *l,
					     const struct verify_difference *d)
{
	return d->owner == SNAPSHOT_NONE ? NULL : &l->view.snapshot.processes[d->owner];
}

static bool was_asked(const struct scan *s)
{
	for (size_t i = 0; i < s->service_count; i++)
		if (s->services[i].found.end == SERVICE_UNASKED ||
		    s->services[i].found.end == SERVICE_LOST)
			return false;
	return scan_ports_are_complete(s);
}

bool verify_look_is_complete(const struct verify_look *l)
{
	return snapshot_is_complete(&l->view.snapshot) && was_asked(&l->scan) &&
	       was_asked(&l->again) && l->found.unsure_inside == 0 && l->found.unsure_outside == 0;
}

size_t verify_look_unnamed(const struct verify_look *l)
{
	size_t count = 0;

	for (size_t i = 0; i < l->scan.service_count; i++)
		count += l->scan.services[i].found.end != SERVICE_NAMED;
	return count;
}

size_t verify_look_asked(const struct verify_look *l)
{
	size_t count = 0;

	for (size_t host = 0; host < l->scan.host_count; host++)
		for (size_t i = 0; i < l->scan.port_count; i++)
			count += l->scan.hosts[host].replies[i] != SCAN_UNASKED;
	return count;
}
