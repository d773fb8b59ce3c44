/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/guard_ring.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	PATH_SIZE = 512,
	LOCKS_LIMIT = 1 << 20,
	STEP_MS = 1,  /* how long is slept while events come close together */
	QUIET_MS = 10 /* without one for that long, the kernel wakes */
};

static const char ring_name[] = "guard_ring";

static unsigned long load_position(const uint8_t *page)
{
	return __atomic_load_n((const unsigned long *)(const void *)page, __ATOMIC_ACQUIRE);
}

/* --- decoding -----------------------------------------------------------------------------------
 */

static bool is_refusal(const struct guard_event *e)
{
	return e->kind == GUARD_EVENT_BIND_REFUSED || e->kind == GUARD_EVENT_PACKET_REFUSED;
}

static bool has_valid_family(const struct guard_event *e)
{
	switch (e->family) {
	case AF_INET:
	case AF_INET6:
		return true;
	case AF_PACKET:
	case AF_VSOCK:
	case AF_XDP:
		return e->kind == GUARD_EVENT_RAW;
	default:
		return false;
	}
}

/* Raw sockets have a protocol, the others a port of one that has ports. */
static bool has_valid_port(const struct guard_event *e)
{
	switch (e->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return e->port || e->kind == GUARD_EVENT_RAW;
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		/* who has no port yet gets one when it listens */
		return e->kind == GUARD_EVENT_RAW || e->kind == GUARD_EVENT_BIND_REFUSED;
	default:
		return e->kind == GUARD_EVENT_RAW;
	}
}

int guard_ring_decode(const void *bytes, size_t len, struct guard_event *ret)
{
	struct guard_event e;

	if (len != sizeof(e))
		return -EBADMSG;
	memcpy(&e, bytes, sizeof(e));
	if (e.kind < GUARD_EVENT_LISTEN || e.kind > GUARD_EVENT_RAW ||
	    e.reason > GUARD_REASON_UNSEEN || is_refusal(&e) != (e.reason != GUARD_REASON_NONE))
		return -EBADMSG;
	if (!has_valid_family(&e) || !has_valid_port(&e))
		return -EBADMSG;
	if (e.enforced > 1 || e.home > 1 || !e.count || !e.time_ns)
		return -EBADMSG;
	e.who.name[sizeof(e.who.name) - 1] = '\0';
	*ret = e;
	return 0;
}

/* --- opening ------------------------------------------------------------------------------------
 */

static int fail(int r, const char *path, struct err *e)
{
	if (r == -ENOENT)
		return err_set(e, r,
			       _("no guard is there (portero apply with guard: observe or enforce "
				 "in the policy)"));
	if (geteuid() != 0 && (r == -EACCES || r == -EPERM))
		return err_set(e, r,
			       _("only root may read the guard's events: run portero as "
				 "root"));
	return err_set(e, r, _("%.300s cannot be opened: %s"), path, strerror(-r));
}

uint32_t guard_ring_find_lock(const char *locks, size_t len, uint32_t major, uint32_t minor,
			      uint64_t inode)
{
	const char *line;
	size_t at = 0, line_len;
	char place[64], text[256];

	/* "1: FLOCK  ADVISORY  WRITE 708 00:16:3 0 EOF" (proc_locks(5)); what waits has "->" */
	snprintf(place, sizeof(place), " %02x:%02x:%llu ", major, minor, (unsigned long long)inode);
	while (file_next_line(locks, len, &at, &line, &line_len)) {
		unsigned long pid;
		const char *before;
		char *end;

		snprintf(text, sizeof(text), "%.*s", (int)(line_len < 200 ? line_len : 200), line);
		end = strstr(text, place);
		if (!end || !strstr(text, ": FLOCK ") || strstr(text, "->"))
			continue;
		*end = '\0';
		before = strrchr(text, ' ');
		pid = before ? strtoul(before + 1, &end, 10) : 0;
		return before && end > before + 1 && !*end && pid < UINT32_MAX ? (uint32_t)pid : 0;
	}
	return 0;
}

static int busy(int dir_fd, struct err *e)
{
	struct buf cleanup_call(buf_done) locks = {0};
	struct stat st;
	uint32_t pid = 0;

	if (fstat(dir_fd, &st) == 0 &&
	    file_read_at(AT_FDCWD, "/proc/locks", LOCKS_LIMIT, &locks) == 0)
		pid = guard_ring_find_lock(buf_text(&locks), locks.len, major(st.st_dev),
					   minor(st.st_dev), st.st_ino);
	if (!pid)
		return err_set(e, -EBUSY,
			       _("another process reads the guard's events: only one can at a "
				 "time"));
	return err_set(e, -EBUSY,
		       _("process %u reads the guard's events (ps %u): only one can at a time"),
		       pid, pid);
}

static int lock(struct guard_ring *r, const char *pins, struct err *e)
{
	r->dir_fd = open(pins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd < 0)
		return fail(-errno, pins, e);
	if (flock(r->dir_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? busy(r->dir_fd, e) : fail(-errno, pins, e);
}

/* A descriptor of the map, or a negative errno with a sentence. */
static int open_map(const char *pins, const char *name, struct err *e)
{
	char path[PATH_SIZE];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pins, name) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, _("the path of %.200s is too long"), pins);
	fd = bpf_obj_get(path);
	return fd < 0 ? fail(-errno, path, e) : fd;
}

static int read_config(struct guard_ring *r, const char *pins, struct err *e)
{
	int cleanup_close active = open_map(pins, "guard_active", e);
	int cleanup_close config = active < 0 ? active : open_map(pins, "guard_config", e);
	uint32_t zero = 0, half = 0;

	if (config < 0)
		return config;
	if (bpf_map_lookup_elem(active, &zero, &half) < 0 ||
	    bpf_map_lookup_elem(config, &half, &r->config) < 0)
		return fail(-errno, pins, e);
	if (r->config.abi != GUARD_ABI)
		return err_set(e, -EOPNOTSUPP,
			       _("the guard that is attached is of another version of portero: "
				 "portero guard off, then portero apply"));
	return 0;
}

static int map_ring(struct guard_ring *r, struct err *e)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	void *consumer, *producer;

	r->page = (size_t)sysconf(_SC_PAGESIZE);
	if (bpf_obj_get_info_by_fd(r->ring_fd, &info, &len) < 0)
		return fail(-errno, ring_name, e);
	r->size = info.max_entries;
	if (info.type != BPF_MAP_TYPE_RINGBUF || !r->size || r->size & (r->size - 1))
		return fail(-EINVAL, ring_name, e);
	consumer = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, r->ring_fd, 0);
	if (consumer == MAP_FAILED)
		return fail(-errno, ring_name, e);
	r->consumer = consumer;
	producer = mmap(NULL, r->page + 2 * r->size, PROT_READ, MAP_SHARED, r->ring_fd,
			(off_t)r->page);
	if (producer == MAP_FAILED)
		return fail(-errno, ring_name, e);
	r->producer = producer;
	return 0;
}

/* Whoever takes the guard away removes its pins, also that of the ring. */
static int prepare_wait(struct guard_ring *r, const char *pins, struct err *e)
{
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->epoll_fd < 0 || r->inotify_fd < 0 ||
	    inotify_add_watch(r->inotify_fd, pins, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR) < 0)
		return fail(-errno, pins, e);
	guard_ring_add(r, r->inotify_fd, EPOLLIN);
	return 0;
}

static int open_ring(struct guard_ring *r, const char *pins, struct err *e)
{
	int result;

	r->ring_fd = open_map(pins, ring_name, e);
	if (r->ring_fd < 0)
		return r->ring_fd;
	r->counts_fd = open_map(pins, "guard_counts", e);
	if (r->counts_fd < 0)
		return r->counts_fd;
	result = map_ring(r, e);
	if (result < 0)
		return result;
	r->at = load_position(r->consumer);
	guard_ring_add(r, r->ring_fd, EPOLLIN);
	return 0;
}

int guard_ring_open(const char *pins, struct guard_ring *r, struct err *e)
{
	int result;

	*r = GUARD_RING_CLOSED;
	r->active_ms = clock_mono_ms();
	result = lock(r, pins, e);
	if (result == 0)
		result = prepare_wait(r, pins, e); /* first: so its end cannot be missed */
	if (result == 0)
		result = read_config(r, pins, e);
	return result < 0 ? result : open_ring(r, pins, e);
}

void guard_ring_close(struct guard_ring *r)
{
	const int fds[] = {r->dir_fd, r->ring_fd, r->counts_fd, r->epoll_fd, r->inotify_fd};

	if (r->consumer)
		munmap(r->consumer, r->page);
	if (r->producer)
		munmap(r->producer, r->page + 2 * r->size);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*r = GUARD_RING_CLOSED;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The head of the next record; its length, and bits. */
static uint32_t load_head(const struct guard_ring *r)
{
	const uint8_t *record = r->producer + r->page + (r->at & (r->size - 1));

	return __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
}

int guard_ring_read(struct guard_ring *r, struct guard_event *events, size_t max)
{
	unsigned long end = load_position(r->producer), begin = r->at;
	size_t count = 0;

	while (count < max && r->at != end) {
		const uint8_t *record = r->producer + r->page + (r->at & (r->size - 1));
		uint32_t head = load_head(r);
		uint32_t len = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		unsigned long step = ((unsigned long)len + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (step > end - r->at || step > r->size)
			return -EBADMSG;
		r->at += step;
		if (head & BPF_RINGBUF_DISCARD_BIT)
			continue;
		if (guard_ring_decode(record + BPF_RINGBUF_HDR_SZ, len, &events[count]) == 0)
			count++;
		else
			r->odd++;
	}
	if (r->at != begin)
		r->active_ms = clock_mono_ms();
	return (int)count;
}

void guard_ring_release(struct guard_ring *r)
{
	__atomic_store_n((unsigned long *)(void *)r->consumer, r->at, __ATOMIC_RELEASE);
}

int guard_ring_lost(const struct guard_ring *r, uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t cleanup_free *counts = cpus > 0 ? calloc((size_t)cpus, sizeof(*counts)) : NULL;
	uint32_t key = GUARD_COUNT_EVENTS_LOST;

	if (cpus <= 0)
		return cpus ? cpus : -EINVAL;
	if (!counts)
		return -ENOMEM;
	if (bpf_map_lookup_elem(r->counts_fd, &key, counts) < 0)
		return -errno;
	*ret = 0;
	for (int i = 0; i < cpus; i++)
		*ret += counts[i];
	return 0;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

void guard_ring_add(struct guard_ring *r, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Was it the ring that was removed, or something else that is pinned there? */
static bool is_gone(int inotify_fd)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} room;
	bool gone = false;
	ssize_t len;

	while ((len = read(inotify_fd, &room, sizeof(room))) > 0) {
		for (ssize_t at = 0; at + (ssize_t)sizeof(room.event) <= len;) {
			struct inotify_event head;

			memcpy(&head, room.bytes + at, sizeof(head));
			at += (ssize_t)sizeof(head);
			gone |= head.mask & (IN_IGNORED | IN_UNMOUNT) ||
				(head.len >= sizeof(ring_name) &&
				 strcmp(room.bytes + at, ring_name) == 0);
			at += head.len;
		}
	}
	return gone;
}

/* Is a record there that is not whole yet? Then epoll would not sleep. */
static bool is_half_written(const struct guard_ring *r)
{
	return r->at != load_position(r->producer) && load_head(r) & BPF_RINGBUF_BUSY_BIT;
}

int guard_ring_wait(struct guard_ring *r, int timeout_ms)
{
	struct epoll_event ready[4];
	int count, news = 0;

	if (is_half_written(r))
		return poll(NULL, 0, STEP_MS) < 0 && errno != EINTR ? -errno : 0;
	if (clock_mono_ms() - r->active_ms < QUIET_MS && timeout_ms)
		timeout_ms = STEP_MS;
	count = epoll_wait(r->epoll_fd, ready, ARRAY_LEN(ready), timeout_ms);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		if (ready[i].data.fd == r->inotify_fd)
			news |= is_gone(r->inotify_fd) ? GUARD_RING_GONE : 0;
		else if (ready[i].data.fd != r->ring_fd)
			news |= GUARD_RING_OTHER;
	}
	return news;
}
