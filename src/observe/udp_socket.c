/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/udp_socket.h"
#include "base/i18n.h"
#include "observe/icmp_reply.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 8 << 20,
	FIRST_PORT = 1024,
	PORT_TRIES = 64,
	ROUND_LIMIT = 4096, /* of what comes, at once: who floods does not stop the scan */
	QUOTE_SIZE = 64,
};

/* --- the sockets --------------------------------------------------------------------------------
 */

static int bind_by_chance(int fd, int family)
{
	static const struct address any4 = {.family = AF_INET}, any6 = {.family = AF_INET6};
	union udp_name name;
	uint16_t port;

	for (int i = 0; i < PORT_TRIES; i++) {
		if (getrandom(&port, sizeof(port), 0) != sizeof(port))
			return -errno;
		port = (uint16_t)(FIRST_PORT + port % (65536 - FIRST_PORT));
		udp_name_set(&name, family == AF_INET6 ? &any6 : &any4, port, 0);
		if (bind(fd, &name.any, family == AF_INET6 ? sizeof(name.v6) : sizeof(name.v4)) ==
		    0)
			return 0;
	}
	return -errno;
}

static int open_one(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1, size = BUFFER_SIZE, fragment = IP_PMTUDISC_DONT, r;

	if (fd < 0)
		return -errno;
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
		r = setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r = r < 0 ? -errno : bind_by_chance(fd, family);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static bool name_get(const union udp_name *n, struct address *ret, uint16_t *ret_port)
{
	*ret = (struct address){.family = (uint8_t)n->any.sa_family};
	if (n->any.sa_family == AF_INET) {
		memcpy(ret->bytes, &n->v4.sin_addr, sizeof(n->v4.sin_addr));
		*ret_port = ntohs(n->v4.sin_port);
	} else if (n->any.sa_family == AF_INET6) {
		memcpy(ret->bytes, &n->v6.sin6_addr, sizeof(n->v6.sin6_addr));
		*ret_port = ntohs(n->v6.sin6_port);
	}
	return ret->family == AF_INET || ret->family == AF_INET6;
}

static uint16_t port_of(int fd)
{
	union udp_name name = {0};
	struct address ignored;
	socklen_t len = sizeof(name);
	uint16_t port = 0;

	if (getsockname(fd, &name.any, &len) == 0)
		name_get(&name, &ignored, &port);
	return port;
}

int udp_socket_open(struct udp_socket *u, int family, struct err *e)
{
	*u = (struct udp_socket){.family = family, .fds = {-1, -1}};
	for (int i = 0; i < 2; i++) {
		u->fds[i] = open_one(family);
		if (u->fds[i] < 0)
			return err_set(e, u->fds[i], _("datagrams cannot be sent: %s"),
				       strerror(-u->fds[i]));
		u->ports[i] = port_of(u->fds[i]);
	}
	return 0;
}

void udp_socket_close(struct udp_socket *u)
{
	for (int i = 0; i < 2; i++)
		if (u->fds[i] >= 0)
			close(u->fds[i]);
}

void udp_name_set(union udp_name *n, const struct address *a, uint16_t port, uint32_t scope)
{
	memset(n, 0, sizeof(*n));
	n->any.sa_family = a->family;
	if (a->family == AF_INET) {
		n->v4.sin_port = htons(port);
		memcpy(&n->v4.sin_addr, a->bytes, sizeof(n->v4.sin_addr));
		return;
	}
	n->v6.sin6_port = htons(port);
	n->v6.sin6_scope_id = scope;
	memcpy(&n->v6.sin6_addr, a->bytes, sizeof(n->v6.sin6_addr));
}

/* What says from where it is sent (ip(7), ipv6(7)). */
static void put_source(struct msghdr *m, const struct address *from)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in_pktinfo four = {0};
	struct in6_pktinfo six = {0};

	if (from->family == AF_INET) {
		memcpy(&four.ipi_spec_dst, from->bytes, sizeof(four.ipi_spec_dst));
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(four)),
				      .cmsg_level = IPPROTO_IP,
				      .cmsg_type = IP_PKTINFO};
		memcpy(CMSG_DATA(c), &four, sizeof(four));
		m->msg_controllen = CMSG_SPACE(sizeof(four));
		return;
	}
	memcpy(&six.ipi6_addr, from->bytes, sizeof(six.ipi6_addr));
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(six)),
			      .cmsg_level = IPPROTO_IPV6,
			      .cmsg_type = IPV6_PKTINFO};
	memcpy(CMSG_DATA(c), &six, sizeof(six));
	m->msg_controllen = CMSG_SPACE(sizeof(six));
}

/* An error of before, which an ICMP message left at the socket, is told instead of sending. */
static void send_one(int fd, struct udp_datagram *d, socklen_t len)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
	struct iovec part = {(void *)(uintptr_t)d->bytes, d->len};
	struct msghdr message = {
		.msg_name = &d->to, .msg_namelen = len, .msg_iov = &part, .msg_iovlen = 1};

	if (d->from) {
		message.msg_control = room;
		message.msg_controllen = sizeof(room);
		put_source(&message, d->from);
	}
	d->kept_back = false;
	for (int i = 0; i < 4; i++) {
		if (sendmsg(fd, &message, 0) >= 0)
			return;
		if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH &&
		    errno != EACCES && errno != EPROTO && errno != EMSGSIZE && errno != EINTR &&
		    errno != ENOPROTOOPT && errno != EOPNOTSUPP && errno != EHOSTDOWN) {
			d->kept_back = errno == EPERM;
			return;
		}
	}
}

void udp_socket_send(struct udp_socket *u, struct udp_datagram *datagrams, size_t count)
{
	socklen_t len =
		u->family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	for (size_t i = 0; i < count; i++) {
		/* at the same place in both */
		bool strays = ntohs(datagrams[i].to.v4.sin_port) == UDP_STRAY_PORT;

		send_one(u->fds[strays], &datagrams[i], len);
	}
}

/* --- what comes ---------------------------------------------------------------------------------
 */

static enum scan_reply reply_of(const struct sock_extended_err *error)
{
	bool ip6 = error->ee_origin == SO_EE_ORIGIN_ICMP6;

	if (!ip6 && error->ee_origin != SO_EE_ORIGIN_ICMP)
		return SCAN_UNSURE;
	if (error->ee_type != (ip6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH))
		return SCAN_UNSURE;
	return icmp_reply(ip6, error->ee_code);
}

/* The error and its sender among what stands beside the message; NULL: none. */
static const struct sock_extended_err *find_error(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) &&
		    c->cmsg_len >=
			    CMSG_LEN(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in)))
			return (const void *)CMSG_DATA(c);
	return NULL;
}

static void take_error(struct msghdr *message, const uint8_t *quoted, size_t len, udp_take *take,
		       void *context)
{
	const struct sock_extended_err *error = find_error(message);
	struct udp_seen seen = {.quoted = quoted, .quoted_len = len};
	union udp_name offender = {0};
	uint16_t ignored;

	if (!error || !name_get(message->msg_name, &seen.of, &seen.port))
		return;
	seen.reply = reply_of(error);
	memcpy(&offender, error + 1, /* SO_EE_OFFENDER() */
	       error->ee_origin == SO_EE_ORIGIN_ICMP6 ? sizeof(offender.v6) : sizeof(offender.v4));
	if (seen.reply == SCAN_UNSURE || !name_get(&offender, &seen.offender, &ignored))
		return;
	if (seen.reply == SCAN_PORT_UNREACH && address_equal(&seen.of, &seen.offender))
		seen.reply = SCAN_UDP_CLOSED;
	take(&seen, context);
}

static void receive_errors(int fd, udp_take *take, void *context)
{
	for (int i = 0; i < ROUND_LIMIT; i++) {
		char room[CMSG_SPACE(sizeof(struct sock_extended_err) +
				     sizeof(struct sockaddr_in6)) +
			  256];
		uint8_t quoted[QUOTE_SIZE];
		union udp_name name = {0};
		struct iovec part = {quoted, sizeof(quoted)};
		struct msghdr message = {.msg_name = &name,
					 .msg_namelen = sizeof(name),
					 .msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = room,
					 .msg_controllen = sizeof(room)};
		ssize_t len = recvmsg(fd, &message, MSG_ERRQUEUE);

		if (len < 0 && errno != EINTR)
			return;
		if (len >= 0)
			take_error(&message, quoted, (size_t)len, take, context);
	}
}

/* Of an answer only its sender matters here. */
static void receive_answers(int fd, bool strays, udp_take *take, void *context)
{
	for (int i = 0; i < ROUND_LIMIT; i++) {
		struct udp_seen seen = {.reply = SCAN_UDP_ANSWER};
		union udp_name name = {0};
		socklen_t len = sizeof(name);
		uint8_t byte;

		if (recvfrom(fd, &byte, sizeof(byte), 0, &name.any, &len) < 0) {
			if (errno == EAGAIN)
				return;
			continue; /* an error, which the other queue tells of, too */
		}
		if (!name_get(&name, &seen.of, &seen.port))
			continue;
		seen.from = seen.port;
		if (strays)
			seen.port = UDP_STRAY_PORT;
		take(&seen, context);
	}
}

void udp_socket_receive(struct udp_socket *u, udp_take *take, void *context)
{
	for (int i = 0; i < 2; i++) {
		receive_answers(u->fds[i], i == 1, take, context);
		receive_errors(u->fds[i], take, context);
	}
}

void udp_socket_wait(const struct udp_socket *u, uint64_t ns)
{
	struct timespec wait = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	struct pollfd fds[2] = {{u->fds[0], POLLIN, 0}, {u->fds[1], POLLIN, 0}};

	ppoll(fds, 2, &wait, NULL);
}
