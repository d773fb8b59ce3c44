/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/listener_at.h"

#include <sys/socket.h>

static bool serves(const struct listener *l, const struct address *to)
{
	uint8_t family = to->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;

	return (l->families & family) &&
	       (address_is_any(&l->address) || address_equal(&l->address, to));
}

static bool hears_peer(const struct snapshot *s, uint16_t port, const struct address *peer)
{
	for (size_t i = 0; i < s->connection_count; i++) {
		const struct connection_info *c = &s->connections[i];

		struct address other = c->peer;

		address_unmap(&other); /* a socket of both families */
		if (c->netns == 0 && c->proto == PROTO_UDP && c->local_port == port &&
		    address_equal(&other, peer))
			return true;
	}
	return false;
}

enum listener_at listener_at(const struct snapshot *s, const struct listener_list *list,
			     enum proto proto, uint16_t port, const struct address *from,
			     const struct address *to)
{
	enum listener_at found =
		snapshot_has_all_listeners(s) && !(proto == PROTO_UDP && hears_peer(s, port, from))
			? LISTENER_AT_NOBODY
			: LISTENER_AT_UNKNOWN;

	for (size_t i = 0; i < list->listener_count; i++) {
		const struct listener *l = &list->listeners[i];

		if (l->netns != 0 || l->proto != proto || l->port != port || !serves(l, to))
			continue;
		if (!l->ifindex)
			return LISTENER_AT_SOMEBODY;
		found = LISTENER_AT_UNKNOWN;
	}
	return found;
}
