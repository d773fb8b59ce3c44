/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into portero: the process whose pid GONE is has just ended when its network namespace
 * is opened, in each look of portero; it is not in /proc when that is listed again right after.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ended; /* 1: while /proc is listed the next time, 2: before that */

static int is_its_namespace(const char *path, const char *folder)
{
	char its[64];

	snprintf(its, sizeof(its), "%s%s/ns/net", folder, getenv("GONE"));
	return strcmp(path, its) == 0;
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (is_its_namespace(path, "/proc/")) {
		ended = 2;
		errno = ENOENT;
		return -1;
	}
	return real(path, flags, mode);
}

DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = dlsym(RTLD_NEXT, "opendir");

	if (ended && strcmp(path, "/proc") == 0)
		ended--;
	return real(path);
}

ssize_t readlinkat(int at, const char *path, char *target, size_t size)
{
	ssize_t (*real)(int, const char *, char *, size_t) = dlsym(RTLD_NEXT, "readlinkat");

	if (ended == 1 && is_its_namespace(path, "")) {
		errno = ENOENT;
		return -1;
	}
	return real(at, path, target, size);
}
