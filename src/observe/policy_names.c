/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/policy_names.h"
#include "base/mem.h"
#include "observe/socket_unit.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void policy_names_done(struct policy_names *n)
{
	if (n->interfaces)
		if_freenameindex(n->interfaces);
	map_done(&n->units);
	*n = (struct policy_names){0};
}

bool policy_names_has_interface(struct policy_names *n, const char *name)
{
	size_t len = strlen(name);
	bool wild = len && name[len - 1] == '*';

	if (!n->interfaces)
		n->interfaces = if_nameindex();
	if (!n->interfaces)
		return true;
	for (const struct if_nameindex *i = n->interfaces; i->if_index; i++)
		if (wild ? strncmp(i->if_name, name, len - 1) == 0 : strcmp(i->if_name, name) == 0)
			return true;
	return false;
}

/* "web@1.service" comes from the file "web@.service". "" when it is no instance. */
static void template_of(const char *name, char *text, size_t size)
{
	const char *at = strchr(name, '@'), *dot = strrchr(name, '.');

	text[0] = '\0';
	if (at && dot && dot > at + 1)
		snprintf(text, size, "%.*s%s", (int)(at + 1 - name), name, dot);
}

static void close_dir(DIR *const *dir)
{
	if (*dir)
		closedir(*dir);
}

/* Their names are enough: a link may lead to nowhere, as that to /dev/null of a masked unit does.
 */
static void read_folder(struct policy_names *n, const char *folder)
{
	char path[256];
	DIR cleanup_call(close_dir) *dir = NULL;
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/%s", folder);
	dir = opendir(path);
	n->units_known &= dir || errno == ENOENT || errno == ENOTDIR;
	while (dir && (entry = readdir(dir)))
		if (map_set(&n->units, map_hash_bytes(entry->d_name, strlen(entry->d_name)), 0) < 0)
			n->units_known = false;
}

static bool has_unit_file(const struct policy_names *n, const char *name)
{
	uint32_t ignored;

	return map_get(&n->units, map_hash_bytes(name, strlen(name)), &ignored);
}

bool policy_names_has_unit(struct policy_names *n, const char *name)
{
	const char *dot = strrchr(name, '.'), *folder;
	char template[SOCKET_UNIT_NAME_SIZE];

	if (dot && (strcmp(dot, ".scope") == 0 || strcmp(dot, ".slice") == 0))
		return true;
	if (!n->units_read) {
		n->units_read = n->units_known = true;
		for (size_t i = 0; (folder = socket_unit_folder(i)); i++)
			read_folder(n, folder);
		n->units_known &= n->units.count != 0;
	}
	template_of(name, template, sizeof(template));
	return !n->units_known || has_unit_file(n, name) || has_unit_file(n, template);
}

bool policy_names_has_user(const char *name)
{
	errno = 0;
	if (getpwnam(name))
		return true;
	return errno != 0 && errno != ENOENT && errno != ESRCH;
}

bool policy_names_has_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}
