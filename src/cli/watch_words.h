/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch_words: what an event of the guard says, in a line for people.
 */
#pragma once

#include "base/buf.h"
#include "observe/guard_who.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a line said of who it was: the next one of the same says the same, and to look it up, escape
 * and print it again is most of what a line takes. Zeroed to begin with.
 */
struct watch_said {
	uint64_t serial; /* of the guard_who that it is about; 0: of none */
	uint32_t flags;	 /* of the identity, as its name and start are */
	char name[sizeof(((struct guard_identity *)0)->name)];
	int64_t start_ns;
	struct buf text;
	size_t cut; /* two pieces: where the second begins */
};

/* An event, and what else is known of it. */
struct watch_event {
	const struct guard_event *event;
	const struct guard_who *who;
	const char *owner;	 /* for whom the policy declares the port; NULL: not known */
	int64_t time_ns;	 /* since the epoch */
	int64_t start_ns;	 /* when the process began, the same; 0: not known */
	struct watch_said *said; /* of w->who->slot, to be used and filled; NULL: there is none */
};

/* "2026-11-26 15:04:05.123" of the wall's clock here, and two spaces. */
void watch_words_time(int64_t time_ns, struct buf *out);
/* A line without its newline; foreign text is escaped, into ASCII alone if need be. */
void watch_words_add(const struct watch_event *w, bool ascii, bool colored, struct buf *out);
/* Is what was said of who it was still so? A clock that is set by less than 1 ms does not matter.
 */
bool watch_words_holds(const struct watch_said *said, const struct watch_event *w);
/* What is in said->text now was said of that one. */
void watch_words_keep(struct watch_said *said, const struct watch_event *w);
void watch_words_forget(struct watch_said *said); /* frees what is in it; it can be used again */
/* A bind that nobody judges, since it is in a namespace that is not guarded, is a bind. */
enum guard_event_kind watch_words_kind(const struct guard_event *e);
/* "tcp", "udp", "udplite"; of a raw socket "icmp" or a number. */
const char *watch_words_proto(const struct guard_event *e, char room[16]);
