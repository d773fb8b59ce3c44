/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/netns.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/ns.h"
#include "base/text.h"
#include "observe/proc_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

enum { NETNS_LIMIT = 65536 };

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* SIOCGSKNS (Linux 4.10): a descriptor of the namespace of a socket; needs CAP_NET_ADMIN. */
static int own_by_socket(void)
{
	int cleanup_close socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd = socket_fd < 0 ? -1 : ioctl(socket_fd, SIOCGSKNS);

	return fd < 0 ? -errno : fd;
}

int netns_open_own(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? own_by_socket() : fd;
}

uint64_t netns_own(void)
{
	struct stat st;
	int cleanup_close fd = -1;

	if (stat("/proc/thread-self/ns/net", &st) == 0)
		return (uint64_t)st.st_ino;
	fd = own_by_socket();
	return fd < 0 ? 0 : ns_inum(fd);
}

static int add(struct netns_list *list, struct map *seen, const struct netns_entry *entry)
{
	uint32_t index;

	if (map_get(seen, entry->inum, &index) && index < list->count) {
		struct netns_entry *known = &list->entries[index];

		if (!known->name[0])
			memcpy(known->name, entry->name, sizeof(known->name));
		if (entry->pid && (!known->pid || entry->pid < known->pid))
			known->pid = entry->pid;
		return 0;
	}
	if (list->count >= NETNS_LIMIT)
		return -ENOSPC;
	if (mem_grow(&list->entries, &list->cap, list->count + 1, sizeof(*list->entries)) < 0 ||
	    map_set(seen, entry->inum, (uint32_t)list->count) < 0)
		return -ENOMEM;
	list->entries[list->count++] = *entry;
	return 0;
}

/* The files of a directory that are namespaces, as `ip netns` and Docker mount them. */
static int add_named(struct netns_list *list, struct map *seen, const char *folder, bool is_name)
{
	DIR cleanup_call(close_dir) *dir = opendir(folder);
	const struct dirent *file;
	int r = 0;

	if (!dir && errno != ENOENT)
		list->error = -errno;
	while (dir && r == 0 && (file = readdir(dir))) {
		struct netns_entry entry = {0};
		int cleanup_close fd = -1;
		struct statfs fs;
		struct stat st;

		if (file->d_name[0] == '.')
			continue;
		snprintf(entry.path, sizeof(entry.path), "%.32s/%.255s", folder, file->d_name);
		fd = open(entry.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0 && errno != ENOENT)
			list->error = -errno;
		if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC || fstat(fd, &st) < 0)
			continue;
		entry.inum = (uint64_t)st.st_ino;
		if (is_name)
			snprintf(entry.name, sizeof(entry.name), "%.255s", file->d_name);
		r = add(list, seen, &entry);
	}
	return r;
}

static int add_process(struct netns_list *list, struct map *seen, int proc_fd, const char *pid)
{
	struct netns_entry entry = {0};
	uint64_t number;
	char target[64];
	ssize_t len;

	if (text_parse_number(pid, strlen(pid), UINT32_MAX, &number) < 0)
		return 0;
	snprintf(entry.path, sizeof(entry.path), "%s/ns/net", pid);
	len = readlinkat(proc_fd, entry.path, target, sizeof(target));
	if (len < 0) {
		list->unreadable += errno == EACCES || errno == EPERM;
		return 0;
	}
	if (proc_parse_inode_link(target, (size_t)len, "net", &entry.inum) < 0)
		return 0;
	snprintf(entry.path, sizeof(entry.path), "/proc/%s/ns/net", pid);
	entry.pid = (uint32_t)number;
	return add(list, seen, &entry);
}

static int add_processes(struct netns_list *list, struct map *seen)
{
	DIR cleanup_call(close_dir) *dir = opendir("/proc");
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		r = add_process(list, seen, dirfd(dir), entry->d_name);
	return r;
}

static int compare_inum(const void *a, const void *b)
{
	const struct netns_entry *x = a, *y = b;

	return (x->inum > y->inum) - (x->inum < y->inum);
}

int netns_list_read(struct netns_list *list, struct err *e)
{
	struct map cleanup_call(map_done) seen = {0};
	int r = add_named(list, &seen, "/run/netns", true);

	if (r == 0)
		r = add_named(list, &seen, "/run/docker/netns", false);
	if (r == 0)
		r = add_processes(list, &seen);
	if (r < 0)
		return err_set(e, r, _("cannot list the network namespaces: %s"), strerror(-r));
	if (list->count)
		qsort(list->entries, list->count, sizeof(*list->entries), compare_inum);
	return 0;
}

/* -ESRCH: the path leads nowhere, or elsewhere: its process ended, the pid was used again. */
static int open_path(const struct netns_entry *entry)
{
	int fd = open(entry->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (ns_inum(fd) == entry->inum)
		return fd;
	close(fd);
	return -ESRCH;
}

int netns_open(const struct netns_entry *entry)
{
	struct netns_list cleanup_call(netns_list_done) now = {0};
	int fd = open_path(entry);
	int r;

	if (fd != -ESRCH)
		return fd;
	r = netns_list_read(&now, NULL);
	for (size_t i = 0; r == 0 && i < now.count; i++)
		if (now.entries[i].inum == entry->inum)
			return open_path(&now.entries[i]);
	return r < 0 ? r : -ESRCH;
}

void netns_list_done(struct netns_list *list)
{
	free(list->entries);
	*list = (struct netns_list){0};
}
