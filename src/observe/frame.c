/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame: one small function for each header, over a buffer of fixed size (encoding, our own
 * numbers) or a cursor (decoding, bytes that anybody may have made).
 */
#include "observe/frame.h"
#include "base/cur.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

enum {
	HOP_LIMIT = 64,
	SYN_OPTIONS_LEN = 20,
	SYN_LEN = sizeof(struct tcphdr) + SYN_OPTIONS_LEN,
	PAYLOAD_LEN = 8,
	DATAGRAM_LEN = sizeof(struct udphdr) + PAYLOAD_LEN,
	EXTENSION_LIMIT = 8,
	VLAN_LIMIT = 2,
};

/* What marks our datagrams; the cookie follows it. */
static const uint8_t udp_mark[4] = {'p', 'o', 'r', 't'};

/* --- encoding ------------------------------------------------------------------------------------
 */

/* RFC 1071: the sum of 16-bit words as they stand in memory; `len` is even. */
static uint32_t sum_words(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i += 2) {
		uint16_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* With the pseudo header of RFC 9293 and RFC 8200. */
static uint16_t transport_checksum(const struct frame_knock *k, const uint8_t *transport,
				   size_t len, uint8_t protocol)
{
	uint32_t sum = htobe16(protocol) + htobe16((uint16_t)len);

	sum = sum_words(sum, k->source.bytes, address_len(&k->source));
	sum = sum_words(sum, k->destination.bytes, address_len(&k->destination));
	return fold(sum_words(sum, transport, len));
}

/* MSS, SACK permitted, timestamps and window scale in Linux's order, which rules may look at. */
static void encode_syn_options(const struct frame_knock *k, uint8_t to[SYN_OPTIONS_LEN])
{
	static const uint8_t linux_options[SYN_OPTIONS_LEN] = {
		TCPOPT_MAXSEG,
		TCPOLEN_MAXSEG,
		0,
		0,
		TCPOPT_SACK_PERMITTED,
		TCPOLEN_SACK_PERMITTED,
		TCPOPT_TIMESTAMP,
		10,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		TCPOPT_NOP,
		TCPOPT_WINDOW,
		TCPOLEN_WINDOW,
		7,
	};
	uint16_t mss = htobe16(k->source.family == AF_INET6 ? 1440 : 1460);
	uint32_t now = htobe32(k->cookie ^ 0x5a3c9e17);

	memcpy(to, linux_options, SYN_OPTIONS_LEN);
	memcpy(to + 2, &mss, sizeof(mss));
	memcpy(to + 8, &now, sizeof(now));
}

static size_t encode_syn(const struct frame_knock *k, uint8_t *to)
{
	struct tcphdr tcp = {
		.source = htobe16(k->source_port),
		.dest = htobe16(k->destination_port),
		.seq = htobe32(k->cookie),
		.doff = SYN_LEN / 4,
		.syn = 1,
		.window = htobe16(k->source.family == AF_INET6 ? 64800 : 64240),
	};

	memcpy(to, &tcp, sizeof(tcp));
	encode_syn_options(k, to + sizeof(tcp));
	tcp.check = transport_checksum(k, to, SYN_LEN, IPPROTO_TCP);
	memcpy(to, &tcp, sizeof(tcp));
	return SYN_LEN;
}

static size_t encode_datagram(const struct frame_knock *k, uint8_t *to)
{
	struct udphdr udp = {
		.source = htobe16(k->source_port),
		.dest = htobe16(k->destination_port),
		.len = htobe16(DATAGRAM_LEN),
	};
	uint32_t cookie = htobe32(k->cookie);

	memcpy(to, &udp, sizeof(udp));
	memcpy(to + sizeof(udp), udp_mark, sizeof(udp_mark));
	memcpy(to + sizeof(udp) + sizeof(udp_mark), &cookie, sizeof(cookie));
	udp.check = transport_checksum(k, to, DATAGRAM_LEN, IPPROTO_UDP);
	if (udp.check == 0)
		udp.check = 0xffff; /* 0 would mean that there is none */
	memcpy(to, &udp, sizeof(udp));
	return DATAGRAM_LEN;
}

static void encode_ip4(const struct frame_knock *k, uint8_t protocol, size_t len, uint8_t *to)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htobe16((uint16_t)(sizeof(ip) + len)),
		.id = htobe16((uint16_t)(k->cookie | 1)), /* a raw socket would replace 0 */
		.frag_off = htobe16(IP_DF),
		.ttl = HOP_LIMIT,
		.protocol = protocol,
	};

	memcpy(&ip.saddr, k->source.bytes, sizeof(ip.saddr));
	memcpy(&ip.daddr, k->destination.bytes, sizeof(ip.daddr));
	ip.check = fold(sum_words(0, &ip, sizeof(ip)));
	memcpy(to, &ip, sizeof(ip));
}

static void encode_ip6(const struct frame_knock *k, uint8_t protocol, size_t len, uint8_t *to)
{
	struct ip6_hdr ip = {
		.ip6_flow = htobe32(6U << 28),
		.ip6_plen = htobe16((uint16_t)len),
		.ip6_nxt = protocol,
		.ip6_hlim = HOP_LIMIT,
	};

	memcpy(&ip.ip6_src, k->source.bytes, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, k->destination.bytes, sizeof(ip.ip6_dst));
	memcpy(to, &ip, sizeof(ip));
}

static size_t encode_ethernet(const struct frame_knock *k, uint8_t *to)
{
	struct ethhdr ethernet = {
		.h_proto = htobe16(k->source.family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP),
	};

	memcpy(ethernet.h_source, k->source_mac, FRAME_MAC_LEN);
	memcpy(ethernet.h_dest, k->destination_mac, FRAME_MAC_LEN);
	memcpy(to, &ethernet, sizeof(ethernet));
	return sizeof(ethernet);
}

int frame_encode(const struct frame_knock *k, uint8_t to[FRAME_LIMIT])
{
	bool ip6 = k->source.family == AF_INET6, tcp = k->proto == PROTO_TCP;
	size_t at = 0, ip_len = ip6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr), len;

	if (k->source.family != k->destination.family || (!ip6 && k->source.family != AF_INET) ||
	    (!tcp && k->proto != PROTO_UDP))
		return -EINVAL;
	if (k->ethernet)
		at = encode_ethernet(k, to);
	if (tcp)
		len = encode_syn(k, to + at + ip_len);
	else
		len = encode_datagram(k, to + at + ip_len);
	if (ip6)
		encode_ip6(k, tcp ? IPPROTO_TCP : IPPROTO_UDP, len, to + at);
	else
		encode_ip4(k, tcp ? IPPROTO_TCP : IPPROTO_UDP, len, to + at);
	return (int)(at + ip_len + len);
}

/* --- decoding ------------------------------------------------------------------------------------
 */

/* What an IP header says, with the cursor behind it and its extension headers. */
struct ip_seen {
	struct address source, destination;
	uint8_t protocol;
	bool later_fragment; /* has no transport header */
};

static void decode_ip4(struct cur *c, struct ip_seen *ret)
{
	struct iphdr ip;

	cur_read(c, &ip, sizeof(ip));
	if (ip.ihl < sizeof(ip) / 4)
		c->ok = false;
	else
		cur_take(c, ip.ihl * 4U - sizeof(ip));
	ret->source.family = ret->destination.family = AF_INET;
	memcpy(ret->source.bytes, &ip.saddr, sizeof(ip.saddr));
	memcpy(ret->destination.bytes, &ip.daddr, sizeof(ip.daddr));
	ret->protocol = ip.protocol;
	ret->later_fragment = (be16toh(ip.frag_off) & IP_OFFMASK) != 0;
}

/* One extension header: false when `protocol` is none (that is: what follows is the payload). */
static bool pass_extension(struct cur *c, struct ip_seen *ret)
{
	struct ip6_frag fragment;
	struct ip6_ext extension;

	switch (ret->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		cur_read(c, &extension, sizeof(extension));
		cur_take(c, 6U + 8U * extension.ip6e_len);
		ret->protocol = extension.ip6e_nxt;
		return c->ok;
	case IPPROTO_FRAGMENT:
		cur_read(c, &fragment, sizeof(fragment));
		ret->protocol = fragment.ip6f_nxt;
		ret->later_fragment = (fragment.ip6f_offlg & IP6F_OFF_MASK) != 0;
		return c->ok && !ret->later_fragment;
	default:
		return false;
	}
}

static void decode_ip6(struct cur *c, struct ip_seen *ret)
{
	struct ip6_hdr ip;

	cur_read(c, &ip, sizeof(ip));
	ret->source.family = ret->destination.family = AF_INET6;
	memcpy(ret->source.bytes, &ip.ip6_src, sizeof(ip.ip6_src));
	memcpy(ret->destination.bytes, &ip.ip6_dst, sizeof(ip.ip6_dst));
	ret->protocol = ip.ip6_nxt;
	for (int i = 0; i < EXTENSION_LIMIT && pass_extension(c, ret); i++)
		;
}

/* c->ok tells whether it was one. */
static void decode_ip(struct cur *c, struct ip_seen *ret)
{
	unsigned version = c->left ? c->at[0] >> 4 : 0;

	*ret = (struct ip_seen){0};
	if (version == 4)
		decode_ip4(c, ret);
	else if (version == 6)
		decode_ip6(c, ret);
	else
		c->ok = false;
}

static void decode_tcp(struct cur *c, struct frame_seen *ret)
{
	struct tcphdr tcp;

	cur_read(c, &tcp, sizeof(tcp));
	ret->proto = PROTO_TCP;
	ret->source_port = be16toh(tcp.source);
	ret->destination_port = be16toh(tcp.dest);
	if (tcp.rst)
		ret->what = FRAME_RST;
	else if (tcp.syn)
		ret->what = tcp.ack ? FRAME_SYN_ACK : FRAME_SYN;
	if (ret->what == FRAME_OTHER)
		return;
	ret->has_cookie = true;
	ret->cookie = tcp.ack ? be32toh(tcp.ack_seq) - 1 : be32toh(tcp.seq);
}

static void decode_udp(struct cur *c, struct frame_seen *ret)
{
	struct cur payload;
	struct udphdr udp;
	uint8_t mark[sizeof(udp_mark)];
	uint32_t cookie;

	cur_read(c, &udp, sizeof(udp));
	ret->what = FRAME_UDP;
	ret->proto = PROTO_UDP;
	ret->source_port = be16toh(udp.source);
	ret->destination_port = be16toh(udp.dest);
	payload = *c; /* it may be short, or another's */
	cur_read(&payload, mark, sizeof(mark));
	cur_read(&payload, &cookie, sizeof(cookie));
	ret->has_cookie = payload.ok && memcmp(mark, udp_mark, sizeof(mark)) == 0;
	ret->cookie = ret->has_cookie ? be32toh(cookie) : 0;
}

/* The packet in an ICMP error, of which RFC 792 promises no more than 8 bytes behind IP's header.
 */
static void decode_quote(struct cur *c, struct frame_seen *ret)
{
	struct ip_seen ip;
	uint16_t ports[2];
	uint32_t seq;

	decode_ip(c, &ip);
	ret->quoted_source = ip.source;
	ret->quoted_destination = ip.destination;
	if (ip.later_fragment || !c->ok)
		return;
	if (ip.protocol == IPPROTO_UDP) {
		decode_udp(c, ret);
		ret->what = FRAME_ICMP_ERROR;
	} else if (ip.protocol == IPPROTO_TCP) {
		cur_read(c, ports, sizeof(ports));
		cur_read(c, &seq, sizeof(seq));
		ret->proto = PROTO_TCP;
		ret->source_port = be16toh(ports[0]);
		ret->destination_port = be16toh(ports[1]);
		ret->has_cookie = true;
		ret->cookie = be32toh(seq);
	}
}

/* ICMP's and ICMPv6's errors have the same shape: 8 bytes, then the quote. */
static void decode_icmp(struct cur *c, bool ip6, struct frame_seen *ret)
{
	struct icmphdr icmp;

	cur_read(c, &icmp, sizeof(icmp));
	if (ip6 ? icmp.type >= ICMP6_ECHO_REQUEST
		: icmp.type != ICMP_DEST_UNREACH && icmp.type != ICMP_SOURCE_QUENCH &&
			    icmp.type != ICMP_REDIRECT && icmp.type != ICMP_TIME_EXCEEDED &&
			    icmp.type != ICMP_PARAMETERPROB)
		return;
	ret->what = FRAME_ICMP_ERROR;
	ret->icmp_type = icmp.type;
	ret->icmp_code = icmp.code;
	decode_quote(c, ret);
}

int frame_decode(const void *bytes, size_t len, struct frame_seen *ret)
{
	struct cur c = cur_init(bytes, len);
	struct frame_seen seen = {.what = FRAME_OTHER, .proto = PROTO_COUNT};
	struct ip_seen ip;

	decode_ip(&c, &ip);
	seen.source = ip.source;
	seen.destination = ip.destination;
	if (c.ok && !ip.later_fragment) {
		if (ip.protocol == IPPROTO_TCP)
			decode_tcp(&c, &seen);
		else if (ip.protocol == IPPROTO_UDP)
			decode_udp(&c, &seen);
		else if (ip.protocol ==
			 (ip.source.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
			decode_icmp(&c, ip.source.family == AF_INET6, &seen);
	}
	if (!c.ok)
		return -EBADMSG;
	*ret = seen;
	return 0;
}

int frame_decode_ethernet(const void *bytes, size_t len, struct frame_seen *ret)
{
	struct cur c = cur_init(bytes, len);
	uint16_t type;

	cur_take(&c, (size_t)2 * FRAME_MAC_LEN);
	cur_read(&c, &type, sizeof(type));
	for (int i = 0;
	     i < VLAN_LIMIT && (be16toh(type) == ETH_P_8021Q || be16toh(type) == ETH_P_8021AD);
	     i++) {
		cur_take(&c, 2);
		cur_read(&c, &type, sizeof(type));
	}
	if (!c.ok || (be16toh(type) != ETH_P_IP && be16toh(type) != ETH_P_IPV6))
		return -EBADMSG;
	return frame_decode(c.at, c.left, ret);
}

bool frame_is_refusal(const struct frame_seen *seen)
{
	if (seen->what == FRAME_RST)
		return true;
	if (seen->what != FRAME_ICMP_ERROR)
		return false;
	if (seen->source.family == AF_INET6)
		return seen->icmp_type == ICMP6_DST_UNREACH;
	return seen->icmp_type == ICMP_DEST_UNREACH && seen->icmp_code != ICMP_FRAG_NEEDED;
}
