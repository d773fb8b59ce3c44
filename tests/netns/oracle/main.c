/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle: what packets really do. In one namespace `oracle listen` opens a real socket on every
 * port; from another, `oracle scan` knocks at each with a real packet and says what came back. It
 * shares no code with portero, whose judge it is.
 *
 *   oracle [--netns PATH] listen [PORTS]
 *       says "ready" (and which ports others have); lives until its standard input or parent ends
 *   oracle [--netns PATH] scan --from ADDR --to ADDR --iface NAME --mac MAC [--sport N]
 *          [--tries 3] [--many MAC] tcp|udp [PORTS]
 *       SYN-ACK or an answered datagram is "accept", RST or an ICMP error "reject", silence after
 *       all tries "drop". The source belongs to nobody (a kernel must not answer for it); the
 *       scan answers ARP and neighbour solicitations for it. Sent to the host's MAC address, or
 *       with --many to another; with --iface lo the machine asks itself, and the source is its own
 *   oracle [--netns PATH] many [IFACE]
 *       scans of the standard input, all at once: see many.c
 *   oracle [--netns PATH] flush
 *       forgets the tracked connections of the namespace
 */
#include "oracle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

void die(const char *what)
{
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
	exit(1);
}

void die_of_input(const char *what)
{
	fprintf(stderr, "oracle: %s\n", what);
	exit(2);
}

/* "22,80,1000-2000" to a set; NULL: all. */
void parse_ports(const char *text, bool *wanted)
{
	if (!text)
		text = "1-65535";
	while (*text) {
		char *end;
		long first = strtol(text, &end, 10), last = first;

		if (end != text && *end == '-')
			last = strtol(end + 1, &end, 10);
		if (end == text || first < 1 || last < first || last >= PORTS ||
		    (*end && *end != ','))
			die_of_input("ports are like 22,80,1000-2000");
		for (long p = first; p <= last; p++)
			wanted[p] = true;
		text = *end ? end + 1 : end;
	}
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void parse_address(const char *text, struct address *ret)
{
	ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ret->family, text, ret->bytes) != 1)
		die_of_input("not an address");
}

void parse_mac(const char *text, uint8_t *ret)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret[0], &ret[1], &ret[2], &ret[3],
		   &ret[4], &ret[5]) != 6)
		die_of_input("a MAC address is like 02:00:00:00:00:01");
}

static int scan_command(int argc, char **argv)
{
	static struct scan s;
	const char *iface = NULL, *mac = NULL, *many = NULL;
	int i = 0;

	s.tries = 3;
	s.sport = (uint16_t)(33000 + getpid() % 25000);
	s.cookie = (uint32_t)now_ms() << 16 ^ (uint32_t)getpid() << 20;
	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--from") == 0)
			parse_address(argv[i + 1], &s.from);
		else if (strcmp(argv[i], "--to") == 0)
			parse_address(argv[i + 1], &s.to);
		else if (strcmp(argv[i], "--iface") == 0)
			iface = argv[i + 1];
		else if (strcmp(argv[i], "--mac") == 0)
			mac = argv[i + 1];
		else if (strcmp(argv[i], "--many") == 0)
			many = argv[i + 1];
		else if (strcmp(argv[i], "--sport") == 0)
			s.sport = (uint16_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--tries") == 0)
			s.tries = atoi(argv[i + 1]);
		else
			die_of_input("unknown option");
	}
	if (!s.from.family || s.from.family != s.to.family || !iface || !mac || i >= argc)
		die_of_input("scan needs --from, --to, --iface, --mac, and tcp or udp");
	parse_mac(mac, s.host_mac);
	parse_mac(many ? many : mac, s.to_mac);
	s.udp = strcmp(argv[i], "udp") == 0;
	if (!s.udp && strcmp(argv[i], "tcp") != 0)
		die_of_input("tcp or udp");
	parse_ports(i + 1 < argc ? argv[i + 1] : NULL, s.wanted);
	return run_scan(&s, iface);
}

/* A table full of what a scan left drops new packets, and so would look like a rule. */
static int run_flush(void)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg gen;
	} m = {.head = {.nlmsg_len = sizeof(m),
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	       .gen = {.nfgen_family = AF_UNSPEC}};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} reply;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || send(fd, &m, sizeof(m), 0) < 0 ||
	    recv(fd, &reply, sizeof(reply), 0) < (ssize_t)sizeof(reply))
		die("conntrack");
	errno = -reply.error.error;
	if (errno)
		die("conntrack");
	return 0;
}

static int listen_command(const char *ports)
{
	static bool wanted[PORTS];

	parse_ports(ports, wanted);
	return run_listen(wanted);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 3 && strcmp(argv[1], "--netns") == 0) {
		int fd = open(argv[2], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
			die(argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc >= 2 && strcmp(argv[1], "listen") == 0)
		return listen_command(argc > 2 ? argv[2] : NULL);
	if (argc >= 2 && strcmp(argv[1], "scan") == 0)
		return scan_command(argc - 2, argv + 2);
	if (argc >= 2 && strcmp(argv[1], "flush") == 0)
		return run_flush();
	if (argc >= 2 && strcmp(argv[1], "many") == 0)
		return run_many(argc > 2 ? argv[2] : NULL);
	die_of_input("listen, scan, many or flush");
}
