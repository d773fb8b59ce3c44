/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nla.h"
#include "base/ns.h"
#include "observe/twin_compare.h"
#include "observe/twin_links.h"
#include "observe/twin_routes.h"
#include "observe/twin_sysctls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuse_namespace(int error, struct err *e)
{
	if (error == EPERM)
		return err_set(e, -EPERM,
			       _("may not make a network namespace to try packets in: run as root "
				 "(CAP_SYS_ADMIN)"));
	if (error == EINVAL || error == ENOSYS)
		return err_set(e, -EOPNOTSUPP,
			       _("this kernel has no network namespaces to try packets in: it was "
				 "built without CONFIG_NET_NS"));
	return err_set(e, -error, _("cannot make a network namespace to try packets in: %s"),
		       strerror(error));
}

/* Inside of the new namespace: what must be opened there. */
struct inside {
	struct twin *twin;
	struct err *e;
};

static int open_inside(void *context)
{
	const struct inside *in = context;
	int r = nl_open(&in->twin->route, NETLINK_ROUTE, in->e);

	return r < 0 ? r : nl_open(&in->twin->filter, NETLINK_NETFILTER, in->e);
}

static int check_tun(struct err *e)
{
	int cleanup_close fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return err_set(e, -ENODEV,
			       _("there is no /dev/net/tun to make interfaces with: load the "
				 "module (modprobe tun), or give the device to the container"));
	return err_set(e, -ENODEV, _("cannot open /dev/net/tun to make interfaces with: %s"),
		       strerror(errno));
}

/* Asks for a change that changes nothing, to learn whether changes are allowed. */
static int check_net_admin(struct twin *t, struct err *e)
{
	struct ifinfomsg head = {.ifi_index = 1};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_NEWLINK, 0, &head, sizeof(head));
	int r;

	nla_put_u32(&b, IFLA_GROUP, 0);
	nla_end_message(&b, at);
	r = nl_request(&t->route, &b, _("cannot configure the twin"), e);
	if (r == -EPERM)
		return err_set(e, -EACCES,
			       _("may not configure a network namespace to try packets in: run as "
				 "root (CAP_NET_ADMIN)"));
	return r;
}

int twin_open(struct twin *t, struct err *e)
{
	struct inside inside = {t, e};
	int r;

	*t = (struct twin){.ns = -1};
	r = nl_open(&t->host_route, NETLINK_ROUTE, e);
	if (r == 0) {
		t->ns = ns_new();
		r = t->ns < 0 ? refuse_namespace(-t->ns, e)
			      : ns_run(t->ns, open_inside, &inside, e);
	}
	if (r == 0)
		r = check_net_admin(t, e);
	if (r == 0)
		r = check_tun(e);
	if (r < 0)
		twin_close(t);
	return r;
}

void twin_close(struct twin *t)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].tap >= 0)
			close(t->links[i].tap);
	free(t->links);
	rt_image_done(&t->host);
	nl_close(&t->route);
	nl_close(&t->filter);
	nl_close(&t->host_route);
	/* a struct that is all zero never had descriptor 0 */
	if (t->ns > 0)
		close(t->ns);
	*t = (struct twin){.ns = -1};
}

const struct twin_link *twin_find_link(const struct twin *t, uint32_t ifindex)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].ifindex == ifindex)
			return &t->links[i];
	return NULL;
}

static void report_change(struct twin_report *report)
{
	struct twin_difference d = {.scope = TWIN_ALL};

	snprintf(d.what, sizeof(d.what), "%s", _("the network's configuration"));
	snprintf(d.why, sizeof(d.why), "%s", _("it changed while it was copied"));
	twin_report_add(report, &d);
}

int twin_network_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	static int (*const steps[])(struct twin *, struct twin_report *, struct err *) = {
		twin_sysctls_copy,    twin_links_copy,	   twin_sysctls_copy_interfaces,
		twin_links_start,     twin_addresses_copy, twin_routes_copy,
		twin_compare_network,
	};
	int r = rt_image_read(&t->host, &t->host_route, RT_READ_ALL, e);

	for (size_t i = 0; i < ARRAY_LEN(steps) && r >= 0; i++)
		r = steps[i](t, report, e);
	if (r >= 0)
		r = twin_compare_host(t, e);
	if (r == 1 || (r == 0 && t->host.changing)) {
		report_change(report);
		return 1;
	}
	return r;
}

int twin_network_fingerprint(struct nl *route, uint64_t *ret, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) image = {0};
	uint64_t sysctls;
	int r = rt_image_read(&image, route, RT_READ_ALL, e);

	if (r == 0)
		r = twin_sysctls_hash(&sysctls, e);
	if (r == 0)
		*ret = map_mix(rt_image_hash(&image), sysctls);
	return r;
}
