/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_remote.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/run.h"
#include "cli/fields.h"
#include "cli/json_scan_read.h"
#include "cli/verify_look.h"
#include "observe/scan.h"
#include "observe/scan_way.h"

#include <errno.h>
#include <jansson.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIND_PATIENCE_MS = 30 * 1000,
	/* For each address: its ports, which take seconds where nothing is lost, and services */
	PORTS_S = 10 * 60,
	SERVICES_S = 2 * 60,
	PASSES = 4,   /* so often silent ports are asked when some packets are lost */
	SLACK_S = 60, /* beyond what the scan may take: to log in, and to tell it */
	LONGEST_S = 86400,
	OUTPUT_LIMIT = 64 << 20,
};

/* The last line, which says why: ssh's warning of another host's key has a dozen before it. */
static const char *last_line(struct buf *errors)
{
	while (errors->len && strchr("\r\n", errors->data[errors->len - 1]))
		errors->data[--errors->len] = '\0';
	for (size_t i = errors->len; i; i--)
		if (errors->data[i - 1] == '\n')
			return errors->data + i;
	return buf_text(errors);
}

/* Runs a command there; portero's own 2 (not all is known) is no failure. 0 or a negative errno. */
static int run_there(const struct verify_look *l, const char *command, int patience_ms,
		     struct buf *out, struct err *e)
{
	const char *host = l->from;
	const char *const argv[] = {"ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
				    "--",  host, command,	  NULL};
	const char *agent = getenv("SSH_AUTH_SOCK");
	struct buf cleanup_call(buf_done) errors = {0}, extra = {0};
	struct run wish = {.argv = argv,
			   .limit = OUTPUT_LIMIT,
			   .patience_ms = patience_ms,
			   .stop = l->stop,
			   .out = out,
			   .errors = &errors};
	int r;

	if (agent) {
		buf_printf(&extra, "SSH_AUTH_SOCK=%s", agent);
		wish.extra = buf_text(&extra);
	}
	r = run_with(&wish);
	if (r == 0 || (r == 2 && out->len))
		return 0;
	if (r == -ENOENT)
		return err_set(e, r, _("there is no ssh here: install openssh-client"));
	if (r == -ETIMEDOUT)
		return err_set(e, r, _("%s did not answer in time"), host);
	if (r < 0)
		return err_set(e, r, _("ssh to %s failed: %s"), host, strerror(-r));
	if (r == 127)
		return err_set(e, -ENOENT, _("there is no portero on %s: install it there"), host);
	if (!last_line(&errors)[0])
		return err_set(e, -EIO, _("ssh to %s failed: its exit code is %d"), host, r);
	return err_set(e, -EIO, "%s: %.300s", host, last_line(&errors));
}

/* --- who it is ---------------------------------------------------------------------------------
 */

/* SSH_CONNECTION, ssh(1): our address and port as they arrive there, its address and port. */
static int read_connection(const char *text, struct address *own, struct address *remote)
{
	char ours[64], theirs[64];

	if (sscanf(text, "%63s %*u %63s %*u", ours, theirs) != 2 || address_parse(ours, own) < 0 ||
	    address_parse(theirs, remote) < 0)
		return -EINVAL;
	address_unmap(own);
	address_unmap(remote);
	return 0;
}

static int find_interface(struct verify_look *l, struct err *e)
{
	char text[ADDRESS_TEXT_SIZE];
	struct scan_way way = {0};
	struct nl route;
	int r = nl_open(&route, NETLINK_ROUTE, e);

	if (r < 0)
		return r;
	r = scan_way_find(&route, &l->remote, &way, e);
	nl_close(&route);
	address_format(&l->remote, text);
	if (r == 0 && way.way.own)
		return err_set(e, -EINVAL,
			       _("%s is this machine itself (%s): name another, or leave --from "
				 "out"),
			       l->from, text);
	if (r == 0)
		l->remote_ifindex = (uint32_t)way.way.to.link.sll_ifindex;
	if (r == 0 && !if_indextoname(l->remote_ifindex, l->remote_ifname))
		r = err_set(e, -errno, _("the interface to %s has gone"), text);
	return r;
}

int verify_remote_find(struct verify_look *l, struct err *e)
{
	struct buf cleanup_call(buf_done) out = {0};
	char text[ADDRESS_TEXT_SIZE];
	struct address own;
	int r;

	r = run_there(l, "echo \"$SSH_CONNECTION\"", FIND_PATIENCE_MS, &out, e);
	if (r < 0)
		return r;
	if (read_connection(buf_text(&out), &own, &l->remote) < 0)
		return err_set(e, -EBADMSG, _("%s does not say who is connected to it"), l->from);
	r = find_interface(l, e);
	if (r < 0 || l->targets.count)
		return r;
	address_format(&own, text);
	if (!scan_is_own(&own))
		return err_set(e, -EADDRNOTAVAIL,
			       _("%s sees this machine as %s, which is none of its addresses: say "
				 "which one to look at (portero verify --from %s ADDRESS)"),
			       l->from, text, l->from);
	return scan_targets_add(&l->targets, &own, e);
}

/* --- what it saw -------------------------------------------------------------------------------
 */

static int bad_answer(const char *host, struct err *e)
{
	return err_set(e, -EBADMSG,
		       _("what portero on %s printed is no portero.scan/1 of these addresses: is "
			 "it of another version?"),
		       host);
}

/*
 * What the scan may take for one address. The rate, where there is one, is for all of them: slower
 * than that, the ports take as long as it needs.
 */
static uint64_t time_of_host(const struct verify_look *l, uint64_t max_rate, const struct scan *s)
{
	uint64_t packets = (uint64_t)s->host_count * s->port_count * PASSES;
	uint64_t time_s =
		PORTS_S + (max_rate ? packets / max_rate : 0) + (l->with_services ? SERVICES_S : 0);

	return time_s < LONGEST_S ? time_s : LONGEST_S;
}

/* Addresses are asked in groups. */
static uint64_t time_of_all(uint64_t host_s, const struct scan *s)
{
	uint64_t groups = (s->host_count + PROBE_HOST_LIMIT - 1) / PROBE_HOST_LIMIT;
	uint64_t time_s = host_s * groups + SLACK_S;

	return time_s < LONGEST_S ? time_s : LONGEST_S;
}

static void add_command(const struct scan *s, uint64_t max_rate, bool services, uint64_t host_s,
			struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	buf_printf(out, "portero scan %s--json ", services ? "-sV " : "");
	buf_printf(out, "--host-timeout %llus ", (unsigned long long)host_s);
	if (max_rate)
		buf_printf(out, "--max-rate %llu ", (unsigned long long)max_rate);
	buf_add_text(out, "-p ");
	for (size_t i = 0, first = 0; i < s->port_count; i++) {
		if (i + 1 < s->port_count && s->ports[i + 1] == s->ports[i] + 1)
			continue;
		buf_printf(out, "%s%u-%u", first ? "," : "", s->ports[first], s->ports[i]);
		first = i + 1;
	}
	for (size_t i = 0; i < s->host_count; i++) {
		address_format(&s->hosts[i].address, text);
		buf_printf(out, " %s", text);
	}
}

int verify_remote_scan(const struct verify_look *l, uint64_t max_rate, struct scan *s,
		       struct err *e)
{
	uint64_t host_s = time_of_host(l, max_rate, s), all_s = time_of_all(host_s, s);
	char span[32];
	struct buf cleanup_call(buf_done) command = {0}, out = {0};
	json_t *root;
	int r;

	add_command(s, max_rate, l->with_services, host_s, &command);
	r = run_there(l, buf_text(&command), (int)all_s * 1000, &out, e);
	if (r == -ETIMEDOUT) {
		fields_format_span(all_s * 1000, span, sizeof(span));
		return err_set(e, r,
			       _("%s was not done with its scan after %s, so it was ended: ask "
				 "fewer ports (-p) or addresses"),
			       l->from, span);
	}
	if (r < 0)
		return r;
	root = json_loadb(buf_text(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
	r = root ? json_scan_read(root, l->with_services, s) : -EBADMSG;
	json_decref(root);
	return r < 0 ? bad_answer(l->from, e) : 0;
}
