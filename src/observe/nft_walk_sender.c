/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk_sender: fields of headers that are any sender's own, whatever its address and ports. At
 * one place in the header of IP stand other fields in IPv4 than in IPv6, so it matters which of
 * them a rule is about: nft says so in front, by a comparison, where the table does not.
 */
#include "base/mem.h"
#include "observe/nft_walk_inner.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <string.h>

/* Offsets in headers, in bytes. */
enum {
	SOURCE_MAC = 6,
	SOURCE_MAC_END = 12,
	ETHER_TYPE = 12,
	VLAN_TYPE = 16,
	TTL = 8,
	HOP_LIMIT = 7,
	UDP_LENGTH = 4,
	UDP_PAYLOAD = 8,
	TCP_FLAGS = 12, /* with the length of the header */
	TCP_PAYLOAD = 20,
};

/* --- the version of IP ---------------------------------------------------------------------------
 */

/* Does it load what tells IPv4 from IPv6? Then its register, and how many bytes of it: else 0. */
static uint32_t version_register(const struct nft_expr *expr, size_t *ret_len)
{
	uint64_t key = nft_attr_number(expr->data, NFTA_META_KEY), offset;

	if (strcmp(expr->name, "meta") == 0) {
		*ret_len = key == NFT_META_NFPROTO ? 1 : 2;
		return key == NFT_META_NFPROTO || key == NFT_META_PROTOCOL
			       ? (uint32_t)nft_attr_number(expr->data, NFTA_META_DREG)
			       : 0;
	}
	offset = nft_attr_number(expr->data, NFTA_PAYLOAD_OFFSET);
	if (strcmp(expr->name, "payload") != 0 || (offset != ETHER_TYPE && offset != VLAN_TYPE) ||
	    nft_attr_number(expr->data, NFTA_PAYLOAD_BASE) != NFT_PAYLOAD_LL_HEADER ||
	    nft_attr_number(expr->data, NFTA_PAYLOAD_LEN) != 2)
		return 0;
	*ret_len = 2;
	return (uint32_t)nft_attr_number(expr->data, NFTA_PAYLOAD_DREG);
}

static uint8_t version_of(struct cur value)
{
	if (value.left == 1)
		return value.at[0];
	switch (value.at[0] << 8 | value.at[1]) {
	case ETH_P_IP:
		return NFPROTO_IPV4;
	case ETH_P_IPV6:
		return NFPROTO_IPV6;
	case ETH_P_ARP:
		return NFPROTO_ARP;
	default:
		return NFPROTO_UNSPEC;
	}
}

void nft_walk_note_version(struct nft_walk *k, size_t at)
{
	const struct nft_expr *compare = &k->exprs[at];
	struct cur data, value;
	uint32_t loaded;
	size_t len;

	if (at == 0 || strcmp(compare->name, "cmp") != 0 ||
	    nft_attr_number(compare->data, NFTA_CMP_OP) != NFT_CMP_EQ ||
	    !nla_find(compare->data, NFTA_CMP_DATA, &data) ||
	    !nla_find(data, NFTA_DATA_VALUE, &value))
		return;
	loaded = version_register(&k->exprs[at - 1], &len);
	if (loaded && loaded == nft_attr_number(compare->data, NFTA_CMP_SREG) &&
	    value.left == len && version_of(value) != NFPROTO_UNSPEC)
		k->version = version_of(value);
}

/* --- fields --------------------------------------------------------------------------------------
 */

/* Is the byte at `field` among `len` from `offset`? */
static bool covers(uint64_t offset, uint64_t len, uint64_t field)
{
	return offset <= field && field - offset < len;
}

static const char *of_network_header(const struct nft_walk *k, uint64_t offset, uint64_t len)
{
	if (k->version == NFPROTO_ARP)
		return NULL;
	if (covers(offset, len, TTL) && k->version != NFPROTO_IPV6)
		return "ip ttl";
	if (covers(offset, len, HOP_LIMIT) && k->version != NFPROTO_IPV4)
		return "ip6 hoplimit";
	return NULL;
}

static const char *of_transport_header(uint64_t offset, uint64_t len)
{
	if (offset == UDP_LENGTH && len == 2)
		return "udp length";
	return (offset >= UDP_PAYLOAD && offset + len <= TCP_FLAGS) || offset >= TCP_PAYLOAD
		       ? "payload"
		       : NULL;
}

const char *nft_walk_senders_own(const struct nft_walk *k, const struct nft_expr *expr)
{
	uint64_t offset, len;

	if (strcmp(expr->name, "payload") != 0 || nft_walk_has(expr, NFTA_PAYLOAD_SREG))
		return NULL;
	offset = nft_attr_number(expr->data, NFTA_PAYLOAD_OFFSET);
	len = nft_attr_number(expr->data, NFTA_PAYLOAD_LEN);
	switch (nft_attr_number(expr->data, NFTA_PAYLOAD_BASE)) {
	case NFT_PAYLOAD_LL_HEADER:
		return offset < SOURCE_MAC_END && offset + len > SOURCE_MAC ? "ether saddr" : NULL;
	case NFT_PAYLOAD_NETWORK_HEADER:
		return of_network_header(k, offset, len);
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		return of_transport_header(offset, len);
	default:
		return "payload"; /* "ih", behind the header */
	}
}
