/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/cgroup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A part of a path; not terminated. */
struct part {
	const char *at;
	size_t len;
};

static bool starts_with(struct part p, const char *prefix)
{
	size_t len = strlen(prefix);

	return p.len > len && memcmp(p.at, prefix, len) == 0;
}

static bool ends_with(struct part p, const char *suffix)
{
	size_t len = strlen(suffix);

	return p.len > len && memcmp(p.at + p.len - len, suffix, len) == 0;
}

static bool equals(struct part p, const char *text)
{
	return p.len == strlen(text) && memcmp(p.at, text, p.len) == 0;
}

static bool next_part(struct part *rest, struct part *ret)
{
	const char *slash;

	while (rest->len && *rest->at == '/') {
		rest->at++;
		rest->len--;
	}
	if (!rest->len)
		return false;
	slash = memchr(rest->at, '/', rest->len);
	ret->at = rest->at;
	ret->len = slash ? (size_t)(slash - rest->at) : rest->len;
	rest->at += ret->len;
	rest->len -= ret->len;
	return true;
}

static void copy(char *to, size_t size, struct part p)
{
	snprintf(to, size, "%.*s", p.len < size ? (int)p.len : (int)size - 1, p.at);
}

/* The 64 hexadecimal digits that runtimes name their containers with. */
static bool is_id(struct part p)
{
	for (size_t i = 0; i < p.len; i++)
		if (!strchr("0123456789abcdef", p.at[i]) || !p.at[i])
			return false;
	return p.len == 64;
}

/* systemd writes other bytes than letters, digits and ":_." as \xNN (systemd-escape(1)). */
static void unescape(struct part p, char *to, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	for (size_t i = 0; i < p.len && used + 1 < size; i++) {
		const char *high, *low;

		if (p.at[i] != '\\' || i + 3 >= p.len || p.at[i + 1] != 'x' ||
		    !(high = memchr(digits, p.at[i + 2], 16)) ||
		    !(low = memchr(digits, p.at[i + 3], 16))) {
			to[used++] = p.at[i];
			continue;
		}
		to[used++] = (char)((high - digits) << 4 | (low - digits));
		i += 3;
	}
	to[used] = '\0';
}

/* How runtimes call the cgroup of a container: a prefix, the id, a suffix. */
static const struct pattern {
	const char *prefix, *suffix, *runtime;
	bool is_name; /* the container is known by a name, not by 64 digits */
	bool escaped;
} patterns[] = {
	{"docker-", ".scope", "docker", false, false},
	{"libpod-", ".scope", "podman", false, false},
	{"libpod-", "", "podman", false, false},
	{"cri-containerd-", ".scope", "containerd", false, false},
	{"nerdctl-", ".scope", "containerd", false, false},
	{"crio-", ".scope", "cri-o", false, false},
	{"crio-", "", "cri-o", false, false},
	{"lxc.payload.", "", "lxc", true, false},
	{"machine-", ".scope", "systemd-nspawn", true, true},
	{"systemd-nspawn@", ".service", "systemd-nspawn", true, true},
};

static bool match_pattern(struct part p, const struct pattern *pattern, struct cgroup_owner *o)
{
	size_t before = strlen(pattern->prefix), after = strlen(pattern->suffix);
	struct part id;

	if (!starts_with(p, pattern->prefix) || p.len <= before + after ||
	    memcmp(p.at + p.len - after, pattern->suffix, after) != 0)
		return false;
	id = (struct part){p.at + before, p.len - before - after};
	if (!pattern->is_name && !is_id(id))
		return false;
	if (strcmp(pattern->prefix, "machine-") == 0 && starts_with(id, "qemu"))
		return false; /* libvirt's virtual machines have that form too */
	snprintf(o->runtime, sizeof(o->runtime), "%s", pattern->runtime);
	if (pattern->escaped)
		unescape(id, o->container_id, sizeof(o->container_id));
	else
		copy(o->container_id, sizeof(o->container_id), id);
	return true;
}

/* With the cgroupfs driver the id stands alone, below a folder that tells the runtime. */
static bool match_folder(struct part above, bool in_kubepods, struct part p, struct cgroup_owner *o)
{
	const char *runtime = NULL;

	if (equals(above, "docker") && is_id(p))
		runtime = "docker";
	else if (in_kubepods && is_id(p))
		runtime = "containerd";
	else if (equals(above, "lxc"))
		runtime = "lxc";
	if (!runtime)
		return false;
	snprintf(o->runtime, sizeof(o->runtime), "%s", runtime);
	copy(o->container_id, sizeof(o->container_id), p);
	return true;
}

static void judge_path(struct part path, struct cgroup_owner *o)
{
	struct part p, above = {"", 0};
	bool in_kubepods = false, in_container = false;

	copy(o->path, sizeof(o->path), path);
	while (next_part(&path, &p)) {
		for (size_t i = 0; !o->runtime[0] && i < ARRAY_LEN(patterns); i++)
			match_pattern(p, &patterns[i], o);
		if (!o->runtime[0])
			match_folder(above, in_kubepods, p, o);
		/* below a container its own systemd goes on: those units are not the machine's */
		if ((!in_container || !o->unit[0]) &&
		    (ends_with(p, ".service") || ends_with(p, ".scope")))
			copy(o->unit, sizeof(o->unit), p);
		in_container = o->runtime[0] != '\0';
		in_kubepods |= starts_with(p, "kubepods") || equals(p, "kubepods");
		above = p;
	}
}

/* Splits "ID:CONTROLLERS:PATH". */
static bool split_line(const char *line, size_t len, struct part *controllers, struct part *path)
{
	const char *first = memchr(line, ':', len), *second;

	if (!first)
		return false;
	first++;
	second = memchr(first, ':', len - (size_t)(first - line));
	if (!second)
		return false;
	*controllers = (struct part){first, (size_t)(second - first)};
	*path = (struct part){second + 1, len - (size_t)(second + 1 - line)};
	return path->len > 0 && path->at[0] == '/';
}

int cgroup_parse(const char *text, size_t len, struct cgroup_owner *ret)
{
	struct part systemd = {"", 0}, unified = {"", 0}, longest = {"", 0}, controllers, path;
	struct cgroup_owner o = {0};
	const char *line;
	size_t at = 0, line_len;
	bool any = false;

	while (file_next_line(text, len, &at, &line, &line_len)) {
		if (!split_line(line, line_len, &controllers, &path))
			continue;
		any = true;
		if (equals(controllers, "name=systemd"))
			systemd = path;
		else if (controllers.len == 0)
			unified = path;
		else if (path.len > longest.len)
			longest = path;
	}
	if (!any)
		return -EBADMSG;
	judge_path(systemd.len > 1   ? systemd
		   : unified.len > 1 ? unified
		   : longest.len     ? longest
				     : unified,
		   &o);
	*ret = o;
	return 0;
}
