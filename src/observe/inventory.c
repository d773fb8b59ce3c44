/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/inventory.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/ns.h"
#include "observe/interfaces.h"
#include "observe/join.h"
#include "observe/netns.h"
#include "observe/owner.h"
#include "observe/proc_file.h"
#include "observe/sock_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOKS = 2,
	/* include/linux/proc_ns.h */
	PROC_PID_INIT_INO = 0xEFFFFFFC,
	PROC_TIME_INIT_INO = 0xEFFFFFFA,
};

struct look {
	const struct inventory_options *options;
	struct snapshot *s;
	struct inventory_status *status;
	struct sock_iter *iter; /* NULL: BPF is not to be had */
	struct netns_list namespaces;
	struct join join;
	uint32_t netns; /* index of the one that is being read */
	int own;	/* a descriptor of portero's own namespace, or negative */
	int number;	/* of the look, from 0 */
};

/* Only in the first PID namespace are all processes of the machine to be seen. */
static bool in_other_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != PROC_PID_INIT_INO;
}

/* There /proc tells other start times than the iterator does. */
static bool in_other_time_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/time", &st) == 0 && st.st_ino != PROC_TIME_INIT_INO;
}

static int take_socket(enum sock_table table, const struct kernel_socket *k, void *context)
{
	struct look *look = context;

	join_add_kernel(&look->join, look->netns, table, k);
	return look->join.failed ? -ENOMEM : 0;
}

static int take_connection(enum sock_table table, const struct kernel_socket *k, void *context)
{
	struct look *look = context;
	struct connection_info *c = snapshot_add_connection(look->s);

	if (!c)
		return -ENOMEM;
	*c = (struct connection_info){
		.netns = look->netns,
		.proto = table == TABLE_TCP	  ? PROTO_TCP
			 : table == TABLE_UDP	  ? PROTO_UDP
			 : table == TABLE_UDPLITE ? PROTO_UDPLITE
			 : table == TABLE_SCTP	  ? PROTO_SCTP
						  : PROTO_DCCP,
		.state = k->state,
		.local = k->local,
		.peer = k->peer,
		.local_port = k->local_port,
		.peer_port = k->peer_port,
		.has_bytes = k->has_tcp_info,
		.bytes_in = k->bytes_in,
		.bytes_out = k->bytes_out,
		.quiet_ms = k->quiet_ms,
	};
	return 0;
}

static void note_tables(struct look *look, const struct sock_table_status tables[TABLE_COUNT])
{
	for (int i = 0; i < TABLE_COUNT; i++) {
		const char *name = sock_table_name((enum sock_table)i);
		char what[160];

		if (look->netns == 0 && look->status)
			look->status->tables[i] = tables[i];
		if (tables[i].source != SOURCE_NONE)
			look->s->netns[look->netns].tables_read |= 1u << i;
		if (tables[i].interrupted) {
			snprintf(what, sizeof(what), _("some %s sockets may be missing"), name);
			snapshot_add_gap(look->s, GAP_LISTENERS, what,
					 _("the table changed all the time while it was read"),
					 _("ask again"));
		}
		/* an MPTCP listener is in the TCP table too; the last three have no port */
		if (tables[i].source != SOURCE_NONE || i == TABLE_MPTCP || i >= TABLE_RAW)
			continue;
		snprintf(what, sizeof(what), _("listeners on %s ports are not known"), name);
		snapshot_add_gap(look->s, GAP_LISTENERS, what, strerror(-tables[i].error),
				 _("load the kernel's *_diag modules (portero doctor)"));
	}
}

/* Reads all that the kernel tells of the namespace the thread is in. */
static int read_namespace(void *context)
{
	struct look *look = context;
	struct sock_table_status tables[TABLE_COUNT];
	struct err e = {0};
	int r;

	r = interfaces_read(look->s, look->netns, look->own, &e);
	if (r < 0)
		snapshot_add_gap(look->s, GAP_DETAILS,
				 _("the addresses of the interfaces are not known"), e.msg, "");
	r = sock_diag_dump(NULL, take_socket, look, tables, &e);
	if (r < 0) {
		snapshot_add_gap(look->s, GAP_LISTENERS,
				 _("which ports have a listener is not known"), e.msg, "");
		return r;
	}
	note_tables(look, tables);
	if (look->options->connections_of || look->options->connections) {
		struct sock_diag_wish wish = {true, look->options->connections_of};

		r = sock_diag_dump(&wish, take_connection, look, tables, &e);
	}
	return r < 0 ? r : 0;
}

static int add_namespaces(struct look *look)
{
	uint64_t own = netns_own();
	struct netns_info *n = snapshot_add_netns(look->s);
	struct err e;
	int r;

	if (!n)
		return -ENOMEM;
	n->inum = own;
	n->own = true;
	if (!own)
		snapshot_add_gap(look->s, GAP_OWNERS,
				 _("which sockets are of this network namespace"),
				 _("/proc is not mounted, and only root can do without it"),
				 _("mount /proc"));
	if (!look->options->all_netns)
		return 0;
	r = netns_list_read(&look->namespaces, &e);
	if (r < 0)
		snapshot_add_gap(look->s, GAP_LISTENERS,
				 _("other network namespaces were not looked at"), e.msg, "");
	for (size_t i = 0; i < look->namespaces.count; i++) {
		const struct netns_entry *entry = &look->namespaces.entries[i];

		n = entry->inum == own ? &look->s->netns[0] : snapshot_add_netns(look->s);
		if (!n)
			return -ENOMEM;
		n->inum = entry->inum;
		n->name_str = snapshot_add_text(look->s, entry->name);
		n->pid = entry->pid;
	}
	if (look->namespaces.error)
		snapshot_add_gap(look->s, GAP_LISTENERS,
				 _("some network namespaces may be missing"),
				 strerror(-look->namespaces.error), _("see portero doctor"));
	if (look->namespaces.unreadable)
		snapshot_add_gap(look->s, GAP_NETNS, _("some network namespaces may be missing"),
				 _("not every process shows which one it is in"),
				 geteuid() == 0 ? _("see portero doctor")
						: _("run portero as root"));
	return 0;
}

static void read_other_namespace(struct look *look, const struct netns_entry *entry)
{
	int cleanup_close fd = netns_open(entry);
	char what[160];
	struct err e = {0};
	int r;

	if (fd == -ESRCH)
		return; /* it has gone, and its sockets with it */
	r = fd < 0 ? err_set(&e, fd, "%s", strerror(-fd)) : ns_run(fd, read_namespace, look, &e);
	if (r >= 0)
		return;
	snprintf(what, sizeof(what), _("network namespace %lu was not looked at"),
		 (unsigned long)entry->inum);
	snapshot_add_gap(look->s, GAP_LISTENERS, what, e.msg, _("run portero as root"));
}

static int read_kernel_view(struct look *look)
{
	int cleanup_close own = -1;
	int r;

	look->netns = 0;
	r = read_namespace(look);
	if (r < 0 || look->namespaces.count == 0)
		return r;
	own = look->own = netns_open_own(); /* NOLINT(clang-analyzer-deadcode*): closed */
	for (size_t i = 0; i < look->namespaces.count; i++) {
		const struct netns_entry *entry = &look->namespaces.entries[i];

		if (entry->inum == look->s->netns[0].inum)
			continue;
		for (look->netns = 1; look->netns < look->s->netns_count; look->netns++)
			if (look->s->netns[look->netns].inum == entry->inum)
				break;
		read_other_namespace(look, entry);
	}
	return 0;
}

static bool still_has(int proc_fd, const struct sock_proc_record *record)
{
	char path[64], target[64];
	uint64_t inode = 0;
	ssize_t len;

	snprintf(path, sizeof(path), "task/%u/fd/%d", record->tid, record->fd);
	len = readlinkat(proc_fd, path, target, sizeof(target));
	return len > 0 && proc_parse_inode_link(target, (size_t)len, "socket", &inode) == 0 &&
	       inode == record->inode;
}

static int take_descriptor(const struct sock_proc_record *record, void *context)
{
	struct look *look = context;
	struct proc_stat stat;
	uint32_t uid = 0;
	int cleanup_close fd = proc_open(record->pid, 0);

	/* it may have ended, and its pid been used again, since the link was read */
	if (fd < 0 || proc_read_stat(fd, &stat) < 0 || proc_read_uid(fd, &uid) < 0 ||
	    !still_has(fd, record))
		return 0;
	join_add_proc(&look->join, record, stat.start_ticks * (1000000000 / PROC_TICKS_PER_SECOND),
		      uid, stat.comm, stat.flags & PROC_PF_KTHREAD);
	return look->join.failed ? -ENOMEM : 0;
}

static void read_files_view_from_proc(struct look *look)
{
	struct sock_proc_report report = {0};
	struct err e = {0};
	int r = sock_proc_scan(join_any_inode(&look->join), take_descriptor, look, &report, &e);

	if (look->status)
		look->status->proc = e;
	if (r < 0) {
		snapshot_add_gap(look->s, GAP_OWNERS, _("which programs listen is not known"),
				 e.msg, _("mount /proc, and run portero as root"));
		return;
	}
	look->s->files_view = "proc";
	look->s->unreadable_processes = report.unreadable;
	look->s->unreadable_pid = report.unreadable_pid;
}

static void read_files_view(struct look *look)
{
	const struct task_file_record *records = NULL;
	struct err e;
	long count = err_set(
		&e, -EPERM, "%s",
		in_other_pid_namespace()
			? _("portero runs in a PID namespace of its own, as in a container")
		: in_other_time_namespace() ? _("portero runs in a time namespace of its own")
					    : _("BPF was not tried"));

	if (look->iter)
		count = look->number ? sock_iter_again(look->iter, &records, &e)
				     : sock_iter_wait(look->iter, &records, &e);
	if (look->status) {
		look->status->bpf = count < 0 ? e : (struct err){0};
		look->status->bpf_way = look->iter ? sock_iter_way(look->iter) : SOCK_ITER_NONE;
	}
	if (count < 0) {
		read_files_view_from_proc(look);
		return;
	}
	for (long i = 0; i < count; i++)
		join_add_record(&look->join, &records[i]);
	look->s->files_view = "bpf";
}

/* The kernel's table that would have a socket of this kind was read, so its absence means much. */
static bool kernel_could_see(const struct look *look, const struct socket_info *socket)
{
	return look->s->netns[socket->netns].tables_read & 1u << join_table(socket);
}

static bool is_odd(const struct look *look, const struct socket_info *socket)
{
	if (!join_is_alone(socket))
		return false;
	return socket->views & VIEW_KERNEL ? look->s->files_view != NULL
					   : kernel_could_see(look, socket);
}

static int one_look(struct look *look)
{
	int r;

	join_init(&look->join, look->s);
	look->join.all_netns = look->options->all_netns;
	r = add_namespaces(look);
	if (r >= 0)
		r = read_kernel_view(look);
	if (r >= 0) {
		read_files_view(look);
		r = join_finish(&look->join);
	}
	join_done(&look->join);
	netns_list_done(&look->namespaces);
	return r;
}

/* Collects the keys of odd sockets, or (mark) marks those that were odd the time before too. */
static size_t judge_odd(struct look *look, struct map *keys, bool mark)
{
	size_t odd = 0;
	uint32_t ignored;

	for (size_t i = 0; i < look->s->socket_count; i++) {
		struct socket_info *socket = &look->s->sockets[i];
		uint64_t key;

		if (!is_odd(look, socket))
			continue;
		key = join_key(look->s, socket);
		odd++;
		if (mark)
			socket->alone_twice = map_get(keys, key, &ignored);
		else if (map_set(keys, key, 0) < 0)
			look->s->out_of_memory = true;
	}
	return odd;
}

/* CAP_SYS_PTRACE: without it, /proc hides files of processes, or (hidepid) the processes. */
static bool may_see_processes(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       data[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE);
}

/* Why the owners of sockets may be out of sight, or NULL: they are not. */
static const char *find_blindness(struct snapshot *s, char *room, size_t size)
{
	bool by_bpf = s->files_view && strcmp(s->files_view, "bpf") == 0;

	if (!s->files_view)
		return _("the processes could not be looked at");
	if (by_bpf) { /* the iterator does not tell which processes it was not shown; /proc does */
		struct sock_proc_report report = {0};

		sock_proc_count_unreadable(&report);
		s->unreadable_processes = report.unreadable;
		s->unreadable_pid = report.unreadable_pid;
	}
	if (s->unreadable_processes == 1)
		snprintf(room, size, _("the files of process %u could not be looked at"),
			 s->unreadable_pid);
	else if (s->unreadable_processes)
		snprintf(room, size,
			 ngettext("the files of %u process could not be looked at",
				  "the files of %u processes could not be looked at",
				  s->unreadable_processes),
			 s->unreadable_processes);
	else if (!by_bpf && !may_see_processes())
		return _("other users' processes may be hidden");
	else if (in_other_pid_namespace())
		return _("processes outside of this PID namespace are out of sight");
	else
		return NULL;
	return room;
}

static void explain_owners(struct snapshot *s)
{
	unsigned long hidden = 0;
	const char *why;
	char what[160], room[160];

	s->saw_all_processes = true;
	for (size_t i = 0; i < s->socket_count; i++)
		hidden += s->sockets[i].kind == SOCKET_PORT && s->sockets[i].holder_count == 0;
	if (!hidden)
		return;
	why = find_blindness(s, room, sizeof(room));
	s->saw_all_processes = why == NULL;
	if (!why)
		return;
	snprintf(what, sizeof(what),
		 ngettext("the owner of %lu socket is not known",
			  "the owners of %lu sockets are not known", hidden),
		 hidden);
	snapshot_add_gap(s, GAP_OWNERS, what, why,
			 geteuid() == 0 ? _("see portero doctor") : _("run portero as root"));
}

static void explain_udp(struct snapshot *s)
{
	for (size_t i = 0; i < s->socket_count; i++) {
		if (s->sockets[i].kind != SOCKET_PORT ||
		    s->sockets[i].explicit_bind != STATE_UNKNOWN ||
		    (s->sockets[i].proto != PROTO_UDP && s->sockets[i].proto != PROTO_UDPLITE) ||
		    strcmp(s->files_view ? s->files_view : "", "bpf") == 0)
			continue;
		snapshot_add_gap(
			s, GAP_DETAILS, _("some UDP ports shown may be clients, not listeners"),
			_("without BPF the kernel does not tell whether a port was asked for"),
			_("run portero as root, on Linux 5.12 or later"));
		return;
	}
}

static void fill_heading(struct snapshot *s)
{
	struct timespec now;
	char host[256] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	s->time_s = now.tv_sec;
	s->time_ns = (uint32_t)now.tv_nsec;
	if (gethostname(host, sizeof(host) - 1) == 0)
		s->host_str = snapshot_add_text(s, host);
}

static int look_until_sure(struct look *look)
{
	struct map cleanup_call(map_done) odd = {0};
	int r = 0;

	for (look->number = 0; look->number < LOOKS; look->number++) {
		snapshot_done(look->s);
		fill_heading(look->s);
		r = one_look(look);
		if (r < 0 || judge_odd(look, &odd, look->number > 0) == 0)
			break;
	}
	return r;
}

static int tell_owners(const struct inventory_options *options, struct snapshot *s, struct err *e)
{
	explain_owners(s);
	explain_udp(s);
	return owner_resolve(s, options->cmdlines, options->numeric, e);
}

int inventory_take(const struct inventory_options *options, struct snapshot *s,
		   struct inventory_status *status, struct err *e)
{
	struct look look = {.options = options, .s = s, .status = status};
	int r;

	if (status)
		*status = (struct inventory_status){0};
	/* the iterator tells pids and times of the first namespaces, which mean others in here */
	if (!options->no_bpf && !in_other_pid_namespace() && !in_other_time_namespace())
		look.iter = sock_iter_start();
	if (options->meanwhile)
		options->meanwhile(options->context);
	r = look_until_sure(&look);
	sock_iter_free(look.iter);
	if (r < 0) {
		if (s->gap_count)
			return err_set(e, r, "%s: %s", snapshot_text(s, s->gaps[0].what_str),
				       snapshot_text(s, s->gaps[0].why_str));
		return err_set(e, r, "%s", strerror(-r));
	}
	if (!options->sockets_only)
		r = tell_owners(options, s, e);
	if (r == 0 && s->out_of_memory)
		return err_set(e, -ENOMEM, _("out of memory"));
	return r;
}
