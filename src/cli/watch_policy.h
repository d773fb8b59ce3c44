/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch_policy: for whom the policy's files declare a port: what an event of the guard cannot say,
 * since the kernel knows only hashes. The files may be newer than what was applied last.
 */
#pragma once

#include "base/buf.h"
#include "model/policy.h"

struct watch_policy {
	const char *dir;
	struct policy policy;
	int64_t read_s; /* when; 0: not yet */
	struct buf text;
};

/* "nginx.service", "/usr/sbin/sshd, user git"; NULL: nobody, or there is no policy that can be
 * read. Valid until the next call. Not escaped. */
const char *watch_policy_owner(struct watch_policy *w, uint16_t port, enum proto proto,
			       int64_t now_s);
void watch_policy_done(struct watch_policy *w);
