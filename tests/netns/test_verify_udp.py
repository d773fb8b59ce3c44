# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify -sU: the UDP ports of this machine as a visitor with many addresses sees them. Silence
contradicts nobody.
"""
import os
import sys

import pytest

from harness import SLOW, ip, require_namespaces
from verifying import OWN, Machine, kinds


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path)


UDP_RULES = """
table inet datagrams {
	chain in {
		type filter hook input priority 0; policy accept;
		udp dport { 600, 601, 602 } drop
	}
}
"""

# Answers datagrams to a port past the kernel's sockets and its rules.
UDP_ANSWERER = """
import socket, struct, sys
port = int(sys.argv[1])
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
print("ready", flush=True)
while True:
    packet, where = heard.recvfrom(65535)
    if len(packet) < 28 or packet[9] != 17 or where[2] == 4:
        continue
    sport, dport = struct.unpack("!HH", packet[20:24])
    if dport != port:
        continue
    udp = struct.pack("!HHHH", dport, sport, 12, 0) + b"yes?"
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    out.sendto(head + packet[16:20] + packet[12:16] + udp, (socket.inet_ntoa(packet[12:16]), 0))
"""


def test_udp_both_agree(machine):
    """Silence contradicts nobody; ninety closed ports do not take ninety seconds, since the
    visitor has many addresses; and nothing of it is left."""
    machine.ns.nft(UDP_RULES)
    for port in (514, 601, 40123):
        machine.ns.udp("::", port, v6only=False)
    before = machine.settled()
    answer = machine.verify("-sU", "-4", "--json", code=0)
    assert answer.json["disagreements"] == [] and answer.json["complete"]
    assert answer.json["silent"] == 2 and answer.json["unsure_outside"] == 0
    assert answer.json["not_open"] == answer.json["ports"] - 2 and answer.json["ports"] > 80
    assert answer.json["seconds"] < 20 * SLOW
    assert machine.state() == before


def test_udp_bound_by_the_kernels_choice(machine):
    """bind(0) and an answer: somebody is bound, and hides nothing."""
    machine.ns.python(UDP_ECHO, "0")
    answer = machine.verify("-sU", "-4", "--json", code=0)
    assert answer.json["disagreements"] == [] and answer.json["open"] == 1


UDP_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(b"heard " + data, peer)
"""


def test_udp_ghost_believed_closed_and_shadowed(machine):
    """Who answers though nobody is bound, though the rules drop it; who is refused though bound."""
    machine.ns.nft(UDP_RULES)
    machine.ns.udp("0.0.0.0", 602)
    machine.ns.udp("0.0.0.0", 604)
    for port in (600, 602):
        machine.ns.python(UDP_ANSWERER, port)
    answer = machine.verify("-sU", OWN, "-p", "600-604", "--json", code=1)
    # of 600 the kernel keeps silent, so that nobody is in a hurry
    assert kinds(answer) == {("ghost", OWN, 600), ("believed-closed", OWN, 602)}
    assert {d["proto"] for d in answer.json["disagreements"]} == {"udp"}
    assert answer.json["silent"] == 1
    text = machine.verify("-sU", OWN, "-p", "600-604", code=1).text
    assert "600/udp" in text and "Somebody is bound there and let in, and says nothing: 1." in text


def test_silent_ports_are_named(machine):
    """With what is known of them inside; where nobody is bound and nobody is let in, a count does."""
    machine.ns.nft(UDP_RULES)
    for port in (601, 604):
        machine.ns.udp("0.0.0.0", port)
    ip("-n", machine.ns.name, "addr", "add", "10.5.0.9/24", "dev", "eth0")
    python = os.path.basename(os.path.realpath(sys.executable))
    text = machine.verify("-sU", "-4", "-p", "600-605", code=0).text
    assert f"601/udp ({OWN}, 10.5.0.9): silent; inside: {python} is bound, dropped." in text
    assert f"604/udp ({OWN}, 10.5.0.9): silent; inside: {python} is bound, let in." in text
    assert "600/udp" not in text and "603/udp" not in text
    assert "Silent, where nobody is bound and the rules keep the one who looked out: 4." in text
    answer = machine.verify("-sU", OWN, "-p", "600-605", "--json", code=0).json
    assert answer["silent_ports"] == [
        {"address": OWN, "port": port, "proto": "udp",
         "inside": {"listens": True, "program": python, "verdict": verdict},
         "outside": {"state": "open|filtered", "reason": "no-response"}}
        for port, verdict in ((601, "drop"), (604, "accept"))]


def test_silent_ports_of_which_the_inside_is_not_sure(machine):
    machine.ns.nft("table inet some { chain in { type filter hook input priority 1;\n"
                   "udp dport 604 limit rate 1000/second drop\nudp dport 605 drop\n}\n}\n")
    answer = machine.verify("-sU", OWN, "-p", "604-605", "--json").json
    (one,) = answer["silent_ports"]
    assert (one["port"], one["inside"]["listens"]) == (604, False)
    assert one["inside"]["verdict"] == "rate-limited" and answer["unsure_inside"] == 1


def test_many_silent_ports(machine):
    """The first 64 are named, and the others counted."""
    for port in range(6000, 6070):
        machine.ns.udp("0.0.0.0", port)
    answer = machine.verify("-sU", OWN, "-p", "6000-6069", "--json", code=0).json
    assert len(answer["silent_ports"]) == 64 and answer["silent"] == 70
    text = machine.verify("-sU", OWN, "-p", "6000-6069", code=0).text
    assert "6063/udp" in text and "6064/udp" not in text and "More of that kind: 6." in text


def test_udp_shadowed(machine):
    """Refused by somebody else than the rules that portero knows: here, a filter on the cable."""
    machine.ns.udp("0.0.0.0", 604)
    machine.ns.python(UDP_REFUSER, 604)
    answer = machine.verify("-sU", OWN, "-p", "604", "--json", code=1)
    assert kinds(answer) == {("shadowed", OWN, 604)}


UDP_REFUSER = """
import socket, struct, sys
port = int(sys.argv[1])
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
def checksum(data):
    data += b"\\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
print("ready", flush=True)
while True:
    packet, where = heard.recvfrom(65535)
    if len(packet) < 28 or packet[9] != 17 or where[2] == 4:
        continue
    if struct.unpack("!H", packet[22:24])[0] != port:
        continue
    body = struct.pack("!BBHI", 3, 3, 0, 0) + packet
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    out.sendto(body, (socket.inet_ntoa(packet[12:16]), 0))
"""


def test_udp_bad_input(machine):
    for args, words in ((("-sU", "--from", "somebody"), "leave out --from"),
                        (("-sU", "-p", "T:5"), "-sS")):
        assert words in machine.verify(*args, code=2).errors
