# SPDX-License-Identifier: GPL-2.0-or-later
# Tables at one priority, loaded in both orders. Checked by test_hooks.py.
# modules: nf_tables nft_reject nft_reject_inet nft_reject_ipv4 nft_reject_ipv6 nft_ct nft_log tun
# modules: nft_chain_nat nft_redir nft_meta_bridge nft_compat nfnetlink_log nf_log_syslog ip6_tables
# modules: nf_conntrack_netlink nfnetlink_hook iptable_filter iptable_raw ip_tables xt_tcpudp
# modules: xt_NFLOG ip6table_filter
# programs: nft iptables-legacy
# files: usr/lib/*-linux-gnu/xtables/libxt_standard.so usr/lib/*-linux-gnu/xtables/libxt_tcp.so

refuses() {
	nft add table inet refuses
	nft add chain inet refuses i '{ type filter hook input priority 0; }'
	nft add rule inet refuses i tcp dport 1000-2000 reject with tcp reset
}
drops() {
	nft add table ip drops
	nft add chain ip drops i '{ type filter hook input priority 0; }'
	nft add rule ip drops i tcp dport 1500-2500 drop
}
redirects() {
	nft add table ip "to$1"
	nft add chain ip "to$1" p '{ type nat hook output priority -100; }'
	nft add rule ip "to$1" p tcp dport 8080 redirect to ":$1"
}
shields() {
	nft add table ip shields
	nft add chain ip shields o '{ type filter hook output priority -100; }'
	nft add rule ip shields o tcp dport 8080 drop
}
legacy() {
	iptables-legacy -A INPUT -p tcp --dport 1500:2500 -j DROP
}
ask() {
	show "$1" portero reach --json --no-cache
	# refused at once, or not at all? (who is let in is kept waiting)
	show "$1-packet" sh -c "timeout 4 nc -w 2 127.0.0.1 $2 </dev/null 2>&1"
	nft flush ruleset
}

refuses; drops; ask refuses-drops 1700
drops; refuses; ask drops-refuses 1700
redirects 80; shields; ask redirects-shields 8080
shields; redirects 80; ask shields-redirects 8080
redirects 80; redirects 81; ask redirects 8080
refuses; legacy; ask refuses-legacy 1700
# the legacy table stays where it is
refuses; ask legacy-refuses 1700
iptables-legacy -F
show loaded lsmod
