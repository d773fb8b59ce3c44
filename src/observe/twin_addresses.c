/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_addresses: the half of twin_links that gives the interfaces their addresses.
 */
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/twin.h"
#include "observe/twin_links.h"
#include "observe/twin_sync.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum { PATIENCE_MS = 3000 };

/*
 * The worker that takes an address into use makes its route a moment later, under the lock that
 * every change takes: so a change that changes nothing waits for it. The route cannot be made in
 * its place: the kernel gives its own a metric (0) that nobody else may use.
 */
static int wait_for_worker(struct twin *t, struct err *e)
{
	struct ifinfomsg head = {.ifi_index = 1};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_NEWLINK, 0, &head, sizeof(head));

	nla_end_message(&b, at);
	return nl_request(&t->route, &b, _("cannot configure the twin"), e);
}

/*
 * The kernel takes an IPv6 address into use by a worker, also where nobody is asked (no ARP),
 * and only then makes its routes. With IFA_F_NODAD one could not tell when.
 */
static int wait_for_use(struct twin *t, struct rt_image *twin, struct err *e)
{
	static const struct timespec moment = {.tv_nsec = 1000000};
	int r;

	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		r = rt_image_read(twin, &t->route, 1u << RT_ADDRESS, e);
		if (r < 0)
			return r;
		if (twin->tentative == 0)
			return wait_for_worker(t, e);
		nanosleep(&moment, NULL);
	}
	return 0; /* the comparison says which are not in use */
}

static void report_tentative(const struct twin *t, struct twin_report *report)
{
	struct twin_difference d = {.scope = TWIN_FAMILY, .family = AF_INET6};

	if (t->host.tentative == 0)
		return;
	snprintf(d.what, sizeof(d.what), _("%zu IPv6 addresses"), t->host.tentative);
	snprintf(d.why, sizeof(d.why), "%s",
		 _("the machine does not use them yet: it looks whether another has them"));
	twin_report_add(report, &d);
}

int twin_addresses_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	struct rt_image cleanup_call(rt_image_done) twin = {0};
	int r = rt_image_read(&twin, &t->route, 1u << RT_ADDRESS, e);

	report_tentative(t, report);
	if (r == 0)
		r = twin_sync(t, &twin, RT_ADDRESS, e);
	if (r >= 0)
		r = wait_for_use(t, &twin, e);
	return r < 0 ? r : 0;
}
