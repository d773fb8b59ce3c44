#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what the kernel dumps for a few rulesets, for tests/unit/rule_constants_test.c.

Root. Works in a network namespace of its own, which dies with it. Needs nft, iptables-nft,
iptables-legacy and ipset. Writes beside itself:
  NAME.nft     messages of NETLINK_NETFILTER, one after the other: tables, chains, sets, elements,
               rules of nf_tables
  NAME.ipset   answers to IPSET_CMD_LIST; nlmsg_seq is the set's index
  NAME.ip, NAME.ip6   the entries of the table `filter`, then of `nat`, of iptables-legacy
"""
import ctypes
import os
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NFT, IPSET = 10, 6  # NFNL_SUBSYS_...
DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP

HAND = """
table inet hand {
	set blocklist { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 192.0.2.7, 198.51.100.0-198.51.100.9 } }
	set single { type ipv4_addr; elements = { 10.9.9.9, 10.9.9.8 } }
	set ports { type inet_service; flags interval; elements = { 80, 443, 8000-8100 } }
	set pairs { type ipv4_addr . inet_service; elements = { 10.2.2.2 . 22, 10.2.2.3 . 22, 10.2.2.4 . 23 } }
	set ranges { type ipv4_addr . inet_service; flags interval; elements = { 10.3.0.0/16 . 5000-5010, 10.4.0.1 . 5020 } }
	set six { type ipv6_addr; flags interval; elements = { 2a00:1::/32 } }
	set unused { type ipv4_addr; elements = { 10.250.0.1 } }
	map verdicts { type ipv4_addr : verdict; elements = { 10.5.0.1 : accept, 10.5.0.2 : accept, 10.5.0.3 : drop } }
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iif 1 accept
		iifname "eth*" tcp dport 2222 accept
		iifname { "br0", "wg*" } accept
		iifgroup 7 accept
		ip saddr @blocklist drop
		ip saddr @single drop
		tcp dport @ports accept
		ip saddr . tcp dport @pairs accept
		ip saddr . tcp dport @ranges accept
		ip6 saddr @six drop
		ip saddr vmap @verdicts
		ip saddr != 172.20.0.0/14 tcp dport 6000 accept
		ip saddr 172.30.1.1-172.30.1.9 udp dport 6001-6010 accept
		ip daddr 192.168.77.1 tcp dport >= 60000 accept
		ip6 daddr 2a00:2::1 udp sport 53 accept
		ip saddr & 0.0.0.255 == 0.0.0.9 accept
		tcp dport { 111, 2049 } reject
		tcp dport vmap { 7000-7009 : drop, 7010 : accept }
		meta l4proto tcp ct original proto-dst 7777 accept
		ip saddr 10.77.0.0/24 ip daddr 192.168.78.1 accept
		icmp type echo-request accept
		meta l4proto tcp tcp flags syn / fin,syn,rst,ack limit rate 5/second accept
		udp length > 100 accept
		fib saddr . iif oif missing drop
	}
	chain pre {
		type nat hook prerouting priority -100;
		tcp dport 8443 redirect to :443
		tcp dport 9000 dnat ip to 10.88.0.1:90
		dnat ip to tcp dport map { 9001 : 10.88.0.2 . 91, 9002 : 10.88.0.3 . 92 }
	}
}
"""

# Each is one rule that makes something opaque: the name says what.
OPAQUE = {
    "opaque_port_mask": "tcp dport & 1 == 1 accept",
    "opaque_hash": "dnat ip to jhash ip saddr mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }",
    "opaque_dnat_range": "dnat ip to 10.0.0.1-10.0.0.9",
    "opaque_netmap": "dnat ip prefix to ip daddr map { 10.1.0.0/24 : 10.2.0.0/24 }",
}

XT = [
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -i eth+ -s 10.20.0.0/16 -p tcp --dport 22 -j ACCEPT",
    "-A INPUT -p tcp -m multiport --dports 80,443,1000:1010 -j ACCEPT",
    "-A INPUT -p udp -m udp --sport 53 --dport 1024:65535 -j ACCEPT",
    "-A INPUT -m iprange --src-range 10.30.0.1-10.30.0.9 -j DROP",
    "-A INPUT -m set --match-set pt_block src -j DROP",
    "-A INPUT -m set --match-set pt_pair src,dst -j ACCEPT",
    "-A INPUT -m set --match-set pt_list src -j DROP",
    "-A INPUT -m conntrack --ctorigdstport 5555 --ctorigsrc 10.40.0.0/24 -j ACCEPT",
    "-A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 99 -j ACCEPT",
    "-A INPUT -s 10.50.0.0/255.255.0.255 -j ACCEPT",
    "-A INPUT -m recent --name x --update --seconds 60 -p tcp --dport 23 -j DROP",
    "-A INPUT -j LOG",
    "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
]
XT_NAT = [
    "-t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.60.0.1:80",
    "-t nat -A PREROUTING -p tcp --dport 8081 -j REDIRECT --to-ports 8090-8099",
]
XT6 = [
    "-A INPUT -s 2a00:3::/32 -p tcp --dport 22 -j ACCEPT",
    "-A INPUT -p udp -m multiport --sports 67,68 -j ACCEPT",
    "-A INPUT -d 2a00:4::1 -j ACCEPT",
]
SETS = """
create pt_gap hash:ip
create pt_block hash:net
add pt_block 10.6.0.0/16
add pt_block 10.7.1.1
create pt_pair hash:ip,port
add pt_pair 10.8.0.1,tcp:25
add pt_pair 10.8.0.2,tcp:25
create pt_nomatch hash:net
add pt_nomatch 10.9.0.0/16
add pt_nomatch 10.9.1.0/24 nomatch
add pt_nomatch 10.10.0.0/24
add pt_nomatch 10.11.1.0/24 nomatch
create pt_list list:set
add pt_list pt_nomatch
destroy pt_gap
"""


def netfilter():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    return s


def attribute(kind, value):
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def ask(subsystem, kind, family, attributes=b"", flags=DUMP, version=0):
    """All messages of the answer, headers included."""
    with netfilter() as s:
        size = 20 + len(attributes)
        s.send(struct.pack("=IHHIIBBH", size, subsystem << 8 | kind, flags, 1, 0, family, version, 0)
               + attributes)
        found = []
        while True:
            data = s.recv(1 << 20)
            while data:
                size, what = struct.unpack_from("=IH", data)
                if what in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                    return found
                found.append(data[:size].ljust(size + -size % 4, b"\0"))
                if not flags & 0x300:
                    return found
                data = data[size + -size % 4:]


def find(message, kind):
    at = 20
    while at + 4 <= len(message):
        size, what = struct.unpack_from("=HH", message, at)
        if what & 0x3FFF == kind:
            return message[at + 4:at + size]
        at += size + -size % 4
    return b""


def record_nft(name):
    tables, chains = ask(NFT, 1, 0), ask(NFT, 4, 0)
    sets, rules = ask(NFT, 10, 0), ask(NFT, 7, 0)
    elements = []
    for one in sets:
        elements += ask(NFT, 13, one[16], attribute(1, find(one, 1)) + attribute(2, find(one, 2)))
    write(name + ".nft", b"".join(tables + chains + sets + elements + rules))


def record_ipset(name):
    protocol = attribute(1, b"\x07")
    out = b""
    for one in ask(IPSET, 7, 0, protocol):
        answer = ask(IPSET, 14, 0, protocol + attribute(2, find(one, 2)), flags=1)
        index = struct.unpack(">H", find(answer[0], 11))[0]
        out += one[:8] + struct.pack("=I", index) + one[12:]
    write(name + ".ipset", out)


def record_legacy(name, family, level):
    out = b""
    for table in (b"filter", b"nat"):
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
            info = getinfo(s, level, table)
            size = struct.unpack_from("=I", info, 80)[0]
            if size:
                out += getentries(s, level, table, size)
    write(name, out)


def getsockopt(s, level, option, data):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(data, len(data))
    size = ctypes.c_uint32(len(data))
    if libc.getsockopt(s.fileno(), level, option, buffer, ctypes.byref(size)) < 0:
        raise OSError(ctypes.get_errno(), "getsockopt")
    return buffer.raw


def getinfo(s, level, table):
    return getsockopt(s, level, 64, table.ljust(84, b"\0"))


def getentries(s, level, table, size):
    # name, size, and the entries aligned on 8
    head = table.ljust(32, b"\0") + struct.pack("=II", size, 0)
    return getsockopt(s, level, 65, head + b"\0" * size)[40:]


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    print(name, len(data))


def run(*command, text=None):
    subprocess.run(command, input=text, text=True, check=True)


def inside():
    run("ip", "link", "set", "lo", "up")
    run("nft", "-f", "-", text=HAND)
    record_nft("hand")
    for name, rule in OPAQUE.items():
        run("nft", "flush", "ruleset")
        kind = "nat hook prerouting priority -100" if "dnat" in rule else "filter hook input priority 0"
        run("nft", "-f", "-", text="table inet t {\nchain c {\ntype %s;\n%s\n}\n}\n" % (kind, rule))
        record_nft(name)
    run("nft", "flush", "ruleset")
    run("ipset", "restore", text=SETS)
    record_ipset("xt")
    for tool in ("nft", "legacy"):
        for rule in XT + XT_NAT:
            run("iptables-" + tool, *rule.split())
        for rule in XT6:
            run("ip6tables-" + tool, *rule.split())
        if tool == "nft":
            record_nft("xt")
            run("nft", "flush", "ruleset")
        else:
            record_legacy("xt.ip", socket.AF_INET, socket.IPPROTO_IP)
            record_legacy("xt.ip6", socket.AF_INET6, socket.IPPROTO_IPV6)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        inside()
    else:
        sys.exit(subprocess.run(["unshare", "-n", sys.executable, __file__, "inside"]).returncode)
