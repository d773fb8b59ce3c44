/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/port.h"
#include "base/i18n.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static const char *const proto_names[PROTO_COUNT] = {
	[PROTO_TCP] = "tcp",   [PROTO_UDP] = "udp",   [PROTO_UDPLITE] = "udplite",
	[PROTO_SCTP] = "sctp", [PROTO_DCCP] = "dccp",
};

const char *proto_name(enum proto proto)
{
	return proto_names[proto];
}

int proto_parse(const char *name, size_t len, enum proto *ret)
{
	for (int i = 0; i < PROTO_COUNT; i++) {
		if (strlen(proto_names[i]) == len && memcmp(proto_names[i], name, len) == 0) {
			*ret = (enum proto)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* 127.0.0.1:80, *:80, [::]:80: as ss and others write it. */
static bool looks_like_socket_address(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
	       strspn(text, "0123456789abcdefABCDEF.:*[]") == strlen(text);
}

bool port_range_looks_like(const char *text)
{
	size_t digits = strspn(text, "0123456789-,");
	enum proto ignored;

	if (looks_like_socket_address(text))
		return true;
	if (digits == 0) /* "/tcp": the number was forgotten; "/usr/sbin/sshd" is a path */
		return text[0] == '/' && proto_parse(text + 1, strlen(text + 1), &ignored) == 0;
	return text[digits] == '\0' || text[digits] == '/';
}

static int parse_number(const char *text, const char *part, size_t len, uint16_t *ret,
			struct err *e)
{
	uint64_t value;

	if (text_parse_number(part, len, 65535, &value) < 0 || value == 0)
		return err_set(e, -EINVAL,
			       _("'%.64s' is not a port: a port is a number from 1 to 65535, as in "
				 "443/tcp"),
			       text);
	*ret = (uint16_t)value;
	return 0;
}

/* A person may write TCP. */
static int parse_proto_any_case(const char *text, enum proto *ret)
{
	char lower[16];
	size_t len = strlen(text);

	if (len >= sizeof(lower))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 'a' - 'A') : text[i];
	return proto_parse(lower, len, ret);
}

int port_range_parse(const char *text, struct port_range *ret, struct err *e)
{
	struct port_range range = {.any_proto = true};
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	const char *dash = memchr(text, '-', len);
	size_t first_len = dash ? (size_t)(dash - text) : len;

	if (strchr(text, ','))
		return err_set(e, -EINVAL,
			       _("'%.64s' is a list: write each port as a word of its own, as in "
				 "80/tcp 443/tcp"),
			       text);
	if (parse_number(text, text, first_len, &range.first, e) < 0)
		return -EINVAL;
	range.last = range.first;
	if (dash && parse_number(text, dash + 1, len - first_len - 1, &range.last, e) < 0)
		return -EINVAL;
	if (range.last < range.first)
		return err_set(
			e, -EINVAL,
			_("'%.64s' is a reversed range: write the lower port first, as in %u-%u"),
			text, range.last, range.first);
	if (slash) {
		range.any_proto = false;
		if (parse_proto_any_case(slash + 1, &range.proto) < 0)
			return err_set(e, -EINVAL,
				       _("'%.64s' has no known protocol: use tcp, udp, udplite, "
					 "sctp or dccp"),
				       text);
	}
	*ret = range;
	return 0;
}

bool port_range_has(const struct port_range *range, uint16_t port, enum proto proto)
{
	return port >= range->first && port <= range->last &&
	       (range->any_proto || range->proto == proto);
}

enum port_class port_class(uint16_t port)
{
	return port < 1024 ? PORT_SYSTEM : port < 49152 ? PORT_USER : PORT_DYNAMIC;
}

const char *port_class_name(enum port_class class)
{
	static const char *const names[] = {"system", "user", "dynamic"};

	return names[class];
}

/* As inet_ntop() has it, which takes ten times as long: each event has one or two. */
static void format_ipv4(const uint8_t *bytes, char *text)
{
	for (size_t i = 0; i < 4; i++) {
		text += text_put_number(text, bytes[i]);
		*text++ = i < 3 ? '.' : '\0';
	}
}

void address_format(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	if (a->family == AF_INET)
		format_ipv4(a->bytes, text);
	else if (!a->family || !inet_ntop(a->family, a->bytes, text, ADDRESS_TEXT_SIZE))
		memcpy(text, "-", 2);
}

int address_parse(const char *text, struct address *ret)
{
	struct address a = {0};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	*ret = a;
	return 0;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

size_t address_len(const struct address *a)
{
	return a->family == AF_INET ? 4 : 16;
}

bool address_is_any(const struct address *a)
{
	return all_zero(a->bytes, address_len(a));
}

bool address_is_loopback(const struct address *a)
{
	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	return all_zero(a->bytes, 15) && a->bytes[15] == 1;
}

bool address_is_multicast(const struct address *a)
{
	return a->family == AF_INET ? (a->bytes[0] & 0xf0) == 0xe0 : a->bytes[0] == 0xff;
}

bool address_is_link_local(const struct address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, address_len(a)) == 0;
}

bool address_unmap(struct address *a)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct address v4 = {.family = AF_INET};

	if (a->family != AF_INET6 || memcmp(a->bytes, prefix, sizeof(prefix)) != 0)
		return false;
	memcpy(v4.bytes, a->bytes + 12, 4);
	*a = v4;
	return true;
}

bool address_in_network(const struct address *a, const struct address *network, unsigned bits)
{
	size_t len = address_len(a), whole = bits / 8 < len ? bits / 8 : len;

	if (a->family != network->family || memcmp(a->bytes, network->bytes, whole) != 0)
		return false;
	return whole == len || !((a->bytes[whole] ^ network->bytes[whole]) & (0xff00u >> bits % 8));
}

struct address address_network(const struct address *a, unsigned bits)
{
	struct address network = *a;

	for (unsigned i = 0; i < sizeof(network.bytes); i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			network.bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
	return network;
}
