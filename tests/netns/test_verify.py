# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify: this machine as a visitor sees it, against what is known inside. Where both are true they
agree on every port; each kind of disagreement is made by somebody who really does it.
"""
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import AS_NOBODY, SLOW, ip, require_namespaces, wait_until
from verifying import MINUTES, OWN, OWN6, RULES, Machine, kinds, small_table


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path, (f"{OWN}/24", f"{OWN6}/64"), RULES)


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
    (one,) = answer["unsure_ports"]
    assert one["outside"]["state"] in ("open", "closed", "filtered")
    assert "Ports of which the inside cannot say" in machine.verify("-p", "80", "-4", code=2).text


def test_many_ghosts_are_no_middlebox(machine):
    """So many answer that nearly all which are asked again do: each is a ghost all the same."""
    machine.answer(7000, 8199)
    answer = machine.verify("--json", "--no-services", "-p", "2000-9999", "-4", code=1)
    assert kinds(answer) == {("ghost", OWN, port) for port in range(7000, 8200)}


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
    process = machine.begin()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: machine.state() == before, seconds=30 * SLOW, what="the visitor is gone")


@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGTERM))
@pytest.mark.parametrize("after", (0, 0.3, 1))
def test_interrupted(machine, tmp_path, how, after):
    """It says so, and what it saw until then; it concludes nothing, keeps nothing, leaves nothing."""
    machine.ns.tcp("::", 80, v6only=False, backlog=1000)
    machine.answer(7777, 7777)
    before = machine.settled()
    process = machine.begin("-p", "80,6000-60000", prefix=small_table(tmp_path))
    wait_until(lambda: machine.links() - {"lo", "eth0"}, seconds=20 * SLOW)
    time.sleep(after)
    process.send_signal(how)
    assert process.wait(60 * SLOW) == 2
    assert machine.state() == before
    assert "interrupted: nothing is concluded, and the visitor is gone (" in machine.errors.read_text()
    said = machine.out.read_text()
    assert "DISAGREEMENT" not in said and "Disagreements: " not in said
    assert not (machine.state_dir / "outside.json").exists()


def test_interrupted_tells_what_was_open(machine, tmp_path):
    """Of the ports that were asked until then; as they stood outside, without a verdict."""
    for port in range(6000, 6300, 2):
        machine.ns.tcp(OWN, port, backlog=100)
    process = machine.begin("-4", "-p", "5000-60000", prefix=small_table(tmp_path))
    wait_until(lambda: machine.links() - {"lo", "eth0"}, seconds=20 * SLOW)
    time.sleep(8)  # 500 a second
    process.send_signal(signal.SIGINT)
    assert process.wait(60 * SLOW) == 2
    assert f"{OWN}: open when it was interrupted: 6" in machine.out.read_text()


def test_several_at_once(machine):
    """Each has a visitor of its own: they have one address, and only one can have it."""
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    first = machine.begin("-4")
    wait_until(lambda: any(name.startswith("portero-") for name in machine.links()))
    answer = machine.verify("--json", "-p", "80", "-4", code=0).json
    assert answer["open"] == 1
    assert first.wait(MINUTES) == 0
