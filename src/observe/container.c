/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/container.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { JSON_LIMIT = 4 << 20, PATH_SIZE = 1024 };

/* The first text that is there and fits wins: one that was cut would be another name. */
static void put(char to[CONTAINER_TEXT_SIZE], const char *text)
{
	if (text && !to[0] && strlen(text) < CONTAINER_TEXT_SIZE)
		memcpy(to, text, strlen(text) + 1);
}

static void release(json_t **json)
{
	json_decref(*json);
}

static json_t *load(const char *text, size_t len)
{
	return json_loadb(text, len, JSON_ALLOW_NUL, NULL);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* Docker's config.v2.json: {"Name":"/web","Config":{"Image":"nginx:1.25"}} */
int container_parse_docker(const char *json, size_t len, struct container_text *ret)
{
	json_t cleanup_call(release) *root = load(json, len);
	struct container_text text = {0};
	const char *name = text_of(root, "Name");

	if (!json_is_object(root))
		return -EBADMSG;
	put(text.name, name && name[0] == '/' ? name + 1 : name);
	put(text.image, text_of(json_object_get(root, "Config"), "Image"));
	*ret = text;
	return 0;
}

/* The metadata of a container in containers/storage is JSON within a string of JSON. */
static void take_podman_metadata(const char *metadata, struct container_text *text)
{
	json_t cleanup_call(release) *root = metadata ? load(metadata, strlen(metadata)) : NULL;

	put(text->image, text_of(root, "image-name"));
	put(text->name, text_of(root, "name"));
}

/* containers/storage's containers.json: [{"id":…,"names":["web"],"metadata":"{…}"}] */
int container_parse_podman(const char *json, size_t len, const char *id, struct container_text *ret)
{
	json_t cleanup_call(release) *root = load(json, len);
	struct container_text text = {0};
	size_t i;
	json_t *item;

	if (!json_is_array(root))
		return -EBADMSG;
	json_array_foreach(root, i, item)
	{
		const char *its_id = text_of(item, "id");

		if (!its_id || strcmp(its_id, id) != 0)
			continue;
		put(text.name,
		    json_string_value(json_array_get(json_object_get(item, "names"), 0)));
		take_podman_metadata(text_of(item, "metadata"), &text);
		*ret = text;
		return 0;
	}
	return -ENOENT;
}

/* "namespace/pod/container", and "namespace/pod" for the sandbox that holds a pod's network. */
static void join_kubernetes(const char *space, const char *pod, const char *name,
			    struct container_text *text)
{
	int len;

	if (!pod || !space || text->name[0])
		return;
	len = snprintf(text->name, sizeof(text->name), "%s/%s%s%s", space, pod, name ? "/" : "",
		       name ? name : "");
	if (len < 0 || (size_t)len >= sizeof(text->name))
		text->name[0] = '\0';
}

/* An OCI bundle's config.json, whose annotations are the runtime's: containerd, CRI-O, nerdctl. */
int container_parse_oci(const char *json, size_t len, struct container_text *ret)
{
	json_t cleanup_call(release) *root = load(json, len);
	const json_t *notes = json_object_get(root, "annotations");
	struct container_text text = {0};

	if (!json_is_object(root))
		return -EBADMSG;
	join_kubernetes(text_of(notes, "io.kubernetes.cri.sandbox-namespace"),
			text_of(notes, "io.kubernetes.cri.sandbox-name"),
			text_of(notes, "io.kubernetes.cri.container-name"), &text);
	join_kubernetes(text_of(notes, "io.kubernetes.pod.namespace"),
			text_of(notes, "io.kubernetes.pod.name"),
			text_of(notes, "io.kubernetes.container.name"), &text);
	put(text.name, text_of(notes, "nerdctl/name"));
	put(text.name, text_of(notes, "io.podman.annotations.container.name"));
	put(text.image, text_of(notes, "io.kubernetes.cri.image-name"));
	put(text.image, text_of(notes, "io.kubernetes.cri-o.ImageName"));
	put(text.image, text_of(notes, "io.kubernetes.cri-o.Image"));
	*ret = text;
	return 0;
}

/* The id becomes a part of a path, and comes from the name of a cgroup, which anybody may make. */
static bool is_safe_id(const char *id)
{
	size_t len =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len > 0 && len < 200 && id[len] == '\0' && id[0] != '.';
}

/* The home of a user, who may run containers of their own; false when it is not known. */
static bool find_home(uid_t uid, char home[PATH_SIZE])
{
	const struct passwd *account = getpwuid(uid);

	return account && account->pw_dir[0] == '/' &&
	       (size_t)snprintf(home, PATH_SIZE, "%s", account->pw_dir) < PATH_SIZE;
}

/* Reads a file below root_fd whose path is made by `format`: one that is too long is not there. */
__attribute__((format(printf, 3, 4))) static int read_path(int root_fd, struct buf *out,
							   const char *format, ...)
{
	char path[2 * PATH_SIZE];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return file_read_in_root(root_fd, path, JSON_LIMIT, out);
}

static int describe_docker(int root_fd, const char *id, uid_t uid, bool by_user,
			   struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	json_t cleanup_call(release) *config = NULL;
	const char *data_root = NULL;
	char home[PATH_SIZE];
	int r = -ENOENT;

	if (!by_user &&
	    file_read_in_root(root_fd, "etc/docker/daemon.json", JSON_LIMIT, &text) == 0)
		config = load(buf_text(&text), text.len);
	data_root = text_of(config, "data-root");
	if (!by_user)
		r = read_path(root_fd, &text, "%s/containers/%s/config.v2.json",
			      data_root ? data_root : "/var/lib/docker", id);
	if (r == -ENOENT && find_home(uid, home))
		r = read_path(root_fd, &text, "%s/.local/share/docker/containers/%s/config.v2.json",
			      home, id);
	return r < 0 ? r : container_parse_docker(buf_text(&text), text.len, ret);
}

/* containers/storage keeps one list for each storage driver, and one of containers run with --rm.
 */
static const char *const podman_lists[] = {
	"overlay-containers/containers.json",
	"overlay-containers/volatile-containers.json",
	"vfs-containers/containers.json",
	"btrfs-containers/containers.json",
};

static int describe_podman_in(int root_fd, const char *storage, const char *id,
			      struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r;

	for (size_t i = 0; i < ARRAY_LEN(podman_lists); i++)
		if (read_path(root_fd, &text, "%s/%s", storage, podman_lists[i]) == 0 &&
		    container_parse_podman(buf_text(&text), text.len, id, ret) == 0)
			return 0;
	r = read_path(root_fd, &text, "%s/overlay-containers/%s/userdata/config.json", storage, id);
	return r < 0 ? r : container_parse_oci(buf_text(&text), text.len, ret);
}

static int describe_podman(int root_fd, const char *id, uid_t uid, bool by_user,
			   struct container_text *ret)
{
	static const char below_home[] = "/.local/share/containers/storage";
	char storage[PATH_SIZE + sizeof(below_home)];

	if (!by_user && describe_podman_in(root_fd, "/var/lib/containers/storage", id, ret) == 0)
		return 0;
	if (!find_home(uid, storage))
		return -ENOENT;
	memcpy(storage + strlen(storage), below_home, sizeof(below_home));
	return describe_podman_in(root_fd, storage, id, ret);
}

/* A bundle's config.json is at FOLDER/ID/FILE. */
struct oci_place {
	const char *folder, *file;
};

static int describe_oci(int root_fd, const char *id, const struct oci_place *places, size_t count,
			struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};

	for (size_t i = 0; i < count; i++)
		if (read_path(root_fd, &text, "%s/%s/%s", places[i].folder, id, places[i].file) ==
		    0)
			return container_parse_oci(buf_text(&text), text.len, ret);
	return -ENOENT;
}

static int describe_containerd(int root_fd, const char *id, struct container_text *ret)
{
	static const struct oci_place places[] = {
		{"run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"},
		{"run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"},
		{"run/containerd/io.containerd.runtime.v2.task/default", "config.json"},
		{"run/containerd/io.containerd.runtime.v2.task/moby", "config.json"},
	};

	return describe_oci(root_fd, id, places, ARRAY_LEN(places), ret);
}

static int describe_crio(int root_fd, const char *id, struct container_text *ret)
{
	static const struct oci_place places[] = {
		{"run/containers/storage/overlay-containers", "userdata/config.json"},
		{"var/lib/containers/storage/overlay-containers", "userdata/config.json"},
	};

	return describe_oci(root_fd, id, places, ARRAY_LEN(places), ret);
}

/* The value of the option `brief` or `full` among words[0..len), separated by blanks. */
static bool find_option(const char *words, size_t len, const char *brief, const char *full,
			char value[CONTAINER_TEXT_SIZE / 4])
{
	bool next_is_it = false;

	while (len > 0) {
		const char *blank = memchr(words, ' ', len);
		size_t word_len = blank ? (size_t)(blank - words) : len;

		if (next_is_it && word_len > 0 && word_len < CONTAINER_TEXT_SIZE / 4) {
			memcpy(value, words, word_len);
			value[word_len] = '\0';
			return true;
		}
		next_is_it = (word_len == strlen(brief) && memcmp(words, brief, word_len) == 0) ||
			     (word_len == strlen(full) && memcmp(words, full, word_len) == 0);
		words += word_len + (blank ? 1 : 0);
		len -= word_len + (blank ? 1 : 0);
	}
	return false;
}

void container_parse_lxc(const char *config, size_t len, struct container_text *ret)
{
	static const char mark[] = "# Parameters passed to the template: ";
	char dist[CONTAINER_TEXT_SIZE / 4], release_name[CONTAINER_TEXT_SIZE / 4];
	size_t at = 0, line_len, mark_len = sizeof(mark) - 1;
	const char *line;

	while (file_next_line(config, len, &at, &line, &line_len)) {
		if (line_len <= mark_len || memcmp(line, mark, mark_len) != 0)
			continue;
		if (find_option(line + mark_len, line_len - mark_len, "-d", "--dist", dist) &&
		    find_option(line + mark_len, line_len - mark_len, "-r", "--release",
				release_name))
			snprintf(ret->image, sizeof(ret->image), "%s/%s", dist, release_name);
		return;
	}
}

static int describe_lxc(int root_fd, const char *id, struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct container_text found = {0};

	put(found.name, id);
	if (read_path(root_fd, &text, "/var/lib/lxc/%s/config", id) == 0)
		container_parse_lxc(buf_text(&text), text.len, &found);
	*ret = found;
	return 0;
}

int container_describe(int root_fd, const char *runtime, const char *id, uid_t uid, bool by_user,
		       struct container_text *ret)
{
	if (!is_safe_id(id))
		return -EINVAL;
	if (strcmp(runtime, "docker") == 0)
		return describe_docker(root_fd, id, uid, by_user, ret);
	if (strcmp(runtime, "podman") == 0)
		return describe_podman(root_fd, id, uid, by_user, ret);
	if (strcmp(runtime, "containerd") == 0)
		return by_user ? -ENOENT : describe_containerd(root_fd, id, ret);
	if (strcmp(runtime, "cri-o") == 0)
		return by_user ? -ENOENT : describe_crio(root_fd, id, ret);
	/* LXC's and systemd-nspawn's containers are known by their names */
	if (strcmp(runtime, "lxc") == 0 && !by_user)
		return describe_lxc(root_fd, id, ret);
	*ret = (struct container_text){0};
	put(ret->name, id);
	return 0;
}
