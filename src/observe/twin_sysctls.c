/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_sysctls.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/ns.h"
#include "observe/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VALUE_SIZE = 128, PATH_SIZE = 160 };

/* Of one interface, of all, and the default for new ones. */
struct conf {
	const char *name;
	uint8_t index; /* in struct rt_link's conf4 or conf6 */
};

static const struct conf conf4[] = {
	/* first: writing it to `all` changes the others' */
	{"forwarding", IPV4_DEVCONF_FORWARDING - 1},
	{"rp_filter", IPV4_DEVCONF_RP_FILTER - 1},
	{"accept_local", IPV4_DEVCONF_ACCEPT_LOCAL - 1},
	{"accept_source_route", IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE - 1},
	{"src_valid_mark", IPV4_DEVCONF_SRC_VMARK - 1},
	{"route_localnet", IPV4_DEVCONF_ROUTE_LOCALNET - 1},
	{"bc_forwarding", IPV4_DEVCONF_BC_FORWARDING - 1},
	{"disable_policy", IPV4_DEVCONF_NOPOLICY - 1},
	{"disable_xfrm", IPV4_DEVCONF_NOXFRM - 1},
	{"ignore_routes_with_linkdown", IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN - 1},
	{"drop_unicast_in_l2_multicast", IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST - 1},
};

static const struct conf conf6[] = {
	{"disable_ipv6", DEVCONF_DISABLE_IPV6},
	{"forwarding", DEVCONF_FORWARDING},
	{"accept_source_route", DEVCONF_ACCEPT_SOURCE_ROUTE},
	{"disable_policy", DEVCONF_DISABLE_POLICY},
	{"proxy_ndp", DEVCONF_PROXY_NDP},
	{"seg6_enabled", DEVCONF_SEG6_ENABLED},
	{"seg6_require_hmac", DEVCONF_SEG6_REQUIRE_HMAC},
	{"rpl_seg_enabled", DEVCONF_RPL_SEG_ENABLED},
	{"ioam6_enabled", DEVCONF_IOAM6_ENABLED},
	{"ignore_routes_with_linkdown", DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN},
	{"drop_unicast_in_l2_multicast", DEVCONF_DROP_UNICAST_IN_L2_MULTICAST},
	/* Linux 6.17; not told by netlink */
	{"force_forwarding", RT_CONF_LIMIT},
};

static const struct family {
	const char *name;
	int af;
	const struct conf *conf;
	size_t count;
} families[] = {
	{"ipv4", AF_INET, conf4, ARRAY_LEN(conf4)},
	{"ipv6", AF_INET6, conf6, ARRAY_LEN(conf6)},
};

/* Of the whole namespace. Those that a kernel lacks, both sides lack. */
static const char *const globals[] = {
	"ipv4/ip_nonlocal_bind",
	"ipv4/ip_forward_use_pmtu",
	"ipv4/ip_forward_update_priority",
	"ipv4/ip_early_demux",
	"ipv4/tcp_early_demux",
	"ipv4/udp_early_demux",
	"ipv4/ip_default_ttl",
	"ipv4/fwmark_reflect",
	"ipv4/raw_l3mdev_accept",
	"ipv4/tcp_l3mdev_accept",
	"ipv4/udp_l3mdev_accept",
	"ipv4/nexthop_compat_mode",
	"ipv4/fib_multipath_use_neigh",
	"ipv4/fib_multipath_hash_policy",
	"ipv4/fib_multipath_hash_fields",
	"ipv4/fib_multipath_hash_seed",
	"ipv4/icmp_errors_use_inbound_ifaddr",
	"ipv6/ip_nonlocal_bind",
	"ipv6/fwmark_reflect",
	"ipv6/fib_multipath_hash_policy",
	"ipv6/fib_multipath_hash_fields",
	"ipv6/max_hbh_opts_number",
	"ipv6/max_dst_opts_number",
	"ipv6/max_hbh_length",
	"ipv6/max_dst_opts_length",
	"netfilter/nf_conntrack_acct",
	"netfilter/nf_conntrack_timestamp",
	"netfilter/nf_conntrack_checksum",
	"netfilter/nf_conntrack_tcp_be_liberal",
	"netfilter/nf_conntrack_tcp_loose",
	"netfilter/nf_conntrack_tcp_ignore_invalid_rst",
	"netfilter/nf_conntrack_helper",
	"netfilter/nf_hooks_lwtunnel",
};

/* The twin's own. */
static const struct {
	const char *path, *value;
} own[] = {
	/* no reject is withheld */
	{"ipv4/icmp_ratelimit", "0"},
	{"ipv4/icmp_ratemask", "0"},
	{"ipv4/icmp_msgs_per_sec", "1000000000"},
	{"ipv4/icmp_msgs_burst", "1000000"},
	{"ipv6/icmp/ratelimit", "0"},
	{"ipv6/icmp/ratemask", "\n"},
	/* nothing is written to the machine's log */
	{"ipv4/conf/all/log_martians", "0"},
	{"ipv4/conf/default/log_martians", "0"},
	{"netfilter/nf_conntrack_log_invalid", "0"},
	/* it makes no address by itself, looks for no router and for no double, reports no group */
	{"ipv6/conf/default/addr_gen_mode", "1"},
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/dad_transmits", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/autoconf", "0"},
	{"ipv6/conf/default/router_solicitations", "0"},
	{"ipv6/conf/default/ndisc_notify", "0"},
	{"ipv6/conf/default/mldv1_unsolicited_report_interval", "86400000"},
	{"ipv6/conf/default/mldv2_unsolicited_report_interval", "86400000"},
	{"ipv4/conf/default/arp_notify", "0"},
	/* what is sent to it in order to be tried is not stopped for its number */
	{"netfilter/nf_conntrack_events", "0"},
};

/* The value without its newline; "" when there is none to read. */
static void read_value(const char *path, char value[VALUE_SIZE])
{
	char full[PATH_SIZE];
	int cleanup_close fd = -1;
	ssize_t got;

	value[0] = '\0';
	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, value, VALUE_SIZE - 1);
	value[got > 0 ? got : 0] = '\0';
	value[strcspn(value, "\n")] = '\0';
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

	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		for (size_t p = 0; p < ARRAY_LEN(places); p++)
			for (size_t i = 0; i < families[f].count; i++) {
				snprintf(path, sizeof(path), "%s/conf/%s/%s", families[f].name,
					 places[p], families[f].conf[i].name);
				read_line(b, path);
			}
	for (size_t i = 0; i < ARRAY_LEN(globals); i++)
		read_line(b, globals[i]);
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

static int write_all(void *context)
{
	for_each_line(context, write_different, NULL);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		write_value(own[i].path, own[i].value);
	return 0;
}

int twin_sysctls_copy(struct twin *t, struct twin_report *report, struct err *e)
{
	struct buf cleanup_call(buf_done) lines = {0};

	(void)report;
	read_all(&lines);
	if (lines.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	t->host_sysctls = map_hash_bytes(buf_text(&lines), lines.len);
	return ns_run(t->ns, write_all, &lines, e);
}

/* --- of interfaces
 * -------------------------------------------------------------------------------- */

static bool get_conf(const struct rt_link *link, const struct family *f, size_t i, int32_t *ret)
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
				void (*each)(const struct rt_link *link, const struct family *f,
					     const char *name, int32_t value, void *context),
				void *context)
{
	for (size_t l = 0; l < host->link_count; l++) {
		const struct rt_link *a = &host->links[l], *b = rt_image_link(twin, a->ifindex);

		for (size_t f = 0; b && f < ARRAY_LEN(families); f++)
			for (size_t i = 0; i < families[f].count; i++) {
				int32_t value, other;

				if (get_conf(a, &families[f], i, &value) &&
				    get_conf(b, &families[f], i, &other) && value != other)
					each(a, &families[f], families[f].conf[i].name, value,
					     context);
			}
	}
}

static void add_line(const struct rt_link *link, const struct family *f, const char *name,
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

static void report_interface(const struct rt_link *link, const struct family *f, const char *name,
			     int32_t value, void *context)
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
	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		if (strncmp(path, families[f].name, 4) == 0) {
			d.scope = TWIN_FAMILY;
			d.family = (uint8_t)families[f].af;
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
