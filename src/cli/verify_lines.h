/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_lines: sentences about ports, of which each is told once with all addresses that it is
 * true of: "53/udp (10.5.0.1, fd05::1): ...".
 */
#pragma once

#include "cli/view.h"

struct verify_line {
	uint16_t port;
	struct address address;
	char *text;
};

struct verify_lines {
	struct verify_line *items;
	size_t count, cap;
	bool failed; /* out of memory: some are missing */
};

/* The text is copied, and not escaped yet. */
void verify_lines_add(struct verify_lines *lines, uint16_t port, const struct address *a,
		      const char *text);
/* In the order of their ports; escaped, and no wider than the terminal. */
void verify_lines_print(struct verify_lines *lines, const struct view *v, enum proto proto);
void verify_lines_done(struct verify_lines *lines);
