/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_probes: what is asked of a port, and what the answers mean: data/probes/ as tables. The
 * format is that of data/probes/README.md. Pure: reads the text of files, compiles the patterns
 * (PCRE2, on bytes).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROBE_NONE = -1,
	PROBE_GREETING = -2, /* what a server says unasked */
	PROBE_TLS = -3,	     /* to begin with TLS, and to ask again inside */
	PROBE_RARITY_LIMIT = 9,
	PROBE_WAIT_MS = 2000, /* for an answer, where a file says nothing */
};

/* How a port is spoken to; the bits of `over`. */
enum probe_over { PROBE_OVER_TCP = 1, PROBE_OVER_UDP = 2, PROBE_OVER_TLS = 4 };

struct probe_bytes {
	const char *bytes; /* NULL: none */
	size_t len;
};

struct probe_ports {
	uint16_t first, last;
	uint8_t over; /* one bit */
};

/* What a match says, as texts with groups ("$1"); NULL where it says nothing. */
struct probe_says {
	const char *protocol, *product, *version, *extra, *host, *os;
};

struct probe_match {
	size_t file;
	size_t on, on_count; /* in probes.events: requests, PROBE_GREETING */
	pcre2_code *pattern;
	struct probe_says says;
	double confidence;
	bool weak;
	int then; /* a request, PROBE_TLS or PROBE_NONE */
	unsigned line;
};

struct probe_note {
	size_t on, on_count;
	pcre2_code *pattern;
	const char *name, *value;
};

struct probe_step {
	pcre2_code *expect;
	struct probe_bytes send;
};

struct probe_request {
	const char *name; /* "redis/info" */
	size_t file;
	struct probe_bytes send;
	uint8_t over;
	uint8_t rarity; /* 0: only where the file's ports or a match ask for it */
	bool after_greeting;
	uint32_t wait_ms;
	pcre2_code *until; /* or NULL */
};

struct probe_file {
	const char *name, *protocol;
	bool greets;
	bool alone;		 /* on its ports nothing else is asked, but for what a match says */
	size_t port, port_count; /* in probes.ports */
	size_t request, request_count; /* in probes.requests */
	size_t step, step_count;       /* of STARTTLS, in probes.steps */
};

struct probes {
	struct probe_file *files;
	struct probe_ports *ports;
	struct probe_request *requests;
	struct probe_match *matches;
	struct probe_note *notes;
	struct probe_step *steps;
	int *events;
	size_t file_count, port_count, request_count, match_count, note_count, step_count;
	size_t event_count;
	size_t file_cap, port_cap, request_cap, match_cap, note_cap, step_cap, event_cap;
	struct arena texts;
};

/* The text of one file; its name without ".yaml". */
struct probe_text {
	const char *name, *text;
	size_t len;
};

/* What portero was built with, from data/probes/. */
extern const struct probe_text probe_texts[];
extern const size_t probe_text_count;

/*
 * Reads files into *p (start from {0}). What names another file's request may stand before it.
 * 0, -ENOMEM, or -EINVAL: *e says "FILE:LINE: what is wrong" of the first that is. probes_done() in
 * every case.
 */
int probes_read(struct probes *p, const struct probe_text *texts, size_t count, struct err *e);
void probes_done(struct probes *p);

/* Does the event stand among those of a match or note? */
bool probes_is_on(const struct probes *p, size_t on, size_t on_count, int event);

/* Is the port one of the file's, when it is spoken to so? */
bool probes_has_port(const struct probes *p, const struct probe_file *f, uint16_t port,
		     uint8_t over);
