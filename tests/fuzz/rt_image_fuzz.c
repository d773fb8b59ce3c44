/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rt_image_fuzz: any bytes as each message of rtnetlink. Besides memory errors: what is canonical
 * stays as it is when it is made canonical again, what is refused leaves nothing behind, and can be
 * described. The first byte says which message it is, and which of its items to make.
 */
#include "observe/rt_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_link(const uint8_t *data, size_t size)
{
	struct rt_link link;

	if (rt_decode_link(data, size, &link) < 0)
		return;
	if (!memchr(link.name, '\0', sizeof(link.name)) || !link.ifindex ||
	    link.mac_len > RT_MAC_LIMIT || link.conf4_count > RT_CONF_LIMIT ||
	    link.conf6_count > RT_CONF_LIMIT)
		abort();
}

static void check_item(enum rt_kind kind, const uint8_t *data, size_t size, uint32_t which)
{
	struct rt_image image = {0};
	struct buf again = {0};
	struct rt_item item = {0}, second = {0};
	char text[RT_TEXT_SIZE];
	int r;

	buf_add(&image.bytes, "x", 1); /* what is there already stays, and is no multiple of 4 */
	r = rt_canonical(kind, data, size, which, &image.bytes, &item);
	if (r != 0 && !image.bytes.failed && image.bytes.len != 1)
		abort();
	if (r == 0 && !image.bytes.failed) {
		if (item.offset % 4 || item.offset + item.len != image.bytes.len)
			abort();
		rt_image_describe(&image, &item, text);
		if (rt_canonical(kind, rt_image_payload(&image, &item), item.len, 0, &again,
				 &second) != 0 ||
		    second.len != item.len || second.family != item.family ||
		    memcmp(again.data, image.bytes.data + item.offset, item.len) != 0)
			abort();
	}
	buf_done(&again);
	buf_done(&image.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] % (RT_KIND_COUNT + 1) == RT_KIND_COUNT)
		check_link(data + 1, size - 1);
	else
		check_item((enum rt_kind)(data[0] % (RT_KIND_COUNT + 1)), data + 1, size - 1,
			   data[0] / (RT_KIND_COUNT + 1));
	return 0;
}
