/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall_script_fuzz: any bytes as rules, and as what nft says about them. What is let through
 * ends with a whole line, and any beginning of it that ends within braces is not let through.
 */
#include "base/mem.h"
#include "enforce/firewall_script.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *script = (const char *)data, *brace;
	char cleanup_free *messages = strndup(script, size);
	struct err e = {0};
	int r = firewall_script_check(script, size, &e);

	if (r < 0 && !e.msg[0])
		abort();
	if (r == 0) {
		brace = memchr(script, '{', size);
		if (script[size - 1] != '\n' || memchr(script, '\0', size))
			abort();
		if (brace && !memchr(script, '#', size) &&
		    firewall_script_check(script, (size_t)(brace - script) + 1, &e) == 0)
			abort();
	}
	if (messages && firewall_script_explain(script, size, messages, &e) >= 0)
		abort();
	return 0;
}
