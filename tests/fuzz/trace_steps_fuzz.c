/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace_steps_fuzz: any bytes as a step of a trace, and as a chain. Besides memory errors, it looks
 * for names without an end, and for a step that decides though it says nothing.
 */
#include "observe/trace_steps.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ends(const char *name, size_t size)
{
	return memchr(name, '\0', size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace_step step;
	static struct base_chain chain;
	const struct trace_step *decides;

	if (base_chain_decode(data, size, &chain) == 0 &&
	    (!ends(chain.table, sizeof(chain.table)) || !ends(chain.name, sizeof(chain.name)) ||
	     !ends(chain.type, sizeof(chain.type)) || chain.hook == TRACE_HOOK_UNKNOWN))
		abort();
	if (trace_step_decode(data, size, &step) < 0)
		return 0;
	if (!ends(step.table, sizeof(step.table)) || !ends(step.chain, sizeof(step.chain)) ||
	    !ends(step.to_chain, sizeof(step.to_chain)) || step.kind < TRACE_POLICY ||
	    step.kind > TRACE_RULE)
		abort();
	trace_steps_place(&step, 1, &chain, 1);
	decides = trace_decides(&step, 1);
	if (decides && decides->verdict != TRACE_ACCEPT && decides->verdict != TRACE_DROP)
		abort();
	return 0;
}
