/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_marks.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "enforce/guard_links.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	HANDLE_KERNFS = 0xfe, /* FILEID_KERNFS: the handle of a cgroup is its id (Linux 5.5) */
	PATH_SIZE = 4096,
};

static int read_seeds(struct guard_marks *m)
{
	int fd = m->k.map_fds[GUARD_MAP_SEEDS];
	uint64_t key, next;
	size_t cap = 0;

	for (int r = bpf_map_get_next_key(fd, NULL, &next); r == 0;
	     r = bpf_map_get_next_key(fd, &key, &next)) {
		key = next;
		if (mem_grow(&m->seeds, &cap, m->seed_count + 1, sizeof(*m->seeds)) < 0)
			return -ENOMEM;
		if (bpf_map_lookup_elem(fd, &key, &m->seeds[m->seed_count]) == 0 &&
		    m->seeds[m->seed_count].netns == m->config.netns)
			m->seed_count++;
		if (m->seed_count >= GUARD_SEED_LIMIT)
			break;
	}
	return 0;
}

int guard_marks_open(const struct guard_place *place, struct guard_marks *m, struct err *e)
{
	struct guard_link link = {0};
	struct timespec now;
	uint32_t zero = 0;
	int r;

	*m = (struct guard_marks){0};
	snprintf(m->cgroup, sizeof(m->cgroup), "%s", place->cgroup ? place->cgroup : "");
	r = guard_kernel_find(place, &m->k, e);
	if (r == 0)
		r = guard_links_read(place, GUARD_PART_INGRESS, &link, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_ACTIVE], &zero, &m->half) < 0 ||
	    bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_CONFIG], &m->half, &m->config) < 0)
		return err_set(e, -errno, _("the guard's maps cannot be read: %s"),
			       strerror(errno));
	clock_gettime(CLOCK_BOOTTIME, &now);
	m->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	m->program_id = link.program_id;
	m->there = m->config.mode >= GUARD_ABI_OBSERVE && link.ours &&
		   link.cgroup_id == m->config.root;
	return m->there && read_seeds(m) < 0 ? err_set(e, -ENOMEM, _("out of memory")) : 0;
}

void guard_marks_close(struct guard_marks *m)
{
	guard_kernel_close(&m->k);
	free(m->seeds);
	*m = (struct guard_marks){0};
}

/* A mark is asked for by the cookie of a socket, or by a descriptor: its process's is duplicated.
 */
static bool read_mark(const struct guard_marks *m, const struct guard_listener *l,
		      struct guard_socket *ret)
{
	int cleanup_close process = (int)syscall(SYS_pidfd_open, l->pid, 0);
	int cleanup_close fd = -1;
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (process < 0)
		return false;
	fd = (int)syscall(SYS_pidfd_getfd, process, l->fd, 0);
	if (fd < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 &&
	    bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_LISTENS], &cookie, ret) == 0)
		return true;
	return bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_SOCKETS], &fd, ret) == 0;
}

/* Several may have the port, at other addresses or by SO_REUSEPORT: only the process's own counts.
 */
static bool find_seed(const struct guard_marks *m, const struct guard_listener *l,
		      struct guard_socket *ret)
{
	for (size_t i = 0; i < m->seed_count; i++) {
		if (m->seeds[i].port != l->port || m->seeds[i].proto != l->proto ||
		    m->seeds[i].who.pid != l->pid)
			continue;
		*ret = m->seeds[i];
		return true;
	}
	return false;
}

static uint64_t find_program(const struct guard_marks *m, const struct guard_identity *who)
{
	const struct guard_file file = {.inode = who->exe_inode, .device = who->exe_device};
	struct guard_program p;

	if (bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_PROGRAMS], &file, &p) < 0 ||
	    p.generation != who->exe_generation || p.size != who->exe_size ||
	    p.ctime_ns != who->exe_ctime_ns)
		return 0;
	return p.program;
}

/* One that is over counts as if it were not there. */
static bool read_rule(const struct guard_marks *m, uint32_t rule, struct guard_rule *ret)
{
	uint32_t key = m->half * GUARD_RULE_LIMIT + rule;

	return bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_RULES], &key, ret) == 0 && ret->wanted &&
	       (!(ret->wanted & GUARD_ENDS) || m->now_ns < ret->until_ns);
}

static bool matches(const struct guard_rule *r, const struct guard_identity *who)
{
	return (!(r->wanted & GUARD_WANTS_PROGRAM) || r->program == who->program) &&
	       (!(r->wanted & GUARD_WANTS_UNIT) || r->unit == who->unit) &&
	       (!(r->wanted & GUARD_WANTS_USER) || r->uid == who->uid) &&
	       (!(r->wanted & GUARD_WANTS_CONTAINER) || r->container == who->container);
}

static enum guard_judgement judge(const struct guard_marks *m, uint32_t list,
				  const struct guard_listener *l, const struct guard_identity *who)
{
	bool is_somebodys = false, fits = false;
	struct guard_rule rule;

	if (list == GUARD_ANYBODY || (m->config.loopback && l->loopback))
		return GUARD_LET_BE;
	if (who->flags & GUARD_UNSEEN)
		return m->config.seeded ? GUARD_CUT_OFF : GUARD_LET_BE;
	if (who->flags & GUARD_BY_KERNEL)
		return GUARD_LET_BE;
	for (uint32_t i = 0; !fits && i < list >> 24; i++) {
		if (!read_rule(m, (list & 0xffffff) + i, &rule))
			continue;
		is_somebodys = true;
		fits = matches(&rule, who);
	}
	if (is_somebodys && (who->flags & GUARD_BY_INIT))
		return GUARD_LET_BE;
	if (fits)
		return GUARD_BOUND;
	return !is_somebodys && m->config.ephemeral && (who->flags & GUARD_EPHEMERAL)
		       ? GUARD_LET_BE
		       : GUARD_CUT_OFF;
}

bool guard_marks_is_declared(const struct guard_marks *m, uint16_t port, uint8_t proto)
{
	uint32_t key = m->half * 65536 + port, list;
	struct guard_rule ignored;
	struct guard_port who;

	if (bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_PORTS], &key, &who) < 0)
		return false;
	list = who.who[proto == IPPROTO_UDP ? GUARD_UDP : GUARD_TCP];
	for (uint32_t i = 0; list != GUARD_ANYBODY && i < list >> 24; i++)
		if (read_rule(m, (list & 0xffffff) + i, &ignored))
			return true;
	return list == GUARD_ANYBODY;
}

/* The path of a cgroup; "" when it cannot be told. */
static void find_path(uint64_t id, char path[PATH_SIZE])
{
	union {
		struct file_handle handle;
		uint8_t room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = {0};
	const char *root = guard_pins_cgroup_root();
	int cleanup_close mount = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int cleanup_close fd = -1;
	char link[32];
	ssize_t len;

	u.handle.handle_bytes = sizeof(id);
	u.handle.handle_type = HANDLE_KERNFS;
	memcpy(u.room + offsetof(struct file_handle, f_handle), &id, sizeof(id));
	fd = mount < 0 ? -1 : open_by_handle_at(mount, &u.handle, O_PATH | O_CLOEXEC);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, path, PATH_SIZE - 1);
	path[len < 0 ? 0 : len] = '\0';
}

/* Do packets to a socket of that cgroup pass the guard? */
static bool is_below(const struct guard_marks *m, uint64_t cgroup)
{
	char path[PATH_SIZE];
	size_t len = strlen(m->cgroup);

	if (!len)
		return true;
	find_path(cgroup, path);
	return strncmp(path, m->cgroup, len) == 0 && (!path[len] || path[len] == '/');
}

enum guard_judgement guard_marks_judge(const struct guard_marks *m, const struct guard_listener *l,
				       struct guard_socket *ret_mark)
{
	uint32_t key = m->half * 65536 + l->port;
	bool marked = m->there && read_mark(m, l, ret_mark);
	struct guard_port port;

	/* seeds are of the whole machine; a guard of a part of it lets the others be */
	if (!m->there || (!marked && (!find_seed(m, l, ret_mark) || !is_below(m, l->cgroup))) ||
	    ret_mark->netns != m->config.netns || ret_mark->port != l->port ||
	    bpf_map_lookup_elem(m->k.map_fds[GUARD_MAP_PORTS], &key, &port) < 0)
		return GUARD_NOT_KNOWN;
	if (!ret_mark->who.program)
		ret_mark->who.program = find_program(m, &ret_mark->who);
	return judge(m, port.who[l->proto == IPPROTO_UDP ? GUARD_UDP : GUARD_TCP], l,
		     &ret_mark->who);
}
