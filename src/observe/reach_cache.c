/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_cache.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/ties.h"
#include "observe/mirror.h"
#include "observe/reach_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "reach-"

enum { NAME_SIZE = sizeof(PREFIX) + 16, SWEEP_LIMIT = 4096 };

/* --- the key ------------------------------------------------------------------------------------
 */

static void mix(uint64_t *key, uint64_t value)
{
	*key = map_mix(*key, value);
}

static void mix_text(uint64_t *key, const char *text)
{
	mix(key, map_mix(strlen(text), map_hash_bytes(text, strlen(text))));
}

static uint64_t hash_address(const struct address *a)
{
	return map_mix(a->family, map_hash_bytes(a->bytes, sizeof(a->bytes)));
}

static void mix_options(uint64_t *key, const struct reach_options *o)
{
	mix(key, o->full);
	mix(key, hash_address(&o->from));
	mix(key, hash_address(&o->to));
	for (size_t i = 0; i < o->also_count; i++)
		mix(key, hash_address(&o->also[i]));
	mix_text(key, o->in ? o->in : "");
	mix(key, o->protos);
	mix(key, map_mix(o->families, o->only_port));
}

static uint64_t inode_of(const struct snapshot *s, uint32_t netns)
{
	if (netns == 0)
		return 0;
	return netns < s->netns_count ? s->netns[netns].inum : SNAPSHOT_NONE;
}

/*
 * Marks the namespaces that count: only those directly behind an interface of this machine are
 * asked about. By which one is in the key, too.
 */
static bool *mix_ties(uint64_t *key, const struct snapshot *s)
{
	struct ties cleanup_call(ties_done) ties = {0};
	bool *counts = calloc(s->netns_count + 1, sizeof(*counts));
	uint64_t sum = 0;

	if (!counts || ties_find(s, &ties) < 0) {
		free(counts);
		return NULL;
	}
	counts[0] = true;
	for (size_t i = 0; i < ties.count; i++) {
		if (ties.items[i].netns >= s->netns_count)
			continue;
		counts[ties.items[i].netns] = true;
		sum += map_mix(inode_of(s, ties.items[i].netns), ties.items[i].ifindex);
	}
	mix(key, sum);
	return counts;
}

/* Who listens decides which ports and addresses are asked for. They come in any order. */
static void mix_sockets(uint64_t *key, const struct snapshot *s, const bool *counts)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];

		if (socket->kind == SOCKET_PORT && socket->netns < s->netns_count &&
		    counts[socket->netns])
			sum += map_mix(map_mix(inode_of(s, socket->netns), socket->port),
				       hash_address(&socket->address));
	}
	mix(key, sum);
}

/* Of several addresses, the order decides which one is asked for; namespaces come in any. */
static void mix_addresses(uint64_t *key, const struct snapshot *s, const bool *counts)
{
	uint64_t others = 0;

	for (size_t i = 0; i < s->address_count; i++) {
		const struct interface_address *a = &s->addresses[i];
		uint64_t one = map_mix(map_mix(inode_of(s, a->netns), a->ifindex),
				       hash_address(&a->address));

		if (a->netns == 0)
			mix(key, one);
		else if (a->netns < s->netns_count && counts[a->netns])
			others += one;
	}
	mix(key, others);
}

/* What filters a socket is no part of the answers that are kept. */
static void mix_obstacles(uint64_t *key, const struct obstacles *o)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct obstacle *item = &o->items[i];

		if (item->scope == OBSTACLE_SOCKET)
			continue;
		mix(key, map_mix(map_mix(item->scope, item->family), item->ifindex));
		mix_text(key, item->what);
	}
}

/* This very program, in this very language, in this namespace since this start of the machine. */
static bool mix_place(uint64_t *key)
{
	const char *catalogue = ""; /* its translation is the catalogue's heading */
	struct stat namespace, program;
	char boot[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f && !fgets(boot, sizeof(boot), f))
		boot[0] = '\0';
	if (f)
		fclose(f);
	if (!boot[0] || stat("/proc/thread-self/ns/net", &namespace) < 0 ||
	    stat("/proc/self/exe", &program) < 0)
		return false;
	mix_text(key, boot);
	mix(key, map_mix(namespace.st_dev, namespace.st_ino));
	mix(key, map_mix(program.st_dev, program.st_ino));
	mix(key, map_mix((uint64_t)program.st_size, (uint64_t)program.st_mtim.tv_sec));
	mix(key, (uint64_t)program.st_mtim.tv_nsec);
	mix_text(key, PORTERO_VERSION);
	mix_text(key, gettext(catalogue));
	return true;
}

uint64_t reach_cache_key(const struct mirror *m, const struct reach_options *options)
{
	uint64_t key = m->fingerprint;
	bool cleanup_free *counts = NULL;

	if (!mix_place(&key))
		return 0;
	mix_options(&key, options);
	counts = mix_ties(&key, options->snapshot);
	if (!counts)
		return 0;
	mix_sockets(&key, options->snapshot, counts);
	mix_addresses(&key, options->snapshot, counts);
	mix_obstacles(&key, &m->obstacles);
	return key ? key : 1;
}

/* --- files --------------------------------------------------------------------------------------
 */

/* A descriptor of the directory, when nobody else can write there; or -1. */
static int open_place(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 &&
	    (fstat(fd, &st) < 0 || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void name_of(uint64_t key, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, PREFIX "%016" PRIx64, key);
}

static bool read_whole(int fd, size_t len, struct buf *out)
{
	char *to = buf_reserve(out, len);

	while (to && out->len < len) {
		ssize_t n = read(fd, out->data + out->len, len - out->len);

		if (n <= 0)
			return false;
		out->len += (size_t)n;
	}
	return to != NULL;
}

static bool read_file(int place, const char *name, struct buf *out)
{
	int cleanup_close fd = openat(place, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & (S_IRWXG | S_IRWXO) || st.st_size <= 0 || st.st_size > REACH_PACK_LIMIT ||
	    !read_whole(fd, (size_t)st.st_size, out))
		return false;
	futimens(fd, NULL); /* used last: see sweep() */
	return true;
}

bool reach_cache_load(const char *dir, uint64_t key, struct reach *ret)
{
	int cleanup_close place = open_place(dir);
	struct buf cleanup_call(buf_done) bytes = {0};
	char name[NAME_SIZE];

	name_of(key, name);
	if (place < 0 || !read_file(place, name, &bytes))
		return false;
	if (reach_unpack(bytes.data, bytes.len, key, ret) == 0)
		return true;
	reach_done(ret);
	return false;
}

static bool write_whole(int fd, const struct buf *b)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/*
 * Written without a name, and named when it is whole: who is killed leaves nothing behind. One that
 * stands there already (another portero was faster, or it could not be read) makes room.
 */
static void write_file(int place, const char *name, const struct buf *bytes)
{
	int cleanup_close fd = openat(place, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char path[64];

	if (fd < 0 || !write_whole(fd, bytes))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, place, name, AT_SYMLINK_FOLLOW) < 0 && errno == EEXIST &&
	    unlinkat(place, name, 0) == 0 &&
	    linkat(AT_FDCWD, path, place, name, AT_SYMLINK_FOLLOW) < 0)
		return; /* then the next one keeps it */
}

/* Removes the file that was not used for the longest time. False: there are few enough. */
static bool sweep_one(int place)
{
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct timespec oldest = {0};
	char name[NAME_SIZE] = "";
	size_t count = 0;
	const struct dirent *entry;

	if (!d && fd >= 0)
		close(fd);
	while (d && (entry = readdir(d))) {
		struct stat st;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    strlen(entry->d_name) != NAME_SIZE - 1 ||
		    fstatat(place, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		count++;
		if (name[0] &&
		    (st.st_mtim.tv_sec > oldest.tv_sec ||
		     (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec >= oldest.tv_nsec)))
			continue;
		oldest = st.st_mtim;
		memcpy(name, entry->d_name, NAME_SIZE);
	}
	if (d)
		closedir(d);
	return count > REACH_CACHE_FILES && unlinkat(place, name, 0) == 0;
}

void reach_cache_save(const char *dir, uint64_t key, const struct reach *r)
{
	struct buf cleanup_call(buf_done) bytes = {0};
	int cleanup_close place = -1;
	char name[NAME_SIZE];

	reach_pack(r, key, &bytes);
	if (bytes.failed || bytes.len > REACH_PACK_LIMIT)
		return;
	mkdir(dir, 0700); /* it may be there, or not be possible: open_place() sees */
	place = open_place(dir);
	if (place < 0)
		return;
	name_of(key, name);
	write_file(place, name, &bytes);
	for (int i = 0; i < SWEEP_LIMIT && sweep_one(place); i++)
		;
}
