/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/policy_names.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/socket_unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SCRIPT_LINE_SIZE = 256, /* BINPRM_BUF_SIZE: the kernel reads no more of it */
	SYSCTL_LIMIT = 1 << 20,
	SCRIPT_DEPTH = 5, /* scripts that run scripts: it follows no more */
};

void policy_names_done(struct policy_names *n)
{
	if (n->interfaces)
		if_freenameindex(n->interfaces);
	if (n->addresses)
		freeifaddrs(n->addresses);
	map_done(&n->units);
	free(n->reserved);
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

static bool read_sockaddr(const struct sockaddr *from, struct address *ret)
{
	*ret = (struct address){.family = from ? (uint8_t)from->sa_family : 0};
	if (ret->family == AF_INET)
		memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	else if (ret->family == AF_INET6)
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       16);
	return ret->family == AF_INET || ret->family == AF_INET6;
}

/* Is the interface's address in a network that has all of the other? */
static bool is_attached(const struct ifaddrs *to, const struct address *network, unsigned bits)
{
	struct address own, mask;
	unsigned own_bits = 0;

	if (!read_sockaddr(to->ifa_addr, &own) || !read_sockaddr(to->ifa_netmask, &mask) ||
	    own.family != network->family)
		return false;
	while (own_bits < 128 && mask.bytes[own_bits / 8] & 0x80 >> own_bits % 8)
		own_bits++;
	return bits >= own_bits && !address_is_link_local(&own) &&
	       address_in_network(network, &own, own_bits);
}

bool policy_names_is_elsewhere(struct policy_names *n, const struct address *network, unsigned bits,
			       const char *name, char *ret, size_t size)
{
	bool found = false;

	if (strchr(name, '*') || (!n->addresses && getifaddrs(&n->addresses) < 0))
		return false;
	for (const struct ifaddrs *i = n->addresses; i; i = i->ifa_next) {
		if (!is_attached(i, network, bits))
			continue;
		if (strcmp(i->ifa_name, name) == 0)
			return false;
		found = true;
		snprintf(ret, size, "%s", i->ifa_name);
	}
	return found;
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

bool policy_names_is_link(const char *path, char *ret, size_t size)
{
	char cleanup_free *real = realpath(path, NULL);

	if (!real || strcmp(real, path) == 0 || strlen(real) >= size)
		return false;
	memcpy(ret, real, strlen(real) + 1);
	return true;
}

/* In a folder with the sticky bit, nobody but root replaces what is root's. */
static bool is_writable(const char *path)
{
	struct stat st;
	mode_t others;

	if (lstat(path, &st) < 0)
		return false;
	others = S_IWOTH | (st.st_gid ? S_IWGRP : 0);
	if (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))
		others = 0;
	return st.st_uid || (st.st_mode & others);
}

bool policy_names_is_writable(const char *path, char *ret, size_t size)
{
	char cleanup_free *real = realpath(path, NULL);
	char *slash;

	if (!real || strlen(real) >= size)
		return false;
	while (!is_writable(real)) {
		if (strcmp(real, "/") == 0)
			return false;
		slash = strrchr(real, '/');
		slash[slash == real] = '\0'; /* of "/usr" the slash stays */
	}
	memcpy(ret, real, strlen(real) + 1);
	return true;
}

/* --- ports that the kernel chooses --------------------------------------------------------------
 */

static int read_sysctl(const char *name, struct buf *ret)
{
	int cleanup_close dir = open("/proc/sys/net/ipv4", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : file_read_at(dir, name, SYSCTL_LIMIT, ret);
}

/* "9148-9150", "32768\t60999" or "8080": two ports, or one twice. */
static bool parse_ports(const char *text, unsigned long *first, unsigned long *last)
{
	char *end;

	*first = *last = strtoul(text, &end, 10);
	if (end == text)
		return false;
	if (*end == '-' || *end == '\t')
		*last = strtoul(end + 1, NULL, 10);
	return *first <= UINT16_MAX && *last <= UINT16_MAX;
}

static void read_chosen(struct policy_names *n)
{
	struct buf cleanup_call(buf_done) text = {0};
	unsigned long first, last;

	if (read_sysctl("ip_local_port_range", &text) == 0 &&
	    parse_ports(buf_text(&text), &first, &last))
		n->chosen = (struct port_range){.first = (uint16_t)first, .last = (uint16_t)last};
}

/* "8080,9148-9150", or nothing. */
static void read_reserved(struct policy_names *n)
{
	struct buf cleanup_call(buf_done) text = {0};
	unsigned long first, last;
	char *rest = NULL, *word;

	n->reserved = calloc(1, 65536 / 8);
	if (!n->reserved || read_sysctl("ip_local_reserved_ports", &text) < 0 || !text.data)
		return;
	for (word = strtok_r(text.data, ",\n", &rest); word; word = strtok_r(NULL, ",\n", &rest)) {
		if (!parse_ports(word, &first, &last))
			continue;
		for (unsigned long port = first; port <= last; port++)
			n->reserved[port / 8] |= (uint8_t)(1u << port % 8);
	}
}

bool policy_names_is_chosen(struct policy_names *n, uint16_t port)
{
	if (!n->chosen_read) {
		n->chosen_read = true;
		read_chosen(n);
		read_reserved(n);
	}
	return n->chosen.last && port >= n->chosen.first && port <= n->chosen.last && n->reserved &&
	       !(n->reserved[port / 8] & 1u << port % 8);
}

/* --- scripts ------------------------------------------------------------------------------------
 */

/* What stands behind "#!", without spaces around it. False: it is no script. */
static bool read_script_line(const char *path, char line[SCRIPT_LINE_SIZE])
{
	int cleanup_close fd = -1;
	struct stat st;
	ssize_t len;
	size_t start;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, line, SCRIPT_LINE_SIZE - 1);
	if (len < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	start = 2 + strspn(line + 2, " \t");
	memmove(line, line + start, strlen(line + start) + 1);
	return true;
}

/* The whole path of a command, as a service that systemd starts would find it. */
static bool find_command(const char *name, char path[PATH_MAX])
{
	static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					      "/usr/bin",	 "/sbin",	   "/bin"};

	if (strchr(name, '/'))
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (snprintf(path, PATH_MAX, "%s/%s", folders[i], name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

/* "/usr/bin/perl -w", "/usr/bin/env python3", "/usr/bin/env -S A=b deno run": the program. */
static bool find_interpreter(char *line, char path[PATH_MAX])
{
	char *rest = NULL, *word = strtok_r(line, " \t", &rest);

	if (word && strcmp(text_base_name(word), "env") == 0) {
		do
			word = strtok_r(NULL, " \t", &rest);
		while (word && (strchr(word, '=') || strcmp(word, "-S") == 0 ||
				strcmp(word, "-i") == 0 || strcmp(word, "-") == 0));
		if (word && word[0] == '-')
			return false; /* another option: what follows may be its own */
	}
	return word && find_command(word, path);
}

bool policy_names_is_script(const char *path, char *ret, size_t size)
{
	char line[SCRIPT_LINE_SIZE], found[PATH_MAX];
	char cleanup_free *real = NULL;

	if (!read_script_line(path, line))
		return false;
	ret[0] = '\0';
	for (int i = 0; i < SCRIPT_DEPTH; i++) {
		if (!find_interpreter(line, found))
			return true;
		free(real);
		real = realpath(found, NULL);
		if (!real)
			return true;
		if (!read_script_line(real, line)) {
			if (strlen(real) < size)
				memcpy(ret, real, strlen(real) + 1);
			return true;
		}
	}
	return true;
}
