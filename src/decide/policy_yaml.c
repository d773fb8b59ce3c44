/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_yaml.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What libyaml says, in words that help. Others are shown as they are. */
static const struct {
	const char *problem, *sentence;
} sentences[] = {
	{"found character that cannot start any token",
	 N_("a text cannot begin with this character: put it in quotes")},
	{"mapping values are not allowed in this context",
	 N_("no ':' can be here: begin each key on a line of its own, and put a text that has ': ' "
	    "in quotes")},
	{"did not find expected key",
	 N_("this is not indented like the lines that it belongs to: keys of one group begin in "
	    "the same column")},
	{"did not find expected '-' indicator",
	 N_("another item of the list is expected here: a '-' in the same column as those above")},
	{"block sequence entries are not allowed in this context",
	 N_("a list cannot begin here: begin it on the next line, indented")},
	{"could not find expected ':'", N_("a ':' is expected behind the key")},
	{"did not find expected ',' or ']'", N_("a ',' or the ']' of the list is expected here")},
	{"did not find expected ',' or '}'", N_("a ',' or the '}' of the group is expected here")},
	{"did not find expected node content",
	 N_("something is missing here; a text that begins with ':' goes in quotes, as \"::1\"")},
	{"found unexpected end of stream",
	 N_("the file ends within quotes: the closing one is missing")},
	{"found unexpected document indicator",
	 N_("the document ends within quotes: the closing one is missing")},
	{"did not find expected alphabetic or numeric character",
	 N_("'*' and '&' begin an alias or an anchor, which a policy does not have: put the text "
	    "in quotes")},
	{"did not find expected <document start>",
	 N_("another document begins here: a file of the policy holds one")},
	{"control characters are not allowed",
	 N_("a control character or a NUL is here: a policy is plain text")},
	{"invalid leading UTF-8 octet", N_("this is not UTF-8: save the file as UTF-8")},
	{"invalid trailing UTF-8 octet", N_("this is not UTF-8: save the file as UTF-8")},
	{"incomplete UTF-8 octet sequence", N_("this is not UTF-8: save the file as UTF-8")},
	{"invalid length of a UTF-8 sequence", N_("this is not UTF-8: save the file as UTF-8")},
	{"invalid Unicode character", N_("this is not UTF-8: save the file as UTF-8")},
	{"exceeded maximum nesting level", N_("this is nested too deeply for a policy")},
};

int policy_yaml_open(struct policy_yaml *y, const char *file, const char *text, size_t len,
		     struct policy_problems *problems)
{
	*y = (struct policy_yaml){.text = text, .len = len, .problems = problems};
	y->file_str = policy_problems_place(problems, file, 0, 0).file_str;
	if (problems->failed || !yaml_parser_initialize(&y->parser))
		return -ENOMEM;
	/* or a byte order mark would make the same bytes mean something else */
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y->parser, (const unsigned char *)text, len);
	return 0;
}

void policy_yaml_close(struct policy_yaml *y)
{
	yaml_event_delete(&y->event);
	yaml_parser_delete(&y->parser);
}

static struct policy_place place_of_mark(const struct policy_yaml *y, const yaml_mark_t *mark)
{
	return (struct policy_place){y->file_str, (uint32_t)mark->line + 1,
				     (uint32_t)mark->column + 1};
}

/* Of a byte that libyaml could not even take in. */
static struct policy_place place_of_offset(const struct policy_yaml *y, size_t offset)
{
	struct policy_place place = {y->file_str, 1, 1};

	for (size_t at = 0; at < offset && at < y->len;) {
		uint32_t code;
		size_t used = text_decode_utf8(y->text + at, y->len - at, &code);

		place.column = y->text[at] == '\n' ? 1 : place.column + 1;
		place.line += y->text[at] == '\n';
		at += used ? used : 1;
	}
	return place;
}

struct policy_place policy_yaml_place(const struct policy_yaml *y)
{
	return place_of_mark(y, &y->event.start_mark);
}

void policy_yaml_error(struct policy_yaml *y, const struct policy_place *other, const char *format,
		       ...)
{
	struct policy_place place = policy_yaml_place(y);
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	policy_problems_add(y->problems, true, &place, other, "%s", text);
}

static const char *sentence_of(const struct policy_yaml *y)
{
	const char *problem = y->parser.problem ? y->parser.problem : "?";
	const char *tab = _("a tab cannot be here: indent with spaces");

	if (y->parser.error == YAML_SCANNER_ERROR && *y->parser.buffer.pointer == '\t')
		return tab;
	if (strstr(problem, "a tab character"))
		return tab;
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		if (strcmp(problem, sentences[i].problem) == 0)
			return _(sentences[i].sentence);
	return problem;
}

static void stop_on_error(struct policy_yaml *y)
{
	const yaml_parser_t *parser = &y->parser;
	struct policy_place place, other, *second = NULL;

	if (parser->error == YAML_MEMORY_ERROR || parser->error == YAML_NO_ERROR) {
		y->failed = true;
		return;
	}
	y->stopped = true;
	if (parser->error == YAML_READER_ERROR) {
		place = place_of_offset(y, parser->problem_offset);
	} else {
		place = place_of_mark(y, &parser->problem_mark);
		other = place_of_mark(y, &parser->context_mark);
		if (parser->context && other.line < place.line)
			second = &other;
	}
	policy_problems_add(y->problems, true, &place, second, _("this is not valid YAML: %s"),
			    sentence_of(y));
}

static void refuse_extras(struct policy_yaml *y)
{
	const yaml_event_t *e = &y->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		anchor = e->data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
		break;
	default:
		return;
	}
	if (anchor)
		policy_yaml_error(y, NULL,
				  _("a policy has no anchors and aliases (%c%.64s): write out what "
				    "is meant, or put the text in quotes"),
				  e->type == YAML_ALIAS_EVENT ? '*' : '&', (const char *)anchor);
	if (tag)
		policy_yaml_error(y, NULL,
				  _("a policy has no tags (%.64s): leave it out, or put the text "
				    "in quotes"),
				  (const char *)tag);
}

static void count_depth(struct policy_yaml *y)
{
	switch (y->event.type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++y->depth <= POLICY_DEPTH_LIMIT)
			return;
		policy_yaml_error(y, NULL, _("this is nested too deeply for a policy"));
		y->stopped = true;
		return;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		y->depth--;
		return;
	default:
		return;
	}
}

bool policy_yaml_next(struct policy_yaml *y)
{
	if (y->stopped || y->failed)
		return false;
	yaml_event_delete(&y->event);
	if (!yaml_parser_parse(&y->parser, &y->event)) {
		stop_on_error(y);
		return false;
	}
	refuse_extras(y);
	count_depth(y);
	y->failed |= y->problems->failed;
	return !y->stopped && !y->failed;
}

bool policy_yaml_skip(struct policy_yaml *y)
{
	bool begins = y->event.type == YAML_SEQUENCE_START_EVENT ||
		      y->event.type == YAML_MAPPING_START_EVENT;
	unsigned outside = y->depth - 1;

	while (begins && y->depth > outside)
		if (!policy_yaml_next(y))
			return false;
	return true;
}

bool policy_yaml_is_null(const struct policy_yaml *y)
{
	const char *text;

	if (y->event.type != YAML_SCALAR_EVENT ||
	    y->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = (const char *)y->event.data.scalar.value;
	return text[0] == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}

const char *policy_yaml_text(struct policy_yaml *y, const char *expected)
{
	const char *text;
	size_t len;

	if (y->event.type == YAML_ALIAS_EVENT) /* an error already */
		return NULL;
	if (y->event.type != YAML_SCALAR_EVENT) {
		policy_yaml_error(y, NULL, _("%s is expected here, not a list or a group of keys"),
				  expected);
		return NULL;
	}
	text = (const char *)y->event.data.scalar.value;
	len = y->event.data.scalar.length;
	if (policy_yaml_is_null(y) || len == 0)
		policy_yaml_error(y, NULL, _("%s is expected here, and nothing is there"),
				  expected);
	else if (memchr(text, '\0', len))
		policy_yaml_error(y, NULL, _("a NUL is in this text"));
	else if (len > POLICY_TEXT_LIMIT)
		policy_yaml_error(y, NULL, _("this text has more than %d bytes"),
				  POLICY_TEXT_LIMIT);
	else
		return text;
	return NULL;
}
