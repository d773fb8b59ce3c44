/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_load_scene: a policy from texts, and what is said about it. */
#pragma once

#include "decide/policy_parse.h"
#include "decide/policy_review.h"
#include "unit.h"

struct policy_scene {
	struct policy p;
	struct policy_problems problems;
};

static inline void scene_add(struct policy_scene *s, const char *file, const char *text)
{
	char *copy = unit_copy(text, strlen(text));

	assert_int_equal(policy_parse(&s->p, file, copy, strlen(text), &s->problems), 0);
	free(copy);
}

static inline void scene_done(struct policy_scene *s)
{
	policy_done(&s->p);
	policy_problems_done(&s->problems);
}

/* "error 2:5 the sentence" of a problem; valid until the next call */
static inline const char *scene_problem(const struct policy_scene *s, size_t index)
{
	static char text[2048];
	const struct policy_problem *p = &s->problems.items[index];

	assert_true(index < s->problems.count);
	snprintf(text, sizeof(text), "%s %u:%u %s", p->is_error ? "error" : "warning",
		 p->place.line, p->place.column, policy_problems_text(&s->problems, p->text_str));
	return text;
}

/* The only problem of the scene begins with `start` and holds `part`. */
static inline void assert_problem(const struct policy_scene *s, const char *start, const char *part)
{
	const char *text;

	if (s->problems.count != 1)
		fail_msg("%zu problems, not one: %s", s->problems.count, start);
	text = scene_problem(s, 0);
	if (strncmp(text, start, strlen(start)) != 0 || !strstr(text, part))
		fail_msg("'%s' is not '%s ... %s'", text, start, part);
}

static inline void assert_no_problem(const struct policy_scene *s)
{
	if (s->problems.count)
		fail_msg("a problem: %s", scene_problem(s, 0));
}
