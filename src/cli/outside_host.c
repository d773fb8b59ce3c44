/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/outside_host.h"
#include "base/mem.h"
#include "cli/json_scan.h"
#include "cli/json_scan_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PORTS = UINT16_MAX + 1,
	LOOK_LIMIT = PORTS, /* of an entry: each is that of a port, or of its service */
};
#define LAST_TIME_S 253402300799 /* the end of the year 9999 */

/* How a port looked last; all zero: it was never asked. */
struct seen {
	uint8_t reply; /* enum scan_reply */
	uint8_t kind;  /* enum verify_kind, or VERIFY_KIND_COUNT: no disagreement */
	uint32_t look;
};

static bool tells_something(uint8_t reply)
{
	return scan_reply_state((enum scan_reply)reply) != SCAN_UNKNOWN;
}

static bool is_open(uint8_t reply)
{
	return scan_reply_state((enum scan_reply)reply) == SCAN_OPEN;
}

json_t *outside_host_look(int64_t time_s, const char *boot)
{
	return json_pack("[I, s]", (json_int_t)time_s, boot);
}

/* --- reading an entry --------------------------------------------------------------------------
 */

static int find_kind(const json_t *id)
{
	const char *text = json_string_value(id);

	if (!id)
		return VERIFY_KIND_COUNT;
	for (int i = 0; text && i < VERIFY_KIND_COUNT; i++)
		if (strcmp(text, verify_kind_id((enum verify_kind)i)) == 0)
			return i;
	return -1;
}

static bool has_look(const json_t *entry, json_int_t look)
{
	return look >= 0 && (size_t)look < json_array_size(json_object_get(entry, "looks"));
}

/* [first, last, "reason", look(, "kind")] */
static int read_interval(const json_t *entry, const json_t *from, json_int_t *first,
			 json_int_t *last, struct seen *ret)
{
	int reply = json_scan_read_reply(json_string_value(json_array_get(from, 2)));
	int kind = find_kind(json_array_get(from, 4));
	json_int_t look = json_is_integer(json_array_get(from, 3))
				  ? json_integer_value(json_array_get(from, 3))
				  : -1;

	*first = json_integer_value(json_array_get(from, 0));
	*last = json_integer_value(json_array_get(from, 1));
	if (reply < 0 || kind < 0 || !has_look(entry, look) || *first < 1 || *last < *first ||
	    *last > UINT16_MAX)
		return -EBADMSG;
	*ret = (struct seen){(uint8_t)reply, (uint8_t)kind, (uint32_t)look};
	return 0;
}

static int read_look(const json_t *entry, json_int_t index, const char *boot,
		     struct outside_look *ret)
{
	const json_t *look = json_array_get(json_object_get(entry, "looks"), (size_t)index);
	const char *its_boot = json_string_value(json_array_get(look, 1)),
		   *from = json_string_value(json_object_get(entry, "from"));
	const json_t *when = json_array_get(look, 0);

	if (!its_boot || !json_is_integer(when) || json_integer_value(when) < 0 ||
	    json_integer_value(when) > LAST_TIME_S)
		return -EBADMSG;
	*ret = (struct outside_look){.time_s = json_integer_value(when),
				     .other_boot = strcmp(its_boot, boot) != 0};
	if (from)
		service_text(ret->from, sizeof(ret->from), from, strlen(from));
	return 0;
}

/* null: nothing is contradicted */
static int read_contradiction(const json_t *from, struct outside_port *ret)
{
	const char *what = json_string_value(json_object_get(from, "what")),
		   *expected = json_string_value(json_object_get(from, "service"));

	if (!from || json_is_null(from))
		return 0;
	for (int i = IMPOSTOR_NONE + 1; what && i < IMPOSTOR_COUNT; i++)
		if (strcmp(what, impostor_id((enum impostor)i)) == 0)
			ret->impostor = (enum impostor)i;
	if (ret->impostor == IMPOSTOR_NONE || !expected || !*expected)
		return -EBADMSG;
	service_text(ret->expected, sizeof(ret->expected), expected, strlen(expected));
	return 0;
}

static int read_service(const json_t *entry, uint16_t port, const char *boot,
			struct outside_port *ret)
{
	char name[8];
	const json_t *from, *look;

	snprintf(name, sizeof(name), "%u", port);
	from = json_object_get(json_object_get(entry, "services"), name);
	if (!from)
		return 0;
	look = json_object_get(from, "look");
	if (!json_is_integer(look) || !has_look(entry, json_integer_value(look)) ||
	    read_look(entry, json_integer_value(look), boot, &ret->heard) < 0)
		return -EBADMSG;
	ret->asked = true;
	json_scan_read_service(json_object_get(from, "service"), &ret->service);
	return read_contradiction(json_object_get(from, "contradicts"), ret);
}

int outside_host_read(const json_t *entry, uint16_t port, const char *boot,
		      struct outside_port *ret)
{
	const json_t *ports = json_object_get(entry, "ports");
	const char *address = json_string_value(json_object_get(entry, "address"));
	struct outside_port p = {.kind = VERIFY_KIND_COUNT};
	struct seen seen = {0}, one;
	json_int_t first, last;

	if (!address || address_parse(address, &p.address) < 0 || !json_is_array(ports))
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(ports); i++) {
		if (read_interval(entry, json_array_get(ports, i), &first, &last, &one) < 0)
			return -EBADMSG;
		if (first <= port && port <= last)
			seen = one;
	}
	if (seen.reply == SCAN_UNASKED)
		return 0;
	p.reply = (enum scan_reply)seen.reply;
	p.kind = (enum verify_kind)seen.kind;
	if (read_look(entry, seen.look, boot, &p.look) < 0 ||
	    read_service(entry, port, boot, &p) < 0)
		return -EBADMSG;
	*ret = p;
	return 1;
}

/* --- a look at it ------------------------------------------------------------------------------
 */

/* An entry that is being made of one that was and a look. */
struct merging {
	struct seen *seen; /* by port */
	json_t *looks;	   /* those of before, then the new one */
	json_t *services;
	uint32_t look; /* the new one's place */
};

static void merging_done(struct merging *m)
{
	free(m->seen);
	json_decref(m->looks);
	json_decref(m->services);
}

static bool has_sound_services(const json_t *entry)
{
	json_t *services = json_object_get(entry, "services"), *one;
	struct outside_port ignored;
	const char *name;

	json_object_foreach(services, name, one)
	{
		unsigned long port = strtoul(name, NULL, 10);
		char same[8];

		memset(&ignored, 0, sizeof(ignored));
		snprintf(same, sizeof(same), "%u", (unsigned)(port & UINT16_MAX));
		if (strcmp(same, name) != 0 ||
		    read_service(entry, (uint16_t)port, "", &ignored) < 0)
			return false;
	}
	return json_is_object(services);
}

/* False: it is nonsense. */
static bool take_before(struct merging *m, const json_t *entry)
{
	const json_t *ports = json_object_get(entry, "ports"),
		     *looks = json_object_get(entry, "looks");
	size_t look_count = json_array_size(looks);
	struct outside_look ignored;
	json_int_t first, last;
	struct seen one;

	if (!json_is_array(ports) || !json_is_array(looks) || look_count > LOOK_LIMIT ||
	    !json_is_object(json_object_get(entry, "services")) || !has_sound_services(entry))
		return false;
	for (size_t i = 0; i < look_count; i++)
		if (read_look(entry, (json_int_t)i, "", &ignored) < 0)
			return false;
	for (size_t i = 0; i < json_array_size(ports); i++) {
		if (read_interval(entry, json_array_get(ports, i), &first, &last, &one) < 0)
			return false;
		for (json_int_t port = first; port <= last; port++)
			m->seen[port] = one;
	}
	return true;
}

static int begin(struct merging *m, const json_t *before, const json_t *look)
{
	json_t *looks = NULL, *services = NULL;

	*m = (struct merging){.seen = calloc(PORTS, sizeof(*m->seen))};
	if (!m->seen)
		return -ENOMEM;
	if (before && take_before(m, before)) {
		looks = json_object_get(before, "looks");
		services = json_object_get(before, "services");
	} else {
		memset(m->seen, 0, PORTS * sizeof(*m->seen));
	}
	m->looks = looks ? json_copy(looks) : json_array();
	m->services = services ? json_copy(services) : json_object();
	m->look = (uint32_t)json_array_size(m->looks);
	return m->services && json_array_append_new(m->looks, json_deep_copy(look)) == 0 ? 0
											 : -ENOMEM;
}

static json_t *pack_contradiction(const struct verify_difference *d)
{
	if (!d)
		return json_null();
	return json_pack("{s:s, s:s}", "what", impostor_id(d->impostor), "service", d->expected);
}

static const struct verify_difference *find_impostor(const struct verify *found,
						     const struct address *a, uint16_t port)
{
	return verify_find(found, &(struct verify_difference){
					  .kind = VERIFY_IMPOSTOR, .address = *a, .port = port});
}

static void take_service(struct merging *m, const struct scan *s, size_t host, size_t port,
			 const struct verify *found)
{
	const struct service *heard = scan_find_service(s, host, port);
	const struct verify_difference *impostor =
		find_impostor(found, &s->hosts[host].address, s->ports[port]);
	uint8_t reply = s->hosts[host].replies[port];
	char name[8];

	snprintf(name, sizeof(name), "%u", s->ports[port]);
	if (tells_something(reply) && !is_open(reply))
		json_object_del(m->services, name);
	else if (heard && heard->end != SERVICE_UNASKED && heard->end != SERVICE_LOST)
		json_object_set_new(m->services, name,
				    json_pack("{s:i, s:o, s:o}", "look", (int)m->look, "service",
					      json_scan_service_whole(heard), "contradicts",
					      pack_contradiction(impostor)));
}

static void take_ports(struct merging *m, const struct scan *s, size_t host,
		       const struct verify *found)
{
	for (size_t i = 0; i < s->tcp_count; i++) {
		struct seen *to = &m->seen[s->ports[i]];
		uint8_t reply = s->hosts[host].replies[i];

		if (reply == SCAN_UNASKED || (!tells_something(reply) && to->reply))
			continue;
		*to = (struct seen){reply, VERIFY_KIND_COUNT, m->look};
		take_service(m, s, host, i, found);
	}
}

/* That an address answers on every port is told of each that did. */
static void take_kinds(struct merging *m, const struct address *a, const struct verify *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct verify_difference *d = &found->differences[i];

		if (d->kind == VERIFY_IMPOSTOR || !address_equal(&d->address, a))
			continue;
		for (unsigned port = d->port; port < PORTS; port++) {
			if (m->seen[port].look == m->look && m->seen[port].reply == d->reply)
				m->seen[port].kind = (uint8_t)d->kind;
			if (d->port)
				break;
		}
	}
}

/* --- writing an entry --------------------------------------------------------------------------
 */

/* The looks that still tell something, and where they stand now: looks[]. */
static json_t *pack_looks(struct merging *m, uint32_t *looks)
{
	json_t *kept = json_array(), *service;
	const char *name;

	for (unsigned port = 0; port < PORTS; port++)
		if (m->seen[port].reply)
			looks[m->seen[port].look] = 1;
	json_object_foreach(m->services, name, service)
		looks[json_integer_value(json_object_get(service, "look"))] = 1;
	for (uint32_t i = 0; i <= m->look; i++) {
		bool used = looks[i] != 0;

		looks[i] = (uint32_t)json_array_size(kept);
		if (used)
			json_array_append(kept, json_array_get(m->looks, i));
	}
	return kept;
}

static json_t *pack_ports(const struct merging *m, const uint32_t *looks)
{
	json_t *list = json_array();

	for (unsigned port = 1, first = 1; port < PORTS; port++) {
		const struct seen *one = &m->seen[port], *next = one + 1;
		json_t *interval;

		if (port + 1 < PORTS && one->reply == next->reply && one->kind == next->kind &&
		    one->look == next->look)
			continue;
		if (one->reply) {
			interval = json_pack("[i, i, s, i]", (int)first, (int)port,
					     scan_reply_reason((enum scan_reply)one->reply),
					     (int)looks[one->look]);
			if (one->kind != VERIFY_KIND_COUNT)
				json_array_append_new(
					interval,
					json_string(verify_kind_id((enum verify_kind)one->kind)));
			json_array_append_new(list, interval);
		}
		first = port + 1;
	}
	return list;
}

static json_t *pack_services(const struct merging *m, const uint32_t *looks)
{
	json_t *kept = json_object(), *service;
	const char *name;

	json_object_foreach(m->services, name, service)
	{
		json_int_t look = json_integer_value(json_object_get(service, "look"));
		json_t *one = json_copy(service);

		json_object_set_new(one, "look", json_integer(looks[look]));
		json_object_set_new(kept, name, one);
	}
	return kept;
}

static json_t *pack(struct merging *m, const struct address *a, const char *from)
{
	uint32_t cleanup_free *looks = calloc((size_t)m->look + 1, sizeof(*looks));
	char text[ADDRESS_TEXT_SIZE];
	json_t *kept;

	if (!looks)
		return NULL;
	address_format(a, text);
	kept = pack_looks(m, looks);
	return json_pack("{s:s, s:s?, s:o, s:o, s:o}", "address", text, "from", *from ? from : NULL,
			 "looks", kept, "ports", pack_ports(m, looks), "services",
			 pack_services(m, looks));
}

json_t *outside_host_merge(const json_t *before, const json_t *look, const char *from,
			   const struct scan *s, size_t host, const struct verify *found)
{
	struct merging cleanup_call(merging_done) m;

	if (begin(&m, before, look) < 0)
		return NULL;
	take_ports(&m, s, host, found);
	take_kinds(&m, &s->hosts[host].address, found);
	return pack(&m, &s->hosts[host].address, from);
}
