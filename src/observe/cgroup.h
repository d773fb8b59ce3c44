/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup: which systemd unit and which container a process belongs to, by the text of its
 * /proc/PID/cgroup (cgroups(7)). Pure. The names in it come from whoever made the cgroup.
 *
 * Sources: systemd's CGROUP_DELEGATION and systemd.unit(5) for units; what Docker, Podman,
 * containerd (CRI), CRI-O, LXC and systemd-nspawn call their cgroups, with the systemd and the
 * cgroupfs driver.
 */
#pragma once

#include <stddef.h>

enum { CGROUP_NAME_SIZE = 256, CGROUP_PATH_SIZE = 1024 };

struct cgroup_owner {
	char unit[CGROUP_NAME_SIZE]; /* last *.service or *.scope of the path, as systemctl shows it
				      */
	char runtime[24]; /* docker, podman, containerd, cri-o, lxc, systemd-nspawn; "" = none */
	char container_id[CGROUP_NAME_SIZE]; /* of the outermost container; "" = none */
	char path[CGROUP_PATH_SIZE];	     /* the path that was judged; cut when longer */
};

/*
 * Of the hierarchies in the text the v1 one of systemd (name=systemd) is judged when it says more
 * than "/", else the v2 one (0::), else the longest path of a v1 controller. 0, or -EBADMSG when
 * there is no line of that form.
 */
int cgroup_parse(const char *text, size_t len, struct cgroup_owner *ret);
