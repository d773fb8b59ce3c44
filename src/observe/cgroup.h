/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup: which systemd unit and which container a process belongs to, by the text of its
 * /proc/PID/cgroup (cgroups(7)). Pure. The names in it come from whoever made the cgroup.
 *
 * Sources: systemd's CGROUP_DELEGATION.md and cg_path_get_unit() for units; what Docker, Podman,
 * containerd (CRI), CRI-O, LXC and systemd-nspawn call their cgroups, with the systemd and the
 * cgroupfs driver.
 *
 * What a name is worth: below the slices of the machine only its systemd (root) makes cgroups.
 * Below user@UID.service the user does, and may call one like any unit or container: in_user tells.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CGROUP_NAME_SIZE = 256, CGROUP_PATH_SIZE = 4097 };

/* Texts that do not fit are empty; the kernel's own limits (NAME_MAX, PATH_MAX) let all fit. */
struct cgroup_owner {
	/*
	 * The *.service or *.scope of the machine's systemd, as systemctl shows it; of a user's
	 * manager the user's unit, or user@UID.service for the manager itself. A container's own
	 * scope (docker-ID.scope) counts as one; units inside a container do not. "" = none.
	 */
	char unit[CGROUP_NAME_SIZE];
	char runtime[24]; /* docker, podman, containerd, cri-o, lxc, systemd-nspawn; "" = none */
	char container_id[CGROUP_NAME_SIZE]; /* of the outermost container; "" = none */
	char path[CGROUP_PATH_SIZE];	     /* the path that was judged */
	bool in_user;			     /* below the service manager of a user */
	uint32_t user_uid;		     /* and of this one */
};

/*
 * Of the hierarchies in the text the v1 one of systemd (name=systemd) is judged when it says more
 * than "/", else the v2 one (0::), else the longest path of a v1 controller. 0, or -EBADMSG when
 * there is no line of that form.
 */
int cgroup_parse(const char *text, size_t len, struct cgroup_owner *ret);
