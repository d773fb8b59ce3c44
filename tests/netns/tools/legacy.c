/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy: what observe/legacy_* does, for tests: `legacy COMMAND FROM [TO [...]]`, where FROM and
 * TO are files of network namespaces.
 *   read FROM                the tables and their sizes, a fingerprint
 *   record FROM FILE         the tables as bytes: FAMILY NAME HEADER BLOB in hexadecimal
 *   raw FROM TO              copies every table as it is, not rewritten
 *   load FROM TO BITS        copies with the doubts in BITS (numbers, by commas; - for none)
 *   doubts FROM [TO]         the doubts; with TO: rules that TO refuses are among them
 *   path FROM TO BITS        loads; says "ready"; at a line on standard input tells the path
 */
#include "base/mem.h"
#include "base/ns.h"
#include "observe/legacy_path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
	struct legacy_image *image;
	struct legacy_sockets *twin;
	struct err *e;
};

static int read_image(void *context)
{
	struct job *job = context;

	return legacy_image_read(job->image, job->e);
}

static int open_twin(void *context)
{
	struct job *job = context;

	return legacy_open(job->twin, job->e);
}

static void in_namespace(const char *path, int (*work)(void *), struct job *job)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ns_run(fd, work, job, job->e) < 0) {
		fprintf(stderr, "%s: %s\n", path, fd < 0 ? strerror(errno) : job->e->msg);
		exit(1);
	}
	close(fd);
}

static const char *family_of(const struct legacy_table *t)
{
	return t->family == AF_INET6 ? "ip6" : "ip";
}

static int fail(const struct err *e)
{
	fprintf(stderr, "%s\n", e->msg);
	return 1;
}

static int run_read(struct job *job)
{
	for (size_t i = 0; i < job->image->count; i++) {
		const struct legacy_table *t = &job->image->tables[i];

		printf("%s %s %" PRIu32 " %zu\n", family_of(t), t->name, t->num_entries, t->size);
	}
	printf("arp %" PRIu32 "\nchanging %d\nfingerprint %016" PRIx64 "\n", job->image->arp_rules,
	       job->image->changing, legacy_image_fingerprint(job->image));
	return 0;
}

static void write_hex(FILE *file, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(file, "%02x", ((const uint8_t *)bytes)[i]);
}

/* In the form of struct recorded (tests/unit/unit.h): hooks, entry points, underflows, entries. */
static int run_record(struct job *job, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return 1;
	for (size_t i = 0; i < job->image->count; i++) {
		const struct legacy_table *t = &job->image->tables[i];

		fprintf(file, "%s-%s ", family_of(t), t->name);
		write_hex(file, &t->valid_hooks, sizeof(t->valid_hooks));
		write_hex(file, t->hook_entry, sizeof(t->hook_entry));
		write_hex(file, t->underflow, sizeof(t->underflow));
		write_hex(file, legacy_image_blob(job->image, t), t->size);
		fprintf(file, "\n");
	}
	return fclose(file) != 0;
}

static int run_raw(struct job *job)
{
	int status = 0;

	for (size_t i = 0; i < job->image->count; i++) {
		const struct legacy_table *t = &job->image->tables[i];
		struct legacy_blob blob = {.num_entries = t->num_entries};
		int r;

		memcpy(blob.hook_entry, t->hook_entry, sizeof(blob.hook_entry));
		memcpy(blob.underflow, t->underflow, sizeof(blob.underflow));
		buf_add(&blob.bytes, legacy_image_blob(job->image, t), t->size);
		r = legacy_sock_replace(t->family == AF_INET6 ? job->twin->ipv6 : job->twin->ipv4,
					t, &blob);
		buf_done(&blob.bytes);
		printf("%s %s %d\n", family_of(t), t->name, r);
		status |= r < 0;
	}
	return status;
}

static void parse_bits(const char *text, struct assignment *ret)
{
	while (*text >= '0' && *text <= '9') {
		char *end;

		assignment_set(ret, strtoul(text, &end, 10));
		text = *end ? end + 1 : end;
	}
}

static int run_doubts(struct job *job, bool try)
{
	static const char *const kinds[] = {"rate", "unmirrored", "stop"};
	static struct doubt_list list;
	bool clock;

	if (try && legacy_image_try(job->image, job->twin, job->e) < 0)
		printf("refused %s\n", job->e->msg);
	if (legacy_rewrite_find(job->image, &list, &clock, job->e) < 0)
		return fail(job->e);
	for (size_t i = 0; i < list.count; i++)
		printf("%s %s\n", kinds[list.items[i].kind], list.items[i].text);
	if (clock)
		printf("clock\n");
	return 0;
}

static int load(struct job *job, const struct assignment *a)
{
	static struct doubt_list list;
	struct legacy_report report;

	if (legacy_image_try(job->image, job->twin, job->e) < 0 ||
	    legacy_rewrite_find(job->image, &list, NULL, job->e) < 0 ||
	    legacy_image_load(job->image, job->twin, a, &report, job->e) < 0)
		return fail(job->e);
	for (size_t i = 0; i < job->image->count; i++)
		if (report.tables[i].error || report.tables[i].different)
			printf("%s %s %d %s\n", family_of(&job->image->tables[i]),
			       job->image->tables[i].name, report.tables[i].error,
			       report.tables[i].different ? "different" : "missing");
	return report.failed != 0;
}

static int run_path(struct job *job, const struct assignment *a, bool local)
{
	static struct legacy_step steps[LEGACY_STEP_LIMIT];
	struct legacy_path path = {0};
	char line[16];
	ptrdiff_t count;

	if (load(job, a) || legacy_path_begin(&path, job->image, job->twin, a, job->e) < 0)
		return fail(job->e);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	count = legacy_path_end(&path, job->twin, local, steps, LEGACY_STEP_LIMIT, job->e);
	for (ptrdiff_t i = 0; i < count; i++)
		printf("%s %s %s %s%" PRIu32 " %s\n", steps[i].family == AF_INET6 ? "ip6" : "ip",
		       steps[i].table, steps[i].chain, steps[i].policy ? "policy" : "",
		       steps[i].policy ? 0 : steps[i].rule, steps[i].target);
	legacy_path_done(&path);
	return count < 0 ? fail(job->e) : 0;
}

static int run(int argc, char **argv, struct job *job)
{
	struct assignment a = {0};
	const char *command = argv[1];

	if (argc > 4)
		parse_bits(argv[4], &a);
	if (strcmp(command, "read") == 0)
		return run_read(job);
	if (strcmp(command, "record") == 0 && argc > 3)
		return run_record(job, argv[3]);
	if (argc > 3)
		in_namespace(argv[3], open_twin, job);
	if (strcmp(command, "doubts") == 0)
		return run_doubts(job, argc > 3);
	if (strcmp(command, "raw") == 0 && argc > 3)
		return run_raw(job);
	if (strcmp(command, "load") == 0 && argc > 4)
		return load(job, &a);
	if (strcmp(command, "path") == 0 && argc > 4)
		return run_path(job, &a, argc > 5);
	fprintf(stderr, "see the comment at the top of %s\n", __FILE__);
	return 2;
}

int main(int argc, char **argv)
{
	struct legacy_image image = {0};
	struct legacy_sockets twin = {-1, -1};
	struct err e = {0};
	struct job job = {&image, &twin, &e};
	int status;

	if (argc < 3)
		return 2;
	in_namespace(argv[2], read_image, &job);
	status = run(argc, argv, &job);
	legacy_close(&twin);
	legacy_image_done(&image);
	return status;
}
