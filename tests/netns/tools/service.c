/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service ADDRESS PORT[/udp]...: what speaks there, as lines of JSON, in the order in which it is
 * known.
 */
#include "observe/service.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TARGETS = 1024 };

static struct service_target targets[TARGETS];

static void add(json_t *to, const char *key, const char *text)
{
	json_object_set_new(to, key, *text ? json_string(text) : json_null());
}

static json_t *tls_of(const struct service_tls *t)
{
	json_t *to = json_object();

	if (!t->spoken) {
		json_decref(to);
		return json_null();
	}
	add(to, "version", t->version);
	add(to, "alpn", t->alpn);
	add(to, "subject", t->subject);
	add(to, "issuer", t->issuer);
	add(to, "names", t->names);
	add(to, "not_after", t->not_after);
	add(to, "key", t->key);
	json_object_set_new(to, "self_signed", json_boolean(t->self_signed));
	return to;
}

static int told(void *data, size_t number, const struct service *s)
{
	json_t *to = json_object(), *notes = json_object();
	char answer[3 * sizeof(s->answer) + 1] = "";

	(void)data;
	json_object_set_new(to, "port", json_integer(ntohs(targets[number].address.v4.sin_port)));
	add(to, "proto", targets[number].udp ? "udp" : "tcp");
	add(to, "end", service_end_name(s->end));
	add(to, "protocol", s->protocol);
	add(to, "product", s->product);
	add(to, "version", s->version);
	add(to, "extra", s->extra);
	add(to, "host", s->host);
	add(to, "os", s->os);
	json_object_set_new(to, "confidence", json_real(s->confidence));
	json_object_set_new(to, "tls", tls_of(&s->tls));
	for (uint32_t i = 0; i < s->note_count; i++)
		add(notes, s->notes[i].name, s->notes[i].value);
	json_object_set_new(to, "notes", notes);
	json_object_set_new(to, "ms", json_integer(s->took_ms));
	json_object_set_new(to, "connections", json_integer(s->connections));
	add(to, "asked", s->asked);
	for (uint32_t i = 0; i < s->answer_len; i++)
		sprintf(answer + 2 * i, "%02x", s->answer[i]);
	add(to, "answer", answer);
	json_dumpf(to, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(to);
	return 0;
}

int main(int argc, char **argv)
{
	const struct service_options options = {0};
	struct err e = {0};
	size_t count = 0;

	for (int i = 2; i < argc && count < TARGETS; i++) {
		struct service_target *t = &targets[count++];
		uint16_t port = htons((uint16_t)atoi(argv[i]));

		t->udp = strstr(argv[i], "/udp") != NULL;
		if (inet_pton(AF_INET, argv[1], &t->address.v4.sin_addr) == 1) {
			t->address.v4.sin_family = AF_INET;
			t->address.v4.sin_port = port;
		} else {
			inet_pton(AF_INET6, argv[1], &t->address.v6.sin6_addr);
			t->address.v6.sin6_family = AF_INET6;
			t->address.v6.sin6_port = port;
		}
	}
	if (service_detect(targets, count, &options, told, NULL, &e) < 0) {
		fprintf(stderr, "service: %s\n", e.msg);
		return 2;
	}
	return 0;
}
