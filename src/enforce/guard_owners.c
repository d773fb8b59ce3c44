/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_owners.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOBODY = -1, TEXTS_SIZE = 16384 };

static const int64_t SECOND_NS = 1000000000;

int guard_owners_find_user(const char *name, uint32_t *ret)
{
	struct passwd room, *found = NULL;
	char texts[TEXTS_SIZE];
	uint64_t number;

	if (text_parse_number(name, strlen(name), UINT32_MAX - 1, &number) == 0) {
		*ret = (uint32_t)number;
		return 0;
	}
	if (getpwnam_r(name, &room, texts, sizeof(texts), &found) != 0 || !found)
		return -ENOENT;
	*ret = found->pw_uid;
	return 0;
}

int64_t guard_owners_clock_ns(void)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (wall.tv_sec - boot.tv_sec) * SECOND_NS + wall.tv_nsec - boot.tv_nsec;
}

/* On the boot clock; what is before the start of the machine is over, what is beyond it never. */
static uint64_t end_ns(int64_t until_s, int64_t clock_ns)
{
	int64_t until_ns;

	if (__builtin_mul_overflow(until_s, SECOND_NS, &until_ns) ||
	    __builtin_sub_overflow(until_ns, clock_ns, &until_ns))
		return UINT64_MAX;
	return until_ns < 0 ? 0 : (uint64_t)until_ns;
}

static void make_key(const struct guard_rules *r, const struct guard_programs *programs,
		     const struct guard_owner *o, struct guard_rule *key)
{
	if (o->program_str) {
		const struct guard_program_file *f =
			guard_programs_find(programs, guard_rules_text(r, o->program_str));

		key->wanted |= GUARD_WANTS_PROGRAM;
		key->program = f ? f->token : 1;
	}
	if (o->unit_str) {
		key->wanted |= GUARD_WANTS_UNIT;
		key->unit = guard_table_hash_name(guard_rules_text(r, o->unit_str));
		/* 0 is "no unit": a name that is too long must match nothing */
		key->unit = key->unit ? key->unit : 1;
	}
	if (o->user_str) {
		key->wanted |= GUARD_WANTS_USER;
		/* a user that there is not has no process */
		if (guard_owners_find_user(guard_rules_text(r, o->user_str), &key->uid) < 0)
			key->uid = (uint32_t)NOBODY;
	}
	if (o->container_str) {
		key->wanted |= GUARD_WANTS_CONTAINER;
		key->container = guard_table_hash_text(guard_rules_text(r, o->container_str));
	}
}

int guard_owners_make_table(const struct guard_rules *r, const struct guard_programs *programs,
			    int64_t clock_ns, struct guard_table *ret, struct err *e)
{
	struct guard_rule cleanup_free *keys = calloc(r->owner_count + 1, sizeof(*keys));

	if (!keys)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < r->owner_count; i++) {
		const struct guard_owner *o = &r->owners[i];

		make_key(r, programs, o, &keys[i]);
		if (!o->until_s)
			continue;
		keys[i].wanted |= GUARD_ENDS;
		keys[i].until_ns = end_ns(o->until_s, clock_ns);
	}
	return guard_table_make(r, keys, ret, e);
}
