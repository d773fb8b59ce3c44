/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services_fuzz: any bytes as /etc/services. Besides memory errors, it looks for names that could
 * act on a terminal, and for a second reading of the same bytes that adds to the first.
 */
#include "model/services.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SERVICES_NAME_LIMIT)
		abort();
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= 0x20 || (unsigned char)name[i] >= 0x7f)
			abort();
}

static void check_table(const struct services *s)
{
	for (size_t i = 0; i < s->by_port.size; i++) {
		const struct map_slot *slot = &s->by_port.slots[i];
		uint16_t port = (uint16_t)(slot->key / PROTO_COUNT);

		if (!slot->value_plus_one)
			continue;
		if (port == 0 || slot->key / PROTO_COUNT > UINT16_MAX)
			abort();
		check_name(services_name(s, port, (enum proto)(slot->key % PROTO_COUNT)));
		if (services_has_alias(s, port, (enum proto)(slot->key % PROTO_COUNT), ""))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct services s = {0};
	size_t count;

	services_parse(&s, (const char *)data, size);
	check_table(&s);
	count = s.by_port.count;
	services_parse(&s, (const char *)data, size);
	if (s.by_port.count != count)
		abort();
	services_done(&s);
	return 0;
}
