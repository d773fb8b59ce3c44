# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rules that look for bytes which any sender may choose (string, u32, bpf): whoever knows them gets in,
so that their ports are not closed, and what decides is said.
"""
import socket
import subprocess

import pytest

from harness import need_program, portero, require_namespaces
from truth import Wire

SECRET, OTHER = b"open sesame", b"good morning"
# the datagram's bytes begin at 28
MATCHES = {
    1000: ("string", '-m string --algo bm --string "open sesame"'),
    1001: ("u32", '-m u32 --u32 "0>>22&0x3C@8=0x6f70656e"'),
    1002: ("bpf", '-m bpf --bytecode "4,32 0 0 28,21 0 1 1869636974,6 0 0 65535,6 0 0 0"'),
    1003: ("string", '-m string --algo kmp ! --string "good morning"'),
}


def rules(policy, target):
    lines = "".join(f"-A INPUT -p udp --dport {port} {match} -j {target}\n"
                    for port, (_, match) in MATCHES.items())
    return (f"*filter\n:INPUT {policy} [0:0]\n-A INPUT -p icmp -j ACCEPT\n{lines}"
            "-A INPUT -p udp --dport 2000 -j ACCEPT\n-A INPUT -p udp --dport 2001 -j DROP\nCOMMIT\n")


@pytest.fixture(params=["nft", "legacy"])
def wire(request):
    require_namespaces()
    program = f"iptables-{request.param}-restore"
    need_program(program)
    with Wire() as made:
        def load(policy, target):
            with made.host:
                subprocess.run([program], input=rules(policy, target), text=True, check=True,
                               timeout=30)
        made.load = load
        yield made


def gets_in(wire, port, payload):
    with wire.host:
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wire.peer:
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear, mouth:
        ear.bind(("10.77.0.1", port))
        ear.settimeout(0.5)
        mouth.sendto(payload, ("10.77.0.1", port))
        try:
            return ear.recv(100) == payload
        except socket.timeout:
            return False


def intervals(wire):
    (found,) = portero("reach", "--json", "--in", "veth0", "--from", "10.77.0.2", "--to",
                       "10.77.0.1", "--proto", "udp", ns=wire.host).json["classes"]
    return found["intervals"]


@pytest.mark.parametrize("policy, target", [("DROP", "ACCEPT"), ("ACCEPT", "DROP")])
def test_bytes_that_senders_choose(wire, policy, target):
    wire.load(policy, target)
    told = {port: i for i in intervals(wire) for port in (*MATCHES, 2000, 2001, 3000)
            if i["from"] <= port <= i["to"]}
    for port, (name, _) in MATCHES.items():
        assert {gets_in(wire, port, SECRET), gets_in(wire, port, OTHER)} == {True, False}
        assert told[port]["verdict"] == "unknown" and name in told[port]["why"], told[port]
        said = portero("explain", f"{port}/udp", "--from", "10.77.0.2", "--json",
                       ns=wire.host).json
        assert said["verdict"] == "unknown" and name in said["why"] and name in said["answer"]
    assert told[2000]["verdict"] == "accept" and gets_in(wire, 2000, OTHER)
    assert told[2001]["verdict"] == "drop" and not gets_in(wire, 2001, SECRET)
    assert told[3000]["verdict"] == ("drop" if policy == "DROP" else "accept")
