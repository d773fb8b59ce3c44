/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup: what /proc/PID/cgroup says on machines of many kinds, and what somebody who names their
 * own cgroups can make it say.
 */
#include "observe/cgroup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID  "3f4e8d1c2b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define ID2 "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"

/* Parses a heap copy without a NUL, so that an overrun is seen. */
static int parse(const char *text, size_t len, struct cgroup_owner *ret)
{
	char *copy = malloc(len ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	r = cgroup_parse(copy, len, ret);
	free(copy);
	return r;
}

struct expected {
	const char *text, *unit, *runtime, *id;
};

static void expect(const struct expected *x)
{
	struct cgroup_owner o;

	assert_int_equal(parse(x->text, strlen(x->text), &o), 0);
	if (strcmp(o.unit, x->unit) != 0 || strcmp(o.runtime, x->runtime) != 0 ||
	    strcmp(o.container_id, x->id) != 0)
		fail_msg("%s: unit \"%s\", runtime \"%s\", id \"%s\"", x->text, o.unit, o.runtime,
			 o.container_id);
}

static void expect_all(const struct expected *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect(&list[i]);
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void test_units(void **state)
{
	static const struct expected list[] = {
		{"0::/system.slice/nginx.service\n", "nginx.service", "", ""},
		{"0::/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "",
		 ""},
		{"0::/init.scope\n", "init.scope", "", ""},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope", "", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n",
		 "foo.service", "", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal"
		 ".slice/vte-spawn-1.scope\n",
		 "vte-spawn-1.scope", "", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
		 "user@1000.service", "", ""},
		{"0::/system.slice/dev-disk-by\\x2duuid.service\n", "dev-disk-by\\x2duuid.service",
		 "", ""},
		{"0::/system.slice/_cpu.service\n", "cpu.service", "", ""},
		{"0::/system.slice/nginx.service (deleted)\n", "nginx.service", "", ""},
		{"0::/../system.slice/nginx.service\n", "nginx.service", "", ""},
		{"0::/\n", "", "", ""},
		{"0::/my/own/folder\n", "", "", ""},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

static void test_hierarchies(void **state)
{
	static const struct expected list[] = {
		/* v1 with systemd */
		{"12:memory:/system.slice\n1:name=systemd:/system.slice/ssh.service\n0::/\n",
		 "ssh.service", "", ""},
		/* hybrid: systemd's own hierarchy is authoritative */
		{"1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n",
		 "a.service", "", ""},
		{"1:name=systemd:/\n0::/system.slice/b.service\n", "b.service", "", ""},
		/* v1 without systemd (OpenRC, Docker with the cgroupfs driver) */
		{"5:cpu,cpuacct:/\n4:memory:/docker/" ID "\n0::/\n", "", "docker", ID},
		{"4:memory:/docker/" ID, "", "docker", ID},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

static void test_docker_and_podman(void **state)
{
	static const struct expected list[] = {
		{"0::/system.slice/docker-" ID ".scope\n", "docker-" ID ".scope", "docker", ID},
		{"0::/docker/" ID "\n", "", "docker", ID},
		{"0::/machine.slice/libpod-" ID ".scope/container\n", "libpod-" ID ".scope",
		 "podman", ID},
		{"0::/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope\n",
		 "libpod-" ID ".scope", "podman", ID},
		{"0::/libpod_parent/libpod-" ID "\n", "", "podman", ID},
		{"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		 ".scope/container\n",
		 "libpod-" ID ".scope", "podman", ID},
		{"0::/system.slice/web.service/libpod-payload-" ID "\n", "web.service", "podman",
		 ID},
		/* the monitor is on the machine, not in the container */
		{"0::/machine.slice/libpod-conmon-" ID ".scope\n", "libpod-conmon-" ID ".scope", "",
		 ""},
		{"0::/libpod_parent/libpod-conmon-" ID "\n", "", "", ""},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

static void test_kubernetes(void **state)
{
	static const struct expected list[] = {
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b_2c.slice/"
		 "cri-containerd-" ID ".scope\n",
		 "cri-containerd-" ID ".scope", "containerd", ID},
		{"0::/kubepods/burstable/pod0a1b-2c/" ID "\n", "", "containerd", ID},
		{"0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container\n",
		 "crio-" ID ".scope", "cri-o", ID},
		{"0::/kubepods/besteffort/pod1/crio-" ID "\n", "", "cri-o", ID},
		{"0::/kubepods.slice/kubepods-pod1.slice/crio-conmon-" ID ".scope\n",
		 "crio-conmon-" ID ".scope", "", ""},
		{"0::/kubepods.slice/kubepods-pod1.slice/docker-" ID ".scope\n",
		 "docker-" ID ".scope", "docker", ID},
		{"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID "\n",
		 "containerd.service", "containerd", ID},
		{"0::/system.slice/nerdctl-" ID ".scope\n", "nerdctl-" ID ".scope", "containerd",
		 ID},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

static void test_lxc_and_machines(void **state)
{
	static const struct expected list[] = {
		{"0::/lxc.payload.web/system.slice/nginx.service\n", "", "lxc", "web"},
		{"0::/lxc/web/init.scope\n", "", "lxc", "web"},
		{"0::/lxc.monitor.web\n", "", "", ""},
		{"0::/machine.slice/machine-web\\x2d1.scope/payload/system.slice/a.service\n",
		 "machine-web\\x2d1.scope", "systemd-nspawn", "web-1"},
		{"0::/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope\n",
		 "systemd-nspawn@web\\x2d1.service", "systemd-nspawn", "web-1"},
		/* virtual machines are not containers */
		{"0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator\n",
		 "machine-qemu\\x2d1\\x2dvm.scope", "", ""},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

/* A container in a container is, for this machine, the outer one; its units are not ours. */
static void test_nested(void **state)
{
	static const struct expected list[] = {
		{"0::/system.slice/docker-" ID ".scope/kubelet.slice/kubepods.slice/"
		 "cri-containerd-" ID2 ".scope\n",
		 "docker-" ID ".scope", "docker", ID},
		{"0::/docker/" ID "/docker/" ID2 "\n", "", "docker", ID},
		{"0::/docker/" ID "/system.slice/nginx.service\n", "", "docker", ID},
		{"0::/lxc.payload.c1/system.slice/docker-" ID ".scope\n", "", "lxc", "c1"},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

/* Whoever has cgroups delegated may give them any name: the unit stays that of the machine. */
static void test_names_of_others(void **state)
{
	static const struct expected list[] = {
		{"0::/system.slice/evil.service/nginx.service\n", "evil.service", "", ""},
		{"0::/user.slice/user-1000.slice/session-3.scope/sshd.service\n", "session-3.scope",
		 "", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/ssh."
		 "service\n",
		 "x.service", "", ""},
		{"0::/docker/" ID "x\n", "", "", ""},
		{"0::/docker/../../etc\n", "", "", ""},
		{"0::/.service\n", "", "", ""},
		{"0::/system.slice/docker-.scope\n", "docker-.scope", "", ""},
	};

	(void)state;
	expect_all(list, COUNT(list));
}

static void test_user_manager_is_told(void **state)
{
	static const char user[] = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
				   "nginx.service\n";
	static const char machine[] = "0::/system.slice/nginx.service\n";
	static const char neither[] = "0::/system.slice/user@root.service/nginx.service\n";
	struct cgroup_owner o;

	(void)state;
	assert_int_equal(parse(user, strlen(user), &o), 0);
	assert_true(o.in_user);
	assert_int_equal(o.user_uid, 1000);
	assert_int_equal(parse(machine, strlen(machine), &o), 0);
	assert_false(o.in_user);
	assert_int_equal(parse(neither, strlen(neither), &o), 0);
	assert_false(o.in_user);
	assert_string_equal(o.unit, "user@root.service");
}

static void test_path(void **state)
{
	struct cgroup_owner o;
	char text[6000] = "0::/";

	(void)state;
	assert_int_equal(parse("0::/a/b c (deleted)\n", 20, &o), 0);
	assert_string_equal(o.path, "/a/b c");
	/* one that the kernel cannot have: not cut into another path */
	memset(text + 4, 'x', sizeof(text) - 5);
	assert_int_equal(parse(text, sizeof(text) - 1, &o), 0);
	assert_string_equal(o.path, "");
	memcpy(text, "0::/", 4);
	memcpy(text + 300, ".service", 8);
	assert_int_equal(parse(text, 308, &o), 0);
	assert_string_equal(o.unit, "");
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = {"", "\n", "0:", "0::", "0::x", "hello", ":::", "\xff"};
	struct cgroup_owner o;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (parse(texts[i], strlen(texts[i]), &o) == 0 && (o.unit[0] || o.runtime[0]))
			fail_msg("%s was understood", texts[i]);
	assert_int_equal(parse("", 0, &o), -EBADMSG);
	assert_int_equal(parse("0::", 3, &o), -EBADMSG);
	assert_int_equal(parse("1:memory\n", 9, &o), -EBADMSG);
}

/* Every beginning of a good text: it may be less, it is never another container's id. */
static void test_truncated(void **state)
{
	static const char text[] =
		"12:memory:/docker/" ID "\n1:name=systemd:/machine.slice/machine-"
		"a\\x2db.scope\n0::/system.slice/docker-" ID2 ".scope\n";
	struct cgroup_owner o;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		if (parse(text, len, &o) < 0 || strcmp(o.runtime, "docker") != 0)
			continue;
		assert_string_equal(o.container_id, ID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_hierarchies),
		cmocka_unit_test(test_docker_and_podman),
		cmocka_unit_test(test_kubernetes),
		cmocka_unit_test(test_lxc_and_machines),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_names_of_others),
		cmocka_unit_test(test_user_manager_is_told),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
