/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outside: what verify saw from outside, kept for who asks later (show): the file outside.json of
 * --state-dir, the last looks. It is read as if anybody had written it.
 */
#pragma once

#include "base/err.h"
#include "model/scan.h"

#include <stdbool.h>
#include <stdint.h>

/* Who looked, and when. */
struct outside_look {
	int64_t time_s;
	char from[64];	 /* --from: the host; "": a visitor on this machine */
	bool other_boot; /* the machine was started since */
};

/* What was seen of one TCP port at one address. */
struct outside_port {
	struct outside_look look;
	struct address address;
	enum scan_reply reply; /* never SCAN_UNASKED */
	bool asked;	       /* what speaks there: `service` */
	struct service service;
};

struct outside {
	struct outside_port *ports;
	size_t count, cap;
};

/*
 * Keeps a look (of TCP ports) beside those before it, and makes the folder if it is not there. The
 * look takes the place of older ones of the same onlooker and addresses, if it asked the same ports
 * or all. 0, or a negative errno with a sentence, and all is as it was before.
 */
int outside_save(const char *state_dir, const struct outside_look *look, const struct scan *s,
		 struct err *e);
/*
 * What is known of a TCP port: of each address and onlooker the last look. 0 (also when there is
 * nothing), or a negative errno with a sentence. outside_done() in every case.
 */
int outside_load(const char *state_dir, uint16_t port, struct outside *ret, struct err *e);
void outside_done(struct outside *o);
