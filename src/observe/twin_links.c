/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_links.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "base/ns.h"
#include "observe/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	LINK_LIMIT = 8192,
	SPARE_DESCRIPTORS = 64,
	MTU_LIMIT = 65521, /* of a TAP; above, it makes no difference to what is sent */
};

static void report_link(struct twin_report *report, const struct twin_link *link, const char *why)
{
	struct twin_difference d = {.scope = TWIN_INTERFACE, .ifindex = link->ifindex};

	snprintf(d.what, sizeof(d.what), _("interface %s"), link->name);
	snprintf(d.why, sizeof(d.why), "%s", why);
	twin_report_add(report, &d);
}

static void report_failed(struct twin_report *report, const struct twin_link *link, int error)
{
	char why[160];

	snprintf(why, sizeof(why), _("it could not be made in the twin: %s"), strerror(error));
	report_link(report, link, why);
}

/* Soft limit of descriptors: one for each interface, and some. */
static int make_room_for_descriptors(size_t links, struct err *e)
{
	struct rlimit limit;
	rlim_t need = links + SPARE_DESCRIPTORS;

	if (links > LINK_LIMIT)
		return err_set(e, -E2BIG,
			       _("there are %zu network interfaces; at most %d can be "
				 "copied"),
			       links, LINK_LIMIT);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need + SPARE_DESCRIPTORS)
		return 0;
	limit.rlim_cur = need * 2 < limit.rlim_max ? need * 2 : limit.rlim_max;
	if (limit.rlim_cur < need || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_set(e, -EMFILE,
			       _("%zu network interfaces need as many open files, more "
				 "than allowed: raise the limit (ulimit -n)"),
			       links);
	return 0;
}

static struct twin_link describe(const struct rt_link *host)
{
	struct twin_link link = {
		.ifindex = host->ifindex,
		.tap = -1,
		.is_tun = host->type != ARPHRD_ETHER,
		.loopback = host->flags & IFF_LOOPBACK,
		.up = host->flags & IFF_UP,
		.carrier = host->flags & IFF_LOWER_UP,
		.master = host->master,
		.type = host->type,
		.mtu = host->mtu,
	};
	bool usable = host->mac_len == sizeof(link.mac) && !(host->mac[0] & 1) &&
		      memcmp(host->mac, "\0\0\0\0\0", sizeof(link.mac)) != 0;

	memcpy(link.name, host->name, sizeof(link.name));
	memcpy(link.kind, host->kind, sizeof(link.kind));
	if (link.is_tun)
		return link;
	if (usable) {
		memcpy(link.mac, host->mac, sizeof(link.mac));
		return link;
	}
	/* one of nobody, locally administered: no frame for the machine's could arrive */
	link.mac[0] = 2;
	memcpy(link.mac + 2, &link.ifindex, sizeof(link.ifindex));
	return link;
}

static int configure_tap(int fd, const struct twin_link *link)
{
	struct ifreq request = {0};
	int index = (int)link->ifindex, carrier = link->carrier;

	if (ioctl(fd, TUNSETIFINDEX, &index) < 0)
		return -errno;
	memcpy(request.ifr_name, link->name, sizeof(link->name));
	request.ifr_flags = (short)((link->is_tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI);
	if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
		return -errno;
	/* both only where it is otherwise; what they failed to do is seen in the comparison */
	if (link->is_tun && link->type != ARPHRD_NONE)
		ioctl(fd, TUNSETLINK, link->type);
	if (!link->carrier)
		ioctl(fd, TUNSETCARRIER, &carrier);
	return 0;
}

/* Makes the TAP or TUN; 0 or a negative errno. The thread is inside of the twin. */
static int make_tap(struct twin_link *link)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : configure_tap(fd, link);

	if (r == 0)
		link->tap = fd;
	else if (fd >= 0)
		close(fd);
	return r;
}

struct making {
	struct twin *twin;
	const struct rt_image *there; /* what the kernel put into the empty namespace */
	struct twin_report *report;
	int error; /* of the first that could not be made */
	size_t failed;
};

static int make_taps(void *context)
{
	struct making *m = context;

	for (size_t i = 0; i < m->twin->link_count; i++) {
		struct twin_link *link = &m->twin->links[i];
		const struct rt_link *there = rt_image_link(m->there, link->ifindex);
		int r;

		if (link->loopback)
			continue;
		if (there && strcmp(there->name, link->name) == 0) {
			/* sit0 and its like, which come by themselves and cannot be removed */
			report_link(m->report, link,
				    _("the kernel makes it by itself, and no packet can be put "
				      "into it"));
			continue;
		}
		r = make_tap(link);
		if (r == 0)
			continue;
		report_failed(m->report, link, -r);
		m->error = m->error ? m->error : r;
		m->failed++;
	}
	return 0;
}

/* What the kernel made by itself gives its name to who has it on the machine. */
static int move_aside(struct twin *t, const struct rt_image *there, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};

	for (size_t i = 0; i < there->link_count; i++) {
		struct ifinfomsg head = {.ifi_index = (int)there->links[i].ifindex};
		const struct twin_link *same = twin_find_link(t, there->links[i].ifindex);
		char name[RT_NAME_SIZE];
		size_t at;

		if (same && strcmp(same->name, there->links[i].name) == 0)
			continue;
		snprintf(name, sizeof(name), "portero%u", there->links[i].ifindex);
		at = nla_begin_message(&b, RTM_NEWLINK, 0, &head, sizeof(head));
		nla_put_text(&b, IFLA_IFNAME, name);
		nla_end_message(&b, at);
	}
	return nl_send(&t->route, &b, NULL, NULL, e);
}

static int list_links(struct twin *t, struct twin_report *report)
{
	if (mem_grow(&t->links, &t->link_cap, t->host.link_count, sizeof(*t->links)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < t->host.link_count; i++) {
		const struct rt_link *host = &t->host.links[i];

		t->links[t->link_count++] = describe(host);
		if (strcmp(host->kind, "vrf") == 0 || strcmp(host->slave_kind, "vrf") == 0)
			report_link(report, &t->links[i],
				    _("it belongs to a VRF, which is not mirrored"));
	}
	return 0;
}

int twin_links_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) there = {0};
	struct making m = {.twin = t, .there = &there, .report = report};
	int r = make_room_for_descriptors(t->host.link_count, e);

	if (r == 0)
		r = rt_image_read(&there, &t->route, RT_READ_LINKS, e);
	if (r == 0 && list_links(t, report) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r == 0)
		r = move_aside(t, &there, e);
	if (r >= 0)
		r = ns_run(t->ns, make_taps, &m, e);
	if (r == 0 && m.failed && m.failed + 1 >= t->link_count)
		return err_set(e, m.error, _("cannot make interfaces in the twin: %s"),
			       strerror(-m.error));
	return r;
}

/* --- state
 * ---------------------------------------------------------------------------------------- */

static void put_state(struct buf *b, const struct twin_link *link, uint32_t group)
{
	struct ifinfomsg head = {.ifi_index = (int)link->ifindex,
				 .ifi_flags = (link->up ? IFF_UP : 0) | IFF_NOARP,
				 .ifi_change = IFF_UP | (link->loopback ? 0 : IFF_NOARP)};
	size_t at = nla_begin_message(b, RTM_NEWLINK, 0, &head, sizeof(head));
	uint32_t mtu = link->mtu > MTU_LIMIT && !link->loopback ? MTU_LIMIT : link->mtu;

	if (link->tap >= 0 && !link->is_tun)
		nla_put(b, IFLA_ADDRESS, link->mac, sizeof(link->mac));
	nla_put_u32(b, IFLA_MTU, mtu);
	nla_put_u32(b, IFLA_GROUP, group);
	nla_end_message(b, at);
}

struct starting {
	const struct twin *twin;
	struct twin_report *report;
};

static void refuse_state(size_t index, int error, const char *reason, void *context)
{
	const struct starting *s = context;

	(void)reason;
	report_failed(s->report, &s->twin->links[index], error);
}

int twin_links_start(struct twin *t, struct twin_report *report, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct starting s = {t, report};
	int r;

	for (size_t i = 0; i < t->link_count; i++)
		put_state(&b, &t->links[i], t->host.links[i].group);
	r = nl_send(&t->route, &b, refuse_state, &s, e);
	return r < 0 ? r : 0;
}
