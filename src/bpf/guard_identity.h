/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_identity: who a process is: its program's file, its unit, container and user. Every field
 * is read by bpf_probe_read_kernel(), which Linux 5.10 lets programs of cgroups do; the strings of
 * names never leave the kernel as anything but hashes.
 */
#pragma once

#include "bpf/guard_maps.h"
#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PF_KTHREAD 0x00200000

static __always_inline __u64 inode_ctime_ns(struct inode *inode)
{
	struct inode___hidden *hidden = (void *)inode;
	struct inode___open *open = (void *)inode;

	/* bit 31 of the nanoseconds says that somebody looked (multigrain timestamps, 6.13) */
	if (bpf_core_field_exists(inode->i_ctime_sec))
		return (__u64)BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ull +
		       (BPF_CORE_READ(inode, i_ctime_nsec) & 0x7fffffff);
	if (bpf_core_field_exists(hidden->__i_ctime))
		return (__u64)BPF_CORE_READ(hidden, __i_ctime.tv_sec) * 1000000000ull +
		       (BPF_CORE_READ(hidden, __i_ctime.tv_nsec) & 0x7fffffff);
	return (__u64)BPF_CORE_READ(open, i_ctime.tv_sec) * 1000000000ull +
	       BPF_CORE_READ(open, i_ctime.tv_nsec);
}

static __always_inline struct kernfs_node *node_above(struct kernfs_node *node)
{
	struct kernfs_node___open *open = (void *)node;

	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ(open, parent);
}

static __always_inline int is_slice(const char *name, long len)
{
	char t[6] = {};

	if (len < 8 || bpf_probe_read_kernel(t, sizeof(t), name + len - 7) < 0)
		return 0;
	return t[0] == '.' && t[1] == 's' && t[2] == 'l' && t[3] == 'i' && t[4] == 'c' &&
	       t[5] == 'e';
}

union guard_name {
	char text[GUARD_NAME_SIZE];
	__u64 words[GUARD_NAME_SIZE / 8];
};

/* 0 for a name that is too long, or could not be read. */
static __always_inline __u64 hash_name(union guard_name *name, const char *from)
{
	__builtin_memset(name, 0, sizeof(*name));
	if (bpf_probe_read_kernel_str(name->text, sizeof(name->text), from) >= GUARD_NAME_SIZE)
		return 0;
	return guard_hash(name->words);
}

/* Is it the service manager of a user? Below it, the user names cgroups. */
static __always_inline int is_user_manager(const char *from)
{
	char t[5] = {};

	bpf_probe_read_kernel(t, sizeof(t), from);
	return t[0] == 'u' && t[1] == 's' && t[2] == 'e' && t[3] == 'r' && t[4] == '@';
}

/*
 * Of the names from the guarded cgroup down to `node`: the first that is no slice is the unit, and
 * the first that is a container's is the container. What is deeper was named by who is in there; so
 * who is deeper than GUARD_LEVELS is in no unit and no container, whatever the names near him say.
 * The result is put into the cache. With numbers alone, the verifier looks at it once, not at each
 * call.
 */
__noinline int find_unit(__u64 node_address, __u64 root, __u32 generation)
{
	struct kernfs_node *node = (struct kernfs_node *)node_address;
	struct guard_cgroup found = {.generation = generation};
	const char *from, *outermost = NULL;
	__u64 key = BPF_CORE_READ(node, id);
	union guard_name name;
	int reached = 0;
	char first = 0;

	for (int i = 0; i <= GUARD_LEVELS; i++) {
		__u64 id = BPF_CORE_READ(node, id), hash, *container;
		long len;

		if (!node || id == root || id <= 1) {
			reached = 1;
			break;
		}
		from = BPF_CORE_READ(node, name);
		hash = hash_name(&name, from);
		container = bpf_map_lookup_elem(&guard_containers, &hash);
		if (container)
			found.container = *container;
		len = bpf_probe_read_kernel_str(name.text, sizeof(name.text), from);
		if (!is_slice(from, len))
			outermost = from;
		node = node_above(node);
	}
	if (!reached)
		found.container = 0;
	if (outermost && reached) {
		bpf_probe_read_kernel(&first, 1, outermost);
		/* systemd's escape for names that are also a controller's */
		found.unit = hash_name(&name, outermost + (first == '_'));
		if (is_user_manager(outermost))
			found.container = 0;
	}
	bpf_map_update_elem(&guard_cgroups, &key, &found, BPF_ANY);
	return 0;
}

/* Where the task's cgroup stands, from the cache or read anew. */
static __always_inline void read_cgroup(struct guard_identity *who, struct task_struct *task,
					const struct guard_config *config)
{
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	__u64 id = BPF_CORE_READ(node, id); /* until 5.1x, a key must be on the stack */
	struct guard_cgroup *known = bpf_map_lookup_elem(&guard_cgroups, &id);

	if (!known || known->generation != config->generation) {
		find_unit((__u64)node, config->root, config->generation);
		known = bpf_map_lookup_elem(&guard_cgroups, &id);
	}
	who->cgroup = id;
	if (!known)
		return;
	who->unit = known->unit;
	who->container = known->container;
}

static __always_inline void read_inode(struct guard_identity *who, struct inode *inode)
{
	who->exe_device = BPF_CORE_READ(inode, i_sb, s_dev);
	who->exe_inode = BPF_CORE_READ(inode, i_ino);
	who->exe_generation = BPF_CORE_READ(inode, i_generation);
	who->exe_size = BPF_CORE_READ(inode, i_size);
	who->exe_ctime_ns = inode_ctime_ns(inode);
}

/* Which known program the file is: 1; 0 none; -1 one whose file is not what it was. */
static __always_inline int find_program(struct guard_identity *who)
{
	struct guard_file file = {.inode = who->exe_inode, .device = who->exe_device};
	const struct guard_program *p = bpf_map_lookup_elem(&guard_programs, &file);

	who->program = 0;
	if (!p)
		return 0;
	if (p->generation != who->exe_generation || p->size != who->exe_size ||
	    p->ctime_ns != who->exe_ctime_ns)
		return -1;
	who->program = p->program;
	return 1;
}

/* All of `who`, which is zeroed, but for flags that tell of the socket. */
static __always_inline void read_identity(struct guard_identity *who, struct task_struct *task,
					  const struct guard_config *config)
{
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);

	who->pid = BPF_CORE_READ(task, tgid);
	who->uid = BPF_CORE_READ(task, cred, euid.val);
	who->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	bpf_probe_read_kernel(who->comm, sizeof(who->comm), task->comm);
	read_cgroup(who, task, config);
	if (who->pid == 1)
		who->flags |= GUARD_BY_INIT;
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		who->flags |= GUARD_BY_KERNEL;
	if (!exe)
		return;
	read_inode(who, BPF_CORE_READ(exe, f_inode));
	find_program(who);
}

static __always_inline void read_exe_name(struct guard_identity *who, struct task_struct *task)
{
	const unsigned char *name = BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name);

	bpf_probe_read_kernel_str(who->exe, sizeof(who->exe), name);
}
