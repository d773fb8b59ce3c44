/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container: what a container is called and from which image it is, by the files that its runtime
 * keeps on disk. No runtime is asked or needed. Anything that cannot be read stays unknown. The
 * texts are chosen by whoever made the container, and not escaped; one that does not fit is left
 * out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CONTAINER_TEXT_SIZE = 512 };

struct container_text {
	char name[CONTAINER_TEXT_SIZE];	 /* "" = not known; Kubernetes: namespace/pod/container */
	char image[CONTAINER_TEXT_SIZE]; /* "" = not known */
};

/*
 * Describes the container `id` of `runtime` (cgroup_parse) by files below `root_fd`. `uid` is that
 * of a process inside, whose home may hold a rootless container's files. by_user: that user named
 * the cgroup, so that the machine's own containers, whose id it may have taken, are not looked at.
 * 0; -EINVAL when the id is not one that may stand in a path; -ENOENT when nothing is known of it.
 */
int container_describe(int root_fd, const char *runtime, const char *id, uid_t uid, bool by_user,
		       struct container_text *ret);

/* The parsers, for tests and the fuzzer: 0, or -EBADMSG when the JSON is not of that form. */
int container_parse_docker(const char *json, size_t len, struct container_text *ret);
int container_parse_podman(const char *json, size_t len, const char *id,
			   struct container_text *ret); /* -ENOENT: not in the list */
int container_parse_oci(const char *json, size_t len, struct container_text *ret);
/* LXC's config: the distribution that the template was asked for, in a comment. */
void container_parse_lxc(const char *config, size_t len, struct container_text *ret);
