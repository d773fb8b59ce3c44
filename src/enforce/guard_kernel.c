/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_kernel.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "bpf/guard_abi.h"
#include "enforce/guard_links.h"
#include "guard.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = GUARD_PIN_PATH_SIZE };

/* As this version has them: what is pinned may be another's. */
static const struct {
	uint32_t key_size, value_size;
} layouts[GUARD_MAP_COUNT] = {
	[GUARD_MAP_ACTIVE] = {sizeof(uint32_t), sizeof(uint32_t)},
	[GUARD_MAP_CONFIG] = {sizeof(uint32_t), sizeof(struct guard_config)},
	[GUARD_MAP_PORTS] = {sizeof(uint32_t), sizeof(struct guard_port)},
	[GUARD_MAP_RULES] = {sizeof(uint32_t), sizeof(struct guard_rule)},
	[GUARD_MAP_PROGRAMS] = {sizeof(struct guard_file), sizeof(struct guard_program)},
	[GUARD_MAP_CONTAINERS] = {sizeof(uint64_t), sizeof(uint64_t)},
	[GUARD_MAP_CGROUPS] = {sizeof(uint64_t), sizeof(struct guard_cgroup)},
	[GUARD_MAP_SEEDS] = {sizeof(uint64_t), sizeof(struct guard_socket)},
	[GUARD_MAP_LEARNED] = {sizeof(uint32_t), sizeof(struct guard_learned)},
	[GUARD_MAP_COUNTS] = {sizeof(uint32_t), sizeof(uint64_t)},
	[GUARD_MAP_SOCKETS] = {sizeof(uint32_t), sizeof(struct guard_socket)},
	[GUARD_MAP_LISTENS] = {sizeof(uint64_t), sizeof(struct guard_socket)},
	[GUARD_MAP_RING] = {0, 0},
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* --- loading ------------------------------------------------------------------------------------
 */

static struct bpf_map *find_map(const struct guard_bpf *g, enum guard_map map)
{
	return bpf_object__find_map_by_name(g->obj, guard_map_name(map));
}

static struct bpf_program *find_program(const struct guard_bpf *g, enum guard_part part)
{
	char name[32];

	snprintf(name, sizeof(name), "guard_%s", guard_part_name(part));
	return bpf_object__find_program_by_name(g->obj, name);
}

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
	for (enum guard_map map = 0; place && map < GUARD_MAP_COUNT; map++)
		if (guard_pins_map_path(place, map, path, e) < 0 ||
		    bpf_map__set_pin_path(find_map(g, map), path) < 0) {
			guard_bpf__destroy(g);
			return NULL;
		}
	for (enum guard_part part = 0; part < GUARD_PART_COUNT; part++)
		bpf_program__set_autoload(find_program(g, part), !(left_out & 1u << part));
	return g;
}

static int explain_load(int r, struct err *e)
{
	if (r == -EPERM || r == -EACCES)
		return err_set(e, -EPERM,
			       _("the kernel does not let this user load the guard's BPF programs "
				 "(or locks them down)"));
	if (r == -EINVAL || r == -ENOENT || r == -ESRCH || r == -EOPNOTSUPP)
		return err_set(e, -EOPNOTSUPP, _("this kernel cannot run the guard: %s"),
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
		if (guard_part_is_optional(i))
			optional |= 1u << i;
		if (GUARD_PARTS_LSM & 1u << i && !lsm)
			refused |= 1u << i;
	}
	if (load_without(k, place, refused, e) == 0)
		return 0;
	for (unsigned i = 0; i < GUARD_PART_COUNT; i++) {
		if (!guard_part_is_optional(i) || refused & 1u << i)
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
	for (enum guard_map map = 0; map < GUARD_MAP_COUNT; map++)
		k->map_fds[map] =
			fcntl(bpf_map__fd(find_map(k->programs, map)), F_DUPFD_CLOEXEC, 3);
	for (enum guard_part part = 0; part < GUARD_PART_COUNT; part++) {
		int fd = bpf_program__fd(find_program(k->programs, part));

		k->program_fds[part] = fd < 0 ? -1 : fd;
	}
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

/* Of a guard that is new: marks, and judges nothing. */
static int begin_config(const struct guard_kernel *k, uint32_t half)
{
	struct guard_config config = {.abi = GUARD_ABI,
				      .mode = GUARD_ABI_LEARN,
				      .netns = own_netns(),
				      .root = k->cgroup_id};

	return bpf_map_update_elem(k->map_fds[GUARD_MAP_CONFIG], &half, &config, BPF_ANY) < 0
		       ? -errno
		       : 0;
}

static int fail_elsewhere(struct err *e)
{
	return err_set(e, -EXDEV,
		       _("the guard that is attached is of another network namespace or cgroup: "
			 "use another --pin-dir, or portero guard off there"));
}

static int check_config(const struct guard_kernel *k, struct err *e)
{
	struct guard_config config;
	uint32_t half = 0, zero = 0;

	if (bpf_map_lookup_elem(k->map_fds[GUARD_MAP_ACTIVE], &zero, &half) < 0 ||
	    bpf_map_lookup_elem(k->map_fds[GUARD_MAP_CONFIG], &half, &config) < 0)
		return err_set(e, -errno, _("the guard's maps cannot be read: %s"),
			       strerror(errno));
	if (config.abi == 0) {
		int r = begin_config(k, half);

		return r < 0 ? err_set(e, r, _("the guard's maps cannot be written: %s"),
				       strerror(-r))
			     : 0;
	}
	return config.root == k->cgroup_id ? 0 : fail_elsewhere(e);
}

/* Where to put it up: in its place, or beside one that cannot be used again. */
static int choose_pins(const struct guard_place *place, struct guard_kernel *k,
		       struct guard_place *ret, struct err *e)
{
	struct guard_pinned pinned = {0};
	int r = guard_pins_make(place, e);

	if (r == 0)
		r = guard_pins_settle(place, e);
	if (r == 0)
		r = guard_pins_look(place, &pinned, e);
	if (r < 0)
		return r;
	if (pinned.head.abi && pinned.head.netns != own_netns())
		return fail_elsewhere(e);
	*ret = *place;
	if (pinned.any && !guard_pins_are_whole(&pinned)) {
		k->beside = guard_pins_beside(place);
		if (!k->beside)
			return err_set(e, -ENOMEM, _("out of memory"));
		ret->pins = k->beside;
	}
	/* what was settled may have been the folder itself */
	return guard_pins_make(ret, e);
}

int guard_kernel_open(const struct guard_place *place, struct guard_kernel *k, struct err *e)
{
	struct guard_place where;
	int cleanup_close cgroup = -1;
	int r;

	clear(k);
	e->code = 0;
	cgroup = guard_pins_open_cgroup(place, &k->cgroup_id, e);
	if (cgroup < 0)
		return cgroup;
	r = choose_pins(place, k, &where, e);
	if (r == 0)
		r = load_programs(k, &where, e);
	if (r < 0)
		return r;
	take_fds(k);
	r = check_config(k, e);
	return r < 0 ? r : guard_links_attach(k, &where, cgroup, e);
}

int guard_kernel_take_over(const struct guard_place *place, const struct guard_kernel *k,
			   struct err *e)
{
	return k->beside ? guard_pins_take_over(place, e) : 0;
}

/* What is read from a map of another version would be of another size. */
static bool has_layout(int fd, enum guard_map map)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	       info.key_size == layouts[map].key_size && info.value_size == layouts[map].value_size;
}

static int open_map(const struct guard_place *place, enum guard_map map, int *ret, struct err *e)
{
	char path[PATH_SIZE];
	int r = guard_pins_map_path(place, map, path, e);

	if (r < 0)
		return r;
	*ret = bpf_obj_get(path);
	if (*ret < 0)
		return err_set(e, -errno, _("%.300s cannot be opened: %s"), path, strerror(errno));
	if (!has_layout(*ret, map))
		return err_set(e, -EPROTO,
			       _("the guard that is attached is of another version of portero: "
				 "portero restore puts this one's in its place"));
	return 0;
}

int guard_kernel_find(const struct guard_place *place, struct guard_kernel *k, struct err *e)
{
	int r = 0;

	clear(k);
	for (enum guard_map map = 0; r == 0 && map < GUARD_MAP_COUNT; map++)
		r = open_map(place, map, &k->map_fds[map], e);
	return r;
}

void guard_kernel_close(struct guard_kernel *k)
{
	for (size_t i = 0; i < GUARD_MAP_COUNT; i++)
		if (k->map_fds[i] > 0)
			close(k->map_fds[i]);
	guard_bpf__destroy(k->programs);
	free(k->beside);
	clear(k);
}

bool guard_kernel_is_elsewhere(const struct guard_place *place)
{
	struct guard_pinned p;
	struct err ignored;

	return guard_pins_look(place, &p, &ignored) == 0 && p.head.abi &&
	       p.head.netns != own_netns();
}

int guard_kernel_remove(const struct guard_place *place, struct err *e)
{
	char cleanup_free *path = guard_pins_beside(place);
	const struct guard_place beside = {.cgroup = place->cgroup, .pins = path};
	int r = path ? guard_pins_remove(&beside, e) : err_set(e, -ENOMEM, _("out of memory"));

	return r < 0 ? r : guard_pins_remove(place, e);
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
			       guard_part_name(part), strerror(errno));
	do
		got = read(fd, bytes, sizeof(bytes));
	while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
	return got < 0 ? err_set(e, -errno, _("the BPF iterator %s does not run: %s"),
				 guard_part_name(part), strerror(errno))
		       : 0;
}

int guard_kernel_tags(uint8_t tags[GUARD_PART_ATTACHED][8])
{
	struct guard_kernel k;
	struct err ignored = {0};
	int r;

	clear(&k);
	r = load_programs(&k, NULL, &ignored);
	if (r == 0)
		take_fds(&k);
	for (enum guard_part part = 0; r == 0 && part < GUARD_PART_ATTACHED; part++)
		if (k.program_fds[part] >= 0)
			guard_links_tag(k.program_fds[part], tags[part]);
	guard_kernel_close(&k);
	return r < 0 ? -1 : 0;
}

int guard_kernel_try(const struct guard_place *place, unsigned *ret_absent, struct err *e)
{
	struct guard_kernel k;
	uint64_t id;
	int cleanup_close cgroup = guard_pins_open_cgroup(place, &id, e);
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
