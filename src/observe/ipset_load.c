/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of ipset_image: the sets are made again in a twin, and compared. */
#include "base/cur.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "observe/ipset_image.h"

#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_HASH = 64 }; /* the kernel's own lower limit of IPSET_ATTR_HASHSIZE */

static int compare_index(const void *a, const void *b)
{
	const struct ipset_set *const *set_a = a, *const *set_b = b;

	return (*set_a)->index < (*set_b)->index ? -1 : (*set_a)->index > (*set_b)->index;
}

static void put_create(struct buf *b, const struct ipset_set *set, const char *name,
		       const struct buf *header)
{
	size_t message = ipset_message_begin(b, IPSET_CMD_CREATE, NLM_F_CREATE | NLM_F_EXCL, name),
	       nest;

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
			nla_put_raw(ret, start, value);
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
			nla_end_message(destroys,
					ipset_message_begin(destroys, IPSET_CMD_DESTROY, 0, gap));
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
	if (*first == 0)
		*first = error;
}

/* A set that another one holds can be destroyed only when that one was emptied. */
static void destroy_all(struct nl *twin)
{
	struct buf cleanup_call(buf_done) b = {0};

	nla_end_message(&b, ipset_message_begin(&b, IPSET_CMD_FLUSH, 0, NULL));
	nla_end_message(&b, ipset_message_begin(&b, IPSET_CMD_DESTROY, 0, NULL));
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
		size_t message = ipset_message_begin(&b, IPSET_CMD_ADD, 0,
						     image->sets[chunk->set].name),
		       nest;

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
	int different = 0, r = ipset_image_read_once(&got, twin, e);

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
