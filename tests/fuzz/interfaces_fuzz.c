/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interfaces_fuzz: any bytes as RTM_NEWLINK and as RTM_NEWADDR. Besides memory errors, it looks for
 * a prefix that is longer than its address, and a name without an end.
 */
#include "observe/interfaces.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interface_address a;
	struct interface_info info;
	char name[16];

	memset(name, 'x', sizeof(name));
	if (interfaces_decode_link(data, size, &info, name) == 0 && info.ifindex > INT32_MAX)
		abort();
	if (!memchr(name, '\0', sizeof(name)))
		abort();
	if (interfaces_decode_address(data, size, &a) == 0 &&
	    a.prefix_len > (a.address.family == AF_INET ? 32 : 128))
		abort();
	return 0;
}
