/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_accepted.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20 };

static const char name[] = "programs.json", schema[] = "portero.programs/1";

static void json_cleanup(json_t **json)
{
	json_decref(*json);
}

/* The object of programs, which is the caller's; empty where there is no file. */
static int read_all(const struct states *s, json_t **ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	json_t cleanup_call(json_cleanup) *root = NULL;
	json_t *programs;
	int r = file_read_at(s->dir_fd, name, FILE_LIMIT, &text);

	if (r == -ENOENT) {
		*ret = json_object();
		return *ret ? 0 : err_set(e, -ENOMEM, _("out of memory"));
	}
	if (r < 0)
		return states_fail(s, r, name, e);
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	programs = json_object_get(root, "programs");
	if (!json_is_object(programs) ||
	    strcmp(json_string_value(json_object_get(root, "schema")) ?: "", schema) != 0)
		return err_set(
			e, -EBADMSG,
			_("%.300s/%s is damaged: no program is trusted by it; remove it, and "
			  "apply the policy again"),
			s->dir, name);
	*ret = json_incref(programs);
	return 0;
}

int guard_accepted_compare(const struct states *s, struct guard_programs *p, struct err *e)
{
	json_t cleanup_call(json_cleanup) *programs = NULL;
	int r = read_all(s, &programs, e);

	for (size_t i = 0; i < p->count; i++) {
		struct guard_program_file *f = &p->items[i];
		const char *known = json_string_value(
			json_object_get(json_object_get(programs, f->path), "sha256"));

		if (f->trust == GUARD_TRUST_NONE)
			continue;
		if (r < 0)
			f->trust = GUARD_TRUST_CHANGED;
		else if (known)
			f->trust = strcmp(known, f->sha256) == 0 ? GUARD_TRUST_SAME
								 : GUARD_TRUST_CHANGED;
	}
	return r;
}

int guard_accepted_save(const struct states *s, const struct guard_programs *p, struct err *e)
{
	json_t cleanup_call(json_cleanup) *programs = NULL;
	json_t cleanup_call(json_cleanup) *root = NULL;
	char cleanup_free *text = NULL;
	bool any = false;
	int r = read_all(s, &programs, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->count; i++) {
		const struct guard_program_file *f = &p->items[i];

		if (!f->accepted_now)
			continue;
		any = true;
		json_object_set_new(programs, f->path, json_pack("{s:s}", "sha256", f->sha256));
	}
	if (!any)
		return 0;
	root = json_pack("{s:s, s:O}", "schema", schema, "programs", programs);
	text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	if (!text)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = save_at(s->dir_fd, name, text, strlen(text), 0600);
	return r < 0 ? states_fail(s, r, name, e) : 0;
}
