/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_way_fuzz: any bytes as the kernel's answer about a route or a neighbour. Besides memory
 * errors, it looks for addresses of no family.
 */
#include "observe/scan_way.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_known(const struct address *a)
{
	return a->family == 0 || a->family == AF_INET || a->family == AF_INET6;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_ll link = {0};
	struct scan_way w;
	uint32_t index;
	uint16_t state;

	if (scan_way_decode_route(data, size, &w, &index) == 0 &&
	    (!is_known(&w.source) || !is_known(&w.hop)))
		abort();
	if (scan_way_decode_neighbour(data, size, &state, &link) == 0 &&
	    link.sll_halen > sizeof(link.sll_addr))
		abort();
	return 0;
}
