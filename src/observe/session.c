/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/session.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANCESTOR_LIMIT = 64, ENVIRONMENT_LIMIT = 4 << 20, STAT_LIMIT = 4096 };

static int parse_address(const char *text, struct address *ret)
{
	struct address a = {0};

	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return -EINVAL;
	address_unmap(&a);
	*ret = a;
	return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
	uint64_t number;

	if (text_parse_number(text, strlen(text), 65535, &number) < 0 || number == 0)
		return -EINVAL;
	*ret = (uint16_t)number;
	return 0;
}

int session_parse(const char *text, struct session_peer *ret)
{
	char client[64], client_port[8], server[64], server_port[8], more;
	struct session_peer peer;

	if (sscanf(text, "%63s %7s %63s %7s %c", client, client_port, server, server_port, &more) !=
	    4)
		return -EINVAL;
	/* a zone, as in fe80::1%eth0, is no part of an address */
	client[strcspn(client, "%")] = server[strcspn(server, "%")] = '\0';
	if (parse_address(client, &peer.client) < 0 || parse_address(server, &peer.server) < 0 ||
	    parse_port(client_port, &peer.client_port) < 0 ||
	    parse_port(server_port, &peer.server_port) < 0)
		return -EINVAL;
	*ret = peer;
	return 0;
}

static bool is_known(const struct session_peer *peers, size_t count,
		     const struct session_peer *peer)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&peers[i].client, &peer->client) &&
		    address_equal(&peers[i].server, &peer->server) &&
		    peers[i].client_port == peer->client_port &&
		    peers[i].server_port == peer->server_port)
			return true;
	return false;
}

static void take(const char *text, struct session_peer *ret, size_t *count, size_t limit)
{
	struct session_peer peer;

	if (*count < limit && session_parse(text, &peer) == 0 && !is_known(ret, *count, &peer))
		ret[(*count)++] = peer;
}

static void look_in(pid_t pid, struct session_peer *ret, size_t *count, size_t limit)
{
	static const char name[] = "SSH_CONNECTION=";
	struct buf cleanup_call(buf_done) all = {0};
	char path[64];
	size_t at = 0;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	if (file_read_at(AT_FDCWD, path, ENVIRONMENT_LIMIT, &all) < 0)
		return;
	while (at < all.len) {
		const char *one = all.data + at;

		if (strncmp(one, name, sizeof(name) - 1) == 0)
			take(one + sizeof(name) - 1, ret, count, limit);
		at += strlen(one) + 1;
	}
}

/* 0: there is none, or it cannot be read. */
static pid_t parent_of(pid_t pid)
{
	struct buf cleanup_call(buf_done) stat = {0};
	const char *end;
	char path[64];
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read_at(AT_FDCWD, path, STAT_LIMIT, &stat) < 0)
		return 0;
	/* the name, in parentheses, may hold anything */
	end = strrchr(buf_text(&stat), ')');
	if (!end ||
	    sscanf(end + 1, " %*c %d", &parent) != 1) // NOLINT(cert-err34-c): from the kernel
		return 0;
	return parent;
}

size_t session_find(struct session_peer *ret, size_t limit)
{
	const char *own = getenv("SSH_CONNECTION");
	pid_t pid = getpid();
	size_t count = 0;

	if (own)
		take(own, ret, &count, limit);
	for (int i = 0; i < ANCESTOR_LIMIT && pid > 1; i++) {
		look_in(pid, ret, &count, limit);
		pid = parent_of(pid);
	}
	return count;
}
