/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/socket_unit.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/unit_file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { UNIT_FILE_LIMIT = 1 << 20 };

/* The first folder that has a unit's file wins; drop-ins are taken from all of them. */
static const char *const folders[] = {
	"etc/systemd/system",		"run/systemd/system",	  "run/systemd/generator",
	"usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
};

/* What is wanted of a unit: called for each assignment, in the order in which they take effect. */
typedef void take_line(const struct unit_line *line, void *context);

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static DIR *open_folder(int root_fd, const char *path)
{
	int fd = file_open_in_root(root_fd, path, O_RDONLY | O_DIRECTORY);

	return fd < 0 ? NULL : fdopendir(fd);
}

static void read_lines(const struct buf *text, take_line *take, void *context)
{
	struct unit_line line = {0};
	size_t at = 0;

	while (unit_file_next(buf_text(text), text->len, &at, &line))
		take(&line, context);
}

/* A drop-in, known by its name: of equal names the folder that comes first wins. */
struct drop_in {
	char name[256];
	size_t folder;
};

static int compare_drop_ins(const void *a, const void *b)
{
	const struct drop_in *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->folder > y->folder) - (x->folder < y->folder);
}

static size_t list_drop_ins(int root_fd, const char *unit, struct drop_in **ret)
{
	size_t count = 0, cap = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		DIR cleanup_call(close_dir) *dir = NULL;
		const struct dirent *entry;
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.d", folders[i], unit);
		dir = open_folder(root_fd, path);
		while (dir && (entry = readdir(dir)) && count < SOCKET_UNIT_LIMIT) {
			size_t len = strlen(entry->d_name);

			if (len < 6 || strcmp(entry->d_name + len - 5, ".conf") != 0 ||
			    mem_grow(ret, &cap, count + 1, sizeof(**ret)) < 0)
				continue;
			snprintf((*ret)[count].name, sizeof((*ret)[count].name), "%s",
				 entry->d_name);
			(*ret)[count++].folder = i;
		}
	}
	if (count)
		qsort(*ret, count, sizeof(**ret), compare_drop_ins);
	return count;
}

static void read_drop_ins(int root_fd, const char *unit, take_line *take, void *context)
{
	struct drop_in cleanup_free *list = NULL;
	struct buf cleanup_call(buf_done) text = {0};
	size_t count = list_drop_ins(root_fd, unit, &list);

	for (size_t i = 0; i < count; i++) {
		char path[800];

		if (i && strcmp(list[i - 1].name, list[i].name) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s.d/%s", folders[list[i].folder], unit,
			 list[i].name);
		if (file_read_in_root(root_fd, path, UNIT_FILE_LIMIT, &text) == 0)
			read_lines(&text, take, context);
	}
}

/* 0, or -ENOENT when no folder has the unit's file. */
static int read_unit(int root_fd, const char *unit, take_line *take, void *context)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_LEN(folders); i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", folders[i], unit);
		r = file_read_in_root(root_fd, path, UNIT_FILE_LIMIT, &text);
	}
	if (r < 0)
		return r;
	read_lines(&text, take, context);
	read_drop_ins(root_fd, unit, take, context);
	return 0;
}

static bool is_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
	       strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0;
}

struct socket_lines {
	char service[SOCKET_UNIT_NAME_SIZE];
	bool accept;
};

static void take_socket_line(const struct unit_line *line, void *context)
{
	struct socket_lines *s = context;

	if (strcmp(line->section, "Socket") != 0)
		return;
	if (strcmp(line->key, "Accept") == 0)
		s->accept = is_yes(line->value);
	if (strcmp(line->key, "Service") == 0)
		snprintf(s->service, sizeof(s->service), "%.*s", SOCKET_UNIT_NAME_SIZE - 1,
			 line->value);
}

void socket_unit_program(const char *value, char *program, size_t size)
{
	char quote = 0;
	size_t used = 0;

	program[0] = '\0';
	value += strspn(value, "-@:+!|");
	if (*value == '"' || *value == '\'')
		quote = *value++;
	for (; *value && *value != quote && (quote || !strchr(" \t", *value)); value++) {
		if (*value == '%' && value[1] == '%')
			value++;
		else if (*value == '%')
			used = size; /* a specifier: only systemd knows what it stands for */
		if (used + 1 < size)
			program[used] = *value;
		used++;
	}
	program[used < size ? used : 0] = '\0';
}

static void take_service_line(const struct unit_line *line, void *context)
{
	struct socket_unit_service *s = context;

	if (strcmp(line->section, "Service") != 0 || strcmp(line->key, "ExecStart") != 0)
		return;
	if (!line->value[0])
		s->program[0] = '\0'; /* an empty assignment resets the list */
	else if (!s->program[0])
		socket_unit_program(line->value, s->program, sizeof(s->program));
}

static bool is_safe_name(const char *unit)
{
	return unit[0] && unit[0] != '.' && !strchr(unit, '/') && strlen(unit) < 200;
}

int socket_unit_service(int root_fd, const char *unit, struct socket_unit_service *ret)
{
	struct socket_lines socket = {0};
	size_t stem = strlen(unit);
	int r;

	*ret = (struct socket_unit_service){0};
	if (!is_safe_name(unit))
		return -EINVAL;
	r = read_unit(root_fd, unit, take_socket_line, &socket);
	if (stem > 7 && strcmp(unit + stem - 7, ".socket") == 0)
		stem -= 7;
	if (socket.service[0])
		snprintf(ret->name, sizeof(ret->name), "%s", socket.service);
	else
		snprintf(ret->name, sizeof(ret->name), "%.*s%s.service", (int)stem, unit,
			 socket.accept && unit[stem - 1] != '@' ? "@" : "");
	if (r == 0 && is_safe_name(ret->name))
		r = read_unit(root_fd, ret->name, take_service_line, ret);
	return r;
}

bool socket_unit_listens(const char *value, const struct address *a, uint16_t port)
{
	const char *colon = strrchr(value, ':'), *digits = colon ? colon + 1 : value;
	struct address its = {0};
	char text[64];
	uint64_t number;
	size_t len;

	if (text_parse_number(digits, strcspn(digits, " "), 65535, &number) < 0 || number != port)
		return false;
	if (!colon)
		return address_is_any(a); /* "80" listens on [::], and so on 0.0.0.0 */
	len = (size_t)(colon - value);
	if (value[0] == '[' && len > 2 && value[len - 1] == ']') {
		its.family = AF_INET6;
		value++;
		len -= 2;
	} else {
		its.family = AF_INET;
	}
	if (len >= sizeof(text))
		return false;
	memcpy(text, value, len);
	text[len] = '\0';
	return inet_pton(its.family, text, its.bytes) == 1 && address_equal(&its, a);
}

struct listen_lines {
	const char *key;
	const struct address *address;
	uint16_t port;
	bool listens;
};

static void take_listen_line(const struct unit_line *line, void *context)
{
	struct listen_lines *l = context;

	if (strcmp(line->section, "Socket") != 0 || strncmp(line->key, "Listen", 6) != 0)
		return;
	if (!line->value[0])
		l->listens = false; /* an empty assignment of any of them resets the list */
	else if (strcmp(line->key, l->key) == 0)
		l->listens |= socket_unit_listens(line->value, l->address, l->port);
}

static const char *listen_key(enum proto proto)
{
	switch (proto) {
	case PROTO_UDP:
	case PROTO_UDPLITE:
		return "ListenDatagram";
	case PROTO_TCP:
	case PROTO_SCTP:
	case PROTO_DCCP:
	case PROTO_COUNT:
		break;
	}
	return "ListenStream";
}

static bool unit_listens(int root_fd, const char *unit, enum proto proto, const struct address *a,
			 uint16_t port)
{
	struct listen_lines l = {listen_key(proto), a, port, false};

	return read_unit(root_fd, unit, take_listen_line, &l) == 0 && l.listens;
}

int socket_unit_find(int root_fd, enum proto proto, const struct address *a, uint16_t port,
		     char *unit, size_t size)
{
	char found[SOCKET_UNIT_NAME_SIZE] = "";
	size_t looked = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		DIR cleanup_call(close_dir) *dir = open_folder(root_fd, folders[i]);
		const struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			size_t len = strlen(entry->d_name);

			/* a template listens only through its instances, which have no file */
			if (len < 8 || len >= sizeof(found) || strchr(entry->d_name, '@') ||
			    strcmp(entry->d_name + len - 7, ".socket") != 0 ||
			    strcmp(entry->d_name, found) == 0)
				continue;
			if (++looked > SOCKET_UNIT_LIMIT)
				return -EFBIG;
			if (!unit_listens(root_fd, entry->d_name, proto, a, port))
				continue;
			if (found[0])
				return -ENOTUNIQ;
			memcpy(found, entry->d_name, len + 1);
		}
	}
	if (!found[0] || strlen(found) >= size)
		return -ENOENT;
	memcpy(unit, found, strlen(found) + 1);
	return 0;
}
