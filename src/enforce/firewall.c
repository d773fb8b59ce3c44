/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall: nft makes the transaction, the kernel is asked what became of it. Whoever calls runs as
 * root; scripts come from decide/policy_ruleset or from the disk, and are held to our own table by
 * enforce/firewall_script.
 */
#include "enforce/firewall.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "base/run.h"
#include "enforce/firewall_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

/* nft repeats a line of the script, which may hold 50,000 addresses, with each complaint */
enum { MESSAGES_LIMIT = 8 << 20 };

/* --- the kernel's word --------------------------------------------------------------------------
 */

static size_t begin(struct buf *b, uint16_t type)
{
	struct nfgenmsg m = {.nfgen_family = NFPROTO_INET};
	size_t message = nla_begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0, &m,
					   sizeof(m));

	nla_put_text(b, NFTA_TABLE_NAME, FIREWALL_TABLE);
	return message;
}

static void bracket(struct buf *b, uint16_t type)
{
	struct nfgenmsg m = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};

	nla_end_message(b, nla_begin_message(b, type, 0, &m, sizeof(m)));
}

static int take_table(uint16_t type, const void *payload, size_t len, void *context)
{
	struct cur c = cur_init(payload, len), value;
	uint64_t *handle = context;

	cur_take(&c, sizeof(struct nfgenmsg));
	if (c.ok && type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) &&
	    nla_find(c, NFTA_TABLE_HANDLE, &value))
		*handle = nla_number_be(value);
	return 0;
}

/* "There is no such subsystem": the kernel has no nf_tables, so there is no table of it. */
static bool is_absent(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -ENOENT;
}

static int no_permission(struct err *e)
{
	return err_set(e, -EPERM, _("only root may change the firewall: run portero as root"));
}

int firewall_handle(uint64_t *ret, struct err *e)
{
	struct nl cleanup_call(nl_close) n = {0};
	struct buf cleanup_call(buf_done) request = {0};
	uint64_t handle = 0;
	struct nl_dump_ops ops = {NULL, take_table, &handle};
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (is_absent(r)) {
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return r;
	nla_end_message(&request, begin(&request, NFT_MSG_GETTABLE));
	if (request.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = nl_get(&n, (void *)request.data, &ops, e);
	if (r == -EPERM)
		return no_permission(e);
	if (r < 0 && !is_absent(r))
		return r;
	*ret = r < 0 ? 0 : handle;
	return 0;
}

struct removal {
	int error; /* the first that counts, negative */
};

static void take_refusal(size_t index, int error, const char *reason, void *context)
{
	struct removal *removal = context;

	(void)index;
	(void)reason;
	if (!removal->error)
		removal->error = -error;
}

int firewall_remove(struct err *e)
{
	struct nl cleanup_call(nl_close) n = {0};
	struct buf cleanup_call(buf_done) batch = {0};
	struct removal removal = {0};
	uint64_t handle = 0;
	int r = firewall_handle(&handle, e);

	if (r < 0 || handle == 0)
		return r;
	r = nl_open(&n, NETLINK_NETFILTER, e);
	if (r < 0)
		return r;
	bracket(&batch, NFNL_MSG_BATCH_BEGIN);
	nla_end_message(&batch, begin(&batch, NFT_MSG_DELTABLE));
	bracket(&batch, NFNL_MSG_BATCH_END);
	r = nl_send(&n, &batch, take_refusal, &removal, e);
	if (r > 0 && removal.error == -ENOENT)
		return 0; /* somebody was faster */
	if (r > 0)
		r = err_set(e, removal.error, "%s", strerror(-removal.error));
	if (r == -EPERM)
		return no_permission(e);
	if (r < 0)
		return err_set(e, r, _("the kernel does not remove the table inet %s: %s"),
			       FIREWALL_TABLE, strerror(-r));
	return 0;
}

/* --- nft ----------------------------------------------------------------------------------------
 */

static int explain(int r, const char *script, size_t len, const struct buf *messages, struct err *e)
{
	if (r == -ENOENT)
		return err_set(e, r,
			       _("the firewall cannot be changed: the program nft is not installed "
				 "(package nftables)"));
	if (r == -ETIMEDOUT)
		return err_set(e, r,
			       _("nft took more than %d seconds and was ended: the firewall is as "
				 "it was"),
			       FIREWALL_PATIENCE_MS / 1000);
	if (r < 0 && r != -E2BIG)
		return err_set(e, r, _("nft cannot be run: %s"), strerror(-r));
	return firewall_script_explain(script, len, buf_text(messages), e);
}

int firewall_load(const char *script, size_t len, struct err *e)
{
	const char *const argv[] = {"nft", "-f", "-", NULL};
	struct buf cleanup_call(buf_done) out = {0}, messages = {0};
	struct run run = {.argv = argv,
			  .input = script,
			  .input_len = len,
			  .limit = MESSAGES_LIMIT,
			  .patience_ms = FIREWALL_PATIENCE_MS,
			  .apart = true,
			  .out = &out,
			  .errors = &messages};
	uint64_t before = 0, after = 0;
	int r = firewall_script_check(script, len, e);

	if (r < 0)
		return r;
	r = firewall_handle(&before, e);
	if (r < 0)
		return r;
	r = run_with(&run);
	if (r == 0)
		return 0;
	/* It was ended, or failed for a reason of its own: the kernel may have been done before. */
	if (firewall_handle(&after, e) == 0 && after != before && after != 0)
		return 0;
	return explain(r, script, len, &messages, e);
}
