/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_connections.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "base/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <unistd.h>

/* 1: the kernel keeps some; 0: none, or it does not track them at all. */
static int has_some(void *context)
{
	char text[2] = "";
	int cleanup_close fd =
		open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);

	(void)context;
	return fd >= 0 && read(fd, text, sizeof(text)) > 0 && text[0] != '0';
}

static int empty_table(struct twin_connections *c, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC};

	nla_end_message(&b, nla_begin_message(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
					      0, &header, sizeof(header)));
	return nl_request(c->filter, &b, _("cannot empty the twin's connections"), e);
}

int twin_connections_forget(struct twin_connections *c, struct err *e)
{
	int r = c->cannot ? -EOPNOTSUPP : 0;

	if (c->count == 0)
		return 0;
	if (!c->cannot)
		r = empty_table(c, e);
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOENT) {
		c->cannot = true;
		r = ns_run(c->netns, has_some, NULL, e);
		if (r > 0)
			return err_set(e, -EOPNOTSUPP,
				       _("the twin's connections cannot be emptied: this kernel "
					 "has no netlink for them (nf_conntrack_netlink)"));
	}
	if (r == 0)
		c->count = 0;
	return r;
}
