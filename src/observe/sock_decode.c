/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/sock_decode.h"
#include "base/cur.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/vm_sockets_diag.h>
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

static struct address address_from(uint8_t family, const void *bytes)
{
	struct address a = {.family = family};

	memcpy(a.bytes, bytes, family == AF_INET ? 4 : 16);
	return a;
}

static int exposure_of(struct address a)
{
	address_unmap(&a);
	return address_is_any(&a) ? 2 : !address_is_loopback(&a);
}

/*
 * SCTP: all addresses of a socket, of which the message itself has the one bound last. The most
 * exposed is kept, or a socket could pass for one of this machine only.
 */
static void take_locals(struct cur value, struct kernel_socket *s)
{
	struct sockaddr_storage one;

	for (cur_read(&value, &one, sizeof(one)); value.ok; cur_read(&value, &one, sizeof(one))) {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct address a = {0};

		memcpy(&v4, &one, sizeof(v4));
		memcpy(&v6, &one, sizeof(v6));
		if (one.ss_family == AF_INET)
			a = address_from(AF_INET, &v4.sin_addr);
		else if (one.ss_family == AF_INET6)
			a = address_from(AF_INET6, &v6.sin6_addr);
		if (a.family && exposure_of(a) > exposure_of(s->local))
			s->local = a;
	}
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
		cur_read(&value, memory, value.left < sizeof(memory) ? value.left : sizeof(memory));
		s->drops = memory[SK_MEMINFO_DROPS];
		break;
	case INET_DIAG_LOCALS:
		take_locals(value, s);
		break;
	case INET_DIAG_INFO:
		take_tcp_info(value, s);
		break;
	}
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

/* The words of a line of /proc/net, which are separated by spaces. */
struct words {
	const char *at, *end;
	bool ok; /* sticky: false once a word was missing or not what it should be */
};

static bool next_word(struct words *w, const char **word, size_t *len)
{
	while (w->at < w->end && *w->at == ' ')
		w->at++;
	*word = w->at;
	while (w->at < w->end && *w->at != ' ')
		w->at++;
	*len = (size_t)(w->at - *word);
	w->ok = w->ok && *len > 0;
	return w->ok;
}

static void skip_words(struct words *w, unsigned count)
{
	const char *word;
	size_t len;

	for (; count > 0; count--)
		next_word(w, &word, &len);
}

static uint64_t decimal_word(struct words *w, uint64_t max)
{
	const char *word;
	uint64_t value = 0;
	size_t len;

	if (next_word(w, &word, &len) && text_parse_number(word, len, max, &value) < 0)
		w->ok = false;
	return value;
}

static uint64_t hex_word(struct words *w, uint64_t max)
{
	const char *word;
	uint64_t value = 0;
	size_t len;

	if (next_word(w, &word, &len) && text_parse_hex(word, len, max, &value) < 0)
		w->ok = false;
	return value;
}

/* "ADDRESS:PORT": 32-bit words of 8 digits in host order, each as it lies in memory. */
static void address_word(struct words *w, bool ipv6, struct address *address, uint16_t *port)
{
	size_t digits = ipv6 ? 32 : 8, len;
	const char *word;
	uint64_t value = 0;

	address->family = ipv6 ? AF_INET6 : AF_INET;
	if (!next_word(w, &word, &len) || len != digits + 5 || word[digits] != ':') {
		w->ok = false;
		return;
	}
	for (size_t i = 0; i < digits; i += 8) {
		uint32_t part;

		w->ok &= text_parse_hex(word + i, 8, UINT32_MAX, &value) == 0;
		part = (uint32_t)value;
		memcpy(address->bytes + i / 2, &part, sizeof(part));
	}
	w->ok &= text_parse_hex(word + digits + 1, 4, UINT16_MAX, &value) == 0;
	*port = (uint16_t)value;
}

/* "TX:RX", the lengths of the queues. */
static void queue_word(struct words *w, struct kernel_socket *s)
{
	uint64_t tx = 0, rx = 0;
	const char *word;
	size_t len;

	if (!next_word(w, &word, &len) || len != 17 || word[8] != ':' ||
	    text_parse_hex(word, 8, UINT32_MAX, &tx) < 0 ||
	    text_parse_hex(word + 9, 8, UINT32_MAX, &rx) < 0)
		w->ok = false;
	s->wqueue = (uint32_t)tx;
	s->rqueue = (uint32_t)rx;
}

int sock_decode_proc_line(const char *line, size_t len, bool ipv6, struct kernel_socket *ret)
{
	struct kernel_socket s = {.family = ipv6 ? AF_INET6 : AF_INET};
	struct words w = {line, line + len, true};

	skip_words(&w, 1); /* "sl" */
	address_word(&w, ipv6, &s.local, &s.local_port);
	address_word(&w, ipv6, &s.peer, &s.peer_port);
	s.state = (uint8_t)hex_word(&w, UINT8_MAX);
	queue_word(&w, &s);
	skip_words(&w, 2); /* timer and its end, retransmissions */
	s.uid = (uint32_t)decimal_word(&w, UINT32_MAX);
	skip_words(&w, 1); /* time-out */
	s.inode = decimal_word(&w, UINT64_MAX);
	if (!w.ok)
		return -EBADMSG;
	skip_words(&w, 2); /* references, pointer */
	s.drops = (uint32_t)decimal_word(&w, UINT32_MAX);
	/* only udp and raw lines end there; tcp has other numbers in that place */
	skip_words(&w, 1);
	if (w.ok)
		s.drops = 0;
	*ret = s;
	return 0;
}

int sock_decode_proc_packet_line(const char *line, size_t len, struct kernel_socket *ret)
{
	struct kernel_socket s = {.family = AF_PACKET};
	struct words w = {line, line + len, true};

	hex_word(&w, UINT64_MAX); /* pointer */
	skip_words(&w, 2);	  /* references, type */
	s.number = (uint32_t)hex_word(&w, UINT16_MAX);
	s.ifindex = (uint32_t)decimal_word(&w, UINT32_MAX);
	skip_words(&w, 2); /* running, memory */
	s.uid = (uint32_t)decimal_word(&w, UINT32_MAX);
	s.inode = decimal_word(&w, UINT64_MAX);
	if (!w.ok)
		return -EBADMSG;
	*ret = s;
	return 0;
}
