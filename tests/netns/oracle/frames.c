/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frames: the packets that a scan sends, byte by byte. */
#include "oracle.h"

#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

static uint32_t sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *b = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		start += (uint32_t)(b[i] << 8 | b[i + 1]);
	if (len & 1)
		start += (uint32_t)b[len - 1] << 8;
	return start;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

size_t address_len(int family)
{
	return family == AF_INET ? 4 : 16;
}

uint16_t checksum(const struct address *from, const struct address *to, uint8_t protocol,
		  const void *data, size_t len)
{
	uint32_t s = (uint32_t)len + protocol;

	s = sum(from->bytes, address_len(from->family), s);
	s = sum(to->bytes, address_len(to->family), s);
	return fold(sum(data, len, s));
}

size_t put_heads(const struct scan *s, uint8_t *out, uint8_t protocol, size_t payload,
		 const struct address *to, const uint8_t *to_mac, uint8_t hops)
{
	struct ether_header *ether = (void *)out;
	bool v4 = to->family == AF_INET;

	memcpy(ether->ether_dhost, to_mac, 6);
	memcpy(ether->ether_shost, s->own_mac, 6);
	ether->ether_type = htons(v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	if (v4) {
		struct iphdr ip = {.version = 4,
				   .ihl = 5,
				   .tot_len = htons((uint16_t)(20 + payload)),
				   .frag_off = htons(IP_DF),
				   .ttl = hops,
				   .protocol = protocol};

		memcpy(&ip.saddr, s->from.bytes, 4);
		memcpy(&ip.daddr, to->bytes, 4);
		ip.check = fold(sum(&ip, sizeof(ip), 0));
		memcpy(out + sizeof(*ether), &ip, sizeof(ip));
		return sizeof(*ether) + sizeof(ip);
	}
	struct ip6_hdr ip6 = {.ip6_flow = htonl(6u << 28),
			      .ip6_plen = htons((uint16_t)payload),
			      .ip6_nxt = protocol,
			      .ip6_hlim = hops};

	memcpy(&ip6.ip6_src, s->from.bytes, 16);
	memcpy(&ip6.ip6_dst, to->bytes, 16);
	memcpy(out + sizeof(*ether), &ip6, sizeof(ip6));
	return sizeof(*ether) + sizeof(ip6);
}

uint32_t cookie_of(const struct scan *s, uint16_t port)
{
	return (s->cookie & 0x7fff0000) | port;
}

uint16_t sport_of(const struct scan *s, uint16_t port)
{
	if (s->raw >= 0 && (port == s->sport || port == s->sport - 1))
		return port - 1;
	return s->sport;
}

size_t put_tcp(const struct scan *s, uint8_t *out, uint16_t port, bool rst)
{
	/* as Linux sends it: MSS, SACK permitted, timestamps, window scale */
	static const uint8_t options[20] = {2,	  4,	5, 0xb4, 4, 2, 8, 10, 0, 1,
					    0x86, 0xa0, 0, 0,	 0, 0, 1, 3,  3, 7};
	size_t options_len = rst ? 0 : sizeof(options);
	struct tcphdr tcp = {.source = htons(sport_of(s, port)),
			     .dest = htons(port),
			     .seq = htonl(cookie_of(s, port) + (rst ? 1 : 0)),
			     .doff = rst ? 5 : 10,
			     .syn = !rst,
			     .rst = rst,
			     .window = rst ? 0 : htons(64240)};
	size_t len = sizeof(tcp) + options_len;
	size_t at = put_heads(s, out, IPPROTO_TCP, len, &s->to, s->to_mac, 64);

	memcpy(out + at, &tcp, sizeof(tcp));
	memcpy(out + at + sizeof(tcp), options, options_len);
	tcp.check = checksum(&s->from, &s->to, IPPROTO_TCP, out + at, len);
	memcpy(out + at, &tcp, sizeof(tcp));
	return at + len;
}

size_t put_udp(const struct scan *s, uint8_t *out, uint16_t port)
{
	uint32_t data[4] = {htonl(cookie_of(s, port))};
	struct udphdr udp = {.source = htons(sport_of(s, port)),
			     .dest = htons(port),
			     .len = htons(sizeof(udp) + sizeof(data))};
	size_t len = sizeof(udp) + sizeof(data);
	size_t at = put_heads(s, out, IPPROTO_UDP, len, &s->to, s->to_mac, 64);

	memcpy(out + at, &udp, sizeof(udp));
	memcpy(out + at + sizeof(udp), data, sizeof(data));
	udp.check = checksum(&s->from, &s->to, IPPROTO_UDP, out + at, len);
	if (!udp.check)
		udp.check = 0xffff;
	memcpy(out + at, &udp, sizeof(udp));
	return at + len;
}
