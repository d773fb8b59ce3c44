/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_programs.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "enforce/guard_table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The clock of files may stand still for as long as 10 ms (CONFIG_HZ=100). */
enum { FRESH_NS = 20 * 1000 * 1000 };
enum { BATCH = 200, PROGRAM_LIMIT = GUARD_PROGRAM_LIMIT / 2 };

static int compare_path(const void *a, const void *b)
{
	const struct guard_program_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int list_paths(const struct guard_rules *r, struct guard_programs *p, struct err *e)
{
	size_t kept = 0;

	p->items = calloc(r->owner_count + 1, sizeof(*p->items));
	if (!p->items)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < r->owner_count; i++)
		if (r->owners[i].program_str)
			p->items[p->count++].path = guard_rules_text(r, r->owners[i].program_str);
	qsort(p->items, p->count, sizeof(*p->items), compare_path);
	for (size_t i = 0; i < p->count; i++)
		if (!kept || strcmp(p->items[kept - 1].path, p->items[i].path) != 0)
			p->items[kept++] = p->items[i];
	p->count = kept;
	if (kept > PROGRAM_LIMIT)
		return err_set(e, -E2BIG, _("the policy names more than %d programs"),
			       PROGRAM_LIMIT);
	return 0;
}

/* Waits for nobody: what is no regular file is not opened to be read. */
static int open_program(struct guard_program_file *f)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		f->error = -errno;
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	f->error = -ENOEXEC;
	close(fd);
	return -1;
}

static int hash_file(int fd, struct guard_program_file *f)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[65536], digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX sha;
	ssize_t got;
	bool first = true;

	SHA256Init(&sha);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
		if (first)
			f->script = got > 2 && bytes[0] == '#' && bytes[1] == '!';
		first = false;
		SHA256Update(&sha, bytes, (size_t)got);
	}
	if (got < 0)
		return -errno;
	SHA256Final(digest, &sha);
	for (size_t i = 0; i < sizeof(digest); i++) {
		f->sha256[2 * i] = digits[digest[i] >> 4];
		f->sha256[2 * i + 1] = digits[digest[i] & 15];
	}
	f->sha256[2 * sizeof(digest)] = '\0';
	return 0;
}

/* Was it written to, or was anything else done to it, while it was read? */
static bool is_still(int fd, const struct stat *before)
{
	struct stat now;

	return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
	       now.st_ctim.tv_sec == before->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == before->st_ctim.tv_nsec;
}

static uint64_t to_ns(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return to_ns(now);
}

/* So young that it may be changed once more, and have the same ctime. */
static bool is_fresh(uint64_t ctime_ns, uint64_t now)
{
	return ctime_ns + FRESH_NS > now && ctime_ns < now + FRESH_NS;
}

static void wait_until_old(const int *fds, size_t count)
{
	const struct timespec pause = {.tv_nsec = FRESH_NS + 5 * 1000 * 1000};
	uint64_t now = now_ns();
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0 || fstat(fds[i], &st) < 0 || !is_fresh(to_ns(st.st_ctim), now))
			continue;
		nanosleep(&pause, NULL);
		return;
	}
}

/* `since`: the time before it was learned. */
static void read_program(int fd, const struct guard_kernel *k, uint64_t since,
			 struct guard_program_file *f)
{
	struct guard_learned learned = {0};
	uint32_t key = (uint32_t)fd;
	struct stat before;

	/* what changes after it was learned gets another ctime: the kernel does not know it then */
	if (k && bpf_map_lookup_elem(k->map_fds[GUARD_MAP_LEARNED], &key, &learned) < 0) {
		f->error = -ESTALE;
		return;
	}
	if (k)
		bpf_map_delete_elem(k->map_fds[GUARD_MAP_LEARNED], &key);
	/* who has mapped it to write to it may do so without a trace in the file's times */
	if (k && (learned.writable || is_fresh(learned.program.ctime_ns, since))) {
		f->error = learned.writable ? -ETXTBSY : -EBUSY;
		return;
	}
	f->error = fstat(fd, &before) < 0 ? -errno : hash_file(fd, f);
	if (f->error == 0 && !is_still(fd, &before))
		f->error = -EBUSY;
	if (f->error < 0)
		return;
	f->file = learned.file;
	f->program = learned.program;
	f->trust = GUARD_TRUST_NEW;
}

static int read_batch(struct guard_program_file *items, size_t count, const struct guard_kernel *k,
		      struct err *e)
{
	int fds[BATCH], r;
	uint64_t since;
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		fds[i] = open_program(&items[i]);
		any |= fds[i] >= 0;
	}
	if (k)
		wait_until_old(fds, count);
	since = now_ns();
	r = any && k ? guard_kernel_run(k, GUARD_PART_LEARN, (uint32_t)getpid(), e) : 0;
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		if (r == 0)
			read_program(fds[i], k, since, &items[i]);
		close(fds[i]);
	}
	return r;
}

/* Two paths that lead to one file have one token: the kernel knows the file alone. */
static void give_tokens(struct guard_programs *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct guard_program_file *f = &p->items[i];

		f->token = guard_table_hash_text(f->path);
		for (size_t k = 0; k < i && f->trust != GUARD_TRUST_NONE; k++) {
			if (p->items[k].trust == GUARD_TRUST_NONE || !f->file.inode ||
			    memcmp(&p->items[k].file, &f->file, sizeof(f->file)) != 0)
				continue;
			f->token = p->items[k].token;
			break;
		}
		f->program.program = f->token;
	}
}

int guard_programs_read(const struct guard_rules *r, const struct guard_kernel *k,
			struct guard_programs *ret, struct err *e)
{
	struct guard_programs p = {0};
	int result = list_paths(r, &p, e);

	for (size_t i = 0; result == 0 && i < p.count; i += BATCH)
		result = read_batch(&p.items[i], p.count - i < BATCH ? p.count - i : BATCH, k, e);
	if (result < 0) {
		guard_programs_done(&p);
		return result;
	}
	give_tokens(&p);
	*ret = p;
	return 0;
}

void guard_programs_done(struct guard_programs *p)
{
	free(p->items);
	*p = (struct guard_programs){0};
}

const struct guard_program_file *guard_programs_find(const struct guard_programs *p,
						     const char *path)
{
	const struct guard_program_file wanted = {.path = path};

	return p->count ? bsearch(&wanted, p->items, p->count, sizeof(*p->items), compare_path)
			: NULL;
}
