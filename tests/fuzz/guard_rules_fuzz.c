/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_rules_fuzz: any bytes as guard.json. What is accepted must come back from its own text as
 * it was, have no grant without an owner, and be refused when its last byte is missing.
 */
#include "base/mem.h"
#include "enforce/guard_rules_json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static void check_grants(const struct guard_rules *r)
{
	for (size_t i = 0; i < r->grant_count; i++) {
		const struct port_range *p = &r->grants[i].ports;

		MUST(r->grants[i].owner < r->owner_count);
		MUST(p->first && p->first <= p->last && !p->any_proto);
		MUST(p->proto == PROTO_TCP || p->proto == PROTO_UDP);
	}
}

static void check(const struct guard_rules *r)
{
	struct guard_rules cleanup_call(guard_rules_done) again = {0};
	char cleanup_free *text = guard_rules_format(r), *second = NULL;

	check_grants(r);
	for (size_t i = 0; i < r->owner_count; i++) {
		const char *program = guard_rules_text(r, r->owners[i].program_str);

		MUST(!program[0] || program[0] == '/');
	}
	MUST(text && guard_rules_parse(text, strlen(text), &again) == 0);
	second = guard_rules_format(&again);
	MUST(second && strcmp(text, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_rules cleanup_call(guard_rules_done) r = {0};
	struct guard_rules part = {0};

	if (guard_rules_parse((const char *)data, size, &r) == 0) {
		check(&r);
		MUST(guard_rules_parse((const char *)data, size - 1, &part) < 0);
	}
	return 0;
}
