/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_policy.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/view_guard.h"

#include <string.h>

json_t *json_policy_place(const char *file, const struct policy_place *place)
{
	struct buf cleanup_call(buf_done) safe = {0};

	text_escape(&safe, file, strlen(file), false);
	return json_pack("{s:o, s:i, s:i}", "file",
			 safe.len ? json_string(buf_text(&safe)) : json_null(), "line", place->line,
			 "column", place->column);
}

/* Of several rows of a port, one that the guard cuts off; else the first. */
static json_t *pack_guard(const struct view *v, const struct port_row *rows, size_t count)
{
	const struct port_row *row = rows;
	const char *id;

	for (size_t i = 0; v->guard && i < count; i++)
		if (view_guard_judge(v, &rows[i], NULL) == GUARD_CUT_OFF)
			row = &rows[i];
	id = view_guard_id(v, row);
	return id ? json_string(id) : json_null();
}

json_t *json_policy_port(const struct view *v, const struct port_row *rows, size_t count)
{
	enum declared worst = DECLARED_NO_POLICY;
	uint32_t opening = POLICY_NO_OPENING, at;
	const struct policy_place *place;

	for (size_t i = 0; v->has_policy && i < count; i++) {
		enum declared one =
			policy_row(&v->policy, &v->snapshot, &v->list, &rows[i], v->now_s, &at);

		if (worst != DECLARED_NO_POLICY && one != DECLARED_NO && one != DECLARED_OTHER)
			continue;
		worst = one;
		opening = at;
	}
	if (worst == DECLARED_NO_POLICY || rows->netns != 0)
		return json_null();
	if (opening == POLICY_NO_OPENING)
		return json_pack("{s:s, s:n, s:o}", "declared", declared_id(worst), "opening",
				 "guard", pack_guard(v, rows, count));
	place = &v->policy.openings[opening].place;
	return json_pack("{s:s, s:o, s:o}", "declared", declared_id(worst), "opening",
			 json_policy_place(policy_text(&v->policy, place->file_str), place),
			 "guard", pack_guard(v, rows, count));
}
