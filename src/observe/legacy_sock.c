/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct ip6t_getinfo, ip6t_get_entries and ip6t_replace have the layout of IPv4's, and their
 * numbers are the same; the asserts hold it.
 */
#include "observe/legacy_sock.h"

#include <errno.h>
#include <linux/netfilter_arp/arp_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct ip6t_getinfo) == sizeof(struct ipt_getinfo), "one layout");
_Static_assert(sizeof(struct ip6t_get_entries) == sizeof(struct ipt_get_entries), "one layout");
_Static_assert(sizeof(struct ip6t_replace) == sizeof(struct ipt_replace), "one layout");
_Static_assert(IP6T_SO_SET_REPLACE == (int)IPT_SO_SET_REPLACE, "one number");
_Static_assert(IP6T_SO_GET_INFO == (int)IPT_SO_GET_INFO, "one number");
_Static_assert(IP6T_SO_GET_ENTRIES == (int)IPT_SO_GET_ENTRIES, "one number");

enum { ATTEMPTS = 8 };

static int level_of(uint8_t family)
{
	return family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
}

static int get_info(int fd, uint8_t family, const char *name, struct ipt_getinfo *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return getsockopt(fd, level_of(family), IPT_SO_GET_INFO, ret, &len) < 0 ? -errno : 0;
}

/* -EAGAIN: its size is not what `info` says any more. The entries go to the end of `bytes`. */
static int get_entries(int fd, uint8_t family, const struct ipt_getinfo *info, struct buf *bytes)
{
	socklen_t len = (socklen_t)(sizeof(struct ipt_get_entries) + info->size);
	struct ipt_get_entries *request = calloc(1, len);
	int r = 0;

	if (!request)
		return -ENOMEM;
	memcpy(request->name, info->name, sizeof(request->name));
	request->size = info->size;
	if (getsockopt(fd, level_of(family), IPT_SO_GET_ENTRIES, request, &len) < 0)
		r = -errno;
	else
		buf_add(bytes, request->entrytable, info->size);
	free(request);
	return r ? r : bytes->failed ? -ENOMEM : 0;
}

static void fill_table(struct legacy_table *t, uint8_t family, const struct ipt_getinfo *info)
{
	*t = (struct legacy_table){.family = family,
				   .valid_hooks = info->valid_hooks,
				   .num_entries = info->num_entries,
				   .size = info->size};
	snprintf(t->name, sizeof(t->name), "%s", info->name);
	memcpy(t->hook_entry, info->hook_entry, sizeof(t->hook_entry));
	memcpy(t->underflow, info->underflow, sizeof(t->underflow));
}

int legacy_sock_read(int fd, uint8_t family, const char *name, struct buf *bytes,
		     struct legacy_table *ret)
{
	struct ipt_getinfo info;
	size_t offset = bytes->len;
	int r = -EAGAIN;

	for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++) {
		r = get_info(fd, family, name, &info);
		if (r == 0 && info.size > LEGACY_SIZE_LIMIT)
			r = -EFBIG;
		if (r == 0)
			r = get_entries(fd, family, &info, bytes);
	}
	if (r < 0)
		return r;
	fill_table(ret, family, &info);
	ret->offset = offset;
	return 0;
}

/*
 * The kernel gives the counters of the old table back into an array that must have as many places
 * as that table has entries.
 */
static int replace_once(int fd, const struct legacy_table *t, struct ipt_replace *request,
			socklen_t len)
{
	struct ipt_getinfo old;
	int r = get_info(fd, t->family, t->name, &old);

	if (r < 0)
		return r;
	if (old.num_entries > LEGACY_SIZE_LIMIT / sizeof(struct ipt_entry))
		return -EFBIG;
	request->num_counters = old.num_entries;
	request->counters = calloc(old.num_entries, sizeof(*request->counters));
	if (!request->counters)
		return -ENOMEM;
	if (setsockopt(fd, level_of(t->family), IPT_SO_SET_REPLACE, request, len) < 0)
		r = -errno;
	free(request->counters);
	request->counters = NULL;
	return r;
}

int legacy_sock_replace(int fd, const struct legacy_table *t, const struct legacy_blob *blob)
{
	socklen_t len = (socklen_t)(sizeof(struct ipt_replace) + blob->bytes.len);
	struct ipt_replace *request = calloc(1, len);
	int r = -EAGAIN;

	if (!request)
		return -ENOMEM;
	snprintf(request->name, sizeof(request->name), "%s", t->name);
	request->valid_hooks = t->valid_hooks;
	request->num_entries = blob->num_entries;
	request->size = (uint32_t)blob->bytes.len;
	memcpy(request->hook_entry, blob->hook_entry, sizeof(request->hook_entry));
	memcpy(request->underflow, blob->underflow, sizeof(request->underflow));
	memcpy(request->entries, blob->bytes.data, blob->bytes.len);
	for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
		r = replace_once(fd, t, request, len);
	free(request);
	return r;
}

uint32_t legacy_sock_count_arp(int fd, const char *name)
{
	struct arpt_getinfo info = {0};
	socklen_t len = sizeof(info);
	uint32_t own;

	snprintf(info.name, sizeof(info.name), "%s", name);
	if (getsockopt(fd, IPPROTO_IP, ARPT_SO_GET_INFO, &info, &len) < 0)
		return 0;
	/* a policy for each hook, and the end */
	own = (uint32_t)__builtin_popcount(info.valid_hooks) + 1;
	return info.num_entries > own ? info.num_entries - own : 0;
}
