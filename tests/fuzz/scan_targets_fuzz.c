/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_targets_fuzz: any text as a scope file, a network, a range and a list of ports. It looks for
 * refusals without a sentence, networks with bits behind their prefix, and ports out of order.
 */
#include "decide/scan_ports.h"
#include "decide/scan_targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void try_protos(const char *text, bool tcp, bool udp)
{
	static struct scan_ports ports;
	struct err e = {0};
	int r = strlen(text) > 64 /* each name is looked for at each port */
			? 0
			: scan_ports_parse_protos(text, tcp, udp, NULL, &ports, &e);

	if (r > 0 || (r < 0 && !e.msg[0]) ||
	    (r == 0 && strlen(text) <= 64 && (!ports.tcp_count == tcp || !ports.udp_count == udp)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_network(const char *text)
{
	struct network n;
	struct err e = {0};
	int r = network_parse(text, &n, &e);
	struct address masked;

	if (r < 0) {
		if (r != -ENOENT && !e.msg[0])
			abort();
		return;
	}
	masked = address_network(&n.address, n.bits);
	if (!address_equal(&masked, &n.address))
		abort();
}

static void try_range(const char *text)
{
	struct scan_range range;
	struct err e = {0};
	int r = scan_range_parse(text, &range, &e);
	struct address first, last;

	if (r < 0) {
		if (r != -ENOENT && !e.msg[0])
			abort();
		return;
	}
	first = scan_range_at(&range, 0);
	last = scan_range_at(&range, scan_range_count(&range) - 1);
	if (!scan_range_has(&range, &first) || !scan_range_has(&range, &last))
		abort();
}

static void try_ports(const char *text)
{
	static uint16_t ports[65535];
	struct err e = {0};
	int count = scan_ports_parse(text, ports, &e);

	if (count == 0 || (count < 0 && !e.msg[0]))
		abort();
	for (int i = 1; i < count; i++)
		if (ports[i] <= ports[i - 1])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct probe_scope s;
	struct err e = {0};

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (probe_scope_parse(&s, "f", text, size, &e) < 0 && !e.msg[0])
		abort();
	probe_scope_done(&s);
	try_network(text);
	try_range(text);
	try_ports(text);
	try_protos(text, true, true);
	try_protos(text, false, true);
	try_protos(text, true, false);
	free(text);
	return 0;
}
