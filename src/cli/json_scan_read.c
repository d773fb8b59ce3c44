/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_scan_read.h"
#include "cli/scan_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool is_udp(const json_t *object)
{
	const char *proto = text_of(object, "proto");

	return proto && strcmp(proto, "udp") == 0;
}

/* --- ports -------------------------------------------------------------------------------------
 */

int json_scan_read_reply(const char *reason)
{
	for (int i = 0; reason && i < SCAN_REPLY_COUNT; i++)
		if (strcmp(reason, scan_reply_reason((enum scan_reply)i)) == 0)
			return i;
	return -1;
}

/* -1: an id that this version does not know. */
static int find_trouble(const char *id)
{
	for (int i = SCAN_FINE + 1; id && i < SCAN_TROUBLE_COUNT; i++)
		if (strcmp(id, scan_words_trouble_id((enum scan_trouble)i)) == 0)
			return i;
	return id ? -1 : SCAN_FINE;
}

/* *at: the first port of the scan that no interval before this one had. */
static int take_interval(const struct scan *s, struct scan_host *host, const json_t *interval,
			 size_t *at, json_int_t *last_before)
{
	json_int_t first = json_integer_value(json_object_get(interval, "first")),
		   last = json_integer_value(json_object_get(interval, "last"));
	int reply = json_scan_read_reply(text_of(interval, "reason"));

	if (reply < 0 || first <= *last_before || last < first || last > UINT16_MAX)
		return -EBADMSG;
	*last_before = last;
	while (*at < s->port_count && s->ports[*at] < first)
		(*at)++;
	while (*at < s->port_count && s->ports[*at] <= last)
		host->replies[(*at)++] = (uint8_t)reply;
	return 0;
}

static int take_intervals(const struct scan *s, struct scan_host *host, const json_t *list)
{
	json_int_t last_before = 0;
	size_t at = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interval = json_array_get(list, i);

		if (!is_udp(interval) && take_interval(s, host, interval, &at, &last_before) < 0)
			return -EBADMSG;
	}
	return 0;
}

static struct scan_host *find_host(const struct scan *s, const char *text)
{
	struct address a;

	if (!text || address_parse(text, &a) < 0)
		return NULL;
	for (size_t i = 0; i < s->host_count; i++)
		if (address_equal(&s->hosts[i].address, &a))
			return &s->hosts[i];
	return NULL;
}

static int take_host(struct scan *s, const json_t *from)
{
	struct scan_host *host = find_host(s, text_of(from, "address"));
	int trouble;

	if (!host)
		return -EBADMSG;
	trouble = find_trouble(text_of(from, "trouble"));
	if (trouble < 0)
		return -EBADMSG;
	host->trouble = (enum scan_trouble)trouble;
	return take_intervals(s, host, json_object_get(from, "intervals"));
}

/* --- services ----------------------------------------------------------------------------------
 */

static void take_text(const json_t *from, const char *name, char *to, size_t size)
{
	const char *text = text_of(from, name);

	if (text)
		service_text(to, size, text, strlen(text));
}

static void take_tls(const json_t *from, struct service_tls *ret)
{
	if (!json_is_object(from))
		return;
	ret->spoken = 1;
	ret->inside = json_is_true(json_object_get(from, "inside"));
	take_text(from, "version", ret->version, sizeof(ret->version));
}

void json_scan_read_service(const json_t *from, struct service *ret)
{
	const char *end = text_of(from, "end");

	for (int i = 0; end && i < SERVICE_END_COUNT; i++)
		if (strcmp(end, service_end_name((enum service_end)i)) == 0)
			ret->end = (enum service_end)i;
	take_text(from, "name", ret->protocol, sizeof(ret->protocol));
	take_text(from, "product", ret->product, sizeof(ret->product));
	take_text(from, "version", ret->version, sizeof(ret->version));
	take_text(from, "extra", ret->extra, sizeof(ret->extra));
	ret->confidence = json_number_value(json_object_get(from, "confidence"));
	take_tls(json_object_get(from, "tls"), &ret->tls);
	service_check(ret);
}

/* Those of one host are together, in the order of their ports: *at is the first that is left. */
static void take_port(struct scan *s, size_t host, const json_t *port, size_t *at)
{
	json_int_t number = json_integer_value(json_object_get(port, "port"));

	while (*at < s->service_count && s->services[*at].host == host &&
	       s->ports[s->services[*at].port] < number)
		(*at)++;
	if (*at < s->service_count && s->services[*at].host == host &&
	    s->ports[s->services[*at].port] == number)
		json_scan_read_service(json_object_get(port, "service"), &s->services[*at].found);
}

static void take_services(struct scan *s, const json_t *from)
{
	const json_t *ports = json_object_get(from, "ports");
	size_t host = (size_t)(find_host(s, text_of(from, "address")) - s->hosts), at = 0;

	while (at < s->service_count && s->services[at].host != host)
		at++;
	for (size_t i = 0; i < json_array_size(ports); i++)
		if (!is_udp(json_array_get(ports, i)))
			take_port(s, host, json_array_get(ports, i), &at);
}

/* --- both --------------------------------------------------------------------------------------
 */

static int read_hosts(const json_t *hosts, bool services, struct scan *s)
{
	if (json_array_size(hosts) != s->host_count)
		return -EBADMSG;
	for (size_t i = 0; i < s->host_count; i++)
		if (take_host(s, json_array_get(hosts, i)) < 0)
			return -EBADMSG;
	if (!services)
		return 0;
	s->wants_services = true;
	if (scan_add_services(s) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < s->host_count; i++)
		take_services(s, json_array_get(hosts, i));
	return 0;
}

int json_scan_read(const json_t *root, bool services, struct scan *s)
{
	const char *schema = text_of(root, "schema");

	if (!schema || strcmp(schema, "portero.scan/1") != 0)
		return -EBADMSG;
	return read_hosts(json_object_get(root, "hosts"), services, s);
}
