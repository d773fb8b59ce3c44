# SPDX-License-Identifier: GPL-2.0-or-later
"""
Senders whose network is behind another interface: who forges them, or comes by a detour, gets in where
rules trust the address alone. Real packets are the judge.
"""
import subprocess
import sys

import pytest

from harness import find, ip, need_program
from test_reach import ask, machine, places, reach, status  # noqa: F401 (fixtures)

# of eth1's network, as 192.0.2.0/24 is eth0's
OTHER, OTHER6 = "198.51.100", "2001:db8:2:"
RULES = f"""
table inet t {{
	chain in {{
		type filter hook input priority 0; policy drop;
		iif lo accept
		icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
		ct state established accept
		tcp dport 22 accept
		ip saddr {OTHER}.0/24 udp dport 53 accept
		ip6 saddr {OTHER6}:/64 udp dport 53 accept
		iifname "eth1" ip saddr 192.0.2.0/24 udp dport 161 accept
		ip saddr {OTHER}.0/24 tcp dport 5432 accept
	}}
}}
"""
SEND = """
import sys
from scapy.all import Ether, IP, IPv6, TCP, UDP, get_if_hwaddr, sendp
source, destination, proto, port = sys.argv[1:5]
ip = (IPv6 if ":" in source else IP)(src=source, dst=destination)
data = TCP(sport=40000, dport=int(port)) if proto == "tcp" else UDP(sport=40000, dport=int(port)) / b"knock"
sendp(Ether(src=get_if_hwaddr("eth0"), dst="02:00:00:00:00:01") / ip / data, iface="eth0", verbose=0)
"""


@pytest.fixture
def two(machine, make_ns):  # noqa: F811
    """... and a second interface, where the peer's eth0 is a cable to eth1."""
    need_program("nft")
    machine.other = make_ns()
    machine.connect(machine.other, name="eth1", mac="02:00:00:00:00:01",
                    addresses=(f"{OTHER}.1/24", f"{OTHER6}:1/64"))
    machine.nft(RULES)
    return machine


def send(ns, source, destination, port, proto="udp"):
    subprocess.run(["nsenter", f"--net=/run/netns/{ns.name}", sys.executable, "-c", SEND, source,
                    destination, proto, str(port)], check=True, timeout=30)


def gets_in(two, ns, source, destination, port):
    with two.udp(destination, port) as s:
        s.settimeout(0.5)
        send(ns, source, destination, port)
        try:
            return s.recvfrom(100)[1][0] == source
        except TimeoutError:
            return False


def forged(answer, interface, proto="udp"):
    """{(sources, port): verdict} of the single ports."""
    return {(c["sources"], i["from"]): i["verdict"] for c in answer["classes"]
            for i in c["intervals"] if c["name"] == "forged" and c["interface"] == interface
            and c["proto"] == proto and i["from"] == i["to"]}


@pytest.mark.parametrize("filter_", [0, 1, 2])
def test_forged_senders_are_told(two, filter_):
    """A strict rp_filter (RFC 3704) keeps those of IPv4 out; a loose one does not."""
    for name in ("eth0", "eth1"):
        two.sysctl(**{f"ipv4__conf__{name}__rp_filter": filter_})
    let_in = filter_ != 1
    assert gets_in(two, two.peer, f"{OTHER}.7", "192.0.2.1", 53) == let_in
    assert gets_in(two, two.other, "192.0.2.7", "192.0.2.1", 161) == let_in
    assert not gets_in(two, two.peer, "192.0.2.7", "192.0.2.1", 161)
    assert gets_in(two, two.peer, f"{OTHER6}:7", "2001:db8:1::1", 53)
    answer = reach(two)
    at0, at1 = forged(answer, "eth0"), forged(answer, "eth1")
    assert ((f"{OTHER}.0/24", 53) in at0) == let_in
    assert ((("192.0.2.0/24", 161) in at1)) == let_in
    assert at0[f"{OTHER6}:/64", 53] == "accept"
    assert set(at0.values()) | set(at1.values()) == {"accept"}
    assert answer["complete"]


def test_what_is_said_of_them(two):
    two.udp("0.0.0.0", 161)
    two.udp("0.0.0.0", 53)
    table = status(two)
    only, also = find(table, 161, "udp"), find(table, 53, "udp")
    assert only["state"] == "open" and only["reach"]["widest"] == "forged"
    assert also["state"] == "open" and also["reach"]["widest"] == "link"
    text = ask(two, "show", "161/udp").text
    assert "192.0.2.0/24 (forged) via eth1" in text
    text = ask(two, "show", "53/udp").text
    assert f"{OTHER}.0/24 (forged) via eth0" in text
    assert "192.0.2.0/24 (forged)" in ask(two).text


def test_what_no_rule_tells_apart_is_not_asked(two):
    two.nft(f"flush ruleset\n{RULES.replace('ip saddr', 'ip daddr').replace('ip6 saddr', 'ip6 daddr')}")
    assert not [c for c in reach(two)["classes"] if c["name"] == "forged"]


def test_a_tunnel_that_has_the_whole_internet(two):
    """As OpenVPN's redirect-gateway def1 does it: packets from anywhere still come in by eth0."""
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        ip("-n", two.name, "route", "add", half, "via", f"{OTHER}.2")
    two.sysctl(ipv4__conf__eth0__rp_filter=2)
    assert gets_in(two, two.peer, "8.8.8.8", "192.0.2.1", 22) is False
    two.nft("add rule inet t in udp dport 500 accept")
    assert gets_in(two, two.peer, "8.8.8.8", "192.0.2.1", 500)
    answer = reach(two, "--in", "eth0", "-4")
    found = {i["verdict"] for c in answer["classes"] for i in c["intervals"]
             if (c["name"], c["proto"]) == ("internet", "udp") and i["from"] <= 500 <= i["to"]}
    assert found == {"accept"}
