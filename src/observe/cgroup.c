/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/cgroup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

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

/* What does not fit is left out, never cut: a part of a name would be another name. */
static void copy(char *to, size_t size, struct part p)
{
	if (p.len >= size)
		p.len = 0;
	memcpy(to, p.at, p.len);
	to[p.len] = '\0';
}

/* The 64 hexadecimal digits that runtimes name their containers with. */
static bool is_id(struct part p)
{
	for (size_t i = 0; i < p.len; i++)
		if (!strchr("0123456789abcdef", p.at[i]) || !p.at[i])
			return false;
	return p.len == 64;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* systemd writes other bytes than letters, digits and ":_." as \xNN (systemd-escape(1)). */
static void unescape(struct part p, char *to, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < p.len && used + 1 < size; i++) {
		int high = -1, low = -1;

		if (p.at[i] == '\\' && i + 3 < p.len && p.at[i + 1] == 'x') {
			high = hex_digit(p.at[i + 2]);
			low = hex_digit(p.at[i + 3]);
		}
		if (high < 0 || low < 0) {
			to[used++] = p.at[i];
			continue;
		}
		to[used++] = (char)(high << 4 | low);
		i += 3;
	}
	to[used] = '\0';
}

/*
 * How runtimes call the cgroup of a container: a prefix, the id, a suffix. Their monitors (conmon,
 * lxc.monitor, containerd-shim) are on the machine, not in the container, and match none.
 */
static const struct pattern {
	const char *prefix, *suffix, *runtime;
	bool is_name; /* the container is known by a name, not by 64 digits */
	bool escaped;
} patterns[] = {
	{"docker-", ".scope", "docker", false, false},
	{"libpod-payload-", "", "podman", false, false}, /* --cgroups=split, Quadlet */
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

/* libvirt's scopes: machine-qemu\x2d1\x2dNAME.scope is a virtual machine, lxc a container of it. */
static bool is_libvirt(struct part machine)
{
	return starts_with(machine, "qemu\\x2d") || starts_with(machine, "lxc\\x2d");
}

static bool match_pattern(struct part p, const struct pattern *pattern, struct cgroup_owner *o)
{
	size_t before = strlen(pattern->prefix), after = strlen(pattern->suffix);
	struct part id;

	if (!starts_with(p, pattern->prefix) || p.len <= before + after ||
	    memcmp(p.at + p.len - after, pattern->suffix, after) != 0)
		return false;
	id = (struct part){p.at + before, p.len - before - after};
	if ((!pattern->is_name && !is_id(id)) || id.len >= sizeof(o->container_id))
		return false;
	if (strcmp(pattern->prefix, "machine-") == 0 && is_libvirt(id))
		return false;
	snprintf(o->runtime, sizeof(o->runtime), "%s", pattern->runtime);
	if (pattern->escaped)
		unescape(id, o->container_id, sizeof(o->container_id));
	else
		copy(o->container_id, sizeof(o->container_id), id);
	return true;
}

/* "kubepods-burstable-podUID.slice:cri-containerd:ID": a systemd path taken by the cgroupfs driver
 */
static const char *match_colons(struct part *p)
{
	static const struct {
		const char *name, *runtime;
	} names[] = {
		{":cri-containerd:", "containerd"}, {":docker:", "docker"}, {":crio:", "cri-o"}};
	const char *colon = memrchr(p->at, ':', p->len);
	struct part id, before;

	if (!colon)
		return NULL;
	before = (struct part){p->at, (size_t)(colon + 1 - p->at)};
	id = (struct part){colon + 1, p->len - before.len};
	for (size_t i = 0; is_id(id) && i < ARRAY_LEN(names); i++) {
		if (!ends_with(before, names[i].name))
			continue;
		*p = id;
		return names[i].runtime;
	}
	return NULL;
}

/* With the cgroupfs driver the id stands alone, below a folder that tells the runtime. */
static bool match_folder(struct part above, bool in_kubepods, struct part p, struct cgroup_owner *o)
{
	const char *runtime = match_colons(&p);

	if (equals(above, "docker") && is_id(p))
		runtime = "docker";
	else if (in_kubepods && is_id(p))
		runtime = "containerd";
	else if (equals(above, "lxc") && p.len < sizeof(o->container_id))
		runtime = "lxc";
	if (!runtime)
		return false;
	snprintf(o->runtime, sizeof(o->runtime), "%s", runtime);
	copy(o->container_id, sizeof(o->container_id), p);
	return true;
}

static void find_container(struct part path, struct cgroup_owner *o)
{
	struct part p, above = {"", 0};
	bool in_kubepods = false;

	while (!o->runtime[0] && next_part(&path, &p)) {
		for (size_t i = 0; !o->runtime[0] && i < ARRAY_LEN(patterns); i++)
			match_pattern(p, &patterns[i], o);
		if (!o->runtime[0])
			match_folder(above, in_kubepods, p, o);
		in_kubepods |= starts_with(p, "kubepods") || equals(p, "kubepods");
		above = p;
	}
}

static bool next_below_slices(struct part *rest, struct part *ret)
{
	while (next_part(rest, ret)) {
		if (ret->at[0] == '_' && ret->len > 1) { /* systemd's escape: "_cpu.service" */
			ret->at++;
			ret->len--;
		}
		if (!ends_with(*ret, ".slice") && !equals(*ret, ".."))
			return true;
	}
	return false;
}

static bool is_unit(struct part p)
{
	return ends_with(p, ".service") || ends_with(p, ".scope");
}

/* The user id in "user@1000.service". */
static bool is_user_manager(struct part p, uint32_t *uid)
{
	static const char prefix[] = "user@", suffix[] = ".service";
	size_t before = sizeof(prefix) - 1, after = sizeof(suffix) - 1;
	uint64_t number;

	if (!starts_with(p, prefix) || !ends_with(p, suffix) || p.len <= before + after ||
	    text_parse_number(p.at + before, p.len - before - after, UINT32_MAX - 1, &number) < 0)
		return false;
	*uid = (uint32_t)number;
	return true;
}

/*
 * As systemd does it (cg_path_get_unit, cg_path_get_user_unit): the first part below the slices,
 * and below a user manager once more. What lies deeper was named by the unit's own processes, who
 * may call it like any other unit, and is no unit of the machine's systemd.
 */
static void find_unit(struct part path, struct cgroup_owner *o)
{
	struct part p;

	if (!next_below_slices(&path, &p) || !is_unit(p))
		return;
	copy(o->unit, sizeof(o->unit), p);
	o->in_user = is_user_manager(p, &o->user_uid);
	if (o->in_user && next_below_slices(&path, &p) && is_unit(p) && !equals(p, "init.scope") &&
	    p.len < sizeof(o->unit))
		copy(o->unit, sizeof(o->unit), p);
}

/* cgroups(7): the path of a cgroup that was removed while the process was in it ends so. */
static struct part without_deleted(struct part path)
{
	static const char deleted[] = " (deleted)";

	if (ends_with(path, deleted))
		path.len -= sizeof(deleted) - 1;
	return path;
}

static void judge_path(struct part path, struct cgroup_owner *o)
{
	path = without_deleted(path);
	copy(o->path, sizeof(o->path), path);
	find_unit(path, o);
	find_container(path, o);
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
