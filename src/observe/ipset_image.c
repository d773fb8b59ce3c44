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

enum {
	ATTEMPTS = 4,
	SMALLEST_HASH = 64, /* the kernel's own lower limit of IPSET_ATTR_HASHSIZE */
};

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

/* Appends an attribute as it is, with its header, from where it starts. */
static void add_raw(struct buf *b, const uint8_t *start, struct cur value)
{
	static const char zeroes[NLA_ALIGNTO];
	size_t len = (size_t)(value.at - start) + value.left;

	buf_add(b, start, len);
	buf_add(b, zeroes, NLA_ALIGN(len) - len);
}

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
			add_raw(&image->bytes, start, value);
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

static size_t begin(struct buf *b, uint8_t command, uint16_t flags, const char *name)
{
	struct nfgenmsg family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
	size_t message = nla_begin_message(b, type_of(command), flags, &family, sizeof(family));

	nla_put_u8(b, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	if (name)
		nla_put_text(b, IPSET_ATTR_SETNAME, name);
	return message;
}

static int read_once(struct ipset_image *image, struct nl *n, struct err *e)
{
	struct nl_dump_ops ops = {restart, take_message, image};
	struct buf cleanup_call(buf_done) request = {0};

	nla_end_message(&request, begin(&request, IPSET_CMD_LIST, 0, NULL));
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
	r = read_once(image, n, e);
	for (int i = 0; i < ATTEMPTS && r >= 0 && image->count; i++) {
		struct ipset_image again = {0};
		bool same;

		r = read_once(&again, n, e);
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

/* --- loading -----------------------------------------------------------------------------------
 */

static int compare_index(const void *a, const void *b)
{
	const struct ipset_set *const *set_a = a, *const *set_b = b;

	return (*set_a)->index < (*set_b)->index ? -1 : (*set_a)->index > (*set_b)->index;
}

static void put_create(struct buf *b, const struct ipset_set *set, const char *name,
		       const struct buf *header)
{
	size_t message = begin(b, IPSET_CMD_CREATE, NLM_F_CREATE | NLM_F_EXCL, name), nest;

	nla_put_text(b, IPSET_ATTR_TYPENAME, set->type);
	nla_put_u8(b, IPSET_ATTR_REVISION, set->revision);
	nla_put_u8(b, IPSET_ATTR_FAMILY, set->family);
	nest = nla_begin_nest(b, IPSET_ATTR_DATA);
	buf_add(b, header->data, header->len);
	nla_end_nest(b, nest);
	nla_end_message(b, message);
}

static void copy_header(const struct ipset_image *image, const struct ipset_set *set, bool small,
			struct buf *ret)
{
	struct cur c = cur_init(image->bytes.data + set->header_offset, set->header_len), value;
	const uint8_t *start = c.at;
	uint16_t type;

	buf_clear(ret);
	while (nla_next(&c, &type, &value)) {
		if (small && type == IPSET_ATTR_HASHSIZE)
			nla_put_u32_be(ret, IPSET_ATTR_HASHSIZE | NLA_F_NET_BYTEORDER,
				       SMALLEST_HASH);
		else
			add_raw(ret, start, value);
		start = c.at;
	}
}

static void name_gap(unsigned index, char name[IPSET_NAME])
{
	snprintf(name, IPSET_NAME, "portero-gap-%u", index);
}

/*
 * The kernel gives a new set the lowest index that is free. So they are created in the order of
 * their indexes, with a set that fills each gap: an empty one of the type that follows, since that
 * type is known to be there.
 */
static int put_creates(const struct ipset_image *image, struct buf *creates_, struct buf *destroys)
{
	struct buf cleanup_call(buf_done) header = {0};
	const struct ipset_set **sorted = calloc(image->count, sizeof(*sorted));
	char gap[IPSET_NAME];
	unsigned next = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < image->count; i++)
		sorted[i] = &image->sets[i];
	qsort(sorted, image->count, sizeof(*sorted), compare_index);
	for (size_t i = 0; i < image->count; i++, next++) {
		copy_header(image, sorted[i], true, &header);
		for (; next < sorted[i]->index; next++) {
			name_gap(next, gap);
			put_create(creates_, sorted[i], gap, &header);
			nla_end_message(destroys, begin(destroys, IPSET_CMD_DESTROY, 0, gap));
		}
		copy_header(image, sorted[i], false, &header);
		put_create(creates_, sorted[i], sorted[i]->name, &header);
	}
	free(sorted);
	return creates_->failed || destroys->failed || header.failed ? -ENOMEM : 0;
}

/* ipset's own errors begin at 4096; what they mean depends on the type of set. */
static const char *reason_of(int error)
{
	return error >= IPSET_ERR_PRIVATE ? _("ipset refused it") : strerror(error);
}

static void keep_first(size_t index, int error, const char *reason, void *context)
{
	int *first = context;

	(void)index;
	(void)reason;
	(void)index;
	(void)reason;
	if (*first == 0)
		*first = error;
}

/* A set that another one holds can be destroyed only when that one was emptied. */
static void destroy_all(struct nl *twin)
{
	struct buf cleanup_call(buf_done) b = {0};

	nla_end_message(&b, begin(&b, IPSET_CMD_FLUSH, 0, NULL));
	nla_end_message(&b, begin(&b, IPSET_CMD_DESTROY, 0, NULL));
	nl_send(twin, &b, NULL, NULL, NULL);
}

static int create_all(const struct ipset_image *image, struct nl *twin, struct err *e)
{
	struct buf cleanup_call(buf_done) creates_ = {0}, destroys = {0};
	int first = 0, r = put_creates(image, &creates_, &destroys);

	if (r < 0)
		return err_set(e, r, _("out of memory"));
	r = nl_send(twin, &creates_, keep_first, &first, e);
	if (r == 0)
		r = nl_send(twin, &destroys, keep_first, &first, e);
	if (r > 0)
		r = err_set(e, -EOPNOTSUPP, _("an ipset cannot be copied: %s"), reason_of(first));
	return r;
}

/* IPSET_ATTR_LINENO must be there with more than one element, whatever its value. */
static int add_all(const struct ipset_image *image, struct nl *twin, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	int r;

	for (size_t i = 0; i < image->chunk_count; i++) {
		const struct ipset_chunk *chunk = &image->chunks[i];
		size_t message = begin(&b, IPSET_CMD_ADD, 0, image->sets[chunk->set].name), nest;

		nla_put_u32(&b, IPSET_ATTR_LINENO, 1);
		nest = nla_begin_nest(&b, IPSET_ATTR_ADT);
		buf_add(&b, image->bytes.data + chunk->offset, chunk->len);
		nla_end_nest(&b, nest);
		nla_end_message(&b, message);
	}
	r = nl_send(twin, &b, NULL, NULL, e);
	return r < 0 ? r : 0; /* what was refused is missing, which the comparison tells */
}

static const struct ipset_set *find_set(const struct ipset_image *image, uint16_t index)
{
	for (size_t i = 0; i < image->count; i++)
		if (image->sets[i].index == index)
			return &image->sets[i];
	return NULL;
}

static int compare(const struct ipset_image *image, struct nl *twin, struct err *e)
{
	struct ipset_image got = {0};
	int different = 0, r = read_once(&got, twin, e);

	for (size_t i = 0; r >= 0 && i < image->count; i++) {
		const struct ipset_set *mine = &image->sets[i], *copy = find_set(&got, mine->index);

		if (copy && copy->fingerprint == mine->fingerprint &&
		    copy->element_count == mine->element_count)
			continue;
		if (different++ == 0)
			err_set(e, -EIO, _("the ipset %s was not copied as it is"), mine->name);
	}
	if (r >= 0 && different == 0 && got.count != image->count)
		r = err_set(e, -EIO, _("there are ipsets that nobody copied"));
	ipset_image_done(&got);
	return r < 0 ? r : different;
}

int ipset_image_load(const struct ipset_image *image, struct nl *twin, struct err *e)
{
	int r;

	if (image->count == 0)
		return 0;
	r = create_all(image, twin, e);
	if (r == 0)
		r = add_all(image, twin, e);
	if (r == 0)
		r = compare(image, twin, e);
	if (r < 0)
		destroy_all(twin);
	return r;
}
