# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify: this machine as a visitor sees it, against what is known inside. Where both are true they
agree on every port; each kind of disagreement is made by somebody who really does it.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import harness
from harness import (AS_NOBODY, PORTERO, SLOW, base_environment, in_place_of, ip, need_feature,
                     portero, require_namespaces, wait_until)

OWN, OWN6 = "10.5.0.1", "fd05::1"
MINUTES = 600 * SLOW  # a guard against hanging, no measure

# Answers every SYN to its ports (FIRST LAST) past the kernel's TCP and its rules: what a backdoor
# without a socket does. Rules keep the kernel itself silent there.
ANSWERER = """
import socket, struct, sys
first, last = int(sys.argv[1]), int(sys.argv[2])
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
print("ready", flush=True)
while True:
    packet, where = heard.recvfrom(65535)
    if len(packet) < 40 or packet[9] != 6 or where[2] == 4 or packet[33] & 0x12 != 2:
        continue
    sport, dport, seq = struct.unpack("!HHI", packet[20:28])
    if not first <= dport <= last:
        continue
    head = packet[16:20] + packet[12:16]
    tcp = struct.pack("!HHIIBBHHH", dport, sport, 7, seq + 1 & 0xffffffff, 0x50, 0x12, 1024, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(head + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    ipv4 = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + head
    out.sendto(ipv4 + tcp, (socket.inet_ntoa(packet[12:16]), 0))
"""

RULES = """
table inet host {
	chain in {
		type filter hook input priority 0; policy accept;
		tcp dport { 2000-3000, 7000-9000 } drop
		tcp dport 4000 reject with tcp reset
		tcp dport 4001 reject
	}
}
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """What verify keeps is nobody else's."""
    real = base_environment
    state = str(tmp_path / "state")
    for where in (harness, sys.modules[__name__]):
        monkeypatch.setattr(where, "base_environment",
                            lambda: real() | {"PORTERO_STATE_DIR": state})


class Machine:
    def __init__(self, make_ns):
        self.ns = make_ns()
        self.peer = make_ns()
        self.ns.connect(self.peer, addresses=(f"{OWN}/24", f"{OWN6}/64"))
        self.ns.nft(RULES)

    def verify(self, *args, **kw):
        return portero("verify", *args, ns=self.ns, reach=True, timeout=MINUTES, **kw)

    def answer(self, first, last):
        return self.ns.python(ANSWERER, first, last)

    def links(self):
        return {link["ifname"] for link in json.loads(ip("-n", self.ns.name, "-j", "link").stdout)}

    def settled(self):
        """What it is before: some routes come by themselves, a moment after their interface."""
        seen = []
        wait_until(lambda: seen.append(self.state()) or time.sleep(0.2) or
                   seen[-1] == self.state(), what="routes stay")
        return seen[-1]

    def state(self):
        """Everything that the visitor could have left behind."""
        return [ip("-n", self.ns.name, *words).stdout for words in (
            ("link",), ("addr",), ("route", "show", "table", "all"), ("-6", "route"), ("neigh",),
            ("rule",))]


@pytest.fixture
def machine(make_ns):
    require_namespaces()
    return Machine(make_ns)


def kinds(answer):
    return {(d["kind"], d["address"], d["port"]) for d in answer.json["disagreements"]}


# --- agreement ----------------------------------------------------------------------------------

def test_both_agree(machine):
    """On all ports of both families: open, closed, dropped, refused, and for this machine only.
    Nobody accepts here, so what asks for services waits in the backlogs: they are long."""
    for port in (22, 80, 2500, 4000, 4001):
        machine.ns.tcp("::", port, v6only=False, backlog=1000)
    machine.ns.tcp("127.0.0.1", 99)
    machine.ns.tcp(OWN, 98, backlog=1000)
    before = machine.settled()
    answer = machine.verify("--json", code=0).json
    assert (answer["open"], answer["not_open"]) == (5, 2 * 65535 - 5)
    assert answer["complete"] and answer["disagreements"] == []
    assert answer["addresses"] == [OWN, OWN6]
    assert answer["from"]["host"] is None and answer["from"]["interface"].startswith("portero-")
    assert machine.state() == before
    text = machine.verify(code=0).text
    assert "Asked: 131,070 ports" in text
    assert "Open on both sides: 5. Disagreements: 0." in text


def test_published_port(machine, make_ns):
    """Open on both sides, though nobody here listens; what is sent on to nobody is not."""
    container = make_ns()
    machine.ns.connect(container, name="ct0", mac="02:00:00:00:00:02",
                       addresses=("10.88.0.1/24",))
    with container:
        subprocess.run(["ip", "addr", "add", "10.88.0.2/24", "dev", "eth0"], check=True)
        subprocess.run(["ip", "route", "add", "default", "via", "10.88.0.1"], check=True)
    container.tcp("0.0.0.0", 80)
    machine.ns.sysctl(ipv4__ip_forward=1)
    machine.ns.nft("table ip nat { chain pre { type nat hook prerouting priority -100;\n"
                   f"ip daddr {OWN} tcp dport 8080 dnat to 10.88.0.2:80\n"
                   f"ip daddr {OWN} tcp dport 8081 dnat to 10.88.0.2:81\n}}\n}}\n")
    answer = machine.verify("--json", "-p", "8000-8100", OWN, code=(0, 2)).json
    assert answer["disagreements"] == [] and answer["open"] == 1


def test_given_ports_and_address(machine):
    machine.ns.tcp("::", 80, v6only=False, backlog=1000)
    answer = machine.verify("--json", "-p", "79-81", OWN6, code=0).json
    assert (answer["addresses"], answer["ports"], answer["open"]) == ([OWN6], 3, 1)
    answer = machine.verify("--json", "-p80", "-4", code=0).json
    assert answer["addresses"] == [OWN]


def small_table(directory):
    """A command behind which the kernel's table of connections seems to have little room."""
    limit = "/proc/sys/net/netfilter/nf_conntrack_max"
    need_feature("connection tracking", os.path.exists(limit))
    small = directory / "small"
    small.write_text("1000\n")
    return ("unshare", "-m", "sh", "-c", f"mount --bind {small} {limit} && exec \"$@\"", "sh")


def test_small_connection_table(machine, tmp_path):
    """The kernel's table of connections is everybody's, and is not filled: the look is slower."""
    answer = machine.verify("--json", "-p", "1-2000", OWN, code=0, prefix=small_table(tmp_path))
    assert answer.json["seconds"] > 2  # at 500 a second


# --- disagreements ------------------------------------------------------------------------------

def test_ghost(machine):
    """It answers, and no socket is there: for the rules and the kernel the port is dropped."""
    machine.answer(7777, 7777)
    answer = machine.verify("--json", "-p", "6900-7800", code=1)
    assert kinds(answer) == {("ghost", OWN, 7777)}
    (found,) = answer.json["disagreements"]
    assert found["inside"] == {"listens": False, "program": None, "verdict": "drop"}
    assert found["outside"]["state"] == "open" and found["outside"]["reason"] == "syn-ack"
    assert found["outside"]["service"]["end"] != "named" and found["contradicts"] is None
    text = machine.verify("-p", "6900-7800", "-4", code=1).text
    assert "7777/tcp" in text and "ghost" in text and "nobody listens, dropped" in text


def test_believed_closed(machine):
    """Somebody listens, the rules drop it, and it answers all the same."""
    machine.ns.tcp("0.0.0.0", 7777)
    machine.answer(7777, 7777)
    answer = machine.verify("--json", "-p", "6900-7800", code=1)
    assert kinds(answer) == {("believed-closed", OWN, 7777)}
    assert answer.json["disagreements"][0]["inside"]["program"] == os.path.realpath(sys.executable)
    assert "believed closed" in machine.verify("-p", "6900-7800", "-4", code=1).text


def test_shadowed(machine):
    """A listener whose queue is full answers nobody."""
    machine.ns.tcp(OWN, 80, backlog=0)
    with machine.ns:
        waiting = [socket.socket() for _ in range(4)]
    for w in waiting:
        w.setblocking(False)
        w.connect_ex((OWN, 80))
    answer = machine.verify("--json", "-p", "79-81", "-4", code=1)
    assert kinds(answer) == {("shadowed", OWN, 80)}
    assert answer.json["disagreements"][0]["inside"]["verdict"] == "accept"
    for w in waiting:
        w.close()


def test_middlebox(machine):
    """Everything answers: told once, and not port by port."""
    machine.answer(7000, 8999)
    answer = machine.verify("--json", "-p", "7000-8999", "-4", code=1)
    assert kinds(answer) == {("middlebox", OWN, None)}
    assert "middlebox" in machine.verify("-p", "7000-8999", "-4", code=1).text


def test_what_the_rules_leave_open_is_no_disagreement(machine):
    """A rule that lets some through: the inside does not know, and says so."""
    machine.ns.nft("table inet some { chain in { type filter hook input priority 1;\n"
                   "tcp dport 80 limit rate over 1000/second drop\n}\n}\n")
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    answer = machine.verify("--json", "-p", "80", "-4", code=2).json
    assert answer["unsure_inside"] == 1 and not answer["complete"]
    assert "Ports of which the inside cannot say" in machine.verify("-p", "80", "-4", code=2).text


# --- from another machine -----------------------------------------------------------------------

FAKE_SSH = """#!/bin/sh
# what ssh does: the last argument is a command for the shell of the other machine
for command; do :; done
export SSH_CONNECTION="10.5.0.1 40000 {address} 22"
exec nsenter --net=/run/netns/{peer} -- sh -c 'portero() {{ {portero} --scope-file={scope} "$@"; }}
'"$command"
"""


class Remote:
    """Another machine, with portero and the scope that it needs, behind an ssh without secrets."""

    def __init__(self, machine, directory):
        self.machine = machine
        self.ssh, self.scope = directory / "ssh", directory / "scope"
        self.scope.write_text("10.5.0.0/24 the test\n")
        ip("-n", machine.peer.name, "addr", "add", "10.5.0.2/24", "dev", "eth0")
        self.is_in(machine.peer, "10.5.0.2")

    def is_in(self, ns, address):
        self.says(FAKE_SSH.format(peer=ns.name, portero=PORTERO, scope=self.scope,
                                  address=address))

    def says(self, script):
        self.ssh.write_text(script)
        self.ssh.chmod(0o755)

    def verify(self, *args, prefix=(), **kw):
        return self.machine.verify("--from", "ana@peer.example", *args,
                                   prefix=(*prefix, *in_place_of(["ssh"], self.ssh)), **kw)


@pytest.fixture
def remote(machine, tmp_path):
    return Remote(machine, tmp_path)


def test_from_another_machine(machine, remote):
    for port in (22, 2500):
        machine.ns.tcp("::", port, v6only=False, backlog=1000)
    answer = remote.verify("--json", code=0).json
    assert answer["from"] == {"host": "ana@peer.example", "interface": "eth0",
                              "addresses": ["10.5.0.2"]}
    assert (answer["addresses"], answer["open"]) == ([OWN], 1)
    assert answer["not_open"] == 65534 and answer["complete"]
    assert "Looked from ana@peer.example (10.5.0.2, by eth0)" in remote.verify(code=0).text


def test_small_table_and_another_machine(remote, tmp_path):
    answer = remote.verify("--json", "-p", "1-2000", code=0, prefix=small_table(tmp_path))
    assert answer.json["seconds"] > 2


def test_something_on_the_way_drops(machine, remote, make_ns):
    """A firewall between both: nothing on this machine could tell."""
    far, router = make_ns(), machine.peer
    router.connect(far, name="eth1", mac="02:00:00:00:00:03", addresses=("10.6.0.1/24",))
    router.sysctl(ipv4__ip_forward=1)
    router.nft("table ip between { chain forward { type filter hook forward priority 0;\n"
               "tcp dport 22 drop\n}\n}\n")
    ip("-n", far.name, "addr", "add", "10.6.0.2/24", "dev", "eth0")
    ip("-n", far.name, "route", "add", "default", "via", "10.6.0.1")
    ip("-n", machine.ns.name, "route", "add", "default", "via", "10.5.0.2")
    remote.is_in(far, "10.6.0.2")
    for port in (22, 80):
        machine.ns.tcp("0.0.0.0", port, backlog=1000)
    answer = remote.verify("--json", "-p", "1-100", code=1)
    assert kinds(answer) == {("shadowed", OWN, 22)} and answer.json["open"] == 1
    assert machine.verify("--json", "-p", "1-100", OWN, code=0).json["open"] == 2


def test_rules_for_its_interface_count(machine, remote):
    """The visitor comes by another one, and is let in."""
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    machine.ns.nft("table ip by { chain in { type filter hook input priority 1;\n"
                   "iifname eth0 tcp dport 80 drop\n}\n}\n")
    assert remote.verify("--json", "-p", "80", code=0).json["open"] == 0
    assert machine.verify("--json", "-p", "80", OWN, code=0).json["open"] == 1


@pytest.mark.parametrize("script, says", (
    ("exit 255", "ssh to ana@peer.example failed: its exit code is 255"),
    ("echo 'Permission denied (publickey).' >&2; exit 255", "Permission denied (publickey)"),
    ("exit 127", "no portero on ana@peer.example"),
    ("echo hello", "does not say who is connected"),
    ("echo '10.5.0.1 1 10.5.0.2 22'", "is no portero.scan/1"),
    ("echo '192.0.2.99 1 10.5.0.2 22'", "sees this machine as 192.0.2.99"),
    ("echo '10.5.0.1 1 10.5.0.1 22'", "is this machine itself"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo '{\"schema\": 7}';; esac",
     "is no portero.scan/1"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo '{\"schema\": "
     "\"portero.scan/1\", \"hosts\": [{\"address\": \"10.5.0.1\", \"intervals\": [{\"first\": 0, "
     "\"last\": 99999, \"reason\": \"syn-ack\"}]}]}';; esac", "is no portero.scan/1"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo 'portero: out of scope' >&2; "
     "exit 2;; esac", "ana@peer.example: portero: out of scope"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) yes | head -c 3000000; esac",
     "is no portero.scan/1"),
))
def test_other_machine_fails(remote, script, says):
    remote.says("#!/bin/sh\n" + script + "\n")
    result = remote.verify("-p", "80", code=2)
    assert says in result.errors and result.text == ""


# --- bad input and bad weather ------------------------------------------------------------------

@pytest.mark.parametrize("argv, says", (
    (("-p", "0"), "0"), (("-p", "x"), "x"), (("10.5.0.999",), "no IP address of this machine"),
    (("10.5.0.77",), "10.5.0.77 is no address of this machine"),
    (("127.0.0.1",), "127.0.0.1 is no address of this machine that others can reach"),
    (("--from=-oProxyCommand=x",), "--from cannot be"), (("--from", ""), "needs a value"),
    (("-6", "--exclude", "x"), "--exclude"),
))
def test_bad_input(machine, argv, says):
    before = machine.settled()
    result = machine.verify(*argv, code=2)
    assert says in result.errors and result.text == ""
    assert machine.state() == before


def test_without_root(machine):
    result = machine.verify(code=2, prefix=AS_NOBODY)
    assert "run as root (CAP_SYS_ADMIN)" in result.errors and result.text == ""


def test_without_ipv6(machine):
    machine.ns.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    answer = machine.verify("--json", "-p", "1-1000", code=0).json
    assert (answer["addresses"], answer["open"]) == ([OWN], 1)
    assert answer["from"]["addresses"] == ["198.51.100.1"]


def test_addresses_for_examples_are_taken(machine):
    """The visitor takes one that no route of the machine leads to."""
    ip("-n", machine.ns.name, "route", "add", "198.51.100.0/24", "dev", "eth0")
    answer = machine.verify("--json", "-p", "80", "-4", code=0).json
    assert answer["from"]["addresses"][0] == "203.0.113.1"


@pytest.mark.parametrize("after", (0.05, 0.3, 0.8))
def test_killed(machine, after):
    before = machine.settled()
    process = machine.ns.start([PORTERO, "verify"], env=base_environment())
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: machine.state() == before, seconds=30 * SLOW, what="the visitor is gone")


def test_several_at_once(machine):
    """Each has a visitor of its own: they have one address, and only one can have it."""
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    first = machine.ns.start([PORTERO, "verify", "-4"], env=base_environment())
    wait_until(lambda: any(name.startswith("portero-") for name in machine.links()))
    answer = machine.verify("--json", "-p", "80", "-4", code=0).json
    assert answer["open"] == 1
    assert first.wait(MINUTES) == 0


# --- UDP ----------------------------------------------------------------------------------------

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


def test_many_ghosts_are_no_middlebox(machine):
    """So many answer that nearly all which are asked again do: each is a ghost all the same."""
    machine.answer(7000, 8199)
    answer = machine.verify("--json", "--no-services", "-p", "2000-9999", "-4", code=1)
    assert kinds(answer) == {("ghost", OWN, port) for port in range(7000, 8200)}


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
