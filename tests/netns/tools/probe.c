/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: a twin to try things in: the network namespace that it is started in, with TAPs that it
 * makes. Commands come on standard input, one a line; each is answered with lines that end in one
 * that begins with "ok" or "error".
 */
#include "base/mem.h"
#include "base/nl.h"
#include "observe/twin_probe.h"
#include "observe/twin_trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TAPS = 8, PORTS = 65535 };

struct tool {
	struct nl filter;
	int netns;
	struct probe_port taps[TAPS];
	size_t tap_count;
	struct twin_probe *probe;
	struct outcome outcomes[PORTS];
	uint16_t ports[PORTS];
	struct met_doubts met;
};

/* "tap NAME" and "tun NAME": makes one, and says its index. */
static void make_tap(struct tool *t, const char *kind, const char *name)
{
	struct ifreq request = {0};
	struct probe_port *port = &t->taps[t->tap_count];
	bool tun = strcmp(kind, "tun") == 0;

	if (t->tap_count == TAPS) {
		printf("error too many\n");
		return;
	}
	port->tun = tun;
	port->tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = (short)((tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI);
	if (port->tap_fd < 0 || ioctl(port->tap_fd, TUNSETIFF, &request) < 0) {
		printf("error %s\n", strerror(errno));
		return;
	}
	if (!tun && ioctl(port->tap_fd, SIOCGIFHWADDR, &request) == 0)
		memcpy(port->mac, request.ifr_hwaddr.sa_data, sizeof(port->mac));
	port->ifindex = if_nametoindex(name);
	t->tap_count++;
	printf("ok %u\n", port->ifindex);
}

/* "mac NAME": the TAP made last belongs to that bridge. */
static void use_bridge(struct tool *t, const char *name)
{
	struct ifreq request = {0};
	struct probe_port *port = &t->taps[t->tap_count - 1];
	int cleanup_close fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (t->tap_count == 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0) {
		printf("error %s\n", strerror(errno));
		return;
	}
	memcpy(port->mac, request.ifr_hwaddr.sa_data, sizeof(port->mac));
	printf("ok\n");
}

static bool parse_address(const char *text, struct address *ret)
{
	ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(ret->family, text, ret->bytes) == 1;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void print_outcome(const struct outcome *o, const char *end)
{
	char text[ADDRESS_TEXT_SIZE];

	printf("%s", verdict_id(o->verdict));
	if (o->verdict == VERDICT_ACCEPT) {
		address_format(&o->target, text);
		printf(" %s %s %u %u", o->forwarded ? "forward" : "input", text, o->target_port,
		       o->out_ifindex);
	}
	printf("%s", end);
}

/* Treated alike; a target's port may be the same, or follow. */
static bool same(const struct tool *t, size_t first, size_t i)
{
	const struct outcome *a = &t->outcomes[first], *b = &t->outcomes[i];

	return a->verdict == b->verdict && a->forwarded == b->forwarded &&
	       a->out_ifindex == b->out_ifindex && address_equal(&a->target, &b->target) &&
	       (a->target_port == b->target_port ||
		b->target_port - a->target_port == t->ports[i] - t->ports[first]);
}

static void print_outcomes(const struct tool *t, size_t count)
{
	size_t first = 0;

	for (size_t i = 1; i <= count; i++) {
		if (i < count && same(t, first, i) &&
		    (i == first + 1 || same(t, first + 1, i) == same(t, first, i)))
			continue;
		printf("%u-%u ", t->ports[first], t->ports[i - 1]);
		print_outcome(&t->outcomes[first], "\n");
		first = i;
	}
	for (size_t i = 0; i < t->met.count && i < 64; i++)
		printf("doubt %u %u\n", t->ports[t->met.items[i].index], t->met.items[i].doubt);
}

struct question {
	struct flow flow;
	unsigned first, last;
};

static bool parse_question(const char *line, struct question *ret)
{
	char proto[8], source[64], destination[64];
	unsigned ifindex, source_port;

	*ret = (struct question){0};
	if (sscanf(line, "%*s %u %7s %63s %63s %u %u %u", &ifindex, proto, source, destination,
		   &source_port, &ret->first, &ret->last) != 7)
		return false;
	ret->flow.ifindex = ifindex;
	ret->flow.proto = strcmp(proto, "tcp") == 0 ? PROTO_TCP : PROTO_UDP;
	ret->flow.source_port = (uint16_t)source_port;
	return parse_address(source, &ret->flow.source) &&
	       parse_address(destination, &ret->flow.destination) && ret->first >= 1 &&
	       ret->first <= ret->last && ret->last <= PORTS;
}

/* "ask IFINDEX tcp|udp SOURCE DESTINATION SOURCE-PORT FIRST LAST" */
static void ask(struct tool *t, const char *line)
{
	struct question q;
	struct err e = {0};
	size_t count;
	double began;

	if (!t->probe || !parse_question(line, &q)) {
		printf("error what?\n");
		return;
	}
	count = q.last - q.first + 1;
	for (size_t i = 0; i < count; i++)
		t->ports[i] = (uint16_t)(q.first + i);
	began = now_us();
	if (twin_probe(t->probe, &q.flow, t->ports, count, t->outcomes, &t->met, &e) < 0) {
		printf("error %s\n", e.msg);
		return;
	}
	began = now_us() - began;
	print_outcomes(t, count);
	printf("ok %.2f us\n", began / (double)count);
}

static void print_step(const struct trace_step *s)
{
	static const char *const kinds[] = {"?", "policy", "return", "rule"},
				 *const verdicts[] = {"continue", "accept", "drop", "jump",
						      "goto",	  "return", "other"};

	printf("%u %s %s hook %u %s %s %llu %s %s\n", s->family, s->table, s->chain, s->hook,
	       s->type[0] ? s->type : "-", kinds[s->kind], (unsigned long long)s->handle,
	       verdicts[s->verdict], s->to_chain);
}

/* "trace" and the rest as for "ask": FIRST's */
static void trace(struct tool *t, const char *line)
{
	struct trace found = {0};
	struct question q;
	struct err e = {0};
	const struct trace_step *decides;

	if (!t->probe || !parse_question(line, &q)) {
		printf("error what?\n");
		return;
	}
	if (twin_trace(t->probe, &q.flow, (uint16_t)q.first, &found, &e) < 0) {
		printf("error %s\n", e.msg);
		trace_done(&found);
		return;
	}
	for (size_t i = 0; i < found.count; i++)
		print_step(&found.steps[i]);
	decides = trace_decides(found.steps, found.count);
	printf("ok %s %zd\n", verdict_id(found.outcome.verdict),
	       decides ? decides - found.steps : -1);
	trace_done(&found);
}

static void open_probe(struct tool *t)
{
	struct err e = {0};

	twin_probe_free(t->probe);
	t->probe = twin_probe_new(t->netns, &t->filter, t->taps, t->tap_count, &e);
	printf("%s %s\n", t->probe ? "ok" : "error", e.msg);
}

static void load_sinks(struct tool *t, bool split)
{
	struct err e = {0};

	if (split)
		twin_probe_split_sinks(t->probe);
	printf("%s %s\n", twin_probe_load_sinks(t->probe, &e) < 0 ? "error" : "ok", e.msg);
}

static void obey(struct tool *t, const char *line)
{
	char verb[16] = "", name[16] = "";

	if (sscanf(line, "%15s %15s", verb, name) < 1)
		return;
	if (strcmp(verb, "tap") == 0 || strcmp(verb, "tun") == 0)
		make_tap(t, verb, name);
	else if (strcmp(verb, "mac") == 0)
		use_bridge(t, name);
	else if (strcmp(verb, "open") == 0)
		open_probe(t);
	else if (t->probe && (strcmp(verb, "sinks") == 0 || strcmp(verb, "split") == 0))
		load_sinks(t, verb[1] == 'p');
	else if (strcmp(verb, "ask") == 0)
		ask(t, line);
	else if (strcmp(verb, "trace") == 0)
		trace(t, line);
	else
		printf("error what?\n");
	fflush(stdout);
}

int main(void)
{
	struct tool *t = calloc(1, sizeof(*t));
	char *line = NULL;
	size_t size = 0;
	struct err e;

	if (!t || nl_open(&t->filter, NETLINK_NETFILTER, &e) < 0)
		return 1;
	t->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	while (getline(&line, &size, stdin) > 0)
		obey(t, line);
	twin_probe_free(t->probe);
	met_doubts_done(&t->met);
	for (size_t i = 0; i < t->tap_count; i++)
		close(t->taps[i].tap_fd);
	nl_close(&t->filter);
	close(t->netns);
	free(line);
	free(t);
	return 0;
}
