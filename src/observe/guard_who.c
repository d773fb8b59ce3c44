/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/guard_who.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/cgroup.h"
#include "observe/container.h"
#include "observe/proc_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CGROUP_FILE_LIMIT = 65536, HANDLE_KERNFS = 0xfe, CGROUP_ROOT_ID = 1 };

static const char names_folder[] = "/run/netns";

static char *copy(const char *text)
{
	return text && text[0] ? strdup(text) : NULL;
}

static void forget(struct guard_who *who)
{
	char *texts[] = {who->program,	 who->unit, who->runtime, who->container_id,
			 who->container, who->user, who->netns};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	*who = (struct guard_who){0};
}

/* --- program ------------------------------------------------------------------------------------
 */

/*
 * Is it still the program of the event, or has the process become another since (execve)? The
 * kernel's inode numbers are not stat(2)'s on overlayfs: there size and time of change tell.
 */
static bool is_same_program(int proc_fd, const struct guard_identity *id)
{
	struct stat st;

	if (fstatat(proc_fd, "exe", &st, 0) < 0 || (uint64_t)st.st_size != id->exe_size)
		return false;
	return st.st_ino == id->exe_inode ||
	       (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec ==
		       id->exe_ctime_ns;
}

static char *read_program(int proc_fd, const struct guard_identity *id)
{
	struct buf cleanup_call(buf_done) path = {0};

	if (!id->exe_inode || file_read_link_at(proc_fd, "exe", &path) < 0 ||
	    !is_same_program(proc_fd, id))
		return NULL;
	return copy(buf_text(&path));
}

/* --- unit and container -------------------------------------------------------------------------
 */

static void set_cgroup(struct guard_who *who, const char *text, size_t len, uint32_t uid)
{
	int cleanup_close root = -1;
	struct container_text container = {0};
	struct cgroup_owner owner;

	if (cgroup_parse(text, len, &owner) < 0)
		return;
	who->unit = copy(owner.unit);
	if (!owner.container_id[0])
		return;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	container_describe(root, owner.runtime, owner.container_id,
			   owner.in_user ? owner.user_uid : uid,
			   owner.in_user && owner.user_uid != 0, &container);
	who->runtime = copy(owner.runtime);
	who->container_id = copy(owner.container_id);
	who->container = copy(container.name);
}

/* The path of a cgroup, by its id, where cgroup v2 is mounted (Linux 5.5). 0 or a negative errno.
 */
static int read_cgroup_path(int cgroup_fd, uint64_t id, struct buf *out)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} h = {.handle = {.handle_bytes = sizeof(id), .handle_type = HANDLE_KERNFS}};
	char link[64];
	int cleanup_close fd = -1;

	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(cgroup_fd, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return file_read_link_at(AT_FDCWD, link, out);
}

/* As /proc/PID/cgroup has it. */
static void set_cgroup_by_id(struct guard_whos *w, const struct guard_identity *id,
			     struct guard_who *who)
{
	struct buf cleanup_call(buf_done) path = {0}, root = {0}, line = {0};
	const char *below;

	if (w->cgroup_fd < 0 || !id->cgroup ||
	    read_cgroup_path(w->cgroup_fd, id->cgroup, &path) < 0 ||
	    read_cgroup_path(w->cgroup_fd, CGROUP_ROOT_ID, &root) < 0 ||
	    strncmp(buf_text(&path), buf_text(&root), root.len) != 0)
		return;
	below = buf_text(&path) + root.len;
	buf_printf(&line, "0::%s\n", below[0] ? below : "/");
	set_cgroup(who, buf_text(&line), line.len, id->uid);
}

/* --- user and namespace -------------------------------------------------------------------------
 */

static char *find_user(const struct guard_whos *w, uint32_t uid)
{
	const struct passwd *account = w->numeric ? NULL : getpwuid(uid);

	return account ? copy(account->pw_name) : NULL;
}

static bool has_own_root(const struct guard_whos *w, int proc_fd)
{
	struct stat st;

	return fstatat(proc_fd, "root/", &st, 0) == 0 && st.st_dev == w->own_root.st_dev &&
	       st.st_ino == w->own_root.st_ino;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static char *find_netns(uint32_t inum)
{
	DIR cleanup_call(close_dir) *dir = opendir(names_folder);
	const struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    st.st_ino == inum)
			return copy(entry->d_name);
	return NULL;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static void read_alive(struct guard_whos *w, const struct guard_identity *id, int proc_fd,
		       struct guard_who *who)
{
	struct buf cleanup_call(buf_done) text = {0};

	who->alive = true;
	who->program = read_program(proc_fd, id);
	if (file_read_at(proc_fd, "cgroup", CGROUP_FILE_LIMIT, &text) == 0)
		set_cgroup(who, buf_text(&text), text.len, id->uid);
	if (has_own_root(w, proc_fd))
		who->user = find_user(w, id->uid);
}

static void read_who(struct guard_whos *w, const struct guard_event *e, struct guard_who *who)
{
	const struct guard_identity *id = &e->who;
	int cleanup_close fd = -1;

	if (!e->home)
		who->netns = find_netns(e->netns);
	if (!id->pid || id->flags & (GUARD_BY_KERNEL | GUARD_UNSEEN))
		return;
	fd = proc_open(id->pid, id->start_ns);
	if (fd >= 0) {
		read_alive(w, id, fd, who);
		return;
	}
	set_cgroup_by_id(w, id, who);
	/* user names of a container are not the machine's */
	if (!who->container_id)
		who->user = find_user(w, id->uid);
}

int guard_whos_init(struct guard_whos *w, const char *cgroup, bool numeric)
{
	*w = (struct guard_whos){.cgroup_fd = -1, .numeric = numeric};
	w->slots = calloc(GUARD_WHO_SLOTS, sizeof(*w->slots));
	if (!w->slots)
		return -ENOMEM;
	if (cgroup)
		w->cgroup_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return stat("/", &w->own_root) < 0 ? -errno : 0;
}

void guard_whos_done(struct guard_whos *w)
{
	for (size_t i = 0; w->slots && i < GUARD_WHO_SLOTS; i++)
		forget(&w->slots[i].who);
	free(w->slots);
	if (w->cgroup_fd >= 0)
		close(w->cgroup_fd);
	*w = (struct guard_whos){.cgroup_fd = -1};
}

/* The same process, program, user and cgroup; flags and names that it gave itself do not count. */
static bool is_same(const struct guard_who_slot *slot, const struct guard_event *e)
{
	const struct guard_identity *a = &slot->of, *b = &e->who;

	return a->pid == b->pid && a->start_ns == b->start_ns && a->exe_inode == b->exe_inode &&
	       a->exe_device == b->exe_device && a->uid == b->uid && a->cgroup == b->cgroup &&
	       slot->netns == (e->home ? 0 : e->netns);
}

const struct guard_who *guard_whos_look(struct guard_whos *w, const struct guard_event *e)
{
	uint64_t hash = map_mix(map_mix(e->who.pid, e->who.start_ns), e->who.exe_inode);
	struct guard_who_slot *slot = &w->slots[hash % GUARD_WHO_SLOTS];

	if (is_same(slot, e) && slot->of.pid)
		return &slot->who;
	forget(&slot->who);
	slot->of = e->who;
	slot->netns = e->home ? 0 : e->netns;
	read_who(w, e, &slot->who);
	slot->who.slot = (uint32_t)(slot - w->slots);
	slot->who.serial = ++w->serial;
	return &slot->who;
}
