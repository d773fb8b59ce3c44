# SPDX-License-Identifier: GPL-2.0-or-later
"""
What speaks on a port: servers that are odd, slow, broken or mean. None crashes it, hangs it, or
writes on the terminal; a server of one worker never has more than one connection.
"""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import PORTERO, SLOW, die_with_parent, janitor, wait_until
from speakers import start

TOOL = Path(PORTERO).resolve().parent / "netns" / "service"
LIMIT = 60 * SLOW


@pytest.fixture
def speakers(ns):
    """speakers("web", "silent") serves these on the ports 40000, 40001 ..., and returns the ports."""
    return lambda *kinds, **how: start(ns, *kinds, **how)[1]


def begin(ns, *ports, address="127.0.0.1"):
    with ns:
        p = subprocess.Popen([TOOL, address, *map(str, ports)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    return janitor.add(p)


def finish(p, code=0):
    out, err = p.communicate(timeout=LIMIT)
    janitor.end(p)
    assert p.returncode == code, (p.returncode, err)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out), repr(out)
    return {line["port"]: line for line in map(json.loads, out.splitlines())}


def ask(ns, *ports, **how):
    return finish(begin(ns, *ports, **how))


def child_of(p):
    wait_until(lambda: Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split(),
               what="a child")
    return int(Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()[0])


def status_of(pid):
    return dict(re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", Path(f"/proc/{pid}/status").read_text(), re.M))


def check_privileges(p):
    """The child has none."""
    child = child_of(p)
    wait_until(lambda: status_of(child)["Seccomp"] == "2", what="seccomp")
    status = status_of(child)
    assert set(status["Uid"].split()) == {"65534"} and set(status["Gid"].split()) == {"65534"}
    assert status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == 0 and status["Groups"] == ""


def test_what_is_said(ns, speakers):
    kinds = {"web": "http", "slow_web": "http", "single-web": "http", "tls_web": "http",
             "greets_late": "ssh", "paints": "ssh", "echoes": "echo", "mail": "smtp",
             "nginx_tls": "http", "plain_mail": "smtp"}
    ports = speakers(*kinds)
    found = ask(ns, *ports)
    assert {k: found[p]["protocol"] for k, p in zip(kinds, ports)} == kinds
    by_kind = {k: found[p] for k, p in zip(kinds, ports)}
    assert (by_kind["web"]["product"], by_kind["web"]["version"]) == ("nginx", "1.2.3")
    assert by_kind["web"]["notes"]["title"] == "a page?[1m"
    assert by_kind["web"]["connections"] == 1 and by_kind["web"]["tls"] is None
    assert by_kind["greets_late"]["version"] == "9.9"
    assert by_kind["paints"]["version"] == "9.2"
    assert by_kind["nginx_tls"]["product"] == "nginx" and by_kind["nginx_tls"]["tls"]
    assert by_kind["plain_mail"]["tls"] is None
    assert by_kind["plain_mail"]["ms"] < 1500 * SLOW  # its refusal of STARTTLS is no silence
    for k in ("tls_web", "mail"):
        tls = by_kind[k]["tls"]
        assert tls["version"] == "TLSv1.3" and tls["subject"] == "www.example"
        assert tls["names"] == "a.example, b.example, 192.0.2.1"
        assert tls["self_signed"] is True and tls["key"] == "RSA 2048"


def test_ipv6(ns, speakers):
    web, tls = speakers("web", "tls_web")
    found = ask(ns, web, tls, address="::1")
    assert found[web]["product"] == found[tls]["product"] == "nginx"


def test_what_says_nothing_or_dies(make_ns):
    """
    All of them take the time that silence takes: so at once, each in a namespace of its own. `silent` is
    also asked by a child that dies: another goes on, and tells of the silent port as well.
    """
    rooms = [make_ns() for _ in range(3)]
    kinds = {"silent": "silent", "closes": "hung-up", "resets": "silent", "babbles": "unnamed",
             "endless": "unnamed", "trickles": "unnamed", "tls_garbage": "unnamed"}
    ports = start(rooms[0], *kinds)[1]
    one = start(rooms[1], "single-silent", "single-tls_web")[1]
    mixed = start(rooms[2], "web", "silent", "web")[1]
    asked = [begin(rooms[0], *ports, 39999), begin(rooms[1], *one), begin(rooms[2], *mixed)]
    check_privileges(asked[2])
    os.kill(child_of(asked[2]), signal.SIGKILL)
    found, alone, again = map(finish, asked)
    ends = {k: found[p]["end"] for k, p in zip(kinds, ports)}
    ends.pop("resets")  # that it answers to nothing may be seen in two ways
    assert ends == {k: v for k, v in kinds.items() if k != "resets"}
    assert all(found[p]["protocol"] is None for p in ports)
    babble = found[ports[list(kinds).index("babbles")]]
    assert bytes.fromhex(babble["answer"]) == b"what do you mean?\r\n"
    assert babble["asked"]
    assert found[39999]["end"] == "refused"
    # one connection after the other, none kept idle: it would block a server of one worker
    assert alone[one[0]]["end"] == "silent" and alone[one[1]]["product"] == "nginx"
    # the child that died
    assert set(again) == set(mixed)
    assert again[mixed[0]]["product"] == again[mixed[2]]["product"] == "nginx"
    assert again[mixed[1]]["end"] == "silent"


def queue_of(ns, port):
    out = subprocess.run(["nsenter", f"--net=/run/netns/{ns.name}", "ss", "-ltnH", f"sport = {port}"], check=True,
                         capture_output=True, text=True).stdout
    return int(out.split()[1])


def test_who_accepts_nothing_is_not_filled_up(ns, speakers):
    """A connection stays in the queue of a server that hangs. Of a small one, it is told why it is full."""
    ports = speakers("hung-1", "hung-2", "hung-5", "hung-128")
    begun = time.monotonic()
    found = ask(ns, *ports)
    assert all(f["end"] == "unresponsive" and f["connections"] == 2 for f in found.values()), found
    assert time.monotonic() - begun < 8 * SLOW
    assert [queue_of(ns, p) for p in ports] == [2, 2, 2, 2]
    found = ask(ns, *ports[1:])
    assert all(f["end"] == "unresponsive" for f in found.values()), found
    found = ask(ns, *ports[2:])
    assert all(f["end"] == "unresponsive" and f["connections"] == 2 for f in found.values()), found
    assert [queue_of(ns, p) for p in ports] == [2, 3, 6, 6]


def test_who_takes_its_time_is_not_taken_for_hung(ns, speakers):
    """It closes when the other side does, or answers when it is asked with patience."""
    ports = speakers("silent", "slow_web", "deaf")
    found = ask(ns, *ports)
    assert [found[p]["end"] for p in ports] == ["silent", "named", "unresponsive"]


def test_udp(ns, speakers):
    ports = speakers("udp_echoes", "udp_elsewhere", "udp_radius")
    found = ask(ns, *(f"{p}/udp" for p in ports))
    assert set(found) == set(ports)
    assert found[ports[0]]["protocol"] == "echo" and found[ports[2]]["protocol"] == "radius"
    assert found[ports[2]]["ms"] < 5000 * SLOW  # each with all its patience: 10 s


def test_a_late_echo_is_no_answer(ns, speakers):
    """Not of the protocol whose request it repeats, although something else was asked meanwhile."""
    ports = speakers("udp_echoes_after_0.7", "udp_echoes_after_1.1")
    found = ask(ns, *(f"{p}/udp" for p in ports))
    assert [found[p]["protocol"] for p in ports] == ["echo", "echo"]


def test_parent_dies(ns, speakers):
    port, = speakers("silent")
    p = begin(ns, port)
    child = child_of(p)
    wait_until(lambda: status_of(child)["Seccomp"] == "2", what="seccomp")
    fd = os.pidfd_open(child)
    p.kill()
    p.wait(10)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), what="the child's end")
    os.close(fd)
    janitor.end(p)


def test_many(ns, speakers):
    """As many ports as a host may have, most of them of one kind."""
    ports = speakers(*["web"] * 100)
    found = ask(ns, *ports)
    assert all(found[p]["product"] == "nginx" and found[p]["connections"] == 1 for p in ports)
