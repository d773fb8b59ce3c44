/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_pins.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "bpf/guard_abi.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	PATH_SIZE = GUARD_PIN_PATH_SIZE,
	CONFIG_LIMIT = 4096,
	ALL_MAPS = (1 << GUARD_MAP_COUNT) - 1
};

static const char map_prefix[] = "guard_", link_prefix[] = "link_";

static const struct {
	const char *name;
	bool optional;
} parts[GUARD_PART_COUNT] = {
	[GUARD_PART_BIND4] = {"bind4", false},
	[GUARD_PART_BIND6] = {"bind6", false},
	[GUARD_PART_SOCKOPS] = {"sockops", false},
	[GUARD_PART_RELEASE] = {"release", true},
	[GUARD_PART_CREATE] = {"create", true},
	[GUARD_PART_LSM_LISTEN] = {"lsm_listen", true},
	[GUARD_PART_LSM_CREATE] = {"lsm_create", true},
	[GUARD_PART_INGRESS] = {"ingress", false},
	[GUARD_PART_SEED] = {"seed", true},
	[GUARD_PART_LEARN] = {"learn", false},
};

static const char *const maps[GUARD_MAP_COUNT] = {
	[GUARD_MAP_ACTIVE] = "guard_active",	 [GUARD_MAP_CONFIG] = "guard_config",
	[GUARD_MAP_PORTS] = "guard_ports",	 [GUARD_MAP_RULES] = "guard_rules",
	[GUARD_MAP_PROGRAMS] = "guard_programs", [GUARD_MAP_CONTAINERS] = "guard_containers",
	[GUARD_MAP_CGROUPS] = "guard_cgroups",	 [GUARD_MAP_SEEDS] = "guard_seeds",
	[GUARD_MAP_LEARNED] = "guard_learned",	 [GUARD_MAP_COUNTS] = "guard_counts",
	[GUARD_MAP_SOCKETS] = "guard_sockets",	 [GUARD_MAP_LISTENS] = "guard_listens",
	[GUARD_MAP_RING] = "guard_ring",
};

const char *guard_part_name(enum guard_part part)
{
	return parts[part].name;
}

bool guard_part_is_optional(enum guard_part part)
{
	return parts[part].optional;
}

const char *guard_map_name(enum guard_map map)
{
	return maps[map];
}

/* --- places -------------------------------------------------------------------------------------
 */

static bool is_on(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == magic;
}

const char *guard_pins_cgroup_root(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_LEN(roots); i++)
		if (is_on(roots[i], CGROUP2_SUPER_MAGIC))
			return roots[i];
	return NULL;
}

/* The id of a cgroup is the inode number of its directory. */
int guard_pins_open_cgroup(const struct guard_place *place, uint64_t *ret_id, struct err *e)
{
	const char *path = place->cgroup ? place->cgroup : guard_pins_cgroup_root();
	struct stat st;
	int fd;

	if (!path)
		return err_set(e, -EOPNOTSUPP,
			       _("no cgroup v2 is mounted below /sys/fs/cgroup, so the guard has "
				 "nothing to be attached to"));
	if (!is_on(path, CGROUP2_SUPER_MAGIC))
		return err_set(e, -EINVAL, _("%.300s is no cgroup v2"), path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return err_set(e, r, _("cannot open the cgroup %.300s: %s"), path, strerror(-r));
	}
	*ret_id = st.st_ino;
	return fd;
}

static const char *pins_of(const struct guard_place *place)
{
	return place->pins ? place->pins : GUARD_PINS;
}

static int pin_path(const struct guard_place *place, const char *prefix, const char *name,
		    char *path, struct err *e)
{
	if (snprintf(path, PATH_SIZE, "%s/%s%s", pins_of(place), prefix, name) >= PATH_SIZE)
		return err_set(e, -ENAMETOOLONG, _("the path of %.200s is too long"),
			       pins_of(place));
	return 0;
}

int guard_pins_map_path(const struct guard_place *place, enum guard_map map,
			char path[GUARD_PIN_PATH_SIZE], struct err *e)
{
	return pin_path(place, "", maps[map], path, e);
}

int guard_pins_link_path(const struct guard_place *place, enum guard_part part,
			 char path[GUARD_PIN_PATH_SIZE], struct err *e)
{
	return pin_path(place, link_prefix, parts[part].name, path, e);
}

/* systemd mounts a bpffs at /sys/fs/bpf, others leave it to who needs one. */
int guard_pins_make(const struct guard_place *place, struct err *e)
{
	const char *pins = pins_of(place);

	if (strncmp(pins, GUARD_PINS, strlen(GUARD_PINS)) == 0 &&
	    !is_on("/sys/fs/bpf", BPF_FS_MAGIC) &&
	    mount("bpf", "/sys/fs/bpf", "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
		return err_set(e, -errno, _("cannot mount a bpffs at /sys/fs/bpf: %s"),
			       strerror(errno));
	if (mkdir(pins, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, _("cannot make the folder %.300s: %s"), pins,
			       strerror(errno));
	if (!is_on(pins, BPF_FS_MAGIC)) {
		rmdir(pins);
		return err_set(e, -EINVAL,
			       _("%.300s is not in a bpffs, which the guard is kept in: mount "
				 "one (mount -t bpf bpf DIR), or choose another --pin-dir"),
			       pins);
	}
	return 0;
}

/* --- what is pinned -----------------------------------------------------------------------------
 */

/* The two maps that tell which rules are in force, of any version; and their values. */
struct head_maps {
	int active, config; /* descriptors, or -1 */
	uint32_t half, size;
	union {
		struct guard_head head;
		uint8_t bytes[CONFIG_LIMIT];
	} value; /* of the half that is in force, `size` bytes */
};

_Static_assert(offsetof(struct guard_config, abi) == offsetof(struct guard_head, abi) &&
		       offsetof(struct guard_config, mode) == offsetof(struct guard_head, mode) &&
		       offsetof(struct guard_config, generation) ==
			       offsetof(struct guard_head, generation) &&
		       offsetof(struct guard_config, netns) == offsetof(struct guard_head, netns),
	       "the same in every version");

static void close_head(struct head_maps *h)
{
	if (h->active >= 0)
		close(h->active);
	if (h->config >= 0)
		close(h->config);
}

static int open_pin(const struct guard_place *place, enum guard_map map)
{
	char path[PATH_SIZE];
	struct err ignored;
	int fd = guard_pins_map_path(place, map, path, &ignored);

	return fd < 0 ? fd : bpf_obj_get(path);
}

static bool read_head(const struct guard_place *place, struct head_maps *h)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), zero = 0;

	h->active = open_pin(place, GUARD_MAP_ACTIVE);
	h->config = open_pin(place, GUARD_MAP_CONFIG);
	if (h->active < 0 || h->config < 0 || bpf_obj_get_info_by_fd(h->config, &info, &len) < 0 ||
	    info.key_size != sizeof(zero) || info.value_size < sizeof(struct guard_head) ||
	    info.value_size > CONFIG_LIMIT)
		return false;
	h->size = info.value_size;
	return bpf_map_lookup_elem(h->active, &zero, &h->half) == 0 &&
	       bpf_map_lookup_elem(h->config, &h->half, h->value.bytes) == 0;
}

static void close_dir(DIR *const *dir)
{
	if (*dir)
		closedir(*dir);
}

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void note_pin(const char *name, struct guard_pinned *p)
{
	for (unsigned i = 0; i < GUARD_MAP_COUNT; i++)
		if (strcmp(name, maps[i]) == 0)
			p->maps |= 1u << i;
	for (unsigned i = 0; i < GUARD_PART_ATTACHED; i++)
		if (begins_with(name, link_prefix) &&
		    strcmp(name + strlen(link_prefix), parts[i].name) == 0)
			p->links |= 1u << i;
	p->any |= begins_with(name, map_prefix) || begins_with(name, link_prefix);
}

int guard_pins_look(const struct guard_place *place, struct guard_pinned *ret, struct err *e)
{
	DIR cleanup_call(close_dir) *dir = opendir(pins_of(place));
	struct head_maps cleanup_call(close_head) h = {-1, -1, 0, 0, {{0}}};
	struct guard_pinned p = {0};
	const struct dirent *entry;

	if (!dir && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, -errno, _("%.300s cannot be opened: %s"), pins_of(place),
			       strerror(errno));
	while (dir && (entry = readdir(dir)))
		note_pin(entry->d_name, &p);
	if (p.any && read_head(place, &h)) {
		p.knows_head = true;
		p.head = h.value.head;
	}
	*ret = p;
	return 0;
}

bool guard_pins_are_whole(const struct guard_pinned *p)
{
	/* 0: its rules were never written */
	return p->maps == ALL_MAPS && p->knows_head &&
	       (p->head.abi == GUARD_ABI || (p->head.abi == 0 && p->head.mode == GUARD_ABI_OFF));
}

/* --- taking it away -----------------------------------------------------------------------------
 */

/*
 * One store, after which nothing is refused; then the same in the other half, so that a guard which
 * is put up again where this was interrupted judges by nothing that is old.
 */
static void stop_judging(const struct guard_place *place)
{
	struct head_maps cleanup_call(close_head) h = {-1, -1, 0, 0, {{0}}};
	uint32_t other, zero = 0;

	if (!read_head(place, &h))
		return;
	other = !h.half;
	h.value.head.mode = GUARD_ABI_OFF;
	h.value.head.generation++;
	if (bpf_map_update_elem(h.config, &other, h.value.bytes, BPF_ANY) == 0 &&
	    bpf_map_update_elem(h.active, &zero, &other, BPF_ANY) == 0)
		bpf_map_update_elem(h.config, &h.half, h.value.bytes, BPF_ANY);
}

static int remove_pin(const struct guard_place *place, const char *name, struct err *e)
{
	char path[PATH_SIZE];
	int r = pin_path(place, "", name, path, e);

	if (r == 0 && unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, -errno, _("%.300s cannot be removed: %s"), path, strerror(errno));
	return r;
}

/* All pins whose names begin so; other versions may have others than this one. */
static int remove_pins(const struct guard_place *place, const char *prefix, struct err *e)
{
	DIR cleanup_call(close_dir) *dir = opendir(pins_of(place));
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir)))
		if (begins_with(entry->d_name, prefix))
			r = remove_pin(place, entry->d_name, e);
	return r;
}

/* What drops packets goes first: listeners that nobody marks any more are not cut off. Others may
 * have put something of theirs into that folder, which stays. */
int guard_pins_remove(const struct guard_place *place, struct err *e)
{
	int r;

	stop_judging(place);
	r = remove_pin(place, "link_ingress", e);
	if (r == 0)
		r = remove_pins(place, link_prefix, e);
	if (r == 0)
		r = remove_pins(place, map_prefix, e);
	if (r == 0)
		rmdir(pins_of(place));
	return r;
}

/* --- one in the place of another ----------------------------------------------------------------
 */

char *guard_pins_beside(const struct guard_place *place)
{
	char *path;

	return asprintf(&path, "%s-next", pins_of(place)) < 0 ? NULL : path;
}

int guard_pins_look_beside(const struct guard_place *place, struct guard_pinned *ret, struct err *e)
{
	char cleanup_free *path = guard_pins_beside(place);
	const struct guard_place beside = {.cgroup = place->cgroup, .pins = path};

	return path ? guard_pins_look(&beside, ret, e) : err_set(e, -ENOMEM, _("out of memory"));
}

bool guard_pins_have_any(const struct guard_place *place)
{
	struct guard_pinned pinned;
	struct err ignored;

	return guard_pins_look(place, &pinned, &ignored) < 0 || pinned.any ||
	       guard_pins_look_beside(place, &pinned, &ignored) < 0 || pinned.any;
}

int guard_pins_take_over(const struct guard_place *place, struct err *e)
{
	char cleanup_free *beside = guard_pins_beside(place);
	int r = beside ? guard_pins_remove(place, e) : err_set(e, -ENOMEM, _("out of memory"));

	if (r == 0 && rename(beside, pins_of(place)) < 0)
		return err_set(e, -errno,
			       _("the guard cannot be kept in %.300s, where there is something "
				 "that is not portero's: %s"),
			       pins_of(place), strerror(errno));
	return r;
}

int guard_pins_settle(const struct guard_place *place, struct err *e)
{
	char cleanup_free *path = guard_pins_beside(place);
	const struct guard_place beside = {.cgroup = place->cgroup, .pins = path};
	struct guard_pinned p = {0};
	int r = path ? guard_pins_look(&beside, &p, e) : err_set(e, -ENOMEM, _("out of memory"));

	if (r < 0)
		return r;
	if (p.knows_head && p.head.mode >= GUARD_ABI_OBSERVE)
		return guard_pins_take_over(place, e);
	return guard_pins_remove(&beside, e);
}
