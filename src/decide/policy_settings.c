/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_settings: the values of the keys below settings.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/policy_reader.h"
#include "decide/policy_value.h"

/* A setting is given once, in one file. */
static bool is_first(struct policy_reader *r, struct policy_place *before, const char *name)
{
	struct policy_place other;

	if (!before->line) {
		*before = policy_reader_place(r);
		return true;
	}
	other = policy_problems_place_of(r->yaml.problems, r->p, before);
	policy_yaml_error(&r->yaml, &other, _("%s is set in another file already: set it once"),
			  name);
	policy_yaml_skip(&r->yaml);
	return false;
}

/* One of the words; SIZE_MAX when it is not. */
static size_t take_word(struct policy_reader *r, const char *const *words, size_t count)
{
	const char *text = policy_yaml_text(&r->yaml, _("a word"));
	struct err e = {0};
	size_t index = SIZE_MAX;

	if (text && policy_value_word(text, words, count, &index, &e) < 0)
		policy_reader_say(r, &e);
	policy_yaml_skip(&r->yaml);
	return index;
}

void policy_take_undeclared(struct policy_reader *r, const struct policy_key *key)
{
	static const char *const words[] = {
		[UNDECLARED_DROP] = "drop",
		[UNDECLARED_REJECT] = "reject",
		[UNDECLARED_OBSERVE] = "observe",
	};
	struct policy_settings *s = &r->p->settings;
	size_t index;

	if (!is_first(r, &s->undeclared_place, key->name))
		return;
	index = take_word(r, words, ARRAY_LEN(words));
	if (index != SIZE_MAX)
		s->undeclared = (enum undeclared)index;
}

void policy_take_guard(struct policy_reader *r, const struct policy_key *key)
{
	static const char *const words[] = {
		[GUARD_OFF] = "off",
		[GUARD_OBSERVE] = "observe",
		[GUARD_ENFORCE] = "enforce",
	};
	struct policy_settings *s = &r->p->settings;
	size_t index;

	if (!is_first(r, &s->guard_place, key->name))
		return;
	index = take_word(r, words, ARRAY_LEN(words));
	if (index != SIZE_MAX)
		s->guard = (enum guard_mode)index;
}

/* A setting of two words: is it the second? `value` stays as it is when it is neither. */
static void take_flag(struct policy_reader *r, const struct policy_key *key,
		      struct policy_place *place, const char *const words[2], bool *value)
{
	size_t index;

	if (!is_first(r, place, key->name))
		return;
	index = take_word(r, words, 2);
	if (index != SIZE_MAX)
		*value = index == 1;
}

void policy_take_loopback(struct policy_reader *r, const struct policy_key *key)
{
	static const char *const words[] = {"allow", "deny"};
	struct policy_settings *s = &r->p->settings;

	take_flag(r, key, &s->loopback_place, words, &s->deny_loopback);
}

void policy_take_ephemeral(struct policy_reader *r, const struct policy_key *key)
{
	static const char *const words[] = {"deny", "allow"};
	struct policy_settings *s = &r->p->settings;

	take_flag(r, key, &s->ephemeral_place, words, &s->allow_ephemeral);
}

void policy_take_echo(struct policy_reader *r, const struct policy_key *key)
{
	static const char *const words[] = {"accept", "drop"};
	struct policy_settings *s = &r->p->settings;

	take_flag(r, key, &s->echo_place, words, &s->drop_echo);
}

void policy_take_protect(struct policy_reader *r, const struct policy_key *key)
{
	struct policy_settings *s = &r->p->settings;

	if (!is_first(r, &s->protect_place, key->name))
		return;
	s->first_protected = (uint32_t)r->p->port_count;
	policy_reader_list(r, _("a port with its protocol, such as 22/tcp,"), policy_reader_port);
	s->protected_count = (uint32_t)r->p->port_count - s->first_protected;
}
