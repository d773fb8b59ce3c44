/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_check.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "enforce/guard_accepted.h"
#include "enforce/guard_links.h"
#include "enforce/guard_owners.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Counters of every processor. */
enum { CPU_LIMIT = 4096 };

struct checking {
	const struct guard_place *place;
	const struct guard_rules *r;
	struct guard_kernel k;
	struct guard_config config;
	uint32_t half;
	struct guard_programs programs;
	struct guard_check *ret;
};

bool guard_fault_is_tampering(enum guard_fault fault)
{
	return fault <= GUARD_FAULT_ELSEWHERE;
}

const char *guard_fault_id(enum guard_fault fault)
{
	static const char *const ids[GUARD_FAULT_COUNT] = {
		[GUARD_FAULT_ABSENT] = "absent",
		[GUARD_FAULT_DETACHED] = "detached",
		[GUARD_FAULT_UNPINNED] = "unpinned",
		[GUARD_FAULT_FOREIGN] = "foreign-program",
		[GUARD_FAULT_MAPS] = "changed-rules",
		[GUARD_FAULT_MAP_GONE] = "map-unpinned",
		[GUARD_FAULT_VERSION] = "other-version",
		[GUARD_FAULT_ELSEWHERE] = "other-namespace",
		[GUARD_FAULT_UNFINISHED] = "unfinished",
		[GUARD_FAULT_CLOCK] = "clock-was-set",
		[GUARD_FAULT_PROGRAM_MISSING] = "program-missing",
		[GUARD_FAULT_PROGRAM_CHANGED] = "program-changed",
		[GUARD_FAULT_PROGRAM_TOUCHED] = "program-touched",
		[GUARD_FAULT_USER_UNKNOWN] = "user-unknown",
	};

	return ids[fault];
}

static void add_fault(struct guard_check *c, enum guard_fault kind, const char *subject)
{
	c->fault_total++;
	if (c->fault_count < GUARD_CHECK_FAULT_LIMIT)
		c->faults[c->fault_count++] = (struct guard_check_fault){kind, subject};
}

/* --- links --------------------------------------------------------------------------------------
 */

static int check_link(struct checking *c, enum guard_part part, const uint8_t (*tags)[8],
		      struct err *e)
{
	struct guard_link link;
	int r = guard_links_read(c->place, part, &link, e);

	if (r < 0)
		return r;
	c->ret->attached |= link.cgroup_id ? 1u << part : 0;
	if (!link.pinned && guard_part_is_optional(part))
		c->ret->absent |= 1u << part;
	else if (!link.pinned)
		add_fault(c->ret, GUARD_FAULT_UNPINNED, guard_part_name(part));
	else if (!link.everywhere &&
		 (!link.cgroup_id || (c->ret->whole && link.cgroup_id != c->config.root)))
		add_fault(c->ret, GUARD_FAULT_DETACHED, guard_part_name(part));
	else if (c->ret->whole &&
		 (!link.ours || (tags && memcmp(tags[part], link.tag, sizeof(link.tag)) != 0)))
		add_fault(c->ret, GUARD_FAULT_FOREIGN, guard_part_name(part));
	return 0;
}

static int check_links(struct checking *c, bool thorough, struct err *e)
{
	uint8_t tags[GUARD_PART_ATTACHED][8] = {{0}};
	bool known = thorough && guard_kernel_tags(tags) == 0;

	for (enum guard_part part = 0; part < GUARD_PART_ATTACHED; part++) {
		int r = check_link(c, part, known ? tags : NULL, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- maps ---------------------------------------------------------------------------------------
 */

static void note_mode(struct guard_check *ret, const struct guard_pinned *p)
{
	ret->mode_known = p->knows_head;
	ret->learning = p->head.mode == GUARD_ABI_LEARN;
	ret->mode = p->head.mode == GUARD_ABI_ENFORCE	? GUARD_ENFORCE
		    : p->head.mode == GUARD_ABI_OBSERVE ? GUARD_OBSERVE
							: GUARD_OFF;
}

static int read_config(struct checking *c, struct err *e)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(c->k.map_fds[GUARD_MAP_ACTIVE], &zero, &c->half) < 0 ||
	    bpf_map_lookup_elem(c->k.map_fds[GUARD_MAP_CONFIG], &c->half, &c->config) < 0)
		return err_set(e, -errno, _("the guard's maps cannot be read: %s"),
			       strerror(errno));
	c->ret->is_seeded = c->config.seeded;
	return 0;
}

/* An array from element `first` on, into items of `size` bytes. */
static int read_array(const struct checking *c, enum guard_map map, uint32_t first, void *items,
		      size_t size, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t key = first + i;

		if (bpf_map_lookup_elem(c->k.map_fds[map], &key, (char *)items + i * size) < 0)
			return -errno;
	}
	return 0;
}

/* All ports in a few calls: an element before the first is where a batch begins. */
static int read_ports(const struct checking *c, struct guard_port *ports)
{
	uint32_t *keys cleanup_free = calloc(2 * 65536, sizeof(*keys));
	struct guard_port *all cleanup_free = calloc(2 * 65536, sizeof(*all));
	uint32_t count = 2 * 65536, at;

	if (!keys || !all)
		return -ENOMEM;
	if (bpf_map_lookup_batch(c->k.map_fds[GUARD_MAP_PORTS], NULL, &at, keys, all, &count,
				 NULL) < 0 &&
	    errno != ENOENT)
		return -errno;
	for (uint32_t i = 0; i < count; i++)
		if (keys[i] / 65536 == c->half)
			ports[keys[i] % 65536] = all[i];
	return 0;
}

static bool has_rules(const struct checking *c, const struct guard_table *t)
{
	struct guard_rule *rules cleanup_free = calloc(t->rule_count + 1, sizeof(*rules));

	return rules &&
	       read_array(c, GUARD_MAP_RULES, c->half * GUARD_RULE_LIMIT, rules, sizeof(*rules),
			  (uint32_t)t->rule_count) == 0 &&
	       memcmp(rules, t->rules, t->rule_count * sizeof(*rules)) == 0;
}

static int check_maps(struct checking *c, struct err *e)
{
	struct guard_port *ports cleanup_free = calloc(65536, sizeof(*ports));
	struct guard_table cleanup_call(guard_table_done) t = {0};
	int r = ports ? guard_owners_make_table(c->r, &c->programs, c->config.clock_ns, &t, e)
		      : -ENOMEM;

	if (r < 0)
		return r;
	r = read_ports(c, ports);
	if (r < 0)
		return err_set(e, r, _("the guard's maps cannot be read: %s"), strerror(-r));
	if (c->ret->mode != c->r->mode || c->config.loopback != c->r->loopback ||
	    c->config.ephemeral != c->r->ephemeral ||
	    memcmp(ports, t.ports, 65536 * sizeof(*ports)) != 0 || !has_rules(c, &t))
		add_fault(c->ret, GUARD_FAULT_MAPS, "");
	return 0;
}

static void read_counts(struct checking *c)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[CPU_LIMIT];

	for (uint32_t i = 0; cpus > 0 && cpus <= CPU_LIMIT && i < GUARD_COUNT_COUNT; i++)
		if (bpf_map_lookup_elem(c->k.map_fds[GUARD_MAP_COUNTS], &i, values) == 0)
			for (int n = 0; n < cpus; n++)
				c->ret->counts[i] += values[n];
}

/* --- programs -----------------------------------------------------------------------------------
 */

/* Does the kernel know a program by this token whose file has the size and change time of now? */
static void find_learned(struct checking *c, struct guard_program_file *f, bool *known, bool *same)
{
	int fd = c->k.map_fds[GUARD_MAP_PROGRAMS];
	struct guard_file key, next;
	struct guard_program p;
	struct stat st;
	uint64_t ctime_ns;

	*known = *same = false;
	if (stat(f->path, &st) < 0)
		return;
	ctime_ns = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
	for (int r = bpf_map_get_next_key(fd, NULL, &next); r == 0;
	     r = bpf_map_get_next_key(fd, &key, &next)) {
		key = next;
		if (bpf_map_lookup_elem(fd, &key, &p) < 0 || key.inode != st.st_ino ||
		    p.size != (uint64_t)st.st_size || p.ctime_ns != ctime_ns)
			continue;
		*known = *same = true;
		f->token = p.program; /* two paths of one file have the token of the first */
		return;
	}
}

static void check_program(struct checking *c, struct guard_program_file *f)
{
	bool known, same;

	find_learned(c, f, &known, &same);
	c->ret->programs += known;
	if (f->trust == GUARD_TRUST_NONE)
		add_fault(c->ret, GUARD_FAULT_PROGRAM_MISSING, f->path);
	else if (f->trust != GUARD_TRUST_SAME)
		add_fault(c->ret, GUARD_FAULT_PROGRAM_CHANGED, f->path);
	else if (!same)
		add_fault(c->ret, GUARD_FAULT_PROGRAM_TOUCHED, f->path);
}

static int check_programs(struct checking *c, const struct states *s, struct err *e)
{
	int r = guard_programs_read(c->r, NULL, &c->programs, e);

	if (r == 0)
		r = guard_accepted_compare(s, &c->programs, e);
	for (size_t i = 0; r == 0 && i < c->programs.count; i++)
		check_program(c, &c->programs.items[i]);
	return r;
}

/* Ends were computed by what the clock was then; corrections of less than a second are no matter.
 */
static void check_clock(struct checking *c)
{
	int64_t moved_s = (guard_owners_clock_ns() - c->config.clock_ns) / 1000000000;

	for (size_t i = 0; moved_s && i < c->r->owner_count; i++) {
		if (!c->r->owners[i].until_s)
			continue;
		add_fault(c->ret, GUARD_FAULT_CLOCK, "");
		return;
	}
}

static void check_users(struct checking *c)
{
	uint32_t uid;

	for (size_t i = 0; i < c->r->owner_count; i++) {
		const char *user = guard_rules_text(c->r, c->r->owners[i].user_str);

		if (user[0] && guard_owners_find_user(user, &uid) < 0)
			add_fault(c->ret, GUARD_FAULT_USER_UNKNOWN, user);
	}
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static int check_all(struct checking *c, const struct states *s, bool thorough, struct err *e)
{
	struct stat st;
	int r = read_config(c, e);

	if (r == 0)
		r = check_links(c, thorough, e);
	if (r == 0)
		r = check_programs(c, s, e);
	if (r == 0)
		r = check_maps(c, e);
	if (r < 0)
		return r;
	if (stat("/proc/thread-self/ns/net", &st) == 0 && st.st_ino != c->config.netns)
		add_fault(c->ret, GUARD_FAULT_ELSEWHERE, "");
	check_clock(c);
	check_users(c);
	read_counts(c);
	return 0;
}

/* What is attached goes on, by maps that nobody can read any more. */
static int check_remains(struct checking *c, const struct guard_pinned *p, struct err *e)
{
	bool any = false;

	for (enum guard_map map = 0; map < GUARD_MAP_COUNT; map++) {
		if (p->maps & 1u << map)
			continue;
		any = true;
		add_fault(c->ret, GUARD_FAULT_MAP_GONE, guard_map_name(map));
	}
	if (!any)
		add_fault(c->ret, GUARD_FAULT_VERSION, "");
	return check_links(c, false, e);
}

static int check_whole(struct checking *c, const struct states *s, bool thorough, struct err *e)
{
	int r = guard_kernel_find(c->place, &c->k, e);

	if (r == 0)
		r = check_all(c, s, thorough, e);
	guard_programs_done(&c->programs);
	guard_kernel_close(&c->k);
	return r;
}

/* Where there is none, the one beside it may be all that there is: it was to be renamed. */
static int check_beside(struct checking *c, bool alone, struct err *e)
{
	char cleanup_free *path = guard_pins_beside(c->place);
	const struct guard_place beside = {.cgroup = c->place->cgroup, .pins = path};
	struct checking other = {.place = &beside, .r = c->r, .ret = c->ret};
	struct guard_pinned pinned = {0};
	int r = path ? guard_pins_look_beside(c->place, &pinned, e)
		     : err_set(e, -ENOMEM, _("out of memory"));

	if (r < 0)
		return r;
	if (pinned.any)
		add_fault(c->ret, GUARD_FAULT_UNFINISHED, "");
	if (alone && !pinned.any && c->r->mode != GUARD_OFF)
		add_fault(c->ret, GUARD_FAULT_ABSENT, "");
	if (!alone || !pinned.any)
		return 0;
	c->ret->there = true;
	note_mode(c->ret, &pinned);
	return check_links(&other, false, e);
}

int guard_check(const struct states *s, const struct guard_place *place,
		const struct guard_rules *r, bool thorough, struct guard_check *ret, struct err *e)
{
	struct checking c = {.place = place, .r = r, .ret = ret};
	struct guard_pinned pinned;
	int result = guard_pins_look(place, &pinned, e);

	*ret = (struct guard_check){0};
	if (result < 0)
		return result;
	note_mode(ret, &pinned);
	ret->mode_known |= !pinned.any;
	ret->there = pinned.any;
	ret->whole = guard_pins_are_whole(&pinned);
	result = check_beside(&c, !pinned.any, e);
	if (result < 0 || !pinned.any)
		return result;
	return ret->whole ? check_whole(&c, s, thorough, e) : check_remains(&c, &pinned, e);
}
