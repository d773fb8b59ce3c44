/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/join.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum {
	STATE_LISTEN = 10,
	STATE_CLOSE = 7,
	BINDPORT_LOCK = 8, /* SOCK_BINDPORT_LOCK: bind() was given a port (include/net/sock.h) */
};

void join_init(struct join *j, struct snapshot *s)
{
	*j = (struct join){.s = s};
}

void join_done(struct join *j)
{
	map_done(&j->by_inode);
	map_done(&j->by_any_inode);
	map_done(&j->by_process);
	map_done(&j->others);
	map_done(&j->other_netns);
}

static void remember(struct join *j, struct map *m, uint64_t key, uint32_t value)
{
	if (map_set(m, key, value) < 0)
		j->failed = true;
}

static uint64_t inode_key(uint32_t netns, uint64_t inode)
{
	return map_mix(inode, netns);
}

static struct socket_info *add_socket(struct join *j, uint32_t netns, uint64_t inode)
{
	struct socket_info *socket = snapshot_add_socket(j->s);
	uint32_t index = (uint32_t)(j->s->socket_count - 1);

	if (!socket) {
		j->failed = true;
		return NULL;
	}
	socket->netns = netns;
	socket->inode = inode;
	if (inode)
		remember(j, &j->by_inode, inode_key(netns, inode), index);
	return socket;
}

static struct socket_info *find_socket(const struct join *j, uint32_t netns, uint64_t inode)
{
	uint32_t index;

	if (!inode || !map_get(&j->by_inode, inode_key(netns, inode), &index))
		return NULL;
	return &j->s->sockets[index];
}

static void set_kind(struct socket_info *socket, enum sock_table table, uint32_t number)
{
	static const enum proto protos[TABLE_COUNT] = {
		[TABLE_TCP] = PROTO_TCP,   [TABLE_MPTCP] = PROTO_TCP,
		[TABLE_UDP] = PROTO_UDP,   [TABLE_UDPLITE] = PROTO_UDPLITE,
		[TABLE_SCTP] = PROTO_SCTP, [TABLE_DCCP] = PROTO_DCCP,
	};

	socket->proto = protos[table];
	socket->mptcp |= table == TABLE_MPTCP;
	socket->number = number;
	socket->kind = table == TABLE_RAW      ? SOCKET_RAW
		       : table == TABLE_PACKET ? SOCKET_PACKET
		       : table == TABLE_VSOCK  ? SOCKET_VSOCK
					       : SOCKET_PORT;
}

void join_add_kernel(struct join *j, uint32_t netns, enum sock_table table,
		     const struct kernel_socket *k)
{
	struct socket_info *socket = find_socket(j, netns, k->inode);

	/* a port of 0: a datagram socket that is not bound yet receives nothing */
	if (table < TABLE_RAW && k->local_port == 0)
		return;
	if (socket && socket->cookie && k->cookie && socket->cookie != k->cookie &&
	    table != TABLE_MPTCP)
		socket = NULL; /* the inode was used again while the table was read */
	if (socket && table == TABLE_MPTCP) {
		socket->mptcp = true;
		return;
	}
	if (!socket)
		socket = add_socket(j, netns, k->inode);
	if (!socket)
		return;
	set_kind(socket, table, table == TABLE_RAW ? k->local_port : k->number);
	socket->views |= VIEW_KERNEL;
	socket->cookie = k->cookie;
	socket->cgroup_id = k->cgroup_id;
	socket->uid = k->uid;
	socket->ifindex = k->ifindex;
	socket->mark = k->mark;
	socket->drops = k->drops;
	socket->v6only = k->v6only;
	socket->address = k->local;
	socket->port = table < TABLE_RAW ? k->local_port : 0;
	if (table == TABLE_TCP || table == TABLE_MPTCP) {
		socket->backlog_used = k->rqueue;
		socket->backlog_limit = k->wqueue;
	}
}

static struct process_info *add_process(struct join *j, uint32_t pid, uint64_t start_ns,
					uint32_t *ret_index, bool *ret_new)
{
	uint64_t key = map_mix(start_ns, pid);
	struct process_info *process;

	*ret_new = !map_get(&j->by_process, key, ret_index);
	if (!*ret_new)
		return &j->s->processes[*ret_index];
	process = snapshot_add_process(j->s);
	if (!process) {
		j->failed = true;
		return NULL;
	}
	*ret_index = (uint32_t)(j->s->process_count - 1);
	remember(j, &j->by_process, key, *ret_index);
	process->pid = pid;
	process->start_ns = start_ns;
	return process;
}

static void add_holder(struct join *j, const struct socket_info *socket, uint32_t process,
		       int32_t fd)
{
	struct holder_info *holder = snapshot_add_holder(j->s);

	if (!holder) {
		j->failed = true;
		return;
	}
	holder->socket = (uint32_t)(socket - j->s->sockets);
	holder->process = process;
	holder->fd = fd;
}

/* Which of the kernel's tables the socket of a record belongs to, or TABLE_COUNT: to none. */
static enum sock_table table_of(const struct task_file_record *r)
{
	if (r->family == AF_PACKET)
		return TABLE_PACKET;
	if (r->family == AF_VSOCK)
		return TABLE_VSOCK;
	if (r->type == SOCK_RAW)
		return TABLE_RAW;
	switch (r->protocol) {
	case IPPROTO_TCP:
		return TABLE_TCP;
	case IPPROTO_MPTCP:
		return TABLE_MPTCP;
	case IPPROTO_UDP:
		return TABLE_UDP;
	case IPPROTO_UDPLITE:
		return TABLE_UDPLITE;
	case IPPROTO_SCTP:
		return TABLE_SCTP;
	case IPPROTO_DCCP:
		return TABLE_DCCP;
	default:
		return TABLE_COUNT; /* ping sockets and the like: no port */
	}
}

/* Would the kernel's table have been asked for such a socket? */
static bool is_listener(const struct task_file_record *r, enum sock_table table)
{
	if (table == TABLE_COUNT)
		return false;
	if (table >= TABLE_RAW)
		return true;
	if (r->port == 0)
		return false;
	return table == TABLE_UDP || table == TABLE_UDPLITE ? r->state == STATE_CLOSE
							    : r->state == STATE_LISTEN;
}

static uint32_t find_netns(const struct join *j, uint64_t inum)
{
	for (size_t i = 0; i < j->s->netns_count; i++)
		if (j->s->netns[i].inum == inum)
			return (uint32_t)i;
	return SNAPSHOT_NONE;
}

static uint32_t add_netns(struct join *j, uint64_t inum)
{
	struct netns_info *n = snapshot_add_netns(j->s);

	if (!n) {
		j->failed = true;
		return SNAPSHOT_NONE;
	}
	n->inum = inum;
	return (uint32_t)(j->s->netns_count - 1);
}

static void count_other(struct join *j, const struct task_file_record *r, enum sock_table table)
{
	bool is_client =
		(table == TABLE_UDP || table == TABLE_UDPLITE) && !(r->userlocks & BINDPORT_LOCK);

	if (table >= TABLE_RAW || is_client)
		return;
	remember(j, &j->others, r->inode, 0);
	remember(j, &j->other_netns, r->netns, 0);
	j->s->other_listeners = (uint32_t)j->others.count;
	j->s->other_netns = (uint32_t)j->other_netns.count;
}

static struct socket_info *add_socket_of_record(struct join *j, uint32_t netns,
						const struct task_file_record *r,
						enum sock_table table)
{
	struct socket_info *socket = add_socket(j, netns, r->inode);

	if (!socket)
		return NULL;
	set_kind(socket, table, r->protocol);
	socket->cookie = r->cookie;
	socket->ifindex = r->ifindex;
	socket->port = r->port;
	socket->v6only = r->v6only;
	socket->uid = r->uid;
	if (r->family == AF_INET || r->family == AF_INET6) {
		socket->address.family = (uint8_t)r->family;
		memcpy(socket->address.bytes, r->address, sizeof(r->address));
	}
	return socket;
}

static void fill_process(struct join *j, struct process_info *p, const struct task_file_record *r)
{
	p->uid = r->uid;
	p->comm_str = strpool_add(&j->s->strings, r->comm, strnlen(r->comm, sizeof(r->comm)));
	p->netns_inum = r->task_netns;
	p->exe_key = r->exe_key;
	p->cgroup_key = r->cgroup_key;
	p->root_key = r->root_key;
	p->program_state = r->kernel_thread ? PROGRAM_KERNEL : PROGRAM_UNKNOWN;
}

void join_add_record(struct join *j, const struct task_file_record *r)
{
	enum sock_table table = table_of(r);
	uint32_t netns = find_netns(j, r->netns), index;
	struct process_info *process;
	struct socket_info *socket;
	bool is_new;

	if (!is_listener(r, table))
		return;
	if (netns == SNAPSHOT_NONE && j->all_netns)
		netns = add_netns(j, r->netns);
	if (netns == SNAPSHOT_NONE) {
		count_other(j, r, table);
		return;
	}
	socket = find_socket(j, netns, r->inode);
	/* none yet: the table, by which a socket gets its cookie, was asked for after the walk.
	 * With MPTCP the table may know the cookie of the TCP socket below, and only that where the
	 * kernel has no mptcp_diag */
	if (socket && socket->cookie && r->cookie && socket->cookie != r->cookie &&
	    !socket->mptcp && table != TABLE_MPTCP)
		socket = NULL;
	if (!socket)
		socket = add_socket_of_record(j, netns, r, table);
	process = add_process(j, r->pid, r->start_ns, &index, &is_new);
	if (!socket || !process)
		return;
	socket->views |= VIEW_FILES;
	socket->mptcp |= table == TABLE_MPTCP;
	if (socket->kind == SOCKET_PORT && (table == TABLE_UDP || table == TABLE_UDPLITE)) {
		socket->explicit_bind = r->userlocks & BINDPORT_LOCK ? STATE_YES : STATE_NO;
		if (socket->explicit_bind == STATE_NO)
			socket->kind = SOCKET_CLIENT;
	}
	if (is_new)
		fill_process(j, process, r);
	add_holder(j, socket, index, (int32_t)r->fd);
}

const struct map *join_any_inode(struct join *j)
{
	if (j->by_any_inode.count)
		return &j->by_any_inode;
	for (size_t i = 0; i < j->s->socket_count; i++)
		if (j->s->sockets[i].inode)
			remember(j, &j->by_any_inode, j->s->sockets[i].inode, (uint32_t)i);
	return &j->by_any_inode;
}

void join_add_proc(struct join *j, const struct sock_proc_record *record, uint64_t start_ns,
		   uint32_t uid, const char *comm, bool kernel_thread)
{
	struct process_info *process;
	struct socket_info *socket;
	uint32_t at, index;
	bool is_new;

	if (!map_get(join_any_inode(j), record->inode, &at))
		return;
	socket = &j->s->sockets[at];
	process = add_process(j, record->pid, start_ns, &index, &is_new);
	if (!process)
		return;
	socket->views |= VIEW_FILES;
	if (is_new) {
		process->uid = uid;
		process->comm_str = snapshot_add_text(j->s, comm);
		process->program_state = kernel_thread ? PROGRAM_KERNEL : PROGRAM_UNKNOWN;
	}
	add_holder(j, socket, index, record->fd);
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder_info *x = a, *y = b;

	if (x->socket != y->socket)
		return x->socket < y->socket ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

int join_finish(struct join *j)
{
	struct snapshot *s = j->s;
	size_t kept = 0;

	if (j->failed || s->out_of_memory)
		return -ENOMEM;
	if (s->holder_count)
		qsort(s->holders, s->holder_count, sizeof(*s->holders), compare_holders);
	for (size_t i = 0; i < s->holder_count; i++) {
		struct holder_info *holder = &s->holders[i];
		struct socket_info *socket = &s->sockets[holder->socket];

		if (kept && s->holders[kept - 1].socket == holder->socket &&
		    s->holders[kept - 1].process == holder->process)
			continue; /* a second descriptor of the same socket */
		if (socket->holder_count == 0)
			socket->first_holder = (uint32_t)kept;
		socket->holder_count++;
		s->holders[kept++] = *holder;
	}
	s->holder_count = kept;
	return 0;
}

enum sock_table join_table(const struct socket_info *socket)
{
	static const enum sock_table by_proto[PROTO_COUNT] = {
		[PROTO_TCP] = TABLE_TCP,	 [PROTO_UDP] = TABLE_UDP,
		[PROTO_UDPLITE] = TABLE_UDPLITE, [PROTO_SCTP] = TABLE_SCTP,
		[PROTO_DCCP] = TABLE_DCCP,
	};

	switch (socket->kind) {
	case SOCKET_RAW:
		return TABLE_RAW;
	case SOCKET_PACKET:
		return TABLE_PACKET;
	case SOCKET_VSOCK:
		return TABLE_VSOCK;
	case SOCKET_PORT:
	case SOCKET_CLIENT:
		break;
	}
	return by_proto[socket->proto];
}

bool join_is_alone(const struct socket_info *socket)
{
	return socket->views != (VIEW_KERNEL | VIEW_FILES);
}

uint64_t join_key(const struct snapshot *s, const struct socket_info *socket)
{
	uint64_t key = map_mix(socket->inode, s->netns[socket->netns].inum);

	key = map_mix(key, (uint64_t)socket->port << 16 | (uint64_t)socket->proto << 8 |
				   (uint64_t)socket->kind);
	return map_mix(key, socket->views);
}
