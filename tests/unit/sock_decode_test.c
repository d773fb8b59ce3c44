/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_decode: recorded messages and lines, decoded exactly; then cut off at every byte, with
 * every length in them made wrong, and with random damage: refused or decoded, never read past.
 */
#include "base/file.h"
#include "base/mem.h"
#include "observe/sock_decode.h"
#include "unit.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/vm_sockets_diag.h>
#include <sys/socket.h>

enum { LISTEN = 10, CLOSE = 7, ESTABLISHED = 1 };

typedef int decoder(const void *payload, size_t len, struct kernel_socket *ret);

static struct recorded_list messages;

static int load(void **state)
{
	(void)state;
	recorded_load(&messages, "sock_diag.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&messages);
	return 0;
}

static decoder *decoder_of(const struct recorded *m)
{
	return strncmp(m->name, "packet", 6) == 0 ? sock_decode_packet : sock_decode_inet;
}

/* Decodes a copy that ends where its memory ends. On failure *ret must not have been written. */
static int decode(decoder *d, const void *bytes, size_t len, struct kernel_socket *ret)
{
	void *copy = unit_copy(bytes, len);
	struct kernel_socket got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = d(copy, len, &got);
	free(copy);
	if (r == 0) {
		*ret = got;
		return 0;
	}
	assert_int_equal(r, -EBADMSG);
	assert_memory_equal(&got, &before, sizeof(got));
	return r;
}

static void expect_address(const struct address *a, const char *text)
{
	char got[ADDRESS_TEXT_SIZE];

	address_format(a, got);
	assert_string_equal(got, text);
}

struct expected {
	const char *name, *local;
	uint16_t port;
	uint8_t family, state;
	uint32_t ifindex, uid, mark, rqueue, wqueue, drops;
	uint64_t inode, cookie;
	int v6only; /* -1: not said */
};

static const struct expected inet[] = {
	{"tcp4", "127.0.0.1", 8080, AF_INET, LISTEN, 0, 0, 0, 0, 16, 0, 7979396, 630055, -1},
	{"tcp4-device-mark", "0.0.0.0", 8081, AF_INET, LISTEN, 1, 0, 0x1234, 0, 1, 0, 7979397,
	 630056, -1},
	{"tcp6-any", "::", 8082, AF_INET6, LISTEN, 0, 0, 0, 0, 128, 0, 7979398, 630057, 0},
	{"tcp6-only", "::", 8083, AF_INET6, LISTEN, 0, 0, 0, 0, 4096, 0, 7979399, 630058, 1},
	{"tcp6-mapped", "::ffff:127.0.0.1", 8084, AF_INET6, LISTEN, 0, 0, 0, 0, 5, 0, 7979400,
	 630059, 0},
	{"tcp4-user", "127.1.2.3", 8085, AF_INET, LISTEN, 0, 1000, 0, 0, 7, 0, 7979401, 630060, -1},
	{"tcp4-full", "127.0.0.1", 8086, AF_INET, LISTEN, 0, 0, 0, 2, 1, 0, 7979402, 630061, -1},
	{"mptcp4-tcp", "0.0.0.0", 8087, AF_INET, LISTEN, 0, 0, 0, 0, 3, 0, 7979405, 630072, -1},
	{"mptcp4-mptcp", "0.0.0.0", 8087, AF_INET, LISTEN, 0, 0, 0, 0, 3, 0, 7979405, 630062, -1},
	{"udp4", "0.0.0.0", 5353, AF_INET, CLOSE, 0, 0, 0, 4608, 0, 18, 7979407, 630063, -1},
	{"udp6-loopback", "::1", 5354, AF_INET6, CLOSE, 0, 0, 0, 0, 0, 0, 7979408, 630064, 1},
	{"udplite4", "127.0.0.1", 5355, AF_INET, CLOSE, 0, 0, 0, 0, 0, 0, 7979409, 630065, -1},
};

static void test_recorded_inet(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inet); i++) {
		const struct expected *x = &inet[i];
		const struct recorded *m = recorded_find(&messages, x->name);
		struct kernel_socket s;

		assert_int_equal(decode(sock_decode_inet, m->bytes, m->len, &s), 0);
		expect_address(&s.local, x->local);
		assert_int_equal(s.local_port, x->port);
		assert_int_equal(s.peer_port, 0);
		assert_true(address_is_any(&s.peer));
		assert_int_equal(s.family, x->family);
		assert_int_equal(s.state, x->state);
		assert_int_equal(s.ifindex, x->ifindex);
		assert_int_equal(s.uid, x->uid);
		assert_int_equal(s.mark, x->mark);
		assert_int_equal(s.rqueue, x->rqueue);
		assert_int_equal(s.wqueue, x->wqueue);
		assert_int_equal(s.drops, x->drops);
		assert_int_equal(s.inode, x->inode);
		assert_int_equal(s.cookie, x->cookie);
		assert_int_equal(s.has_v6only, x->v6only >= 0);
		assert_int_equal(s.v6only, x->v6only > 0);
		assert_int_equal(s.cgroup_id, 1);
	}
}

static void test_recorded_connection(void **state)
{
	const struct recorded *m = recorded_find(&messages, "tcp4-connected");
	struct kernel_socket s;

	(void)state;
	assert_int_equal(decode(sock_decode_inet, m->bytes, m->len, &s), 0);
	assert_int_equal(s.state, ESTABLISHED);
	assert_int_equal(s.local_port, 8080);
	assert_int_equal(s.peer_port, 37686);
	expect_address(&s.peer, "127.0.0.1");
	assert_true(s.has_tcp_info);
	assert_int_equal(s.bytes_in, 500);
	assert_int_equal(s.bytes_out, 1000);
	assert_in_range(s.quiet_ms, 0, 10000);
}

static void test_recorded_packet(void **state)
{
	const struct recorded *m = recorded_find(&messages, "packet-all");
	struct kernel_socket s;

	(void)state;
	assert_int_equal(decode(sock_decode_packet, m->bytes, m->len, &s), 0);
	assert_int_equal(s.family, AF_PACKET);
	assert_int_equal(s.number, 3); /* ETH_P_ALL, host order */
	assert_int_equal(s.ifindex, 0);
	assert_int_equal(s.inode, 7979415);
	assert_int_equal(s.cookie, 630070);
	m = recorded_find(&messages, "packet-lo-ip");
	assert_int_equal(decode(sock_decode_packet, m->bytes, m->len, &s), 0);
	assert_int_equal(s.number, 0x0800);
	assert_int_equal(s.ifindex, 1);
	assert_int_equal(s.inode, 7979416);
	assert_int_equal(s.cookie, 630071);
	assert_int_equal(s.uid, 0);
}

static const struct vsock_diag_msg vsock = {
	.vdiag_family = AF_VSOCK,
	.vdiag_type = SOCK_STREAM,
	.vdiag_state = LISTEN,
	.vdiag_src_cid = UINT32_MAX,
	.vdiag_src_port = 1024,
	.vdiag_ino = 777,
	.vdiag_cookie = {5, 1},
};

static void test_made_vsock(void **state)
{
	struct vsock_diag_msg other = vsock;
	struct kernel_socket s;

	(void)state;
	assert_int_equal(decode(sock_decode_vsock, &vsock, sizeof(vsock), &s), 0);
	assert_int_equal(s.family, AF_VSOCK);
	assert_int_equal(s.state, LISTEN);
	assert_int_equal(s.number, 1024);
	assert_int_equal(s.inode, 777);
	assert_int_equal(s.cookie, 0x100000005);
	for (size_t len = 0; len < sizeof(vsock); len++)
		assert_int_equal(decode(sock_decode_vsock, &vsock, len, &s), -EBADMSG);
	other.vdiag_family = AF_INET;
	assert_int_equal(decode(sock_decode_vsock, &other, sizeof(other), &s), -EBADMSG);
}

/* The fixed part is there whole or the message is refused; past it, only whole attributes count. */
static void test_truncations(void **state)
{
	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *m = &messages.items[i];
		bool is_packet = decoder_of(m) == sock_decode_packet;
		size_t fixed =
			is_packet ? sizeof(struct packet_diag_msg) : sizeof(struct inet_diag_msg);
		struct kernel_socket s, whole;
		unsigned good = 0;

		assert_int_equal(decode(decoder_of(m), m->bytes, m->len, &whole), 0);
		for (size_t len = 0; len < m->len; len++) {
			int r = decode(decoder_of(m), m->bytes, len, &s);

			if (len < fixed)
				assert_int_equal(r, -EBADMSG);
			if (r < 0)
				continue;
			good++;
			assert_int_equal(s.inode, whole.inode);
			assert_int_equal(s.cookie, whole.cookie);
			assert_int_equal(s.local_port, whole.local_port);
		}
		/* at the ends of the attributes and in their padding, nowhere else */
		assert_true(good >= 1);
		assert_true(good < (m->len - fixed) / 4);
	}
}

/* Finds the attributes of a good message; returns their number. */
static size_t find_attributes(const struct recorded *m, size_t at, size_t offsets[32])
{
	size_t count = 0;

	while (at < m->len) {
		struct nlattr a;

		memcpy(&a, m->bytes + at, sizeof(a));
		offsets[count++] = at;
		at += NLA_ALIGN(a.nla_len);
	}
	assert_true(count >= 2 && count < 32);
	return count;
}

/* Every length that an attribute can be said to have, in every attribute of every message. */
static void test_corrupted_attribute_lengths(void **state)
{
	static const uint16_t more[] = {255,   256,   511,   512,    1000,  4095,
					32767, 32768, 65000, 0xfffe, 0xffff};

	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		struct recorded *m = &messages.items[i];
		size_t fixed = decoder_of(m) == sock_decode_packet ? sizeof(struct packet_diag_msg)
								   : sizeof(struct inet_diag_msg);
		size_t offsets[32], count = find_attributes(m, fixed, offsets);

		for (size_t k = 0; k < count; k++) {
			uint16_t good;

			memcpy(&good, m->bytes + offsets[k], 2);
			for (unsigned len = 0; len < 64 + ARRAY_LEN(more); len++) {
				uint16_t bad = (uint16_t)(len < 64 ? len : more[len - 64]);
				struct kernel_socket s;
				int r;

				memcpy(m->bytes + offsets[k], &bad, 2);
				r = decode(decoder_of(m), m->bytes, m->len, &s);
				if (bad < sizeof(struct nlattr) || offsets[k] + bad > m->len)
					assert_int_equal(r, -EBADMSG);
				if (bad == good)
					assert_int_equal(r, 0);
			}
			memcpy(m->bytes + offsets[k], &good, 2);
		}
	}
}

static void test_random_damage(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		const struct recorded *m = &messages.items[round % messages.count];
		uint8_t *copy = unit_copy(m->bytes, m->len);
		struct kernel_socket s;

		for (unsigned i = 0; i < 1 + round % 6; i++) {
			uint64_t r = unit_random(&seed);

			copy[(r >> 8) % m->len] = (uint8_t)r;
		}
		decode(decoder_of(m), copy, m->len - unit_random(&seed) % 9, &s);
		decode(sock_decode_inet, copy, m->len, &s);
		decode(sock_decode_packet, copy, m->len, &s);
		decode(sock_decode_vsock, copy, m->len, &s);
		free(copy);
	}
}

static void test_wrong_family(void **state)
{
	const struct recorded *m = recorded_find(&messages, "tcp4"),
			      *p = recorded_find(&messages, "packet-all");
	uint8_t *copy = unit_copy(m->bytes, m->len);
	struct kernel_socket s;

	(void)state;
	for (unsigned family = 0; family < 256; family++) {
		bool good = family == AF_INET || family == AF_INET6;

		copy[0] = (uint8_t)family;
		assert_int_equal(decode(sock_decode_inet, copy, m->len, &s), good ? 0 : -EBADMSG);
	}
	assert_int_equal(decode(sock_decode_packet, m->bytes, m->len, &s), -EBADMSG);
	assert_int_equal(decode(sock_decode_inet, p->bytes, p->len, &s), -EBADMSG);
	free(copy);
}

struct made {
	uint8_t bytes[512];
	size_t len;
};

static void put_attribute(struct made *m, uint16_t type, const void *value, size_t len)
{
	struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type};

	memcpy(m->bytes + m->len, &a, sizeof(a));
	memcpy(m->bytes + m->len + sizeof(a), value, len);
	m->len += NLA_ALIGN(sizeof(a) + len);
}

/* Attributes that are shorter than what they should hold, or longer: no value is made up. */
/* As sctp_bindx(3) binds: the message has the address that came last, the attribute has all. */
static void test_addresses_of_sctp(void **state)
{
	static const struct {
		const char *first, *second, *shown;
	} cases[] = {
		{"192.0.2.1", "127.0.0.1", "192.0.2.1"},
		{"127.0.0.1", "192.0.2.1", "192.0.2.1"},
		{"127.0.0.2", "127.0.0.1", "127.0.0.1"},
		{"192.0.2.1", "0.0.0.0", "0.0.0.0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_in in = {.sin_family = AF_INET};
		struct sockaddr_storage all[2] = {0};
		struct kernel_socket k;
		struct made m = {.len = sizeof(struct inet_diag_msg)};
		struct inet_diag_msg message = {.idiag_family = AF_INET, .idiag_state = 10};

		inet_pton(AF_INET, cases[i].second, message.id.idiag_src);
		inet_pton(AF_INET, cases[i].first, &in.sin_addr);
		memcpy(&all[0], &in, sizeof(in));
		inet_pton(AF_INET, cases[i].second, &in.sin_addr);
		memcpy(&all[1], &in, sizeof(in));
		memcpy(m.bytes, &message, sizeof(message));
		put_attribute(&m, INET_DIAG_LOCALS, all, sizeof(all));
		assert_int_equal(decode(sock_decode_inet, m.bytes, m.len, &k), 0);
		expect_address(&k.local, cases[i].shown);
		/* the last one cut */
		m.len = sizeof(message);
		put_attribute(&m, INET_DIAG_LOCALS, all, sizeof(all) - 1);
		assert_int_equal(decode(sock_decode_inet, m.bytes, m.len, &k), 0);
	}
}

static void test_odd_attributes(void **state)
{
	struct inet_diag_msg head = {.idiag_family = AF_INET};
	uint32_t memory[SK_MEMINFO_VARS + 4] = {[SK_MEMINFO_DROPS] = 9, [SK_MEMINFO_VARS] = 1};
	uint64_t cgroup = 0x1122334455667788, mark = 5;
	struct tcp_info info = {
		.tcpi_bytes_received = 3, .tcpi_last_data_sent = 8, .tcpi_last_data_recv = 6};
	struct kernel_socket s;
	struct made m = {.len = sizeof(head)};

	(void)state;
	memcpy(m.bytes, &head, sizeof(head));
	put_attribute(&m, INET_DIAG_SKMEMINFO, memory, sizeof(memory)); /* a newer kernel's */
	put_attribute(&m, INET_DIAG_MARK | NLA_F_NET_BYTEORDER, &mark, 8);
	put_attribute(&m, INET_DIAG_CGROUP_ID | NLA_F_NESTED, &cgroup, sizeof(cgroup));
	put_attribute(&m, INET_DIAG_INFO, &info, sizeof(info));
	put_attribute(&m, 0x3fff, memory, 20); /* one that nobody knows */
	assert_int_equal(decode(sock_decode_inet, m.bytes, m.len, &s), 0);
	assert_int_equal(s.drops, 9);
	assert_int_equal(s.mark, 5);
	assert_int_equal(s.cgroup_id, cgroup);
	assert_true(s.has_tcp_info);
	assert_int_equal(s.bytes_in, 3);
	assert_int_equal(s.quiet_ms, 6);

	m.len = sizeof(head);
	memory[SK_MEMINFO_DROPS] = 9;
	put_attribute(&m, INET_DIAG_SKMEMINFO, memory, 4 * SK_MEMINFO_DROPS); /* before 4.13 */
	put_attribute(&m, INET_DIAG_MARK, &mark, 2);
	put_attribute(&m, INET_DIAG_CGROUP_ID, &cgroup, 7);
	put_attribute(&m, INET_DIAG_SKV6ONLY, &mark, 0);
	put_attribute(&m, INET_DIAG_INFO, &info, 100);
	assert_int_equal(decode(sock_decode_inet, m.bytes, m.len, &s), 0);
	assert_int_equal(s.drops, 0);
	assert_int_equal(s.mark, 0);
	assert_int_equal(s.cgroup_id, 0);
	assert_false(s.has_v6only);
	assert_false(s.has_tcp_info);
}

/* --- /proc/net -------------------------------------------------------------------------------- */

static int decode_line(const char *line, size_t len, bool ipv6, struct kernel_socket *ret)
{
	char *copy = unit_copy(line, len);
	struct kernel_socket got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = sock_decode_proc_line(copy, len, ipv6, &got);
	if (r == 0)
		*ret = got;
	else
		assert_memory_equal(&got, &before, sizeof(got));
	assert_true(r == 0 || r == -EBADMSG);
	free(copy);
	return r;
}

struct proc_expected {
	const char *file, *local;
	uint16_t port;
	uint8_t state;
	uint32_t uid, rqueue, drops;
	uint64_t inode;
};

static const struct proc_expected proc_lines[] = {
	{"proc_net_tcp", "127.1.2.3", 8085, LISTEN, 1000, 0, 0, 7979401},
	{"proc_net_tcp", "127.0.0.1", 8080, LISTEN, 0, 0, 0, 7979396},
	{"proc_net_tcp", "127.0.0.1", 8086, LISTEN, 0, 2, 0, 7979402},
	{"proc_net_tcp", "0.0.0.0", 8081, LISTEN, 0, 0, 0, 7979397},
	{"proc_net_tcp", "0.0.0.0", 8087, LISTEN, 0, 0, 0, 7979405},
	{"proc_net_tcp6", "::ffff:127.0.0.1", 8084, LISTEN, 0, 0, 0, 7979400},
	{"proc_net_tcp6", "::", 8083, LISTEN, 0, 0, 0, 7979399},
	{"proc_net_tcp6", "::", 8082, LISTEN, 0, 0, 0, 7979398},
	{"proc_net_udp", "0.0.0.0", 5353, CLOSE, 0, 4608, 18, 7979407},
	{"proc_net_udp6", "::1", 5354, CLOSE, 0, 0, 0, 7979408},
	{"proc_net_udplite", "127.0.0.1", 5355, CLOSE, 0, 0, 0, 7979409},
	{"proc_net_raw", "0.0.0.0", 1, CLOSE, 0, 0, 0, 7979411},
	{"proc_net_raw6", "::", 58, CLOSE, 0, 0, 0, 7979412},
};

/* Calls `look` with each line of a recorded file. */
static void each_line(const char *name,
		      void (*look)(const char *line, size_t len, bool ipv6, void *context),
		      void *context)
{
	size_t len, at = 0, line_len;
	char *text = unit_read_data(name, &len);
	const char *line;

	while (file_next_line(text, len, &at, &line, &line_len))
		look(line, line_len, name[strlen(name) - 1] == '6', context);
	free(text);
}

struct search {
	const struct proc_expected *wanted;
	unsigned lines, good, found;
};

static void look_for(const char *line, size_t len, bool ipv6, void *context)
{
	struct search *search = context;
	struct kernel_socket s;

	search->lines++;
	if (decode_line(line, len, ipv6, &s) < 0)
		return;
	search->good++;
	if (s.inode != search->wanted->inode)
		return;
	search->found++;
	assert_int_equal(s.family, ipv6 ? AF_INET6 : AF_INET);
	expect_address(&s.local, search->wanted->local);
	assert_int_equal(s.local_port, search->wanted->port);
	assert_int_equal(s.peer_port, 0);
	assert_int_equal(s.state, search->wanted->state);
	assert_int_equal(s.uid, search->wanted->uid);
	assert_int_equal(s.rqueue, search->wanted->rqueue);
	assert_int_equal(s.wqueue, 0);
	assert_int_equal(s.drops, search->wanted->drops);
}

static void test_recorded_proc_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proc_lines); i++) {
		struct search search = {.wanted = &proc_lines[i]};

		each_line(proc_lines[i].file, look_for, &search);
		assert_int_equal(search.found, 1);
		assert_int_equal(search.good, search.lines - 1); /* all but the heading */
	}
}

static void test_recorded_proc_connection(void **state)
{
	static const char line[] =
		"   6: 0100007F:1F90 0100007F:9336 01 0000000A:0000000B 00:00000000 00000000     0"
		"        0 7979414 2 000000001c23136f 20 4 30 11 -1                  ";
	struct kernel_socket s;

	(void)state;
	assert_int_equal(decode_line(line, sizeof(line) - 1, false, &s), 0);
	assert_int_equal(s.state, ESTABLISHED);
	assert_int_equal(s.peer_port, 37686);
	expect_address(&s.peer, "127.0.0.1");
	assert_int_equal(s.wqueue, 10);
	assert_int_equal(s.rqueue, 11);
	assert_int_equal(s.drops, 0);
}

static void cut_line(const char *line, size_t len, bool ipv6, void *context)
{
	struct kernel_socket s, whole;
	bool good = decode_line(line, len, ipv6, &whole) == 0;

	(void)context;
	for (size_t cut = 0; cut < len; cut++) {
		if (decode_line(line, cut, ipv6, &s) < 0)
			continue;
		assert_true(good);
		assert_int_equal(s.local_port, whole.local_port);
		assert_int_equal(s.uid, whole.uid);
		assert_true(cut > 76); /* not before all that matters is there */
	}
	for (size_t at = 0; at < len; at++) { /* and any byte at any place */
		char *copy = unit_copy(line, len);

		for (int byte = 0; byte < 256; byte += 5) {
			copy[at] = (char)byte;
			decode_line(copy, len, ipv6, &s);
			decode_line(copy, len, !ipv6, &s);
		}
		free(copy);
	}
}

static void test_damaged_proc_lines(void **state)
{
	static const char *const files[] = {"proc_net_tcp",  "proc_net_tcp6",	 "proc_net_udp",
					    "proc_net_udp6", "proc_net_udplite", "proc_net_raw",
					    "proc_net_raw6"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		each_line(files[i], cut_line, NULL);
}

static void test_bad_proc_lines(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"0: 0100007F:1F90",
		/* a digit too many, one too few, no colon, no hexadecimal, a sign */
		"0: 00100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1",
		"0: 0100007F:1F9 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1",
		"0: 0100007F.1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1",
		"0: 0100007G:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1",
		"0: 0100007F:1F90 00000000:0000 100 00000000:00000000 00:00000000 00000000 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 00000000:0000000 00:00000000 00000000 0 0 1 1",
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 -1 0 1",
		("0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 "
		 "4294967296 0 1"),
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1x",
	};
	static const char good[] =
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1";
	struct kernel_socket s;

	(void)state;
	assert_int_equal(decode_line(good, sizeof(good) - 1, false, &s), 0);
	assert_int_equal(decode_line(good, sizeof(good) - 1, true, &s), -EBADMSG);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(decode_line(bad[i], strlen(bad[i]), false, &s), -EBADMSG);
}

static void look_at_packet(const char *line, size_t len, bool ipv6, void *context)
{
	unsigned *good = context;
	struct kernel_socket s = {0};

	(void)ipv6;
	if (sock_decode_proc_packet_line(line, len, &s) == 0) {
		bool first = s.inode == 7979415;

		(*good)++;
		assert_int_equal(s.family, AF_PACKET);
		assert_int_equal(s.inode, first ? 7979415 : 7979416);
		assert_int_equal(s.number, first ? 3 : 0x0800);
		assert_int_equal(s.ifindex, first ? 0 : 1);
		assert_int_equal(s.uid, 0);
	}
	for (size_t cut = 0; cut < len; cut++) {
		char *copy = unit_copy(line, cut);

		if (sock_decode_proc_packet_line(copy, cut, &s) == 0)
			assert_true(cut > 50);
		free(copy);
	}
}

static void test_recorded_proc_packet(void **state)
{
	unsigned good = 0;

	(void)state;
	each_line("proc_net_packet", look_at_packet, &good);
	assert_int_equal(good, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_inet),
		cmocka_unit_test(test_recorded_connection),
		cmocka_unit_test(test_recorded_packet),
		cmocka_unit_test(test_made_vsock),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_corrupted_attribute_lengths),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_wrong_family),
		cmocka_unit_test(test_odd_attributes),
		cmocka_unit_test(test_addresses_of_sctp),
		cmocka_unit_test(test_recorded_proc_lines),
		cmocka_unit_test(test_recorded_proc_connection),
		cmocka_unit_test(test_damaged_proc_lines),
		cmocka_unit_test(test_bad_proc_lines),
		cmocka_unit_test(test_recorded_proc_packet),
	};

	return cmocka_run_group_tests_name("sock_decode", tests, load, unload);
}
