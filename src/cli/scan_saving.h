/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_saving: the file of --save and --resume: how far a scan is, every few seconds, so that
 * whoever ends portero, and however, the scan can go on later. The file is replaced in one step.
 */
#pragma once

#include "cli/options.h"
#include "cli/scan_saved.h"

struct scan_saving {
	const char *path; /* NULL: nothing is saved */
	struct scan_saved *state;
	const struct scan *scan;
	struct err failed; /* the first time that it could not be written */
	uint64_t due_ms;   /* when services are written again */
};

/*
 * --resume: reads the file, makes *s, and takes what was asked for: *wish (with what to go on with,
 * which lives as long as *v), of *o the way and the services, *begun_s. 0, or a negative errno with
 * a sentence. scan_saving_done() in every case.
 */
int scan_saving_resume(struct scan_saving *v, struct options *o, struct scan *s,
		       struct scan_wish *wish, int64_t *begun_s, struct err *e);
/* --save: writes the first state, into a file that is not there yet. The same. */
int scan_saving_begin(struct scan_saving *v, const struct options *o, const struct scan *s,
		      const struct scan_wish *wish, int64_t begun_s, struct err *e);
/* Writes how far it is; returns in how many ms it is to be called again. What fails is kept. */
uint32_t scan_saving_save(struct scan_saving *v, const struct scan_memory *m);
/* One more service is known: writes that, now and then. */
void scan_saving_service(struct scan_saving *v);
/* The ports are all known; what is known of their services: the last state. */
void scan_saving_end(struct scan_saving *v);
void scan_saving_done(struct scan_saving *v);
