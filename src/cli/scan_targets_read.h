/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_targets_read: the targets and ports of `portero scan` from its command line, names looked
 * up, and held against the scope.
 */
#pragma once

#include "cli/options.h"
#include "decide/scan_targets.h"

struct scan_question {
	struct scan_targets targets;
	uint16_t ports[2 * 65535]; /* TCP's, then UDP's */
	size_t port_count, tcp_count;
};

/* 0, or a negative errno with a sentence. scan_question_done() in every case. */
int scan_question_read(const struct options *o, struct scan_question *q, struct err *e);
/* Are all targets this machine's, or of the scope? 0, or a negative errno with a sentence. */
int scan_question_check_scope(const struct options *o, const struct scan_targets *t, struct err *e);
void scan_question_done(struct scan_question *q);
