/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/probe_scope.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WORD_SIZE = 64 };

static bool has_only_address_letters(const char *text)
{
	return strspn(text, "0123456789abcdefABCDEF.:/") == strlen(text) &&
	       (strchr(text, ':') || strspn(text, "0123456789./") == strlen(text));
}

static int bad_network(const char *text, struct err *e)
{
	return err_set(e, -EINVAL,
		       _("'%.64s' is no address and no network: write 192.0.2.7, 10.0.0.0/8 or "
			 "2001:db8::/32"),
		       text);
}

int network_parse(const char *text, struct network *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[ADDRESS_TEXT_SIZE], lower[ADDRESS_TEXT_SIZE];
	struct address network;
	uint64_t bits;
	struct network n;

	if (!has_only_address_letters(text))
		return slash ? bad_network(text, e) : -ENOENT;
	if (len >= sizeof(address))
		return bad_network(text, e);
	memcpy(address, text, len);
	address[len] = '\0';
	if (address_parse(address, &n.address) < 0)
		return bad_network(text, e);
	bits = n.address.family == AF_INET ? 32 : 128;
	if (slash && text_parse_number(slash + 1, strlen(slash + 1), bits, &bits) < 0)
		return bad_network(text, e);
	network = address_network(&n.address, (unsigned)bits);
	if (!address_equal(&network, &n.address)) {
		address_format(&network, lower);
		return err_set(e, -EINVAL,
			       _("'%.64s' has bits behind its prefix: did you mean %s/%u?"), text,
			       lower, (unsigned)bits);
	}
	n.bits = (uint8_t)bits;
	*ret = n;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the line apart: false when it says nothing. */
static bool split_line(const char *line, size_t len, char word[WORD_SIZE], bool *has_note)
{
	size_t at = 0, end;

	while (at < len && is_blank(line[at]))
		at++;
	if (at == len || line[at] == '#')
		return false;
	for (end = at; end < len && !is_blank(line[end]);)
		end++;
	memset(word, 0, WORD_SIZE);
	memcpy(word, line + at, end - at < WORD_SIZE ? end - at : WORD_SIZE - 1);
	while (end < len && (is_blank(line[end]) || line[end] == '#'))
		end++;
	*has_note = end < len;
	return true;
}

static int take_line(struct probe_scope *s, const char *line, size_t len, struct err *e)
{
	char word[WORD_SIZE];
	struct network n;
	bool has_note;
	int r;

	if (!split_line(line, len, word, &has_note))
		return 0;
	r = network_parse(word, &n, e);
	if (r == -ENOENT)
		return bad_network(word, e);
	if (r < 0)
		return r;
	if (!has_note)
		return err_set(e, -EINVAL,
			       _("'%.64s' has no note: write behind it who authorised that"), word);
	if (s->count == SCOPE_NETWORK_LIMIT)
		return err_set(e, -EINVAL, _("more than %d networks"), SCOPE_NETWORK_LIMIT);
	if (mem_grow(&s->networks, &s->cap, s->count + 1, sizeof(*s->networks)) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	s->networks[s->count++] = n;
	return 0;
}

int probe_scope_parse(struct probe_scope *s, const char *path, const char *text, size_t len,
		      struct err *e)
{
	size_t at = 0, line_len;
	unsigned number = 0;
	const char *line;
	struct err why;

	*s = (struct probe_scope){0};
	while (file_next_line(text, len, &at, &line, &line_len)) {
		int r = take_line(s, line, line_len, &why);

		number++;
		if (r < 0)
			return err_set(e, r, "%s:%u: %s", path, number, why.msg);
	}
	return 0;
}

void probe_scope_done(struct probe_scope *s)
{
	free(s->networks);
	*s = (struct probe_scope){0};
}

bool probe_scope_has(const struct probe_scope *s, const struct address *a)
{
	for (size_t i = 0; i < s->count; i++)
		if (address_in_network(a, &s->networks[i].address, s->networks[i].bits))
			return true;
	return false;
}
