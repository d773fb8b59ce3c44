/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/sock_decode.h"
#include "base/cur.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/vm_sockets_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Calls `take` for each attribute. -EBADMSG when one runs past the end. */
static int each_attribute(struct cur c, struct kernel_socket *s,
			  void (*take)(uint16_t type, struct cur value, struct kernel_socket *s))
{
	while (c.left > 0) {
		struct nlattr header;
		struct cur value;

		cur_read(&c, &header, sizeof(header));
		if (!c.ok || header.nla_len < sizeof(header))
			return -EBADMSG;
		value = cur_slice(&c, header.nla_len - sizeof(header));
		if (!value.ok)
			return -EBADMSG;
		take(header.nla_type & NLA_TYPE_MASK, value, s);
		/* attributes are padded to 4 bytes; the last one's padding may be missing */
		cur_take(&c, NLA_ALIGN(header.nla_len) - header.nla_len);
		if (!c.ok)
			break;
	}
	return 0;
}

static void take_tcp_info(struct cur value, struct kernel_socket *s)
{
	struct tcp_info info = {0};
	size_t len = value.left < sizeof(info) ? value.left : sizeof(info);

	cur_read(&value, &info, len);
	s->has_tcp_info = len >= offsetof(struct tcp_info, tcpi_segs_out);
	s->bytes_in = info.tcpi_bytes_received;
	s->bytes_out = info.tcpi_bytes_acked;
	s->quiet_ms = info.tcpi_last_data_sent < info.tcpi_last_data_recv
			      ? info.tcpi_last_data_sent
			      : info.tcpi_last_data_recv;
}

static void take_inet_attribute(uint16_t type, struct cur value, struct kernel_socket *s)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	uint8_t flag = 0;

	switch (type) {
	case INET_DIAG_SKV6ONLY:
		cur_read(&value, &flag, sizeof(flag));
		s->has_v6only = value.ok;
		s->v6only = flag != 0;
		break;
	case INET_DIAG_MARK:
		cur_read(&value, &s->mark, sizeof(s->mark));
		break;
	case INET_DIAG_CGROUP_ID:
		cur_read(&value, &s->cgroup_id, sizeof(s->cgroup_id));
		break;
	case INET_DIAG_SKMEMINFO:
		cur_read(&value, memory,
			 value.left < sizeof(memory) ? value.left : sizeof(memory));
		s->drops = memory[SK_MEMINFO_DROPS];
		break;
	case INET_DIAG_INFO:
		take_tcp_info(value, s);
		break;
	}
}

static struct address address_from(uint8_t family, const void *bytes)
{
	struct address a = {.family = family};

	memcpy(a.bytes, bytes, family == AF_INET ? 4 : 16);
	return a;
}

static uint64_t cookie_from(const uint32_t parts[2])
{
	return (uint64_t)parts[1] << 32 | parts[0];
}

int sock_decode_inet(const void *payload, size_t len, struct kernel_socket *ret)
{
	struct cur c = cur_init(payload, len);
	struct kernel_socket s = {0};
	struct inet_diag_msg m;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || (m.idiag_family != AF_INET && m.idiag_family != AF_INET6))
		return -EBADMSG;
	s.family = m.idiag_family;
	s.state = m.idiag_state;
	s.local = address_from(s.family, m.id.idiag_src);
	s.peer = address_from(s.family, m.id.idiag_dst);
	s.local_port = ntohs(m.id.idiag_sport);
	s.peer_port = ntohs(m.id.idiag_dport);
	s.ifindex = m.id.idiag_if;
	s.uid = m.idiag_uid;
	s.rqueue = m.idiag_rqueue;
	s.wqueue = m.idiag_wqueue;
	s.inode = m.idiag_inode;
	s.cookie = cookie_from(m.id.idiag_cookie);
	if (each_attribute(c, &s, take_inet_attribute) < 0)
		return -EBADMSG;
	*ret = s;
	return 0;
}

static void take_packet_attribute(uint16_t type, struct cur value, struct kernel_socket *s)
{
	struct packet_diag_info info;

	switch (type) {
	case PACKET_DIAG_INFO:
		cur_read(&value, &info, sizeof(info));
		if (value.ok)
			s->ifindex = info.pdi_index;
		break;
	case PACKET_DIAG_UID:
		cur_read(&value, &s->uid, sizeof(s->uid));
		break;
	}
}

int sock_decode_packet(const void *payload, size_t len, struct kernel_socket *ret)
{
	struct cur c = cur_init(payload, len);
	struct kernel_socket s = {0};
	struct packet_diag_msg m;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.pdiag_family != AF_PACKET)
		return -EBADMSG;
	s.family = AF_PACKET;
	s.number = m.pdiag_num;
	s.inode = m.pdiag_ino;
	s.cookie = cookie_from(m.pdiag_cookie);
	if (each_attribute(c, &s, take_packet_attribute) < 0)
		return -EBADMSG;
	*ret = s;
	return 0;
}

int sock_decode_vsock(const void *payload, size_t len, struct kernel_socket *ret)
{
	struct cur c = cur_init(payload, len);
	struct kernel_socket s = {0};
	struct vsock_diag_msg m;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.vdiag_family != AF_VSOCK)
		return -EBADMSG;
	s.family = AF_VSOCK;
	s.state = m.vdiag_state;
	s.number = m.vdiag_src_port;
	s.inode = m.vdiag_ino;
	s.cookie = cookie_from(m.vdiag_cookie);
	*ret = s;
	return 0;
}

/* 8 or 32 hexadecimal digits: 32-bit words in host order, each as it lies in memory. */
static bool parse_hex_address(const char *hex, bool ipv6, struct address *ret)
{
	size_t words = ipv6 ? 4 : 1;
	struct address a = {.family = ipv6 ? AF_INET6 : AF_INET};

	if (strspn(hex, "0123456789ABCDEFabcdef") != words * 8)
		return false;
	for (size_t i = 0; i < words; i++) {
		unsigned word;

		if (sscanf(hex + i * 8, "%8x", &word) != 1)
			return false;
		memcpy(a.bytes + i * 4, &word, 4);
	}
	*ret = a;
	return true;
}

/* Copies a line into a terminated buffer; false when it does not fit, which no true line does. */
static bool copy_line(const char *line, size_t len, char *to, size_t size)
{
	if (len >= size || memchr(line, '\0', len))
		return false;
	memcpy(to, line, len);
	to[len] = '\0';
	return true;
}

int sock_decode_proc_line(const char *line, size_t len, bool ipv6, struct kernel_socket *ret)
{
	struct kernel_socket s = {.family = ipv6 ? AF_INET6 : AF_INET};
	char text[512], local[33], peer[33];
	unsigned local_port, peer_port, state, tx, rx, uid, drops = 0;
	unsigned long inode;
	int end = 0;

	if (!copy_line(line, len, text, sizeof(text)) ||
	    sscanf(text, " %*u: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x %8x:%8x %*x:%*x %*x %u %*u %lu%n",
		   local, &local_port, peer, &peer_port, &state, &tx, &rx, &uid, &inode, &end) < 9)
		return -EBADMSG;
	if (!parse_hex_address(local, ipv6, &s.local) || !parse_hex_address(peer, ipv6, &s.peer))
		return -EBADMSG;
	/* udp and raw lines end in "ref pointer drops" */
	if (sscanf(text + end, " %*u %*x %u %n", &drops, &end) == 1)
		s.drops = drops;
	s.local_port = (uint16_t)local_port;
	s.peer_port = (uint16_t)peer_port;
	s.state = (uint8_t)state;
	s.wqueue = tx;
	s.rqueue = rx;
	s.uid = uid;
	s.inode = inode;
	*ret = s;
	return 0;
}

int sock_decode_proc_packet_line(const char *line, size_t len, struct kernel_socket *ret)
{
	struct kernel_socket s = {.family = AF_PACKET};
	unsigned number, ifindex, uid;
	unsigned long inode;
	char text[256];

	if (!copy_line(line, len, text, sizeof(text)) ||
	    sscanf(text, " %*x %*u %*u %4x %u %*u %*u %u %lu", &number, &ifindex, &uid, &inode) != 4)
		return -EBADMSG;
	s.number = number;
	s.ifindex = ifindex;
	s.uid = uid;
	s.inode = inode;
	*ret = s;
	return 0;
}
