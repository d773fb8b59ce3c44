/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task_file: which process holds which socket, of all processes and all network namespaces, in one
 * pass over all open files (iter/task_file). Needs Linux 5.11 (bpf_sock_from_file) and 5.12
 * (bpf_get_socket_cookie in tracing programs). Reads, never writes. It skips connections: what is
 * kept are listeners, UDP, raw and packet sockets.
 */
#include "bpf/kernel.h"
#include "bpf/task_file_abi.h"
#include "bpf/task_file_fill.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("iter/task_file")
int task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct task_file_record r;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (!is_wanted(sk, family))
		return 0;

	__builtin_memset(&r, 0, sizeof(r));
	r.fd = ctx->fd;
	r.inode = file->f_inode->i_ino;
	fill_task(&r, task);
	fill_socket(&r, sk, family);
	r.cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
