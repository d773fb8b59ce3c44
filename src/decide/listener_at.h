/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_at: does somebody listen where one packet arrives? Pure.
 */
#pragma once

#include "decide/listeners.h"

enum listener_at {
	LISTENER_AT_NOBODY,
	LISTENER_AT_SOMEBODY,
	/* not everything could be looked at, or it hangs on the interface or the sender's port */
	LISTENER_AT_UNKNOWN,
};

/*
 * At an address of this machine's own namespace, for a packet from `from`. Of UDP, the list must
 * have clients, too, which are bound as well, and the snapshot connections: who is connected hears
 * its peer alone.
 */
enum listener_at listener_at(const struct snapshot *s, const struct listener_list *list,
			     enum proto proto, uint16_t port, const struct address *from,
			     const struct address *to);
