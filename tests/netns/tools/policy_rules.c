/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_rules: what a policy becomes, without a machine.
 *
 *   policy_rules [OPTION...] rules FILE.yaml...
 *       the nft script
 *   policy_rules [OPTION...] answers FILE.yaml...
 *       for each line IFACE SOURCE PROTO PORT of the standard input, "closed", "rated" or "open",
 *       and the place of the opening; answers that differ between policy_match and
 *       policy_match_ports end it
 *   --link IFACE NETWORK/LEN   a network that the machine is attached to
 *   --now SECONDS, --observe, --no-socket, --vrf
 *
 * What is wrong with the policy is printed, and is an error: exit code 1.
 */
#include "base/text.h"
#include "decide/policy_parse.h"
#include "decide/policy_ruleset.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tool {
	struct policy policy;
	struct policy_links links;
	struct policy_ruleset_wish wish;
	struct policy_answers answers;
	char asked[160]; /* of which `answers` are */
};

static void die(const char *what)
{
	fprintf(stderr, "policy_rules: %s\n", what);
	exit(1);
}

static struct address address_of(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(a.family, text, a.bytes) != 1)
		die("not an address");
	return a;
}

static uint64_t number_of(const char *text, uint64_t max)
{
	uint64_t number;

	if (text_parse_number(text, strlen(text), max, &number) < 0)
		die("not a number");
	return number;
}

static void add_link(struct tool *t, const char *ifname, char *network)
{
	char *slash = strchr(network, '/');
	struct address a;

	if (!slash)
		die("--link needs IFACE NETWORK/LEN");
	*slash = '\0';
	a = address_of(network);
	if (policy_links_add(&t->links, ifname, &a, (uint8_t)number_of(slash + 1, 128)) < 0)
		die("out of memory");
}

static void read_file(struct tool *t, const char *path)
{
	static char text[POLICY_FILE_LIMIT];
	struct policy_problems problems = {0};
	const char *slash = strrchr(path, '/');
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		die(path);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (policy_parse(&t->policy, slash ? slash + 1 : path, text, len, &problems) < 0)
		die("out of memory");
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s:%u: %s\n", path, problems.items[i].place.line,
			strpool_get(&problems.strings, problems.items[i].text_str));
	if (problems.count)
		exit(1);
	policy_problems_done(&problems);
}

static void answer(struct tool *t, const char *ifname, const char *source, const char *proto,
		   const char *port)
{
	static const char *const words[] = {"closed", "rated", "open"};
	struct policy_packet packet = {.ifname = ifname, .source = address_of(source)};
	enum policy_answer found;
	char asked[sizeof(t->asked)];
	uint32_t opening;

	packet.port = (uint16_t)number_of(port, 65535);
	if (proto_parse(proto, strlen(proto), &packet.proto) < 0)
		die("no protocol");
	snprintf(asked, sizeof(asked), "%s %s %s", ifname, source, proto);
	if (strcmp(asked, t->asked) != 0 &&
	    policy_match_ports(&t->policy, &t->links, &packet, t->wish.now_s, &t->answers) < 0)
		die("out of memory");
	memcpy(t->asked, asked, sizeof(asked));
	found = policy_match(&t->policy, &t->links, &packet, t->wish.now_s, &opening);
	if (t->answers.answer[packet.port] != found || t->answers.opening[packet.port] != opening)
		die("policy_match and policy_match_ports differ");
	printf("%s", words[found]);
	if (opening != POLICY_NO_OPENING) {
		const struct policy_place *place = &t->policy.openings[opening].place;

		printf(" %s:%u", policy_text(&t->policy, place->file_str), place->line);
	}
	printf("\n");
}

static void answer_all(struct tool *t)
{
	char line[256], ifname[64], source[64], proto[16], port[16];

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%63s %63s %15s %15s", ifname, source, proto, port) != 4)
			die("a question is IFACE SOURCE PROTO PORT");
		answer(t, ifname, source, proto, port);
	}
}

static void print_rules(struct tool *t)
{
	struct buf out = {0};

	if (policy_ruleset_format(&t->wish, &out) < 0)
		die("out of memory");
	fputs(buf_text(&out), stdout);
	buf_done(&out);
}

static int read_options(struct tool *t, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--link") == 0 && i + 2 < argc) {
			add_link(t, argv[i + 1], argv[i + 2]);
			i += 2;
		} else if (strcmp(argv[i], "--now") == 0 && i + 1 < argc) {
			t->wish.now_s = (int64_t)number_of(argv[++i], INT64_MAX);
		} else if (strcmp(argv[i], "--observe") == 0) {
			t->wish.observe = true;
		} else if (strcmp(argv[i], "--no-socket") == 0) {
			t->wish.no_socket = true;
		} else if (strcmp(argv[i], "--vrf") == 0) {
			t->wish.vrf = true;
		} else {
			die("unknown option");
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	static struct tool t;
	int i;

	t.wish = (struct policy_ruleset_wish){
		.policy = &t.policy, .links = &t.links, .now_s = time(NULL)};
	i = read_options(&t, argc, argv);
	if (i + 1 > argc)
		die("rules or answers");
	for (int file = i + 1; file < argc; file++)
		read_file(&t, argv[file]);
	if (strcmp(argv[i], "answers") == 0)
		answer_all(&t);
	else
		print_rules(&t);
	policy_done(&t.policy);
	policy_links_done(&t.links);
	return 0;
}
