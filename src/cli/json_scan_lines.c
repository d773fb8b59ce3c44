/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_scan_lines.h"
#include "cli/json.h"
#include "cli/json_scan.h"

#include <stdio.h>

/* Releases `value`; its members stand behind "schema" and "kind". */
static void print_line(const struct scan_lines *l, const char *kind, json_t *value)
{
	json_t *line = json_pack("{s:s, s:s}", "schema", "portero.scan-line/1", "kind", kind);

	if (!value || !line || json_object_update(line, value) < 0 ||
	    json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REALS) < 0 ||
	    putchar('\n') == EOF || fflush(stdout) != 0)
		*l->stop = 1;
	json_decref(value);
	json_decref(line);
}

void json_scan_lines_begin(const struct scan_lines *l, bool by_connect, int64_t begun_s)
{
	print_line(l, "begin",
		   json_pack("{s:o, s:s, s:I, s:I}", "time", json_scan_time(begun_s), "method",
			     by_connect ? "connect" : "packets", "hosts",
			     (json_int_t)l->scan->host_count, "ports",
			     (json_int_t)l->scan->port_count));
}

static void print_port(const struct scan_lines *l, const char *kind, size_t host, size_t port)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&l->scan->hosts[host].address, address);
	print_line(l, kind,
		   json_pack("{s:s, s:o}", "address", address, "port",
			     json_scan_port(l->scan, host, port)));
}

void json_scan_lines_port(const struct scan_lines *l, size_t host, size_t port)
{
	print_port(l, "port", host, port);
}

void json_scan_lines_service(const struct scan_lines *l, size_t host, size_t port)
{
	print_port(l, "service", host, port);
}

void json_scan_lines_host(const struct scan_lines *l, size_t host)
{
	print_line(l, "host",
		   json_pack("{s:o}", "host", json_scan_host(l->scan, &l->scan->hosts[host])));
}

void json_scan_lines_end(const struct scan_lines *l)
{
	print_line(l, "end",
		   json_pack("{s:b, s:f, s:I, s:I}", "complete", scan_is_complete(l->scan),
			     "seconds", (double)l->scan->took_ns / 1e9, "sent",
			     (json_int_t)l->scan->sent, "answers", (json_int_t)l->scan->answers));
}
