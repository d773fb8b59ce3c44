/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_owners.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1, TEXTS_SIZE = 16384 };

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
			    struct guard_table *ret, struct err *e)
{
	struct guard_rule cleanup_free *keys = calloc(r->owner_count + 1, sizeof(*keys));

	if (!keys)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < r->owner_count; i++)
		make_key(r, programs, &r->owners[i], &keys[i]);
	return guard_table_make(r, keys, ret, e);
}
