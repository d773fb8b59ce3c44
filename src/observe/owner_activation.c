/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/owner_activation.h"
#include "base/file.h"
#include "base/mem.h"
#include "observe/proc_file.h"
#include "observe/socket_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNFS_HANDLE_TYPE = 0xfe /* FILEID_KERNFS: the handle is the cgroup's 64-bit id */ };

static const char activator[] = "/usr/bin/systemd-socket-activate";

bool owner_is_manager(const char *program)
{
	return strcmp(program, activator) == 0 ||
	       strcmp(program, "/usr/lib/systemd/systemd") == 0 ||
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

/* The options of systemd-socket-activate(1) that take the next argument, when not joined with '='.
 */
static bool takes_next(const char *option)
{
	static const char *const names[] = {"-l", "--listen", "-E", "--setenv", "--fdname"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(option, names[i]) == 0)
			return true;
	return false;
}

int owner_parse_activator(const char *arguments, size_t len, char program[ACTIVATED_PROGRAM_SIZE])
{
	size_t at = strnlen(arguments, len) + 1;
	bool options = true;

	while (at < len) {
		const char *argument = arguments + at;
		size_t size = strnlen(argument, len - at);

		if (at + size == len)
			return -ENOENT; /* cut: not the whole argument */
		at += size + 1;
		if (!options || argument[0] != '-') {
			snprintf(program, ACTIVATED_PROGRAM_SIZE, "%s", argument);
			return program[0] ? 0 : -ENOENT;
		}
		if (strcmp(argument, "--") == 0)
			options = false;
		else if (takes_next(argument))
			at += strnlen(arguments + at, at < len ? len - at : 0) + 1;
	}
	return -ENOENT;
}

static void add_activator(struct snapshot *s, uint32_t socket, const struct process_info *holder)
{
	struct buf cleanup_call(buf_done) arguments = {0};
	char program[ACTIVATED_PROGRAM_SIZE];
	int cleanup_close fd = proc_open(holder->pid, holder->start_ns);
	struct activation_info *a;

	if (fd < 0 || proc_read_arguments(fd, &arguments) < 0 ||
	    owner_parse_activator(arguments.data, arguments.len, program) < 0)
		return;
	a = snapshot_add_activation(s);
	if (!a)
		return;
	a->socket = socket;
	a->socket_unit_str = snapshot_add_text(s, strrchr(activator, '/') + 1);
	a->program_str = snapshot_add_text(s, program);
}

/*
 * The units of the machine are those of root's systemd: a user may run another, with units of the
 * same names, and may have any file at its path in a mount namespace.
 */
static bool is_trusted(const struct snapshot *s, const struct process_info *p)
{
	if (!p->is_manager)
		return false;
	return strcmp(snapshot_text(s, p->program_str), activator) == 0 ? p->own_file : p->uid == 0;
}

static const struct process_info *find_manager(const struct snapshot *s,
					       const struct socket_info *socket)
{
	for (uint32_t i = 0; i < socket->holder_count; i++) {
		const struct process_info *p =
			&s->processes[s->holders[socket->first_holder + i].process];

		if (is_trusted(s, p))
			return p;
	}
	return NULL;
}

void owner_resolve_activation(struct snapshot *s)
{
	int cleanup_close root = -1;
	int cleanup_close cgroup2 = -1;

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];
		const struct process_info *manager = find_manager(s, socket);
		char unit[256] = "";

		if (socket->kind != SOCKET_PORT || !manager)
			continue;
		if (strcmp(snapshot_text(s, manager->program_str), activator) == 0) {
			add_activator(s, (uint32_t)i, manager);
			continue;
		}
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
