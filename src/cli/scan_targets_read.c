/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_targets_read.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/scan_ports_read.h"
#include "observe/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORD_SIZE = 256, FILE_LIMIT = 4 << 20 };

/* --- names -------------------------------------------------------------------------------------
 */

static bool is_wanted(const struct options *o, const struct address *a)
{
	return o->ipv4 == o->ipv6 || (a->family == AF_INET ? o->ipv4 : o->ipv6);
}

static void take_sockaddr(const struct sockaddr *from, struct address *ret)
{
	*ret = (struct address){.family = (uint8_t)from->sa_family};
	if (from->sa_family == AF_INET)
		memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	else
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       16);
}

static int find_name(const char *name, int family, struct addrinfo **ret, struct err *e)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	int r = getaddrinfo(name, NULL, &hints, ret);

	if (r == 0)
		return 0;
	return err_set(e, -ENOENT, _("'%.64s' is no address, and no name that is known: %s"), name,
		       r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
}

/* The first address of a name, as its user's programs would connect to it. */
static int add_name(const struct options *o, struct scan_targets *t, const char *name,
		    struct err *e)
{
	struct addrinfo *found;
	struct address a;
	int r = find_name(name,
			  o->ipv4 == o->ipv6 ? AF_UNSPEC
			  : o->ipv4	     ? AF_INET
					     : AF_INET6,
			  &found, e);

	if (r < 0)
		return r;
	take_sockaddr(found->ai_addr, &a);
	freeaddrinfo(found);
	return scan_targets_add(t, &a, e);
}

/* Who is not to be asked is not asked at any of the addresses. */
static int exclude_name(struct scan_targets *t, const char *name, struct err *e)
{
	struct addrinfo *found;
	int r = find_name(name, AF_UNSPEC, &found, e);

	if (r < 0)
		return r;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		struct network n = {0};

		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		take_sockaddr(at->ai_addr, &n.address);
		n.bits = (uint8_t)(address_len(&n.address) * 8);
		scan_targets_exclude(t, &n);
	}
	freeaddrinfo(found);
	return 0;
}

static int other_family(const struct options *o, const char *word, struct err *e)
{
	return err_set(e, -EINVAL, _("'%.64s' is of the other family than -%c asks for"), word,
		       o->ipv4 ? '4' : '6');
}

static int add_range(const struct options *o, struct scan_targets *t, const char *word,
		     const struct scan_range *range, struct err *e)
{
	const struct address first = scan_range_at(range, 0);

	if (!is_wanted(o, &first))
		return other_family(o, word, e);
	return scan_targets_add_range(t, range, e);
}

/* Targets of a word: to be asked, or (`out`) not to be. */
static int take_word(const struct options *o, struct scan_targets *t, const char *word, bool out,
		     struct err *e)
{
	struct scan_range range;
	struct network n;
	int r = scan_range_parse(word, &range, e);

	if (r == 0 && out)
		scan_targets_exclude_range(t, &range);
	else if (r == 0)
		r = add_range(o, t, word, &range, e);
	if (r != -ENOENT)
		return r;
	r = network_parse(word, &n, e);
	if (r == -ENOENT)
		return out ? exclude_name(t, word, e) : add_name(o, t, word, e);
	if (r < 0)
		return r;
	if (out)
		scan_targets_exclude(t, &n);
	else if (!is_wanted(o, &n.address))
		return other_family(o, word, e);
	return out ? 0 : scan_targets_add_network(t, &n, e);
}

/* --- lists -------------------------------------------------------------------------------------
 */

/* The next word between separators; '#' takes the rest of its line. False: the end. -1: too long */
static int next_word(const char **at, const char *end, const char *separators, char word[WORD_SIZE])
{
	const char *first;

	for (; *at < end && (strchr(separators, **at) || **at == '#'); (*at)++)
		if (**at == '#')
			while (*at + 1 < end && (*at)[1] != '\n')
				(*at)++;
	for (first = *at; *at < end && **at && !strchr(separators, **at) && **at != '#';)
		(*at)++;
	if (*at == first)
		return *at < end ? -1 : 0; /* a NUL is no text */
	if (*at - first >= WORD_SIZE)
		return -1;
	memcpy(word, first, (size_t)(*at - first));
	word[*at - first] = '\0';
	return 1;
}

static int read_input(struct buf *text)
{
	ssize_t got = 1;
	char *room;

	while (got > 0 && text->len < FILE_LIMIT && (room = buf_reserve(text, 4096))) {
		got = read(STDIN_FILENO, room, 4096);
		text->len += got > 0 ? (size_t)got : 0;
	}
	return text->failed ? -ENOMEM : got < 0 ? -errno : text->len >= FILE_LIMIT ? -EFBIG : 0;
}

/* Of a file, or (-) of the input. */
static int take_file(const struct options *o, struct scan_targets *t, const char *path, bool out,
		     struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	char word[WORD_SIZE];
	const char *at, *end;
	int r = strcmp(path, "-") == 0 ? read_input(&text)
				       : file_read_at(AT_FDCWD, path, FILE_LIMIT, &text);

	if (r < 0)
		return err_set(e, r, _("%.200s: the targets cannot be read: %s"), path,
			       strerror(-r));
	at = buf_text(&text);
	end = at + text.len;
	while (r >= 0 && (r = next_word(&at, end, " \t\r\n", word)) == 1)
		r = take_word(o, t, word, out, e) < 0 ? -EINVAL : 1;
	return r == -1 ? err_set(e, -EINVAL, _("%.200s: this is no list of targets"), path) : r;
}

static int exclude(const struct options *o, struct scan_targets *t, struct err *e)
{
	const char *at = o->exclude, *end = at + strlen(at);
	char word[WORD_SIZE];
	int r;

	while ((r = next_word(&at, end, ", ", word)) == 1)
		if (take_word(o, t, word, true, e) < 0)
			return -EINVAL;
	return r == -1 ? err_set(e, -EINVAL,
				 _("--exclude takes addresses, networks and names, not "
				   "'%.64s'"),
				 at)
		       : 0;
}

static int exclude_all(const struct options *o, struct scan_targets *t, struct err *e)
{
	int r = o->exclude ? exclude(o, t, e) : 0;

	if (r == 0 && o->exclude_file)
		r = take_file(o, t, o->exclude_file, true, e);
	if (r == 0)
		scan_targets_settle(t);
	return r;
}

/* --- the scope ---------------------------------------------------------------------------------
 */

static int refuse(const struct options *o, const struct scan_targets *t, size_t first, size_t count,
		  struct err *e)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&t->items[first], text);
	if (count == 1)
		return err_set(
			e, -EPERM,
			_("%s is no address of this machine, and in no network of %.200s: if "
			  "you may probe it, write a line there: '%s who authorised it'"),
			text, o->scope_file, text);
	return err_set(
		e, -EPERM,
		_("%s and %zu more are no addresses of this machine, and in no network of "
		  "%.200s: if you may probe them, write a line there: 'NETWORK who authorised "
		  "it'"),
		text, count - 1, o->scope_file);
}

int scan_question_check_scope(const struct options *o, const struct scan_targets *t, struct err *e)
{
	struct probe_scope cleanup_call(probe_scope_done) scope = {0};
	struct buf cleanup_call(buf_done) text = {0};
	size_t first = 0, outside = 0;
	int r = file_read_at(AT_FDCWD, o->scope_file, SCOPE_FILE_LIMIT, &text);

	if (r < 0 && r != -ENOENT)
		return err_set(e, r, _("%.200s cannot be read: %s"), o->scope_file, strerror(-r));
	r = probe_scope_parse(&scope, o->scope_file, buf_text(&text), text.len, e);
	if (r < 0)
		return r;
	for (size_t i = t->count; i-- > 0;) {
		if (probe_scope_has(&scope, &t->items[i]) || scan_is_own(&t->items[i]))
			continue;
		first = i;
		outside++;
	}
	return outside ? refuse(o, t, first, outside, e) : 0;
}

int scan_question_read(const struct options *o, struct scan_question *q, struct err *e)
{
	int r = 0;

	*q = (struct scan_question){0};
	if (o->targets && o->exclude_file && strcmp(o->targets, "-") == 0 &&
	    strcmp(o->exclude_file, "-") == 0)
		return err_set(e, -EINVAL,
			       _("only one of -iL and --excludefile can be -, the input"));
	if (!o->word_count && !o->targets)
		return err_set(e, -EINVAL,
			       _("scan what? For example: portero scan 192.0.2.7 -p 22,80"));
	for (size_t i = 0; i < o->word_count && r == 0; i++)
		r = take_word(o, &q->targets, o->words[i], false, e);
	if (r == 0 && o->targets)
		r = take_file(o, &q->targets, o->targets, false, e);
	if (r == 0)
		r = exclude_all(o, &q->targets, e);
	if (r < 0)
		return r;
	if (!q->targets.count)
		return err_set(e, -EINVAL, _("no target is left"));
	r = scan_ports_read(o, q, e);
	if (r < 0)
		return r;
	if (q->targets.count * q->port_count > SCAN_PROBE_LIMIT)
		return err_set(
			e, -E2BIG,
			_("%zu addresses with %zu ports each are too many at once: scan them "
			  "in parts"),
			q->targets.count, q->port_count);
	return scan_question_check_scope(o, &q->targets, e);
}

void scan_question_done(struct scan_question *q)
{
	scan_targets_done(&q->targets);
}
