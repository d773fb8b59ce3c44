/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene: snapshots made by hand, for the tests of what is decided from them.
 */
#pragma once

#include "decide/listeners.h"
#include "model/snapshot.h"
#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { SCENE_LOOPBACK = 1, SCENE_ETH = 2 };

/* A namespace with lo (127.0.0.1/8, ::1/128) and eth0 (10.0.0.5/24, fd00::5/64). */
static inline void scene_begin(struct snapshot *s)
{
	static const struct {
		const char *text;
		uint8_t prefix_len;
		uint32_t ifindex;
	} addresses[] = {
		{"127.0.0.1", 8, SCENE_LOOPBACK},
		{"::1", 128, SCENE_LOOPBACK},
		{"10.0.0.5", 24, SCENE_ETH},
		{"fd00::5", 64, SCENE_ETH},
	};

	*s = (struct snapshot){.saw_all_processes = true};
	*snapshot_add_netns(s) =
		(struct netns_info){.inum = 4026531840, .container = SNAPSHOT_NONE, .own = true};
	for (uint32_t i = SCENE_LOOPBACK; i <= SCENE_ETH; i++) {
		struct interface_info *info = snapshot_add_interface(s);

		info->ifindex = i;
		info->loopback = i == SCENE_LOOPBACK;
		info->name_str = snapshot_add_text(s, info->loopback ? "lo" : "eth0");
	}
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct interface_address *a = snapshot_add_address(s);

		a->ifindex = addresses[i].ifindex;
		a->loopback = a->ifindex == SCENE_LOOPBACK;
		a->prefix_len = addresses[i].prefix_len;
		a->address.family = strchr(addresses[i].text, ':') ? AF_INET6 : AF_INET;
		inet_pton(a->address.family, addresses[i].text, a->address.bytes);
	}
}

/* A process that started at `start`; its name is that of its program. Returns its index. */
static inline uint32_t scene_process(struct snapshot *s, uint32_t pid, const char *program,
				     uint64_t start)
{
	struct process_info *p = snapshot_add_process(s);
	const char *slash = strrchr(program, '/');

	assert_non_null(p);
	p->pid = pid;
	p->start_ns = start;
	p->program_str = snapshot_add_text(s, program);
	p->comm_str = snapshot_add_text(s, slash ? slash + 1 : program);
	p->user_str = snapshot_add_text(s, "root");
	p->program_state = PROGRAM_THERE;
	p->packaged = STATE_YES;
	return (uint32_t)(s->process_count - 1);
}

/* A listener that both views have; UDP ones were bound to the port on purpose. */
static inline struct socket_info *scene_socket(struct snapshot *s, enum proto proto, uint16_t port,
					       const char *address)
{
	struct socket_info *socket = snapshot_add_socket(s);

	assert_non_null(socket);
	socket->inode = 1000 + s->socket_count;
	socket->proto = proto;
	socket->port = port;
	socket->address.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(socket->address.family, address, socket->address.bytes), 1);
	socket->views = VIEW_KERNEL | VIEW_FILES;
	socket->explicit_bind = STATE_YES;
	return socket;
}

/* Says that the process holds the socket that was added last. */
static inline void scene_hold(struct snapshot *s, uint32_t process)
{
	struct socket_info *socket = &s->sockets[s->socket_count - 1];
	struct holder_info *holder = snapshot_add_holder(s);

	assert_non_null(holder);
	holder->socket = (uint32_t)(s->socket_count - 1);
	holder->process = process;
	if (socket->holder_count++ == 0)
		socket->first_holder = (uint32_t)(s->holder_count - 1);
}

/* Says that systemd listens on the socket that was added last for this service. */
static inline struct activation_info *scene_activate(struct snapshot *s, const char *socket_unit,
						     const char *service, const char *program)
{
	struct activation_info *a = snapshot_add_activation(s);

	assert_non_null(a);
	a->socket = (uint32_t)(s->socket_count - 1);
	a->socket_unit_str = snapshot_add_text(s, socket_unit);
	a->service_str = snapshot_add_text(s, service);
	a->program_str = snapshot_add_text(s, program);
	return a;
}

static inline void scene_build(const struct snapshot *s, bool clients, struct listener_list *list)
{
	struct listener_options options = {.clients = clients};

	assert_int_equal(listeners_build(s, &options, list), 0);
}
