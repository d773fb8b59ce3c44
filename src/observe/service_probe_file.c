/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_probe_file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 63 };

static void take_over(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	const char *s = probe_scalar(r, n);
	uint8_t *over = data;

	if (strcmp(s, "tcp") == 0)
		*over |= PROBE_OVER_TCP | PROBE_OVER_TLS;
	else if (strcmp(s, "udp") == 0)
		*over |= PROBE_OVER_UDP;
	else
		probe_fail(r, n, "tcp or udp is expected here", s);
}

static void take_port(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	static const struct {
		const char *name;
		uint8_t over;
	} ends[] = {{"/tcp", PROBE_OVER_TCP}, {"/udp", PROBE_OVER_UDP}, {"/tls", PROBE_OVER_TLS}};
	struct probes *p = r->p;
	const char *s = probe_scalar(r, n), *slash = strchr(s, '/'), *dash = strchr(s, '-');
	struct probe_ports to = {0};
	uint64_t first = 0, last;
	size_t len = slash ? (size_t)(slash - s) : 0;

	(void)data;
	for (size_t i = 0; slash && i < ARRAY_LEN(ends); i++)
		if (strcmp(slash, ends[i].name) == 0)
			to.over = ends[i].over;
	if (!to.over || text_parse_number(s, dash ? (size_t)(dash - s) : len, 65535, &first) < 0 ||
	    !first) {
		probe_fail(r, n, "a port such as 443/tls is expected here", s);
		return;
	}
	last = first;
	if (dash && (text_parse_number(dash + 1, len - (size_t)(dash + 1 - s), 65535, &last) < 0 ||
		     last < first)) {
		probe_fail(r, n, "this range of ports is none", s);
		return;
	}
	to.first = (uint16_t)first;
	to.last = (uint16_t)last;
	if (mem_grow(&p->ports, &p->port_cap, p->port_count + 1, sizeof(*p->ports)) < 0) {
		probe_no_memory(r);
		return;
	}
	p->ports[p->port_count++] = to;
	p->files[r->file].port_count++;
}

/* Remembers the name, and returns its number; resolve() puts the request's in its place. */
static int refer(struct probe_reader *r, const yaml_node_t *n)
{
	const char *s = probe_text_of(r, n);

	if (strcmp(s, "greeting") == 0)
		return PROBE_GREETING;
	if (strcmp(s, "tls") == 0)
		return PROBE_TLS;
	if (mem_grow(&r->references, &r->reference_cap, r->reference_count + 1,
		     sizeof(*r->references)) < 0) {
		probe_no_memory(r);
		return PROBE_NONE;
	}
	r->references[r->reference_count] =
		(struct probe_reference){s, (unsigned)n->start_mark.line + 1, r->file};
	return (int)r->reference_count++;
}

static void take_event(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	struct probes *p = r->p;
	int event = refer(r, n);

	(void)data;
	if (event == PROBE_TLS)
		probe_fail(r, n, "tls has no answer that a pattern could fit", NULL);
	if (mem_grow(&p->events, &p->event_cap, p->event_count + 1, sizeof(*p->events)) < 0)
		probe_no_memory(r);
	else
		p->events[p->event_count++] = event;
}

static void request_send(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	((struct probe_request *)q)->send = probe_bytes_of(r, n);
}

static void request_over(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	probe_each(r, n, take_over, &((struct probe_request *)q)->over);
}

static void request_after(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	if (strcmp(probe_scalar(r, n), "greeting") != 0)
		probe_fail(r, n, "only 'greeting' is expected here", NULL);
	((struct probe_request *)q)->after_greeting = true;
}

static void request_rarity(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	((struct probe_request *)q)->rarity = (uint8_t)probe_number(r, n, PROBE_RARITY_LIMIT);
}

static void request_wait(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	((struct probe_request *)q)->wait_ms = (uint32_t)probe_number(r, n, 60000);
}

static void request_until(struct probe_reader *r, const yaml_node_t *n, void *q)
{
	((struct probe_request *)q)->until = probe_pattern(r, n);
}

static const struct probe_key request_keys[] = {
	{"send", request_send},
	{"over", request_over},
	{"after", request_after},
	{"rarity", request_rarity},
	{"wait", request_wait},
	{"until", request_until},
	{NULL, NULL},
};

static void take_request(struct probe_reader *r, const yaml_node_t *name, const yaml_node_t *n)
{
	struct probes *p = r->p;
	struct probe_request *q;
	char whole[2 * NAME_LIMIT + 2];
	const char *own = probe_scalar(r, name);

	if (mem_grow(&p->requests, &p->request_cap, p->request_count + 1, sizeof(*p->requests)) <
	    0) {
		probe_no_memory(r);
		return;
	}
	q = &p->requests[p->request_count++];
	p->files[r->file].request_count++;
	if (!*own || own[strspn(own, "abcdefghijklmnopqrstuvwxyz0123456789-")] ||
	    strlen(own) > NAME_LIMIT || strlen(r->text->name) > NAME_LIMIT)
		probe_fail(r, name, "this name of a request is none", own);
	snprintf(whole, sizeof(whole), "%.*s/%.*s", NAME_LIMIT, r->text->name, NAME_LIMIT, own);
	*q = (struct probe_request){.file = r->file, .wait_ms = PROBE_WAIT_MS};
	q->name = arena_add(&p->texts, whole, strlen(whole));
	if (!q->name)
		probe_no_memory(r);
	probe_mapping(r, n, request_keys, q);
	if (!q->over)
		q->over = PROBE_OVER_TCP | PROBE_OVER_TLS;
	if (!q->send.bytes)
		probe_fail(r, n, "a request needs the key 'send'", NULL);
}

#define TAKE_TEXT(field)                                                                           \
	static void match_##field(struct probe_reader *r, const yaml_node_t *n, void *m)           \
	{                                                                                          \
		((struct probe_match *)m)->says.field = probe_text_of(r, n);                       \
	}
TAKE_TEXT(protocol)
TAKE_TEXT(product)
TAKE_TEXT(version)
TAKE_TEXT(extra)
TAKE_TEXT(host)
TAKE_TEXT(os)

static void match_on(struct probe_reader *r, const yaml_node_t *n, void *m)
{
	struct probe_match *to = m;

	to->on = r->p->event_count;
	probe_each(r, n, take_event, NULL);
	to->on_count = r->p->event_count - to->on;
}

static void match_pattern(struct probe_reader *r, const yaml_node_t *n, void *m)
{
	((struct probe_match *)m)->pattern = probe_pattern(r, n);
}

static void match_confidence(struct probe_reader *r, const yaml_node_t *n, void *m)
{
	char *end = NULL;
	const char *s = probe_scalar(r, n);
	double value = strtod(s, &end);

	if (!*s || *end || !(value > 0 && value <= 1))
		probe_fail(r, n, "a number over 0, up to 1, is expected here", s);
	((struct probe_match *)m)->confidence = value;
}

static void match_weak(struct probe_reader *r, const yaml_node_t *n, void *m)
{
	((struct probe_match *)m)->weak = probe_truth(r, n);
}

static void match_then(struct probe_reader *r, const yaml_node_t *n, void *m)
{
	((struct probe_match *)m)->then = refer(r, n);
}

static const struct probe_key match_keys[] = {
	{"on", match_on},	    {"pattern", match_pattern}, {"protocol", match_protocol},
	{"product", match_product}, {"version", match_version}, {"extra", match_extra},
	{"host", match_host},	    {"os", match_os},		{"confidence", match_confidence},
	{"weak", match_weak},	    {"then", match_then},	{NULL, NULL},
};

static void take_match(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	struct probes *p = r->p;
	struct probe_match *m;

	(void)data;
	if (mem_grow(&p->matches, &p->match_cap, p->match_count + 1, sizeof(*p->matches)) < 0) {
		probe_no_memory(r);
		return;
	}
	m = &p->matches[p->match_count++];
	*m = (struct probe_match){.file = r->file, .then = PROBE_NONE};
	m->line = n ? (unsigned)n->start_mark.line + 1 : 0;
	probe_mapping(r, n, match_keys, m);
	if (!m->on_count || !m->pattern)
		probe_fail(r, n, "a match needs the keys 'on' and 'pattern'", NULL);
	if (!m->says.protocol)
		m->says.protocol = p->files[r->file].protocol;
	if (m->confidence == 0)
		m->confidence = m->says.product ? 0.95 : 0.8;
}

static void note_on(struct probe_reader *r, const yaml_node_t *n, void *t)
{
	struct probe_note *to = t;

	to->on = r->p->event_count;
	probe_each(r, n, take_event, NULL);
	to->on_count = r->p->event_count - to->on;
}

static void note_pattern(struct probe_reader *r, const yaml_node_t *n, void *t)
{
	((struct probe_note *)t)->pattern = probe_pattern(r, n);
}

static void note_name(struct probe_reader *r, const yaml_node_t *n, void *t)
{
	((struct probe_note *)t)->name = probe_text_of(r, n);
}

static void note_value(struct probe_reader *r, const yaml_node_t *n, void *t)
{
	((struct probe_note *)t)->value = probe_text_of(r, n);
}

static const struct probe_key note_keys[] = {
	{"on", note_on}, {"pattern", note_pattern}, {"name", note_name}, {"value", note_value},
	{NULL, NULL},
};

static void take_note(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	struct probes *p = r->p;
	struct probe_note *t;

	(void)data;
	if (mem_grow(&p->notes, &p->note_cap, p->note_count + 1, sizeof(*p->notes)) < 0) {
		probe_no_memory(r);
		return;
	}
	t = &p->notes[p->note_count++];
	*t = (struct probe_note){0};
	probe_mapping(r, n, note_keys, t);
	if (!t->on_count || !t->pattern || !t->name || !t->value)
		probe_fail(r, n, "a note needs the keys 'on', 'pattern', 'name' and 'value'", NULL);
}

static void step_expect(struct probe_reader *r, const yaml_node_t *n, void *s)
{
	((struct probe_step *)s)->expect = probe_pattern(r, n);
}

static void step_send(struct probe_reader *r, const yaml_node_t *n, void *s)
{
	((struct probe_step *)s)->send = probe_bytes_of(r, n);
}

static const struct probe_key step_keys[] = {
	{"expect", step_expect},
	{"send", step_send},
	{NULL, NULL},
};

static void take_step(struct probe_reader *r, const yaml_node_t *n, void *data)
{
	struct probes *p = r->p;
	struct probe_step *s;

	(void)data;
	if (mem_grow(&p->steps, &p->step_cap, p->step_count + 1, sizeof(*p->steps)) < 0) {
		probe_no_memory(r);
		return;
	}
	s = &p->steps[p->step_count++];
	*s = (struct probe_step){0};
	p->files[r->file].step_count++;
	probe_mapping(r, n, step_keys, s);
	if (!s->expect && !s->send.bytes)
		probe_fail(r, n, "a step needs the keys 'expect' or 'send'", NULL);
}

static void file_protocol(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	r->p->files[r->file].protocol = probe_text_of(r, n);
}

static void file_ports(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	probe_each(r, n, take_port, NULL);
}

static void file_greets(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	r->p->files[r->file].greets = probe_truth(r, n);
}

static void file_alone(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	r->p->files[r->file].alone = probe_truth(r, n);
}

static void file_requests(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	if (n->type != YAML_MAPPING_NODE) {
		probe_fail(r, n, "names of requests are expected here, with their keys below",
			   NULL);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		if (!r->code)
			take_request(r, probe_node(r, p->key), probe_node(r, p->value));
}

static void file_matches(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	probe_each(r, n, take_match, NULL);
}

static void file_notes(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	probe_each(r, n, take_note, NULL);
}

static void file_starttls(struct probe_reader *r, const yaml_node_t *n, void *f)
{
	(void)f;
	probe_each(r, n, take_step, NULL);
}

static const struct probe_key file_keys[] = {
	{"protocol", file_protocol}, {"ports", file_ports},	  {"greets", file_greets},
	{"alone", file_alone},	     {"requests", file_requests}, {"matches", file_matches},
	{"notes", file_notes},	     {"starttls", file_starttls}, {NULL, NULL},
};

static void read_document(struct probe_reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	struct probes *p = r->p;

	if (mem_grow(&p->files, &p->file_cap, p->file_count + 1, sizeof(*p->files)) < 0) {
		probe_no_memory(r);
		return;
	}
	r->file = p->file_count++;
	p->files[r->file] = (struct probe_file){
		.name = arena_add(&p->texts, r->text->name, strlen(r->text->name)),
		.port = p->port_count,
		.request = p->request_count,
		.step = p->step_count,
	};
	probe_mapping(r, root, file_keys, NULL);
	if (!p->files[r->file].protocol)
		probe_fail(r, root, "a file needs the key 'protocol', before 'matches'", NULL);
}

void probe_file_read(struct probe_reader *r, const struct probe_text *t)
{
	yaml_parser_t parser;

	r->text = t;
	if (!yaml_parser_initialize(&parser)) {
		probe_no_memory(r);
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)t->text, t->len);
	if (yaml_parser_load(&parser, &r->doc)) {
		read_document(r);
		yaml_document_delete(&r->doc);
	} else {
		r->code = err_set(r->e, -EINVAL, "%s.yaml:%zu: %s", t->name,
				  parser.problem_mark.line + 1,
				  parser.problem ? parser.problem : "this is no YAML");
	}
	yaml_parser_delete(&parser);
}
