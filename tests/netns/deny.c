/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into portero: the kernel's TCP table cannot be read, neither over netlink nor in /proc.
 * What it would have shown must then be "not known", never "closed".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int is_tcp_table(const char *path)
{
	return strstr(path, "net/tcp") != NULL;
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		dlsym(RTLD_NEXT, "sendto");
	const struct nlmsghdr *header = bytes;

	if (len >= sizeof(*header) + sizeof(struct inet_diag_req_v2) &&
	    header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    ((const struct inet_diag_req_v2 *)(header + 1))->sdiag_protocol == IPPROTO_TCP) {
		errno = EPERM;
		return -1;
	}
	return real(fd, bytes, len, flags, to, to_len);
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (is_tcp_table(path)) {
		errno = EACCES;
		return -1;
	}
	return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (is_tcp_table(path)) {
		errno = EACCES;
		return -1;
	}
	return real(at, path, flags, mode);
}

FILE *fopen(const char *path, const char *how)
{
	FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");

	if (is_tcp_table(path)) {
		errno = EACCES;
		return NULL;
	}
	return real(path, how);
}
