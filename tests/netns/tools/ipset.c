/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset: what observe/ipset_image does, for tests; FROM and TO are files of network namespaces.
 *   ipset read FROM           each set: index, name, type, elements; a fingerprint
 *   ipset copy FROM TO        how many sets differ, and the first's sentence
 *   ipset record FROM FILE    the messages of the dump, in hexadecimal
 */
#include "base/nl.h"
#include "base/ns.h"
#include "observe/ipset_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_netfilter(void *context)
{
	return nl_open(context, NETLINK_NETFILTER, NULL);
}

static struct nl open_in(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = {0};
	struct nl n = {0};

	if (fd < 0 || ns_run(fd, open_netfilter, &n, &e) < 0) {
		fprintf(stderr, "%s: %s\n", path, e.code ? e.msg : strerror(errno));
		exit(1);
	}
	close(fd);
	return n;
}

static void print(const struct ipset_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		printf("%u %s %s %" PRIu32 "\n", image->sets[i].index, image->sets[i].name,
		       image->sets[i].type, image->sets[i].element_count);
	printf("changing %d\nfingerprint %016" PRIx64 "\n", image->changing,
	       ipset_image_fingerprint(image));
}

static void restart(void *context)
{
	(void)context;
}

/* In the form of struct recorded (tests/unit/unit.h). */
static int write_message(uint16_t type, const void *payload, size_t len, void *context)
{
	FILE *file = context;

	fprintf(file, "%u ", type);
	for (size_t i = 0; i < len; i++)
		fprintf(file, "%02x", ((const uint8_t *)payload)[i]);
	fprintf(file, "\n");
	return 0;
}

static int record(struct nl *n, const char *path, struct err *e)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
		struct nlattr attribute;
		uint8_t protocol, pad[3];
	} request = {.head = {.nlmsg_len = sizeof(request),
			      .nlmsg_type = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST},
		     .family = {.nfgen_family = AF_INET},
		     .attribute = {.nla_len = sizeof(struct nlattr) + 1,
				   .nla_type = IPSET_ATTR_PROTOCOL},
		     .protocol = IPSET_PROTOCOL};
	FILE *file = fopen(path, "w");
	struct nl_dump_ops ops = {restart, write_message, file};
	int r;

	if (!file)
		return 1;
	r = nl_dump(n, &request.head, &ops, e);
	return fclose(file) != 0 || r != 0;
}

int main(int argc, char **argv)
{
	struct ipset_image image = {0};
	struct err e = {0};
	struct nl from, to;
	int r;

	if (argc < 3)
		return 2;
	from = open_in(argv[2]);
	r = ipset_image_read(&image, &from, &e);
	if (r == 0 && strcmp(argv[1], "read") == 0) {
		print(&image);
	} else if (r == 0 && strcmp(argv[1], "record") == 0 && argc > 3) {
		r = record(&from, argv[3], &e);
	} else if (r == 0 && argc > 3) {
		to = open_in(argv[3]);
		r = ipset_image_load(&image, &to, &e);
		nl_close(&to);
	}
	if (r)
		printf("%d %s\n", r, e.msg);
	nl_close(&from);
	ipset_image_done(&image);
	return r != 0;
}
