/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_probes.h"
#include "observe/service_probe_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find_request(const struct probes *p, const struct probe_reference *f)
{
	for (size_t i = 0; i < p->request_count; i++) {
		const char *name = p->requests[i].name;

		if (strchr(f->name, '/') ? strcmp(name, f->name) == 0
					 : p->requests[i].file == f->file &&
						   strcmp(strchr(name, '/') + 1, f->name) == 0)
			return (int)i;
	}
	return PROBE_NONE;
}

static void resolve(struct probe_reader *r, int *event)
{
	if (*event < 0 || r->code || !r->references)
		return;
	const struct probe_reference *f = &r->references[*event];

	*event = find_request(r->p, f);
	if (*event == PROBE_NONE)
		r->code = err_set(r->e, -EINVAL, "%s.yaml:%u: there is no request %s",
				  r->p->files[f->file].name, f->line, f->name);
}

int probes_read(struct probes *p, const struct probe_text *texts, size_t count, struct err *e)
{
	struct probe_reader r = {.p = p, .e = e};

	for (size_t i = 0; i < count && !r.code; i++)
		probe_file_read(&r, &texts[i]);
	for (size_t i = 0; i < p->event_count; i++)
		resolve(&r, &p->events[i]);
	for (size_t i = 0; i < p->match_count; i++)
		resolve(&r, &p->matches[i].then);
	free(r.references);
	return r.code;
}

void probes_done(struct probes *p)
{
	for (size_t i = 0; i < p->match_count; i++)
		pcre2_code_free(p->matches[i].pattern);
	for (size_t i = 0; i < p->note_count; i++)
		pcre2_code_free(p->notes[i].pattern);
	for (size_t i = 0; i < p->step_count; i++)
		pcre2_code_free(p->steps[i].expect);
	for (size_t i = 0; i < p->request_count; i++)
		pcre2_code_free(p->requests[i].until);
	free(p->files);
	free(p->ports);
	free(p->requests);
	free(p->matches);
	free(p->notes);
	free(p->steps);
	free(p->events);
	arena_done(&p->texts);
	*p = (struct probes){0};
}

bool probes_is_on(const struct probes *p, size_t on, size_t on_count, int event)
{
	for (size_t i = 0; i < on_count; i++)
		if (p->events[on + i] == event)
			return true;
	return false;
}

bool probes_has_port(const struct probes *p, const struct probe_file *f, uint16_t port,
		     uint8_t over)
{
	for (size_t i = 0; i < f->port_count; i++) {
		const struct probe_ports *at = &p->ports[f->port + i];

		if ((at->over & over) && at->first <= port && port <= at->last)
			return true;
	}
	return false;
}
