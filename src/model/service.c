/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/service.h"
#include "base/text.h"

#include <string.h>

/* Control characters, and those that turn the direction of a text or cannot be seen, are none. */
static bool is_shown(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && code != 0xad &&
	       !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff &&
	       !(code >= 0xfff9 && code <= 0xfffb);
}

void service_text(char *to, size_t size, const void *bytes, size_t len)
{
	const char *from = bytes;
	size_t used, at = 0;
	bool space = true; /* none at the beginning */

	for (size_t i = 0; i < len; i += used) {
		uint32_t code = 0;

		used = text_decode_utf8(from + i, len - i, &code);
		if (used && (code == ' ' || (code >= '\t' && code <= '\r'))) {
			if (!space && at + 1 < size)
				to[at++] = ' ';
			space = true;
			continue;
		}
		space = false;
		if (!used || !is_shown(code)) {
			used = used ? used : 1;
			if (at + 1 >= size)
				break;
			to[at++] = '?';
			continue;
		}
		if (at + used >= size)
			break;
		memcpy(to + at, from + i, used);
		at += used;
	}
	while (at && to[at - 1] == ' ')
		at--;
	to[at] = '\0';
}

const char *service_end_name(enum service_end end)
{
	static const char *const names[SERVICE_END_COUNT] = {
		[SERVICE_NAMED] = "named",
		[SERVICE_UNNAMED] = "unnamed",
		[SERVICE_SILENT] = "silent",
		[SERVICE_HUNG_UP] = "hung-up",
		[SERVICE_UNRESPONSIVE] = "unresponsive",
		[SERVICE_REFUSED] = "refused",
		[SERVICE_OUT_OF_TIME] = "out-of-time",
		[SERVICE_LOST] = "lost",
		[SERVICE_UNASKED] = "not-asked",
	};

	return names[end];
}

static void check(char *text, size_t size)
{
	char copy[256];

	memcpy(copy, text, size);
	service_text(text, size, copy, strnlen(copy, size));
}

#define CHECK(array) check(array, sizeof(array))

void service_check(struct service *s)
{
	CHECK(s->protocol);
	CHECK(s->product);
	CHECK(s->version);
	CHECK(s->extra);
	CHECK(s->host);
	CHECK(s->os);
	CHECK(s->tls.version);
	CHECK(s->tls.alpn);
	CHECK(s->tls.subject);
	CHECK(s->tls.issuer);
	CHECK(s->tls.names);
	CHECK(s->tls.not_after);
	CHECK(s->tls.key);
	CHECK(s->asked);
	s->tls.spoken = s->tls.spoken != 0;
	s->tls.inside = s->tls.inside != 0;
	s->tls.self_signed = s->tls.self_signed != 0;
	if (s->note_count > SERVICE_NOTE_LIMIT)
		s->note_count = SERVICE_NOTE_LIMIT;
	for (uint32_t i = 0; i < s->note_count; i++) {
		CHECK(s->notes[i].name);
		CHECK(s->notes[i].value);
	}
	if (s->answer_len > sizeof(s->answer))
		s->answer_len = sizeof(s->answer);
	if (!(s->confidence >= 0 && s->confidence <= 1))
		s->confidence = 0;
	if (s->end >= SERVICE_END_COUNT)
		s->end = SERVICE_LOST;
}
