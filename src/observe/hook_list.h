/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_list: what hooks into a network namespace, in the order in which it runs, as the kernel
 * tells it (nfnetlink_hook: Linux 5.14 with CONFIG_NETFILTER_NETLINK_HOOK; chains of type nat only
 * since 6.17). Changes nothing but that the kernel may load that module.
 */
#pragma once

#include "base/nl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HOOK_LEGACY = UINT32_MAX,  /* a table of iptables-legacy */
	HOOK_NAT = UINT32_MAX - 1, /* the kernel's NAT, which calls chains of type nat */
	HOOK_OTHER = UINT32_MAX - 2,
};

/* One hook, as it was told: a chain of nf_tables by its key, or one of HOOK_... */
struct hook_told {
	uint64_t chain_key; /* nft_image_item_key() of it; 0: none */
	uint32_t what;
	int32_t priority;
};

struct hook_list {
	struct nl *host; /* NETLINK_NETFILTER */
	struct hook_told *items;
	size_t count, cap;
	bool asked, known;    /* the items are those of family and hook */
	uint8_t family, hook; /* NFPROTO_..., NF_INET_... */
};

/* Fills the list with the hooks of that place, unless it has them. False: the kernel does not tell.
 */
bool hook_list_ask(struct hook_list *l, uint8_t family, uint8_t hook);
/* Where in the list a chain (key) is, or a HOOK_... of that priority (key 0); -1: not there. */
ptrdiff_t hook_list_find(const struct hook_list *l, uint64_t chain_key, uint32_t what,
			 int32_t priority);
void hook_list_done(struct hook_list *l);
/* One message of the kernel's. 0; -EBADMSG: none of these; -ENOMEM. */
int hook_list_add(struct hook_list *l, uint16_t type, const void *payload, size_t len);
