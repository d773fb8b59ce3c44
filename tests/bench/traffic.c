/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traffic: connections and bytes, for what a firewall costs.
 *
 *   traffic NETNS serve PORT...
 *       listens there; "ready", then takes connections and reads from them until the end of
 *       standard input
 *   traffic NETNS connect ADDRESS COUNT PORT...
 *       COUNT connections one after the other, to one port after the other; writes the time (ns)
 *   traffic NETNS pour ADDRESS PORT MILLISECONDS
 *       sends over one connection; writes the bytes per second
 *   traffic NETNS listen COUNT PORT
 *       COUNT times socket, bind, listen, close; writes the time of the processor (ns): others, who
 *       want it too, do not count
 *   traffic NETNS tell COUNT PORT
 *       COUNT times listen(), until a line about it comes on standard input; writes how long each
 *       took (ns)
 *   traffic NETNS echo PORT
 *       "ready", then sends back each datagram until it is killed
 *   traffic NETNS ask ADDRESS PORT MILLISECONDS
 *       one datagram after the other to who echoes; writes how many came back a second
 *
 * NETNS is a file to enter first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, CHUNK = 1 << 17, QUIET_MS = 20 };

static char chunk[CHUNK];

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static long long clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void watch(int epoll, int fd, bool listens)
{
	struct epoll_event e = {.events = EPOLLIN,
				.data.u64 = (uint64_t)fd | (uint64_t)listens << 32};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll");
}

static void open_listener(int epoll, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		die("listener");
	watch(epoll, fd, true);
}

static void take(int epoll, int fd, bool listens)
{
	int one;

	if (!listens) {
		if (recv(fd, chunk, sizeof(chunk), MSG_TRUNC) <= 0)
			close(fd);
		return;
	}
	while ((one = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		watch(epoll, one, false);
}

static int serve(char **ports)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];

	for (; *ports; ports++)
		open_listener(epoll, *ports);
	watch(epoll, 0, false);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int fd = (int)(events[i].data.u64 & 0xffffffff);

			if (fd == 0)
				return 0;
			take(epoll, fd, events[i].data.u64 >> 32);
		}
	}
}

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die(port);
	return fd;
}

/* Ends with a reset, so that neither end has to remember the connection. */
static int run_connect(const char *address, long count, char **ports, int port_count)
{
	struct linger reset = {.l_onoff = 1};
	long long began = now_ns();

	for (long i = 0; i < count; i++) {
		int fd = connect_to(address, ports[i % port_count]);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	printf("%lld\n", now_ns() - began);
	return 0;
}

static int pour(const char *address, const char *port, long ms)
{
	int fd = connect_to(address, port);
	long long began = now_ns(), sent = 0;

	while (now_ns() - began < ms * 1000000LL) {
		ssize_t n = send(fd, chunk, sizeof(chunk), 0);

		if (n < 0)
			die("send");
		sent += n;
	}
	printf("%.0f\n", (double)sent * 1e9 / (double)(now_ns() - began));
	return 0;
}

static struct sockaddr_in any_address(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
}

static int run_listen(long count, const char *port)
{
	struct sockaddr_in a = any_address(port);
	long long began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	for (long i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0)
			die("listener");
		close(fd);
	}
	printf("%lld\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began);
	return 0;
}

/* Until nothing has come for so long that the next event comes alone. */
static void read_until_quiet(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&p, 1, QUIET_MS) > 0)
		if (read(STDIN_FILENO, chunk, sizeof(chunk)) <= 0)
			die("nobody tells");
}

static int run_tell(long count, const char *port)
{
	struct sockaddr_in a = any_address(port);

	for (long i = 0; i < count; i++) {
		long long took;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		read_until_quiet();
		if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
			die("listener");
		took = now_ns();
		if (listen(fd, 16) < 0 || read(STDIN_FILENO, chunk, sizeof(chunk)) <= 0)
			die("nobody tells");
		printf("%lld\n", now_ns() - took);
		close(fd);
	}
	return 0;
}

static int run_echo(const char *port)
{
	struct sockaddr_in a = any_address(port), from;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("echo");
	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, chunk, sizeof(chunk), 0, (struct sockaddr *)&from, &len);

		if (got >= 0)
			sendto(fd, chunk, (size_t)got, 0, (struct sockaddr *)&from, len);
	}
}

static int run_ask(const char *address, const char *port, long ms)
{
	struct sockaddr_in a = any_address(port);
	struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long long began, count = 0;

	if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("ask");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (began = now_ns(); now_ns() - began < ms * 1000000LL; count++)
		if (send(fd, chunk, 64, 0) < 0 || recv(fd, chunk, sizeof(chunk), 0) < 0)
			die("ask");
	printf("%.0f\n", (double)count * 1e9 / (double)(now_ns() - began));
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 4)
		return 2;
	enter(argv[1]);
	if (strcmp(argv[2], "serve") == 0)
		return serve(argv + 3);
	if (strcmp(argv[2], "connect") == 0 && argc > 5)
		return run_connect(argv[3], atol(argv[4]), argv + 5, argc - 5);
	if (strcmp(argv[2], "pour") == 0 && argc == 6)
		return pour(argv[3], argv[4], atol(argv[5]));
	if (strcmp(argv[2], "listen") == 0 && argc == 5)
		return run_listen(atol(argv[3]), argv[4]);
	if (strcmp(argv[2], "tell") == 0 && argc == 5)
		return run_tell(atol(argv[3]), argv[4]);
	if (strcmp(argv[2], "echo") == 0)
		return run_echo(argv[3]);
	if (strcmp(argv[2], "ask") == 0 && argc == 6)
		return run_ask(argv[3], argv[4], atol(argv[5]));
	return 2;
}
