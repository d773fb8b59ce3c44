/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_ports_read.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/scan_ports.h"
#include "model/top_ports.h"
#include "observe/services_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FAST_COUNT = 100 };

/* As many of the ranking as are wanted. */
static int read_top_ports(const char *text, struct scan_ports *ret, struct err *e)
{
	uint64_t count;

	if (text_parse_number(text, strlen(text), top_ports_row_count, &count) < 0 || count == 0)
		return err_set(e, -EINVAL,
			       _("--top-ports cannot be '%.64s': 1 to %zu, as many as the ranking "
				 "has"),
			       text, top_ports_row_count);
	top_ports_take(count, ret->tcp);
	ret->tcp_count = count;
	ret->udp_count = 0;
	return 0;
}

/* The site's names and the registry's; a file that cannot be read leaves these. */
static int read_named(const struct options *o, bool tcp, struct scan_ports *ret, struct err *e)
{
	struct services cleanup_call(services_done) names = {0};
	struct err ignored;

	services_load(&names, "/etc/services", &ignored);
	return scan_ports_parse_protos(o->ports, tcp, o->by_datagrams, &names, ret, e);
}

/* Of UDP the usual ones are hardly more. */
static int take_fast(const struct options *o, bool tcp, struct scan_ports *ret, struct err *e)
{
	int r = scan_ports_parse_protos(NULL, tcp, o->by_datagrams, NULL, ret, e);

	if (r < 0 || !tcp)
		return r;
	top_ports_take(FAST_COUNT, ret->tcp);
	ret->tcp_count = FAST_COUNT;
	return 0;
}

static int choose_ports(const struct options *o, struct scan_ports *ret, struct err *e)
{
	bool tcp = !o->by_datagrams || o->by_packets || o->by_connect;

	if (!!o->ports + !!o->top_ports + o->fast > 1)
		return err_set(e, -EINVAL,
			       _("-p, -F and --top-ports exclude each other: choose one"));
	if (o->fast)
		return take_fast(o, tcp, ret, e);
	if (!o->top_ports)
		return read_named(o, tcp, ret, e);
	if (o->by_datagrams)
		return err_set(e, -EINVAL,
			       _("--top-ports ranks TCP ports: with -sU, say which with -p"));
	return read_top_ports(o->top_ports, ret, e);
}

/* UDP with -sU, and TCP without it, or with -sS or -sT. */
int scan_ports_read(const struct options *o, struct scan_question *q, struct err *e)
{
	struct scan_ports cleanup_free *ports = calloc(1, sizeof(*ports));
	int r;

	if (!ports)
		return err_set(e, -ENOMEM, "%s", _("out of memory"));
	r = choose_ports(o, ports, e);
	if (r < 0)
		return r;
	memcpy(q->ports, ports->tcp, ports->tcp_count * sizeof(q->ports[0]));
	memcpy(q->ports + ports->tcp_count, ports->udp, ports->udp_count * sizeof(q->ports[0]));
	q->tcp_count = ports->tcp_count;
	q->port_count = ports->tcp_count + ports->udp_count;
	return 0;
}
