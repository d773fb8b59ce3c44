/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rule_text.h"
#include "base/mem.h"
#include "base/run.h"
#include "observe/nft_image.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_LIMIT = 64 << 20, PATIENCE_MS = 5000 };

/* The line of `nft -a list chain` that ends in "# handle N", without that. */
static bool find_by_handle(const char *list, uint64_t handle, struct buf *out)
{
	char end[48];

	snprintf(end, sizeof(end), "# handle %llu", (unsigned long long)handle);
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n"), skip = strspn(line, " \t");

		if (len < strlen(end) || memcmp(line + len - strlen(end), end, strlen(end)) != 0 ||
		    strncmp(line + skip, "chain ", 6) == 0)
			continue;
		len -= strlen(end);
		while (len > skip && line[len - 1] == ' ')
			len--;
		buf_add(out, line + skip, len - skip);
		return len > skip;
	}
	return false;
}

/* The n-th line of `iptables -S CHAIN` that begins with "-A". */
static bool find_by_number(const char *list, uint32_t number, struct buf *out)
{
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, "-A ", 3) != 0 || --number > 0)
			continue;
		buf_add(out, line, strcspn(line, "\n"));
		return true;
	}
	return false;
}

static bool from_nft(const struct rule_place *p, struct buf *out)
{
	const char *argv[] = {"nft",	"-a",	  "list", "chain", nft_family_name(p->family),
			      p->table, p->chain, NULL};
	struct buf cleanup_call(buf_done) list = {0};

	return run_program(argv, NULL, LIST_LIMIT, PATIENCE_MS, &list) == 0 &&
	       find_by_handle(buf_text(&list), p->handle, out);
}

/* The lock file is for those who change rules, and would be left behind. */
static bool from_iptables(const struct rule_place *p, struct buf *out)
{
	bool ip6 = p->family == NFPROTO_IPV6;
	const char *tool = p->legacy ? (ip6 ? "ip6tables-legacy" : "iptables-legacy")
				     : (ip6 ? "ip6tables-nft" : "iptables-nft");
	const char *argv[] = {tool, "-t", p->table, "-S", p->chain, NULL};
	struct buf cleanup_call(buf_done) list = {0};

	return run_program(argv, "XTABLES_LOCKFILE=/dev/null", LIST_LIMIT, PATIENCE_MS, &list) ==
		       0 &&
	       find_by_number(buf_text(&list), p->number, out);
}

bool rule_text(const struct rule_place *place, struct buf *out)
{
	if ((place->legacy || place->xtables) && from_iptables(place, out))
		return true;
	return !place->legacy && from_nft(place, out);
}
