/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/filter.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/listener_notes.h"
#include "model/registry.h"
#include "model/services.h"

#include <errno.h>
#include <string.h>

int filter_add_word(struct filter *f, const char *word, struct err *e)
{
	enum proto proto;

	if (!word[0])
		return err_set(
			e, -EINVAL,
			_("an empty filter: give a port (443/tcp), a range (1-1024) or a name"));
	if (f->range_count + f->word_count >= FILTER_WORD_LIMIT)
		return err_set(e, -E2BIG, _("more than %d filters"), FILTER_WORD_LIMIT);
	if (port_range_looks_like(word)) {
		int r = port_range_parse(word, &f->ranges[f->range_count], e);

		if (r < 0)
			return r;
		f->range_count++;
		return 0;
	}
	if (proto_parse(word, strlen(word), &proto) == 0)
		return err_set(e, -EINVAL, _("'%s' is a protocol: all of its ports are 1-65535/%s"),
			       word, word);
	f->words[f->word_count++] = word;
	return 0;
}

int filter_set_bound(struct filter *f, const char *id)
{
	for (int i = BOUND_HOST; i <= BOUND_EVERYWHERE; i++) {
		if (strcmp(bound_id((enum bound)i), id) != 0)
			continue;
		f->only_bound = true;
		f->bound = (enum bound)i;
		return 0;
	}
	return -EINVAL;
}

/* The suffix may be left out: nginx means nginx.service, php8.2-fpm means php8.2-fpm.service. */
static bool unit_matches(const char *unit, const char *wanted)
{
	static const char *const suffixes[] = {"", ".service", ".socket", ".scope"};
	size_t len = strlen(wanted);

	if (strncmp(unit, wanted, len) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (strcmp(unit + len, suffixes[i]) == 0)
			return true;
	return false;
}

static bool path_matches(const char *path, const char *wanted)
{
	return strcmp(path, wanted) == 0 || strcmp(text_base_name(path), wanted) == 0;
}

static bool process_matches(const struct snapshot *s, const struct process_info *p,
			    const char *word)
{
	if (path_matches(snapshot_text(s, p->program_str), word) ||
	    strcmp(snapshot_text(s, p->comm_str), word) == 0 ||
	    strcmp(snapshot_text(s, p->package_str), word) == 0 ||
	    unit_matches(snapshot_text(s, p->unit_str), word))
		return true;
	if (p->container == SNAPSHOT_NONE)
		return false;
	return strcmp(snapshot_text(s, s->containers[p->container].name_str), word) == 0 ||
	       strcmp(snapshot_text(s, s->containers[p->container].id_str), word) == 0;
}

static bool activation_unit_matches(const struct snapshot *s, const struct activation_info *a,
				    const char *unit)
{
	return unit_matches(snapshot_text(s, a->service_str), unit) ||
	       unit_matches(snapshot_text(s, a->socket_unit_str), unit);
}

static bool activation_matches(const struct snapshot *s, const struct activation_info *a,
			       const char *word)
{
	return activation_unit_matches(s, a, word) ||
	       path_matches(snapshot_text(s, a->program_str), word);
}

static bool listener_matches_word(const struct snapshot *s, const struct listener_list *list,
				  const struct listener *l, const char *word)
{
	for (uint32_t i = 0; i < l->process_count; i++)
		if (process_matches(s, &s->processes[list->process_indexes[l->first_process + i]],
				    word))
			return true;
	return l->activation != SNAPSHOT_NONE &&
	       activation_matches(s, &s->activations[l->activation], word);
}

/* By every name that the number has, not only by the one that is shown: www, imap. */
static bool service_matches(const struct services *services, uint16_t port, enum proto proto,
			    const char *word)
{
	const char *shown = listener_service_name(services, port, proto);
	struct registry_entry entry;

	if ((shown && strcmp(shown, word) == 0) ||
	    (services && services_has_alias(services, port, proto, word)))
		return true;
	return registry_find(port, proto, &entry) && entry.name && strcmp(entry.name, word) == 0;
}

static bool matches_word(const struct snapshot *s, const struct services *services,
			 const struct listener_list *list, const struct port_row *row,
			 const char *word)
{
	if (service_matches(services, row->port, row->proto, word))
		return true;
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (listener_matches_word(s, list, &list->listeners[row->first_listener + i], word))
			return true;
	return false;
}

/* Whoever has the socket can take its connections: also a worker of another user than the owner. */
static bool matches_user(const struct snapshot *s, const struct listener_list *list,
			 const struct listener *l, uint32_t uid)
{
	for (uint32_t i = 0; i < l->process_count; i++)
		if (s->processes[list->process_indexes[l->first_process + i]].uid == uid)
			return true;
	return l->process_count == 0 && s->sockets[l->socket].uid == uid;
}

static bool matches_user_of_any(const struct snapshot *s, const struct listener_list *list,
				const struct port_row *row, uint32_t uid)
{
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (matches_user(s, list, &list->listeners[row->first_listener + i], uid))
			return true;
	return false;
}

static bool matches_unit(const struct snapshot *s, const struct listener_list *list,
			 const struct listener *l, const char *unit)
{
	for (uint32_t i = 0; i < l->process_count; i++) {
		uint32_t index = list->process_indexes[l->first_process + i];

		if (unit_matches(snapshot_text(s, s->processes[index].unit_str), unit))
			return true;
	}
	return l->activation != SNAPSHOT_NONE &&
	       activation_unit_matches(s, &s->activations[l->activation], unit);
}

/* systemd may hold the addresses of one row for several socket units. */
static bool matches_unit_of_any(const struct snapshot *s, const struct listener_list *list,
				const struct port_row *row, const char *unit)
{
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (matches_unit(s, list, &list->listeners[row->first_listener + i], unit))
			return true;
	return false;
}

static bool matches_port(const struct filter *f, const struct port_row *row)
{
	if (f->protos && !(f->protos & 1u << row->proto))
		return false;
	for (size_t i = 0; i < f->range_count; i++)
		if (port_range_has(&f->ranges[i], row->port, row->proto))
			return true;
	return f->range_count == 0;
}

static bool matches_any_word(const struct filter *f, const struct snapshot *s,
			     const struct services *services, const struct listener_list *list,
			     const struct port_row *row)
{
	for (size_t i = 0; i < f->word_count; i++)
		if (matches_word(s, services, list, row, f->words[i]))
			return true;
	return f->word_count == 0;
}

bool filter_matches(const struct filter *f, const struct snapshot *s,
		    const struct services *services, const struct listener_list *list,
		    const struct port_row *row)
{
	if (!matches_port(f, row) || (f->only_bound && f->bound != row->bound))
		return false;
	if ((f->only_user && !matches_user_of_any(s, list, row, f->uid)) ||
	    (f->unit && !matches_unit_of_any(s, list, row, f->unit)))
		return false;
	return matches_any_word(f, s, services, list, row);
}

void filter_apply(const struct filter *f, const struct snapshot *s, const struct services *services,
		  struct listener_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->row_count; i++)
		if (filter_matches(f, s, services, list, &list->rows[i]))
			list->rows[kept++] = list->rows[i];
	list->row_count = kept;
}
