/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_replies.h"
#include "base/mem.h"
#include "base/ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 16 };

union name {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

static socklen_t make_name(int family, const struct address *a, uint16_t port, union name *ret)
{
	*ret = (union name){.any.sa_family = (sa_family_t)family};
	if (family == AF_INET6) {
		ret->ip6.sin6_port = htons(port);
		if (a)
			memcpy(&ret->ip6.sin6_addr, a->bytes, sizeof(ret->ip6.sin6_addr));
		return sizeof(ret->ip6);
	}
	ret->ip4.sin_port = htons(port);
	if (a)
		memcpy(&ret->ip4.sin_addr, a->bytes, sizeof(ret->ip4.sin_addr));
	return sizeof(ret->ip4);
}

struct listening {
	int family;
	uint16_t port;
};

static int listen_inside(void *context)
{
	const struct listening *l = context;
	int fd = socket(l->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, code;
	union name name;
	socklen_t len = make_name(l->family, NULL, l->port, &name);

	if (fd < 0)
		return -errno;
	if (l->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((bind(fd, &name.any, len) == 0 && listen(fd, BACKLOG) == 0) || errno == EADDRINUSE)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

int twin_replies_listen(int netns, int family, uint16_t port)
{
	struct listening l = {.family = family, .port = port};

	return ns_run(netns, listen_inside, &l, NULL);
}

struct way {
	const struct address *from, *to;
	uint32_t ifindex;
};

/* connect() of UDP sends nothing: it only looks for the route. */
static int look_inside(void *context)
{
	const struct way *w = context;
	int cleanup_close fd = socket(w->to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union name from, to;
	socklen_t len = make_name(w->to->family, w->from, 0, &from);

	make_name(w->to->family, w->to, 1, &to);
	if (address_is_link_local(w->to) && w->to->family == AF_INET6)
		to.ip6.sin6_scope_id = w->ifindex;
	if (address_is_link_local(w->from) && w->from->family == AF_INET6)
		from.ip6.sin6_scope_id = w->ifindex;
	if (fd < 0 || bind(fd, &from.any, len) < 0)
		return -errno;
	if (connect(fd, &to.any, len) == 0)
		return 1;
	/* the last two: routes of the types prohibit and blackhole */
	return errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EACCES || errno == EINVAL
		       ? 0
		       : -errno;
}

int twin_replies_route(int netns, const struct address *from, const struct address *to,
		       uint32_t ifindex)
{
	struct way w = {from, to, ifindex};

	return ns_run(netns, look_inside, &w, NULL);
}
