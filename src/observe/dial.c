/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/dial.h"
#include "base/i18n.h"
#include "observe/icmp_reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CALLS = 1024, LEAST_CALLS = 8, OTHER_FILES = 32, BATCH = 64 };

#define MS_NS UINT64_C(1000000)

struct call {
	int fd; /* -1: free */
	struct address to;
	struct probe probe;
	uint64_t until_ns;
	uint32_t next_free;
};

struct dial {
	int epoll_fd;
	uint32_t count, used, first_free;
	struct call calls[];
};

struct dial *dial_new(struct err *e)
{
	struct rlimit files = {.rlim_cur = MOST_CALLS};
	uint32_t count = MOST_CALLS;
	struct dial *d;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < MOST_CALLS + OTHER_FILES)
		count = files.rlim_cur > LEAST_CALLS + OTHER_FILES
				? (uint32_t)files.rlim_cur - OTHER_FILES
				: LEAST_CALLS;
	d = calloc(1, sizeof(*d) + count * sizeof(d->calls[0]));
	if (!d) {
		err_set(e, -ENOMEM, _("out of memory"));
		return NULL;
	}
	d->count = count;
	for (uint32_t i = 0; i < count; i++)
		d->calls[i] = (struct call){.fd = -1, .next_free = i + 1};
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll_fd < 0) {
		err_set(e, -errno, _("connections cannot be waited for: %s"), strerror(errno));
		free(d);
		return NULL;
	}
	return d;
}

static void hang_up(struct dial *d, struct call *call)
{
	close(call->fd);
	call->fd = -1;
	call->next_free = d->first_free;
	d->first_free = (uint32_t)(call - d->calls);
	d->used--;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->count; i++)
		if (d->calls[i].fd >= 0)
			close(d->calls[i].fd);
	close(d->epoll_fd);
	free(d);
}

size_t dial_room(const struct dial *d)
{
	return d->count - d->used;
}

static bool is_address(const struct sockaddr *name, const struct address *a)
{
	const struct sockaddr_in *ip4 = (const void *)name;
	const struct sockaddr_in6 *ip6 = (const void *)name;

	return name->sa_family == a->family &&
	       memcmp(a->family == AF_INET ? (const void *)&ip4->sin_addr
					   : (const void *)&ip6->sin6_addr,
		      a->bytes, address_len(a)) == 0;
}

/* This machine told itself: by a rule that refuses to send, or because no neighbour answers. */
static bool is_own_error(int fd, const struct address *to, struct sock_extended_err *error)
{
	const struct sockaddr *offender = SO_EE_OFFENDER(error);
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} own = {0};
	socklen_t len = sizeof(own);
	struct address a = {.family = to->family};

	if (getsockname(fd, &own.any, &len) < 0 || own.any.sa_family != to->family ||
	    is_address(&own.any, to))
		return false;
	memcpy(a.bytes,
	       to->family == AF_INET ? (void *)&own.ip4.sin_addr : (void *)&own.ip6.sin6_addr,
	       address_len(to));
	return is_address(offender, &a);
}

static enum scan_reply own_or_theirs(bool own, enum scan_reply reply)
{
	if (!own)
		return reply;
	return reply == SCAN_HOST_UNREACH ? SCAN_UNSURE : SCAN_KEPT_BACK;
}

/*
 * What an ICMP error says that ended the attempt. Several share an error number, also with a RST,
 * but the kernel keeps the message (IP_RECVERR; of connections that begin: Linux 5.9).
 * SCAN_UNASKED: it was none.
 */
static enum scan_reply icmp_of(int fd, const struct address *to)
{
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};

	if (fd < 0 || recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return SCAN_UNASKED;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		bool ip4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool ip6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		struct sock_extended_err *error = (void *)CMSG_DATA(c);

		if ((!ip4 && !ip6) ||
		    c->cmsg_len < CMSG_LEN(sizeof(*error) + sizeof(struct sockaddr_in)))
			continue;
		if ((ip4 && error->ee_origin == SO_EE_ORIGIN_ICMP &&
		     error->ee_type == ICMP_DEST_UNREACH) ||
		    (ip6 && error->ee_origin == SO_EE_ORIGIN_ICMP6 &&
		     error->ee_type == ICMPV6_DEST_UNREACH))
			return own_or_theirs(is_own_error(fd, to, error),
					     icmp_reply(ip6, error->ee_code));
	}
	return SCAN_UNASKED;
}

/* SCAN_UNSURE: it says nothing about the port. */
static enum scan_reply reply_of(int error)
{
	switch (error) {
	case 0:
	case ECONNRESET: /* accepted, and ended before we looked */
		return SCAN_SYN_ACK;
	case ECONNREFUSED:
		return SCAN_RST;
	case EHOSTUNREACH:
		return SCAN_HOST_UNREACH;
	case ENETUNREACH:
	case ENOPROTOOPT:
		return SCAN_OTHER_UNREACH;
	case EACCES: /* IPv6's "prohibited", and a route's */
		return SCAN_PROHIBITED;
	case EPERM: /* a rule, or a guard: before anything was sent */
		return SCAN_KEPT_BACK;
	default:
		return SCAN_UNSURE;
	}
}

static void tell(const struct probe *probe, enum scan_reply reply, dial_take *take, void *context)
{
	if (reply != SCAN_UNSURE)
		take(probe, reply, context);
}

static int open_call(const struct address *to, uint16_t port)
{
	struct linger reset = {.l_onoff = 1};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_ip4 = to->family == AF_INET;
	int yes = 1;
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -EMFILE;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (is_ip4)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes));
	memcpy(&ip4.sin_addr, to->bytes, sizeof(ip4.sin_addr));
	memcpy(&ip6.sin6_addr, to->bytes, sizeof(ip6.sin6_addr));
	r = connect(fd, is_ip4 ? (void *)&ip4 : (void *)&ip6, is_ip4 ? sizeof(ip4) : sizeof(ip6));
	if (r < 0 && errno == EINPROGRESS)
		return fd;
	r = r < 0 ? -errno : 0;
	close(fd);
	return r ? r : -EISCONN;
}

/* Told by connect() itself: this machine has no way there now, so that nothing was sent. */
static bool is_no_way(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES ||
	       error == EINVAL /* a route of the type blackhole */;
}

bool dial_begin(struct dial *d, const struct dial_wish *wish, dial_take *take, void *context)
{
	struct call *call = &d->calls[d->first_free];
	struct epoll_event event = {.events = EPOLLOUT, .data.u32 = d->first_free};
	int fd = open_call(wish->to, wish->port);

	if (fd < 0) {
		if (is_no_way(-fd))
			return false;
		tell(&wish->probe, reply_of(fd == -EISCONN ? 0 : -fd), take, context);
		return true;
	}
	if (epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return true;
	}
	d->first_free = call->next_free;
	d->used++;
	*call = (struct call){
		.fd = fd, .to = *wish->to, .probe = wish->probe, .until_ns = wish->until_ns};
	return true;
}

void dial_receive(struct dial *d, uint64_t now_ns, uint64_t wake_ns, dial_take *take, void *context)
{
	struct epoll_event events[BATCH];
	int wait_ms = wake_ns > now_ns ? (int)((wake_ns - now_ns + MS_NS - 1) / MS_NS) : 0;
	int count = epoll_wait(d->epoll_fd, events, BATCH, wait_ms);

	for (int i = 0; i < count; i++) {
		struct call *call = &d->calls[events[i].data.u32];
		socklen_t len = sizeof(int);
		enum scan_reply icmp = SCAN_UNASKED;
		int error = EIO;

		getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error)
			icmp = icmp_of(call->fd, &call->to);
		tell(&call->probe, icmp == SCAN_UNASKED ? reply_of(error) : icmp, take, context);
		hang_up(d, call);
	}
}

void dial_expire(struct dial *d, uint64_t now_ns)
{
	for (uint32_t i = 0; d->used && i < d->count; i++)
		if (d->calls[i].fd >= 0 && d->calls[i].until_ns <= now_ns)
			hang_up(d, &d->calls[i]);
}
