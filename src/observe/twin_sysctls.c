/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_sysctls.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/ns.h"
#include "observe/twin.h"
#include "observe/twin_sysctl_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VALUE_SIZE = 128, PATH_SIZE = 160 };

/* The value without its newline; "" when there is none to read (false) or it is empty. */
static bool read_value(const char *path, char value[VALUE_SIZE])
{
	char full[PATH_SIZE];
	int cleanup_close fd = -1;
	ssize_t got;

	value[0] = '\0';
	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, value, VALUE_SIZE - 1);
	value[got > 0 ? got : 0] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return got >= 0;
}

static int write_value(const char *path, const char *value)
{
	char full[PATH_SIZE];
	int cleanup_close fd = -1;

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* --- of the namespace: a text of lines "path=value"
 * ------------------------------------------------ */

static void read_line(struct buf *b, const char *path)
{
	char value[VALUE_SIZE];

	read_value(path, value);
	if (value[0])
		buf_printf(b, "%s=%s\n", path, value);
}

/* All that are copied, in an order in which they can be written. */
static int read_all(void *context)
{
	static const char *const places[] = {"all", "default"};
	struct buf *b = context;
	char path[PATH_SIZE];

	for (size_t f = 0; f < SYSCTL_FAMILY_COUNT; f++)
		for (size_t p = 0; p < ARRAY_LEN(places); p++)
			for (size_t i = 0; i < sysctl_families[f].count; i++) {
				snprintf(path, sizeof(path), "%s/conf/%s/%s",
					 sysctl_families[f].name, places[p],
					 sysctl_families[f].conf[i].name);
				read_line(b, path);
			}
	for (size_t i = 0; sysctl_globals[i]; i++)
		read_line(b, sysctl_globals[i]);
	return 0;
}

int twin_sysctls_hash(uint64_t *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};

	read_all(&b);
	if (b.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	*ret = map_hash_bytes(buf_text(&b), b.len);
	return 0;
}

/* Calls `each` for every line; the text is cut up. */
static void for_each_line(struct buf *lines,
			  void (*each)(const char *path, const char *value, void *context),
			  void *context)
{
	char *rest = NULL;

	for (char *line = lines->data ? strtok_r(lines->data, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = '\0';
		each(line, value, context);
	}
}

static void write_different(const char *path, const char *value, void *context)
{
	char there[VALUE_SIZE];

	(void)context;
	read_value(path, there);
	if (strcmp(there, value) != 0)
		write_value(path, value); /* what did not work is seen in the comparison */
}

struct setting {
	struct buf *lines; /* of the machine's */
	struct twin_report *report;
};

static void report_own(struct twin_report *report, size_t i)
{
	struct twin_difference d = {.scope = TWIN_ALL};

	snprintf(d.what, sizeof(d.what), _("sysctl net/%s"), sysctl_own[i].path);
	snprintf(d.why, sizeof(d.why), "%s",
		 sysctl_own[i].loss == SYSCTL_LOSS_REJECTS
			 ? _("it could not be set in the twin: it may withhold refusals")
			 : _("it could not be set in the twin: it may write to the kernel's log"));
	twin_report_add(report, &d);
}

static int write_all(void *context)
{
	const struct setting *s = context;

	for_each_line(s->lines, write_different, NULL);
	for (size_t i = 0; sysctl_own[i].path; i++) {
		char there[VALUE_SIZE];

		write_value(sysctl_own[i].path, sysctl_own[i].value);
		if (sysctl_own[i].loss != SYSCTL_LOSS_NONE &&
		    read_value(sysctl_own[i].path, there) &&
		    strcmp(there, sysctl_own[i].value[0] == '\n' ? "" : sysctl_own[i].value) != 0)
			report_own(s->report, i);
	}
	return 0;
}

static void report_unreadable(struct twin_report *report)
{
	struct twin_difference d = {.scope = TWIN_ALL};

	snprintf(d.what, sizeof(d.what), "%s", _("the network's sysctls"));
	snprintf(d.why, sizeof(d.why), "%s", _("/proc/sys/net cannot be read"));
	twin_report_add(report, &d);
}

int twin_sysctls_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	struct buf cleanup_call(buf_done) lines = {0};
	struct setting s = {&lines, report};

	read_all(&lines);
	if (lines.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (lines.len == 0)
		report_unreadable(report);
	t->host_sysctls = map_hash_bytes(buf_text(&lines), lines.len);
	return ns_run(t->ns, write_all, &s, e);
}

/* --- of interfaces
 * -------------------------------------------------------------------------------- */

static bool get_conf(const struct rt_link *link, const struct sysctl_family *f, size_t i,
		     int32_t *ret)
{
	uint32_t count = f->af == AF_INET ? link->conf4_count : link->conf6_count;
	uint8_t index = f->conf[i].index;

	if (index >= count)
		return false;
	*ret = f->af == AF_INET ? link->conf4[index] : link->conf6[index];
	return true;
}

/* Calls `each` for every setting of an interface that differs between the images. */
static void for_each_difference(const struct rt_image *host, const struct rt_image *twin,
				void (*each)(const struct rt_link *link,
					     const struct sysctl_family *f, const char *name,
					     int32_t value, void *context),
				void *context)
{
	for (size_t l = 0; l < host->link_count; l++) {
		const struct rt_link *a = &host->links[l], *b = rt_image_link(twin, a->ifindex);

		for (size_t f = 0; b && f < SYSCTL_FAMILY_COUNT; f++)
			for (size_t i = 0; i < sysctl_families[f].count; i++) {
				int32_t value, other;

				if (get_conf(a, &sysctl_families[f], i, &value) &&
				    get_conf(b, &sysctl_families[f], i, &other) && value != other)
					each(a, &sysctl_families[f],
					     sysctl_families[f].conf[i].name, value, context);
			}
	}
}

static void add_line(const struct rt_link *link, const struct sysctl_family *f, const char *name,
		     int32_t value, void *context)
{
	buf_printf(context, "%s/conf/%s/%s=%d\n", f->name, link->name, name, value);
}

static int write_lines(void *context)
{
	for_each_line(context, write_different, NULL);
	return 0;
}

int twin_sysctls_copy_interfaces(struct twin *t, struct twin_report *report, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) twin = {0};
	struct buf cleanup_call(buf_done) lines = {0};
	int r = rt_image_read(&twin, &t->route, RT_READ_LINKS, e);

	(void)report;
	if (r < 0)
		return r;
	for_each_difference(&t->host, &twin, add_line, &lines);
	if (lines.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	return lines.len ? ns_run(t->ns, write_lines, &lines, e) : 0;
}

/* --- comparison
 * ----------------------------------------------------------------------------------- */

static void report_sysctl(struct twin_report *report, struct twin_difference *d, const char *path)
{
	snprintf(d->what, sizeof(d->what), _("sysctl net/%s"), path);
	snprintf(d->why, sizeof(d->why), "%s", _("it could not be set in the twin"));
	twin_report_add(report, d);
}

static void report_interface(const struct rt_link *link, const struct sysctl_family *f,
			     const char *name, int32_t value, void *context)
{
	struct twin_difference d = {
		.scope = TWIN_INTERFACE, .family = (uint8_t)f->af, .ifindex = link->ifindex};
	char path[PATH_SIZE];

	(void)value;
	snprintf(path, sizeof(path), "%s/conf/%s/%s", f->name, link->name, name);
	report_sysctl(context, &d, path);
}

struct comparing {
	const struct buf *twin; /* lines */
	struct twin_report *report;
};

static void report_line(const char *path, const char *value, void *context)
{
	struct twin_difference d = {.scope = TWIN_ALL};
	struct comparing *c = context;
	char line[PATH_SIZE + VALUE_SIZE];

	snprintf(line, sizeof(line), "%s=%s\n", path, value);
	if (strstr(buf_text(c->twin), line))
		return;
	for (size_t f = 0; f < SYSCTL_FAMILY_COUNT; f++)
		if (strncmp(path, sysctl_families[f].name, 4) == 0) {
			d.scope = TWIN_FAMILY;
			d.family = (uint8_t)sysctl_families[f].af;
		}
	report_sysctl(c->report, &d, path);
}

int twin_sysctls_compare(struct twin *t, const struct rt_image *twin, struct twin_report *report,
			 struct err *e)
{
	struct buf cleanup_call(buf_done) host = {0}, there = {0};
	struct comparing c = {&there, report};
	int r;

	for_each_difference(&t->host, twin, report_interface, report);
	read_all(&host);
	r = ns_run(t->ns, read_all, &there, e);
	if (host.failed || there.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	for_each_line(&host, report_line, &c);
	return r;
}
