/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_output: the files of a scan that nmap's users know: -oX, -oG, -oN, and -oA for all three.
 * Whether they can be written is looked at before the scan; they are written after it.
 */
#pragma once

#include "base/buf.h"
#include "cli/options.h"
#include "model/scan.h"
#include "model/services.h"

/* What the files are made of. */
struct scan_report {
	const struct scan *scan;
	const struct options *options;
	const struct services *services; /* the site's names of the numbers */
	bool by_connect;
	int64_t begun_s, ended_s; /* since 1970 */
};

enum scan_format { SCAN_XML, SCAN_GREPPABLE, SCAN_NORMAL, SCAN_FORMAT_COUNT };

struct scan_output {
	char *paths[SCAN_FORMAT_COUNT]; /* NULL: not wanted; "-", "/dev/stdout": the standard output
					 */
};

/*
 * Reads which files are wanted, and tries whether they can be written: what is there stays. 0, or a
 * negative errno with a sentence. scan_output_done() in every case.
 */
int scan_output_init(struct scan_output *o, const struct options *options, struct err *e);
void scan_output_done(struct scan_output *o);
/* Goes one of them to the standard output? */
bool scan_output_is_shown(const struct scan_output *o);
/*
 * Writes them: a regular file is replaced in one step, by the whole or not at all; links, devices
 * and pipes are written into. All are tried; 0, or the first negative errno with its sentence.
 */
int scan_output_write(const struct scan_output *o, const struct scan_report *r, struct err *e);
