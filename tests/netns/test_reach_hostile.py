# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an answer was wrong once: each case is tried by a real packet, and then portero is asked."""
import json
import socket
import subprocess
from contextlib import contextmanager

import pytest

from harness import Netns, find, ip, need_program, portero, require_namespaces

HOST, PEER = "10.77.0.1", "10.77.0.9"


def run_in(ns, *argv, check=True, **kw):
    with ns:
        return subprocess.run(argv, check=check, capture_output=True, text=True, **kw)


def sysctl(ns, path, value):
    run_in(ns, "sh", "-c", f"echo {value} >/proc/sys/net/{path}")


def rules(ns, text):
    run_in(ns, need_program("nft"), "-f", "-", input=text)


def input_rules(ns, text, family="ip"):
    rules(ns, f"table {family} t {{\nchain i {{\ntype filter hook input priority 0; policy drop;\n"
              f"{text}\n}}\n}}\n")


class Cable:
    """The machine `host` and a neighbour, joined by eth0 (and eth1)."""

    def __init__(self, count=1):
        self.host, self.peer = Netns(), Netns()
        for i in range(count):
            ip("link", "add", f"eth{i}", "netns", self.host.name, "type", "veth",
               "peer", "name", f"eth{i}", "netns", self.peer.name)
        for ns in (self.host, self.peer):
            for place in ("all", "default", *(f"eth{i}" for i in range(count))):
                sysctl(ns, f"ipv4/conf/{place}/rp_filter", 0)
                sysctl(ns, f"ipv6/conf/{place}/disable_ipv6", 1)
            for i in range(count):
                ip("-n", ns.name, "link", "set", f"eth{i}", "up")

    def number(self, device="eth0"):
        ip("-n", self.host.name, "addr", "add", HOST + "/24", "brd", "+", "dev", device)
        ip("-n", self.host.name, "route", "add", "default", "via", PEER)
        ip("-n", self.peer.name, "addr", "add", PEER + "/24", "dev", "eth0")
        return self

    def knock(self, address, port, source=None, ttl=None):
        """Does a connection from the neighbour come about?"""
        with self.peer:
            s = socket.socket()
        with s:
            s.settimeout(1)
            if ttl:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            if source:
                s.setsockopt(socket.IPPROTO_IP, 15, 1)
                s.bind((source, 0))
            return s.connect_ex((address, port)) == 0

    def state(self, port, proto="tcp"):
        row = find(self.host.status(reach=True), port, proto)
        return row["state"], row["reach"]["widest"]

    def close(self):
        self.host.close()
        self.peer.close()


@contextmanager
def cable(count=1, number=True):
    require_namespaces()
    made = Cable(count)
    try:
        yield made.number() if number else made
    finally:
        made.close()


def test_a_network_that_is_local():
    """ip route add local: AnyIP."""
    with cable() as c:
        ip("-n", c.host.name, "route", "add", "local", "203.0.113.0/24", "dev", "lo")
        ip("-n", c.peer.name, "route", "add", "203.0.113.0/24", "via", HOST)
        c.host.tcp(port=80)
        c.host.tcp("203.0.113.5", 81, freebind=True)
        c.host.tcp(port=82)
        input_rules(c.host, "ip daddr 203.0.113.5 tcp dport 80-81 accept")
        assert c.knock("203.0.113.5", 80) and c.knock("203.0.113.5", 81)
        assert c.state(80) == ("open", "internet")
        assert c.state(81) == ("open", "internet")
        assert c.state(82) == ("filtered", "none")


def test_loopback_addresses_for_neighbours():
    with cable() as c:
        sysctl(c.host, "ipv4/conf/eth0/route_localnet", 1)
        for place in ("all", "eth0"):
            sysctl(c.peer, f"ipv4/conf/{place}/route_localnet", 1)
        ip("-n", c.peer.name, "addr", "del", "127.0.0.1/8", "dev", "lo")
        ip("-n", c.peer.name, "route", "add", "127.0.0.1/32", "via", HOST, "src", PEER)
        c.host.tcp("127.0.0.1", 82)
        assert c.knock("127.0.0.1", 82, source=PEER)
        assert c.state(82) == ("open", "link")
        sysctl(c.host, "ipv4/conf/eth0/route_localnet", 0)
        assert not c.knock("127.0.0.1", 82, source=PEER)
        assert c.state(82) == ("open", "host")


def test_interface_without_an_address():
    with cable(2) as c:
        mac = json.loads(ip("-n", c.host.name, "-j", "link", "show", "eth1").stdout)[0]["address"]
        ip("-n", c.peer.name, "route", "add", HOST + "/32", "dev", "eth1")
        ip("-n", c.peer.name, "neigh", "add", HOST, "dev", "eth1", "lladdr", mac)
        c.host.tcp(port=84)
        input_rules(c.host, "iifname eth1 tcp dport 84 accept")
        assert c.knock(HOST, 84, source=PEER)
        assert c.state(84)[0] == "open"


@pytest.mark.parametrize("ruleset", [
    "table bridge t {\nchain i {\ntype filter hook input priority 0;\ntcp dport 91 drop\n}\n}\n",
    "table netdev t {\nchain i {\ntype filter hook ingress device eth0 priority 0;\n"
    "tcp dport 91 drop\n}\n}\n",
])
def test_what_lies_below_a_bridge(ruleset):
    with cable(number=False) as c:
        ip("-n", c.host.name, "link", "add", "br0", "type", "bridge")
        ip("-n", c.host.name, "link", "set", "eth0", "master", "br0")
        ip("-n", c.host.name, "link", "set", "br0", "up")
        c.number("br0")
        c.host.tcp(port=91)
        assert c.knock(HOST, 91)
        assert c.state(91)[0] == "open"
        rules(c.host, ruleset)
        assert not c.knock(HOST, 91)
        assert c.state(91)[0] == "unknown"


@pytest.mark.parametrize("rule", ["ip ttl 255 tcp dport 179 accept",
                                  "tcp dport 179 ip ttl != 255 drop; tcp dport 179 accept"])
def test_how_far_a_sender_is(rule):
    """Of BGP's neighbours (RFC 5082)."""
    with cable() as c:
        c.host.tcp(port=179)
        input_rules(c.host, rule)
        assert c.knock(HOST, 179, ttl=255) and not c.knock(HOST, 179)
        assert c.state(179)[0] == "unknown"


def test_mask_that_is_no_prefix():
    with cable() as c:
        ip("-n", c.peer.name, "addr", "add", "10.77.0.7/24", "dev", "eth0")
        c.host.tcp(port=98)
        input_rules(c.host, "ip saddr & 0.0.0.255 == 0.0.0.7 tcp dport 98 accept")
        assert c.knock(HOST, 98, source="10.77.0.7") and not c.knock(HOST, 98)
        assert c.state(98)[0] == "unknown"


def test_a_redirection_by_chance_without_other_tracking():
    """Where the rule is left out, the kernel would track nothing, and see no NAT."""
    with cable() as c:
        c.host.tcp(port=95)
        c.host.tcp(port=96)
        rules(c.host, "table ip t {\nchain p {\ntype nat hook prerouting priority -100;\n"
                      "tcp dport 95 numgen random mod 2 0 redirect to :96\n}\n}\n")
        assert c.knock(HOST, 95)
        assert c.state(95)[0] == "unknown"  # which of the two gets it
        assert c.state(96) == ("open", "internet")


def test_groups_and_broadcasts():
    with cable() as c:
        group = socket.inet_aton("224.0.0.251") + socket.inet_aton(HOST)
        heard = c.host.udp(port=5353)
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        c.host.udp(port=137)
        c.host.udp(port=138)
        input_rules(c.host, "ip daddr 224.0.0.251 udp dport 5353 accept\n"
                            "ip daddr 10.77.0.255 udp dport 137 accept")
        with c.peer:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(PEER))
            s.sendto(b"hello", ("224.0.0.251", 5353))
        heard.settimeout(2)
        assert heard.recv(9) == b"hello"
        assert c.state(5353, "udp") == ("open", "link")
        assert c.state(137, "udp") == ("open", "link")
        assert c.state(138, "udp") == ("filtered", "none")


@pytest.mark.parametrize("network", ["192.0.2", "198.18.0", "240.1.0", "203.0.113"])
def test_sources_that_should_be_nobodys(network):
    with cable() as c:
        ip("-n", c.host.name, "addr", "add", network + ".1/24", "dev", "eth0")
        ip("-n", c.peer.name, "addr", "add", network + ".9/24", "dev", "eth0")
        c.host.tcp(port=53)
        input_rules(c.host, f"ip saddr {network}.0/24 tcp dport 53 accept")
        assert c.knock(network + ".1", 53)
        assert c.state(53) == ("open", "link")


def test_a_namespace_with_an_uplink_of_its_own():
    with cable() as c, cable(number=False) as other:
        inner = other.host
        ip("link", "add", "c0", "netns", c.host.name, "type", "veth",
           "peer", "name", "c0", "netns", inner.name)
        ip("-n", c.host.name, "link", "set", "c0", "up")
        ip("-n", c.host.name, "addr", "add", "10.88.77.1/24", "dev", "c0")
        ip("-n", inner.name, "link", "set", "c0", "up")
        ip("-n", inner.name, "addr", "add", "10.88.77.2/24", "dev", "c0")
        sysctl(c.host, "ipv4/ip_forward", 1)
        inner.tcp(port=28080)
        rules(c.host, "table ip t {\nchain f {\ntype filter hook forward priority 0; "
                      "policy drop;\n}\n}\n")

        def state():
            ports = portero("--json", "--all", "28080", ns=c.host, reach=True).json["ports"]
            return [p["state"] for p in ports if p["port"] == 28080 and any(
                one["netns"]["inode"] == inner.inode for one in p["listeners"])]

        assert state() == ["filtered"]
        ip("-n", inner.name, "addr", "add", "10.99.77.1/24", "dev", "eth0")
        ip("-n", other.peer.name, "addr", "add", "10.99.77.9/24", "dev", "eth0")
        assert other.knock("10.99.77.1", 28080)
        assert state() == ["unknown"]
