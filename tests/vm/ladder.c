/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ladder: loads and runs every BPF program of portero in every way, also those that portero would
 * not try on this kernel because an earlier one works (observe/sock_iter.c has their order). One
 * line for each: its name, "ok" or the error, milliseconds to load, records. Why a program was
 * refused (libbpf's log, the verifier's) goes to standard error.
 */
#include "bpf/task_file_abi.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "task_file.lskel.h"
#include "task_file.skel.h"
#include "task_walk.lskel.h"
#include "task_walk.skel.h"

/* A descriptor of the link, or a negative errno; the skeleton is left to the end of the process. */
#define LIGHT(program)                                                                             \
	static int load_##program##_light(void)                                                    \
	{                                                                                          \
		struct program##_lbpf *skel = program##_lbpf__open_and_load();                     \
		int fd = skel ? bpf_link_create(skel->progs.program.prog_fd, 0, BPF_TRACE_ITER,    \
						NULL)                                              \
			      : -1;                                                                \
                                                                                                   \
		return fd < 0 ? -errno : fd;                                                       \
	}
#define FULL(program)                                                                              \
	static int load_##program##_full(void)                                                     \
	{                                                                                          \
		struct program##_bpf *skel = program##_bpf__open_and_load();                       \
		int fd = skel ? bpf_link_create(bpf_program__fd(skel->progs.program), 0,           \
						BPF_TRACE_ITER, NULL)                              \
			      : -1;                                                                \
                                                                                                   \
		return fd < 0 ? -errno : fd;                                                       \
	}
LIGHT(task_walk)
FULL(task_walk)
LIGHT(task_file)
FULL(task_file)

static const struct rung {
	const char *name;
	int (*load)(void);
} rungs[] = {
	{"task_walk-light", load_task_walk_light},
	{"task_walk-full", load_task_walk_full},
	{"task_file-light", load_task_file_light},
	{"task_file-full", load_task_file_full},
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Records of one pass, or a negative errno. */
static long run(int link_fd)
{
	static char records[1 << 20];
	int fd = bpf_iter_create(link_fd);
	long len = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, records, sizeof(records))) > 0)
		len += got;
	close(fd);
	return got < 0 ? -errno : len / (long)sizeof(struct task_file_record);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
		double since = now_ms();
		int fd = rungs[i].load();
		double loaded = now_ms();
		long count = fd < 0 ? fd : run(fd);

		printf("%s %s %.0f %ld\n", rungs[i].name,
		       count < 0 ? strerrorname_np((int)-count) : "ok", loaded - since,
		       count < 0 ? 0 : count);
	}
	return 0;
}
