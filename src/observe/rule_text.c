/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rule_text.h"
#include "base/mem.h"
#include "base/run.h"
#include "observe/nft_image.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_LIMIT = 64 << 20, PATIENCE_MS = 5000 };

struct line {
	const char *start; /* behind its indent */
	size_t len, indent;
};

static bool next_line(const char **at, struct line *ret)
{
	size_t whole = strcspn(*at, "\n");

	if (!**at)
		return false;
	ret->indent = strspn(*at, " \t");
	ret->start = *at + ret->indent;
	ret->len = whole - ret->indent;
	*at += whole + ((*at)[whole] == '\n');
	return true;
}

/* Without " # handle N" at its end; false when that is not there. */
static bool cut_handle(struct line *line, uint64_t handle)
{
	char end[48];
	int len = snprintf(end, sizeof(end), " # handle %llu", (unsigned long long)handle);

	if (line->len <= (size_t)len ||
	    memcmp(line->start + line->len - (size_t)len, end, (size_t)len) != 0)
		return false;
	line->len -= (size_t)len;
	return true;
}

/* A chain without a name is listed within the rule that jumps to it, on lines of its own. */
static void add_lines(const char *from, const struct line *last, struct buf *out)
{
	struct line line;

	while (next_line(&from, &line) && line.start < last->start) {
		buf_add(out, line.start, line.len);
		buf_add_char(out, ' ');
	}
	buf_add(out, last->start, last->len);
}

/* Where the block begins that the line ends: what stands within is indented more. */
static const char *find_opening(const char *list, const struct line *last)
{
	const char *opening = list;
	struct line line;

	for (const char *start = list; next_line(&list, &line) && line.start < last->start;
	     start = list)
		if (line.indent == last->indent)
			opening = start;
	return opening;
}

bool rule_text_find_handle(const char *list, uint64_t handle, struct buf *out)
{
	const char *at = list;
	struct line line;

	for (const char *start = at; next_line(&at, &line); start = at) {
		if (!cut_handle(&line, handle) || line.start[line.len - 1] == '{')
			continue; /* the head of a table or chain has a handle too */
		add_lines(line.start[0] == '}' ? find_opening(list, &line) : start, &line, out);
		return true;
	}
	return false;
}

bool rule_text_find_number(const char *list, uint32_t number, struct buf *out)
{
	struct line line;

	while (next_line(&list, &line)) {
		if (line.indent || line.len < 3 || strncmp(line.start, "-A ", 3) != 0 ||
		    --number > 0)
			continue;
		buf_add(out, line.start, line.len);
		return true;
	}
	return false;
}

static int from_nft(const struct rule_place *p, struct buf *out)
{
	const char *argv[] = {"nft",	"-a",	  "list", "chain", nft_family_name(p->family),
			      p->table, p->chain, NULL};
	struct buf cleanup_call(buf_done) list = {0};
	int r = run_program(argv, NULL, LIST_LIMIT, PATIENCE_MS, &list);

	return r ? r : rule_text_find_handle(buf_text(&list), p->handle, out);
}

/* The lock file is for those who change rules, and would be left behind. */
static int from_iptables(const struct rule_place *p, struct buf *out)
{
	bool ip6 = p->family == NFPROTO_IPV6;
	const char *tool = p->legacy ? (ip6 ? "ip6tables-legacy" : "iptables-legacy")
				     : (ip6 ? "ip6tables-nft" : "iptables-nft");
	const char *argv[] = {tool, "-t", p->table, "-S", p->chain, NULL};
	struct buf cleanup_call(buf_done) list = {0};
	int r = run_program(argv, "XTABLES_LOCKFILE=/dev/null", LIST_LIMIT, PATIENCE_MS, &list);

	return r ? r : rule_text_find_number(buf_text(&list), p->number, out);
}

int rule_text(const struct rule_place *place, struct buf *out)
{
	size_t before = out->len;
	int r = -ENOENT;

	if (place->legacy || place->xtables)
		r = from_iptables(place, out);
	if (out->len == before && !place->legacy && r != -ETIMEDOUT && r != -E2BIG)
		r = from_nft(place, out);
	if (r == -ETIMEDOUT || r == -E2BIG)
		return r;
	return out->len > before;
}
