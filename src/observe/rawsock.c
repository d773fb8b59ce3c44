/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rawsock: the sockets and the ring of a scan. What the ring holds is the kernel's (its headers)
 * and anybody's (the packets, which are only handed on).
 */
#include "observe/rawsock.h"
#include "base/i18n.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_SIZE = 256, /* the ring's header, and the headers of the longest answer */
	BLOCK_SIZE = 1 << 16,
	BLOCK_COUNT = 128, /* 8 MiB: 32,768 packets; each batch is read before the next one */
	RING_SIZE = BLOCK_SIZE * BLOCK_COUNT,
	RING_FRAMES = RING_SIZE / FRAME_SIZE,
	WORTH_HELP = 64, /* packets */
	IP4_PROTOCOL = 9,
	IP4_FRAGMENT = 6,
	IP6_NEXT = 6,
	IP6_LEN = 40,
	TCP_DESTINATION = 2,
	ICMP_UNREACH = 3,
	ICMP6_ERRORS = 128, /* types below are errors */
};

/* in place of how much was sent */
#define KEPT_BACK UINT_MAX
#define NO_LINK	  (UINT_MAX - 1)

#define LOAD(size, at)	     BPF_STMT(BPF_LD | BPF_##size | BPF_ABS, at)
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define IF_LEAST(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, yes, no)
#define IF_BITS(k, yes, no)  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, k, yes, no)
#define RETURN(k)	     BPF_STMT(BPF_RET | BPF_K, k)
#define TO(line, here)	     ((line) - (here)-1) /* a jump, by the numbers of lines */

static int attach(int fd, const struct sock_filter *code, size_t count)
{
	struct sock_fprog program = {.len = (unsigned short)count,
				     .filter = (void *)(uintptr_t)code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Offsets are from the IP header on: SOCK_DGRAM. */
static int filter_ip4(int fd, uint32_t first, uint32_t end)
{
	const struct sock_filter code[] = {
		/* 0 */ LOAD(B, IP4_PROTOCOL),
		/* 1 */ IF_EQUAL(IPPROTO_ICMP, TO(9, 1), 0),
		/* 2 */ IF_EQUAL(IPPROTO_TCP, 0, TO(13, 2)),
		/* 3 */ LOAD(H, IP4_FRAGMENT),
		/* 4 */ IF_BITS(0x1fff, TO(13, 4), 0),
		/* 5: X = the length of the header */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		/* 6 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, TCP_DESTINATION),
		/* 7 */ IF_LEAST(first, 0, TO(13, 7)),
		/* 8 */ IF_LEAST(end, TO(13, 8), TO(12, 8)),
		/* 9 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		/* 10: the type */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		/* 11 */ IF_EQUAL(ICMP_UNREACH, 0, TO(13, 11)),
		/* 12 */ RETURN(FRAME_SIZE),
		/* 13 */ RETURN(0),
	};

	return attach(fd, code, sizeof(code) / sizeof(code[0]));
}

/* With extension headers, which are rare, user space looks. */
static int filter_ip6(int fd, uint32_t first, uint32_t end)
{
	const struct sock_filter code[] = {
		/* 0 */ LOAD(B, IP6_NEXT),
		/* 1 */ IF_EQUAL(IPPROTO_ICMPV6, TO(7, 1), 0),
		/* 2 */ IF_EQUAL(IPPROTO_UDP, TO(10, 2), 0),
		/* 3 */ IF_EQUAL(IPPROTO_TCP, 0, TO(9, 3)),
		/* 4 */ LOAD(H, IP6_LEN + TCP_DESTINATION),
		/* 5 */ IF_LEAST(first, 0, TO(10, 5)),
		/* 6 */ IF_LEAST(end, TO(10, 6), TO(9, 6)),
		/* 7 */ LOAD(B, IP6_LEN),
		/* 8 */ IF_LEAST(ICMP6_ERRORS, TO(10, 8), 0),
		/* 9 */ RETURN(FRAME_SIZE),
		/* 10 */ RETURN(0),
	};

	return attach(fd, code, sizeof(code) / sizeof(code[0]));
}

static int open_ring(struct rawsock *r, int family, uint16_t first, uint16_t count)
{
	struct tpacket_req request = {.tp_block_size = BLOCK_SIZE,
				      .tp_block_nr = BLOCK_COUNT,
				      .tp_frame_size = FRAME_SIZE,
				      .tp_frame_nr = RING_FRAMES};
	struct sockaddr_ll all = {.sll_family = AF_PACKET,
				  .sll_protocol =
					  htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP)};
	int version = TPACKET_V2, yes = 1;
	uint32_t end = (uint32_t)first + count;
	void *ring;

	/* with no protocol nothing comes in before the filter is there */
	r->ring_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->ring_fd < 0 ||
	    (family == AF_INET6 ? filter_ip6(r->ring_fd, first, end)
				: filter_ip4(r->ring_fd, first, end)) < 0 ||
	    setsockopt(r->ring_fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(r->ring_fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
		return -errno;
	/* Linux 4.20; before that what is sent comes in, too, and is no answer to anything */
	setsockopt(r->ring_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
	ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->ring_fd, 0);
	if (ring == MAP_FAILED)
		return -errno;
	r->ring = ring;
	return bind(r->ring_fd, (struct sockaddr *)&all, sizeof(all)) < 0 ? -errno : 0;
}

static bool is_no_link(int error)
{
	return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

/* Lost like any other packet: a full queue, an ICMP error of before, a link that went down or away;
 * EPERM and the last are told besides. */
static bool is_lost(int error)
{
	return error == ENOBUFS || error == EAGAIN || error == EPERM || error == EACCES ||
	       error == EINTR || error == ECONNREFUSED || error == EHOSTUNREACH ||
	       error == ENETUNREACH || is_no_link(error);
}

static int send_all(int fd, struct mmsghdr *messages, unsigned count, struct err *e)
{
	for (unsigned at = 0; at < count;) {
		int sent = sendmmsg(fd, messages + at, count - at, 0);

		if (sent < 0 && !is_lost(errno))
			return err_set(e, -errno, _("a packet could not be sent: %s"),
				       strerror(errno));
		if (sent < 0 && errno == EPERM)
			messages[at].msg_len = KEPT_BACK;
		else if (sent < 0 && is_no_link(errno))
			messages[at].msg_len = NO_LINK;
		at += sent > 0 ? (unsigned)sent : 1;
	}
	return 0;
}

/* --- the helper ---------------------------------------------------------------------------------
 */

/* A row of messages for one of the sockets. */
struct row {
	int fd;
	unsigned count;
	struct mmsghdr messages[RAWSOCK_BATCH];
	struct iovec parts[RAWSOCK_BATCH];
	struct rawsock_packet *packets[RAWSOCK_BATCH];
};

struct rawsock_helper {
	pthread_t thread;
	sem_t begin, done;
	int fd;
	struct mmsghdr *messages; /* of the caller, who waits */
	unsigned count;		  /* 0: it is over */
	int error;
	struct err err;
};

static void *help(void *context)
{
	struct rawsock_helper *h = context;

	for (;;) {
		while (sem_wait(&h->begin) < 0)
			;
		if (!h->count)
			return NULL;
		h->error = send_all(h->fd, h->messages, h->count, &h->err);
		sem_post(&h->done);
	}
}

/* Signals are for the thread that the program began with. */
static int start_helper(struct rawsock_helper *h)
{
	sigset_t all, before;
	int error;

	sem_init(&h->begin, 0, 0);
	sem_init(&h->done, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&h->thread, NULL, help, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* NULL: one processor, or no thread to be had. */
static struct rawsock_helper *get_helper(struct rawsock *r)
{
	cpu_set_t cpus;

	if (r->helper || r->alone)
		return r->helper;
	r->alone = sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) < 2;
	if (r->alone)
		return NULL;
	r->helper = calloc(1, sizeof(*r->helper));
	if (r->helper && start_helper(r->helper) != 0) {
		free(r->helper);
		r->helper = NULL;
	}
	r->alone = !r->helper;
	return r->helper;
}

static void helper_end(struct rawsock *r)
{
	struct rawsock_helper *h = r->helper;

	if (!h)
		return;
	h->count = 0;
	sem_post(&h->begin);
	pthread_join(h->thread, NULL);
	sem_destroy(&h->begin);
	sem_destroy(&h->done);
	free(h);
}

static int send_in_halves(struct rawsock_helper *h, struct row *row, struct err *e)
{
	unsigned half = row->count / 2;
	int error;

	h->fd = row->fd;
	h->messages = row->messages + half;
	h->count = row->count - half;
	sem_post(&h->begin);
	error = send_all(row->fd, row->messages, half, e);
	while (sem_wait(&h->done) < 0)
		;
	if (error == 0 && h->error < 0) {
		error = h->error;
		*e = h->err;
	}
	return error;
}

static int send_row(struct rawsock *r, struct row *row, struct err *e)
{
	struct rawsock_helper *h = row->count >= WORTH_HELP ? get_helper(r) : NULL;

	return h ? send_in_halves(h, row, e) : send_all(row->fd, row->messages, row->count, e);
}

/* --- the sockets --------------------------------------------------------------------------------
 */

int rawsock_open(struct rawsock *r, int family, uint16_t first_port, uint16_t port_count,
		 struct err *e)
{
	int error;

	*r = (struct rawsock){.packet_fd = -1, .raw_fd = -1, .ring_fd = -1};
	error = open_ring(r, family, first_port, port_count);
	if (error == 0) {
		r->packet_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r->raw_fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		if (r->packet_fd < 0 || r->raw_fd < 0)
			error = -errno;
	}
	if (error < 0)
		return err_set(e, error, _("packets cannot be sent as they are: %s"),
			       strerror(-error));
	return 0;
}

void rawsock_close(struct rawsock *r)
{
	helper_end(r);
	if (r->ring)
		munmap(r->ring, RING_SIZE);
	if (r->ring_fd >= 0)
		close(r->ring_fd);
	if (r->packet_fd >= 0)
		close(r->packet_fd);
	if (r->raw_fd >= 0)
		close(r->raw_fd);
	*r = (struct rawsock){.packet_fd = -1, .raw_fd = -1, .ring_fd = -1};
}

static socklen_t way_len(const struct rawsock_way *way)
{
	if (!way->own)
		return sizeof(way->to.link);
	return way->to.ip4.sin_family == AF_INET ? sizeof(way->to.ip4) : sizeof(way->to.ip6);
}

static void add_to_row(struct row *row, struct rawsock_packet *packet)
{
	struct iovec *part = &row->parts[row->count];

	packet->kept_back = false;
	row->packets[row->count] = packet;
	*part = (struct iovec){packet->bytes, packet->len};
	row->messages[row->count++] =
		(struct mmsghdr){.msg_hdr = {.msg_name = (void *)(uintptr_t)&packet->way->to,
					     .msg_namelen = way_len(packet->way),
					     .msg_iov = part,
					     .msg_iovlen = 1}};
}

int rawsock_send(struct rawsock *r, struct rawsock_packet *packets, size_t count, struct err *e)
{
	struct row out, own;
	int error;

	out.fd = r->packet_fd;
	own.fd = r->raw_fd;
	out.count = own.count = 0; /* the rest is large, and written before it is read */
	for (size_t i = 0; i < count && i < RAWSOCK_BATCH; i++)
		add_to_row(packets[i].way->own ? &own : &out, &packets[i]);
	error = send_row(r, &out, e);
	if (error == 0)
		error = send_row(r, &own, e);
	for (unsigned i = 0; i < out.count; i++)
		r->link_lost |= out.messages[i].msg_len == NO_LINK;
	for (unsigned i = 0; i < own.count; i++)
		own.packets[i]->kept_back = own.messages[i].msg_len == KEPT_BACK;
	return error;
}

size_t rawsock_receive(struct rawsock *r, rawsock_take *take, void *context)
{
	size_t count = 0;

	for (; count < RING_FRAMES; count++) {
		uint8_t *frame = r->ring + r->ring_at * FRAME_SIZE;
		struct tpacket2_hdr *header = (void *)frame;

		if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		if (header->tp_net < FRAME_SIZE) {
			size_t room = FRAME_SIZE - header->tp_net;

			take(frame + header->tp_net,
			     header->tp_snaplen < room ? header->tp_snaplen : room, context);
		}
		__atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		r->ring_at = (r->ring_at + 1) % RING_FRAMES;
	}
	return count;
}

uint32_t rawsock_overflows(struct rawsock *r)
{
	struct tpacket_stats stats = {0};
	socklen_t len = sizeof(stats);

	/* reading them sets them back to 0 */
	return getsockopt(r->ring_fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0
		       ? stats.tp_drops
		       : 0;
}
