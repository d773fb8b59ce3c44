/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/obstacles_bpf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Newer than the headers of Debian 12 (Linux 6.1). */
enum {
	ATTACH_TCX_INGRESS = 46, /* Linux 6.6 */
	TYPE_NETFILTER = 32,	 /* BPF_PROG_TYPE_NETFILTER, Linux 6.4 */
	TYPE_LIMIT = 64,
	PROGRAM_LIMIT = 100000,
	HANDLE_KERNFS = 0xfe, /* FILEID_KERNFS: the handle of a cgroup is its id (Linux 5.5) */
};

/* Which types of programs are loaded on the machine; false: the kernel does not tell. */
static bool find_types(bool types[TYPE_LIMIT])
{
	uint32_t id = 0;

	for (int i = 0; i < PROGRAM_LIMIT; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		int fd;

		if (bpf_prog_get_next_id(id, &id) < 0)
			return errno == ENOENT;
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0 && errno == ENOENT)
			continue; /* unloaded meanwhile */
		if (fd < 0)
			return false;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type < TYPE_LIMIT)
			types[info.type] = true;
		close(fd);
	}
	return false;
}

/* Without the one that is `own` (0: none); 0 also when that is the only one. */
static uint32_t leave_out(uint32_t own, uint32_t *ids, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++)
		if (!own || ids[i] != own)
			ids[kept++] = ids[i];
	return kept;
}

/* How many programs are attached, but for `own`; *ret_name: the first one's. -1: cannot be told. */
static int attached(int target, int type, uint32_t flags, uint32_t own, char name[BPF_OBJ_NAME_LEN])
{
	uint32_t ids[64] = {0}, count = sizeof(ids) / sizeof(ids[0]), len;
	struct bpf_prog_info info = {0};
	int fd;

	name[0] = '\0';
	if (bpf_prog_query(target, (enum bpf_attach_type)type, flags, NULL, ids, &count) < 0 &&
	    errno != ENOSPC)
		return errno == EINVAL || errno == EOPNOTSUPP ? 0 : -1;
	if (count <= sizeof(ids) / sizeof(ids[0]))
		count = leave_out(own, ids, count);
	if (count == 0)
		return 0;
	fd = bpf_prog_get_fd_by_id(ids[0]);
	len = sizeof(info);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	if (fd >= 0)
		close(fd);
	name[BPF_OBJ_NAME_LEN - 1] = '\0';
	return (int)count;
}

static int look_at_tcx(struct obstacles *ret)
{
	struct if_nameindex *all = if_nameindex();
	char name[BPF_OBJ_NAME_LEN];
	int r = 0;

	if (!all)
		r = obstacles_add(ret, OBSTACLE_ALL, 0, 0,
				  _("BPF programs (tcx), maybe: the interfaces could not be read"));
	for (size_t i = 0; all && all[i].if_index && r == 0; i++)
		if (attached((int)all[i].if_index, ATTACH_TCX_INGRESS, 0, 0, name) != 0)
			r = obstacles_add(ret, OBSTACLE_INTERFACE, 0, all[i].if_index,
					  _("the BPF program %s (tcx) on what comes in by %s"),
					  name[0] ? name : "?", all[i].if_name);
	if_freenameindex(all);
	return r;
}

static int look_at_lookup(struct obstacles *ret)
{
	int cleanup_close netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	char name[BPF_OBJ_NAME_LEN] = "";

	if (netns >= 0 && attached(netns, BPF_SK_LOOKUP, 0, 0, name) == 0)
		return 0;
	return obstacles_add(
		ret, OBSTACLE_ALL, 0, 0,
		_("the BPF program %s (sk_lookup), which chooses the socket that gets a "
		  "packet"),
		name[0] ? name : "?");
}

/* --- cgroups ------------------------------------------------------------------------------------
 */

static int open_cgroup2(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct statfs st;

		if (statfs(places[i], &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
			return open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

static int open_by_id(int mount, uint64_t id)
{
	union {
		struct file_handle handle;
		uint8_t room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = {0};

	u.handle.handle_bytes = sizeof(id);
	u.handle.handle_type = HANDLE_KERNFS;
	memcpy(u.room + offsetof(struct file_handle, f_handle), &id, sizeof(id));
	return open_by_handle_at(mount, &u.handle, O_RDONLY | O_CLOEXEC);
}

/* 0: no program; 1: one, *text says which; for what cannot be looked at, too. */
static int look_at_cgroup(int mount, uint64_t id, uint32_t own, char *text, size_t size)
{
	int cleanup_close cgroup = id && mount >= 0 ? open_by_id(mount, id) : -1;
	char name[BPF_OBJ_NAME_LEN];
	int count = cgroup < 0 ? -1
			       : attached(cgroup, BPF_CGROUP_INET_INGRESS, BPF_F_QUERY_EFFECTIVE,
					  own, name);

	if (count == 0)
		return 0;
	if (count < 0)
		snprintf(text, size, "%s",
			 _("BPF programs may filter what comes to its cgroup, which could not be "
			   "looked at"));
	else if (strncmp(name, "sd_fw", 5) == 0)
		snprintf(text, size, "%s",
			 _("systemd filters what comes to its unit (IPAddressAllow=, "
			   "IPAddressDeny=)"));
	else
		snprintf(text, size, _("the BPF program %s filters what comes to its cgroup"),
			 name[0] ? name : "?");
	return 1;
}

static int look_at_sockets(const struct snapshot *s, struct obstacles *ret)
{
	int cleanup_close mount = open_cgroup2();
	struct map cleanup_call(map_done) known = {0};
	char text[192] = "";

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];
		uint32_t blocked;

		if (socket->netns != 0 || socket->kind != SOCKET_PORT)
			continue;
		if (!map_get(&known, socket->cgroup_id, &blocked)) {
			blocked = (uint32_t)look_at_cgroup(mount, socket->cgroup_id,
							   s->guard_program, text, sizeof(text));
			if (map_set(&known, socket->cgroup_id, blocked) < 0)
				return -ENOMEM;
		} else if (blocked) {
			look_at_cgroup(mount, socket->cgroup_id, s->guard_program, text,
				       sizeof(text));
		}
		if (blocked && obstacles_add(ret, OBSTACLE_SOCKET, 0, (uint32_t)i, "%s", text) < 0)
			return -ENOMEM;
	}
	return 0;
}

int obstacles_bpf_find(const struct snapshot *s, struct obstacles *ret)
{
	bool types[TYPE_LIMIT] = {0};
	bool known = find_types(types);
	int r = 0;

	if (!known && errno == EPERM)
		return obstacles_add(
			ret, OBSTACLE_ALL, 0, 0, "%s",
			_("BPF programs, maybe: which there are is told to root alone"));
	if (!known && (errno == ENOSYS || errno == EINVAL))
		return 0; /* a kernel without BPF, or without a list of programs (before 4.13) */
	if (!known || types[BPF_PROG_TYPE_SCHED_CLS])
		r = look_at_tcx(ret);
	if (r == 0 && (!known || types[BPF_PROG_TYPE_SK_LOOKUP]))
		r = look_at_lookup(ret);
	/* a link of this type does not say which network namespace it is in */
	if (r == 0 && (!known || types[TYPE_NETFILTER]))
		r = obstacles_add(ret, OBSTACLE_ALL, 0, 0, "%s", _("a BPF program of netfilter"));
	if (r == 0 && s && (!known || types[BPF_PROG_TYPE_CGROUP_SKB]))
		r = look_at_sockets(s, ret);
	return r;
}
