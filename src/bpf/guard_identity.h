/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_identity: who a process is: its program's file, its unit, container and user. The strings
 * of names never leave the kernel as anything but hashes.
 */
#pragma once

#include "bpf/guard_maps.h"
#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PF_KTHREAD 0x00200000
#define FMODE_EXEC 0x20 /* __FMODE_EXEC: opened by exec; open(2) cannot set it */

/*
 * Since Linux 5.15 programs of cgroups get the task as a pointer that the verifier knows, and what
 * it leads to may be read as in C: a load takes a nanosecond, a call of bpf_probe_read_kernel() 25,
 * and there are thirty of them to an identity. (bpf_task_pt_regs() came with it.)
 */
static __always_inline __u64 knows_tasks(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs);
}

/* A field of what is reached from such a task; a null pointer on the way makes it 0. */
#define READ(from, ...)                                                                            \
	(knows_tasks() ? ___arrow((from), __VA_ARGS__) : BPF_CORE_READ((from), __VA_ARGS__))

static __always_inline struct task_struct *current_task(void)
{
	return knows_tasks() ? bpf_get_current_task_btf()
			     : (struct task_struct *)bpf_get_current_task();
}

static __always_inline __u64 inode_ctime_ns(struct inode *inode)
{
	struct inode___hidden *hidden = (void *)inode;
	struct inode___open *open = (void *)inode;

	/* bit 31 of the nanoseconds says that somebody looked (multigrain timestamps, 6.13) */
	if (bpf_core_field_exists(inode->i_ctime_sec))
		return (__u64)READ(inode, i_ctime_sec) * 1000000000ull +
		       (READ(inode, i_ctime_nsec) & 0x7fffffff);
	if (bpf_core_field_exists(hidden->__i_ctime))
		return (__u64)READ(hidden, __i_ctime.tv_sec) * 1000000000ull +
		       (READ(hidden, __i_ctime.tv_nsec) & 0x7fffffff);
	return (__u64)READ(open, i_ctime.tv_sec) * 1000000000ull + READ(open, i_ctime.tv_nsec);
}

static __always_inline struct kernfs_node *node_above(struct kernfs_node *node)
{
	struct kernfs_node___open *open = (void *)node;

	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ(open, parent);
}

static __always_inline int is_slice(const char *name, __u32 len)
{
	char t[6] = {};

	if (len < 7 || bpf_probe_read_kernel(t, sizeof(t), name + len - 6) < 0)
		return 0;
	return t[0] == '.' && t[1] == 's' && t[2] == 'l' && t[3] == 'i' && t[4] == 'c' &&
	       t[5] == 'e';
}

enum { NAME_PIECE = 40, NAME_PIECES = GUARD_NAME_SIZE / NAME_PIECE };

/*
 * guard_hash() of a name, and its length; 0 for one that is too long, or could not be read. By
 * pieces: of the stack's 512 bytes, a whole name would take a third.
 */
static __always_inline __u64 hash_name(const char *from, __u32 *ret_len)
{
	union {
		char text[NAME_PIECE + 1];
		__u64 words[NAME_PIECE / 8 + 1];
	} piece;
	__u64 hash = GUARD_HASH_BEGIN;
	long got = NAME_PIECE + 1;

	*ret_len = 0;
	for (int i = 0; i < NAME_PIECES; i++) {
		__builtin_memset(&piece, 0, sizeof(piece));
		if (got > NAME_PIECE) {
			got = bpf_probe_read_kernel_str(piece.text, sizeof(piece.text),
							from + i * NAME_PIECE);
			if (got <= 0)
				return 0;
			*ret_len += got - 1;
		}
		for (int k = 0; k < NAME_PIECE / 8; k++)
			hash = guard_hash_step(hash, piece.words[k]);
	}
	if (got > NAME_PIECE)
		return 0;
	return hash ? hash : 1;
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
 * the first that is a container's is the container. What is deeper was named by who is in there;
 * so what is deeper than GUARD_LEVELS has no unit at all.
 * The result is put into the cache. With numbers alone, the verifier looks at it once, not at each
 * call.
 */
__noinline int find_unit(__u64 node_address, __u64 root, __u32 generation)
{
	struct kernfs_node *node = (struct kernfs_node *)node_address;
	struct guard_cgroup found = {.generation = generation};
	const char *from, *outermost = NULL;
	__u64 key = BPF_CORE_READ(node, id), id = 0;
	char first = 0;
	__u32 len;

	for (int i = 0; i <= GUARD_LEVELS; i++) {
		__u64 hash, *container;

		id = node ? BPF_CORE_READ(node, id) : root;
		if (id == root || id <= 1)
			break;
		from = BPF_CORE_READ(node, name);
		hash = hash_name(from, &len);
		container = bpf_map_lookup_elem(&guard_containers, &hash);
		if (container)
			found.container = *container;
		if (!is_slice(from, len))
			outermost = from;
		node = node_above(node);
	}
	found.outside = id != root && id <= 1;
	if (id != root && id > 1) {
		found.container = 0;
	} else if (outermost) {
		bpf_probe_read_kernel(&first, 1, outermost);
		/* systemd's escape for names that are also a controller's */
		found.unit = hash_name(outermost + (first == '_'), &len);
		if (is_user_manager(outermost))
			found.container = 0;
	}
	bpf_map_update_elem(&guard_cgroups, &key, &found, BPF_ANY);
	return 0;
}

/* A pointer that may not be computed with, as a number that may be read from. */
static __always_inline void *as_address(void *pointer)
{
	void *slot = pointer, *address = NULL;

	bpf_probe_read_kernel(&address, sizeof(address), &slot);
	return address;
}

/* Where the task's cgroup stands, from the cache or read anew. */
static __always_inline void read_cgroup(struct guard_identity *who, struct task_struct *task,
					const struct guard_config *config)
{
	struct kernfs_node *node = READ(task, cgroups, dfl_cgrp, kn);
	__u64 id = READ(node, id); /* until 5.1x, a key must be on the stack */
	struct guard_cgroup *known = bpf_map_lookup_elem(&guard_cgroups, &id);

	if (!known || known->generation != config->generation) {
		find_unit((__u64)as_address(node), config->root, config->generation);
		known = bpf_map_lookup_elem(&guard_cgroups, &id);
	}
	who->cgroup = id;
	if (!known)
		return;
	who->unit = known->unit;
	who->container = known->container;
	if (known->outside)
		who->flags |= GUARD_OUTSIDE;
}

static __always_inline void read_inode(struct guard_identity *who, struct inode *inode)
{
	who->exe_device = READ(inode, i_sb, s_dev);
	who->exe_inode = READ(inode, i_ino);
	who->exe_generation = READ(inode, i_generation);
	who->exe_size = READ(inode, i_size);
	who->exe_ctime_ns = inode_ctime_ns(inode);
}

/* Which known program the file is: 1; 0 none; -1 one whose file is not what it was. */
static __always_inline int find_program(struct guard_identity *who)
{
	struct guard_file file = {.inode = who->exe_inode, .device = who->exe_device};
	const struct guard_program *p = bpf_map_lookup_elem(&guard_programs, &file);

	who->program = 0;
	if (!p || (who->flags & GUARD_POSES))
		return 0;
	if (p->generation != who->exe_generation || p->size != who->exe_size ||
	    p->ctime_ns != who->exe_ctime_ns)
		return -1;
	who->program = p->program;
	return 1;
}

/*
 * A process may name another file its program (prctl PR_SET_MM), also without privileges: in a user
 * namespace. But that file was opened by open(2), not by exec. (Flags are shifted, not tested: each
 * branch would have the verifier go through all that follows twice.)
 */
_Static_assert(FMODE_EXEC == GUARD_POSES, "one bit is the other's opposite");
_Static_assert(PF_KTHREAD >> 21 == GUARD_BY_KERNEL, "one bit is the other, shifted");

/* NULL for one of the kernel. */
static __always_inline struct file *program_of(struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);

	return mm ? READ(mm, exe_file) : NULL;
}

/* All of `who`, which is zeroed, but for its name, and flags that tell of the socket. */
static __always_inline void read_identity(struct guard_identity *who, struct task_struct *task,
					  const struct guard_config *config)
{
	struct file *exe = program_of(task);

	who->pid = READ(task, tgid);
	who->uid = READ(task, cred, euid.val);
	who->start_ns = READ(task, group_leader, start_boottime);
	read_cgroup(who, task, config);
	if (who->pid == 1)
		who->flags |= GUARD_BY_INIT;
	who->flags |= READ(task, flags) >> 21 & GUARD_BY_KERNEL;
	if (!exe)
		return;
	read_inode(who, READ(exe, f_inode));
	who->flags |= ~READ(exe, f_flags) & GUARD_POSES;
	find_program(who);
}

static __always_inline void read_name(struct guard_identity *who, struct task_struct *task)
{
	struct file *exe = program_of(task);

	if (exe)
		bpf_probe_read_kernel_str(who->name, sizeof(who->name),
					  READ(exe, f_path.dentry, d_name.name));
	else
		bpf_probe_read_kernel_str(who->name, sizeof(task->comm), task->comm);
}
