/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/owner_activation.h"
#include "base/file.h"
#include "base/mem.h"
#include "observe/socket_unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNFS_HANDLE_TYPE = 0xfe /* FILEID_KERNFS: the handle is the cgroup's 64-bit id */ };

bool owner_is_manager(const char *program)
{
	return strcmp(program, "/usr/lib/systemd/systemd") == 0 ||
	       strcmp(program, "/lib/systemd/systemd") == 0;
}

static int open_cgroup2(void)
{
	static const char *const places[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char path[64];
		int cleanup_close probe = -1;

		snprintf(path, sizeof(path), "%s/cgroup.controllers", places[i]);
		probe = open(path, O_RDONLY | O_CLOEXEC);
		if (probe >= 0)
			return open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

/* The last part of the path of a cgroup, by its id; needs CAP_DAC_READ_SEARCH (Linux 5.5). */
static bool cgroup_name(int cgroup2_fd, uint64_t id, char *name, size_t size)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} place = {{.handle_bytes = sizeof(id), .handle_type = KERNFS_HANDLE_TYPE}, 0};
	struct buf cleanup_call(buf_done) path = {0};
	int cleanup_close fd = -1;
	const char *slash;
	char link[64];

	memcpy(place.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(cgroup2_fd, &place.handle, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (file_read_link_at(AT_FDCWD, link, &path) < 0)
		return false;
	slash = strrchr(path.data, '/');
	return slash && (size_t)snprintf(name, size, "%s", slash + 1) < size;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static void add_activation(struct snapshot *s, uint32_t socket, int root_fd, const char *unit)
{
	struct socket_unit_service service = {0};
	struct activation_info *a;

	socket_unit_service(root_fd, unit, &service);
	a = snapshot_add_activation(s);
	if (!a)
		return;
	a->socket = socket;
	a->socket_unit_str = snapshot_add_text(s, unit);
	a->service_str = snapshot_add_text(s, service.name);
	a->program_str = snapshot_add_text(s, service.program);
}

static bool held_by_manager(const struct snapshot *s, const struct socket_info *socket)
{
	for (uint32_t i = 0; i < socket->holder_count; i++)
		if (s->processes[s->holders[socket->first_holder + i].process].is_manager)
			return true;
	return false;
}

void owner_resolve_activation(struct snapshot *s)
{
	int cleanup_close root = -1;
	int cleanup_close cgroup2 = -1;

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];
		char unit[256] = "";

		if (socket->kind != SOCKET_PORT || !held_by_manager(s, socket))
			continue;
		if (root < 0) {
			root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
			cgroup2 = open_cgroup2();
		}
		if (!cgroup_name(cgroup2, socket->cgroup_id, unit, sizeof(unit)) ||
		    !ends_with(unit, ".socket"))
			unit[0] = '\0';
		if (unit[0] || socket_unit_find(root, socket->proto, &socket->address, socket->port,
						unit, sizeof(unit)) == 0)
			add_activation(s, (uint32_t)i, root, unit);
	}
}
