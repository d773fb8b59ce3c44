/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit_file_fuzz: any bytes as a unit file of systemd, and each value in it as an address to listen
 * on and as a command.
 */
#include "observe/socket_unit.h"
#include "observe/unit_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const char *value)
{
	static const struct address any = {.family = AF_INET6};
	struct address one = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
	char program[64];

	if (socket_unit_listens(value, &any, 80) && socket_unit_listens(value, &one, 80))
		abort(); /* no single value means both */
	socket_unit_program(value, program, sizeof(program));
	if (!memchr(program, 0, sizeof(program)) || (program[0] && program[0] != '/'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unit_line line = {.cut = false};
	size_t at = 0, before = 0;

	while (unit_file_next((const char *)data, size, &at, &line)) {
		if (at <= before || at > size)
			abort();
		before = at;
		if (strlen(line.value) >= sizeof(line.value) || strchr(line.key, '='))
			abort();
		check_value(line.value);
	}
	return 0;
}
