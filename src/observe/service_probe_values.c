/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_probe_values.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int probe_fail(struct probe_reader *r, const yaml_node_t *at, const char *what, const char *detail)
{
	if (!r->code)
		r->code = err_set(r->e, -EINVAL, "%s.yaml:%zu: %s%s%s", r->text->name,
				  at ? at->start_mark.line + 1 : 0, what, detail ? ": " : "",
				  detail ? detail : "");
	return r->code;
}

void probe_no_memory(struct probe_reader *r)
{
	if (!r->code)
		r->code = err_set(r->e, -ENOMEM, "out of memory");
}

yaml_node_t *probe_node(struct probe_reader *r, int id)
{
	return yaml_document_get_node(&r->doc, id);
}

const char *probe_scalar(struct probe_reader *r, const yaml_node_t *n)
{
	if (!n || n->type != YAML_SCALAR_NODE) {
		probe_fail(r, n, "a text is expected here", NULL);
		return "";
	}
	if (strlen((const char *)n->data.scalar.value) != n->data.scalar.length)
		probe_fail(r, n, "a text without \\0 is expected here", NULL);
	return (const char *)n->data.scalar.value;
}

const char *probe_text_of(struct probe_reader *r, const yaml_node_t *n)
{
	const char *s = probe_scalar(r, n);
	const char *kept = arena_add(&r->p->texts, s, strlen(s));

	if (!kept)
		probe_no_memory(r);
	return kept ? kept : "";
}

struct probe_bytes probe_bytes_of(struct probe_reader *r, const yaml_node_t *n)
{
	struct probe_bytes to = {NULL, 0};
	char cleanup_free *copy = NULL;

	if (!n || n->type != YAML_SCALAR_NODE) {
		probe_fail(r, n, "bytes are expected here", NULL);
		return to;
	}
	copy = malloc(n->data.scalar.length + 1);
	if (!copy) {
		probe_no_memory(r);
		return to;
	}
	for (size_t i = 0; i < n->data.scalar.length;) {
		uint32_t code = 0;
		size_t used = text_decode_utf8((const char *)n->data.scalar.value + i,
					       n->data.scalar.length - i, &code);

		if (!used || code > 0xff) {
			probe_fail(r, n, "no character above \\xff can stand among bytes", NULL);
			return to;
		}
		copy[to.len++] = (char)code;
		i += used;
	}
	to.bytes = arena_add(&r->p->texts, copy, to.len);
	if (!to.bytes)
		probe_no_memory(r);
	return to;
}

pcre2_code *probe_pattern(struct probe_reader *r, const yaml_node_t *n)
{
	struct probe_bytes from = probe_bytes_of(r, n);
	int why = 0;
	PCRE2_SIZE where = 0;
	pcre2_code *code;

	if (r->code)
		return NULL;
	code = pcre2_compile((PCRE2_SPTR)from.bytes, from.len,
			     PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_DOLLAR_ENDONLY, &why, &where,
			     NULL);
	if (!code) {
		char words[128] = "";

		pcre2_get_error_message(why, (PCRE2_UCHAR *)words, sizeof(words));
		probe_fail(r, n, "this pattern is none", words);
		return NULL;
	}
	/* without JIT the interpreter matches */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

uint64_t probe_number(struct probe_reader *r, const yaml_node_t *n, uint64_t max)
{
	const char *s = probe_scalar(r, n);
	uint64_t value = 0;

	if (text_parse_number(s, strlen(s), max, &value) < 0)
		probe_fail(r, n, "this number is none, or too large", s);
	return value;
}

bool probe_truth(struct probe_reader *r, const yaml_node_t *n)
{
	const char *s = probe_scalar(r, n);

	if (strcmp(s, "true") != 0 && strcmp(s, "false") != 0)
		probe_fail(r, n, "true or false is expected here", NULL);
	return strcmp(s, "true") == 0;
}

void probe_each(struct probe_reader *r, const yaml_node_t *n,
		void (*take)(struct probe_reader *, const yaml_node_t *, void *), void *data)
{
	if (!n || n->type != YAML_SEQUENCE_NODE) {
		take(r, n, data);
		return;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++)
		if (!r->code)
			take(r, probe_node(r, *i), data);
}

void probe_mapping(struct probe_reader *r, const yaml_node_t *n, const struct probe_key *keys,
		   void *data)
{
	unsigned seen = 0; /* bits of keys */

	if (!n || n->type != YAML_MAPPING_NODE) {
		probe_fail(r, n, "keys are expected here", NULL);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *at = probe_node(r, p->key);
		const char *name = probe_scalar(r, at);
		const struct probe_key *k = keys;

		while (k->name && strcmp(k->name, name) != 0)
			k++;
		if (!k->name)
			probe_fail(r, at, "there is no such key", name);
		else if (seen & 1u << (k - keys))
			probe_fail(r, at, "this key stands here twice", name);
		if (r->code)
			return;
		seen |= 1u << (k - keys);
		k->take(r, probe_node(r, p->value), data);
	}
}
