/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_probes_fuzz: any bytes as a file of probes. */
#include "observe/service_probes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct probe_text t = {"fuzz", (const char *)data, size};
	struct probes p = {0};
	struct err e = {0};
	int r = probes_read(&p, &t, 1, &e);

	if (r < 0 && !*e.msg)
		abort();
	for (size_t i = 0; r == 0 && i < p.match_count; i++)
		if (p.matches[i].then >= (int)p.request_count)
			abort();
	probes_done(&p);
	return 0;
}
