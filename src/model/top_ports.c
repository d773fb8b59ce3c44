/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/top_ports.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	return x < y ? -1 : x > y;
}

void top_ports_take(size_t count, uint16_t *ports)
{
	memcpy(ports, top_ports_rows, count * sizeof(*ports));
	qsort(ports, count, sizeof(*ports), compare);
}
