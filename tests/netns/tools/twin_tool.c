/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_tool: drives observe/twin for the tests, in the network namespace that it is started in.
 *
 *   twin_tool copy          makes a twin, prints the report and the links as JSON, ends
 *   twin_tool hold          the same, then waits until standard input ends; the twin's namespace is
 *                           /proc/PID/fd/N (the field "ns") meanwhile
 *   twin_tool open          makes an empty twin
 *   twin_tool fingerprint   prints the hash
 */
#include "observe/twin.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static json_t *describe_report(const struct twin_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct twin_difference *d = &report->items[i];

		json_array_append_new(list,
				      json_pack("{si si sI ss ss}", "scope", d->scope, "family",
						d->family, "ifindex", (json_int_t)d->ifindex,
						"what", d->what, "why", d->why));
	}
	return list;
}

static json_t *describe_links(const struct twin *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->link_count; i++) {
		const struct twin_link *l = &t->links[i];

		json_array_append_new(list,
				      json_pack("{sI ss ss si sb sb sb sb sI}", "ifindex",
						(json_int_t)l->ifindex, "name", l->name, "kind",
						l->kind, "tap", l->tap, "tun", l->is_tun,
						"loopback", l->loopback, "up", l->up, "carrier",
						l->carrier, "master", (json_int_t)l->master));
	}
	return list;
}

static int copy(int hold)
{
	struct twin t = {0};
	struct twin_report report = {0};
	struct err e = {0};
	double start = now_ms(), opened, copied;
	int r = twin_open(&t, &e);
	json_t *out;
	char byte;

	opened = now_ms();
	if (r == 0)
		r = twin_network_copy(&t, &report, &e);
	copied = now_ms();
	out = json_pack("{si ss si sf sf so so}", "result", r, "error", e.msg, "ns", t.ns,
			"open_ms", opened - start, "copy_ms", copied - opened, "report",
			describe_report(&report), "links", describe_links(&t));
	json_dumpf(out, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(out);
	if (hold)
		while (read(0, &byte, 1) > 0)
			;
	twin_report_done(&report);
	opened = now_ms();
	twin_close(&t);
	printf("{\"close_ms\":%f}\n", now_ms() - opened);
	return r < 0;
}

static int open_only(void)
{
	struct twin t = {0};
	struct err e = {0};
	int r = twin_open(&t, &e);

	printf("%d %s\n", r, e.msg);
	twin_close(&t);
	return r < 0;
}

static int fingerprint(void)
{
	struct nl n = {0};
	struct err e = {0};
	uint64_t hash = 0;
	int r = nl_open(&n, 0, &e);
	double start = now_ms();

	if (r == 0)
		r = twin_network_fingerprint(&n, &hash, &e);
	printf("%016" PRIx64 " %.3f %s\n", hash, now_ms() - start, e.msg);
	nl_close(&n);
	return r < 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "copy") == 0)
		return copy(0);
	if (argc == 2 && strcmp(argv[1], "hold") == 0)
		return copy(1);
	if (argc == 2 && strcmp(argv[1], "open") == 0)
		return open_only();
	if (argc == 2 && strcmp(argv[1], "fingerprint") == 0)
		return fingerprint();
	return 2;
}
