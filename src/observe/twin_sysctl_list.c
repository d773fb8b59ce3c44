/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_sysctl_list.h"
#include "base/mem.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <sys/socket.h>

static const struct sysctl_conf conf4[] = {
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

static const struct sysctl_conf conf6[] = {
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
	{"force_forwarding", DEVCONF_ACCEPT_RA_MIN_LFT + 1}, /* Linux 6.17 */
};

const struct sysctl_family sysctl_families[SYSCTL_FAMILY_COUNT] = {
	{"ipv4", AF_INET, conf4, ARRAY_LEN(conf4)},
	{"ipv6", AF_INET6, conf6, ARRAY_LEN(conf6)},
};

const char *const sysctl_globals[] = {
	"ipv4/ip_nonlocal_bind",
	"ipv4/ip_forward_use_pmtu",
	"ipv4/ip_forward_update_priority",
	"ipv4/ip_early_demux",
	"ipv4/tcp_early_demux",
	"ipv4/udp_early_demux",
	"ipv4/ip_default_ttl",
	"ipv4/fwmark_reflect",
	"ipv4/tcp_fwmark_accept",
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
	NULL,
};

const struct sysctl_own sysctl_own[] = {
	/* no reject is withheld */
	{"ipv4/icmp_ratelimit", "0", SYSCTL_LOSS_REJECTS},
	{"ipv4/icmp_ratemask", "0", SYSCTL_LOSS_REJECTS},
	{"ipv4/icmp_msgs_per_sec", "1000000000",
	 SYSCTL_LOSS_NONE}, /* does not count with that mask */
	{"ipv4/icmp_msgs_burst", "1000000", SYSCTL_LOSS_NONE},
	{"ipv6/icmp/ratelimit", "0", SYSCTL_LOSS_REJECTS},
	{"ipv6/icmp/ratemask", "\n", SYSCTL_LOSS_REJECTS},
	/* nothing is written to the machine's log */
	{"ipv4/conf/all/log_martians", "0", SYSCTL_LOSS_LOG},
	{"ipv4/conf/default/log_martians", "0", SYSCTL_LOSS_LOG},
	{"netfilter/nf_conntrack_log_invalid", "0", SYSCTL_LOSS_LOG},
	/* it makes no address by itself, looks for no router and for no double, reports no group */
	{"ipv6/conf/default/addr_gen_mode", "1", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/accept_dad", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/dad_transmits", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/accept_ra", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/autoconf", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/router_solicitations", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/ndisc_notify", "0", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/mldv1_unsolicited_report_interval", "86400000", SYSCTL_LOSS_NONE},
	{"ipv6/conf/default/mldv2_unsolicited_report_interval", "86400000", SYSCTL_LOSS_NONE},
	{"ipv4/conf/default/arp_notify", "0", SYSCTL_LOSS_NONE},
	{NULL, NULL, SYSCTL_LOSS_NONE},
};
