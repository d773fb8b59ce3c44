/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/connections.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PEER_LIMIT = 20,
	/* linux/tcp_states.h: not connections yet, or no longer */
	STATE_SYN_RECV = 3,
	STATE_TIME_WAIT = 6,
	STATE_NEW_SYN_RECV = 12,
};

/* What one peer has open to the port. */
struct peer {
	struct address address;
	enum proto proto;
	uint32_t netns;
	unsigned count;
	uint64_t bytes_in, bytes_out;
	uint32_t quiet_ms;
};

static int compare_peers(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count); /* most first */
}

static bool is_counted(const struct connection_info *c, uint16_t port, enum proto proto)
{
	return c->local_port == port && c->proto == proto && c->state != STATE_TIME_WAIT &&
	       c->state != STATE_SYN_RECV && c->state != STATE_NEW_SYN_RECV;
}

static size_t group_peers(const struct view *v, uint16_t port, enum proto proto, struct peer *peers)
{
	struct map cleanup_call(map_done) known = {0};
	size_t count = 0;

	for (size_t i = 0; i < v->snapshot.connection_count; i++) {
		const struct connection_info *c = &v->snapshot.connections[i];
		struct address address = c->peer;
		uint64_t key;
		uint32_t at;
		struct peer *p;

		if (!is_counted(c, port, proto))
			continue;
		address_unmap(&address);
		key = map_mix(map_hash_bytes(address.bytes, sizeof(address.bytes)), c->netns);
		if (!map_get(&known, key, &at)) {
			at = (uint32_t)count++;
			map_set(&known, key, at);
			peers[at] = (struct peer){.address = address,
						  .proto = proto,
						  .netns = c->netns,
						  .quiet_ms = UINT32_MAX};
		}
		p = &peers[at];
		p->count++;
		p->bytes_in += c->bytes_in;
		p->bytes_out += c->bytes_out;
		if (c->has_bytes && c->quiet_ms < p->quiet_ms)
			p->quiet_ms = c->quiet_ms;
	}
	qsort(peers, count, sizeof(*peers), compare_peers);
	return count;
}

static void print_peer(const struct peer *p)
{
	char address[ADDRESS_TEXT_SIZE], in[32], out[32], quiet[32];

	address_format(&p->address, address);
	fields_label("    ", "");
	printf(ngettext("%s: %u connection", "%s: %u connections", p->count), address, p->count);
	if (p->quiet_ms != UINT32_MAX) {
		fields_format_bytes(p->bytes_in, in, sizeof(in));
		fields_format_bytes(p->bytes_out, out, sizeof(out));
		fields_format_span(p->quiet_ms, quiet, sizeof(quiet));
		printf(_(", %s in, %s out, quiet for %s"), in, out, quiet);
	}
	putchar('\n');
}

void connections_print(const struct view *v, uint16_t port, enum proto proto)
{
	struct peer cleanup_free *peers = calloc(v->snapshot.connection_count + 1, sizeof(*peers));
	unsigned total = 0;
	size_t count;

	if (!peers)
		return;
	count = group_peers(v, port, proto, peers);
	for (size_t i = 0; i < count; i++)
		total += peers[i].count;
	fields_label("  ", _("Connections"));
	if (total == 0) {
		printf("%s\n", snapshot_has_all_listeners(&v->snapshot)
				       ? _("none now")
				       : _("not known (see below)"));
		return;
	}
	printf("%u", total);
	printf(ngettext(" from %zu peer\n", " from %zu peers\n", count), count);
	for (size_t i = 0; i < count && i < PEER_LIMIT; i++)
		print_peer(&peers[i]);
	if (count > PEER_LIMIT) {
		fields_label("    ", "");
		printf(_("and %zu more (--json lists them)\n"), count - PEER_LIMIT);
	}
}
