/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_decode: from the bytes of the kernel's socket tables to one struct. Pure: no I/O, so that
 * recorded dumps, every truncation of them and a fuzzer can be fed to it.
 *
 * Two forms: NETLINK_SOCK_DIAG messages (linux/inet_diag.h, packet_diag.h, vm_sockets_diag.h) and
 * the lines of /proc/net/{tcp,udp,raw,udplite}{,6} and /proc/net/packet (proc(5)).
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_socket {
	struct address local, peer;
	uint16_t local_port, peer_port; /* host order; for raw sockets local_port is the protocol */
	uint8_t family;
	uint8_t state; /* TCP_LISTEN, ... as in linux/tcp_states.h */
	bool v6only, has_v6only;
	uint32_t ifindex, uid, mark;
	uint32_t rqueue, wqueue; /* of a TCP listener: backlog in use and its limit */
	uint32_t drops;
	uint32_t number; /* packet: ethertype, host order; vsock: port */
	uint64_t inode, cookie, cgroup_id;
	bool has_tcp_info;
	uint64_t bytes_in, bytes_out; /* TCP: received; sent and acknowledged */
	uint32_t quiet_ms;	      /* TCP: since data was last sent or received */
};

/* Each decodes one message's payload. 0, or -EBADMSG when it is too short or its attributes are
 * malformed; *ret is written only on success. */
int sock_decode_inet(const void *payload, size_t len, struct kernel_socket *ret);
int sock_decode_packet(const void *payload, size_t len, struct kernel_socket *ret);
int sock_decode_vsock(const void *payload, size_t len, struct kernel_socket *ret);

/*
 * Decodes a line of /proc/net/tcp and its sisters (ipv6 says which width the addresses have). 0, or
 * -EBADMSG for a line of another form, such as the heading.
 */
int sock_decode_proc_line(const char *line, size_t len, bool ipv6, struct kernel_socket *ret);
/* The same for /proc/net/packet. */
int sock_decode_proc_packet_line(const char *line, size_t len, struct kernel_socket *ret);
