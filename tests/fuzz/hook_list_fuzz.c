/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_list_fuzz: any bytes as what the kernel tells of one hook, twice. Besides memory errors, it
 * looks for a hook that is not found where it was put.
 */
#include "observe/hook_list.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hook_list list = {0};
	int r = hook_list_add(&list, 12 << 8, data, size);

	if ((r == 0) != (size >= 4) || hook_list_add(&list, 12 << 8, data, size) != r)
		abort();
	if (r == 0 && hook_list_find(&list, list.items[0].chain_key, list.items[0].what,
				     list.items[0].priority) != 0)
		abort();
	hook_list_done(&list);
	return 0;
}
