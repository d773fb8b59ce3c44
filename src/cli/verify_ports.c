/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_ports.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/scan_ports.h"
#include "observe/services_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int verify_ports_read(struct verify_look *l, struct err *e)
{
	struct scan_ports cleanup_free *ports = calloc(1, sizeof(*ports));
	struct services cleanup_call(services_done) names = {0};
	struct err ignored;
	int r;

	if (!ports)
		return err_set(e, -ENOMEM, "%s", _("out of memory"));
	if (l->options->by_datagrams && l->options->from)
		return err_set(e, -EINVAL,
			       _("verify -sU looks from a visitor of its own: leave out --from"));
	services_load(&names, "/etc/services", &ignored);
	l->proto = l->options->by_datagrams ? PROTO_UDP : PROTO_TCP;
	r = scan_ports_parse_protos(l->options->ports, l->proto == PROTO_TCP, l->proto == PROTO_UDP,
				    &names, ports, e);
	if (r < 0)
		return r;
	l->port_count = l->proto == PROTO_UDP ? ports->udp_count : ports->tcp_count;
	memcpy(l->ports, l->proto == PROTO_UDP ? ports->udp : ports->tcp,
	       l->port_count * sizeof(*l->ports));
	return 0;
}

void verify_ports_add_bound(struct verify_look *l)
{
	bool cleanup_free *wanted = calloc((size_t)UINT16_MAX + 1, sizeof(*wanted));
	const struct snapshot *s = &l->view.snapshot;

	if (!wanted || l->proto != PROTO_UDP || l->options->ports)
		return;
	for (size_t i = 0; i < l->port_count; i++)
		wanted[l->ports[i]] = true;
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].proto == PROTO_UDP && s->sockets[i].netns == 0)
			wanted[s->sockets[i].port] = true;
	l->port_count = 0;
	for (unsigned port = 1; port <= UINT16_MAX; port++)
		if (wanted[port])
			l->ports[l->port_count++] = (uint16_t)port;
}

int verify_ports_init_scan(const struct verify_look *l, const uint16_t *ports, size_t count,
			   struct scan *s)
{
	bool udp = l->proto == PROTO_UDP;

	return scan_init_both(s, l->targets.items, l->targets.count, ports, udp ? 0 : count,
			      udp ? count : 0);
}
