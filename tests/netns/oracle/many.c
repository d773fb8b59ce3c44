/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * many: several scans at once, which wait for silence together. A line of the standard input is a
 * scan: IFACE MAC FROM TO SPORT tcp|udp PORTS. A line of JSON for each comes out, in their order.
 * Answers are taken from every link of the namespace: they may come back by another way. A probe
 * that leaves the machine again, by a link that we see, was let through: "accept".
 */
#include "oracle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SCANS = 4096,
	LINKS = 16,
	TRIES = 3,
	QUIET_MS = 60,
	LAST_QUIET_MS = 200,
};

struct link {
	char name[IF_NAMESIZE];
	int fd; /* only sends */
	bool loops;
	uint8_t mac[6];
};

struct many {
	struct scan *scans[SCANS];
	size_t count;
	struct link links[LINKS];
	size_t link_count;
	int fd; /* sees everything */
};

static struct link *find_link(struct many *m, const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET}, own;
	socklen_t len = sizeof(own);
	struct link *l = m->links;

	for (; l < m->links + m->link_count; l++)
		if (strcmp(l->name, name) == 0)
			return l;
	if (m->link_count == LINKS)
		die_of_input("too many interfaces");
	m->link_count++;
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	at.sll_ifindex = (int)if_nametoindex(name);
	if (!at.sll_ifindex || l->fd < 0 || bind(l->fd, (void *)&at, sizeof(at)) != 0 ||
	    getsockname(l->fd, (void *)&own, &len) != 0)
		die(name);
	l->loops = strcmp(name, "lo") == 0;
	memcpy(l->mac, own.sll_addr, 6);
	return l;
}

static void add_scan(struct many *m, char *line)
{
	struct scan *s = calloc(1, sizeof(*s));
	char *word[7], *rest = line;
	const struct link *l;
	int on = 1;

	for (int i = 0; i < 7; i++)
		if (!(word[i] = strsep(&rest, " \n")))
			die_of_input("a scan is IFACE MAC FROM TO SPORT tcp|udp PORTS");
	if (!s || m->count == SCANS)
		die_of_input("too many scans");
	l = find_link(m, word[0]);
	parse_mac(word[1], s->to_mac);
	parse_mac(word[1], s->host_mac);
	parse_address(word[2], &s->from);
	parse_address(word[3], &s->to);
	s->sport = (uint16_t)atoi(word[4]);
	s->udp = strcmp(word[5], "udp") == 0;
	parse_ports(word[6], s->wanted);
	memcpy(s->own_mac, l->mac, 6);
	s->fd = l->fd;
	s->raw = -1;
	s->cookie = (uint32_t)(m->count + 1) << 16;
	m->scans[m->count++] = s;
	if (!l->loops)
		return;
	/* its answers are known by the cookie alone, as NAT may change all else; they still come,
	 * again and again, when this program has run before and its RSTs were dropped */
	s->cookie = (uint32_t)s->sport << 16;
	s->raw = socket(s->to.family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (s->raw < 0 || (s->to.family == AF_INET6 &&
			   setsockopt(s->raw, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)) != 0))
		die("raw socket");
}

/* A probe of ours that comes out of the machine on its way to somebody else. */
static void note_passing(struct many *m, const uint8_t *frame, size_t len)
{
	bool v4 = frame[12] == 8 && frame[13] == 0, v6 = frame[12] == 0x86 && frame[13] == 0xdd;
	const uint8_t *ip = frame + ETH_HLEN, *l4;
	uint8_t protocol;
	uint32_t cookie;

	if ((!v4 && !v6) || len < ETH_HLEN + 60)
		return;
	l4 = ip + (v4 ? (size_t)(ip[0] & 15) * 4 : 40);
	protocol = ip[v4 ? 9 : 6];
	if (len < (size_t)(l4 - frame) + 12)
		return;
	if (protocol == IPPROTO_TCP && (l4[13] & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN)
		memcpy(&cookie, l4 + 4, 4);
	else if (protocol == IPPROTO_UDP)
		memcpy(&cookie, l4 + 8, 4);
	else
		return;
	cookie = ntohl(cookie);
	if ((cookie >> 16) - 1 < m->count) {
		struct scan *s = m->scans[(cookie >> 16) - 1];

		if (s->udp == (protocol == IPPROTO_UDP) && s->wanted[cookie & 0xffff] &&
		    s->answers[cookie & 0xffff] == SILENCE && s->raw < 0)
			s->answers[cookie & 0xffff] = ACCEPT;
	}
}

static bool drain_many(struct many *m)
{
	bool any = false;
	uint8_t frame[2048];
	ssize_t len;

	while ((len = recv(m->fd, frame, sizeof(frame), MSG_DONTWAIT)) >= 0) {
		if (len < ETH_HLEN)
			continue;
		for (size_t i = 0; i < m->count; i++)
			take_frame(m->scans[i], frame, (size_t)len);
		note_passing(m, frame, (size_t)len);
		any = true;
	}
	return any;
}

static void wait_many(struct many *m, int quiet_ms)
{
	int64_t last = now_ms(), end = last + 10000;

	while (now_ms() - last < quiet_ms && now_ms() < end) {
		struct pollfd p = {.fd = m->fd, .events = POLLIN};

		poll(&p, 1, 10);
		if (drain_many(m))
			last = now_ms();
	}
}

static void open_ears(struct many *m, const char *iface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int size = 64 << 20, on = 1;

	at.sll_ifindex = iface ? (int)if_nametoindex(iface) : 0;
	m->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (m->fd < 0)
		die("packet socket");
	setsockopt(m->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(m->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (bind(m->fd, (void *)&at, sizeof(at)) != 0)
		die("bind");
}

int run_many(const char *iface)
{
	static struct many m;
	char *line = NULL;
	size_t room = 0;

	open_ears(&m, iface);
	while (getline(&line, &room, stdin) > 0)
		add_scan(&m, line);
	free(line);
	for (int i = 0; i < TRIES; i++) {
		for (size_t k = 0; k < m.count; k++) {
			scan_try(m.scans[k]);
			drain_many(&m);
		}
		wait_many(&m, i + 1 < TRIES ? QUIET_MS : LAST_QUIET_MS);
	}
	for (size_t k = 0; k < m.count; k++) {
		printf("[");
		scan_print(m.scans[k]);
		printf("]\n");
	}
	return 0;
}
