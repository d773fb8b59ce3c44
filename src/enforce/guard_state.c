/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_state.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "enforce/change_log.h"
#include "enforce/guard_rules_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHERE_LIMIT = 65536 };

static const char where_file[] = "guard.json", schema[] = "portero.guard-place/1";

/* --- where --------------------------------------------------------------------------------------
 */

static bool copy_text(const json_t *root, const char *key, char to[4096])
{
	const char *text = json_string_value(json_object_get(root, key));

	return text && (size_t)snprintf(to, 4096, "%s", text) < 4096;
}

static void point(struct guard_where *w)
{
	w->place = (struct guard_place){.cgroup = w->cgroup[0] ? w->cgroup : NULL,
					.pins = w->pins[0] ? w->pins : NULL};
}

int guard_state_where(const struct states *s, struct guard_where *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(s->dir_fd, where_file, WHERE_LIMIT, &text);
	json_t *root;
	bool good;

	ret->cgroup[0] = ret->pins[0] = '\0';
	point(ret);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return states_fail(s, r, where_file, e);
	root = json_loadb(buf_text(&text), text.len, 0, NULL);
	good = copy_text(root, "cgroup", ret->cgroup) && copy_text(root, "pins", ret->pins);
	json_decref(root);
	point(ret);
	return good ? 1
		    : err_set(e, -EBADMSG,
			      _("%.300s/%s is damaged: where the guard is attached is not known"),
			      s->dir, where_file);
}

int guard_state_set_where(const struct states *s, const char *cgroup, const char *pins,
			  struct err *e)
{
	struct guard_where *now cleanup_free = calloc(1, sizeof(*now));
	char cleanup_free *text = NULL;
	json_t *root;
	int r;

	if (!now)
		return err_set(e, -ENOMEM, _("out of memory"));
	cgroup = cgroup ? cgroup : "";
	pins = pins ? pins : "";
	r = guard_state_where(s, now, e);
	if (r < 0)
		return r;
	if (r && strcmp(now->cgroup, cgroup) == 0 && strcmp(now->pins, pins) == 0)
		return 0;
	if (r && guard_pins_have_any(&now->place))
		return err_set(
			e, -EBUSY,
			_("a guard is attached to %.200s, pinned in %.200s, and can be moved "
			  "only when it is off: portero guard off"),
			now->cgroup[0] ? now->cgroup : _("the root cgroup"),
			now->pins[0] ? now->pins : GUARD_PINS);
	root = json_pack("{s:s, s:s, s:s}", "schema", schema, "cgroup", cgroup, "pins", pins);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		return err_set(e, -EINVAL, _("the paths of the guard are no UTF-8"));
	r = save_at(s->dir_fd, where_file, text, strlen(text), 0600);
	return r < 0 ? states_fail(s, r, where_file, e) : 0;
}

/* --- rules --------------------------------------------------------------------------------------
 */

int guard_state_read(const struct states *s, uint32_t state, struct guard_rules *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	char path[64], name[8];
	int r;

	*ret = (struct guard_rules){0};
	if (!state)
		return 0;
	states_name(state, name);
	snprintf(path, sizeof(path), "states/%s/guard.json", name);
	r = file_read_at(s->dir_fd, path, GUARD_RULES_TEXT_LIMIT, &text);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = guard_rules_parse(buf_text(&text), text.len, ret);
	return r < 0 ? states_fail(s, r, path, e) : 0;
}

/* What the kernel cannot do is told, and does not keep the firewall from doing its half. */
static int settle_for_less(const struct states *s, const struct guard_place *place, uint32_t state,
			   int r, const struct err *e)
{
	if ((r != -EOPNOTSUPP && r != -EPERM && r != -EACCES) || guard_pins_have_any(place))
		return r;
	change_log_add(s, CHANGE_FAILURE, state, state, e->msg, NULL);
	return 0;
}

int guard_state_load(const struct states *s, uint32_t state, struct err *e)
{
	struct guard_where *where cleanup_free = calloc(1, sizeof(*where));
	struct guard_report cleanup_call(guard_report_done) report = {0};
	struct guard_rules cleanup_call(guard_rules_done) rules = {0};
	struct guard_wish wish = {.states = s};
	int known, r;

	if (!where)
		return err_set(e, -ENOMEM, _("out of memory"));
	known = guard_state_where(s, where, e);
	r = known < 0 ? known : guard_state_read(s, state, &rules, e);
	/* where no guard of these states ever was, another's may be */
	if (r < 0 || !known)
		return r;
	/* which these states never put up, or left behind in a namespace that is not theirs any
	 * more */
	if (rules.mode == GUARD_OFF && guard_kernel_is_elsewhere(&where->place))
		return 0;
	wish.place = &where->place;
	r = guard_load(&wish, &rules, &report, e);
	return r < 0 ? settle_for_less(s, &where->place, state, r, e) : 0;
}
