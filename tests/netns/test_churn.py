# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that come and go while they are read: never a crash, never a wrong owner."""
import json
import os
import subprocess
import threading

import pytest

from harness import SLOW, build_tool, ip, janitor, rows

RUNS = 50


@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_short_lived_listeners(ns, tool_dir, tmp_path, how):
    """
    Each process of the churn listens on a port that its pid tells (pid + 10000, modulo the room),
    under a program of which there are three, chosen by its pid too: so every reported pair of pid,
    port and program can be checked after the fact.
    """
    churn = build_tool("churn", tool_dir)
    programs = []
    for i in range(3):
        programs.append(str(tmp_path / f"churn{i}"))
        os.link(churn, programs[-1])
    fixed = ns.tcp("127.0.0.1", 9)
    p = ns.start([churn, *programs], ready=True)
    seen = 0
    for _ in range(RUNS // SLOW if how else RUNS):
        status = ns.status(*how)
        for r in rows(status):
            if r["port"] == 9:
                assert r["pid"] == os.getpid()
                continue
            assert not r["notes"] & {"hidden-listener", "no-process"}, r
            if r["pid"] is None:
                continue
            seen += 1
            assert r["port"] == 10000 + r["pid"] % 50000, r
            assert r["pids"] == [r["pid"]]
            if r["program"] is not None:
                assert r["program"] == programs[r["pid"] % 3], r
                assert r["program_state"] in ("file", "unknown")
    assert seen > 5, "the churn was seen at work"
    assert fixed and p.poll() is None
    janitor.end(p)


def test_table_and_json_under_churn(ns, tool_dir, tmp_path):
    churn = build_tool("churn", tool_dir)
    program = str(tmp_path / "churn")
    os.link(churn, program)
    p = ns.start([churn, program, program, program], ready=True)
    for args in ((), ("--csv",), ("show", "9", "--json"), ("--all", "9"), ("doctor", "--json")):
        for _ in range(5):
            result = ns.portero(*args)
            if "--json" in args:
                json.loads(result.out)
    janitor.end(p)


def test_interfaces_and_addresses_come_and_go(ns):
    """The kernel's tables change while they are read: asked again, never waited for in vain."""
    ns.add_veth()
    ns.tcp("192.0.2.1", 9)
    for i in range(2, 250):
        ip("-n", ns.name, "addr", "add", f"192.0.2.{i}/24", "dev", "v0")
    stop = threading.Event()

    def churn(kind):
        while not stop.is_set():
            if kind == "links":
                batch = "link add t0 type veth peer name t1\nlink set t0 up\nlink del t0\n" * 5
            else:
                batch = "addr del 192.0.2.99/24 dev v0\naddr add 192.0.2.99/24 dev v0\n" * 20
            subprocess.run(["ip", "-force", "-n", ns.name, "-batch", "-"], input=batch, text=True,
                           capture_output=True, check=False)

    threads = [threading.Thread(target=churn, args=(kind,)) for kind in ("links", "addresses")]
    for t in threads:
        t.start()
    try:
        for _ in range(RUNS):
            status = ns.portero("--json", timeout=20).json
            if status["complete"]:
                assert [(r["port"], r["network"]) for r in rows(status)] == [(9, "192.0.2.0/24")]
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_sockets_come_and_go(ns):
    """Thousands of them, so that a table takes several answers of the kernel."""
    for i in range(1500):
        ns.tcp("127.0.0.1", 20000 + i, backlog=1)
    fixed = set(range(20000, 21500))

    made = [ns.python("""
import socket, sys, select
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    held = []
    for i in range(200):
        s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); held.append(s)
    for s in held: s.close()
""") for _ in range(2)]
    try:
        for _ in range(15):
            status = ns.portero("--json", timeout=20, validate=False).json
            seen = {r["port"]: r["pid"] for r in rows(status)}
            assert fixed <= set(seen), sorted(fixed - set(seen))[:5]
            assert all(seen[p] == os.getpid() for p in fixed)
            assert not any(r["notes"] & {"hidden-listener", "no-process"} for r in rows(status))
    finally:
        for p in made:
            janitor.end(p)
