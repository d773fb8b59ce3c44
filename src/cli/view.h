/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view: what `status`, `show` and `doctor` have in common: a look at the machine, folded into rows,
 * and the texts of its fields, escaped for where they go.
 */
#pragma once

#include "cli/options.h"
#include "decide/listeners.h"
#include "decide/policy_rows.h"
#include "decide/reach_join.h"
#include "model/services.h"
#include "observe/inventory.h"

struct view {
	const struct options *options;
	struct snapshot snapshot;
	struct services services;
	struct inventory_status status;
	struct listener_list list;
	bool with_reach; /* the firewall was to be looked at: reach and join are filled in */
	struct reach reach;
	struct reach_join join;
	/* of packets from each class, the families (FAMILY_...) by which any could come */
	uint8_t offered[PROTO_COUNT][SOURCE_CLASS_COUNT];
	struct mirror *ahead; /* the firewall, read while the listeners were waited for */
	/* rows of other namespaces that are reached by routing, when the list has only its own */
	struct port_row *behind;
	size_t behind_count;
	/* when other namespaces were looked at only for what is published to them: what could not
	 * be seen of portero's own, and how many gaps the whole look had */
	struct snapshot own_gaps;
	size_t look_gap_count;
	/* words of many rows, translated once: gettext() for each would take longer than the rest
	 */
	struct view_words {
		const char *listening, *everywhere, *this_machine;
		const char *states[PORT_STATE_COUNT];
		const char *notes[NOTE_COUNT]; /* NULL: note_format() */
		const char *declared[DECLARED_COUNT];
		const char *guarded, *impostor;
	} words;
	bool has_policy; /* what is meant to be open is known: `policy` */
	struct policy policy;
	bool clients;		   /* they are in the list, too */
	struct guard_marks *guard; /* what the guard says of listeners; NULL: there is none */
	int64_t now_s;
	bool ascii; /* what goes to this terminal must be ASCII */
	bool colored;
	size_t width; /* columns of the terminal, or 0: as wide as need be */
};

struct view_wish {
	bool cmdlines;
	bool clients;
	uint16_t connections_of;
	bool connections;		 /* of every port */
	bool reach;			 /* look at the firewall too, unless --no-reach */
	const struct reach_options *ask; /* what to ask there; NULL: everything */
	bool policy;			 /* and what is meant to be open */
	bool reach_only;		 /* without owners, which is half of the work */
};

/* All of a view but a look: words, width, colour. Needs no view_done(). */
void view_start(struct view *v, const struct options *options);
/* Looks, and builds the rows. 0, or a negative errno with a sentence. view_done() in every case. */
int view_take(struct view *v, const struct options *options, const struct view_wish *wish,
	      struct err *e);
void view_done(struct view *v);
/*
 * The same look at who listens, with the answers to `ask` (whose snapshot is filled in) for who can
 * reach it. *other shares all the rest with *v, and must be ended before that, by
 * view_done_other(), in every case.
 */
int view_take_other(struct view *other, const struct view *v, const struct reach_options *ask,
		    struct err *e);
void view_done_other(struct view *other);
/* Is that namespace one that is shown: portero's own, or with --all any? */
bool view_shows(const struct view *v, uint32_t netns);
/*
 * What `status` and `show` exit with: EXIT_BLIND when something could not be looked at, else
 * EXIT_DIFFERENT when a row is a finding, else EXIT_DECLARED (enum exit_code).
 */
int view_exit_code(const struct view *v);

/* Escapes a text into `out`, replacing what was there, and returns it. */
const char *view_escape(const struct view *v, const char *text, struct buf *out);

/* The fields of a row, escaped and translated, each appended to `out`. */
void view_port(const struct port_row *row, struct buf *out);
void view_service(const struct view *v, const struct port_row *row, struct buf *out);
void view_state(const struct view *v, const struct port_row *row, struct buf *out);
void view_bound(const struct view *v, const struct port_row *row, bool brief, struct buf *out);
void view_program(const struct view *v, const struct port_row *row, bool brief, struct buf *out);
void view_user(const struct view *v, const struct port_row *row, struct buf *out);
void view_unit(const struct view *v, const struct port_row *row, struct buf *out);
void view_package(const struct view *v, const struct port_row *row, struct buf *out);
void view_notes(const struct view *v, const struct port_row *row, struct buf *out);
/* The column POLICY: "declared", "undeclared", ...; "-" where it needs no opening. */
void view_policy(const struct view *v, const struct port_row *row, struct buf *out);
/* The opening that it is judged by: " (10-web.yaml:12: public web site)"; or nothing. */
void view_policy_place(const struct view *v, const struct port_row *row, struct buf *out);
/* Is it reached from outside, although nobody declared it? */
bool view_is_undeclared(const struct view *v, const struct port_row *row);
/* How a namespace is called: "container docker:web", "network namespace blue". */
void view_netns_name(const struct view *v, uint32_t netns, struct buf *out);
/* The same with one of its processes: "container docker:web (pid 12)". */
void view_netns(const struct view *v, uint32_t netns, struct buf *out);

/* One address as a person reads it: "every address", "10.0.0.5 (eth0)". */
void view_listener_address(const struct view *v, const struct listener *l, struct buf *out);
/* The network of a bound address, "10.0.0.0/24", or "". */
void view_network(const struct view *v, const struct listener *l, struct buf *out);
/* "1,234": the thousands separator is the language's. */
void view_number(unsigned long number, struct buf *out);
/* Prints a sentence as lines that are no wider than the terminal. */
void view_print_line(const struct view *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Prints a text from column `indent` on, where the cursor is, and its next lines below it; narrow
 * terminals get it as it is.
 */
void view_print_indented(const struct view *v, size_t indent, const char *text);
/* "Not seen: what: why. To see it: remedy." */
void view_print_gap(const struct view *v, const char *what, const char *why, const char *remedy);
/* Prints what could not be looked at. */
void view_print_gaps(const struct view *v);
