/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_links.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ID_LIMIT = 64, PATH_SIZE = GUARD_PIN_PATH_SIZE };

static const enum bpf_attach_type types[GUARD_PART_ATTACHED] = {
	[GUARD_PART_BIND4] = BPF_CGROUP_INET4_BIND,
	[GUARD_PART_BIND6] = BPF_CGROUP_INET6_BIND,
	[GUARD_PART_SOCKOPS] = BPF_CGROUP_SOCK_OPS,
	[GUARD_PART_RELEASE] = BPF_CGROUP_INET_SOCK_RELEASE,
	[GUARD_PART_CREATE] = BPF_CGROUP_INET_SOCK_CREATE,
	[GUARD_PART_LSM_LISTEN] = BPF_LSM_MAC,
	[GUARD_PART_LSM_CREATE] = BPF_LSM_MAC,
	[GUARD_PART_INGRESS] = BPF_CGROUP_INET_INGRESS,
};

static int program_info(int fd, struct bpf_prog_info *info, uint32_t *ids)
{
	uint32_t len = sizeof(*info);

	*info = (struct bpf_prog_info){.nr_map_ids = ids ? ID_LIMIT : 0,
				       .map_ids = (uint64_t)(uintptr_t)ids};
	return bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -errno : 0;
}

int guard_links_tag(int program_fd, uint8_t tag[8])
{
	struct bpf_prog_info info;
	int r = program_info(program_fd, &info, NULL);

	if (r == 0)
		memcpy(tag, info.tag, sizeof(info.tag));
	return r;
}

/* --- whose program is it ------------------------------------------------------------------------
 */

/* The ids of the pinned maps; 0 where none is pinned. */
static int read_pinned(const struct guard_place *place, uint32_t ids[GUARD_MAP_COUNT],
		       struct err *e)
{
	char path[PATH_SIZE];

	for (enum guard_map map = 0; map < GUARD_MAP_COUNT; map++) {
		struct bpf_map_info info = {0};
		uint32_t len = sizeof(info);
		int cleanup_close fd = -1;
		int r = guard_pins_map_path(place, map, path, e);

		if (r < 0)
			return r;
		fd = bpf_obj_get(path);
		ids[map] = fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
	}
	return 0;
}

/* The compiler's own maps, of global variables, are called "guard_bp.bss": they are never pinned.
 */
static bool is_inner(uint32_t id)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int cleanup_close fd = bpf_map_get_fd_by_id(id);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strchr(info.name, '.');
}

static bool is_pinned(uint32_t id, const uint32_t pinned[GUARD_MAP_COUNT])
{
	for (size_t i = 0; i < GUARD_MAP_COUNT; i++)
		if (id == pinned[i])
			return true;
	return false;
}

static void read_program(uint32_t id, const uint32_t pinned[GUARD_MAP_COUNT],
			 struct guard_link *ret)
{
	uint32_t ids[ID_LIMIT];
	struct bpf_prog_info info;
	int cleanup_close fd = bpf_prog_get_fd_by_id(id);
	size_t found = 0;

	if (fd < 0 || program_info(fd, &info, ids) < 0)
		return;
	memcpy(ret->tag, info.tag, sizeof(ret->tag));
	ret->ours = info.nr_map_ids <= ID_LIMIT;
	for (uint32_t i = 0; ret->ours && i < info.nr_map_ids; i++) {
		bool known = is_pinned(ids[i], pinned);

		ret->ours = known || is_inner(ids[i]);
		found += known;
	}
	ret->ours &= found > 0;
}

int guard_links_read(const struct guard_place *place, enum guard_part part, struct guard_link *ret,
		     struct err *e)
{
	uint32_t pinned[GUARD_MAP_COUNT], len;
	struct bpf_link_info info = {0};
	char path[PATH_SIZE];
	int cleanup_close fd = -1;
	int r = read_pinned(place, pinned, e);

	*ret = (struct guard_link){0};
	if (r == 0)
		r = guard_pins_link_path(place, part, path, e);
	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT)
		return 0;
	len = sizeof(info);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return err_set(e, -errno, _("%.300s cannot be read: %s"), path, strerror(errno));
	*ret = (struct guard_link){.pinned = true, .program_id = info.prog_id};
	ret->everywhere = info.type == BPF_LINK_TYPE_TRACING;
	if (!ret->everywhere)
		ret->cgroup_id = info.cgroup.cgroup_id;
	read_program(info.prog_id, pinned, ret);
	return 0;
}

/* --- attaching ----------------------------------------------------------------------------------
 */

static int put_up(const struct guard_kernel *k, enum guard_part part, int cgroup, const char *path)
{
	int cleanup_close link = bpf_link_create(
		k->program_fds[part], types[part] == BPF_LSM_MAC ? 0 : cgroup, types[part], NULL);

	if (link < 0)
		return -errno;
	unlink(path);
	return bpf_obj_pin(link, path) < 0 ? -errno : 0;
}

/* One program in the place of another, in one step of the kernel's. */
static int exchange(const struct guard_kernel *k, enum guard_part part, const char *path)
{
	int cleanup_close link = bpf_obj_get(path);

	return link < 0 || bpf_link_update(link, k->program_fds[part], NULL) < 0 ? -errno : 0;
}

static int attach(const struct guard_kernel *k, const struct guard_place *place,
		  enum guard_part part, int cgroup, struct err *e)
{
	struct guard_link link = {0};
	char path[PATH_SIZE];
	uint8_t tag[8];
	bool is_same;
	int r = guard_pins_link_path(place, part, path, e);

	if (r == 0)
		r = guard_links_read(place, part, &link, e);
	if (r < 0)
		return r;
	r = guard_links_tag(k->program_fds[part], tag);
	is_same = link.ours && r == 0 && memcmp(link.tag, tag, sizeof(tag)) == 0;
	/* a link of a security module takes no other program */
	if (r == 0 && (link.everywhere ? !is_same : link.cgroup_id != k->cgroup_id))
		r = put_up(k, part, cgroup, path);
	else if (r == 0 && !is_same)
		r = exchange(k, part, path);
	if (r < 0)
		return err_set(e, r, _("the guard's program %s cannot be attached: %s"),
			       guard_part_name(part), strerror(-r));
	return 0;
}

int guard_links_attach(const struct guard_kernel *k, const struct guard_place *place, int cgroup_fd,
		       struct err *e)
{
	for (enum guard_part part = 0; part < GUARD_PART_ATTACHED; part++) {
		int r = k->program_fds[part] < 0 ? 0 : attach(k, place, part, cgroup_fd, e);

		if (r < 0)
			return r;
	}
	return 0;
}
