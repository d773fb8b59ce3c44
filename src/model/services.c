/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services: reads /etc/services. The file belongs to the administrator, but nothing in it is
 * believed: one pass, line by line, and what is not a valid line is passed over.
 */
#include "model/services.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

struct word {
	const char *at;
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Takes the next word off the front of `rest`; an empty word at the end or at a comment. */
static struct word next_word(struct word *rest)
{
	struct word word;

	while (rest->len > 0 && is_space(*rest->at)) {
		rest->at++;
		rest->len--;
	}
	word.at = rest->at;
	while (rest->len > 0 && !is_space(*rest->at) && *rest->at != '#') {
		rest->at++;
		rest->len--;
	}
	word.len = (size_t)(rest->at - word.at);
	return word;
}

static bool name_is_valid(struct word name)
{
	if (name.len == 0 || name.len > SERVICES_NAME_LIMIT)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= 0x20 || name.at[i] >= 0x7f)
			return false;
	return true;
}

static bool parse_port(struct word word, uint64_t *ret_port, enum proto *ret_proto)
{
	const char *slash = memchr(word.at, '/', word.len);
	size_t digits = slash ? (size_t)(slash - word.at) : 0;

	if (!slash || text_parse_number(word.at, digits, UINT16_MAX, ret_port) < 0)
		return false;
	return *ret_port != 0 && proto_parse(slash + 1, word.len - digits - 1, ret_proto) == 0;
}

static uint64_t make_key(uint64_t port, enum proto proto)
{
	return port * PROTO_COUNT + proto;
}

/* What stands before a comment or a byte that no name has: the aliases, still in one piece. */
static int add_aliases(struct services *s, uint64_t key, struct word rest)
{
	uint32_t offset;
	size_t len = 0;

	while (len < rest.len && rest.at[len] != '#' &&
	       (is_space(rest.at[len]) || (rest.at[len] > 0x20 && rest.at[len] < 0x7f)))
		len++;
	if (len == 0)
		return 0;
	offset = strpool_add(&s->names, rest.at, len);
	return offset ? map_set(&s->aliases, key, offset) : -ENOMEM;
}

static int parse_line(struct services *s, struct word rest)
{
	struct word name = next_word(&rest), number = next_word(&rest);
	uint64_t port;
	enum proto proto;
	uint32_t offset;
	int r;

	if (!name_is_valid(name) || !parse_port(number, &port, &proto))
		return 0;
	if (map_get(&s->by_port, make_key(port, proto), &offset))
		return 0;
	offset = strpool_add(&s->names, name.at, name.len);
	if (offset == 0)
		return -ENOMEM;
	r = map_set(&s->by_port, make_key(port, proto), offset);
	return r < 0 ? r : add_aliases(s, make_key(port, proto), rest);
}

int services_parse(struct services *s, const char *text, size_t len)
{
	struct word line;
	size_t at = 0;

	while (file_next_line(text, len, &at, &line.at, &line.len)) {
		int r = parse_line(s, line);

		if (r < 0)
			return r;
	}
	return 0;
}

const char *services_name(const struct services *s, uint16_t port, enum proto proto)
{
	uint32_t offset;

	if (map_get(&s->by_port, make_key(port, proto), &offset))
		return strpool_get(&s->names, offset);
	if (proto == PROTO_UDPLITE && map_get(&s->by_port, make_key(port, PROTO_UDP), &offset))
		return strpool_get(&s->names, offset);
	return NULL;
}

bool services_has_alias(const struct services *s, uint16_t port, enum proto proto, const char *name)
{
	struct word rest, word;
	uint32_t offset;

	if (proto == PROTO_UDPLITE && !map_get(&s->by_port, make_key(port, proto), &offset))
		proto = PROTO_UDP;
	if (!map_get(&s->aliases, make_key(port, proto), &offset))
		return false;
	rest.at = strpool_get(&s->names, offset);
	rest.len = strlen(rest.at);
	for (word = next_word(&rest); word.len > 0; word = next_word(&rest))
		if (strlen(name) == word.len && memcmp(name, word.at, word.len) == 0)
			return true;
	return false;
}

void services_done(struct services *s)
{
	strpool_done(&s->names);
	map_done(&s->aliases);
	map_done(&s->by_port);
}
