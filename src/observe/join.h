/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * join: puts the independent views of the sockets together in a snapshot. Pure: what the views say
 * is handed in, nothing is read here. A socket that one view has and the other has not is kept.
 *
 * Sockets are matched by namespace and sockfs inode. MPTCP listeners stand in the kernel's tables
 * twice, as MPTCP and as TCP, with one inode: they become one.
 */
#pragma once

#include "bpf/task_file_abi.h"
#include "model/snapshot.h"
#include "observe/sock_diag.h"
#include "observe/sock_proc.h"

struct join {
	struct snapshot *s;
	struct map by_inode;	 /* namespace and inode -> sockets[] */
	struct map by_any_inode; /* see join_any_inode() */
	struct map by_process;	 /* pid and start -> processes[] */
	struct map others, other_netns;
	bool all_netns; /* add the namespaces that only the iterator knows, instead of counting */
	bool failed;
};

/* The snapshot must have its netns[] filled; it is filled further. */
void join_init(struct join *j, struct snapshot *s);
void join_done(struct join *j);

/* A socket in the kernel's tables of netns[netns]. */
void join_add_kernel(struct join *j, uint32_t netns, enum sock_table table,
		     const struct kernel_socket *k);

/*
 * A descriptor that the BPF iterator saw. Sockets of namespaces that are not in netns[] are only
 * counted, or with all_netns add their namespace.
 */
void join_add_record(struct join *j, const struct task_file_record *record);

/*
 * inode -> sockets[], for a view that knows no namespace. Made when it is first asked for, of the
 * sockets that are known by then.
 */
const struct map *join_any_inode(struct join *j);

/* A descriptor found in /proc; start_ns as it was read from the process's stat, uid likewise. */
void join_add_proc(struct join *j, const struct sock_proc_record *record, uint64_t start_ns,
		   uint32_t uid, const char *comm, bool kernel_thread);

/* Sorts the holders and ties them to their sockets. 0 or -ENOMEM. */
int join_finish(struct join *j);

/* The kernel's table that has sockets of this kind. */
enum sock_table join_table(const struct socket_info *socket);
/* True for a socket that one of the two views lacks. */
bool join_is_alone(const struct socket_info *socket);
/* A key that names a socket over two looks. */
uint64_t join_key(const struct snapshot *s, const struct socket_info *socket);
