/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_match.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	/* pcre2api(3): how often match() may be entered, and how much memory it may take, in KiB */
	MATCH_LIMIT = 100000,
	HEAP_LIMIT_KIB = 1024,
	GROUP_LIMIT = 16,
	TEXT_LIMIT = 256,
	JIT_STACK_FIRST = 32 << 10,
	JIT_STACK_LIMIT = 512 << 10,
};

int service_matcher_init(struct service_matcher *m, const struct probes *p)
{
	m->probes = p;
	m->context = pcre2_match_context_create(NULL);
	m->data = pcre2_match_data_create(GROUP_LIMIT, NULL);
	m->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_LIMIT, NULL);
	if (!m->context || !m->data || !m->stack)
		return -ENOMEM;
	pcre2_jit_stack_assign(m->context, NULL, m->stack);
	pcre2_set_match_limit(m->context, MATCH_LIMIT);
	pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
	return 0;
}

void service_matcher_done(struct service_matcher *m)
{
	pcre2_jit_stack_free(m->stack);
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
}

bool service_fits(struct service_matcher *m, const pcre2_code *pattern, const void *answer,
		  size_t len)
{
	int groups = pcre2_match(pattern, (PCRE2_SPTR)answer, len, 0, 0, m->data, m->context);

	/* 0: more than there is room for */
	m->groups = groups > 0 ? (unsigned)groups : groups == 0 ? GROUP_LIMIT : 0;
	return groups >= 0;
}

/* One round over the matches on the event: those of the request's own file, or the others. */
static const struct probe_match *look(struct service_matcher *m, int event, bool own, bool weak,
				      const void *answer, size_t len)
{
	const struct probes *p = m->probes;

	for (size_t i = 0; i < p->match_count; i++) {
		const struct probe_match *t = &p->matches[i];
		bool is_own = event >= 0 && p->requests[event].file == t->file;

		if (t->weak == weak && is_own == own &&
		    probes_is_on(p, t->on, t->on_count, event) &&
		    service_fits(m, t->pattern, answer, len))
			return t;
	}
	return NULL;
}

const struct probe_match *service_find(struct service_matcher *m, int event, const void *answer,
				       size_t len)
{
	const struct probe_match *found = NULL;

	for (int weak = 0; weak < 2 && !found; weak++) {
		found = look(m, event, false, weak, answer, len);
		if (!found && event >= 0)
			found = look(m, event, true, weak, answer, len);
		if (!found && event >= 0)
			found = look(m, PROBE_GREETING, false, weak, answer, len);
	}
	return found;
}

struct group {
	const uint8_t *bytes;
	size_t len;
};

static struct group group(struct service_matcher *m, const void *answer, unsigned number)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
	struct group g = {(const uint8_t *)answer, 0};

	if (number >= m->groups || at[2 * number] == PCRE2_UNSET ||
	    at[2 * number + 1] < at[2 * number])
		return g;
	g.bytes += at[2 * number];
	g.len = at[2 * number + 1] - at[2 * number];
	return g;
}

/* A text that is being put together. */
struct text {
	char bytes[TEXT_LIMIT];
	size_t len;
	bool filled, has_groups; /* a group that is not empty; any group */
};

static void add(struct text *to, const void *bytes, size_t len)
{
	if (len > sizeof(to->bytes) - to->len)
		len = sizeof(to->bytes) - to->len;
	memcpy(to->bytes + to->len, bytes, len);
	to->len += len;
}

static void add_number(struct text *to, struct group g, size_t size, bool little)
{
	uint32_t value = 0;
	char digits[16];

	if (g.len != size)
		return;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | g.bytes[little ? size - 1 - i : i];
	add(to, digits, (size_t)snprintf(digits, sizeof(digits), "%u", value));
}

static void add_hex(struct text *to, struct group g)
{
	char digits[3];

	for (size_t i = 0; i < g.len && i < 32; i++) {
		snprintf(digits, sizeof(digits), "%02x", g.bytes[i]);
		add(to, digits, 2);
	}
}

/* What stands behind the group's number; returns how many characters that are. */
static size_t add_group(struct text *to, struct group g, const char *how)
{
	static const struct {
		const char *name;
		size_t size;
		bool little;
	} numbers[] = {{":be16", 2, false},
		       {":be32", 4, false},
		       {":le16", 2, true},
		       {":le32", 4, true},
		       {":u8", 1, false}};

	to->has_groups = true;
	to->filled |= g.len > 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strncmp(how, numbers[i].name, strlen(numbers[i].name)) == 0) {
			add_number(to, g, numbers[i].size, numbers[i].little);
			return strlen(numbers[i].name);
		}
	if (strncmp(how, ":hex", 4) == 0) {
		add_hex(to, g);
		return 4;
	}
	add(to, g.bytes, g.len);
	return 0;
}

/* Puts the groups of the last match into the text `from`. */
static void fill(struct service_matcher *m, const void *answer, const char *from, char *to,
		 size_t size)
{
	struct text t = {.len = 0};

	for (size_t i = 0; from[i];) {
		bool braces = from[i] == '$' && from[i + 1] == '{';
		const char *digit = &from[i + (braces ? 2 : 1)];

		if (from[i] == '$' && *digit >= '1' && *digit <= '9' &&
		    (!braces || digit[1] == '}')) {
			const char *behind = digit + (braces ? 2 : 1);

			i = (size_t)(behind - from);
			i += add_group(&t, group(m, answer, (unsigned)(*digit - '0')), behind);
			continue;
		}
		i += from[i] == '$' && from[i + 1] == '$';
		add(&t, &from[i++], 1);
	}
	if (t.filled || !t.has_groups)
		service_text(to, size, t.bytes, t.len);
}

static void take(struct service_matcher *m, const void *answer, const char *from, char *to,
		 size_t size)
{
	if (from && !*to)
		fill(m, answer, from, to, size);
}

#define TAKE(field) take(m, answer, match->says.field, s->field, sizeof(s->field))

void service_take(struct service_matcher *m, const struct probe_match *match, const void *answer,
		  size_t len, struct service *s)
{
	if (!service_fits(m, match->pattern, answer, len))
		return;
	if (!*s->protocol)
		s->confidence = match->confidence;
	TAKE(protocol);
	TAKE(product);
	TAKE(version);
	TAKE(extra);
	TAKE(host);
	TAKE(os);
	s->end = SERVICE_NAMED;
}

static bool has_note(const struct service *s, const char *name)
{
	for (uint32_t i = 0; i < s->note_count; i++)
		if (strcmp(s->notes[i].name, name) == 0)
			return true;
	return false;
}

void service_take_notes(struct service_matcher *m, int event, const void *answer, size_t len,
			struct service *s)
{
	const struct probes *p = m->probes;

	for (size_t i = 0; i < p->note_count && s->note_count < SERVICE_NOTE_LIMIT; i++) {
		const struct probe_note *n = &p->notes[i];
		struct service_note *to = &s->notes[s->note_count];

		if (!probes_is_on(p, n->on, n->on_count, event) || has_note(s, n->name) ||
		    !service_fits(m, n->pattern, answer, len))
			continue;
		memset(to, 0, sizeof(*to));
		service_text(to->name, sizeof(to->name), n->name, strlen(n->name));
		fill(m, answer, n->value, to->value, sizeof(to->value));
		s->note_count += *to->value != '\0';
	}
}
