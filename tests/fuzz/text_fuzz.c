/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text_fuzz: any bytes to be made safe. It looks for output with a control character or an
 * invisible code point, that is not valid UTF-8, or that is not ASCII where ASCII was asked for.
 */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t unsafe[][2] = {
	{0, 0x1f},	    {0x7f, 0x9f},	{0xad, 0xad},	    {0x34f, 0x34f},
	{0x61c, 0x61c},	    {0x115f, 0x1160},	{0x17b4, 0x17b5},   {0x180b, 0x180f},
	{0x200b, 0x200f},   {0x2028, 0x202e},	{0x2060, 0x206f},   {0x3164, 0x3164},
	{0xd800, 0xdfff},   {0xfe00, 0xfe0f},	{0xfeff, 0xfeff},   {0xffa0, 0xffa0},
	{0xfff0, 0xfffb},   {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff},
};

static void check(const struct buf *out, bool ascii)
{
	if (out->failed)
		return;
	for (size_t i = 0; i < out->len;) {
		uint32_t code;
		size_t used = text_decode_utf8(out->data + i, out->len - i, &code);

		if (used == 0 || code > (ascii ? 0x7e : 0x10ffff))
			abort();
		for (size_t k = 0; k < sizeof(unsafe) / sizeof(unsafe[0]); k++)
			if (code >= unsafe[k][0] && code <= unsafe[k][1])
				abort();
		i += used;
	}
}

static void check_prefix(const struct buf *out, size_t columns)
{
	const char *text = buf_text(out);
	size_t bytes = text_prefix(text, columns);

	if (bytes > out->len || (bytes < out->len && text_width(text) <= columns))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0}, message = {0};

	for (int ascii = 0; ascii < 2; ascii++) {
		buf_clear(&out);
		text_escape(&out, (const char *)data, size, ascii);
		check(&out, ascii);
		check_prefix(&out, size / 2);
	}
	buf_add(&message, data, size);
	buf_clear(&out);
	text_escape_message(&out, buf_text(&message));
	check(&out, false);
	text_distance(buf_text(&message), "listening-on");
	buf_done(&message);
	buf_done(&out);
	return 0;
}
