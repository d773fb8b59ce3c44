/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container: the files in which Docker, Podman, containerd, CRI-O and LXC keep a container's name,
 * laid out below a scratch folder as on a machine; and hostile ones.
 */
#include "base/mem.h"
#include "observe/container.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "3f4e8d1c2b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

struct scratch {
	char path[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	strcpy(s->path, "/tmp/portero-container-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	s->fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;

	close(s->fd);
	nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static void make_folders(const struct scratch *s, const char *path, char full[512])
{
	snprintf(full, 512, "%s/%s", s->path, path);
	for (char *slash = full + strlen(s->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
}

static void put_file(const struct scratch *s, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	make_folders(s, path, full);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void expect(const struct scratch *s, const char *runtime, const char *id, const char *name,
		   const char *image)
{
	struct container_text text = {0};
	int r = container_describe(s->fd, runtime, id, getuid(), false, &text);

	if (r != 0 || strcmp(text.name, name) != 0 || strcmp(text.image, image) != 0)
		fail_msg("%s: %d, name \"%s\", image \"%s\"", runtime, r, text.name, text.image);
}

static void expect_unknown(const struct scratch *s, const char *runtime, const char *id, int code)
{
	struct container_text text = {.name = "before"};

	assert_int_equal(container_describe(s->fd, runtime, id, getuid(), false, &text), code);
	assert_string_equal(text.name, "before");
}

static const char docker_config[] =
	"{\"StreamConfig\":{},\"State\":{\"Running\":true,\"Pid\":4242},\"ID\":\"" ID "\","
	"\"Config\":{\"Hostname\":\"3f4e8d1c2b5a\",\"Image\":\"nginx:1.25\",\"Labels\":{}},"
	"\"Image\":\"sha256:0123\",\"Name\":\"/web\",\"Driver\":\"overlay2\"}";

static void test_docker(void **state)
{
	put_file(*state, "var/lib/docker/containers/" ID "/config.v2.json", docker_config);
	expect(*state, "docker", ID, "web", "nginx:1.25");
}

/* A user may name a cgroup after a container of the machine, which it does not become by that. */
static void test_id_of_another(void **state)
{
	static const char *const runtimes[] = {"docker", "podman", "containerd", "cri-o"};
	const struct scratch *s = *state;
	struct container_text text = {0};

	put_file(s, "var/lib/docker/containers/" ID "/config.v2.json", docker_config);
	put_file(s, "var/lib/containers/storage/overlay-containers/containers.json",
		 "[{\"id\":\"" ID "\",\"names\":[\"db\"]}]");
	put_file(s, "run/containerd/io.containerd.runtime.v2.task/default/" ID "/config.json",
		 "{\"annotations\":{\"nerdctl/name\":\"web\"}}");
	put_file(s, "run/containers/storage/overlay-containers/" ID "/userdata/config.json",
		 "{\"annotations\":{\"io.kubernetes.cri-o.ImageName\":\"x\"}}");
	for (size_t i = 0; i < ARRAY_LEN(runtimes); i++) {
		assert_int_equal(container_describe(s->fd, runtimes[i], ID, getuid(), false, &text),
				 0);
		text = (struct container_text){0};
		assert_int_equal(container_describe(s->fd, runtimes[i], ID, getuid(), true, &text),
				 -ENOENT);
		assert_string_equal(text.name, "");
	}
}

static void test_docker_data_root(void **state)
{
	put_file(*state, "etc/docker/daemon.json", "{\"data-root\": \"/srv/docker\"}");
	put_file(*state, "srv/docker/containers/" ID "/config.v2.json", docker_config);
	expect(*state, "docker", ID, "web", "nginx:1.25");
}

static const char podman_list[] =
	"[{\"id\":\"0000\",\"names\":[\"other\"],\"metadata\":\"{}\"},"
	"{\"id\":\"" ID "\",\"names\":[\"db\"],\"image\":\"abcd\",\"layer\":\"ef\","
	"\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/postgres:16\\\","
	"\\\"image-id\\\":\\\"abcd\\\",\\\"name\\\":\\\"db\\\",\\\"created-at\\\":1700000000}\","
	"\"created\":\"2024-01-01T00:00:00Z\",\"flags\":{\"MountLabel\":\"\"}}]";

static void test_podman(void **state)
{
	put_file(*state, "var/lib/containers/storage/overlay-containers/containers.json",
		 podman_list);
	expect(*state, "podman", ID, "db", "docker.io/library/postgres:16");
	expect_unknown(*state, "podman", "ffff", -ENOENT);
}

static void test_podman_volatile(void **state)
{
	put_file(*state, "var/lib/containers/storage/overlay-containers/containers.json", "[]");
	put_file(*state, "var/lib/containers/storage/overlay-containers/volatile-containers.json",
		 podman_list);
	expect(*state, "podman", ID, "db", "docker.io/library/postgres:16");
}

static void test_podman_rootless(void **state)
{
	const struct passwd *account = getpwuid(getuid());
	char path[512];

	assert_non_null(account);
	snprintf(path, sizeof(path),
		 "%s/.local/share/containers/storage/overlay-containers/containers.json",
		 account->pw_dir + 1);
	put_file(*state, path, podman_list);
	expect(*state, "podman", ID, "db", "docker.io/library/postgres:16");
}

static const char cri_config[] =
	"{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/pause\"]},\"annotations\":{"
	"\"io.kubernetes.cri.container-name\":\"coredns\","
	"\"io.kubernetes.cri.container-type\":\"container\","
	"\"io.kubernetes.cri.image-name\":\"registry.k8s.io/coredns/coredns:v1.11.1\","
	"\"io.kubernetes.cri.sandbox-name\":\"coredns-76f75df574-abcde\","
	"\"io.kubernetes.cri.sandbox-namespace\":\"kube-system\"}}";

static void test_containerd(void **state)
{
	put_file(*state, "run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
		 cri_config);
	expect(*state, "containerd", ID, "kube-system/coredns-76f75df574-abcde/coredns",
	       "registry.k8s.io/coredns/coredns:v1.11.1");
}

static void test_containerd_sandbox(void **state)
{
	put_file(*state, "run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
		 "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
		 "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"prod\"}}");
	expect(*state, "containerd", ID, "prod/web-0", "");
}

static void test_nerdctl(void **state)
{
	put_file(
		*state, "run/containerd/io.containerd.runtime.v2.task/default/" ID "/config.json",
		"{\"annotations\":{\"nerdctl/name\":\"cache\",\"nerdctl/namespace\":\"default\"}}");
	expect(*state, "containerd", ID, "cache", "");
}

static void test_crio(void **state)
{
	put_file(*state, "run/containers/storage/overlay-containers/" ID "/userdata/config.json",
		 "{\"annotations\":{\"io.container.manager\":\"cri-o\","
		 "\"io.kubernetes.container.name\":\"etcd\","
		 "\"io.kubernetes.cri-o.ImageName\":\"registry.k8s.io/etcd:3.5\","
		 "\"io.kubernetes.pod.name\":\"etcd-node1\","
		 "\"io.kubernetes.pod.namespace\":\"kube-system\"}}");
	expect(*state, "cri-o", ID, "kube-system/etcd-node1/etcd", "registry.k8s.io/etcd:3.5");
}

static void test_lxc_and_nspawn(void **state)
{
	put_file(*state, "var/lib/lxc/web/config",
		 "# Template used to create this container: /usr/share/lxc/templates/lxc-download\n"
		 "# Parameters passed to the template: -d debian -r bookworm -a amd64\n"
		 "lxc.rootfs.path = dir:/var/lib/lxc/web/rootfs\n");
	put_file(*state, "var/lib/lxc/plain/config", "lxc.uts.name = plain\n");
	expect(*state, "lxc", "web", "web", "debian/bookworm");
	expect(*state, "lxc", "plain", "plain", "");
	expect(*state, "lxc", "gone", "gone", "");
	expect(*state, "systemd-nspawn", "build", "build", "");
}

/* The id becomes part of a path, and anybody may name a cgroup. */
static void test_hostile_ids(void **state)
{
	static const char *const ids[] = {"",	 ".",	"..",  ("../" ID),
					  "a/b", "a b", "a\n", ".hidden"};
	char longest[400];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		expect_unknown(*state, "docker", ids[i], -EINVAL);
		expect_unknown(*state, "lxc", ids[i], -EINVAL);
	}
	expect_unknown(*state, "docker", longest, -EINVAL);
}

/* Links of the file system that is looked at never lead out of it, nor into a FIFO. */
static void test_hostile_files(void **state)
{
	char outside[] = "/tmp/portero-outside-XXXXXX", full[512];
	int fd = mkstemp(outside);

	assert_true(fd >= 0);
	assert_true(write(fd, docker_config, strlen(docker_config)) > 0);
	close(fd);
	make_folders(*state, "var/lib/docker/containers/" ID "/config.v2.json", full);
	assert_int_equal(symlink(outside, full), 0);
	expect_unknown(*state, "docker", ID, -ENOENT);
	assert_int_equal(unlink(full), 0);
	assert_int_equal(mkfifo(full, 0600), 0);
	expect_unknown(*state, "docker", ID, -EINVAL);
	unlink(outside);
}

static void test_too_large(void **state)
{
	char full[512];

	make_folders(*state, "var/lib/docker/containers/" ID "/config.v2.json", full);
	put_file(*state, "var/lib/docker/containers/" ID "/config.v2.json", docker_config);
	assert_int_equal(truncate(full, (4 << 20) + 1), 0);
	expect_unknown(*state, "docker", ID, -EFBIG);
}

/* A name that does not fit is not known: its beginning would be another name. */
static void test_long_names(void **state)
{
	char json[2048], name[CONTAINER_TEXT_SIZE + 1];
	struct container_text text;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(json, sizeof(json), "{\"Name\":\"/%s\",\"Config\":{\"Image\":\"i\"}}", name);
	assert_int_equal(container_parse_docker(json, strlen(json), &text), 0);
	assert_string_equal(text.name, "");
	assert_string_equal(text.image, "i");
	name[CONTAINER_TEXT_SIZE - 1] = '\0';
	snprintf(json, sizeof(json), "{\"Name\":\"/%s\"}", name);
	assert_int_equal(container_parse_docker(json, strlen(json), &text), 0);
	assert_string_equal(text.name, name);
}

static void test_other_types(void **state)
{
	static const char *const texts[] = {
		"{\"Name\":17,\"Config\":[]}",
		"{\"Config\":{\"Image\":{\"Image\":\"x\"}}}",
		"{\"annotations\":[1,2]}",
		"{\"annotations\":{\"io.kubernetes.cri.sandbox-name\":1}}",
		"{}",
	};
	struct container_text text;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(container_parse_docker(texts[i], strlen(texts[i]), &text), 0);
		assert_string_equal(text.name, "");
		assert_int_equal(container_parse_oci(texts[i], strlen(texts[i]), &text), 0);
		assert_string_equal(text.name, "");
		assert_int_equal(container_parse_podman(texts[i], strlen(texts[i]), ID, &text),
				 -EBADMSG);
	}
	assert_int_equal(container_parse_podman("[1,{\"id\":2},null]", 17, ID, &text), -ENOENT);
	assert_int_equal(container_parse_docker("[]", 2, &text), -EBADMSG);
}

static void test_truncated(void **state)
{
	static const char lxc[] = "# Parameters passed to the template: -d debian -r bookworm";
	struct container_text text;

	(void)state;
	for (size_t len = 0; len < sizeof(docker_config) - 1; len++)
		assert_int_equal(container_parse_docker(docker_config, len, &text), -EBADMSG);
	for (size_t len = 0; len < sizeof(podman_list) - 1; len++)
		assert_int_equal(container_parse_podman(podman_list, len, ID, &text), -EBADMSG);
	for (size_t len = 0; len < sizeof(cri_config) - 1; len++)
		assert_int_equal(container_parse_oci(cri_config, len, &text), -EBADMSG);
	for (size_t len = 0; len < sizeof(lxc) - sizeof("bookworm"); len++) {
		text = (struct container_text){0};
		container_parse_lxc(lxc, len, &text);
		assert_string_equal(text.image, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_docker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_docker_data_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_id_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_podman, setup, teardown),
		cmocka_unit_test_setup_teardown(test_podman_volatile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_podman_rootless, setup, teardown),
		cmocka_unit_test_setup_teardown(test_containerd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_containerd_sandbox, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nerdctl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lxc_and_nspawn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
