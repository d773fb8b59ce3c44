/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_event: what is told to user space, through the ring.
 */
#pragma once

#include "bpf/guard_judge.h"

static __u64 last_event_ns;

/*
 * To wake the reader costs more than the event. It is woken for one that comes alone, and when much
 * has come together; in between it looks by itself, every millisecond.
 */
static __always_inline __u64 wake_flags(__u64 now)
{
	__u64 last = last_event_ns;

	last_event_ns = now;
	if (now - last > 200000 ||
	    bpf_ringbuf_query(&guard_ring, BPF_RB_AVAIL_DATA) > GUARD_RING_BYTES / 8)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* Reserves one, zeroed but for what all have; NULL, and counted, when the ring is full. */
static __always_inline struct guard_event *event_begin(__u8 kind, __u8 reason,
						       const struct guard_config *c)
{
	struct guard_event *e;

	if (c->mode == GUARD_ABI_LEARN)
		return NULL;
	e = bpf_ringbuf_reserve(&guard_ring, sizeof(*e), 0);
	if (!e) {
		count(GUARD_COUNT_EVENTS_LOST);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_boot_ns();
	e->kind = kind;
	e->reason = reason;
	e->count = 1;
	e->enforced = c->mode == GUARD_ABI_ENFORCE;
	return e;
}

/* What portero itself does elsewhere is no news. */
static __always_inline int is_own(const struct guard_config *c, const struct guard_identity *who,
				  __u32 netns)
{
	return netns != c->netns && who->exe_inode == c->self_inode &&
	       who->exe_device == c->self_device;
}

static __always_inline void event_end(struct guard_event *e, const struct guard_config *c)
{
	if (is_own(c, &e->who, e->netns))
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(e, wake_flags(e->time_ns));
}
