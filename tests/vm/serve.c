/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve: opens sockets and holds them, in the virtual machines of the kernel tests. It goes into
 * the background when all are open, so that a script knows that they are there; the name of the
 * copy that was started is the name of the program. Words, each done before the next:
 *   newns                 a network namespace of its own, with loopback up
 *   uid=N                 becomes user N
 *   workers=N             from here on there are N processes that do the same
 *   KIND=ADDRESS/PORT[,v6only][,dual][,reuseport][,device=NAME][,count=N]
 *                         KIND is tcp udp sctp dccp udplite mptcp or vsock (any address); count: so
 *                         many ports from that one on
 *   packet, icmp          a packet socket; a raw one
 *   client                a UDP socket whose port the kernel chose
 * Says on standard error what failed, and then fails itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct kind {
	const char *name;
	int type, protocol;
} kinds[] = {
	{"tcp", SOCK_STREAM, 0},
	{"udp", SOCK_DGRAM, 0},
	{"sctp", SOCK_STREAM, IPPROTO_SCTP},
	{"sctp-many", SOCK_SEQPACKET, IPPROTO_SCTP},
	{"dccp", SOCK_DCCP, IPPROTO_DCCP},
	{"udplite", SOCK_DGRAM, IPPROTO_UDPLITE},
	{"mptcp", SOCK_STREAM, 262},
};

static void fail(const char *word)
{
	fprintf(stderr, "serve: %s: %s\n", word, strerror(errno));
	_exit(1);
}

static int is_datagram(int protocol, int type)
{
	return type == SOCK_DGRAM && protocol != IPPROTO_DCCP;
}

static void open_vsock(const char *word, unsigned int port)
{
	struct sockaddr_vm to = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || listen(fd, 16) != 0)
		fail(word);
}

static void open_one(const char *word, const struct kind *kind, const char *address, int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const char *device = strstr(word, ",device=");
	char name[IFNAMSIZ] = "";
	int is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1, one = 1, zero = 0;
	int fd = socket(is_six ? AF_INET6 : AF_INET, kind->type, kind->protocol);

	if (fd < 0 || (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1))
		fail(word);
	if (strstr(word, ",v6only"))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (strstr(word, ",dual"))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (strstr(word, ",reuseport"))
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (device && sscanf(device + 8, "%15[^,]", name) == 1 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)) != 0)
		fail(word);
	if (kind->type == SOCK_DCCP) /* a service code, or it does not listen */
		setsockopt(fd, 269 /* SOL_DCCP */, 2 /* DCCP_SOCKOPT_SERVICE */, &one, sizeof(one));
	if (bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
		 is_six ? sizeof(six) : sizeof(four)) != 0)
		fail(word);
	if (!is_datagram(kind->protocol, kind->type) && listen(fd, 16) != 0)
		fail(word);
}

static void open_sockets(const char *word)
{
	const char *count_word = strstr(word, ",count=");
	int count = count_word ? atoi(count_word + 7) : 1, port;
	char kind[16], address[64];

	if (sscanf(word, "%15[a-z-]=%63[^/]/%d", kind, address, &port) != 3) {
		errno = EINVAL;
		fail(word);
	}
	for (int i = 0; i < count; i++) {
		if (strcmp(kind, "vsock") == 0)
			open_vsock(word, (unsigned int)(port + i));
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			if (strcmp(kind, kinds[k].name) == 0)
				open_one(word, &kinds[k], address, port + i);
	}
}

static void open_client(const char *word)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		fail(word);
}

static void enter_new_namespace(const char *word)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		fail(word);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
		fail(word);
	close(fd);
}

/* The process that started us waits until this one, and every worker, has said that it is ready. */
static void hold(int ready)
{
	if (write(ready, "x", 1) != 1)
		_exit(1);
	close(ready);
	for (;;)
		pause();
}

static void fork_workers(int count)
{
	for (int i = 1; i < count; i++)
		if (fork() == 0)
			return;
}

static void do_words(char **words)
{
	for (; *words; words++) {
		if (strcmp(*words, "newns") == 0)
			enter_new_namespace(*words);
		else if (strncmp(*words, "uid=", 4) == 0 && setuid((uid_t)atoi(*words + 4)) != 0)
			fail(*words);
		else if (strncmp(*words, "workers=", 8) == 0)
			fork_workers(atoi(*words + 8));
		else if (strcmp(*words, "packet") == 0 && socket(AF_PACKET, SOCK_RAW, 0) < 0)
			fail(*words);
		else if (strcmp(*words, "icmp") == 0 && socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0)
			fail(*words);
		else if (strcmp(*words, "client") == 0)
			open_client(*words);
		else if (strchr(*words, '/'))
			open_sockets(*words);
	}
}

static int count_workers(char **words)
{
	int count = 1;

	for (; *words; words++)
		if (strncmp(*words, "workers=", 8) == 0)
			count *= atoi(*words + 8);
	return count;
}

int main(int argc, char **argv)
{
	int ready[2], expected = count_workers(argv), got = 0;
	struct rlimit many = {4096, 4096};
	char byte;

	(void)argc;
	setrlimit(RLIMIT_NOFILE, &many);
	if (pipe(ready) != 0)
		fail("pipe");
	if (fork() == 0) {
		close(ready[0]);
		setsid();
		do_words(argv + 1);
		hold(ready[1]);
	}
	close(ready[1]);
	while (read(ready[0], &byte, 1) == 1)
		got++;
	return got == expected ? 0 : 1;
}
