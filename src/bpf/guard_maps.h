/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_maps: the maps of the guard, which user space pins by their names.
 */
#pragma once

#include "bpf/guard_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define GUARD_MAP(name_, type_, key_, value_, entries_)                                            \
	struct {                                                                                   \
		__uint(type, type_);                                                               \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
		__uint(max_entries, entries_);                                                     \
	} name_ SEC(".maps")

#define GUARD_HASH(name_, key_, value_, entries_)                                                  \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
		__uint(max_entries, entries_);                                                     \
	} name_ SEC(".maps")

GUARD_MAP(guard_active, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1);
GUARD_MAP(guard_config, BPF_MAP_TYPE_ARRAY, __u32, struct guard_config, 2);
GUARD_MAP(guard_ports, BPF_MAP_TYPE_ARRAY, __u32, struct guard_port, 2 * 65536);
GUARD_MAP(guard_rules, BPF_MAP_TYPE_ARRAY, __u32, struct guard_rule, 2 * GUARD_RULE_LIMIT);
GUARD_HASH(guard_programs, struct guard_file, struct guard_program, GUARD_PROGRAM_LIMIT);
GUARD_HASH(guard_containers, __u64, __u64, GUARD_CONTAINER_LIMIT);
GUARD_MAP(guard_cgroups, BPF_MAP_TYPE_LRU_HASH, __u64, struct guard_cgroup, GUARD_CGROUP_CACHE);
GUARD_HASH(guard_seeds, __u64, struct guard_socket, GUARD_SEED_LIMIT);
GUARD_HASH(guard_listens, __u64, struct guard_socket, GUARD_LISTEN_LIMIT);
GUARD_HASH(guard_learned, __u32, struct guard_learned, GUARD_PROGRAM_LIMIT);
GUARD_MAP(guard_counts, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, GUARD_COUNT_COUNT);

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct guard_socket);
} guard_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GUARD_RING_BYTES);
} guard_ring SEC(".maps");
