/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall_script: a small reader of nft's language, that knows braces, quotes, comments and where
 * a statement ends, and no more. It is a second fence: a state on the disk that was damaged or
 * written by hand must not act on other tables.
 */
#include "enforce/firewall_script.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "enforce/firewall.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_SIZE = 64, QUOTE_LENGTH = 120 };

struct scan {
	const char *script;
	size_t len, at, line, depth;
	char head[HEAD_SIZE]; /* the words of the statement so far, one space between them */
	size_t head_len;
	struct err *e;
};

static int refuse(const struct scan *s, const char *why)
{
	return err_set(s->e, -EINVAL, _("line %zu of the rules is not portero's: %s"), s->line,
		       why);
}

/* Past a string in quotes; they do not cross lines. */
static int skip_quoted(struct scan *s)
{
	for (s->at++; s->at < s->len && s->script[s->at] != '\n'; s->at++) {
		if (s->script[s->at] == '"') {
			s->at++;
			return 0;
		}
	}
	return refuse(s, _("a quote is not closed"));
}

static void skip_comment(struct scan *s)
{
	while (s->at < s->len && s->script[s->at] != '\n')
		s->at++;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.' || c == '/' || c == '@';
}

static void add_head(struct scan *s, const char *text, size_t len)
{
	if (s->head_len && s->head_len + 1 < HEAD_SIZE)
		s->head[s->head_len++] = ' ';
	for (size_t i = 0; i < len && s->head_len + 1 < HEAD_SIZE; i++)
		s->head[s->head_len++] = text[i];
	s->head[s->head_len] = '\0';
}

static int take_word(struct scan *s)
{
	size_t from = s->at;

	while (s->at < s->len && is_word(s->script[s->at]))
		s->at++;
	if (s->at - from == 7 && memcmp(s->script + from, "include", 7) == 0)
		return refuse(s, _("another file would be included"));
	if (s->depth == 0)
		add_head(s, s->script + from, s->at - from);
	return 0;
}

/* At the end of a statement outside of all braces. */
static int end_statement(struct scan *s, const char *expected_too)
{
	bool good = s->head_len == 0 || strcmp(s->head, "add table inet " FIREWALL_TABLE) == 0 ||
		    strcmp(s->head, "delete table inet " FIREWALL_TABLE) == 0;

	if (expected_too)
		good = strcmp(s->head, expected_too) == 0;
	s->head_len = 0;
	s->head[0] = '\0';
	return good ? 0 : refuse(s, _("it is about something else than the table inet portero"));
}

static int take_mark(struct scan *s)
{
	char c = s->script[s->at++];

	switch (c) {
	case '{':
		return s->depth++ ? 0 : end_statement(s, "table inet " FIREWALL_TABLE);
	case '}':
		if (s->depth == 0)
			return refuse(s, _("a brace is closed that is not open"));
		s->depth--;
		return 0;
	case '\n':
		s->line++;
		return s->depth ? 0 : end_statement(s, NULL);
	case ';':
		return s->depth ? 0 : end_statement(s, NULL);
	case ' ':
	case '\t':
		return 0;
	default:
		return s->depth ? 0 : refuse(s, _("it is no command"));
	}
}

static int take_part(struct scan *s)
{
	char c = s->script[s->at];

	if (c == '"')
		return s->depth ? skip_quoted(s) : refuse(s, _("it is no command"));
	if (c == '#') {
		skip_comment(s);
		return 0;
	}
	return is_word(c) ? take_word(s) : take_mark(s);
}

int firewall_script_check(const char *script, size_t len, struct err *e)
{
	struct scan s = {.script = script, .len = len, .line = 1, .e = e};
	int r = 0;

	if (len > FIREWALL_SCRIPT_LIMIT)
		return err_set(e, -EFBIG, _("the rules are longer than %d MiB"),
			       FIREWALL_SCRIPT_LIMIT >> 20);
	if (len == 0 || script[len - 1] != '\n')
		return err_set(e, -EINVAL, _("the rules have no end: they are not whole"));
	/* in comments and quotes, too */
	if (memchr(script, '\0', len))
		return refuse(&s, _("it has a NUL byte"));
	while (r == 0 && s.at < s.len)
		r = take_part(&s);
	if (r < 0)
		return r;
	if (s.depth)
		return err_set(e, -EINVAL, _("the rules have no end: they are not whole"));
	return 0;
}

/* --- what nft says ------------------------------------------------------------------------------
 */

/* Line number `number` of the script, without the blanks around it, and not longer than people
 * read. */
static void quote_line(const char *script, size_t len, uint64_t number, struct buf *out)
{
	const char *line = "";
	size_t at = 0, line_len = 0;

	for (uint64_t i = 0; i < number; i++)
		if (!file_next_line(script, len, &at, &line, &line_len))
			return;
	while (line_len && (*line == ' ' || *line == '\t')) {
		line++;
		line_len--;
	}
	buf_add(out, line, line_len < QUOTE_LENGTH ? line_len : QUOTE_LENGTH);
	if (line_len > QUOTE_LENGTH)
		buf_add_text(out, "...");
}

/* "/dev/stdin:12:3-9: Error: what" -> 12; 0: nft names no line. */
static uint64_t line_number(const char *message, const char *error)
{
	const char *colon = memchr(message, ':', (size_t)(error - message));
	uint64_t number = 0;

	if (colon)
		text_parse_number(colon + 1, strspn(colon + 1, "0123456789"), UINT32_MAX, &number);
	return number;
}

static int explain_plain(const char *messages, struct err *e)
{
	if (strstr(messages, "Operation not permitted") || strstr(messages, "must be root"))
		return err_set(e, -EPERM,
			       _("only root may change the firewall: run portero as root"));
	if (strstr(messages, "Unable to initialize Netlink socket") ||
	    strstr(messages, "cache initialization failed: Invalid argument") ||
	    strstr(messages, "Protocol not supported"))
		return err_set(e, -EOPNOTSUPP,
			       _("this kernel has no nf_tables (module nf_tables): portero cannot "
				 "change the firewall"));
	if (!messages[0])
		return err_set(e, -EBADMSG, _("nft failed and said nothing"));
	return err_set(e, -EBADMSG, _("nft failed: %.*s"), (int)strcspn(messages, "\n"), messages);
}

int firewall_script_explain(const char *script, size_t len, const char *messages, struct err *e)
{
	static const char mark[] = ": Error: ";
	struct buf cleanup_call(buf_done) quoted = {0};
	const char *error = strstr(messages, mark), *begin = error, *what;
	uint64_t number;

	if (!error || strstr(messages, "Operation not permitted"))
		return explain_plain(messages, e);
	while (begin > messages && begin[-1] != '\n')
		begin--;
	number = line_number(begin, error);
	if (!number)
		return explain_plain(messages, e);
	what = error + strlen(mark);
	quote_line(script, len, number, &quoted);
	return err_set(
		e, -EBADMSG,
		_("nft refuses line %u of the rules, and the firewall is as it was: %.*s: %s"),
		(unsigned)number, (int)strcspn(what, "\n"), what, buf_text(&quoted));
}
