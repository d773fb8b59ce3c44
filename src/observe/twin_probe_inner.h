/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_probe_inner: what twin_probe holds; for its own files.
 */
#pragma once

#include "observe/nflog.h"
#include "observe/twin_connections.h"
#include "observe/twin_loop.h"
#include "observe/twin_probe.h"

struct twin_probe {
	int netns;
	struct nl *filter;
	struct nflog log;
	struct twin_loop loop;
	int answers; /* epoll, of all TAPs */
	bool split_sinks;
	struct twin_connections connections;
	uint32_t next_cookie;
	struct probe_port *ports;
	size_t port_count;
};
