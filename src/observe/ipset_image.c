/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attributes are kept and sent as they came, with their flag bits: ipset wants NLA_F_NET_BYTEORDER
 * and NLA_F_NESTED where it sets them itself. Sets have no generation: only two readings that agree
 * are taken for one state. The kernel is trusted for content, not for lengths.
 */
#include "observe/ipset_image.h"
#include "base/cur.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ATTEMPTS = 4 };

void ipset_image_done(struct ipset_image *image)
{
	buf_done(&image->bytes);
	free(image->sets);
	free(image->chunks);
	*image = (struct ipset_image){0};
}

static uint16_t type_of(uint8_t command)
{
	return (uint16_t)(NFNL_SUBSYS_IPSET << 8 | command);
}

/* --- fingerprints ------------------------------------------------------------------------------
 */

/* What is different after a while though nobody changed anything, or differs in a true copy. */
static bool header_matters(uint16_t type)
{
	return type != IPSET_ATTR_HASHSIZE && type != IPSET_ATTR_ELEMENTS &&
	       type != IPSET_ATTR_REFERENCES && type != IPSET_ATTR_MEMSIZE &&
	       type != IPSET_ATTR_INITVAL;
}

static uint64_t hash_attributes(struct cur c, bool (*matters)(uint16_t type))
{
	uint64_t key = 1;
	struct cur value;
	uint16_t type;

	while (nla_next(&c, &type, &value))
		if (matters(type))
			key = map_mix(key, map_mix(type, map_hash_bytes(value.at, value.left)));
	return key;
}

static bool element_matters(uint16_t type)
{
	return type != IPSET_ATTR_TIMEOUT && type != IPSET_ATTR_PACKETS && type != IPSET_ATTR_BYTES;
}

/* Of its remaining time only whether it has an end. */
static uint64_t hash_element(struct cur c)
{
	uint64_t key = hash_attributes(c, element_matters);
	struct cur value;

	if (nla_find(c, IPSET_ATTR_TIMEOUT, &value))
		key = map_mix(key, nla_number_be(value) ? 2 : 3);
	return key;
}

/* The place in a bucket is chance; the place in a list of sets is not. */
static void count_elements(struct ipset_set *set, struct cur c)
{
	bool ordered = strncmp(set->type, "list:", 5) == 0;
	struct cur element;
	uint16_t type;

	while (nla_next(&c, &type, &element)) {
		uint64_t key = hash_element(element);

		set->element_count++;
		set->fingerprint =
			ordered ? map_mix(set->fingerprint, key) : set->fingerprint + key;
	}
}

static void hash_header(struct ipset_set *set, struct cur header)
{
	uint64_t key = map_mix(map_hash_bytes(set->name, strlen(set->name)),
			       map_hash_bytes(set->type, strlen(set->type)));

	key = map_mix(key, map_mix((uint64_t)set->family << 8 | set->revision, set->index));
	set->fingerprint = map_mix(key, hash_attributes(header, header_matters));
}

uint64_t ipset_image_fingerprint(const struct ipset_image *image)
{
	uint64_t key = image->count;

	/* not in their order: a dump's is that of indexes, which are in each fingerprint */
	for (size_t i = 0; i < image->count; i++)
		key += map_mix(image->sets[i].fingerprint, image->sets[i].element_count);
	return key;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/*
 * ipset wants an address marked as being in network order, but does not mark it itself when it
 * tells one: the nested attributes of bytes[0..len) are addresses, and what is in them is marked.
 */
static void mark_addresses(uint8_t *bytes, size_t len)
{
	struct cur c = cur_init(bytes, len), value, inner;
	const uint8_t *start = c.at;
	uint16_t type;

	for (; nla_next(&c, &type, &value); start = c.at) {
		const uint8_t *child = value.at;

		memcpy(&type, start + offsetof(struct nlattr, nla_type), sizeof(type));
		if (!(type & NLA_F_NESTED))
			continue;
		for (; nla_next(&value, &type, &inner); child = value.at) {
			uint8_t *where =
				bytes + (child - bytes) + offsetof(struct nlattr, nla_type);

			memcpy(&type, where, sizeof(type));
			type |= NLA_F_NET_BYTEORDER;
			memcpy(where, &type, sizeof(type));
		}
	}
}

/* What the kernel tells of a set but does not take when it is created. */
static bool creates(uint16_t type)
{
	return type != IPSET_ATTR_ELEMENTS && type != IPSET_ATTR_REFERENCES &&
	       type != IPSET_ATTR_MEMSIZE;
}

static void keep_header(struct ipset_image *image, struct ipset_set *set, struct cur c)
{
	size_t offset = image->bytes.len;
	const uint8_t *start = c.at;
	struct cur value;
	uint16_t type;

	while (nla_next(&c, &type, &value)) {
		if (creates(type))
			nla_put_raw(&image->bytes, start, value);
		start = c.at;
	}
	set->header_offset = (uint32_t)offset;
	set->header_len = (uint32_t)(image->bytes.len - offset);
	if (!image->bytes.failed)
		mark_addresses((uint8_t *)image->bytes.data + offset, set->header_len);
}

/* The attributes of one message that matter; `ok` says which are there. */
struct message {
	char name[IPSET_NAME], type[IPSET_NAME];
	struct cur family, revision, index, header, elements;
	bool has_name, has_type, has_index, has_header, has_elements;
};

static int read_message(struct cur c, struct message *m)
{
	struct cur value;
	uint16_t type;

	*m = (struct message){0};
	while (nla_next(&c, &type, &value))
		switch (type) {
		case IPSET_ATTR_SETNAME:
			m->has_name = nla_string(value, m->name, sizeof(m->name));
			break;
		case IPSET_ATTR_TYPENAME:
			m->has_type = nla_string(value, m->type, sizeof(m->type));
			break;
		case IPSET_ATTR_FAMILY:
			m->family = value;
			break;
		case IPSET_ATTR_REVISION:
			m->revision = value;
			break;
		case IPSET_ATTR_INDEX:
			m->index = value;
			m->has_index = value.left == sizeof(uint16_t);
			break;
		case IPSET_ATTR_DATA:
			m->header = value;
			m->has_header = true;
			break;
		case IPSET_ATTR_ADT:
			m->elements = value;
			m->has_elements = true;
			break;
		default:
			break;
		}
	return c.ok && m->has_name && m->name[0] ? 0 : -EBADMSG;
}

static int add_set(struct ipset_image *image, const struct message *m)
{
	struct ipset_set *set;

	if (!m->has_index || !m->has_header || !m->type[0])
		return -EBADMSG;
	if (image->count == IPSET_COUNT_LIMIT || nla_number_be(m->index) >= IPSET_COUNT_LIMIT)
		return -E2BIG;
	if (mem_grow(&image->sets, &image->cap, image->count + 1, sizeof(*image->sets)) < 0)
		return -ENOMEM;
	set = &image->sets[image->count++];
	*set = (struct ipset_set){.family = (uint8_t)nla_number_be(m->family),
				  .revision = (uint8_t)nla_number_be(m->revision),
				  .index = (uint16_t)nla_number_be(m->index)};
	memcpy(set->name, m->name, sizeof(set->name));
	memcpy(set->type, m->type, sizeof(set->type));
	keep_header(image, set, m->header);
	hash_header(set, m->header);
	return 0;
}

static void mark_elements(uint8_t *bytes, size_t len)
{
	struct cur c = cur_init(bytes, len), element;
	uint16_t type;

	while (nla_next(&c, &type, &element))
		mark_addresses(bytes + (element.at - bytes), element.left);
}

/* Whole attributes only: a length that runs past the end would be sent as it is. */
static bool is_well_formed(struct cur c)
{
	struct cur value;
	uint16_t type;

	while (nla_next(&c, &type, &value))
		;
	return c.ok;
}

static int add_elements(struct ipset_image *image, struct cur elements)
{
	struct ipset_chunk *chunk;

	if (!is_well_formed(elements))
		return -EBADMSG;
	if (mem_grow(&image->chunks, &image->chunk_cap, image->chunk_count + 1,
		     sizeof(*image->chunks)) < 0)
		return -ENOMEM;
	chunk = &image->chunks[image->chunk_count++];
	*chunk = (struct ipset_chunk){.set = (uint32_t)image->count - 1,
				      .offset = (uint32_t)image->bytes.len,
				      .len = (uint32_t)elements.left};
	buf_add(&image->bytes, elements.at, elements.left);
	if (image->bytes.failed)
		return -ENOMEM;
	mark_elements((uint8_t *)image->bytes.data + chunk->offset, chunk->len);
	count_elements(&image->sets[image->count - 1], elements);
	return 0;
}

int ipset_image_take(struct ipset_image *image, const void *payload, size_t len)
{
	struct cur c = cur_init(payload, len);
	struct message m;
	int r;

	if (!cur_take(&c, sizeof(struct nfgenmsg)))
		return -EBADMSG;
	r = read_message(c, &m);
	if (r == 0 && m.has_type)
		r = add_set(image, &m);
	/* a large set's elements come in several messages, the later ones without its header */
	if (r == 0 &&
	    (image->count == 0 || strcmp(image->sets[image->count - 1].name, m.name) != 0))
		r = -EBADMSG;
	if (r == 0 && m.has_elements)
		r = add_elements(image, m.elements);
	if (r == 0 && (image->bytes.failed || image->bytes.len > NL_SEND_LIMIT))
		r = -ENOMEM;
	return r;
}

static int take_message(uint16_t type, const void *payload, size_t len, void *context)
{
	return type == type_of(IPSET_CMD_LIST) ? ipset_image_take(context, payload, len) : 0;
}

static void restart(void *context)
{
	ipset_image_done(context);
}

size_t ipset_message_begin(struct buf *b, uint8_t command, uint16_t flags, const char *name)
{
	struct nfgenmsg family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
	size_t message = nla_begin_message(b, type_of(command), flags, &family, sizeof(family));

	nla_put_u8(b, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	if (name)
		nla_put_text(b, IPSET_ATTR_SETNAME, name);
	return message;
}

int ipset_image_read_once(struct ipset_image *image, struct nl *n, struct err *e)
{
	struct nl_dump_ops ops = {restart, take_message, image};
	struct buf cleanup_call(buf_done) request = {0};

	nla_end_message(&request, ipset_message_begin(&request, IPSET_CMD_LIST, 0, NULL));
	if (request.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	return nl_dump(n, (struct nlmsghdr *)(void *)request.data, &ops, e);
}

/* Where sysfs can be seen, it tells: the module has a parameter, so also one that is built in. */
static bool kernel_has_ipset(void)
{
	return access("/sys/module", F_OK) < 0 || access("/sys/module/ip_set", F_OK) == 0;
}

int ipset_image_read(struct ipset_image *image, struct nl *n, struct err *e)
{
	int r;

	if (!kernel_has_ipset())
		return 0;
	r = ipset_image_read_once(image, n, e);
	for (int i = 0; i < ATTEMPTS && r >= 0 && image->count; i++) {
		struct ipset_image again = {0};
		bool same;

		r = ipset_image_read_once(&again, n, e);
		same = r == 0 && ipset_image_fingerprint(image) == ipset_image_fingerprint(&again);
		ipset_image_done(image);
		*image = again;
		if (same)
			return 0;
	}
	image->changing = image->count > 0;
	if (r < 0)
		ipset_image_done(image);
	return r < 0 ? r : 0;
}
