/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "enforce/guard_accepted.h"
#include "enforce/guard_owners.h"
#include "enforce/guard_table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Between the kernel and the rules: what is under way. */
struct loading {
	const struct guard_wish *wish;
	const struct guard_rules *r;
	struct guard_kernel k;
	struct guard_report report;
	struct guard_table table;
	int64_t clock_ns; /* as its ends were computed */
};

static int fail_map(enum guard_map map, struct err *e)
{
	int r = -errno;

	return err_set(e, r, _("the guard's map %s cannot be written: %s"), guard_map_name(map),
		       strerror(-r));
}

static int put(const struct guard_kernel *k, enum guard_map map, const void *key, const void *value,
	       struct err *e)
{
	return bpf_map_update_elem(k->map_fds[map], key, value, BPF_ANY) < 0 ? fail_map(map, e) : 0;
}

/* --- programs -----------------------------------------------------------------------------------
 */

static void judge_program(const struct guard_acceptance *a, struct guard_program_file *f)
{
	bool meant = !a->only || strcmp(a->only, f->path) == 0;

	if (f->trust == GUARD_TRUST_NEW)
		f->accepted_now = meant && a->accept_new;
	else if (f->trust == GUARD_TRUST_CHANGED)
		f->accepted_now = meant && a->accept_changed;
	else
		return;
	if (!f->accepted_now && a->vouch)
		f->accepted_now = a->vouch(f->path, f->sha256, a->context);
}

int guard_accept(const struct states *s, const struct guard_rules *r,
		 const struct guard_acceptance *a, struct guard_programs *ret, struct err *e)
{
	struct guard_programs p = {0};
	int result = guard_programs_read(r, NULL, &p, e);

	if (result == 0)
		result = guard_accepted_compare(s, &p, e);
	for (size_t i = 0; result == 0 && i < p.count; i++)
		judge_program(a, &p.items[i]);
	if (result == 0)
		result = guard_accepted_save(s, &p, e);
	if (result < 0)
		guard_programs_done(&p);
	else
		*ret = p;
	return result;
}

static int read_programs(struct loading *l, struct err *e)
{
	struct guard_programs *p = &l->report.programs;
	int r = guard_programs_read(l->r, &l->k, p, e);

	return r == 0 ? guard_accepted_compare(l->wish->states, p, e) : r;
}

static bool is_trusted(const struct guard_program_file *f)
{
	return f->trust == GUARD_TRUST_SAME;
}

static int put_programs(struct loading *l, struct err *e)
{
	const struct guard_programs *p = &l->report.programs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->count; i++)
		if (is_trusted(&p->items[i]))
			r = put(&l->k, GUARD_MAP_PROGRAMS, &p->items[i].file, &p->items[i].program,
				e);
	return r;
}

static bool is_wanted(const struct guard_programs *p, const struct guard_file *file)
{
	for (size_t i = 0; i < p->count; i++)
		if (is_trusted(&p->items[i]) && memcmp(&p->items[i].file, file, sizeof(*file)) == 0)
			return true;
	return false;
}

/* What no rule names any more, or is trusted no more. */
static void drop_programs(struct loading *l)
{
	struct guard_file file, next;
	int fd = l->k.map_fds[GUARD_MAP_PROGRAMS];
	int r = bpf_map_get_next_key(fd, NULL, &next);

	while (r == 0) {
		file = next;
		r = bpf_map_get_next_key(fd, &file, &next);
		if (!is_wanted(&l->report.programs, &file))
			bpf_map_delete_elem(fd, &file);
	}
}

/* --- containers and cgroups ---------------------------------------------------------------------
 */

static void empty_map(int fd)
{
	uint64_t key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		if (bpf_map_delete_elem(fd, &key) < 0)
			return;
}

static int put_containers(struct loading *l, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->r->container_count; i++) {
		const struct guard_container *c = &l->r->containers[i];
		uint64_t key = guard_table_hash_name(guard_rules_text(l->r, c->cgroup_str));
		uint64_t value = guard_table_hash_text(guard_rules_text(l->r, c->container_str));

		if (key)
			r = put(&l->k, GUARD_MAP_CONTAINERS, &key, &value, e);
	}
	/* what was read of cgroups may have lacked these */
	empty_map(l->k.map_fds[GUARD_MAP_CGROUPS]);
	return r;
}

static bool is_named(const struct guard_rules *r, uint64_t key)
{
	for (size_t i = 0; i < r->container_count; i++)
		if (guard_table_hash_name(guard_rules_text(r, r->containers[i].cgroup_str)) == key)
			return true;
	return false;
}

/* Those of the rules before: they come and go, and there is room for so many only. */
static void drop_containers(struct loading *l)
{
	int fd = l->k.map_fds[GUARD_MAP_CONTAINERS];
	uint64_t key, next;
	int r = bpf_map_get_next_key(fd, NULL, &next);

	while (r == 0) {
		key = next;
		r = bpf_map_get_next_key(fd, &key, &next);
		if (!is_named(l->r, key))
			bpf_map_delete_elem(fd, &key);
	}
}

/* --- the half that is not in force --------------------------------------------------------------
 */

/* Elements first..first+count of an array, in one call. */
static int put_array(const struct guard_kernel *k, enum guard_map map, uint32_t first,
		     const void *values, uint32_t count, struct err *e)
{
	uint32_t *keys cleanup_free = calloc(count + 1, sizeof(*keys));

	if (!keys)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (uint32_t i = 0; i < count; i++)
		keys[i] = first + i;
	if (count && bpf_map_update_batch(k->map_fds[map], keys, values, &count, NULL) < 0)
		return fail_map(map, e);
	return 0;
}

static int put_table(const struct loading *l, uint32_t half, struct err *e)
{
	int r = put_array(&l->k, GUARD_MAP_PORTS, half * 65536, l->table.ports, 65536, e);

	return r < 0 ? r
		     : put_array(&l->k, GUARD_MAP_RULES, half * GUARD_RULE_LIMIT, l->table.rules,
				 (uint32_t)l->table.rule_count, e);
}

static enum guard_abi_mode abi_mode(enum guard_mode mode)
{
	return mode == GUARD_ENFORCE ? GUARD_ABI_ENFORCE : GUARD_ABI_OBSERVE;
}

/* Which file this program is; zeroes, which no file has, when that cannot be told. */
static void learn_self(const struct guard_kernel *k, struct guard_config *config)
{
	int cleanup_close fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct guard_learned learned;
	uint32_t key = (uint32_t)fd;
	struct err ignored;

	config->self_inode = config->self_device = 0;
	if (fd < 0 || guard_kernel_run(k, GUARD_PART_LEARN, (uint32_t)getpid(), &ignored) < 0 ||
	    bpf_map_lookup_elem(k->map_fds[GUARD_MAP_LEARNED], &key, &learned) < 0)
		return;
	bpf_map_delete_elem(k->map_fds[GUARD_MAP_LEARNED], &key);
	config->self_inode = learned.file.inode;
	config->self_device = learned.file.device;
}

/* Writes the other half, and turns to it: the last step. */
static int turn(struct loading *l, struct err *e)
{
	struct guard_config config;
	uint32_t zero = 0, half;
	int r;

	if (bpf_map_lookup_elem(l->k.map_fds[GUARD_MAP_ACTIVE], &zero, &half) < 0 ||
	    bpf_map_lookup_elem(l->k.map_fds[GUARD_MAP_CONFIG], &half, &config) < 0)
		return err_set(e, -errno, _("the guard's maps cannot be read: %s"),
			       strerror(errno));
	half = !half;
	config.mode = abi_mode(l->r->mode);
	config.generation++;
	config.loopback = l->r->loopback;
	config.ephemeral = l->r->ephemeral;
	config.seeded = l->report.is_seeded;
	config.clock_ns = l->clock_ns;
	learn_self(&l->k, &config);
	guard_kernel_wait(); /* that half may have been in force a moment ago */
	r = put_table(l, half, e);
	if (r == 0)
		r = put(&l->k, GUARD_MAP_CONFIG, &half, &config, e);
	return r < 0 ? r : put(&l->k, GUARD_MAP_ACTIVE, &zero, &half, e);
}

/* --- all of it ----------------------------------------------------------------------------------
 */

/* Sockets that no process has any more. */
static void drop_seeds(struct loading *l, uint32_t pass)
{
	int fd = l->k.map_fds[GUARD_MAP_SEEDS];
	struct guard_socket seed;
	uint64_t key, next;
	int r = bpf_map_get_next_key(fd, NULL, &next);

	while (r == 0) {
		key = next;
		r = bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &seed) < 0)
			continue;
		if (seed.pass != pass)
			bpf_map_delete_elem(fd, &key);
	}
}

/* Marks what is older than the guard; also what was marked, for what is declared only now. */
static int seed(struct loading *l, struct err *e)
{
	uint32_t pass;
	int r;

	if (l->k.program_fds[GUARD_PART_SEED] < 0)
		return 0;
	pass = guard_kernel_next_pass(&l->k);
	l->report.is_seeded = true;
	r = guard_kernel_run(&l->k, GUARD_PART_SEED, 0, e);
	if (r == 0)
		drop_seeds(l, pass);
	return r;
}

static void note_absent(struct loading *l)
{
	for (unsigned part = 0; part < GUARD_PART_COUNT; part++)
		if (l->k.program_fds[part] < 0)
			l->report.absent |= 1u << part;
}

static int load(struct loading *l, struct err *e)
{
	int r = read_programs(l, e);

	l->clock_ns = guard_owners_clock_ns();
	if (r == 0)
		r = guard_owners_make_table(l->r, &l->report.programs, l->clock_ns, &l->table, e);
	if (r == 0)
		r = put_containers(l, e);
	if (r == 0)
		r = put_programs(l, e);
	if (r == 0)
		r = seed(l, e);
	if (r == 0)
		r = turn(l, e);
	if (r < 0)
		return r;
	drop_programs(l);
	drop_containers(l);
	return 0;
}

static int put_in_force(const struct guard_wish *wish, const struct guard_rules *r,
			struct guard_report *ret, struct err *e)
{
	struct loading l = {.wish = wish, .r = r};
	int result = guard_kernel_open(wish->place, &l.k, e);

	if (result == 0) {
		note_absent(&l);
		result = load(&l, e);
	}
	if (result == 0)
		result = guard_kernel_take_over(wish->place, &l.k, e);
	guard_kernel_close(&l.k);
	guard_table_done(&l.table);
	if (result < 0)
		guard_report_done(&l.report);
	else
		*ret = l.report;
	return result;
}

int guard_load(const struct guard_wish *wish, const struct guard_rules *r, struct guard_report *ret,
	       struct err *e)
{
	*ret = (struct guard_report){0};
	if (r->mode == GUARD_OFF)
		return guard_off(wish->place, e);
	return put_in_force(wish, r, ret, e);
}

int guard_refresh(const struct guard_wish *wish, const struct guard_rules *r,
		  struct guard_report *ret, struct err *e)
{
	*ret = (struct guard_report){0};
	if (!guard_pins_have_any(wish->place))
		return err_set(e, -ENOENT,
			       _("no guard is there: portero restore puts up what was applied"));
	return put_in_force(wish, r, ret, e);
}

int guard_off(const struct guard_place *place, struct err *e)
{
	return guard_kernel_remove(place, e);
}

void guard_report_done(struct guard_report *r)
{
	guard_programs_done(&r->programs);
	*r = (struct guard_report){0};
}
