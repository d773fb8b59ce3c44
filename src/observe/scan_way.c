/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/scan_way.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rt_image.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { IF_INET6_LIMIT = 4 << 20, DISCARD_PORT = 9, ADDRESS_DIGITS = 32, LINK_SCOPE = 0x20 };

enum { VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY };

static bool take_address(struct cur value, uint8_t family, struct address *ret)
{
	struct address a = {.family = family};

	if (value.left != address_len(&a))
		return false;
	cur_read(&value, a.bytes, value.left);
	*ret = a;
	return true;
}

/* RTA_VIA: a gateway of the other family. */
static bool take_via(struct cur value, struct address *ret)
{
	uint16_t family;

	cur_read(&value, &family, sizeof(family));
	return value.ok && (family == AF_INET || family == AF_INET6) &&
	       take_address(value, (uint8_t)family, ret);
}

int scan_way_decode_route(const void *payload, size_t len, struct scan_way *ret, uint32_t *ifindex)
{
	struct cur c = cur_init(payload, len), value;
	struct scan_way w = {0};
	uint32_t index = 0;
	struct rtmsg head;
	uint16_t type;
	bool good = true;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok || (head.rtm_family != AF_INET && head.rtm_family != AF_INET6))
		return -EBADMSG;
	while (nla_next(&c, &type, &value)) {
		if (type == RTA_PREFSRC)
			good &= take_address(value, head.rtm_family, &w.source);
		else if (type == RTA_GATEWAY)
			good &= take_address(value, head.rtm_family, &w.hop);
		else if (type == RTA_VIA)
			good &= take_via(value, &w.hop);
		else if (type == RTA_OIF)
			cur_read(&value, &index, sizeof(index));
		good &= value.ok;
	}
	if (!c.ok || !good)
		return -EBADMSG;
	if (head.rtm_type != RTN_LOCAL && head.rtm_type != RTN_UNICAST)
		return head.rtm_type == RTN_BROADCAST || head.rtm_type == RTN_MULTICAST ||
				       head.rtm_type == RTN_ANYCAST
			       ? -EDESTADDRREQ
			       : -ENETUNREACH;
	w.way.own = head.rtm_type == RTN_LOCAL;
	*ret = w;
	*ifindex = index;
	return 0;
}

int scan_way_decode_neighbour(const void *payload, size_t len, uint16_t *state,
			      struct sockaddr_ll *ret)
{
	struct cur c = cur_init(payload, len), address;
	struct sockaddr_ll link = *ret;
	struct ndmsg head;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok)
		return -EBADMSG;
	if (nla_find(c, NDA_LLADDR, &address)) {
		if (address.left > sizeof(link.sll_addr))
			return -EBADMSG;
		link.sll_halen = (unsigned char)address.left;
		cur_read(&address, link.sll_addr, address.left);
	}
	*state = head.ndm_state;
	*ret = link;
	return 0;
}

/* --- asking the kernel -------------------------------------------------------------------------
 */

struct answer {
	uint16_t type;
	int error; /* of decoding */
	struct scan_way way;
	uint32_t ifindex;
	struct rt_link link;
	uint16_t state;
	struct sockaddr_ll neighbour;
};

static int take_answer(uint16_t type, const void *payload, size_t len, void *context)
{
	struct answer *a = context;

	a->type = type;
	if (type == RTM_NEWROUTE)
		a->error = scan_way_decode_route(payload, len, &a->way, &a->ifindex);
	else if (type == RTM_NEWLINK)
		a->error = rt_decode_link(payload, len, &a->link);
	else if (type == RTM_NEWNEIGH)
		a->error = scan_way_decode_neighbour(payload, len, &a->state, &a->neighbour);
	return 0;
}

/* 0 when an answer of that type came and could be read. */
static int ask(struct nl *route, struct buf *request, uint16_t type, struct answer *ret,
	       struct err *e)
{
	struct nl_dump_ops ops = {.message = take_answer, .context = ret};
	int r;

	if (request->failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = nl_get(route, (void *)request->data, &ops, e);
	if (r < 0)
		return r;
	if (ret->type != type || ret->error == -EBADMSG)
		return err_set(e, -EBADMSG, _("the kernel's answer could not be read: %s"),
			       strerror(EBADMSG));
	return ret->error;
}

static int ask_route(struct nl *route, const struct address *to, struct answer *ret, struct err *e)
{
	struct rtmsg head = {.rtm_family = to->family,
			     .rtm_dst_len = (unsigned char)(address_len(to) * 8)};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_GETROUTE, 0, &head, sizeof(head));

	nla_put(&b, RTA_DST, to->bytes, address_len(to));
	nla_end_message(&b, at);
	return ask(route, &b, RTM_NEWROUTE, ret, e);
}

static int ask_link(struct nl *route, uint32_t ifindex, struct answer *ret, struct err *e)
{
	struct ifinfomsg head = {.ifi_index = (int)ifindex};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_GETLINK, 0, &head, sizeof(head));

	nla_end_message(&b, at);
	return ask(route, &b, RTM_NEWLINK, ret, e);
}

/* What a raw socket wants: the address alone. */
static void set_own(struct scan_way *w, const struct address *to)
{
	w->way.own = w->near = w->carrier = true;
	if (to->family == AF_INET) {
		w->way.to.ip4 = (struct sockaddr_in){.sin_family = AF_INET};
		memcpy(&w->way.to.ip4.sin_addr, to->bytes, 4);
	} else {
		w->way.to.ip6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
		memcpy(&w->way.to.ip6.sin6_addr, to->bytes, 16);
	}
}

static void set_link(struct scan_way *w, const struct rt_link *link, uint8_t family)
{
	bool has_gateway = w->hop.family != 0;

	w->way.to.link = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = (int)link->ifindex};
	w->carrier = link->flags & IFF_LOWER_UP;
	w->near = !has_gateway && strcmp(link->kind, "veth") == 0;
	w->pending = link->type == ARPHRD_ETHER && !(link->flags & IFF_POINTOPOINT);
}

int scan_way_find(struct nl *route, const struct address *to, struct scan_way *ret, struct err *e)
{
	struct answer answer = {0};
	char text[ADDRESS_TEXT_SIZE];
	int r = ask_route(route, to, &answer, e);

	address_format(to, text);
	if (r == -EDESTADDRREQ || address_is_multicast(to))
		return err_set(e, -EDESTADDRREQ,
			       _("%s is a broadcast or multicast address, not one host"), text);
	if (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES)
		return err_set(e, -ENETUNREACH, _("there is no way to %s"), text);
	if (r < 0)
		return r;
	*ret = answer.way;
	if (ret->way.own) {
		set_own(ret, to);
		return 0;
	}
	r = ask_link(route, answer.ifindex, &answer, e);
	if (r < 0)
		return r;
	set_link(ret, &answer.link, to->family);
	if (!ret->hop.family)
		ret->hop = *to;
	return 0;
}

/* --- neighbours --------------------------------------------------------------------------------
 */

static void put_neighbour(struct buf *b, uint16_t type, uint16_t flags, uint8_t neighbour_flags,
			  const struct scan_way *w)
{
	struct ndmsg head = {.ndm_family = w->hop.family,
			     .ndm_ifindex = w->way.to.link.sll_ifindex,
			     .ndm_flags = neighbour_flags};
	size_t at = nla_begin_message(b, type, flags, &head, sizeof(head));

	nla_put(b, NDA_DST, w->hop.bytes, address_len(&w->hop));
	nla_end_message(b, at);
}

/* proc(5), if_inet6: address, index, prefix and scope in hexadecimal; 20 is the link's. */
static bool has_link_local(int ifindex)
{
	struct buf cleanup_call(buf_done) text = {0};
	size_t at = 0, len;
	const char *line;

	if (file_read_at(AT_FDCWD, "/proc/thread-self/net/if_inet6", IF_INET6_LIMIT, &text) < 0)
		return true;
	while (file_next_line(buf_text(&text), text.len, &at, &line, &len)) {
		char *end = (char *)(uintptr_t)line + (len < ADDRESS_DIGITS ? len : ADDRESS_DIGITS);
		unsigned long index = strtoul(end, &end, 16), bits = strtoul(end, &end, 16),
			      scope = strtoul(end, &end, 16);

		if (bits && scope == LINK_SCOPE && index == (unsigned long)ifindex)
			return true;
	}
	return false;
}

/* An empty datagram to the port discard, which makes the kernel ask for the way by itself. */
static void send_nothing(const struct address *to)
{
	struct sockaddr_in6 discard = {.sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT)};
	int cleanup_close fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&discard.sin6_addr, to->bytes, sizeof(discard.sin6_addr));
	if (fd >= 0)
		(void)!sendto(fd, "", 0, MSG_DONTWAIT, (struct sockaddr *)&discard,
			      sizeof(discard));
}

/*
 * NTF_USE: as if there were a packet for it (Linux 2.6.28). For IPv6 the kernel then asks from the
 * interface's link-local address; the few that have none need a real packet.
 */
void scan_way_ask(struct nl *route, const struct scan_way *w, const struct address *to)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct err ignored;

	if (w->hop.family == AF_INET6 && !has_link_local(w->way.to.link.sll_ifindex)) {
		send_nothing(to);
		return;
	}
	put_neighbour(&b, RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE, w);
	nl_request(route, &b, "neighbour", &ignored);
}

int scan_way_is_absent(struct nl *route, const struct address *to)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct answer answer = {0};
	struct scan_way way = {0};
	struct err ignored;

	if (scan_way_find(route, to, &way, &ignored) < 0 || !way.pending)
		return 0;
	put_neighbour(&b, RTM_GETNEIGH, 0, 0, &way);
	if (ask(route, &b, RTM_NEWNEIGH, &answer, &ignored) < 0)
		return 0;
	if (answer.state & NUD_FAILED)
		return 1;
	return answer.state & VALID ? 0 : -EAGAIN;
}

/* RTM_GETNEIGH for one: Linux 5.0. */
int scan_way_resolve(struct nl *route, struct scan_way *w)
{
	struct answer answer = {.neighbour = w->way.to.link};
	struct buf cleanup_call(buf_done) b = {0};
	struct err ignored;

	if (!w->pending)
		return 0;
	put_neighbour(&b, RTM_GETNEIGH, 0, 0, w);
	if (ask(route, &b, RTM_NEWNEIGH, &answer, &ignored) < 0)
		return -EHOSTUNREACH; /* it was there, and was given up */
	if (answer.state & NUD_FAILED)
		return -EHOSTUNREACH;
	if (!(answer.state & VALID))
		return 1;
	w->way.to.link = answer.neighbour;
	w->pending = false;
	return 0;
}
