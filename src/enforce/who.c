/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * who: environment, /proc of this process and of those that it descends from. All of it can be made
 * up by root, and by nobody else: it is for people who work together, and is no evidence.
 */
#include "enforce/who.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANCESTORS = 32, ENVIRONMENT_LIMIT = 1 << 20 };

static void set(char to[WHO_SIZE], const char *text, size_t len)
{
	struct buf cleanup_call(buf_done) safe = {0};

	text_escape(&safe, text, len < 64 ? len : 64, true);
	snprintf(to, WHO_SIZE, "%s", buf_text(&safe));
}

static void set_name(char to[WHO_SIZE], uid_t uid)
{
	const struct passwd *p = getpwuid(uid);
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	if (p && p->pw_name)
		set(to, p->pw_name, strlen(p->pw_name));
	else
		set(to, number, strlen(number));
}

static void look_login(struct who *w)
{
	const char *sudo = getenv("SUDO_USER");
	struct buf cleanup_call(buf_done) text = {0};
	uint64_t uid;

	if (sudo && sudo[0])
		set(w->login, sudo, strlen(sudo));
	else if (file_read_at(AT_FDCWD, "/proc/self/loginuid", 64, &text) == 0 &&
		 text_parse_number(buf_text(&text), strspn(buf_text(&text), "0123456789"),
				   UINT32_MAX - 1, &uid) == 0)
		set_name(w->login, (uid_t)uid);
}

static void look_terminal(struct who *w)
{
	for (int fd = 0; fd <= 2 && !w->terminal[0]; fd++) {
		char name[WHO_SIZE];

		if (ttyname_r(fd, name, sizeof(name)) == 0) {
			const char *text = strncmp(name, "/dev/", 5) == 0 ? name + 5 : name;

			set(w->terminal, text, strlen(text));
		}
	}
}

/* The process that started `pid`, or 0. */
static pid_t parent_of(pid_t pid)
{
	struct buf cleanup_call(buf_done) text = {0};
	char path[64];
	const char *at;
	uint64_t parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read_at(AT_FDCWD, path, 65536, &text) < 0)
		return 0;
	at = strstr(buf_text(&text), "\nPPid:\t");
	if (at)
		text_parse_number(at + 7, strspn(at + 7, "0123456789"), INT32_MAX, &parent);
	return (pid_t)parent;
}

/* sudo takes SSH_CLIENT out of the environment, but who started sudo still has it. */
static void look_peer(struct who *w)
{
	static const char name[] = "SSH_CLIENT=";
	pid_t pid = getpid();

	for (int i = 0; i < ANCESTORS && pid > 1 && !w->from[0]; i++, pid = parent_of(pid)) {
		struct buf cleanup_call(buf_done) text = {0};
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
		if (file_read_at(AT_FDCWD, path, ENVIRONMENT_LIMIT, &text) < 0)
			continue;
		for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
			const char *value = text.data + at + strlen(name);

			if (strncmp(text.data + at, name, strlen(name)) == 0)
				set(w->from, value, strcspn(value, " "));
		}
	}
}

void who_look(struct who *w)
{
	*w = (struct who){.uid = getuid()};
	set_name(w->user, w->uid);
	look_login(w);
	look_terminal(w);
	look_peer(w);
}

void who_format(const struct who *w, char *text, size_t size)
{
	bool other = w->login[0] && strcmp(w->login, w->user) != 0;

	snprintf(text, size, "%s%s%s%s%s%s%s%s", other ? w->login : w->user, other ? " (" : "",
		 other ? w->user : "", other ? ")" : "", w->terminal[0] ? " " : "", w->terminal,
		 w->from[0] ? " " : "", w->from);
}

json_t *who_pack(const struct who *w)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "uid", (json_int_t)w->uid, "user", w->user,
			 "login", w->login, "terminal", w->terminal, "from", w->from);
}

static void unpack_text(char to[WHO_SIZE], const json_t *packed, const char *key)
{
	const char *text = json_string_value(json_object_get(packed, key));

	if (text)
		set(to, text, strlen(text));
}

void who_unpack(struct who *w, const json_t *packed)
{
	*w = (struct who){.uid = (uid_t)json_integer_value(json_object_get(packed, "uid"))};
	unpack_text(w->user, packed, "user");
	unpack_text(w->login, packed, "login");
	unpack_text(w->terminal, packed, "terminal");
	unpack_text(w->from, packed, "from");
}
