/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_yaml: the text of one file as YAML events, one after the other, each with its place
 * (libyaml's event parser; no tree is built). What a policy has no use for, and what makes YAML
 * dangerous, is a problem here: aliases, anchors, tags, nodes that are nested too deeply, more than
 * one document, NULs and other control characters. Pure: reads bytes that anybody may have written.
 */
#pragma once

#include "model/policy_problems.h"

#include <yaml.h>

enum { POLICY_DEPTH_LIMIT = 8 }; /* nodes within nodes; a policy needs 4 */

struct policy_yaml {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; of type YAML_NO_EVENT before the first */
	unsigned depth;	    /* nodes that are begun, and not ended */
	bool stopped;	    /* the rest of the file cannot be read: that is a problem already */
	bool failed;	    /* out of memory */
	const char *text;
	size_t len;
	uint32_t file_str; /* of the problems */
	struct policy_problems *problems;
};

/* The text and the problems must live longer. policy_yaml_close() in every case. 0 or -ENOMEM. */
int policy_yaml_open(struct policy_yaml *y, const char *file, const char *text, size_t len,
		     struct policy_problems *problems);
void policy_yaml_close(struct policy_yaml *y);

/* Goes to the next event. False at the first that cannot be read: `stopped` or `failed` is set. */
bool policy_yaml_next(struct policy_yaml *y);
/* From the first event of a node to its last. False as above. */
bool policy_yaml_skip(struct policy_yaml *y);
/* Where the current event stands. */
struct policy_place policy_yaml_place(const struct policy_yaml *y);
/*
 * The current event as a text, valid until the next event. NULL when it is none, is empty, has NULs
 * or is longer than POLICY_TEXT_LIMIT: that is then a problem. `expected` is what goes there, for
 * the sentence.
 */
const char *policy_yaml_text(struct policy_yaml *y, const char *expected);
/* Is the current event the text that stands for nothing: "", ~ or null, without quotes? */
bool policy_yaml_is_null(const struct policy_yaml *y);
/* Adds an error at the current event; `other` may be NULL. */
void policy_yaml_error(struct policy_yaml *y, const struct policy_place *other, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));
