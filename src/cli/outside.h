/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outside: what verify saw from outside, kept for who asks later (show): the file outside.json of
 * --state-dir, of each address what was seen last (outside_host). It is read as if anybody had
 * written it.
 */
#pragma once

#include "base/err.h"
#include "decide/verify.h"
#include "model/scan.h"

#include <stdbool.h>
#include <stdint.h>

/* Who looked, and when. */
struct outside_look {
	int64_t time_s;
	char from[64];	 /* --from: the host; "": a visitor on this machine */
	bool other_boot; /* the machine was started since */
};

/* What was seen of one TCP port at one address, by one onlooker. */
struct outside_port {
	struct address address;
	struct outside_look look; /* the newest that could tell its state: */
	enum scan_reply reply;	  /* never SCAN_UNASKED */
	/* what that look and the inside disagreed about; VERIFY_KIND_COUNT: nothing */
	enum verify_kind kind;
	bool asked;		   /* what speaks there: the rest is set */
	struct outside_look heard; /* the newest that heard it */
	struct service service;
	enum impostor impostor; /* and what that contradicts */
	char expected[32];	/* ... the service that should be there */
};

struct outside {
	struct outside_port *ports;
	size_t count, cap;
};

/*
 * Keeps what a look (of TCP ports, with what it and the inside disagreed about) tells, beside what
 * those before it did where this one does not say; and makes the folder if it is not there. 0, or a
 * negative errno with a sentence, and all is as it was before.
 */
int outside_save(const char *state_dir, const struct outside_look *look, const struct scan *s,
		 const struct verify *found, struct err *e);
/*
 * What is known of a TCP port: of each address and onlooker the last that was seen. 0 (also when
 * there is nothing), or a negative errno with a sentence. outside_done() in every case.
 */
int outside_load(const char *state_dir, uint16_t port, struct outside *ret, struct err *e);
void outside_done(struct outside *o);
