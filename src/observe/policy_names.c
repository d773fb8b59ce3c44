/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/policy_names.h"
#include "base/text.h"
#include "observe/socket_unit.h"

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
	n->interfaces = NULL;
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

static bool is_there(const char *folder, const char *name)
{
	char path[512];
	struct stat st;

	/* a link may lead to nowhere, as that to /dev/null of a masked unit does */
	return name[0] &&
	       snprintf(path, sizeof(path), "/%s/%s", folder, name) < (int)sizeof(path) &&
	       lstat(path, &st) == 0;
}

bool policy_names_has_unit(const char *name)
{
	const char *dot = strrchr(name, '.'), *folder;
	char template[SOCKET_UNIT_NAME_SIZE];
	bool systemd = false;

	if (dot && (strcmp(dot, ".scope") == 0 || strcmp(dot, ".slice") == 0))
		return true;
	template_of(name, template, sizeof(template));
	for (size_t i = 0; (folder = socket_unit_folder(i)); i++) {
		if (is_there(folder, name) || is_there(folder, template))
			return true;
		systemd |= is_there(folder, ".");
	}
	return !systemd;
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
