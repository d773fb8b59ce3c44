/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/apply_check.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/reach.h"
#include "observe/session.h"

#include <string.h>

enum { PEER_LIMIT = 16 };

/* Does the connection exist? What an environment says may be long over. */
static bool is_there(const struct snapshot *s, const struct session_peer *peer)
{
	for (size_t i = 0; i < s->connection_count; i++) {
		const struct connection_info *c = &s->connections[i];
		struct address address = c->peer;

		address_unmap(&address);
		if (c->netns == 0 && c->proto == PROTO_TCP && c->local_port == peer->server_port &&
		    c->peer_port == peer->client_port && address_equal(&address, &peer->client))
			return true;
	}
	return false;
}

/* Would the kernel let the client connect again? `rules`: with these; NULL: as it is. */
static int ask(const struct planned *p, const struct session_peer *peer,
	       const struct nft_image *rules, bool *ret, struct err *e)
{
	const struct reach_options ask = {.snapshot = &p->now.snapshot,
					  .planned = rules,
					  .from = peer->client,
					  .protos = 1u << PROTO_TCP,
					  .only_port = peer->server_port};
	struct reach reach = {0};
	int r = reach_take(&ask, &reach, e);

	/* what cannot be told of now counts as let in; what cannot be told of then, as kept out */
	*ret = !rules && !reach.available;
	for (size_t i = 0; r >= 0 && i < reach.class_count; i++) {
		const struct reach_class *c = &reach.classes[i];
		const struct reach_interval *at = reach_find(&reach, c, peer->server_port);

		bool in = at && (verdict_lets_in(at->verdict) ||
				 (at->verdict == VERDICT_UNKNOWN && !rules));

		if (!c->behind && in && address_equal(&c->destination, &peer->server))
			*ret = true;
	}
	reach_done(&reach);
	return r;
}

static int check_session(const struct planned *p, const struct session_peer *peer, struct buf *out,
			 struct err *e)
{
	char client[ADDRESS_TEXT_SIZE];
	bool now = false, then = false;
	int r = ask(p, peer, NULL, &now, e);

	if (r >= 0)
		r = ask(p, peer, &p->rules, &then, e);
	if (r < 0 || then || !now)
		return r;
	address_format(&peer->client, client);
	buf_printf(out,
		   _("You work from %s by port %u/tcp, and could not connect there again: declare "
		     "an opening for it.\n"),
		   client, peer->server_port);
	return 0;
}

static void check_protected(const struct planned *p, struct buf *out)
{
	for (size_t i = 0; i < p->plan.row_count; i++) {
		const struct plan_row *row = &p->plan.rows[i];
		const struct port_row *port;

		if (row->kind != PLAN_CLOSES || row->before == PLAN_NONE)
			continue;
		port = &p->now.list.rows[row->before];
		if (policy_protects(&p->policy, port->port, port->proto))
			buf_printf(out,
				   _("%u/%s is protected, and nobody could reach it any more.\n"),
				   port->port, proto_name(port->proto));
	}
}

/* Who is connected to the port, each address once; at most PEER_LIMIT. Returns how many there are.
 */
static size_t list_peers(const struct snapshot *s, uint16_t port, struct session_peer *ret)
{
	struct map cleanup_call(map_done) known = {0};

	for (size_t i = 0; i < s->connection_count; i++) {
		const struct connection_info *c = &s->connections[i];
		struct session_peer peer = {.client = c->peer,
					    .server = c->local,
					    .client_port = c->peer_port,
					    .server_port = port};
		uint32_t found;
		uint64_t key;

		address_unmap(&peer.client);
		address_unmap(&peer.server);
		key = map_mix(map_hash_bytes(peer.client.bytes, sizeof(peer.client.bytes)),
			      map_hash_bytes(peer.server.bytes, sizeof(peer.server.bytes)));
		if (c->netns != 0 || c->proto != PROTO_TCP || c->local_port != port ||
		    address_is_loopback(&peer.client) || map_get(&known, key, &found))
			continue;
		if (known.count < PEER_LIMIT)
			ret[known.count] = peer;
		if (map_set(&known, key, 0) < 0)
			break;
	}
	return known.count;
}

/* The connection that the environment names is over, as in a tmux that outlived it: the person
 * works by one of those that there are to the same port. */
static int check_port(const struct planned *p, uint16_t port, struct buf *out, struct err *e)
{
	struct session_peer peers[PEER_LIMIT];
	size_t count = list_peers(&p->now.snapshot, port, peers);
	int r = 0;

	for (size_t i = 0; i < count && i < PEER_LIMIT && r >= 0; i++)
		r = check_session(p, &peers[i], out, e);
	if (count > PEER_LIMIT)
		buf_printf(out,
			   _("Of %zu addresses that are connected to port %u/tcp, only %d were "
			     "checked, and which of them is yours is not known.\n"),
			   count, port, PEER_LIMIT);
	return r;
}

int apply_check(const struct planned *p, struct buf *out, struct err *e)
{
	struct session_peer peers[SESSION_PEER_LIMIT];
	size_t count = session_find(peers, SESSION_PEER_LIMIT);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = is_there(&p->now.snapshot, &peers[i])
			    ? check_session(p, &peers[i], out, e)
			    : check_port(p, peers[i].server_port, out, e);
	check_protected(p, out);
	return r;
}
