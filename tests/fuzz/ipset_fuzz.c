/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset_fuzz: any bytes as a message of an ipset dump, twice. Besides memory errors, it looks for
 * parts of the image that lie outside of its bytes, and for elements of a set that is not there.
 */
#include "observe/ipset_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipset_image image = {0};

	for (int i = 0; i < 2; i++)
		if (ipset_image_take(&image, data, size) < 0)
			break;
	for (size_t i = 0; i < image.count; i++)
		if (image.sets[i].header_offset > image.bytes.len ||
		    image.sets[i].header_len > image.bytes.len - image.sets[i].header_offset ||
		    !memchr(image.sets[i].name, 0, sizeof(image.sets[i].name)) ||
		    image.sets[i].index >= IPSET_COUNT_LIMIT)
			abort();
	for (size_t i = 0; i < image.chunk_count; i++)
		if (image.chunks[i].set >= image.count ||
		    image.chunks[i].offset > image.bytes.len ||
		    image.chunks[i].len > image.bytes.len - image.chunks[i].offset)
			abort();
	ipset_image_fingerprint(&image);
	ipset_image_done(&image);
	return 0;
}
