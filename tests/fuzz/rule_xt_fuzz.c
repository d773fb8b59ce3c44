/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_xt_fuzz: any bytes as the entries of a table of iptables-legacy, and as the ipsets that its
 * `set` matches look into. The first byte says which family; the next two how long the entries are
 * (little-endian); ipsets follow, as messages whose sequence number is the index.
 */
#include "observe/rule_constants.h"

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = 20, SETS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t load(struct ipset_message *items, const uint8_t *data, size_t size)
{
	size_t count = 0;

	for (size_t at = 0; at + HEAD <= size && count < SETS;) {
		struct nlmsghdr head;

		memcpy(&head, data + at, sizeof(head));
		if (head.nlmsg_len < HEAD || head.nlmsg_len > size - at)
			break;
		items[count++] = (struct ipset_message){(uint16_t)head.nlmsg_seq, data + at + HEAD,
							head.nlmsg_len - HEAD};
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_constants constants = {0};
	struct ipset_message items[SETS];
	struct ipset_messages ipsets = {items, 0};
	uint8_t value[RULE_VALUE_SIZE] = {10, 1, 2, 3};
	uint64_t signature;
	size_t len;

	if (size < 3)
		return 0;
	len = data[1] | (size_t)data[2] << 8;
	if (len > size - 3)
		len = size - 3;
	ipsets.count = load(items, data + 3 + len, size - 3 - len);
	if (rule_constants_add_legacy(&constants, data[0] & 1 ? AF_INET6 : AF_INET, data + 3, len,
				      &ipsets, NULL) < 0)
		abort();
	for (int i = 0; i < RULE_FIELD_COUNT; i++)
		if (rule_constants_signature(&constants, (enum rule_field)i, value, &signature) < 0)
			abort();
	rule_constants_done(&constants);
	return 0;
}
