/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_match_fuzz: any bytes as the answer to any request, for all patterns that portero ships.
 * Besides memory errors, it looks for texts that could act on a terminal.
 */
#include "observe/service_match.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct probes probes;
static struct service_matcher matcher;

static void check_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service s = {.end = SERVICE_UNNAMED};
	const struct probe_match *m;
	int event;

	if (!matcher.data && (probes_read(&probes, probe_texts, probe_text_count, NULL) < 0 ||
			      service_matcher_init(&matcher, &probes) < 0))
		abort();
	if (size < 1)
		return 0;
	event = data[0] < probes.request_count ? data[0] : PROBE_GREETING;
	m = service_find(&matcher, event, data + 1, size - 1);
	if (m)
		service_take(&matcher, m, data + 1, size - 1, &s);
	service_take_notes(&matcher, event, data + 1, size - 1, &s);
	check_text(s.protocol);
	check_text(s.product);
	check_text(s.version);
	check_text(s.extra);
	check_text(s.host);
	check_text(s.os);
	for (uint32_t i = 0; i < s.note_count; i++)
		check_text(s.notes[i].value);
	return 0;
}
