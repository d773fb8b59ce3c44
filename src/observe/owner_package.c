/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/owner_package.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/package.h"
#include "observe/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * For all roots of others together: anybody may make many, each with lists that are large and
 * sparse, so that they cost only the reader.
 */
enum { OTHER_ROOTS_TIME_MS = 3000 };

/* The programs of one root directory, each once. */
struct wanted {
	struct package_query *queries;
	uint32_t *program_strs;
	size_t count, query_cap, str_cap;
	struct map by_str;
};

static void wanted_done(struct wanted *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->queries[i].package);
	free(w->queries);
	free(w->program_strs);
	map_done(&w->by_str);
}

/* A path that is not absolute, as systemd-socket-activate(1) takes one, is asked of no package. */
static void want(const struct snapshot *s, struct wanted *w, uint32_t program_str)
{
	uint32_t ignored;

	if (snapshot_text(s, program_str)[0] != '/' || map_get(&w->by_str, program_str, &ignored))
		return;
	if (mem_grow(&w->queries, &w->query_cap, w->count + 1, sizeof(*w->queries)) < 0 ||
	    mem_grow(&w->program_strs, &w->str_cap, w->count + 1, sizeof(*w->program_strs)) < 0 ||
	    map_set(&w->by_str, program_str, (uint32_t)w->count) < 0)
		return;
	w->queries[w->count] = (struct package_query){0};
	w->program_strs[w->count++] = program_str;
}

/* The package database speaks of files: what runs from memory, or stands nowhere, has no package.
 */
static bool has_file(const struct process_info *p)
{
	return p->program_state == PROGRAM_THERE || p->program_state == PROGRAM_REPLACED;
}

static bool same_root(const struct process_info *a, const struct process_info *b)
{
	return a->own_root ? b->own_root : !b->own_root && a->root_key == b->root_key;
}

static void ask(struct snapshot *s, struct wanted *w, int root_fd, bool own_root)
{
	struct err e = {0};
	int r;

	for (size_t i = 0; i < w->count; i++)
		w->queries[i].path = snapshot_text(s, w->program_strs[i]);
	if (w->count == 0)
		return;
	r = package_find(root_fd, own_root, w->queries, w->count, &e);
	if (r < 0) {
		if (own_root)
			snapshot_add_gap(s, GAP_OWNERS,
					 _("which packages the programs are from is not known"),
					 e.msg, "");
		w->count = 0;
	}
}

static void give(struct snapshot *s, const struct wanted *w, struct process_info *p)
{
	uint32_t i;

	if (!map_get(&w->by_str, p->program_str, &i) || i >= w->count)
		return;
	p->packaged = w->queries[i].package ? STATE_YES : STATE_NO;
	if (w->queries[i].package)
		p->package_str = snapshot_add_text(s, w->queries[i].package);
}

static int open_root(const struct process_info *p)
{
	int cleanup_close fd = -1;

	if (p->own_root)
		return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = proc_open(p->pid, p->start_ns);
	return fd < 0 ? fd : openat(fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Resolves all processes that share the root directory of processes[first], and marks them done. */
static void resolve_root(struct snapshot *s, size_t first, bool *done)
{
	struct wanted cleanup_call(wanted_done) w = {0};
	struct process_info *leader = &s->processes[first];
	int cleanup_close root = open_root(leader);

	for (size_t i = first; i < s->process_count; i++)
		if (same_root(leader, &s->processes[i]) && has_file(&s->processes[i]))
			want(s, &w, s->processes[i].program_str);
	for (size_t i = 0; leader->own_root && i < s->activation_count; i++)
		want(s, &w, s->activations[i].program_str);
	if (root >= 0)
		ask(s, &w, root, leader->own_root);
	else
		w.count = 0;
	for (size_t i = first; i < s->process_count; i++) {
		struct process_info *p = &s->processes[i];

		if (!same_root(leader, p))
			continue;
		done[i] = true;
		if (has_file(p) && (!p->own_root || p->own_file))
			give(s, &w, p);
	}
	for (size_t i = 0; leader->own_root && i < s->activation_count; i++) {
		struct process_info as_process = {.program_str = s->activations[i].program_str};

		give(s, &w, &as_process);
		s->activations[i].package_str = as_process.package_str;
	}
}

void owner_resolve_packages(struct snapshot *s)
{
	int64_t spent_ms = 0;
	bool cleanup_free *done = calloc(s->process_count + 1, sizeof(*done));

	if (!done) {
		s->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < s->process_count; i++) {
		bool own = s->processes[i].own_root;
		int64_t start_ms = clock_mono_ms();

		if (done[i] || !s->processes[i].program_str)
			continue;
		if (!own && spent_ms > OTHER_ROOTS_TIME_MS) {
			snapshot_add_gap(s, GAP_OWNERS,
					 _("which packages the programs are from is not known in "
					   "some containers"),
					 _("reading their package databases took too long"), "");
			continue;
		}
		resolve_root(s, i, done);
		if (!own)
			spent_ms += clock_mono_ms() - start_ms;
	}
}
