/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/owner.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/cgroup.h"
#include "observe/container.h"
#include "observe/owner_activation.h"
#include "observe/owner_package.h"
#include "observe/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CGROUP_FILE_LIMIT = 65536 };

struct resolve {
	struct snapshot *s;
	bool cmdlines, numeric;
	struct map programs;   /* executable and root -> a process that was read */
	struct map cgroups;    /* set of cgroups -> a process that was read */
	struct map roots;      /* root directory -> 1: it is portero's own, 0: another */
	struct map users;      /* uid -> user_str */
	struct map arguments;  /* executable, root and name -> 1: like a kernel thread's */
	struct map containers; /* runtime and id -> containers[] */
	struct stat own_root_stat;
	int64_t boot_ns; /* since the epoch */
};

static const char deleted[] = " (deleted)";

static bool ends_in_deleted(const char *path, size_t len)
{
	return len > sizeof(deleted) - 1 &&
	       strcmp(path + len - (sizeof(deleted) - 1), deleted) == 0;
}

/* Does `path`, as the process sees it, lead to the file that runs? 1 yes, 0 another, -1 nothing. */
static int compare_file(int proc_fd, const char *path, const struct stat *running)
{
	char below[4200];
	struct stat st;

	snprintf(below, sizeof(below), "root%s", path);
	if (fstatat(proc_fd, below, &st, 0) < 0)
		return -1;
	return st.st_dev == running->st_dev && st.st_ino == running->st_ino;
}

static enum program_state judge_program(int proc_fd, struct buf *path)
{
	struct stat running;
	int same;

	if (fstatat(proc_fd, "exe", &running, 0) < 0)
		return PROGRAM_UNKNOWN;
	if (strncmp(path->data, "/memfd:", 7) == 0 && ends_in_deleted(path->data, path->len)) {
		path->len -= sizeof(deleted) - 1;
		path->data[path->len] = '\0';
		return PROGRAM_MEMORY;
	}
	same = compare_file(proc_fd, path->data, &running);
	if (same == 1)
		return PROGRAM_THERE; /* even when its name ends in " (deleted)" */
	if (!ends_in_deleted(path->data, path->len))
		return same == 0 ? PROGRAM_REPLACED : PROGRAM_UNKNOWN;
	path->len -= sizeof(deleted) - 1;
	path->data[path->len] = '\0';
	return compare_file(proc_fd, path->data, &running) >= 0 ? PROGRAM_REPLACED
								: PROGRAM_DELETED;
}

/*
 * A process may share portero's root directory and still see another file at its program's path, by
 * a mount of its own; then what this machine knows of that path does not hold for the program.
 */
static bool is_own_file(int proc_fd, const char *path)
{
	struct stat here, running;

	return stat(path, &here) == 0 && fstatat(proc_fd, "exe", &running, 0) == 0 &&
	       here.st_dev == running.st_dev && here.st_ino == running.st_ino;
}

/*
 * Another file may stand at the path of the program after an upgrade, and then it is still the
 * machine's program. It is not when somebody else could have made the path look so, in a mount
 * namespace of their own: the file that runs must have the owner of the one that stands here.
 */
static bool is_own_older_file(int proc_fd, const char *path)
{
	struct stat here, running;

	return stat(path, &here) == 0 && fstatat(proc_fd, "exe", &running, 0) == 0 &&
	       here.st_uid == running.st_uid;
}

static void read_program(struct resolve *r, int proc_fd, struct process_info *p)
{
	struct buf cleanup_call(buf_done) path = {0};

	if (p->program_state == PROGRAM_KERNEL || file_read_link_at(proc_fd, "exe", &path) < 0)
		return;
	p->program_state = judge_program(proc_fd, &path);
	p->program_str = strpool_add(&r->s->strings, path.data, path.len);
	p->own_file = is_own_file(proc_fd, path.data) ||
		      (p->own_root && p->program_state == PROGRAM_REPLACED &&
		       is_own_older_file(proc_fd, path.data));
	/* started here, it went into a root of its own (chroot), where its path leads nowhere */
	if (p->own_file && p->program_state == PROGRAM_UNKNOWN)
		p->program_state = PROGRAM_THERE;
}

static uint32_t find_container(struct resolve *r, const struct cgroup_owner *owner, uint32_t uid)
{
	bool by_user = owner->in_user && owner->user_uid != 0;
	uint64_t key = map_mix(map_hash_bytes(owner->runtime, strlen(owner->runtime)),
			       map_hash_bytes(owner->container_id, strlen(owner->container_id)));
	struct container_text text = {0};
	struct container_info *c;
	uint32_t index;
	int cleanup_close root = -1;

	if (by_user)
		key = map_mix(key, uid);
	if (map_get(&r->containers, key, &index))
		return index;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	container_describe(root, owner->runtime, owner->container_id, uid, by_user, &text);
	c = snapshot_add_container(r->s);
	if (!c)
		return SNAPSHOT_NONE;
	c->runtime_str = snapshot_add_text(r->s, owner->runtime);
	c->id_str = snapshot_add_text(r->s, owner->container_id);
	c->name_str = snapshot_add_text(r->s, text.name);
	c->image_str = snapshot_add_text(r->s, text.image);
	index = (uint32_t)(r->s->container_count - 1);
	map_set(&r->containers, key, index);
	return index;
}

static void read_cgroup(struct resolve *r, int proc_fd, struct process_info *p)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct cgroup_owner owner;

	if (file_read_at(proc_fd, "cgroup", CGROUP_FILE_LIMIT, &text) < 0 ||
	    cgroup_parse(buf_text(&text), text.len, &owner) < 0)
		return;
	p->unit_str = snapshot_add_text(r->s, owner.unit);
	p->unit_of_user = owner.in_user;
	p->manager_uid = owner.user_uid;
	p->cgroup_str = snapshot_add_text(r->s, owner.path);
	if (owner.container_id[0])
		p->container = find_container(r, &owner, owner.in_user ? owner.user_uid : p->uid);
}

/* An identity for the root directory where the iterator gave none. */
static void read_root(struct resolve *r, int proc_fd, struct process_info *p)
{
	uint32_t is_own;
	struct stat st;

	if (p->root_key && map_get(&r->roots, p->root_key, &is_own)) {
		p->own_root = is_own;
		return;
	}
	if (fstatat(proc_fd, "root/", &st, 0) < 0)
		return;
	p->own_root = st.st_dev == r->own_root_stat.st_dev && st.st_ino == r->own_root_stat.st_ino;
	if (!p->root_key)
		p->root_key = map_mix(st.st_dev, st.st_ino) | 1;
	map_set(&r->roots, p->root_key, p->own_root);
}

static void read_cmdline(struct resolve *r, int proc_fd, struct process_info *p)
{
	struct buf cleanup_call(buf_done) text = {0};

	if (proc_read_cmdline(proc_fd, &text) == 0)
		p->cmdline_str = strpool_add(&r->s->strings, buf_text(&text), text.len);
}

static bool looks_like_kernel(int proc_fd)
{
	struct buf cleanup_call(buf_done) text = {0};

	return proc_read_arguments(proc_fd, &text) == 0 && buf_text(&text)[0] == '[';
}

/*
 * The arguments of a program that no package vouches for may be made up to look like a kernel
 * thread
 * ("[kworker/0:1]"). Looked at once for each program and name that its processes give themselves.
 */
static void judge_arguments(struct resolve *r, struct process_info *p)
{
	uint64_t key = map_mix(map_mix(p->exe_key, p->root_key), p->comm_str);
	int cleanup_close fd = -1;
	uint32_t known;

	if (p->packaged == STATE_YES || p->program_state == PROGRAM_KERNEL || p->gone)
		return;
	if (p->exe_key && map_get(&r->arguments, key, &known)) {
		p->argv_like_kernel = known;
		return;
	}
	fd = proc_open(p->pid, p->start_ns);
	if (fd < 0)
		return;
	p->argv_like_kernel = looks_like_kernel(fd);
	if (p->exe_key)
		map_set(&r->arguments, key, p->argv_like_kernel);
}

static uint32_t find_user(struct resolve *r, uint32_t uid, bool by_name)
{
	uint64_t key = (uint64_t)by_name << 32 | uid;
	const struct passwd *account;
	char number[16];
	uint32_t str;

	if (map_get(&r->users, key, &str))
		return str;
	account = by_name ? getpwuid(uid) : NULL;
	snprintf(number, sizeof(number), "%u", uid);
	str = snapshot_add_text(r->s, account ? account->pw_name : number);
	map_set(&r->users, key, str);
	return str;
}

struct known {
	uint32_t program, cgroup;
	bool has_program, has_cgroup, has_root;
};

static struct known find_known(const struct resolve *r, const struct process_info *p)
{
	struct known k = {0};
	uint32_t ignored;

	k.has_program =
		p->program_state == PROGRAM_KERNEL ||
		(p->exe_key && map_get(&r->programs, map_mix(p->exe_key, p->root_key), &k.program));
	k.has_cgroup = p->cgroup_key && map_get(&r->cgroups, p->cgroup_key, &k.cgroup);
	k.has_root = p->root_key && map_get(&r->roots, p->root_key, &ignored);
	return k;
}

static void copy_known(struct snapshot *s, struct process_info *p, const struct known *k)
{
	if (k->has_program && p->program_state != PROGRAM_KERNEL) {
		p->program_str = s->processes[k->program].program_str;
		p->program_state = s->processes[k->program].program_state;
		p->own_file = s->processes[k->program].own_file;
	}
	if (k->has_cgroup) {
		p->unit_str = s->processes[k->cgroup].unit_str;
		p->unit_of_user = s->processes[k->cgroup].unit_of_user;
		p->manager_uid = s->processes[k->cgroup].manager_uid;
		p->cgroup_str = s->processes[k->cgroup].cgroup_str;
		p->container = s->processes[k->cgroup].container;
	}
}

static void remember_known(struct resolve *r, const struct process_info *p, uint32_t index)
{
	if (p->exe_key && p->program_state != PROGRAM_UNKNOWN)
		map_set(&r->programs, map_mix(p->exe_key, p->root_key), index);
	if (p->cgroup_key && p->cgroup_str)
		map_set(&r->cgroups, p->cgroup_key, index);
}

static void resolve_process(struct resolve *r, uint32_t index)
{
	struct process_info *p = &r->s->processes[index];
	struct known k = find_known(r, p);
	uint32_t is_own;

	p->since = (r->boot_ns + (int64_t)p->start_ns) / 1000000000;
	copy_known(r->s, p, &k);
	if (p->root_key && map_get(&r->roots, p->root_key, &is_own))
		p->own_root = is_own;
	if (!k.has_program || !k.has_cgroup || !k.has_root || r->cmdlines) {
		int cleanup_close fd = proc_open(p->pid, p->start_ns);

		p->gone = fd == -ESRCH;
		if (fd >= 0 && !k.has_root)
			read_root(r, fd, p);
		if (fd >= 0 && !k.has_program)
			read_program(r, fd, p);
		if (fd >= 0 && !k.has_cgroup)
			read_cgroup(r, fd, p);
		if (fd >= 0 && r->cmdlines)
			read_cmdline(r, fd, p);
		remember_known(r, p, index);
	}
	/* a program of the machine, as HAProxy or Postfix, that went into a root of its own */
	p->own_root |= p->own_file;
	/* user names of a container are not the machine's */
	p->user_str = find_user(r, p->uid, !r->numeric && p->own_root);
	p->is_manager = p->own_root && owner_is_manager(snapshot_text(r->s, p->program_str));
}

/* Still: it may have left it, or ended and its pid been used again. */
static bool is_in_netns(int proc_fd, uint64_t inum)
{
	struct stat st;

	return fstatat(proc_fd, "ns/net", &st, 0) == 0 && st.st_ino == inum;
}

/* The container that a network namespace belongs to: that of the process seen inside it. */
static void resolve_netns(struct resolve *r, struct netns_info *n)
{
	struct process_info inside = {.container = SNAPSHOT_NONE};
	int cleanup_close fd = -1;

	if (n->own || !n->pid)
		return;
	fd = proc_open(n->pid, 0);
	if (fd < 0 || !is_in_netns(fd, n->inum))
		return;
	read_cgroup(r, fd, &inside);
	n->container = inside.container;
}

static int64_t boot_time_ns(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return ((int64_t)real.tv_sec - boot.tv_sec) * 1000000000 + real.tv_nsec - boot.tv_nsec;
}

/* Is the process there, and only its files cannot be read, or has it ended meanwhile? */
static bool is_unreadable(const struct process_info *p)
{
	int cleanup_close fd = proc_open(p->pid, p->start_ns);
	int cleanup_close any = fd == -ESRCH ? proc_open(p->pid, 0) : -1;

	if (fd != -ESRCH)
		return true;
	/* not in /proc: hidden by its hidepid option, if it is there */
	return any < 0 && (kill((pid_t)p->pid, 0) == 0 || errno == EPERM);
}

/*
 * The iterator tells of processes whose files in /proc this user may not read: what they run is
 * then not known, and that must not pass for a complete answer. One that has ended is none of them.
 */
static void explain_unread(struct snapshot *s)
{
	unsigned long unread = 0;
	char what[160];

	for (size_t i = 0; i < s->process_count; i++) {
		const struct process_info *p = &s->processes[i];

		if (p->program_str || p->program_state == PROGRAM_KERNEL || !is_unreadable(p))
			continue;
		unread++;
		s->unreadable_pid = p->pid;
	}
	if (!unread)
		return;
	if (s->unreadable_processes < unread)
		s->unreadable_processes = (uint32_t)unread;
	snprintf(what, sizeof(what),
		 ngettext("the program of %lu process is not known",
			  "the programs of %lu processes are not known", unread),
		 unread);
	snapshot_add_gap(s, GAP_OWNERS, what, _("its files in /proc could not be looked at"),
			 geteuid() == 0 ? _("see portero doctor") : _("run portero as root"));
}

int owner_resolve(struct snapshot *s, bool cmdlines, bool numeric, struct err *e)
{
	struct resolve r = {.s = s, .cmdlines = cmdlines, .numeric = numeric};
	bool has_proc = access("/proc/self/stat", F_OK) == 0;

	r.boot_ns = boot_time_ns();
	if (s->process_count && !has_proc)
		snapshot_add_gap(s, GAP_OWNERS,
				 _("programs, units and command lines are not known"),
				 _("/proc is not mounted"), _("mount /proc"));
	if (stat("/", &r.own_root_stat) < 0)
		return err_set(e, -errno, _("cannot look at the root directory: %s"),
			       strerror(errno));
	for (size_t i = 0; i < s->process_count; i++)
		resolve_process(&r, (uint32_t)i);
	if (has_proc)
		explain_unread(s);
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].holder_count == 0)
			s->sockets[i].user_str = find_user(&r, s->sockets[i].uid, !numeric);
	for (size_t i = 0; i < s->netns_count; i++)
		resolve_netns(&r, &s->netns[i]);
	map_done(&r.programs);
	map_done(&r.cgroups);
	map_done(&r.roots);
	map_done(&r.users);
	map_done(&r.containers);
	owner_resolve_activation(s);
	owner_resolve_packages(s);
	for (size_t i = 0; i < s->process_count; i++)
		judge_arguments(&r, &s->processes[i]);
	map_done(&r.arguments);
	return 0;
}
