/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen: real sockets on all ports, spread over as many processes as the limit of descriptors
 * needs. TCP only listens (the kernel answers), UDP sends back what it gets.
 */
#include "oracle.h"

#include <errno.h>
#include <ifaddrs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SPARE_FILES = 64, /* descriptors that a process needs besides its sockets */
};

static int open_at(bool udp, const struct sockaddr *address, socklen_t len, bool v6only)
{
	int on = 1, only = v6only;
	int fd = socket(address->sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	if (address->sa_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
		if (udp)
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		if (udp) /* the default of IPv4 sockets, not of these */
			setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &on, sizeof(on));
	} else if (udp) {
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	if (bind(fd, address, len) == 0 && (udp || listen(fd, 16) == 0))
		return fd;
	if (errno != EADDRINUSE && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)
		die("bind");
	close(fd);
	return -1;
}

static void serve(int epoll, int fd, bool udp)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (udp && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

/* Somebody else has the port at one address or in one family: the sockets that are left to open. */
static int open_rest(int epoll, bool udp, uint16_t port, struct ifaddrs *own)
{
	int opened = 0, fd;

	for (struct ifaddrs *a = own; a; a = a->ifa_next) {
		struct sockaddr_storage at = {0};
		bool v6 = a->ifa_addr && a->ifa_addr->sa_family == AF_INET6;

		if (!a->ifa_addr || (!v6 && a->ifa_addr->sa_family != AF_INET))
			continue;
		memcpy(&at, a->ifa_addr,
		       v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		/* the port is at the same place in both */
		((struct sockaddr_in *)&at)->sin_port = htons(port);
		fd = open_at(udp, (struct sockaddr *)&at,
			     v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), true);
		if (fd < 0)
			continue;
		serve(epoll, fd, udp);
		opened++;
	}
	return opened;
}

/* Returns whether somebody else had it, at some address. */
static bool open_port(int epoll, bool udp, uint16_t port, bool v6, struct ifaddrs *own)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = v6 ? open_at(udp, (struct sockaddr *)&any6, sizeof(any6), false)
		    : open_at(udp, (struct sockaddr *)&any4, sizeof(any4), false);

	if (fd < 0) {
		open_rest(epoll, udp, port, own);
		return true;
	}
	serve(epoll, fd, udp);
	return false;
}

/* Sends a datagram back from the address that it was sent to. */
static void echo(int fd)
{
	uint8_t data[64];
	char control[256];
	struct sockaddr_storage from;
	struct iovec part = {data, sizeof(data)};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &m, 0);

	if (got <= 0 || data[0] & ANSWERED)
		return;
	data[0] |= ANSWERED;
	part.iov_len = (size_t)got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct in_pktinfo *info = (void *)CMSG_DATA(c);

		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
			continue;
		info->ipi_spec_dst = info->ipi_addr;
		info->ipi_ifindex = 0; /* the route decides where it leaves */
	}
	if (sendmsg(fd, &m, 0) >= 0)
		return;
	m.msg_controllen = 0; /* it came to many: no address to answer from */
	sendmsg(fd, &m, 0);
}

static void serve_for_ever(int epoll)
{
	struct epoll_event events[256];

	for (;;) {
		int count = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < count; i++)
			echo(events[i].data.fd);
	}
}

/* One of the processes: sockets number first, first + 1, ... of all wanted (TCP, then UDP). */
static void listen_part(const bool *wanted, size_t first, size_t count, bool v6, int ready)
{
	int epoll = epoll_create1(0);
	size_t number = 0;
	struct ifaddrs *own;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (epoll < 0 || getifaddrs(&own) != 0)
		die("epoll_create1, getifaddrs");
	for (uint32_t i = 0; i < 2 * PORTS; i++) {
		bool udp = i >= PORTS;

		if (!wanted[i % PORTS])
			continue;
		if (number >= first && number < first + count &&
		    open_port(epoll, udp, (uint16_t)(i % PORTS), v6, own))
			dprintf(ready, " %s/%u", udp ? "udp" : "tcp", i % PORTS);
		number++;
	}
	close(ready);
	serve_for_ever(epoll);
}

int run_listen(const bool *wanted)
{
	struct rlimit files;
	size_t total = 0, room;
	int ready[2], v6 = socket(AF_INET6, SOCK_DGRAM, 0);
	char byte;

	for (int i = 1; i < PORTS; i++)
		total += wanted[i] ? 2 : 0;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 || pipe(ready) != 0)
		die("setrlimit, pipe");
	room = files.rlim_cur > 40000 ? 40000 : (size_t)files.rlim_cur;
	room -= SPARE_FILES;
	for (size_t first = 0; first < total; first += room) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			close(ready[0]);
			listen_part(wanted, first, room, v6 >= 0, ready[1]);
		}
	}
	close(ready[1]);
	printf("ready");
	while (read(ready[0], &byte, 1) == 1) /* the ports that others have */
		putchar(byte);
	printf("\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0; /* the children die with it */
}
