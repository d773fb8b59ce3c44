/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_net_fuzz: any bytes as the lines of /proc/net/tcp and its sisters and of /proc/net/packet.
 */
#include "base/file.h"
#include "observe/sock_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, const struct kernel_socket *s, int family)
{
	static const struct kernel_socket none;

	if (r == 0 ? s->family != family : r != -EBADMSG || memcmp(s, &none, sizeof(none)) != 0)
		abort();
}

/* From a heap copy that ends where the line ends. */
static void decode(const char *line, size_t len)
{
	struct kernel_socket s[3];
	char *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, line, len);
	memset(s, 0, sizeof(s));
	check(sock_decode_proc_line(copy, len, false, &s[0]), &s[0], AF_INET);
	check(sock_decode_proc_line(copy, len, true, &s[1]), &s[1], AF_INET6);
	check(sock_decode_proc_packet_line(copy, len, &s[2]), &s[2], AF_PACKET);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line;
	size_t at = 0, len;

	while (file_next_line((const char *)data, size, &at, &line, &len))
		decode(line, len);
	return 0;
}
