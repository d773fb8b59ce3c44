/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/mirror.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/ns.h"
#include "observe/legacy_rewrite.h"
#include "observe/nft_graft.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 5 };

struct mirror mirror_of(const struct nft_image *planned)
{
	return (struct mirror){.planned = planned, .twin = {.ns = -1}, .legacy_sockets = {-1, -1}};
}

static int find_orders(struct mirror *m, struct nl *filter, struct err *e)
{
	struct hook_list cleanup_call(hook_list_done) told = {.host = filter};

	if (hook_orders_find(&m->nft, &m->legacy, &told, &m->orders) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return 0;
}

static int plant(struct mirror *m, struct err *e)
{
	int r = m->planned ? nft_graft_put(&m->nft, NFT_GRAFT_FAMILY, NFT_GRAFT_TABLE, m->planned)
			   : 0;

	return r < 0 ? err_set(e, r, _("the planned rules could not be copied: %s"), strerror(-r))
		     : 0;
}

int mirror_read(struct mirror *m, struct err *e)
{
	struct nl cleanup_call(nl_close) filter = {0};
	struct nl cleanup_call(nl_close) route = {0};
	uint64_t network = 0;
	int r;

	if (m->is_read)
		return 0;
	r = nl_open(&filter, NETLINK_NETFILTER, e);
	if (r >= 0)
		r = nl_open(&route, NETLINK_ROUTE, e);
	if (r >= 0)
		r = nft_image_read(&filter, &m->nft, e);
	if (r >= 0)
		r = plant(m, e);
	if (r >= 0)
		r = legacy_image_read(&m->legacy, e);
	if (r >= 0)
		r = ipset_image_read(&m->ipset, &filter, e);
	if (r >= 0)
		r = find_orders(m, &filter, e);
	if (r >= 0)
		r = twin_network_fingerprint(&route, &network, e);
	if (r < 0)
		return r;
	m->fingerprint = map_mix(
		map_mix(nft_image_fingerprint(&m->nft), legacy_image_fingerprint(&m->legacy)),
		map_mix(ipset_image_fingerprint(&m->ipset), network));
	m->fingerprint = map_mix(m->fingerprint, hook_orders_hash(&m->orders));
	m->is_read = true;
	return 0;
}

int mirror_look(struct mirror *m, const struct snapshot *s, struct err *e)
{
	int r = m->has_looked ? 0 : obstacles_find(&m->nft, s, &m->obstacles, e);

	m->has_looked = r >= 0;
	return r;
}

static int open_legacy(void *context)
{
	struct mirror *m = context;

	return legacy_open(&m->legacy_sockets, NULL);
}

/* The TAPs through which packets can be made to come in. */
static struct twin_probe *new_probe(struct mirror *m, struct err *e)
{
	struct probe_port cleanup_free *ports = calloc(m->twin.link_count + 1, sizeof(*ports));
	size_t count = 0;

	for (size_t i = 0; ports && i < m->twin.link_count; i++) {
		const struct twin_link *link = &m->twin.links[i];

		if (link->tap < 0 || !link->up)
			continue;
		ports[count] = (struct probe_port){link->ifindex, link->tap, link->is_tun, {0}};
		memcpy(ports[count++].mac, link->mac, FRAME_MAC_LEN);
	}
	if (!ports) {
		err_set(e, -ENOMEM, _("out of memory"));
		return NULL;
	}
	return twin_probe_new(m->twin.ns, &m->twin.filter, ports, count, e);
}

static int find_doubts(struct mirror *m, struct err *e)
{
	bool clock = false;
	int r;

	hook_orders_add_doubts(&m->orders, &m->nft, &m->legacy, &m->doubts);
	r = nft_rewrite_find(&m->nft_rewrite, &m->nft, &m->doubts);
	if (r < 0)
		return err_set(e, r, _("out of memory"));
	m->clock = m->nft_rewrite.clock;
	if (m->legacy.count == 0)
		return 0;
	r = ns_run(m->twin.ns, open_legacy, m, e);
	if (r < 0)
		return err_set(e, r, _("the tables of iptables-legacy cannot be copied: %s"),
			       strerror(-r));
	r = legacy_image_try(&m->legacy, &m->legacy_sockets, e);
	if (r >= 0)
		r = legacy_rewrite_find(&m->legacy, &m->doubts, &clock, e);
	m->clock |= clock;
	return r;
}

/* Sets that are not as they should be make answers unknown, but no asking impossible. */
static void load_ipsets(struct mirror *m)
{
	struct err e = {0};

	if (m->ipset.count && ipset_image_load(&m->ipset, &m->twin.filter, &e) != 0)
		snprintf(m->ipset_trouble, sizeof(m->ipset_trouble), "%.255s", e.msg);
}

int mirror_build(struct mirror *m, const struct snapshot *s, struct err *e)
{
	struct assignment none = {0};
	int changed = 0, r = mirror_look(m, s, e);

	if (r >= 0)
		r = twin_open(&m->twin, e);
	if (r >= 0)
		changed = r = twin_network_copy(&m->twin, &m->differences, e);
	if (r >= 0 && m->differences.failed)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r < 0)
		return r;
	m->probe = new_probe(m, e);
	if (!m->probe)
		return e->code < 0 ? e->code : -EIO;
	load_ipsets(m);
	r = find_doubts(m, e);
	if (r >= 0)
		r = mirror_load(m, &none, e);
	return r < 0 ? r : changed;
}

int mirror_load(struct mirror *m, const struct assignment *assignment, struct err *e)
{
	struct nft_loading how = {&m->nft_rewrite, &m->doubts, *assignment, &m->orders};
	int r = 0;

	if (m->is_loaded && memcmp(&m->loaded, assignment, sizeof(*assignment)) == 0)
		return 0;
	m->is_loaded = false;
	m->loads++;
	if (m->legacy.count)
		r = legacy_image_load(&m->legacy, &m->legacy_sockets, assignment, &m->legacy_report,
				      e);
	if (r >= 0)
		r = nft_image_load(&m->nft, &m->twin.filter, &how, &m->nft_report, e);
	if (r >= 0)
		r = twin_probe_load_sinks(m->probe, e);
	if (r < 0)
		return r;
	m->loaded = *assignment;
	m->is_loaded = true;
	return 0;
}

void mirror_done(struct mirror *m)
{
	twin_probe_free(m->probe);
	legacy_close(&m->legacy_sockets);
	nft_load_report_done(&m->nft_report);
	nft_rewrite_done(&m->nft_rewrite);
	twin_close(&m->twin);
	twin_report_done(&m->differences);
	obstacles_done(&m->obstacles);
	hook_orders_done(&m->orders);
	ipset_image_done(&m->ipset);
	legacy_image_done(&m->legacy);
	nft_image_done(&m->nft);
	*m = mirror_of(m->planned);
}

/* Is the machine still what was read? */
static bool is_same(const struct mirror *m)
{
	struct mirror again = mirror_of(m->planned);
	bool same = mirror_read(&again, NULL) == 0 && again.fingerprint == m->fingerprint;

	mirror_done(&again);
	return same;
}

int mirror_open(struct mirror *m, const struct snapshot *s, struct err *e)
{
	int r;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (i > 0)
			mirror_done(m);
		r = mirror_read(m, e);
		if (r >= 0)
			r = mirror_build(m, s, e);
		if (r < 0)
			return r;
		m->changing = r > 0 || m->nft.changing || m->legacy.changing || !is_same(m);
		if (!m->changing)
			break;
	}
	return 0;
}
