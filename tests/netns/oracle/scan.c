/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: sends a probe to each port in batches, looks at what came back after each, and tries again
 * what was silent: a lost packet must not look like a rule.
 */
#include "oracle.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TRIES_AT_MOST = 8,
	BATCH = 32,	     /* frames between two looks at what came back */
	QUIET_MS = 60,	     /* nothing came for so long: the answers of a try are in */
	LAST_QUIET_MS = 300, /* and for so long: nothing will come any more */
};

/* Takes all that has arrived; returns whether anything had. */
static bool drain(struct scan *s)
{
	bool any = false;
	uint8_t frame[2048];
	ssize_t len;

	while ((len = recv(s->fd, frame, sizeof(frame), MSG_DONTWAIT)) >= 0) {
		take_frame(s, frame, (size_t)len);
		any = true;
	}
	return any;
}

static void wait_quiet(struct scan *s, int quiet_ms)
{
	int64_t last = now_ms(), end = last + 10000;

	while (now_ms() - last < quiet_ms && now_ms() < end) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};

		poll(&p, 1, 10);
		if (drain(s))
			last = now_ms();
	}
}

/* Through the chains of output. What those refuse (EPERM), or send where no way leads, is silence.
 */
static void send_to_oneself(const struct scan *s, const struct iovec *frames, unsigned count)
{
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	struct sockaddr_in to4 = {.sin_family = AF_INET};
	bool v4 = s->to.family == AF_INET;

	memcpy(&to6.sin6_addr, s->to.bytes, 16);
	memcpy(&to4.sin_addr, s->to.bytes, 4);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *frame = frames[i].iov_base;

		if (sendto(s->raw, frame + ETH_HLEN, frames[i].iov_len - ETH_HLEN, 0,
			   v4 ? (void *)&to4 : (void *)&to6, v4 ? sizeof(to4) : sizeof(to6)) < 0 &&
		    errno != EPERM && errno != ENOBUFS && errno != EINVAL && errno != ENETUNREACH &&
		    errno != EHOSTUNREACH && errno != EACCES)
			die("sendto");
	}
}

static void send_batch(struct scan *s, const uint16_t *ports, unsigned count)
{
	uint8_t frames[BATCH][FRAME_ROOM];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	unsigned done = 0;

	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < count; i++) {
		parts[i].iov_base = frames[i];
		parts[i].iov_len = s->udp ? put_udp(s, frames[i], ports[i])
					  : put_tcp(s, frames[i], ports[i], false);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (s->raw >= 0)
		send_to_oneself(s, parts, count);
	while (s->raw < 0 && done < count) {
		int sent = sendmmsg(s->fd, messages + done, count - done, 0);

		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("sendmmsg");
		if (sent < 0)
			usleep(500);
		else
			done += (unsigned)sent;
	}
	s->sent += count;
	drain(s);
}

/* Returns how many ports were still silent. */
unsigned scan_try(struct scan *s)
{
	uint32_t before = s->sent;
	uint16_t batch[BATCH];
	unsigned count = 0;

	for (uint32_t port = 1; port < PORTS; port++) {
		if (!s->wanted[port] || s->answers[port] != SILENCE)
			continue;
		batch[count++] = (uint16_t)port;
		if (count == BATCH) {
			send_batch(s, batch, count);
			count = 0;
		}
	}
	if (count)
		send_batch(s, batch, count);
	return s->sent - before;
}

static void open_link(struct scan *s, const char *iface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct sockaddr_ll own;
	socklen_t len = sizeof(own);
	int size = 64 << 20, on = 1;

	at.sll_ifindex = (int)if_nametoindex(iface);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (!at.sll_ifindex || s->fd < 0)
		die(iface);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(s->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (bind(s->fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(s->fd, (struct sockaddr *)&own, &len) != 0)
		die("bind");
	memcpy(s->own_mac, own.sll_addr, 6);
	s->raw = -1;
	if (own.sll_hatype != ARPHRD_LOOPBACK)
		return;
	at.sll_ifindex = 0; /* NAT may send to others what the machine asks itself */
	if (bind(s->fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		die("bind");
	s->raw = socket(s->to.family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (s->raw < 0 || (s->to.family == AF_INET6 &&
			   setsockopt(s->raw, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)) != 0))
		die("raw socket");
}

static const char *answer_name(enum answer answer)
{
	return answer == ACCEPT ? "accept" : answer == REJECT ? "reject" : "drop";
}

void scan_print(const struct scan *s)
{
	const char *comma = "";

	for (uint32_t first = 1, last; first < PORTS; first = last + 1) {
		last = first;
		if (!s->wanted[first])
			continue;
		while (last + 1 < PORTS && s->wanted[last + 1] &&
		       s->answers[last + 1] == s->answers[first])
			last++;
		printf("%s{\"from\":%u,\"to\":%u,\"verdict\":\"%s\"}", comma, first, last,
		       answer_name(s->answers[first]));
		comma = ",";
	}
}

/* Frames that this kernel had no room for, in any namespace: some may have been ours. */
static unsigned count_dropped(void)
{
	FILE *f = fopen("/proc/net/softnet_stat", "r");
	unsigned dropped, sum = 0;

	if (!f)
		return 0;
	while (fscanf(f, "%*x %x %*[^\n]", &dropped) == 1)
		sum += dropped;
	fclose(f);
	return sum;
}

int run_scan(struct scan *s, const char *iface)
{
	int64_t start = now_ms();
	struct tpacket_stats stats = {0};
	socklen_t len = sizeof(stats);

	open_link(s, iface);
	for (int i = 0; i < s->tries; i++) {
		unsigned dropped = count_dropped();

		if (!scan_try(s))
			break;
		wait_quiet(s, i + 1 < s->tries ? QUIET_MS : LAST_QUIET_MS);
		if (i + 1 == s->tries && count_dropped() != dropped && s->tries < TRIES_AT_MOST)
			s->tries++;
	}
	getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	printf("{\"proto\":\"%s\",\"sent\":%u,\"rst\":%u,\"icmp\":%u,\"unread\":%u,\"ms\":%d,"
	       "\"intervals\":[",
	       s->udp ? "udp" : "tcp", s->sent, s->rst, s->icmp, stats.tp_drops,
	       (int)(now_ms() - start));
	scan_print(s);
	printf("]}\n");
	return 0;
}
