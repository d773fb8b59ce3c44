/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answers: what comes back, and what it says about which port. Answers also who asks for the link
 * address of the source, which no kernel has.
 */
#include "oracle.h"

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

void send_frame(const struct scan *s, const void *frame, size_t len)
{
	if (s->raw >= 0) /* this kernel answers for its own addresses itself */
		return;
	if (send(s->fd, frame, len, 0) < 0 && errno != ENOBUFS && errno != EAGAIN)
		die("send");
}

static void answer_arp(const struct scan *s, const uint8_t *frame, size_t len)
{
	const struct ether_arp *arp = (const void *)(frame + ETH_HLEN);
	uint8_t out[ETH_HLEN + sizeof(*arp)];
	struct ether_arp reply;

	if (len < sizeof(out) || ntohs(arp->ea_hdr.ar_op) != ARPOP_REQUEST ||
	    s->from.family != AF_INET || memcmp(arp->arp_tpa, s->from.bytes, 4) != 0)
		return;
	reply = *arp;
	reply.ea_hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(reply.arp_sha, s->own_mac, 6);
	memcpy(reply.arp_spa, s->from.bytes, 4);
	memcpy(reply.arp_tha, arp->arp_sha, 6);
	memcpy(reply.arp_tpa, arp->arp_spa, 4);
	memcpy(out, frame + 6, 6);
	memcpy(out + 6, s->own_mac, 6);
	memcpy(out + 12, frame + 12, 2);
	memcpy(out + ETH_HLEN, &reply, sizeof(reply));
	send_frame(s, out, sizeof(out));
}

static void answer_solicitation(const struct scan *s, const uint8_t *frame, const uint8_t *icmp,
				size_t len)
{
	struct {
		struct nd_neighbor_advert head;
		uint8_t type, units, mac[6];
	} reply = {.type = ND_OPT_TARGET_LINKADDR, .units = 1};
	struct address asker = {.family = AF_INET6};
	uint8_t out[FRAME_ROOM];
	size_t at;

	if (len < sizeof(struct nd_neighbor_solicit) || memcmp(icmp + 8, s->from.bytes, 16) != 0)
		return;
	memcpy(asker.bytes, frame + ETH_HLEN + 8, 16);
	memcpy(&reply.head.nd_na_target, s->from.bytes, 16);
	memcpy(reply.mac, s->own_mac, 6);
	reply.head.nd_na_type = ND_NEIGHBOR_ADVERT;
	reply.head.nd_na_flags_reserved = ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE;
	at = put_heads(s, out, IPPROTO_ICMPV6, sizeof(reply), &asker, frame + 6, 255);
	reply.head.nd_na_cksum = checksum(&s->from, &asker, IPPROTO_ICMPV6, &reply, sizeof(reply));
	memcpy(out + at, &reply, sizeof(reply));
	send_frame(s, out, at + sizeof(reply));
}

static void note_answer(struct scan *s, uint32_t cookie, enum answer answer, uint32_t *counter)
{
	uint16_t port = (uint16_t)cookie;

	if (cookie != cookie_of(s, port) || !s->wanted[port] || s->answers[port] != SILENCE)
		return;
	s->answers[port] = answer;
	if (counter)
		++*counter;
}

static uint32_t be32_at(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint16_t be16_at(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* Is it from whom we asked to whom asked? Of a machine that asks itself, NAT may make others. */
static bool from_asked(const struct scan *s, const uint8_t *from, const uint8_t *to)
{
	size_t len = address_len(s->from.family);

	return s->raw >= 0 ||
	       (memcmp(from, s->to.bytes, len) == 0 && memcmp(to, s->from.bytes, len) == 0);
}

static bool from_host(const struct scan *s, const uint8_t *frame)
{
	return s->raw >= 0 || memcmp(frame + 6, s->host_mac, 6) == 0;
}

static bool between_asked(const struct scan *s, const uint8_t *l4, uint16_t port)
{
	return s->raw >= 0 || (be16_at(l4) == port && be16_at(l4 + 2) == sport_of(s, port));
}

static void take_tcp(struct scan *s, const uint8_t *tcp, size_t len)
{
	uint8_t out[FRAME_ROOM];
	uint32_t cookie;

	if (s->udp || len < sizeof(struct tcphdr))
		return;
	cookie = be32_at(tcp + 8) - 1;
	if (!between_asked(s, tcp, (uint16_t)cookie))
		return;
	if (tcp[13] & TH_RST) {
		note_answer(s, cookie, REJECT, &s->rst);
	} else if ((tcp[13] & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK) &&
		   cookie == cookie_of(s, (uint16_t)cookie)) {
		note_answer(s, cookie, ACCEPT, NULL);
		/* or it would come again */
		send_frame(s, out, put_tcp(s, out, (uint16_t)cookie, true));
	}
}

/*
 * Any answer will do. One of ours tells itself by its cookie, and is taken from any address of the
 * host: what was sent to many is answered from another. (Of a machine that asks itself we see the
 * questions too.)
 */
static void take_udp(struct scan *s, const uint8_t *udp, size_t len, bool asked, bool from_host)
{
	if (!s->udp || len < sizeof(struct udphdr))
		return;
	if ((asked || from_host) && len >= 12 && udp[8] & ANSWERED)
		note_answer(s, be32_at(udp + 8) & ~((uint32_t)ANSWERED << 24), ACCEPT, NULL);
	else if (s->raw < 0 && asked && between_asked(s, udp, be16_at(udp)))
		note_answer(s, cookie_of(s, be16_at(udp)), ACCEPT, NULL);
}

/* The probe that an ICMP error quotes. Its cookie tells the port, whatever NAT made of it. */
static void take_quoted(struct scan *s, const uint8_t *quoted, size_t len)
{
	bool v4 = s->from.family == AF_INET;
	size_t head = v4 ? (size_t)(len ? quoted[0] & 15 : 0) * 4 : sizeof(struct ip6_hdr);
	uint8_t protocol = s->udp ? IPPROTO_UDP : IPPROTO_TCP;
	const uint8_t *l4 = quoted + head;

	if (len < head + 8 || len < 20 || quoted[v4 ? 9 : 6] != protocol ||
	    be16_at(l4) > s->sport || be16_at(l4) < s->sport - 2 ||
	    memcmp(quoted + (v4 ? 12 : 8), s->from.bytes, address_len(s->from.family)) != 0)
		return;
	/* the RST with which we end a connection has the next port's number */
	if (!s->udp && len >= head + 14 && (l4[13] & (TH_SYN | TH_ACK | TH_RST)) != TH_SYN)
		return;
	if (!s->udp)
		note_answer(s, be32_at(l4 + 4), REJECT, &s->icmp);
	else if (len >= head + 12)
		note_answer(s, be32_at(l4 + 8), REJECT, &s->icmp);
	else
		note_answer(s, cookie_of(s, be16_at(l4 + 2)), REJECT, &s->icmp);
}

static void take_ipv4(struct scan *s, const uint8_t *frame, const uint8_t *ip, size_t len)
{
	size_t head = len ? (size_t)(ip[0] & 15) * 4 : 0;

	if (len < 20 || head < 20 || len < head + 8 || s->from.family != AF_INET)
		return;
	if (ip[9] == IPPROTO_ICMP) {
		if (memcmp(ip + 16, s->from.bytes, 4) == 0 && ip[head] == ICMP_DEST_UNREACH &&
		    ip[head + 1] != ICMP_FRAG_NEEDED)
			take_quoted(s, ip + head + 8, len - head - 8);
	} else if (ip[9] == IPPROTO_TCP && from_asked(s, ip + 12, ip + 16)) {
		take_tcp(s, ip + head, len - head);
	} else if (ip[9] == IPPROTO_UDP) {
		take_udp(s, ip + head, len - head, from_asked(s, ip + 12, ip + 16),
			 from_host(s, frame));
	}
}

static void take_ipv6(struct scan *s, const uint8_t *frame, const uint8_t *ip, size_t len)
{
	const uint8_t *l4 = ip + sizeof(struct ip6_hdr);
	size_t l4_len;

	if (len < sizeof(struct ip6_hdr) + 8 || s->from.family != AF_INET6)
		return;
	l4_len = len - sizeof(struct ip6_hdr);
	if (ip[6] == IPPROTO_ICMPV6 && l4[0] == ND_NEIGHBOR_SOLICIT)
		answer_solicitation(s, frame, l4, l4_len);
	if (ip[6] == IPPROTO_ICMPV6 && l4[0] == ICMP6_DST_UNREACH &&
	    memcmp(ip + 24, s->from.bytes, 16) == 0)
		take_quoted(s, l4 + 8, l4_len - 8);
	if (ip[6] == IPPROTO_TCP && from_asked(s, ip + 8, ip + 24))
		take_tcp(s, l4, l4_len);
	else if (ip[6] == IPPROTO_UDP)
		take_udp(s, l4, l4_len, from_asked(s, ip + 8, ip + 24), from_host(s, frame));
}

void take_frame(struct scan *s, const uint8_t *frame, size_t len)
{
	if (len < ETH_HLEN)
		return;
	switch (be16_at(frame + 12)) {
	case ETHERTYPE_ARP:
		answer_arp(s, frame, len);
		break;
	case ETHERTYPE_IP:
		take_ipv4(s, frame, frame + ETH_HLEN, len - ETH_HLEN);
		break;
	case ETHERTYPE_IPV6:
		take_ipv6(s, frame, frame + ETH_HLEN, len - ETH_HLEN);
		break;
	}
}
