/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/sock_diag.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum {
	STATE_ESTABLISHED = 1, /* linux/tcp_states.h, which clashes with netinet/tcp.h */
	STATE_CLOSE = 7,
	STATE_LISTEN = 10,
	STATE_ALL = 0xfff,
	PROC_FILE_LIMIT = 256 << 20, /* some 1.5 million sockets */
};

/* How to ask for each table. */
static const struct table {
	const char *name;
	const char *protocol;	    /* its name in /proc/net/protocols */
	const char *proc4, *proc6;  /* the fallback; NULL: none */
	int family;		    /* 0: AF_INET and AF_INET6 */
	int number;		    /* IPPROTO_... */
	unsigned listen, connected; /* states, as bits; 0: none to ask for */
} tables[TABLE_COUNT] = {
	[TABLE_TCP] = {"tcp", "TCP", "tcp", "tcp6", 0, IPPROTO_TCP, 1 << STATE_LISTEN,
		       STATE_ALL & ~(1 << STATE_LISTEN | 1 << STATE_CLOSE)},
	[TABLE_MPTCP] = {"mptcp", "MPTCP", NULL, NULL, 0, IPPROTO_MPTCP, 1 << STATE_LISTEN, 0},
	[TABLE_UDP] = {"udp", "UDP", "udp", "udp6", 0, IPPROTO_UDP, 1 << STATE_CLOSE,
		       1 << STATE_ESTABLISHED},
	[TABLE_UDPLITE] = {"udplite", "UDP-Lite", "udplite", "udplite6", 0, IPPROTO_UDPLITE,
			   1 << STATE_CLOSE, 1 << STATE_ESTABLISHED},
	[TABLE_SCTP] = {"sctp", "SCTP", NULL, NULL, 0, IPPROTO_SCTP, 1 << STATE_LISTEN,
			1 << STATE_ESTABLISHED},
	[TABLE_DCCP] = {"dccp", "DCCP", NULL, NULL, 0, IPPROTO_DCCP, 1 << STATE_LISTEN,
			1 << STATE_ESTABLISHED},
	[TABLE_RAW] = {"raw", "RAW", "raw", "raw6", 0, IPPROTO_RAW, STATE_ALL, 0},
	[TABLE_PACKET] = {"packet", "PACKET", "packet", NULL, AF_PACKET, 0, STATE_ALL, 0},
	[TABLE_VSOCK] = {"vsock", "AF_VSOCK", NULL, NULL, AF_VSOCK, 0, 1 << STATE_LISTEN, 0},
};

const char *sock_table_name(enum sock_table table)
{
	return tables[table].name;
}

struct dump {
	const struct sock_diag_wish *wish;
	sock_table_callback *callback;
	void *context;
	enum sock_table table;
	int family;
	struct nl nl;
};

static unsigned states_of(const struct dump *d)
{
	return d->wish->connections ? tables[d->table].connected : tables[d->table].listen;
}

static int deliver(struct dump *d, const struct kernel_socket *s)
{
	if (d->wish->local_port && s->local_port != d->wish->local_port)
		return 0;
	return d->callback(d->table, s, d->context);
}

static void forget_nothing(void *context)
{
	(void)context; /* the callback replaces what it knows already */
}

static int take_message(uint16_t type, const void *payload, size_t len, void *context)
{
	struct dump *d = context;
	struct kernel_socket s;
	int r;

	if (type != SOCK_DIAG_BY_FAMILY)
		return 0;
	if (d->family == AF_PACKET)
		r = sock_decode_packet(payload, len, &s);
	else if (d->family == AF_VSOCK)
		r = sock_decode_vsock(payload, len, &s);
	else
		r = sock_decode_inet(payload, len, &s);
	return r < 0 ? r : deliver(d, &s);
}

static void put_inet_request(struct nlmsghdr *header, const struct dump *d)
{
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	int number = tables[d->table].number;

	request->sdiag_family = (uint8_t)d->family;
	request->sdiag_protocol = number > 255 ? IPPROTO_TCP : (uint8_t)number;
	request->idiag_states = states_of(d);
	request->idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1);
	if (d->wish->connections)
		request->idiag_ext |= 1 << (INET_DIAG_INFO - 1);
	request->id.idiag_sport = htons(d->wish->local_port);
	if (number > 255)
		mnl_attr_put_u32(header, INET_DIAG_REQ_PROTOCOL, (uint32_t)number);
}

static void put_request(struct nlmsghdr *header, const struct dump *d)
{
	if (d->family == AF_PACKET) {
		struct packet_diag_req *request =
			mnl_nlmsg_put_extra_header(header, sizeof(*request));

		request->sdiag_family = AF_PACKET;
		request->pdiag_show = PACKET_SHOW_INFO;
	} else if (d->family == AF_VSOCK) {
		struct vsock_diag_req *request =
			mnl_nlmsg_put_extra_header(header, sizeof(*request));

		request->sdiag_family = AF_VSOCK;
		request->vdiag_states = states_of(d);
	} else {
		put_inet_request(header, d);
	}
}

static int dump_by_netlink(struct dump *d, struct err *e)
{
	char room[256] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);
	struct nl_dump_ops ops = {forget_nothing, take_message, d};

	if (!d->nl.socket) {
		int r = nl_open(&d->nl, NETLINK_SOCK_DIAG, e);

		if (r < 0)
			return r;
	}
	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	put_request(header, d);
	return nl_dump(&d->nl, header, &ops, e);
}

/* /proc/net shows every state; sock_diag chooses in the kernel. */
static int dump_by_proc(struct dump *d)
{
	const struct table *t = &tables[d->table];
	struct buf cleanup_call(buf_done) file = {0};
	char path[64];
	const char *line;
	size_t at = 0, len;
	const char *name = d->family == AF_INET6 ? t->proc6 : t->proc4;
	int r;

	if (!name)
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
	r = file_read_at(AT_FDCWD, path, PROC_FILE_LIMIT, &file);
	while (r >= 0 && file_next_line(file.data, file.len, &at, &line, &len)) {
		struct kernel_socket s;

		r = d->family == AF_PACKET
			    ? sock_decode_proc_packet_line(line, len, &s)
			    : sock_decode_proc_line(line, len, d->family == AF_INET6, &s);
		if (r < 0 ||
		    (d->family != AF_PACKET && (s.state > 31 || !(states_of(d) & 1u << s.state)))) {
			r = 0;
			continue;
		}
		r = deliver(d, &s);
	}
	return r;
}

static void dump_family(struct dump *d, int family, struct sock_table_status *status)
{
	struct err ignored;
	int r;

	d->family = family;
	r = dump_by_netlink(d, &ignored);
	if (r >= 0) {
		status->interrupted |= r == 1;
		status->source = SOURCE_DIAG;
		return;
	}
	nl_close(&d->nl);
	if (dump_by_proc(d) < 0) {
		status->source = SOURCE_NONE;
		status->error = r;
		return;
	}
	status->source = SOURCE_PROC;
}

/* Is the protocol among the first words of the lines of /proc/net/protocols? */
static bool has_protocol(const struct buf *protocols, const char *name)
{
	size_t at = 0, len, name_len = strlen(name);
	const char *line;

	while (file_next_line(protocols->data, protocols->len, &at, &line, &len)) {
		size_t word = 0;

		while (word < len && line[word] != ' ')
			word++;
		if ((word == name_len && memcmp(line, name, word) == 0) ||
		    (word == name_len + 2 && memcmp(line, name, name_len) == 0 &&
		     memcmp(line + name_len, "v6", 2) == 0))
			return true;
	}
	return false;
}

/* A kernel without IPv6 has no such table, and nothing in it. Unknown without /proc. */
static bool lacks_ipv6(void)
{
	return access("/proc/thread-self/net/dev", F_OK) == 0 &&
	       access("/proc/thread-self/net/if_inet6", F_OK) < 0;
}

/*
 * The third word of the lines of a protocol is how many such sockets there are. Without any, the
 * dump of MPTCP would go through all TCP listeners in vain.
 */
static bool has_no_sockets(const struct buf *protocols, const char *name)
{
	size_t at = 0, len, name_len = strlen(name);
	const char *line;
	bool any_line = false;

	while (file_next_line(protocols->data, protocols->len, &at, &line, &len)) {
		const char *end = line + len;

		if (len < name_len || memcmp(line, name, name_len) != 0)
			continue;
		any_line = true;
		for (int word = 0; word < 2; word++) {
			while (line < end && *line != ' ')
				line++;
			while (line < end && *line == ' ')
				line++;
		}
		if (end - line < 2 || line[0] != '0' || line[1] != ' ')
			return false;
	}
	return any_line;
}

/* Before Linux 6.2 the count of MPTCP sockets is always 0. An older kernel to which it was added is
 * only asked in vain. */
static bool counts_mptcp(void)
{
	struct utsname name;
	unsigned long major, minor;
	char *dot;

	if (uname(&name) != 0)
		return false;
	major = strtoul(name.release, &dot, 10);
	minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 2);
}

static void dump_table(struct dump *d, const struct buf *protocols,
		       struct sock_table_status *status)
{
	const struct table *t = &tables[d->table];
	struct sock_table_status first;

	*status = (struct sock_table_status){.source = SOURCE_ABSENT};
	if (states_of(d) == 0 || (protocols->len && !has_protocol(protocols, t->protocol)))
		return;
	if (d->table == TABLE_MPTCP && counts_mptcp() && has_no_sockets(protocols, t->protocol)) {
		status->source = SOURCE_DIAG;
		return;
	}
	if (t->family) {
		dump_family(d, t->family, status);
		return;
	}
	dump_family(d, AF_INET, status);
	first = *status;
	if (first.source == SOURCE_NONE)
		return;
	dump_family(d, AF_INET6, status);
	if (status->source == SOURCE_NONE && lacks_ipv6())
		*status = first;
}

int sock_diag_dump(const struct sock_diag_wish *wish, sock_table_callback *callback, void *context,
		   struct sock_table_status status[TABLE_COUNT], struct err *e)
{
	static const struct sock_diag_wish listeners;
	struct dump d = {
		.wish = wish ? wish : &listeners, .callback = callback, .context = context};
	struct buf cleanup_call(buf_done) protocols = {0};
	bool any = false;

	/* unreadable: then every table is asked for */
	file_read_at(AT_FDCWD, "/proc/thread-self/net/protocols", 1 << 20, &protocols);
	for (int i = 0; i < TABLE_COUNT; i++) {
		d.table = (enum sock_table)i;
		dump_table(&d, &protocols, &status[i]);
		any |= status[i].source == SOURCE_DIAG || status[i].source == SOURCE_PROC;
	}
	nl_close(&d.nl);
	if (!any)
		return err_set(e, status[TABLE_TCP].error ? status[TABLE_TCP].error : -EIO,
			       _("neither the kernel's socket tables (sock_diag) nor /proc/net can "
				 "be read"));
	return 0;
}
