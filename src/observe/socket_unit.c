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

/*
 * The first folder that has a unit's file wins; drop-ins are taken from all of them. The order is
 * that of systemd.unit(5), "System Unit Search Path".
 */
static const char *const folders[] = {
	"etc/systemd/system.control", "run/systemd/system.control",
	"run/systemd/transient",      "run/systemd/generator.early",
	"etc/systemd/system",	      "etc/systemd/system.attached",
	"run/systemd/system",	      "run/systemd/system.attached",
	"run/systemd/generator",      "usr/local/lib/systemd/system",
	"usr/lib/systemd/system",     "lib/systemd/system",
	"run/systemd/generator.late",
};

const char *socket_unit_folder(size_t index)
{
	return index < ARRAY_LEN(folders) ? folders[index] : NULL;
}

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

/*
 * A drop-in, known by its name: of equal names the one for the unit itself goes before the one for
 * its template, then the folder that comes first wins.
 */
struct drop_in {
	char name[256];
	size_t rank; /* folder, plus the number of folders for a template's */
};

struct drop_ins {
	struct drop_in *items;
	size_t count, cap;
};

static void drop_ins_done(struct drop_ins *d)
{
	free(d->items);
}

/* "web@1.socket" is made from "web@.socket"; false when the unit is no instance. */
static bool find_template(const char *unit, char template[SOCKET_UNIT_NAME_SIZE])
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	return at && dot && dot > at + 1 &&
	       snprintf(template, SOCKET_UNIT_NAME_SIZE, "%.*s%s", (int)(at + 1 - unit), unit,
			dot) < SOCKET_UNIT_NAME_SIZE;
}

static int compare_drop_ins(const void *a, const void *b)
{
	const struct drop_in *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

static void list_folder(struct drop_ins *d, DIR *dir, size_t rank)
{
	const struct dirent *entry;

	while (dir && d->count < SOCKET_UNIT_LIMIT && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 6 || entry->d_name[0] == '.' ||
		    strcmp(entry->d_name + len - 5, ".conf") != 0 ||
		    mem_grow(&d->items, &d->cap, d->count + 1, sizeof(*d->items)) < 0)
			continue;
		memcpy(d->items[d->count].name, entry->d_name, len + 1);
		d->items[d->count++].rank = rank;
	}
}

static void list_drop_ins(int root_fd, const char *unit, size_t first_rank, struct drop_ins *d)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		DIR cleanup_call(close_dir) *dir = NULL;
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.d", folders[i], unit);
		dir = open_folder(root_fd, path);
		list_folder(d, dir, first_rank + i);
	}
}

static void read_drop_ins(int root_fd, const char *unit, take_line *take, void *context)
{
	struct drop_ins cleanup_call(drop_ins_done) d = {0};
	struct buf cleanup_call(buf_done) text = {0};
	char template[SOCKET_UNIT_NAME_SIZE] = "";

	list_drop_ins(root_fd, unit, 0, &d);
	if (find_template(unit, template))
		list_drop_ins(root_fd, template, ARRAY_LEN(folders), &d);
	if (d.count)
		qsort(d.items, d.count, sizeof(*d.items), compare_drop_ins);
	for (size_t i = 0; i < d.count; i++) {
		const struct drop_in *one = &d.items[i];
		char path[800];

		if (i && strcmp(one[-1].name, one->name) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s.d/%s", folders[one->rank % ARRAY_LEN(folders)],
			 one->rank < ARRAY_LEN(folders) ? unit : template, one->name);
		if (file_read_in_root(root_fd, path, UNIT_FILE_LIMIT, &text) == 0)
			read_lines(&text, take, context);
	}
}

static int read_fragment(int root_fd, const char *unit, struct buf *text)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_LEN(folders); i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", folders[i], unit);
		r = file_read_in_root(root_fd, path, UNIT_FILE_LIMIT, text);
	}
	return r;
}

/* 0, or -ENOENT when no folder has the unit's file, nor its template's. */
static int read_unit(int root_fd, const char *unit, take_line *take, void *context)
{
	struct buf cleanup_call(buf_done) text = {0};
	char template[SOCKET_UNIT_NAME_SIZE];
	int r = read_fragment(root_fd, unit, &text);

	if (r == -ENOENT && find_template(unit, template))
		r = read_fragment(root_fd, template, &text);
	if (r < 0)
		return r;
	read_lines(&text, take, context);
	read_drop_ins(root_fd, unit, take, context);
	return 0;
}

static bool is_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
	       strcasecmp(value, "on") == 0 || strcasecmp(value, "y") == 0 ||
	       strcasecmp(value, "t") == 0 || strcmp(value, "1") == 0;
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
	if (strcmp(line->key, "Service") == 0) {
		size_t len = strlen(line->value);
		bool fits = len < sizeof(s->service);

		memcpy(s->service, fits ? line->value : "%", fits ? len + 1 : 2);
	}
}

/* The first command of a service, whether its program can be told or not. */
struct service_lines {
	char *program;
	size_t size;
	bool has_program;
};

/* Takes the next byte of a word; false when only systemd can tell what it stands for. */
static bool take_byte(const char **at, char quote, char *ret)
{
	char c = *(*at)++;

	if (c == '%' && **at == '%')
		(*at)++;
	else if (c == '%' || c == '\\' || (!quote && (c == '"' || c == '\'')))
		return false;
	*ret = c;
	return true;
}

void socket_unit_program(const char *value, char *program, size_t size)
{
	char quote = 0;
	size_t used = 0;
	bool sure = true;

	value += strspn(value, "-@:+!|");
	if (*value == '"' || *value == '\'')
		quote = *value++;
	while (sure && *value && (quote ? *value != quote : !strchr(" \t", *value))) {
		char c;

		sure = take_byte(&value, quote, &c) && used + 1 < size;
		if (sure)
			program[used++] = c;
	}
	if (quote && sure) /* the quote must end, and the word with it */
		sure = *value == quote && (!value[1] || value[1] == ' ' || value[1] == '\t');
	program[sure ? used : 0] = '\0';
	if (program[0] != '/')
		program[0] = '\0';
}

static void take_service_line(const struct unit_line *line, void *context)
{
	struct service_lines *s = context;

	if (strcmp(line->section, "Service") != 0 || strcmp(line->key, "ExecStart") != 0)
		return;
	if (!line->value[0]) { /* an empty assignment resets the list */
		s->has_program = false;
		s->program[0] = '\0';
	} else if (!s->has_program) {
		s->has_program = true;
		socket_unit_program(line->value, s->program, s->size);
		if (line->cut && !strpbrk(line->value, " \t"))
			s->program[0] = '\0';
	}
}

static bool is_safe_name(const char *unit)
{
	return unit[0] && unit[0] != '.' && !strchr(unit, '/') && strlen(unit) < 200;
}

static int name_service(const char *unit, const struct socket_lines *socket, char *name)
{
	size_t stem = strlen(unit);
	int len;

	if (stem > 7 && strcmp(unit + stem - 7, ".socket") == 0)
		stem -= 7;
	if (socket->service[0])
		len = snprintf(name, SOCKET_UNIT_NAME_SIZE, "%s", socket->service);
	else
		len = snprintf(name, SOCKET_UNIT_NAME_SIZE, "%.*s%s.service", (int)stem, unit,
			       socket->accept && !memchr(unit, '@', stem) ? "@" : "");
	if (len < SOCKET_UNIT_NAME_SIZE && is_safe_name(name) && !strchr(name, '%'))
		return 0;
	name[0] = '\0';
	return -ENOTSUP;
}

int socket_unit_service(int root_fd, const char *unit, struct socket_unit_service *ret)
{
	struct service_lines service = {ret->program, sizeof(ret->program), false};
	struct socket_lines socket = {0};
	int r, named;

	*ret = (struct socket_unit_service){0};
	if (!is_safe_name(unit))
		return -EINVAL;
	r = read_unit(root_fd, unit, take_socket_line, &socket);
	named = name_service(unit, &socket, ret->name);
	if (r < 0 || named < 0)
		return r < 0 ? r : named;
	return read_unit(root_fd, ret->name, take_service_line, &service);
}

/* "0.0.0.0", "[::1]", "[fe80::1%eth0]": the part before the port. */
static bool parse_listen_address(const char *text, size_t len, struct address *ret)
{
	char copy[64];

	*ret = (struct address){.family = AF_INET};
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		ret->family = AF_INET6;
		text++;
		len -= 2;
	}
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (ret->family == AF_INET6)
		copy[strcspn(copy, "%")] = '\0';
	return inet_pton(ret->family, copy, ret->bytes) == 1;
}

bool socket_unit_listens(const char *value, const struct address *a, uint16_t port)
{
	const char *colon = strrchr(value, ':'), *digits = colon ? colon + 1 : value;
	struct address its;
	uint64_t number;

	/* an interface may follow: "[fe80::1]:22%eth0" */
	if (text_parse_number(digits, strcspn(digits, "%"), UINT16_MAX, &number) < 0 ||
	    number != port || number == 0)
		return false;
	if (!colon)
		return address_is_any(a); /* "80" listens on [::], and so on 0.0.0.0 */
	return parse_listen_address(value, (size_t)(colon - value), &its) && address_equal(&its, a);
}

/* What a unit listens on at the wanted address and port. */
struct listen_lines {
	const struct address *address;
	uint16_t port;
	bool stream, datagram, packet; /* ListenStream=, ListenDatagram=, ListenSequentialPacket= */
	char protocol[16];	       /* SocketProtocol= */
};

static void take_listen_line(const struct unit_line *line, void *context)
{
	struct listen_lines *l = context;

	if (strcmp(line->section, "Socket") != 0 || line->cut)
		return;
	if (strcmp(line->key, "SocketProtocol") == 0)
		snprintf(l->protocol, sizeof(l->protocol), "%.15s", line->value);
	if (strncmp(line->key, "Listen", 6) != 0)
		return;
	if (!line->value[0]) /* an empty assignment of any of them resets the list */
		l->stream = l->datagram = l->packet = false;
	else if (!socket_unit_listens(line->value, l->address, l->port))
		return;
	else if (strcmp(line->key, "ListenStream") == 0)
		l->stream = true;
	else if (strcmp(line->key, "ListenDatagram") == 0)
		l->datagram = true;
	else if (strcmp(line->key, "ListenSequentialPacket") == 0)
		l->packet = true;
}

static bool lines_have(const struct listen_lines *l, enum proto proto)
{
	bool sctp = strcmp(l->protocol, "sctp") == 0;
	bool udplite = strcmp(l->protocol, "udplite") == 0;

	switch (proto) {
	case PROTO_TCP:
		return l->stream && !sctp;
	case PROTO_UDP:
		return l->datagram && !udplite;
	case PROTO_UDPLITE:
		return l->datagram && udplite;
	case PROTO_SCTP:
		return l->packet || (l->stream && sctp);
	case PROTO_DCCP:
	case PROTO_COUNT:
		break;
	}
	return false;
}

static bool unit_listens(int root_fd, const char *unit, enum proto proto, const struct address *a,
			 uint16_t port)
{
	struct listen_lines l = {.address = a, .port = port};

	return read_unit(root_fd, unit, take_listen_line, &l) == 0 && lines_have(&l, proto);
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
