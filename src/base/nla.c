/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nla.h"

#include <endian.h>
#include <linux/netlink.h>
#include <string.h>

bool nla_next(struct cur *c, uint16_t *type, struct cur *value)
{
	struct nlattr header;
	size_t padding;

	if (c->left == 0)
		return false;
	cur_read(c, &header, sizeof(header));
	if (!c->ok || header.nla_len < sizeof(header)) {
		c->ok = false;
		return false;
	}
	*value = cur_slice(c, header.nla_len - sizeof(header));
	*type = header.nla_type & NLA_TYPE_MASK;
	padding = NLA_ALIGN(header.nla_len) - header.nla_len;
	if (c->ok && c->left > 0)
		cur_take(c, padding < c->left ? padding : c->left);
	return c->ok;
}

bool nla_find(struct cur attributes, uint16_t type, struct cur *value)
{
	struct cur each;
	uint16_t t;

	while (nla_next(&attributes, &t, &each)) {
		if (t != type)
			continue;
		*value = each;
		return true;
	}
	return false;
}

uint64_t nla_number_be(struct cur value)
{
	uint8_t bytes[8];
	uint64_t number = 0;
	size_t len = value.left;

	if (len > sizeof(bytes))
		return 0;
	cur_read(&value, bytes, len);
	for (size_t i = 0; i < len; i++)
		number = number << 8 | bytes[i];
	return number;
}

bool nla_string(struct cur value, char *text, size_t size)
{
	size_t len = strnlen((const char *)value.at, value.left);

	if (size == 0 || len >= size)
		return false;
	memcpy(text, value.at, len);
	text[len] = '\0';
	return true;
}

static void align(struct buf *b)
{
	static const char zeroes[NLA_ALIGNTO];

	if (b->len % NLA_ALIGNTO)
		buf_add(b, zeroes, NLA_ALIGNTO - b->len % NLA_ALIGNTO);
}

size_t nla_begin_message(struct buf *b, uint16_t type, uint16_t flags, const void *extra,
			 size_t extra_len)
{
	struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = flags};
	size_t at;

	align(b);
	at = b->len;
	buf_add(b, &header, sizeof(header));
	buf_add(b, extra, extra_len);
	align(b);
	return at;
}

void nla_end_message(struct buf *b, size_t message)
{
	uint32_t len = (uint32_t)(b->len - message);

	if (!b->failed)
		memcpy(b->data + message, &len, sizeof(len));
	align(b);
}

void nla_put(struct buf *b, uint16_t type, const void *value, size_t len)
{
	struct nlattr header = {.nla_len = (uint16_t)(sizeof(header) + len), .nla_type = type};

	if (len > UINT16_MAX - sizeof(header)) {
		b->failed = true;
		return;
	}
	buf_add(b, &header, sizeof(header));
	buf_add(b, value, len);
	align(b);
}

void nla_put_u8(struct buf *b, uint16_t type, uint8_t value)
{
	nla_put(b, type, &value, sizeof(value));
}

void nla_put_u16_be(struct buf *b, uint16_t type, uint16_t value)
{
	value = htobe16(value);
	nla_put(b, type, &value, sizeof(value));
}

void nla_put_u32_be(struct buf *b, uint16_t type, uint32_t value)
{
	value = htobe32(value);
	nla_put(b, type, &value, sizeof(value));
}

void nla_put_u64_be(struct buf *b, uint16_t type, uint64_t value)
{
	value = htobe64(value);
	nla_put(b, type, &value, sizeof(value));
}

void nla_put_u32(struct buf *b, uint16_t type, uint32_t value)
{
	nla_put(b, type, &value, sizeof(value));
}

void nla_put_text(struct buf *b, uint16_t type, const char *text)
{
	nla_put(b, type, text, strlen(text) + 1);
}

void nla_put_raw(struct buf *b, const uint8_t *start, struct cur value)
{
	static const char zeroes[NLA_ALIGNTO];
	size_t len = (size_t)(value.at - start) + value.left;

	buf_add(b, start, len);
	buf_add(b, zeroes, NLA_ALIGN(len) - len);
}

size_t nla_begin_nest(struct buf *b, uint16_t type)
{
	size_t at = b->len;

	nla_put(b, type | NLA_F_NESTED, "", 0);
	return at;
}

void nla_end_nest(struct buf *b, size_t nest)
{
	size_t len = b->len - nest;
	uint16_t short_len = (uint16_t)len;

	if (b->failed)
		return;
	if (len > UINT16_MAX) {
		b->failed = true; /* an attribute's length has 16 bits */
		return;
	}
	memcpy(b->data + nest, &short_len, sizeof(short_len));
}
