# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge itself: real packets against rules so simple that anybody can tell the answers."""
import subprocess

import pytest

from harness import need_program, require_namespaces
from truth import VERDICTS, Wire, compare, fold

RULES = """
table inet t {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		tcp dport 1000-2000 accept
		tcp dport 3000-3100 reject with tcp reset
		tcp dport 20000-30000 reject
		udp dport 40000-65535 accept
		udp dport 5000-15000 reject
		ip saddr 203.0.113.0/24 tcp dport 8080 accept
		ip6 saddr 2001:db8::/32 udp dport 53 accept
	}
	chain output {
		type filter hook output priority 0; policy accept;
		oifname "lo" tcp dport 1500 reject
		oifname "lo" tcp dport 1600-1700 tcp flags & (syn | ack | rst) != syn reject
	}
}
"""
TCP = {"accept": [(1000, 2000)], "reject": [(3000, 3100), (20000, 30000)]}
UDP = {"accept": [(40000, 65535)], "reject": [(5000, 15000)]}


@pytest.fixture(scope="module")
def wire():
    require_namespaces()
    nft = need_program("nft")
    with Wire() as made:
        with made.host:
            subprocess.run([nft, "-f", "-"], input=RULES, text=True, check=True)
        with made.listen() as ears:
            assert ears.taken == []
            yield made


def names(seen):
    assert seen.count(0) == 1  # there is no port 0
    return {name: fold(seen, name) for name in ("accept", "reject")}


@pytest.mark.parametrize("source, destination, proto, expected", [
    ("10.77.0.9", "10.77.0.1", "tcp", TCP),
    ("10.77.0.9", "10.77.0.1", "udp", UDP),
    ("8.1.2.3", "192.0.2.1", "udp", UDP),
    ("203.0.113.7", "10.77.0.1", "tcp", {**TCP, "accept": [(1000, 2000), (8080, 8080)]}),
    ("fd77::9", "fd77::1", "tcp", TCP),
    ("fd77::9", "fd77::1", "udp", UDP),
    ("2001:db8::9", "fd77::1", "udp", {**UDP, "accept": [(53, 53), (40000, 65535)]}),
])
def test_from_the_peer(wire, source, destination, proto, expected):
    wire.forget()
    assert names(wire.scan(source, destination, proto)) == expected


@pytest.mark.parametrize("address", ["127.0.0.1", "10.77.0.1", "::1", "fd77::1"])
def test_from_the_host_itself(wire, address):
    """Also where only a SYN gets out: what is refused then ends a connection, and is no probe."""
    wire.forget()
    seen = names(wire.scan(address, address, "tcp", iface=None))
    assert seen == {"accept": [(1000, 1499), (1501, 2000)],
                    "reject": [(1500, 1500), (3000, 3100), (20000, 30000)]}
    assert names(wire.scan(address, address, "udp", iface=None)) == UDP


def reach_of(verdicts, **kw):
    """A reach JSON with one class."""
    ports = bytearray(b"\0" + b"d" * 65535)
    for name, intervals in verdicts.items():
        for first, last in intervals:
            ports[first:last + 1] = bytes([VERDICTS[name]]) * (last + 1 - first)
    intervals = [{"from": first, "to": last, "verdict": name} for name in VERDICTS
                 for first, last in fold(ports, name)]
    return {"classes": [{"name": "link", "interface": "veth0", "source": "10.77.0.9",
                         "sources": None, "destination": "10.77.0.1", "behind": False,
                         "family": "ipv4", "proto": "tcp", "intervals": sorted(intervals, key=lambda i: i["from"]),
                         **kw}]}


def test_comparison_finds_what_differs(wire):
    assert compare(wire, reach_of(TCP)).differences == []
    wrong = compare(wire, reach_of({**TCP, "accept": [(1000, 2001)]})).differences
    assert len(wrong) == 1 and "portero says accept, packets say drop: 2001" in wrong[0]
    wrong = compare(wire, reach_of({**TCP, "accept": [(1000, 1999)]})).differences
    assert len(wrong) == 1 and "portero says drop, packets say accept: 2000" in wrong[0]
    unsure = compare(wire, reach_of({**TCP, "unknown": [(1500, 1600)]}))
    assert len(unsure.differences) == 1 and "does not say why" in unsure.differences[0]
    assert [u[1:3] for u in unsure.unsure] == [("1500-1600", "unknown")]
    assert len(compare(wire, reach_of(TCP, interface="eth7")).skipped) == 1
