/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/container.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { JSON_LIMIT = 8 << 20 };

static void put(char to[CONTAINER_TEXT_SIZE], const char *text)
{
	if (text && !to[0])
		snprintf(to, CONTAINER_TEXT_SIZE, "%s", text);
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
	put(text->name, text_of(root, "container-name"));
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

static void join_kubernetes(const char *space, const char *pod, const char *name,
			    struct container_text *text)
{
	if (name && pod && space)
		snprintf(text->name, sizeof(text->name), "%s/%s/%s", space, pod, name);
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
	if (!text.name[0])
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

static int describe_docker(int root_fd, const char *id, struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	const char *data_root = NULL;
	char path[1024];
	json_t cleanup_call(release) *config = NULL;
	int r;

	if (file_read_in_root(root_fd, "etc/docker/daemon.json", JSON_LIMIT, &text) == 0)
		config = load(text.data, text.len);
	data_root = text_of(config, "data-root");
	snprintf(path, sizeof(path), "%.512s/containers/%s/config.v2.json",
		 data_root ? data_root : "/var/lib/docker", id);
	r = file_read_in_root(root_fd, path, JSON_LIMIT, &text);
	return r < 0 ? r : container_parse_docker(text.data, text.len, ret);
}

static int describe_podman_in(int root_fd, const char *storage, const char *id,
			      struct container_text *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%.700s/overlay-containers/containers.json", storage);
	r = file_read_in_root(root_fd, path, JSON_LIMIT, &text);
	if (r == 0)
		r = container_parse_podman(text.data, text.len, id, ret);
	if (r == 0)
		return 0;
	snprintf(path, sizeof(path), "%.700s/overlay-containers/%s/userdata/config.json", storage,
		 id);
	r = file_read_in_root(root_fd, path, JSON_LIMIT, &text);
	return r < 0 ? r : container_parse_oci(text.data, text.len, ret);
}

static int describe_podman(int root_fd, const char *id, uid_t uid, struct container_text *ret)
{
	const struct passwd *account;
	char storage[700];

	if (describe_podman_in(root_fd, "/var/lib/containers/storage", id, ret) == 0)
		return 0;
	account = getpwuid(uid);
	if (!account)
		return -ENOENT;
	snprintf(storage, sizeof(storage), "%.512s/.local/share/containers/storage",
		 account->pw_dir);
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

	for (size_t i = 0; i < count; i++) {
		char path[1024];

		snprintf(path, sizeof(path), "%s/%s/%s", places[i].folder, id, places[i].file);
		if (file_read_in_root(root_fd, path, JSON_LIMIT, &text) == 0)
			return container_parse_oci(text.data, text.len, ret);
	}
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

int container_describe(int root_fd, const char *runtime, const char *id, uid_t uid,
		       struct container_text *ret)
{
	if (!is_safe_id(id))
		return -EINVAL;
	if (strcmp(runtime, "docker") == 0)
		return describe_docker(root_fd, id, ret);
	if (strcmp(runtime, "podman") == 0)
		return describe_podman(root_fd, id, uid, ret);
	if (strcmp(runtime, "containerd") == 0)
		return describe_containerd(root_fd, id, ret);
	if (strcmp(runtime, "cri-o") == 0)
		return describe_crio(root_fd, id, ret);
	/* LXC's and systemd-nspawn's containers are known by their names */
	*ret = (struct container_text){0};
	put(ret->name, id);
	return 0;
}
