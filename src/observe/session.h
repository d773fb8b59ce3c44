/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: by which connection does the person work who started this process? What sshd wrote into
 * the environment (SSH_CONNECTION) is looked for in this process and in those that it comes from,
 * since sudo and su clear their own. A hint: who is not found out may still sit at a console.
 */
#pragma once

#include "model/port.h"

#include <stddef.h>
#include <stdint.h>

struct session_peer {
	struct address client, server;
	uint16_t client_port, server_port;
};

enum { SESSION_PEER_LIMIT = 8 };

/* At most `limit`, each once, the nearest first. Returns how many. */
size_t session_find(struct session_peer *ret, size_t limit);
/* "CLIENT PORT SERVER PORT", as in SSH_CONNECTION. 0 or -EINVAL. */
int session_parse(const char *text, struct session_peer *ret);
