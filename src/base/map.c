/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void map_done(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

/* The finaliser of splitmix64: a bijection in which every bit of x moves half of the result's. */
static uint64_t scramble(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t map_mix(uint64_t a, uint64_t b)
{
	/* a is scrambled before b comes in: small numbers, as inodes and indexes are, must not meet
	 */
	return scramble(scramble(a + 0x9e3779b97f4a7c15u) ^ (b + 0xd1b54a32d192ed03u));
}

uint64_t map_hash_bytes(const void *bytes, size_t len)
{
	const unsigned char *s = bytes;
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ s[i]) * 0x100000001b3u;
	return hash;
}

static struct map_slot *find_slot(const struct map *m, uint64_t key)
{
	size_t i = scramble(key) & (m->size - 1);

	while (m->slots[i].value_plus_one && m->slots[i].key != key)
		i = (i + 1) & (m->size - 1);
	return &m->slots[i];
}

bool map_get(const struct map *m, uint64_t key, uint32_t *ret)
{
	const struct map_slot *slot;

	if (m->size == 0)
		return false;
	slot = find_slot(m, key);
	if (!slot->value_plus_one)
		return false;
	*ret = slot->value_plus_one - 1;
	return true;
}

static int grow(struct map *m)
{
	struct map bigger = {.size = m->size ? m->size * 2 : 64, .count = m->count};

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->size; i++)
		if (m->slots[i].value_plus_one)
			*find_slot(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_set(struct map *m, uint64_t key, uint32_t value)
{
	struct map_slot *slot;

	if ((m->count + 1) * 4 > m->size * 3 && grow(m) < 0)
		return -ENOMEM;
	slot = find_slot(m, key);
	if (!slot->value_plus_one)
		m->count++;
	slot->key = key;
	slot->value_plus_one = value + 1;
	return 0;
}

void strpool_done(struct strpool *p)
{
	buf_done(&p->bytes);
	map_done(&p->by_hash);
}

uint32_t strpool_add(struct strpool *p, const char *text, size_t len)
{
	uint64_t hash = map_hash_bytes(text, len);
	uint32_t offset;

	if (len == 0)
		return 0;
	/* two texts with one hash are kept apart by trying the next key */
	while (map_get(&p->by_hash, hash, &offset)) {
		const char *known = p->bytes.data + offset;

		if (strncmp(known, text, len) == 0 && known[len] == '\0')
			return offset;
		hash++;
	}
	if (p->bytes.len == 0)
		buf_add_char(&p->bytes, '\0');
	if (p->bytes.failed || p->bytes.len + len + 1 > UINT32_MAX - 1)
		return 0;
	offset = (uint32_t)p->bytes.len;
	if (map_set(&p->by_hash, hash, offset) < 0)
		return 0;
	buf_add(&p->bytes, text, len);
	buf_add_char(&p->bytes, '\0');
	return p->bytes.failed ? 0 : offset;
}

uint32_t strpool_add_text(struct strpool *p, const char *text)
{
	return strpool_add(p, text, strlen(text));
}

const char *strpool_get(const struct strpool *p, uint32_t offset)
{
	return p->bytes.data && offset < p->bytes.len ? p->bytes.data + offset : "";
}
