/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_probe_values: values in a file of probes, as libyaml's nodes: texts, bytes, patterns,
 * numbers, keys. What is wrong is said once, with its place, and reading stops. For service_probes.
 */
#pragma once

#include "observe/service_probes.h"

#include <yaml.h>

/* A name of a request that stands in a file, before all are known. */
struct probe_reference {
	const char *name;
	unsigned line;
	size_t file;
};

struct probe_reader {
	struct probes *p;
	struct err *e;
	yaml_document_t doc;
	const struct probe_text *text;
	size_t file;
	int code; /* the first error; nothing more is read */
	struct probe_reference *references;
	size_t reference_count, reference_cap;
};

/* One key of a mapping, and what is done with its value; the list ends with a NULL name. */
struct probe_key {
	const char *name;
	void (*take)(struct probe_reader *, const yaml_node_t *, void *);
};

/* "FILE.yaml:LINE: what: detail"; `at` and `detail` may be NULL. Returns r->code. */
int probe_fail(struct probe_reader *r, const yaml_node_t *at, const char *what, const char *detail);
void probe_no_memory(struct probe_reader *r);
yaml_node_t *probe_node(struct probe_reader *r, int id);

/* Valid as long as the document; "" when it is none, which is then the error. */
const char *probe_scalar(struct probe_reader *r, const yaml_node_t *n);
/* The same, kept in probes.texts. */
const char *probe_text_of(struct probe_reader *r, const yaml_node_t *n);
/* Each character up to U+00FF is one byte. */
struct probe_bytes probe_bytes_of(struct probe_reader *r, const yaml_node_t *n);
/* Compiled; the caller's, NULL after an error. */
pcre2_code *probe_pattern(struct probe_reader *r, const yaml_node_t *n);
uint64_t probe_number(struct probe_reader *r, const yaml_node_t *n, uint64_t max);
bool probe_truth(struct probe_reader *r, const yaml_node_t *n);

/* Calls `take` for a single value, or for each of a list. */
void probe_each(struct probe_reader *r, const yaml_node_t *n,
		void (*take)(struct probe_reader *, const yaml_node_t *, void *), void *data);
/* Calls what stands in `keys` for each of the mapping's. */
void probe_mapping(struct probe_reader *r, const yaml_node_t *n, const struct probe_key *keys,
		   void *data);
