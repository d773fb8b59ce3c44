# SPDX-License-Identifier: GPL-2.0-or-later
# A firewall in the manner of a server's, and portero's answers about it. Checked by test_reach.py.
# modules: tun veth bridge nf_tables nft_ct nft_log nft_limit nft_reject_inet nft_chain_nat nft_redir
# modules: nfnetlink_log nf_conntrack nf_conntrack_netlink nft_nat nft_compat nft_fib_inet
# programs: nft ip
ip link add eth0 type veth peer name peer0
ip addr add 192.0.2.1/24 dev eth0
ip -6 addr add 2001:db8:1::1/64 dev eth0 nodad
ip link set eth0 up
ip link set peer0 up
ip route add default via 192.0.2.2
ip -6 route add default via 2001:db8:1::2
cat >/tmp/rules <<'RULES'
table inet filter {
	set blocklist {
		type ipv4_addr
		flags interval
		elements = { 203.0.113.0/24, 11.1.0.0/16 }
	}
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iif lo accept
		ip saddr @blocklist drop
		meta l4proto { 1, 58 } accept
		tcp dport { 22, 8000 } accept
		tcp dport 2222 limit rate 5/second accept
		ip saddr 10.1.0.0/16 tcp dport 5432 accept
		tcp dport 113 reject with tcp reset
		udp dport 53 reject
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority -100;
		tcp dport 8081 redirect to :8000
	}
}
RULES
show rules nft -f /tmp/rules
for name in site database; do
	ln -f /usr/bin/serve /usr/bin/$name
done
show start sh -e <<'LISTENERS'
site tcp=0.0.0.0/8000
database tcp=0.0.0.0/5432 tcp=0.0.0.0/3306 tcp=127.0.0.1/6379
LISTENERS
sleep 3 # IPv6 addresses are in use then
show ruleset-before nft list ruleset
show status portero --json
show reach portero reach --json
show explain portero explain 5432/tcp --from 11.2.3.4 --json
show explain-open portero explain 8081/tcp --json
show ruleset-after nft list ruleset
show doctor portero doctor --json
nft flush ruleset
ip link del eth0
