/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_copy: the nf_tables of one network namespace, copied into another as a twin gets them.
 *
 *   nft_copy copy FROM TO [DOUBT...]   the doubts that hold, by index; prints JSON
 *   nft_copy fingerprint NS            a number
 *   nft_copy dump NS FILE              its messages, one after the other, with netlink headers
 *
 * Namespaces are files (/run/netns/NAME). For the tests alone.
 */
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "base/ns.h"
#include "observe/nft_load.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Not getrusage(): that counts what the process was before exec. */
static int peak_kib(void)
{
	char line[128];
	int kib = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = atoi(line + 6);
	if (file)
		fclose(file);
	return kib;
}

static int open_here(void *context)
{
	return nl_open(context, NETLINK_NETFILTER, NULL);
}

static void open_in(struct nl *n, const char *path)
{
	int cleanup_close fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = {0};

	if (fd < 0 || ns_run(fd, open_here, n, &e) < 0) {
		fprintf(stderr, "%s: cannot be entered: %s\n", path, e.msg);
		exit(2);
	}
}

static void read_image(struct nl *n, struct nft_image *image)
{
	struct err e = {0};

	if (nft_image_read(n, image, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		exit(2);
	}
}

static json_t *pairs(const struct nft_image *image, const struct nft_load_report *report)
{
	json_t *list = json_array();
	struct nft_place place;

	for (size_t i = 0; i < report->rule_count && i < 1000; i++) {
		nft_image_place(image, report->rules[i].item, &place);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "family",
					nft_family_name(place.family), "table", place.table,
					"chain", place.chain, "handle", (json_int_t)place.handle,
					"twin", (json_int_t)report->rules[i].handle, "found",
					(json_int_t)nft_load_report_find(
						report, place.family, place.table,
						report->rules[i].handle) == report->rules[i].item));
	}
	return list;
}

static int copy(int argc, char **argv)
{
	static struct doubt_list doubts;
	struct nft_rewrite rewrite = {0};
	struct nft_loading how = {.rewrite = &rewrite, .doubts = &doubts};
	struct nft_load_report report = {0};
	struct nft_image image = {0};
	struct nl from = {0}, to = {0};
	struct err e = {0};
	double start, read, found, loaded;
	json_t *list = json_array(), *all;
	int r;

	open_in(&from, argv[2]);
	open_in(&to, argv[3]);
	for (int i = 4; i < argc; i++)
		assignment_set(&how.assignment, (size_t)atoi(argv[i]));
	start = now_ms();
	read_image(&from, &image);
	read = now_ms();
	if (nft_rewrite_find(&rewrite, &image, &doubts) < 0)
		return 2;
	found = now_ms();
	r = nft_image_load(&image, &to, &how, &report, &e);
	loaded = now_ms();
	for (size_t i = 0; i < doubts.count; i++)
		json_array_append_new(list, json_pack("{s:i, s:s}", "kind", doubts.items[i].kind,
						      "text", doubts.items[i].text));
	all = json_pack("{s:i, s:s, s:o, s:b, s:s, s:i, s:i, s:i, s:i, s:o, s:f, s:f, s:f, s:i}",
			"result", r, "error", e.msg, "doubts", list, "overflow", doubts.overflow,
			"lost", buf_text(&report.lost), "lost_count", (int)report.lost_count,
			"stopped", (int)report.stopped, "attempts", (int)report.attempts, "rules",
			(int)report.rule_count, "pairs", pairs(&image, &report), "read_ms",
			read - start, "find_ms", found - read, "load_ms", loaded - found, "kib",
			peak_kib());
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(all);
	nft_load_report_done(&report);
	nft_rewrite_done(&rewrite);
	nft_image_done(&image);
	nl_close(&from);
	nl_close(&to);
	return 0;
}

static int fingerprint(char **argv)
{
	struct nft_image image = {0};
	struct nl n = {0};

	open_in(&n, argv[2]);
	read_image(&n, &image);
	printf("%016llx\n", (unsigned long long)nft_image_fingerprint(&image));
	nft_image_done(&image);
	nl_close(&n);
	return 0;
}

static int dump(char **argv)
{
	struct nft_image image = {0};
	struct nl n = {0};
	struct buf out = {0};
	FILE *file;

	open_in(&n, argv[2]);
	read_image(&n, &image);
	for (size_t i = 0; i < image.count; i++) {
		struct nfgenmsg header = {.nfgen_family = image.items[i].family};
		struct cur attributes = nft_image_attributes(&image, i);
		size_t at = nla_begin_message(
			&out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | image.items[i].type), 0,
			&header, sizeof(header));

		buf_add(&out, attributes.at, attributes.left);
		nla_end_message(&out, at);
	}
	file = fopen(argv[3], "w");
	if (!file || fwrite(out.data, 1, out.len, file) != out.len || fclose(file) != 0)
		return 2;
	buf_done(&out);
	nft_image_done(&image);
	nl_close(&n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "copy") == 0)
		return copy(argc, argv);
	if (argc == 3 && strcmp(argv[1], "fingerprint") == 0)
		return fingerprint(argv);
	if (argc == 4 && strcmp(argv[1], "dump") == 0)
		return dump(argv);
	fprintf(stderr,
		"usage: nft_copy copy FROM TO [DOUBT...] | fingerprint NS | dump NS FILE\n");
	return 2;
}
