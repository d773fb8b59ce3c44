/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_value: the single values of a policy: from a text to what it means, or to a sentence that
 * says what was expected, and what was probably meant. Pure; any text is taken (without NULs).
 *
 * All return 0, or -EINVAL with a sentence; *ret is written on success only.
 */
#pragma once

#include "model/policy.h"

/* "443/tcp", "8000-8100/udp": with a protocol. */
int policy_value_ports(const char *text, struct port_range *ret, struct err *e);
/* "internet", "10.0.0.0/8", "2001:db8::1". The place is left alone. */
int policy_value_source(const char *text, struct policy_source *ret, struct err *e);
/* "10/minute" */
int policy_value_rate(const char *text, uint32_t *ret_count, uint32_t *ret_seconds, struct err *e);
/* RFC 3339: "2026-12-01T00:00:00Z", "2026-12-01T02:00:00+02:00"; "2026-12-01" is 00:00 UTC. */
int policy_value_until(const char *text, int64_t *ret, struct err *e);
/* "eth0", "veth*" */
int policy_value_interface(const char *text, struct err *e);
/* An absolute path. */
int policy_value_program(const char *text, struct err *e);
/* "nginx.service"; "nginx" means that too: `suffix` is then ".service", else "". */
int policy_value_unit(const char *text, const char **ret_suffix, struct err *e);
int policy_value_user(const char *text, struct err *e); /* a name or a number */
int policy_value_container(const char *text, struct err *e);
/* One of the words: *ret is its index. */
int policy_value_word(const char *text, const char *const *words, size_t count, size_t *ret,
		      struct err *e);
