/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_words: state and reach of a port as a person reads them, appended to `out`, escaped and
 * translated.
 */
#pragma once

#include "cli/view.h"

/* "open", "filtered", ... */
const char *reach_words_state(enum port_state state);
/* "accept", ... as a person says it: "let in", "dropped", ... */
const char *reach_words_verdict(enum verdict verdict);
/* "internet", "private networks", ... */
const char *reach_words_class(enum source_class class);
/* Where the packets of a class come from: "internet", "10.1.0.0/16", "this machine". */
void reach_words_sources(const struct view *v, const struct reach_class *c, struct buf *out);
/* The column REACH of a row: "internet", "internet (IPv4)", "private, limited", "none". */
void reach_words_row(const struct view *v, const struct port_row *row, struct buf *out);
/*
 * Who gets that verdict at the listeners of the row: "internet via eth0, private networks via eth0
 * (IPv6 only)"; appends nothing when nobody does.
 */
void reach_words_ways(const struct view *v, const struct port_row *row, enum verdict verdict,
		      struct buf *out);
/* The same of a port, whether somebody listens on it or not. */
void reach_words_port(const struct view *v, uint16_t port, enum proto proto, enum verdict verdict,
		      struct buf *out);
/* "1-21, 23-79/tcp": at most `limit` ranges, then "and N more". */
struct port_span {
	uint16_t first, last;
};
void reach_words_spans(const struct port_span *spans, size_t count, size_t limit, struct buf *out);
