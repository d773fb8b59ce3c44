# SPDX-License-Identifier: GPL-2.0-or-later
# A policy's ruleset on older kernels, and on a machine with a VRF: who gets in. Checked by test_policy.py.
# modules: vrf veth nf_tables nft_ct nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_socket
# modules: nft_reject_inet nft_limit nf_conntrack
# programs: nft ip
# The ruleset is what tests/netns/tools/policy_rules.c makes (policy_rules --vrf --link eth0 10.9.0.1/24
# --link eth0 fd09::1/64 --link red 10.9.0.1/24 rules FILE) of
#   openings:
#     - ports: 880/tcp
#       from: link
#       interfaces: [red]
#     - ports: 881/tcp
#       from: internet
#       interfaces: [eth0]
#     - ports: 882/tcp
#       from: internet
#       rate: 100/minute
#     - ports: 884/tcp
#       from: 10.9.0.2
#       until: 2099-01-01
ip netns add peer
ip link add red type vrf table 10
ip link add eth0 type veth peer name eth0 netns peer
ip link set eth0 master red
ip addr add 10.9.0.1/24 dev eth0
ip addr add 10.10.0.1/32 dev red
ip link set red up
ip link set eth0 up
ip -n peer addr add 10.9.0.2/24 dev eth0
ip -n peer link set eth0 up
ip -6 addr add fd09::1/64 dev eth0 nodad
ip -n peer -6 addr add fd09::2/64 dev eth0 nodad
ip -n peer route add default via 10.9.0.1
sysctl -qw net.ipv4.tcp_l3mdev_accept=1
for port in 880 881 882 883 884; do
	nc -ll -p $port -e echo hello &
done
cat >/tmp/rules <<'RULES'
add table inet portero
delete table inet portero
table inet portero {
	set rate3_4 {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 60s
	}
	set rate3_6 {
		type ipv6_addr
		size 65535
		flags dynamic,timeout
		timeout 60s
	}
	set link4 {
		type ifname . ipv4_addr
		flags interval
		elements = { "eth0" . 10.9.0.0/24, "red" . 10.9.0.0/24 }
	}
	set link6 {
		type ifname . ipv6_addr
		flags interval
		elements = { "eth0" . fd09::/64 }
	}
	chain o1 {
		iifname != "red" return
		ip saddr 0.0.0.0 counter accept comment "rules_vrf.yaml:2"
		ip saddr 169.254.0.0/16 counter accept comment "rules_vrf.yaml:2"
		ip6 saddr fe80::/10 counter accept comment "rules_vrf.yaml:2"
		iifname . ip saddr @link4 counter accept comment "rules_vrf.yaml:2"
		iifname . ip6 saddr @link6 counter accept comment "rules_vrf.yaml:2"
	}
	chain o2 {
		iifname != "eth0" return
		counter accept comment "rules_vrf.yaml:5"
	}
	chain o3r {
		ct state new ct status confirmed counter accept comment "rules_vrf.yaml:8"
		update @rate3_4 { ip saddr limit rate over 100/minute burst 100 packets } return
		update @rate3_6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 100/minute burst 100 packets } return
		counter accept comment "rules_vrf.yaml:8"
	}
	chain o3 {
		goto o3r
	}
	chain o4 {
		ip saddr 10.9.0.2 counter accept comment "rules_vrf.yaml:11"
	}
	chain o4t {
		meta time < 4070908800 goto o4
	}
	map tcp_ports {
		type inet_service : verdict
		flags interval
		elements = { 880 : jump o1, 881 : jump o2, 884 : jump o4t }
	}
	map tcp_rated {
		type inet_service : verdict
		flags interval
		elements = { 882 : jump o3 }
	}
	chain check {
		meta l4proto tcp th dport vmap @tcp_ports
		meta l4proto tcp th dport vmap @tcp_rated
		meta nfproto ipv4 udp sport 67 udp dport 68 accept
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
		counter comment "undeclared"
		drop
	}
	chain prerouting {
		type filter hook prerouting priority -199; policy accept;
		iif lo accept
		meta iifkind "vrf" accept
		tcp flags & (syn | ack) != syn ct state established accept
		meta l4proto != tcp ct state established accept
		meta l4proto != { tcp, udp, udplite, sctp, dccp } accept
		tcp flags & ack == ack socket wildcard 0 accept
		fib daddr type { local, broadcast, anycast } goto check
	}
	chain input {
		type filter hook input priority -10; policy accept;
		iif lo accept
		tcp flags & (syn | ack) != syn ct state established accept
		meta l4proto != tcp ct state established accept
		meta l4proto != { tcp, udp, udplite, sctp, dccp } accept
		ct status dnat ct original ip daddr { 10.9.0.1 } accept
		ct status dnat ct original ip6 daddr { fd09::1 } accept
		ct status ! dnat fib daddr type { local, broadcast, anycast } accept
		tcp flags & ack == ack socket wildcard 0 accept
		goto check
	}
}
RULES
show rules nft -f /tmp/rules
sleep 2 # IPv6 addresses are in use then
for address in 10.9.0.1 10.10.0.1 fd09::1; do
	for port in 880 881 882 883 884; do
		show $address-$port ip netns exec peer timeout 2 nc $address $port </dev/null
	done
done
show own-883 ip vrf exec red timeout 2 nc 10.9.0.1 883 </dev/null
show counters nft list chain inet portero check
for job in $(jobs -p); do
	kill $job
done
nft flush ruleset
ip link del eth0 # the namespace ends later than it loses its name
ip netns del peer
ip link del red
