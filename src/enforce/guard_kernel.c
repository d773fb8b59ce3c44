/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_kernel.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "bpf/guard_abi.h"
#include "guard.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, ID_LIMIT = 64 };

static const struct {
	const char *name, *program;
	bool optional;
	enum bpf_attach_type type;
} parts[GUARD_PART_COUNT] = {
	[GUARD_PART_BIND4] = {"bind4", "guard_bind4", false, BPF_CGROUP_INET4_BIND},
	[GUARD_PART_BIND6] = {"bind6", "guard_bind6", false, BPF_CGROUP_INET6_BIND},
	[GUARD_PART_SOCKOPS] = {"sockops", "guard_sockops", false, BPF_CGROUP_SOCK_OPS},
	[GUARD_PART_RELEASE] = {"release", "guard_release", true, BPF_CGROUP_INET_SOCK_RELEASE},
	[GUARD_PART_CREATE] = {"create", "guard_create", true, BPF_CGROUP_INET_SOCK_CREATE},
	[GUARD_PART_LSM_LISTEN] = {"lsm_listen", "guard_lsm_listen", true, BPF_LSM_MAC},
	[GUARD_PART_LSM_CREATE] = {"lsm_create", "guard_lsm_create", true, BPF_LSM_MAC},
	[GUARD_PART_INGRESS] = {"ingress", "guard_ingress", false, BPF_CGROUP_INET_INGRESS},
	[GUARD_PART_SEED] = {"seed", "guard_seed", true, BPF_TRACE_ITER},
	[GUARD_PART_LEARN] = {"learn", "guard_learn", false, BPF_TRACE_ITER},
};

static const char *const maps[GUARD_MAP_COUNT] = {
	[GUARD_MAP_ACTIVE] = "guard_active",	 [GUARD_MAP_CONFIG] = "guard_config",
	[GUARD_MAP_PORTS] = "guard_ports",	 [GUARD_MAP_RULES] = "guard_rules",
	[GUARD_MAP_PROGRAMS] = "guard_programs", [GUARD_MAP_CONTAINERS] = "guard_containers",
	[GUARD_MAP_CGROUPS] = "guard_cgroups",	 [GUARD_MAP_SEEDS] = "guard_seeds",
	[GUARD_MAP_LEARNED] = "guard_learned",	 [GUARD_MAP_COUNTS] = "guard_counts",
	[GUARD_MAP_SOCKETS] = "guard_sockets",	 [GUARD_MAP_RING] = "guard_ring",
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

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* --- places -------------------------------------------------------------------------------------
 */

static bool is_on(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == magic;
}

const char *guard_kernel_cgroup_root(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_LEN(roots); i++)
		if (is_on(roots[i], CGROUP2_SUPER_MAGIC))
			return roots[i];
	return NULL;
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

/* The id of a cgroup is the inode number of its directory. */
static int open_cgroup(const struct guard_place *place, uint64_t *ret_id, struct err *e)
{
	const char *path = place->cgroup ? place->cgroup : guard_kernel_cgroup_root();
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

/* The folder of the pins; systemd mounts a bpffs at /sys/fs/bpf, others leave it to who needs one.
 */
static int make_pins(const struct guard_place *place, struct err *e)
{
	const char *pins = pins_of(place);

	if (strcmp(pins, GUARD_PINS) == 0 && !is_on("/sys/fs/bpf", BPF_FS_MAGIC) &&
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

/* --- loading ------------------------------------------------------------------------------------
 */

/* place NULL: with maps of its own, which nobody pins */
static struct guard_bpf *open_programs(const struct guard_place *place, unsigned left_out,
				       struct err *e)
{
	struct guard_bpf *g;
	char path[PATH_SIZE];

	libbpf_set_print(quiet);
	g = guard_bpf__open();
	if (!g) {
		err_set(e, -errno, _("the guard's programs cannot be read: %s"), strerror(errno));
		return NULL;
	}
	for (size_t i = 0; place && i < GUARD_MAP_COUNT; i++)
		if (pin_path(place, "", maps[i], path, e) < 0 ||
		    bpf_map__set_pin_path(bpf_object__find_map_by_name(g->obj, maps[i]), path) <
			    0) {
			guard_bpf__destroy(g);
			return NULL;
		}
	for (unsigned i = 0; i < GUARD_PART_COUNT; i++)
		bpf_program__set_autoload(
			bpf_object__find_program_by_name(g->obj, parts[i].program),
			!(left_out & 1u << i));
	return g;
}

static int explain_load(int r, struct err *e)
{
	if (r == -EPERM || r == -EACCES)
		return err_set(e, -EPERM,
			       _("the kernel does not let this user load the guard's BPF programs "
				 "(or locks them down)"));
	if (r == -EINVAL || r == -ENOENT || r == -ESRCH || r == -EOPNOTSUPP)
		return err_set(e, -EOPNOTSUPP,
			       _("this kernel cannot run the guard, or its pins are of another "
				 "version (portero guard off removes them): %s"),
			       strerror(-r));
	return err_set(e, r, _("the guard's BPF programs cannot be loaded: %s"), strerror(-r));
}

static int load_without(struct guard_kernel *k, const struct guard_place *place, unsigned left_out,
			struct err *e)
{
	int r;

	k->programs = open_programs(place, left_out, e);
	if (!k->programs)
		return e->code ? e->code : -ENOMEM;
	r = guard_bpf__load(k->programs);
	if (r == 0)
		return 0;
	guard_bpf__destroy(k->programs);
	k->programs = NULL;
	return explain_load(r, e);
}

/* May BPF programs be security modules? Where not, they load, and are never asked. */
static bool has_bpf_lsm(void)
{
	struct buf cleanup_call(buf_done) list = {0};
	char *name, *rest;

	if (file_read_at(AT_FDCWD, "/sys/kernel/security/lsm", PATH_SIZE, &list) < 0)
		return false;
	for (name = strtok_r(list.data, ",\n", &rest); name; name = strtok_r(NULL, ",\n", &rest))
		if (strcmp(name, "bpf") == 0)
			return true;
	return false;
}

/* All of it; else what is needed and each optional part that loads with it. */
static int load_programs(struct guard_kernel *k, const struct guard_place *place, struct err *e)
{
	bool lsm = has_bpf_lsm();
	unsigned optional = 0, refused = 0;
	struct err ignored;

	for (unsigned i = 0; i < GUARD_PART_COUNT; i++) {
		if (parts[i].optional)
			optional |= 1u << i;
		if (parts[i].type == BPF_LSM_MAC && !lsm)
			refused |= 1u << i;
	}
	if (load_without(k, place, refused, e) == 0)
		return 0;
	for (unsigned i = 0; i < GUARD_PART_COUNT; i++) {
		if (!parts[i].optional || refused & 1u << i)
			continue;
		if (load_without(k, place, optional & ~(1u << i), &ignored) < 0)
			refused |= 1u << i;
		guard_bpf__destroy(k->programs);
		k->programs = NULL;
	}
	return load_without(k, place, refused, e);
}

static void take_fds(struct guard_kernel *k)
{
	struct bpf_object *object = k->programs->obj;

	for (size_t i = 0; i < GUARD_MAP_COUNT; i++)
		k->map_fds[i] = fcntl(bpf_map__fd(bpf_object__find_map_by_name(object, maps[i])),
				      F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < GUARD_PART_COUNT; i++) {
		int fd =
			bpf_program__fd(bpf_object__find_program_by_name(object, parts[i].program));

		k->program_fds[i] = fd < 0 ? -1 : fd;
	}
}

/* --- links --------------------------------------------------------------------------------------
 */

static int program_info(int fd, struct bpf_prog_info *info, uint32_t *ids)
{
	uint32_t len = sizeof(*info);

	*info = (struct bpf_prog_info){.nr_map_ids = ids ? ID_LIMIT : 0,
				       .map_ids = (uint64_t)(uintptr_t)ids};
	return bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -errno : 0;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

/* Is the program of the link one that reads the pinned maps? */
static void read_program(uint32_t id, uint32_t active_map, struct guard_link *ret)
{
	uint32_t ids[ID_LIMIT];
	struct bpf_prog_info info;
	int cleanup_close fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0 || program_info(fd, &info, ids) < 0)
		return;
	memcpy(ret->tag, info.tag, sizeof(ret->tag));
	for (uint32_t i = 0; i < info.nr_map_ids && i < ID_LIMIT; i++)
		ret->ours |= active_map && ids[i] == active_map;
}

static int read_link(int fd, uint32_t active_map, struct guard_link *ret)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*ret = (struct guard_link){.pinned = true, .program_id = info.prog_id};
	ret->everywhere = info.type == BPF_LINK_TYPE_TRACING;
	if (!ret->everywhere)
		ret->cgroup_id = info.cgroup.cgroup_id;
	read_program(info.prog_id, active_map, ret);
	return 0;
}

int guard_kernel_link(const struct guard_place *place, enum guard_part part, struct guard_link *ret,
		      struct err *e)
{
	char path[PATH_SIZE];
	int cleanup_close active = -1, cleanup_close fd = -1;
	int r = pin_path(place, "", maps[GUARD_MAP_ACTIVE], path, e);

	if (r < 0)
		return r;
	*ret = (struct guard_link){0};
	active = bpf_obj_get(path);
	r = pin_path(place, "link_", parts[part].name, path, e);
	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : err_set(e, -errno, _("%.300s cannot be read: %s"), path,
						 strerror(errno));
	r = read_link(fd, active < 0 ? 0 : map_id(active), ret);
	return r < 0 ? err_set(e, r, _("%.300s cannot be read: %s"), path, strerror(-r)) : 0;
}

static int put_up(struct guard_kernel *k, enum guard_part part, int cgroup, const char *path)
{
	bool everywhere = parts[part].type == BPF_LSM_MAC;
	int cleanup_close link = bpf_link_create(k->program_fds[part], everywhere ? 0 : cgroup,
						 parts[part].type, NULL);

	if (link < 0)
		return -errno;
	k->attached_anew |= !everywhere;
	unlink(path);
	return bpf_obj_pin(link, path) < 0 ? -errno : 0;
}

/* Keeps a link that has this very program, gives it this one where it has another of ours, and puts
 * up a new one where there is none that is attached. */
static int attach(struct guard_kernel *k, const struct guard_place *place, enum guard_part part,
		  int cgroup, struct err *e)
{
	struct bpf_prog_info info;
	struct guard_link link = {0};
	char path[PATH_SIZE];
	int cleanup_close old = -1;
	bool is_same;
	int r = pin_path(place, "link_", parts[part].name, path, e);

	if (r == 0)
		r = guard_kernel_link(place, part, &link, e);
	if (r < 0)
		return r;
	r = program_info(k->program_fds[part], &info, NULL);
	is_same = link.ours && r == 0 && memcmp(link.tag, info.tag, sizeof(link.tag)) == 0;
	/* a link of a security module takes no other program */
	if (r == 0 && (link.everywhere ? !is_same : link.cgroup_id != k->cgroup_id)) {
		r = put_up(k, part, cgroup, path);
	} else if (r == 0 && !is_same) {
		old = bpf_obj_get(path);
		r = old < 0 || bpf_link_update(old, k->program_fds[part], NULL) < 0 ? -errno : 0;
		k->attached_anew |= !link.ours;
	}
	if (r < 0)
		return err_set(e, r, _("the guard's program %s cannot be attached: %s"),
			       parts[part].name, strerror(-r));
	return 0;
}

static int attach_all(struct guard_kernel *k, const struct guard_place *place, int cgroup,
		      struct err *e)
{
	for (enum guard_part part = 0; part < GUARD_PART_ATTACHED; part++) {
		int r = k->program_fds[part] < 0 ? 0 : attach(k, place, part, cgroup, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static void clear(struct guard_kernel *k)
{
	*k = (struct guard_kernel){0};
	memset(k->map_fds, 0xff, sizeof(k->map_fds));
	memset(k->program_fds, 0xff, sizeof(k->program_fds));
}

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/* The half that nobody has turned to yet, of a guard that is new. */
static int begin_config(struct guard_kernel *k)
{
	struct guard_config config = {.abi = GUARD_ABI,
				      .mode = GUARD_ABI_LEARN,
				      .netns = own_netns(),
				      .root = k->cgroup_id};
	uint32_t zero = 0;

	return bpf_map_update_elem(k->map_fds[GUARD_MAP_CONFIG], &zero, &config, BPF_ANY) < 0
		       ? -errno
		       : 0;
}

static int check_config(struct guard_kernel *k, struct err *e)
{
	struct guard_config config;
	uint32_t half = 0, zero = 0;

	if (bpf_map_lookup_elem(k->map_fds[GUARD_MAP_ACTIVE], &zero, &half) < 0 ||
	    bpf_map_lookup_elem(k->map_fds[GUARD_MAP_CONFIG], &half, &config) < 0)
		return err_set(e, -errno, _("the guard's maps cannot be read: %s"),
			       strerror(errno));
	if (config.abi == 0 && half == 0) {
		int r = begin_config(k);

		return r < 0 ? err_set(e, r, _("the guard's maps cannot be written: %s"),
				       strerror(-r))
			     : 0;
	}
	if (config.abi != GUARD_ABI)
		return err_set(e, -EOPNOTSUPP,
			       _("the guard that is attached is of another version of portero: "
				 "portero guard off, then portero apply"));
	if (config.netns != own_netns() || config.root != k->cgroup_id)
		return err_set(e, -EXDEV,
			       _("the guard that is attached is of another network namespace or "
				 "cgroup: use another --pin-dir, or portero guard off there"));
	return 0;
}

int guard_kernel_open(const struct guard_place *place, struct guard_kernel *k, struct err *e)
{
	int cleanup_close cgroup = -1;
	int r;

	clear(k);
	e->code = 0;
	cgroup = open_cgroup(place, &k->cgroup_id, e);
	if (cgroup < 0)
		return cgroup;
	r = make_pins(place, e);
	if (r == 0)
		r = load_programs(k, place, e);
	if (r < 0)
		return r;
	take_fds(k);
	r = check_config(k, e);
	return r < 0 ? r : attach_all(k, place, cgroup, e);
}

int guard_kernel_find(const struct guard_place *place, struct guard_kernel *k, struct err *e)
{
	char path[PATH_SIZE];
	int r;

	clear(k);
	for (size_t i = 0; i < GUARD_MAP_COUNT; i++) {
		r = pin_path(place, "", maps[i], path, e);
		if (r < 0)
			return r;
		k->map_fds[i] = bpf_obj_get(path);
		if (k->map_fds[i] < 0)
			return err_set(e, -errno, _("%.300s cannot be opened: %s"), path,
				       strerror(errno));
	}
	return 0;
}

void guard_kernel_close(struct guard_kernel *k)
{
	for (size_t i = 0; i < GUARD_MAP_COUNT; i++)
		if (k->map_fds[i] > 0)
			close(k->map_fds[i]);
	guard_bpf__destroy(k->programs);
	clear(k);
}

/*
 * One store, after which nothing is refused; then the same in the other half, so that a guard which
 * is put up again where this was interrupted judges by nothing that is old.
 */
static void stop_judging(const struct guard_place *place)
{
	struct guard_kernel cleanup_call(guard_kernel_close) k;
	struct guard_config config;
	uint32_t half, other, zero = 0;
	struct err ignored;

	if (guard_kernel_find(place, &k, &ignored) < 0 ||
	    bpf_map_lookup_elem(k.map_fds[GUARD_MAP_ACTIVE], &zero, &half) < 0 ||
	    bpf_map_lookup_elem(k.map_fds[GUARD_MAP_CONFIG], &half, &config) < 0)
		return;
	other = !half;
	config.mode = GUARD_ABI_OFF;
	config.generation++;
	if (bpf_map_update_elem(k.map_fds[GUARD_MAP_CONFIG], &other, &config, BPF_ANY) == 0 &&
	    bpf_map_update_elem(k.map_fds[GUARD_MAP_ACTIVE], &zero, &other, BPF_ANY) == 0)
		bpf_map_update_elem(k.map_fds[GUARD_MAP_CONFIG], &half, &config, BPF_ANY);
}

bool guard_kernel_is_elsewhere(const struct guard_place *place)
{
	struct guard_kernel cleanup_call(guard_kernel_close) k;
	struct guard_config config;
	uint32_t half, zero = 0;
	struct err ignored;

	return guard_kernel_find(place, &k, &ignored) == 0 &&
	       bpf_map_lookup_elem(k.map_fds[GUARD_MAP_ACTIVE], &zero, &half) == 0 &&
	       bpf_map_lookup_elem(k.map_fds[GUARD_MAP_CONFIG], &half, &config) == 0 &&
	       config.abi && config.netns != own_netns();
}

/* Only what is the guard's: others may have put something of theirs into that folder. */
int guard_kernel_remove(const struct guard_place *place, struct err *e)
{
	char path[PATH_SIZE];
	int r = 0;

	stop_judging(place);
	for (size_t i = 0; i < GUARD_PART_ATTACHED + GUARD_MAP_COUNT && r == 0; i++) {
		bool is_link = i < GUARD_PART_ATTACHED;

		r = pin_path(place, is_link ? "link_" : "",
			     is_link ? parts[i].name : maps[i - GUARD_PART_ATTACHED], path, e);
		if (r == 0 && unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
			r = err_set(e, -errno, _("%.300s cannot be removed: %s"), path,
				    strerror(errno));
	}
	if (r == 0)
		rmdir(pins_of(place));
	return r;
}

int guard_kernel_run(const struct guard_kernel *k, enum guard_part part, uint32_t pid,
		     struct err *e)
{
	union bpf_iter_link_info info = {.task = {.pid = pid}};
	struct bpf_link_create_opts options = {
		.sz = sizeof(options), .iter_info = &info, .iter_info_len = sizeof(info)};
	int cleanup_close link = -1, cleanup_close fd = -1;
	char bytes[64];
	ssize_t got;

	link = bpf_link_create(k->program_fds[part], 0, BPF_TRACE_ITER, pid ? &options : NULL);
	/* until 5.19 it knows of no single process */
	if (link < 0 && pid)
		link = bpf_link_create(k->program_fds[part], 0, BPF_TRACE_ITER, NULL);
	fd = link < 0 ? -1 : bpf_iter_create(link);
	if (fd < 0)
		return err_set(e, -errno, _("the BPF iterator %s does not run: %s"),
			       parts[part].name, strerror(errno));
	do
		got = read(fd, bytes, sizeof(bytes));
	while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
	return got < 0 ? err_set(e, -errno, _("the BPF iterator %s does not run: %s"),
				 parts[part].name, strerror(errno))
		       : 0;
}

int guard_kernel_tags(const struct guard_place *place, uint8_t tags[GUARD_PART_ATTACHED][8])
{
	struct guard_kernel k;
	struct bpf_prog_info info;
	struct err ignored = {0};
	int r;

	clear(&k);
	r = load_programs(&k, place, &ignored);
	if (r == 0)
		take_fds(&k);
	for (enum guard_part part = 0; r == 0 && part < GUARD_PART_ATTACHED; part++)
		if (k.program_fds[part] >= 0 && program_info(k.program_fds[part], &info, NULL) == 0)
			memcpy(tags[part], info.tag, sizeof(info.tag));
	guard_kernel_close(&k);
	return r < 0 ? -1 : 0;
}

int guard_kernel_try(const struct guard_place *place, unsigned *ret_absent, struct err *e)
{
	struct guard_kernel k;
	uint64_t id;
	int cleanup_close cgroup = open_cgroup(place, &id, e);
	int r;

	if (cgroup < 0)
		return cgroup;
	clear(&k);
	r = load_programs(&k, NULL, e);
	if (r == 0)
		take_fds(&k);
	*ret_absent = 0;
	for (unsigned part = 0; r == 0 && part < GUARD_PART_COUNT; part++)
		if (k.program_fds[part] < 0)
			*ret_absent |= 1u << part;
	guard_kernel_close(&k);
	return r;
}

uint32_t guard_kernel_next_pass(struct guard_kernel *k)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	k->programs->bss->seed_pass = (uint32_t)now.tv_sec * 1000000 + (uint32_t)now.tv_nsec / 1000;
	return k->programs->bss->seed_pass;
}

void guard_kernel_wait(void)
{
	/* waits for an RCU grace period, and BPF programs of cgroups run within RCU's protection */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(50000);
}
