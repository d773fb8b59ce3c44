/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/proc_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STAT_LIMIT = 4096, STATUS_LIMIT = 65536, CMDLINE_LIMIT = 4096, TICK_NS = 10000000 };

/* The `index`-th word (from 0) of text[0..len), separated by single spaces. */
static bool find_word(const char *text, size_t len, unsigned index, const char **word,
		      size_t *word_len)
{
	const char *end = text + len;

	for (; index > 0; index--) {
		text = memchr(text, ' ', (size_t)(end - text));
		if (!text)
			return false;
		text++;
	}
	*word = text;
	text = memchr(text, ' ', (size_t)(end - text));
	*word_len = (size_t)((text ? text : end) - *word);
	return true;
}

static int parse_word(const char *text, size_t len, unsigned index, uint64_t max, uint64_t *ret)
{
	const char *word;
	size_t word_len;

	if (!find_word(text, len, index, &word, &word_len))
		return -EBADMSG;
	return text_parse_number(word, word_len, max, ret) < 0 ? -EBADMSG : 0;
}

int proc_parse_stat(const char *text, size_t len, struct proc_stat *ret)
{
	const char *open = memchr(text, '(', len), *close = memrchr(text, ')', len);
	struct proc_stat s = {0};
	uint64_t ppid, flags;
	size_t comm_len, rest_len;

	if (!open || !close || close < open || (size_t)(close - text) + 2 > len)
		return -EBADMSG;
	comm_len = (size_t)(close - open) - 1;
	memcpy(s.comm, open + 1, comm_len < sizeof(s.comm) ? comm_len : sizeof(s.comm) - 1);
	close += 2; /* field 3, the state */
	rest_len = len - (size_t)(close - text);
	if (parse_word(close, rest_len, 1, UINT32_MAX, &ppid) < 0 ||
	    parse_word(close, rest_len, 6, UINT32_MAX, &flags) < 0 ||
	    parse_word(close, rest_len, 19, UINT64_MAX, &s.start_ticks) < 0)
		return -EBADMSG;
	s.state = *close;
	s.ppid = (uint32_t)ppid;
	s.flags = (uint32_t)flags;
	*ret = s;
	return 0;
}

int proc_parse_status_uid(const char *text, size_t len, uint32_t *ret)
{
	const char *line;
	size_t at = 0, line_len;

	while (file_next_line(text, len, &at, &line, &line_len)) {
		const char *tab;
		uint64_t uid;
		size_t digits = 0;

		if (line_len < 5 || memcmp(line, "Uid:\t", 5) != 0)
			continue;
		line += 5;
		line_len -= 5;
		tab = memchr(line, '\t', line_len);
		if (!tab)
			return -EBADMSG;
		tab++;
		while (tab + digits < line + line_len && tab[digits] >= '0' && tab[digits] <= '9')
			digits++;
		if (text_parse_number(tab, digits, UINT32_MAX, &uid) < 0)
			return -EBADMSG;
		*ret = (uint32_t)uid;
		return 0;
	}
	return -EBADMSG;
}

void proc_join_cmdline(char *text, size_t *len)
{
	while (*len > 0 && text[*len - 1] == '\0')
		(*len)--;
	for (size_t i = 0; i < *len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
}

int proc_parse_inode_link(const char *text, size_t len, const char *type, uint64_t *ret)
{
	size_t type_len = strlen(type), before = type_len + 2; /* ":[" */

	if (len < before + 2 || memcmp(text, type, type_len) != 0 || text[type_len] != ':' ||
	    text[type_len + 1] != '[' || text[len - 1] != ']')
		return -EBADMSG;
	return text_parse_number(text + before, len - before - 1, UINT64_MAX, ret) < 0 ? -EBADMSG
										       : 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* A thread that still runs, of the process whose folder is proc_fd; -ESRCH when there is none. */
static int open_live_thread(int proc_fd)
{
	int list = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR cleanup_call(close_dir) *dir = list < 0 ? NULL : fdopendir(list);
	const struct dirent *entry;

	if (!dir) {
		if (list >= 0)
			close(list);
		return -ESRCH;
	}
	while ((entry = readdir(dir))) {
		struct proc_stat stat;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && proc_read_stat(fd, &stat) == 0 && stat.state != PROC_ZOMBIE)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ESRCH;
}

int proc_open(uint32_t pid, uint64_t start_ns)
{
	struct proc_stat stat;
	char path[32];
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (!start_ns)
		return fd;
	r = proc_read_stat(fd, &stat);
	if (r == 0 && stat.start_ticks != start_ns / TICK_NS)
		r = -ESRCH;
	if (r < 0) {
		close(fd);
		return r;
	}
	if (stat.state == PROC_ZOMBIE) {
		r = open_live_thread(fd);
		close(fd);
		return r;
	}
	return fd;
}

int proc_read_stat(int proc_fd, struct proc_stat *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(proc_fd, "stat", STAT_LIMIT, &text);

	return r < 0 ? r : proc_parse_stat(buf_text(&text), text.len, ret);
}

int proc_read_uid(int proc_fd, uint32_t *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(proc_fd, "status", STATUS_LIMIT, &text);

	return r < 0 ? r : proc_parse_status_uid(buf_text(&text), text.len, ret);
}

int proc_read_arguments(int proc_fd, struct buf *out)
{
	int cleanup_close fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	char *to;
	ssize_t got;

	buf_clear(out);
	to = buf_reserve(out, CMDLINE_LIMIT);
	if (fd < 0)
		return -errno;
	if (!to)
		return -ENOMEM;
	do
		got = read(fd, to, CMDLINE_LIMIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	out->len = (size_t)got;
	to[out->len] = '\0';
	return 0;
}

int proc_read_cmdline(int proc_fd, struct buf *out)
{
	int r = proc_read_arguments(proc_fd, out);

	if (r < 0)
		return r;
	proc_join_cmdline(out->data, &out->len);
	out->data[out->len] = '\0';
	return 0;
}
