/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_fuzz: any text as a port or a range of ports. It looks for a range that is none, and for one
 * that does not mean the same when it is written out and read again.
 */
#include "model/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct port_range *range)
{
	struct port_range again;
	char text[64];

	if (range->first == 0 || range->last < range->first || range->proto >= PROTO_COUNT)
		abort();
	snprintf(text, sizeof(text), "%u-%u%s%s", range->first, range->last,
		 range->any_proto ? "" : "/", range->any_proto ? "" : proto_name(range->proto));
	if (port_range_parse(text, &again, NULL) < 0 || again.first != range->first ||
	    again.last != range->last || again.any_proto != range->any_proto ||
	    again.proto != range->proto)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct port_range range;
	struct err e = {0};

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (port_range_parse(text, &range, &e) == 0) {
		if (!port_range_looks_like(text))
			abort();
		check(&range);
	} else if (!e.code || !memchr(e.msg, '\0', sizeof(e.msg))) {
		abort();
	}
	free(text);
	return 0;
}
