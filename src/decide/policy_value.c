/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_value.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum { RATE_LIMIT = 1000000, USER_ID_MAX = 0x7ffffffe };

/* "a, b or c" would be another sentence in every language: "a, b, c". */
static void list_words(const char *const *words, size_t count, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "", words[i]);
}

int policy_value_word(const char *text, const char *const *words, size_t count, size_t *ret,
		      struct err *e)
{
	const char *near = NULL;
	size_t best = SIZE_MAX;
	char all[256];

	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
		if (text_is_nearer(text, words[i], &best))
			near = words[i];
	}
	if (near)
		return err_set(e, -EINVAL, _("'%.64s' is not known here: did you mean %s?"), text,
			       near);
	list_words(words, count, all, sizeof(all));
	return err_set(e, -EINVAL, _("'%.64s' is not known here: choose one of %s"), text, all);
}

/* The port of a service's name, when somebody wrote ssh for 22/tcp; 0: it is none that is known. */
static uint16_t port_of_name(const char *name)
{
	static const struct {
		const char *name;
		uint16_t port;
	} names[] = {{"ssh", 22},	{"smtp", 25},	 {"dns", 53},	{"domain", 53},
		     {"http", 80},	{"ntp", 123},	 {"imap", 143}, {"https", 443},
		     {"imaps", 993},	{"mysql", 3306}, {"rdp", 3389}, {"postgresql", 5432},
		     {"postgres", 5432}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].port;
	return 0;
}

int policy_value_ports(const char *text, struct port_range *ret, struct err *e)
{
	struct port_range range;
	uint16_t named = port_of_name(text);

	if (named)
		return err_set(e, -EINVAL,
			       _("'%.64s' is a name: write the number and the protocol, as in "
				 "%u/%s"),
			       text, named, named == 53 || named == 123 ? "udp" : "tcp");
	if (port_range_parse(text, &range, e) < 0)
		return -EINVAL;
	if (range.any_proto)
		return err_set(e, -EINVAL,
			       _("'%.64s' has no protocol: write %.64s/tcp or %.64s/udp, or both"),
			       text, text, text);
	*ret = range;
	return 0;
}

/* What people call the classes elsewhere. */
static const struct {
	const char *word;
	enum source_class class;
} synonyms[] = {
	{"any", SOURCE_INTERNET},	{"all", SOURCE_INTERNET},
	{"anywhere", SOURCE_INTERNET},	{"everywhere", SOURCE_INTERNET},
	{"everybody", SOURCE_INTERNET}, {"public", SOURCE_INTERNET},
	{"world", SOURCE_INTERNET},	{"*", SOURCE_INTERNET},
	{"0.0.0.0", SOURCE_INTERNET},	{"::", SOURCE_INTERNET},
	{"lan", SOURCE_LINK},		{"local", SOURCE_LINK},
	{"subnet", SOURCE_LINK},	{"intranet", SOURCE_PRIVATE},
	{"rfc1918", SOURCE_PRIVATE},	{"localhost", SOURCE_HOST},
	{"loopback", SOURCE_HOST},	{"self", SOURCE_HOST},
};

static const enum source_class classes[] = {SOURCE_INTERNET, SOURCE_PRIVATE, SOURCE_LINK,
					    SOURCE_HOST};

static int unknown_source(const char *text, struct err *e)
{
	const char *near = NULL;
	size_t best = SIZE_MAX;
	bool known = false;

	for (size_t i = 0; !known && i < ARRAY_LEN(synonyms); i++) {
		known = strcmp(text, synonyms[i].word) == 0;
		if (known)
			near = source_class_id(synonyms[i].class);
	}
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (!known && text_is_nearer(text, source_class_id(classes[i]), &best))
			near = source_class_id(classes[i]);
	if (near)
		return err_set(e, -EINVAL, _("'%.64s' is no source: did you mean %s?"), text, near);
	if (strchr(text, '%'))
		return err_set(e, -EINVAL,
			       _("'%.64s' names an interface: write the address alone, and the "
				 "interface under interfaces"),
			       text);
	if (strchr(text, '-') && strspn(text, "0123456789abcdefABCDEF.:-") == strlen(text))
		return err_set(e, -EINVAL,
			       _("'%.64s' is no network: write a range of addresses as networks, "
				 "as in 10.0.0.0/24"),
			       text);
	return err_set(e, -EINVAL,
		       _("'%.64s' is no source: write internet, private, link, host, an address "
			 "or a network, as in 10.0.0.0/8 (names of hosts are not looked up)"),
		       text);
}

static int check_prefix(const char *text, const char *slash, unsigned width, uint8_t *ret,
			struct err *e)
{
	uint64_t bits = width;

	if (slash && strchr(slash, '.'))
		return err_set(e, -EINVAL,
			       _("'%.64s' has a mask: write how many bits it has, as in "
				 "10.0.0.0/8"),
			       text);
	if (slash && text_parse_number(slash + 1, strlen(slash + 1), width, &bits) < 0)
		return err_set(e, -EINVAL,
			       _("'%.64s' is no network: behind the '/' goes a number from 0 to "
				 "%u"),
			       text, width);
	*ret = (uint8_t)bits;
	return 0;
}

static bool same_bytes(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int take_network(const char *text, const char *slash, struct address *address,
			struct policy_source *ret, struct err *e)
{
	unsigned width = address->family == AF_INET ? 32 : 128;
	struct policy_source source = {.class = SOURCE_LISTED, .place = ret->place};
	char room[ADDRESS_TEXT_SIZE];

	if (check_prefix(text, slash, width, &source.prefix_len, e) < 0)
		return -EINVAL;
	source.network = address_network(address, source.prefix_len);
	address_format(&source.network, room);
	if (!same_bytes(&source.network, address))
		return err_set(e, -EINVAL,
			       _("'%.64s' has bits set behind its prefix: did you mean the network "
				 "%s/%u?"),
			       text, room, source.prefix_len);
	if (address_is_multicast(&source.network))
		return err_set(e, -EINVAL, _("'%.64s' is multicast: nobody sends from there"),
			       text);
	if (address_unmap(address)) {
		address_format(address, room);
		return err_set(e, -EINVAL,
			       _("'%.64s' is an IPv4 address in IPv6's form: write it as IPv4, as "
				 "in %s"),
			       text, room);
	}
	*ret = source;
	return 0;
}

int policy_value_source(const char *text, struct policy_source *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct address address = {0};
	char room[64];

	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (strcmp(text, source_class_id(classes[i])) != 0)
			continue;
		*ret = (struct policy_source){.class = classes[i], .place = ret->place};
		return 0;
	}
	if (len >= sizeof(room) || strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0)
		return unknown_source(text, e);
	memcpy(room, text, len);
	room[len] = '\0';
	if (address_parse(room, &address) < 0)
		return unknown_source(text, e);
	return take_network(text, slash, &address, ret, e);
}

int policy_value_rate(const char *text, uint32_t *ret_count, uint32_t *ret_seconds, struct err *e)
{
	static const char *const units[] = {"second", "minute", "hour", "day"};
	static const uint32_t seconds[] = {1, 60, 3600, 86400};
	const char *slash = strchr(text, '/');
	uint64_t count;
	size_t unit;

	if (!slash || text_parse_number(text, (size_t)(slash - text), RATE_LIMIT, &count) < 0 ||
	    count == 0)
		return err_set(e, -EINVAL,
			       _("'%.64s' is no rate: write a number from 1 to %d and second, "
				 "minute, hour or day, as in 10/minute"),
			       text, RATE_LIMIT);
	if (policy_value_word(slash + 1, units, ARRAY_LEN(units), &unit, e) < 0)
		return -EINVAL;
	*ret_count = (uint32_t)count;
	*ret_seconds = seconds[unit];
	return 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

int policy_value_interface(const char *text, struct err *e)
{
	size_t len = strlen(text);
	const char *star = strchr(text, '*');

	if (strcmp(text, "*") == 0)
		return err_set(e, -EINVAL,
			       _("'*' is every interface: leave interfaces out for that"));
	if (star && star[1])
		return err_set(e, -EINVAL,
			       _("'%.64s' has a '*' that is not its last character: only there it "
				 "stands for any rest"),
			       text);
	/* what the kernel refuses (dev_valid_name), and what no rule can name */
	if (len == 0 || len >= IFNAMSIZ || strpbrk(text, "/: \"\\") || has_control(text) ||
	    strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return err_set(e, -EINVAL,
			       _("'%.64s' cannot be the name of an interface: it has at most %d "
				 "characters, and no spaces, '/' or ':'"),
			       text, IFNAMSIZ - 1);
	return 0;
}

int policy_value_program(const char *text, struct err *e)
{
	size_t len = strlen(text);

	if (text[0] != '/' || has_control(text))
		return err_set(e, -EINVAL,
			       _("'%.64s' is no whole path: write it from the root on, as in "
				 "/usr/sbin/nginx"),
			       text);
	if (strstr(text, "//") || strstr(text, "/./") || strstr(text, "/../") ||
	    text[len - 1] == '/' || (len > 1 && strcmp(text + len - 2, "/.") == 0) ||
	    (len > 2 && strcmp(text + len - 3, "/..") == 0))
		return err_set(e, -EINVAL,
			       _("'%.64s' is not the shortest path to a file: leave out '//', "
				 "'/./', '/../' and a '/' at the end"),
			       text);
	return 0;
}

int policy_value_unit(const char *text, const char **ret_suffix, struct err *e)
{
	static const char *const kinds[] = {"service", "socket", "scope", "slice"};
	const char *dot = strrchr(text, '.'), *near = NULL;
	size_t best = SIZE_MAX;

	if (!text[0] || strpbrk(text, "/ \"'*?[]") || has_control(text))
		return err_set(e, -EINVAL,
			       _("'%.64s' cannot be the name of a systemd unit: write it as "
				 "systemctl shows it, as in nginx.service"),
			       text);
	for (size_t i = 0; dot && i < ARRAY_LEN(kinds); i++) {
		if (strcmp(dot + 1, kinds[i]) == 0) {
			*ret_suffix = "";
			return 0;
		}
		if (text_is_nearer(dot + 1, kinds[i], &best))
			near = kinds[i];
	}
	if (near)
		return err_set(e, -EINVAL, _("'%.64s' is no unit: did you mean %.*s.%s?"), text,
			       (int)(dot - text), text, near);
	*ret_suffix = ".service"; /* as systemctl takes it */
	return 0;
}

int policy_value_user(const char *text, struct err *e)
{
	uint64_t id;
	size_t digits = strspn(text, "0123456789");

	if (!text[0] || strpbrk(text, ":/ \"\\") || has_control(text) ||
	    (!text[digits] && text_parse_number(text, digits, USER_ID_MAX, &id) < 0))
		return err_set(e, -EINVAL,
			       _("'%.64s' cannot be a user: write a name or a number, as in "
				 "www-data or 33"),
			       text);
	return 0;
}

int policy_value_container(const char *text, struct err *e)
{
	if (!text[0] || strpbrk(text, " \"\\") || has_control(text))
		return err_set(e, -EINVAL,
			       _("'%.64s' cannot be the name of a container: write it as portero "
				 "shows it, as in docker:web or web"),
			       text);
	return 0;
}
