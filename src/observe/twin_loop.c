/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_loop.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LOOPBACK_INDEX = 1,  /* in every network namespace */
	FENCE_TYPE = 0x88b5, /* IEEE 802: for local experiments */
	PATIENCE_MS = 2000,
	CPU_SETS = 8, /* of 1024 processors each: the kernel's limit is 8192 */
};

struct twin_affinity {
	cpu_set_t before[CPU_SETS];
};

/*
 * The fence's socket reads where all protocols are tapped, which is before any ingress rule of lo,
 * and sees its own packets once: the copy on the way out is not given to who sent it.
 */
static int open_packet(struct err *e)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FENCE_TYPE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 64),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
	struct sockaddr_ll lo = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = LOOPBACK_INDEX};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(e, -errno, _("cannot open a packet socket in the twin: %s"),
			       strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    bind(fd, (struct sockaddr *)&lo, sizeof(lo)) < 0) {
		int code_r = -errno;

		close(fd);
		return err_set(e, code_r, _("cannot use a packet socket in the twin: %s"),
			       strerror(-code_r));
	}
	return fd;
}

static int open_raw(int family)
{
	return socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}

int twin_loop_open(struct twin_loop *l, struct err *e)
{
	*l = (struct twin_loop){.raw4 = open_raw(AF_INET), .raw6 = -1, .packet = -1};
	if (l->raw4 < 0)
		return err_set(e, -errno, _("cannot open a raw socket in the twin: %s"),
			       strerror(errno));
	l->raw6 = open_raw(AF_INET6); /* there may be no IPv6 */
	l->packet = open_packet(e);
	if (l->packet < 0) {
		int r = l->packet;

		twin_loop_close(l);
		return r;
	}
	return 0;
}

void twin_loop_close(struct twin_loop *l)
{
	mem_close_cleanup(&l->raw4);
	mem_close_cleanup(&l->raw6);
	mem_close_cleanup(&l->packet);
	free(l->affinity);
	*l = (struct twin_loop){.raw4 = -1, .raw6 = -1, .packet = -1};
}

int twin_loop_pin(struct twin_loop *l, struct err *e)
{
	cpu_set_t one[CPU_SETS];
	int cpu = sched_getcpu();

	if (!l->affinity)
		l->affinity = calloc(1, sizeof(*l->affinity));
	if (!l->affinity)
		return err_set(e, -ENOMEM, _("out of memory"));
	CPU_ZERO_S(sizeof(one), one);
	if (cpu >= 0)
		CPU_SET_S((size_t)cpu, sizeof(one), one);
	if (cpu < 0 || sched_getaffinity(0, sizeof(one), l->affinity->before) < 0 ||
	    sched_setaffinity(0, sizeof(one), one) < 0)
		return err_set(e, -errno, _("cannot stay on one processor: %s"), strerror(errno));
	return 0;
}

void twin_loop_unpin(struct twin_loop *l)
{
	if (l->affinity)
		sched_setaffinity(0, sizeof(l->affinity->before), l->affinity->before);
}

int twin_loop_send(struct twin_loop *l, const void *packet, size_t len,
		   const struct address *destination)
{
	struct sockaddr_in to4 = {.sin_family = AF_INET};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	bool ip6 = destination->family == AF_INET6;
	int fd = ip6 ? l->raw6 : l->raw4;

	if (fd < 0)
		return -EAFNOSUPPORT;
	memcpy(&to4.sin_addr, destination->bytes, sizeof(to4.sin_addr));
	memcpy(&to6.sin6_addr, destination->bytes, sizeof(to6.sin6_addr));
	if (sendto(fd, packet, len, 0, ip6 ? (void *)&to6 : (void *)&to4,
		   ip6 ? sizeof(to6) : sizeof(to4)) < 0)
		return -errno;
	return 0;
}

struct fence {
	struct ethhdr ethernet;
	uint64_t number;
} __attribute__((packed));

/* Sends one and waits for it: the queue of lo is first in, first out. */
static int pass_fence(struct twin_loop *l)
{
	struct fence sent = {.ethernet.h_proto = htons(FENCE_TYPE), .number = ++l->fence_count},
		     got = {0};
	struct pollfd wait = {.fd = l->packet, .events = POLLIN};

	if (send(l->packet, &sent, sizeof(sent), 0) < 0)
		return -errno;
	while (got.number != sent.number) {
		if (recv(l->packet, &got, sizeof(got), 0) >= 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (poll(&wait, 1, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

int twin_loop_settle(struct twin_loop *l, struct err *e)
{
	/* the second comes after the answers to what came before the first */
	int r = pass_fence(l);

	if (r == 0)
		r = pass_fence(l);
	if (r < 0)
		return err_set(e, r, _("the twin's loopback interface does not answer: %s"),
			       strerror(-r));
	return 0;
}
