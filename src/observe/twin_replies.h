/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_replies: what a twin needs to answer a SYN as the machine would: somebody who listens, and a
 * route back.
 */
#pragma once

#include "model/port.h"

#include <stdint.h>

/*
 * A TCP socket in the network namespace `netns` that listens on the port at all addresses of the
 * family, for the caller to close. Where one listens already, a descriptor that does nothing. Or a
 * negative errno.
 */
int twin_replies_listen(int netns, int family, uint16_t port);

/*
 * Does a route lead from that address of the namespace to the other (at the interface `ifindex`,
 * when they are link-local)? 1, 0 or a negative errno.
 */
int twin_replies_route(int netns, const struct address *from, const struct address *to,
		       uint32_t ifindex);
