/* SPDX-License-Identifier: GPL-2.0-or-later */
/* change_log_fuzz: any bytes as a line of log.jsonl. */
#include "enforce/change_log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct change_entry entry;

	if (change_log_parse((const char *)data, size, &entry) &&
	    (entry.what >= CHANGE_COUNT || entry.state > STATES_NUMBER_LIMIT ||
	     entry.loaded > STATES_NUMBER_LIMIT || strlen(entry.why) >= STATES_TEXT_SIZE))
		abort();
	return 0;
}
