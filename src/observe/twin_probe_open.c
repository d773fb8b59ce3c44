/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of twin_probe: making one, and trying whether the twin's answers can be believed. */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/ns.h"
#include "observe/twin_probe_inner.h"
#include "observe/twin_sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

struct opening {
	struct twin_probe *p;
	struct err *e;
};

static int open_inside(void *context)
{
	struct opening *o = context;
	int r = nflog_open(&o->p->log, o->e);

	return r < 0 ? r : twin_loop_open(&o->p->loop, o->e);
}

static int watch_taps(struct twin_probe *p, struct err *e)
{
	p->answers = epoll_create1(EPOLL_CLOEXEC);
	if (p->answers < 0)
		return err_set(e, -errno, _("cannot watch the twin's interfaces: %s"),
			       strerror(errno));
	for (size_t i = 0; i < p->port_count; i++) {
		int fd = p->ports[i].tap_fd, flags = fcntl(fd, F_GETFL);
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		    epoll_ctl(p->answers, EPOLL_CTL_ADD, fd, &event) < 0)
			return err_set(e, -errno, _("cannot watch an interface of the twin: %s"),
				       strerror(errno));
	}
	return 0;
}

static int open_all(struct twin_probe *p, const struct probe_port *ports, size_t count,
		    struct err *e)
{
	struct opening o = {.p = p, .e = e};
	int r;

	p->ports = calloc(count + 1, sizeof(*ports));
	if (!p->ports)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (count)
		memcpy(p->ports, ports, count * sizeof(*ports));
	p->port_count = count;
	r = ns_run(p->netns, open_inside, &o, e);
	if (r == 0)
		r = watch_taps(p, e);
	if (r == 0)
		r = twin_probe_load_sinks(p, e);
	return r;
}

int twin_probe_load_sinks(struct twin_probe *p, struct err *e)
{
	int r = p->split_sinks ? -EAFNOSUPPORT : twin_sinks_load(p->filter, false, false, e);

	/* kernels without CONFIG_NF_TABLES_INET */
	if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP || r == -ENOENT) {
		r = twin_sinks_load(p->filter, true, false, e);
		p->split_sinks = r == 0;
	}
	return r;
}

void twin_probe_split_sinks(struct twin_probe *p)
{
	p->split_sinks = true;
}

/* One packet through lo: its verdict, or a negative errno. */
static int ask_lo(struct twin_probe *p, struct err *e)
{
	struct flow flow = {.proto = PROTO_UDP,
			    .source = {.family = AF_INET, .bytes = {127, 0, 0, 1}},
			    .destination = {.family = AF_INET, .bytes = {127, 0, 0, 1}}};
	uint16_t port = 1;
	struct outcome outcome = {0};
	int r = twin_probe(p, &flow, &port, 1, &outcome, NULL, e);

	return r < 0 ? r : (int)outcome.verdict;
}

/*
 * Without rules a packet must be accepted, and with one that drops all it must not: or the sinks do
 * not work, and nothing they say would be true. Where lo is down it cannot be asked.
 */
static int check(struct twin_probe *p, struct err *e)
{
	int open = ask_lo(p, e), shut, r;

	if (open < 0 || open == VERDICT_UNKNOWN)
		return open < 0 ? open : 0;
	r = twin_sinks_load(p->filter, p->split_sinks, true, e);
	if (r < 0)
		return r;
	shut = ask_lo(p, e);
	r = twin_probe_load_sinks(p, e);
	if (r < 0 || shut < 0)
		return r < 0 ? r : shut;
	if (open == VERDICT_ACCEPT && shut == VERDICT_DROP)
		return 0;
	return err_set(e, -EIO,
		       _("the kernel does not answer in the twin: a packet that nothing "
			 "stops does not arrive, or one that is dropped does"));
}

struct twin_probe *twin_probe_new(int netns_fd, struct nl *filter, const struct probe_port *ports,
				  size_t count, struct err *e)
{
	struct twin_probe *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(e, -ENOMEM, _("out of memory"));
		return NULL;
	}
	p->netns = netns_fd;
	p->filter = filter;
	p->connections = (struct twin_connections){.netns = netns_fd, .filter = filter};
	p->answers = -1;
	p->loop = (struct twin_loop){.raw4 = -1, .raw6 = -1, .packet = -1};
	p->next_cookie = 0x10000;
	if (open_all(p, ports, count, e) < 0 || check(p, e) < 0) {
		twin_probe_free(p);
		return NULL;
	}
	return p;
}

void twin_probe_free(struct twin_probe *p)
{
	if (!p)
		return;
	nflog_close(&p->log);
	twin_loop_close(&p->loop);
	mem_close_cleanup(&p->answers);
	free(p->ports);
	free(p);
}

int twin_probe_netns(const struct twin_probe *p)
{
	return p->netns;
}

struct nl *twin_probe_filter(const struct twin_probe *p)
{
	return p->filter;
}

uint32_t twin_probe_next_cookie(const struct twin_probe *p)
{
	return p->next_cookie;
}

void twin_probe_name(const struct twin_probe *p, uint32_t ifindex, char name[IF_NAMESIZE])
{
	struct ifreq request = {.ifr_ifindex = (int)ifindex};

	name[0] = '\0';
	if (ioctl(p->loop.raw4, SIOCGIFNAME, &request) == 0)
		snprintf(name, IF_NAMESIZE, "%s", request.ifr_name);
}
