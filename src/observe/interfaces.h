/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interfaces: the interfaces and addresses of the network namespace that the thread is in, by
 * rtnetlink(7). What a bound address means ("which network") is decided from these.
 */
#pragma once

#include "model/snapshot.h"

/*
 * Appends to s->interfaces and s->addresses with the given namespace index. `own` is a descriptor
 * of portero's own namespace, for telling which interfaces lead there; -1: none can be told. 0 or a
 * negative errno.
 */
int interfaces_read(struct snapshot *s, uint32_t netns, int own, struct err *e);

/* One RTM_NEWADDR or RTM_NEWLINK payload each; -EBADMSG when malformed. For tests and the fuzzer.
 */
int interfaces_decode_address(const void *payload, size_t len, struct interface_address *ret);
int interfaces_decode_link(const void *payload, size_t len, struct interface_info *ret,
			   char name[16]);
