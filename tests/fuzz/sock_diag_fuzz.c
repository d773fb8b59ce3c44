/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_diag_fuzz: any bytes as a message of NETLINK_SOCK_DIAG; the first one says of which kind.
 * Besides memory errors, it looks for results that were written on failure.
 */
#include "observe/sock_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const decoders[])(const void *, size_t, struct kernel_socket *) = {
		sock_decode_inet, sock_decode_packet, sock_decode_vsock};
	struct kernel_socket s, before;
	int r;

	if (size == 0)
		return 0;
	memset(&s, 0xa5, sizeof(s));
	before = s;
	r = decoders[data[0] % 3](data + 1, size - 1, &s);
	if (r != 0 && (r != -EBADMSG || memcmp(&s, &before, sizeof(s)) != 0))
		abort();
	if (r == 0 && data[0] % 3 == 0 && s.family != AF_INET && s.family != AF_INET6)
		abort();
	return 0;
}
