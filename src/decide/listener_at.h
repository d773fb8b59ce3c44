/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_at: does somebody listen where one packet arrives? Pure.
 */
#pragma once

#include "decide/listeners.h"

enum listener_at {
	LISTENER_AT_NOBODY,
	LISTENER_AT_SOMEBODY,
	LISTENER_AT_UNKNOWN, /* not everything could be looked at, or it hangs on the interface */
};

/*
 * At an address of this machine's own namespace. Of UDP, the list must have clients, too: they are
 * bound as well.
 */
enum listener_at listener_at(const struct snapshot *s, const struct listener_list *list,
			     enum proto proto, uint16_t port, const struct address *to);
