/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/sock_iter.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task_file.lskel.h"
#include "task_file.skel.h"
#include "task_walk.lskel.h"

enum { READ_SIZE = 1 << 18 };

/* Past this many records (256 MiB) something is wrong, and we say so rather than go on. */
#define RECORD_LIMIT ((size_t)2 << 20)

struct sock_iter {
	pthread_t thread;
	bool running;
	int walk_fd;		     /* link of task_walk, or -1: the kernel does not take it */
	int link_fd;		     /* link of task_file, or -1: not loaded */
	int error;		     /* negative errno of the last load or pass */
	enum sock_iter_way file_way; /* how task_file was loaded */
	enum sock_iter_way way;	     /* which gave the last answer */
	struct buf records;
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* A descriptor of a link for the program, or a negative errno. */
static int attach(int prog_fd)
{
	int fd = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, NULL);

	return fd < 0 ? -errno : fd;
}

static int load_light(void)
{
	struct task_file_lbpf *skel = task_file_lbpf__open_and_load();
	int fd;

	if (!skel)
		return errno ? -errno : -EIO;
	fd = attach(skel->progs.task_file.prog_fd);
	task_file_lbpf__destroy(skel);
	return fd;
}

static int load_full(void)
{
	struct task_file_bpf *skel;
	int fd;

	libbpf_set_print(quiet);
	skel = task_file_bpf__open_and_load();
	if (!skel)
		return errno ? -errno : -EIO;
	fd = attach(bpf_program__fd(skel->progs.task_file));
	task_file_bpf__destroy(skel);
	return fd;
}

static int load_walk(void)
{
	struct task_walk_lbpf *skel = task_walk_lbpf__open_and_load();
	int fd;

	if (!skel)
		return errno ? -errno : -EIO;
	fd = attach(skel->progs.task_walk.prog_fd);
	task_walk_lbpf__destroy(skel);
	return fd;
}

static int load_file(struct sock_iter *it)
{
	if (it->link_fd < 0) {
		it->link_fd = load_light();
		it->file_way = SOCK_ITER_LIGHT;
	}
	if (it->link_fd < 0) {
		it->link_fd = load_full();
		it->file_way = SOCK_ITER_FULL;
	}
	return it->link_fd < 0 ? it->link_fd : 0;
}

static int run_pass(struct sock_iter *it, int link_fd)
{
	int cleanup_close fd = bpf_iter_create(link_fd);

	if (fd < 0)
		return -errno;
	buf_clear(&it->records);
	for (;;) {
		char *to = buf_reserve(&it->records, READ_SIZE);
		ssize_t got;

		if (!to)
			return -ENOMEM;
		got = read(fd, to, READ_SIZE);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		it->records.len += (size_t)got;
		if (it->records.len > RECORD_LIMIT * sizeof(struct task_file_record))
			return -EFBIG;
	}
}

/*
 * Takes out the marks, and the records of processes that were voided. A voided process is not
 * looked at again in this pass: it ended, or got another table. 0; 1 when a process has too many
 * sockets.
 */
static int take_out_marks(struct buf *records)
{
	struct task_file_record *r = (struct task_file_record *)(void *)records->data;
	size_t count = records->len / sizeof(*r), kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (r[i].type == TASK_WALK_MANY)
			return 1;
		if (r[i].type == TASK_WALK_VOID) {
			while (kept && r[kept - 1].pid == r[i].pid)
				kept--;
			continue;
		}
		if (kept != i)
			r[kept] = r[i];
		kept++;
	}
	records->len = kept * sizeof(*r);
	return 0;
}

/* By the walk where it is to be had and enough, else by the iterator over all files. */
static int run(struct sock_iter *it)
{
	int r;

	it->way = SOCK_ITER_WALK;
	if (it->walk_fd >= 0 && run_pass(it, it->walk_fd) == 0 && take_out_marks(&it->records) == 0)
		return 0;
	r = load_file(it);
	it->way = it->file_way;
	return r < 0 ? r : run_pass(it, it->link_fd);
}

static void *load_and_run(void *context)
{
	struct sock_iter *it = context;

	it->walk_fd = load_walk();
	it->error = run(it);
	return NULL;
}

struct sock_iter *sock_iter_start(void)
{
	struct sock_iter *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	it->walk_fd = it->link_fd = -1;
	it->running = pthread_create(&it->thread, NULL, load_and_run, it) == 0;
	if (!it->running) {
		free(it);
		return NULL;
	}
	return it;
}

static long result(struct sock_iter *it, const struct task_file_record **ret, struct err *e)
{
	switch (it->error) {
	case 0:
		*ret = (const struct task_file_record *)(const void *)buf_text(&it->records);
		return (long)(it->records.len / sizeof(struct task_file_record));
	case -EPERM:
	case -EACCES:
		return err_set(e, it->error,
			       _("the kernel does not let this user load a BPF program"));
	case -ENOMEM:
		return err_set(e, it->error, _("out of memory"));
	default:
		return err_set(e, it->error,
			       _("the BPF iterator over open files did not load or run: %s"),
			       strerror(-it->error));
	}
}

long sock_iter_wait(struct sock_iter *it, const struct task_file_record **ret, struct err *e)
{
	if (it->running)
		pthread_join(it->thread, NULL);
	it->running = false;
	return result(it, ret, e);
}

long sock_iter_again(struct sock_iter *it, const struct task_file_record **ret, struct err *e)
{
	if (it->walk_fd >= 0 || it->link_fd >= 0)
		it->error = run(it);
	return result(it, ret, e);
}

enum sock_iter_way sock_iter_way(const struct sock_iter *it)
{
	return it->error < 0 ? SOCK_ITER_NONE : it->way;
}

const char *sock_iter_way_name(enum sock_iter_way way)
{
	static const char *const names[] = {
		[SOCK_ITER_NONE] = "-",
		[SOCK_ITER_WALK] = "task_walk",
		[SOCK_ITER_LIGHT] = "task_file, light",
		[SOCK_ITER_FULL] = "task_file",
	};

	return names[way];
}

void sock_iter_free(struct sock_iter *it)
{
	if (!it)
		return;
	if (it->running)
		pthread_join(it->thread, NULL);
	if (it->walk_fd >= 0)
		close(it->walk_fd);
	if (it->link_fd >= 0)
		close(it->link_fd);
	buf_done(&it->records);
	free(it);
}
