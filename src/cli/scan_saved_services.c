/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_saved_services.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(key, member)                                                                          \
	{                                                                                          \
		key, offsetof(struct service, member), sizeof(((struct service *)0)->member)       \
	}

/* Left out where they are empty. */
static const struct text_member {
	const char *key;
	size_t at, size;
} texts[] = {
	TEXT("protocol", protocol),
	TEXT("product", product),
	TEXT("version", version),
	TEXT("extra", extra),
	TEXT("host_name", host),
	TEXT("os", os),
	TEXT("asked", asked),
	TEXT("tls_version", tls.version),
	TEXT("tls_alpn", tls.alpn),
	TEXT("tls_subject", tls.subject),
	TEXT("tls_issuer", tls.issuer),
	TEXT("tls_names", tls.names),
	TEXT("tls_not_after", tls.not_after),
	TEXT("tls_key", tls.key),
};

/* --- writing -----------------------------------------------------------------------------------
 */

static json_t *pack_notes(const struct service *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->note_count; i++)
		json_array_append_new(list,
				      json_pack("[s, s]", s->notes[i].name, s->notes[i].value));
	return list;
}

static json_t *pack_answer(const struct service *s)
{
	char hex[2 * sizeof(s->answer) + 1] = "";

	for (uint32_t i = 0; i < s->answer_len; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", s->answer[i]);
	return json_string(hex);
}

static json_t *pack(const struct scan_service *service)
{
	const struct service *s = &service->found;
	json_t *to = json_pack("{s:I, s:I, s:s, s:f, s:b, s:b, s:b, s:I, s:I, s:o, s:o}", "host",
			       (json_int_t)service->host, "port", (json_int_t)service->port, "end",
			       service_end_name(s->end), "confidence", s->confidence, "tls",
			       s->tls.spoken, "tls_inside", s->tls.inside, "tls_self_signed",
			       s->tls.self_signed, "took_ms", (json_int_t)s->took_ms, "connections",
			       (json_int_t)s->connections, "notes", pack_notes(s), "answer",
			       pack_answer(s));

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text = (const char *)s + texts[i].at;

		if (*text)
			json_object_set_new(to, texts[i].key, json_string(text));
	}
	return to;
}

static bool is_done(const struct scan *s)
{
	for (size_t i = 0; i < s->host_count; i++)
		if (!s->hosts[i].done)
			return false;
	return true;
}

static void add_service(const struct scan_service *service, struct buf *out)
{
	json_t *value = pack(service);
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text)
		buf_add_text(out, text);
	else
		out->failed = true;
	free(text);
	json_decref(value);
}

void scan_saved_format_services(const struct scan *s, struct buf *out)
{
	bool begun = false;

	if (!is_done(s))
		return;
	for (size_t i = 0; i < s->service_count; i++) {
		if (!service_is_known(&s->services[i].found, 0))
			continue;
		buf_add_text(out, begun ? ",\n" : ",\n\"known_services\":[\n");
		add_service(&s->services[i], out);
		begun = true;
	}
	buf_add_text(out, begun ? "]" : "");
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool take_text(const json_t *from, const struct text_member *member, struct service *to)
{
	const json_t *value = json_object_get(from, member->key);

	if (value && !json_is_string(value))
		return false;
	if (value)
		service_text((char *)to + member->at, member->size, json_string_value(value),
			     json_string_length(value));
	return true;
}

static bool take_number(const json_t *from, const char *key, uint32_t *to)
{
	const json_t *value = json_object_get(from, key);
	json_int_t number = json_integer_value(value);

	*to = (uint32_t)number;
	return json_is_integer(value) && number >= 0 && number <= UINT32_MAX;
}

static bool take_truth(const json_t *from, const char *key, uint8_t *to)
{
	const json_t *value = json_object_get(from, key);

	*to = json_is_true(value);
	return json_is_boolean(value);
}

static bool take_end(const json_t *from, struct service *to)
{
	const char *name = json_string_value(json_object_get(from, "end"));

	for (int i = 0; name && i < SERVICE_END_COUNT; i++)
		if (strcmp(name, service_end_name((enum service_end)i)) == 0) {
			to->end = (enum service_end)i;
			return true;
		}
	return false;
}

static bool take_notes(const json_t *from, struct service *to)
{
	const json_t *list = json_object_get(from, "notes");

	if (!json_is_array(list) || json_array_size(list) > SERVICE_NOTE_LIMIT)
		return false;
	for (; to->note_count < json_array_size(list); to->note_count++) {
		const json_t *note = json_array_get(list, to->note_count);
		struct service_note *n = &to->notes[to->note_count];
		const char *name = json_string_value(json_array_get(note, 0));
		const char *value = json_string_value(json_array_get(note, 1));

		if (!name || !value)
			return false;
		service_text(n->name, sizeof(n->name), name, strlen(name));
		service_text(n->value, sizeof(n->value), value, strlen(value));
	}
	return true;
}

static bool take_answer(const json_t *from, struct service *to)
{
	const char *hex = json_string_value(json_object_get(from, "answer"));
	size_t len = hex ? strlen(hex) : 1;

	if (len % 2 || len / 2 > sizeof(to->answer))
		return false;
	for (; to->answer_len < len / 2; to->answer_len++) {
		uint64_t byte;

		if (text_parse_hex(hex + (size_t)2 * to->answer_len, 2, UINT8_MAX, &byte) < 0)
			return false;
		to->answer[to->answer_len] = (uint8_t)byte;
	}
	return true;
}

static bool take(const json_t *from, struct service *to)
{
	const json_t *confidence = json_object_get(from, "confidence");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!take_text(from, &texts[i], to))
			return false;
	to->confidence = json_number_value(confidence);
	return json_is_number(confidence) && to->confidence >= 0 && to->confidence <= 1 &&
	       take_end(from, to) && take_truth(from, "tls", &to->tls.spoken) &&
	       take_truth(from, "tls_inside", &to->tls.inside) &&
	       take_truth(from, "tls_self_signed", &to->tls.self_signed) &&
	       take_number(from, "took_ms", &to->took_ms) &&
	       take_number(from, "connections", &to->connections) && take_notes(from, to) &&
	       take_answer(from, to) && service_is_known(to, 0);
}

/* The one of services[] that it is about, from *next on: they stand in order. NULL: none. */
static struct scan_service *find(const json_t *from, struct scan *s, size_t *next)
{
	uint32_t host, port;

	if (!take_number(from, "host", &host) || !take_number(from, "port", &port))
		return NULL;
	while (*next < s->service_count) {
		struct scan_service *service = &s->services[(*next)++];

		if (service->host == host && service->port == port)
			return service;
	}
	return NULL;
}

int scan_saved_take_services(const json_t *list, struct scan *s)
{
	const json_t *item;
	size_t i, next = 0;

	if (!list)
		return 0;
	if (!json_array_size(list) || !is_done(s))
		return -EINVAL;
	if (scan_add_services(s) < 0)
		return -ENOMEM;
	json_array_foreach(list, i, item)
	{
		struct scan_service *to = find(item, s, &next);
		struct service found = {0};

		if (!to || !take(item, &found))
			return -EINVAL;
		to->found = found;
	}
	return 0;
}
