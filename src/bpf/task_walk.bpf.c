/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task_walk: what task_file tells, three times faster. iter/task_file takes and drops a reference
 * on every open file of the machine; this walks the descriptor tables of each task itself
 * (iter/task, under RCU) and looks no further at what is no socket. Needs bpf_rdonly_cast
 * (Linux 6.2), which makes every read safe even where the memory was freed meanwhile.
 *
 * Without references a table may change under the reader. So each record is written only if its
 * slot still has the same file after the socket was read, and all records of a process are voided
 * if it has another table in the end: also where the same table was moved, because it grew, as the
 * slots of the old one are no longer cleared when a file is closed.
 */
#include "bpf/kernel.h"
#include "bpf/task_file_fill.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

char LICENSE[] SEC("license") = "GPL";

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;
#define CAST(pointer, type)                                                                        \
	((type *)bpf_rdonly_cast((const void *)(pointer), bpf_core_type_id_kernel(type)))

struct walk {
	struct seq_file *seq;
};

/*
 * Not on the stack: the verifier follows every value there along every path, and would take longer
 * than the walk. Each load of the program has its own.
 */
static struct file **slots;	       /* of this task */
static __u32 written;		       /* records of this task */
static struct task_file_record record; /* the part about the task is filled once for each */

/* An array of pointers is read as pairs of them. */
static __always_inline struct hlist_node *two_slots(__u32 fd)
{
	return CAST(slots + fd, struct hlist_node);
}

/* Around any inode, to read the inode itself. */
static __always_inline struct socket_alloc *around(const struct inode *inode)
{
	return CAST((const char *)inode - bpf_core_field_offset(struct socket_alloc, vfs_inode),
		    struct socket_alloc);
}

/*
 * Fills the part about the socket in that slot: 1, or 0 when there is none that is wanted. Neither
 * inlined nor static: the verifier looks at it once, not for each slot of a step.
 */
__noinline int take(__u32 fd)
{
	struct task_file_record *r = &record;
	void *pointer = two_slots(fd)->next;
	struct socket *socket;
	struct socket_alloc *both;
	struct file *file;
	struct sock *sk;
	__u16 family;

	if (!pointer || written > TASK_WALK_LIMIT)
		return 0;
	file = CAST(pointer, struct file);
	both = around(file->f_inode);
	/* the node of a unix socket, opened with O_PATH, has that mode too, and no private_data:
	 * zeroes */
	if ((both->vfs_inode.i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = CAST(file->private_data, struct socket);
	sk = socket->sk;
	family = sk->__sk_common.skc_family;
	if (!is_wanted(sk, family))
		return 0;
	r->fd = fd;
	r->inode = both->vfs_inode.i_ino;
	r->v6only = 0;
	__builtin_memset(r->address, 0, sizeof(r->address));
	fill_socket(r, sk, family);
	return two_slots(fd)->next == pointer; /* or closed meanwhile: this may be another's */
}

static __always_inline void look(struct walk *w, __u32 fd, void *pointer)
{
	if (pointer &&
	    (around(CAST(pointer, struct file)->f_inode)->vfs_inode.i_mode & S_IFMT) == S_IFSOCK &&
	    take(fd) && written++ < TASK_WALK_LIMIT)
		bpf_seq_write(w->seq, &record, sizeof(record));
}

/* Tables are made in multiples of 64 slots (BITS_PER_LONG), so four at a time end where they end.
 */
static long step(__u32 index, void *context)
{
	struct walk *w = context;
	struct hlist_node *two = two_slots(index * 4);
	struct hlist_node *more = two_slots(index * 4 + 2);

	look(w, index * 4, two->next);
	look(w, index * 4 + 1, two->pprev);
	look(w, index * 4 + 2, more->next);
	look(w, index * 4 + 3, more->pprev);
	return 0;
}

static __always_inline void mark(struct walk *w, __u16 type)
{
	record.type = type;
	bpf_seq_write(w->seq, &record, sizeof(record));
}

SEC("iter/task")
int task_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct files_struct *files;
	struct fdtable *table;
	struct walk w;

	if (!task)
		return 0;
	w.seq = ctx->meta->seq; /* before the first branch: each path costs a search through all
				   types */
	/* untrusted from here on, or the verifier takes longer than the walk */
	task = CAST(task, struct task_struct);
	files = task->files;
	if (!files || (task->group_leader != task && task->group_leader->files == files))
		return 0;
	table = files->fdt;
	if (!table)
		return 0;
	__builtin_memset(&record, 0, sizeof(record));
	fill_task(&record, task);
	slots = table->fd;
	written = 0;
	/* refused for a table of more than 2^25 slots (BPF_MAX_LOOPS), which fs.nr_open allows */
	if (bpf_loop(table->max_fds / 4, step, &w, 0) < 0)
		written = TASK_WALK_LIMIT + 1;
	if (!written)
		return 0;
	if (written > TASK_WALK_LIMIT)
		mark(&w, TASK_WALK_MANY);
	else if (task->files != files || files->fdt != table)
		mark(&w, TASK_WALK_VOID);
	return 0;
}
