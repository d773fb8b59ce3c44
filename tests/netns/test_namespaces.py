# SPDX-License-Identifier: GPL-2.0-or-later
"""Other network namespaces: named with --all, only counted without, never mixed up."""
import os
import subprocess
import threading
import time

from harness import SLOW, Netns, ip, janitor, preload, rows


def named(status):
    return {r["netns"]["name"]: r for r in rows(status)}


def test_other_namespace_is_only_counted(ns, make_ns):
    other = make_ns()
    ns.tcp("127.0.0.1", 8501)
    other.tcp("0.0.0.0", 8502)
    other.tcp("0.0.0.0", 8503)
    status = ns.status()
    assert [p["port"] for p in status["ports"]] == [8501]
    # the rest of the machine counts too, and may change meanwhile
    assert status["other_namespaces"]["listeners"] >= 2
    text = ns.portero().text
    assert "in other network namespaces" in text and "--all" in text
    assert "8502" not in text and "8503" not in text
    assert ns.status("8502")["ports"] == []


def test_all_names_each(ns, make_ns):
    other = make_ns()
    ns.tcp("127.0.0.1", 8504)
    other.tcp("0.0.0.0", 8504)
    status = ns.status("--all", "8504")
    found = {r["netns"]["inode"]: r["netns"] for r in rows(status)}
    assert found[ns.inode]["own"] is True
    assert found[other.inode] == {"name": other.name, "own": False, "inode": other.inode,
                                  "container": None}
    assert len(status["ports"]) == 2, "the same number in two namespaces is two ports"
    text = ns.portero("--all", "8504").text
    assert "== this machine ==" in text
    assert f"== network namespace {other.name}" in text


def test_all_without_bpf(ns, make_ns):
    other = make_ns()
    ns.tcp("127.0.0.1", 8505)
    other.tcp("0.0.0.0", 8505)

    def essence(status):
        return sorted((r["netns"]["inode"], r["address"], tuple(r["pids"])) for r in rows(status))

    assert essence(ns.status("--all", "8505")) == essence(ns.status("--all", "--no-bpf", "8505"))


def test_namespace_without_a_name(ns, make_ns):
    """Only processes keep it alive, as with most containers."""
    other = make_ns()
    code = ("import socket,sys; s = socket.socket(); s.bind(('0.0.0.0', 8506)); s.listen(); "
            "print('ready', flush=True); sys.stdin.read()")
    p = other.python(code)
    subprocess.run(["ip", "netns", "del", other.name], check=True)
    try:
        found = rows(ns.status("--all", "8506"))
        assert [r["pid"] for r in found] == [p.pid]
        assert found[0]["netns"]["inode"] == other.inode and not found[0]["netns"]["own"]
        ns.portero("--all", "8506")
    finally:
        janitor.end(p)


def test_namespace_kept_only_by_a_descriptor(ns, make_ns):
    """No name and no process inside: the socket itself is all that is left of it."""
    other = make_ns()
    s = other.tcp("0.0.0.0", 8507)
    subprocess.run(["ip", "netns", "del", other.name], check=True)
    assert [r["pid"] for r in rows(ns.status("8507"))] == []
    found = rows(ns.status("--all", "8507"))
    assert [(r["pid"], r["netns"]["inode"]) for r in found] == [(os.getpid(), other.inode)]
    s.close()


def test_nested_names(ns, make_ns):
    """The same interface names and addresses elsewhere are not ours."""
    other = make_ns()
    for one, network in ((ns, "192.0.2.1/24"), (other, "192.0.2.1/28")):
        one.add_veth(addresses=(network,))
        one.tcp("192.0.2.1", 8508)
    found = {r["netns"]["inode"]: r["network"] for r in rows(ns.status("--all", "8508"))}
    assert found == {ns.inode: "192.0.2.0/24", other.inode: "192.0.2.0/28"}


def test_process_that_a_namespace_was_found_by_ends(ns, make_ns, holder, tool_dir):
    """It must be entered by way of another that is in it, or its listeners would be missing."""
    other = make_ns()
    processes = [other.start([holder], give=[other.tcp("0.0.0.0", port)], ready=True)
                 for port in (8511, 8512)]
    first = min(p.pid for p in processes)
    subprocess.run(["ip", "netns", "del", other.name], check=True)
    env = preload(tool_dir, "gone") | {"GONE": str(first)}
    # the exit code also speaks of processes of the machine that cannot be looked at
    result = ns.portero("--json", "--all", "--no-bpf", "8511-8512", env=env)
    assert {r["port"] for r in rows(result.json)} == {8511, 8512}


COUNT = 300


def test_300_namespaces(ns):
    names = [janitor.new_name() for _ in range(COUNT)]
    janitor.namespaces.update(names)
    made = []
    try:
        subprocess.run(["ip", "-batch", "-"], input="".join(f"netns add {n}\n" for n in names),
                       text=True, check=True, capture_output=True)
        for name in names:
            one = Netns.__new__(Netns)
            one.name, one.sockets, one.mine, one.depth = name, [], [], 0
            one.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            one.inode = os.fstat(one.fd).st_ino
            made.append(one)
            one.tcp("0.0.0.0", 8509)
        result = ns.portero("--json", "--all", "8509")
        found = [r for r in rows(result.json) if r["netns"]["name"] in set(names)]
        assert {r["netns"]["name"] for r in found} == set(names)
        assert len(found) == COUNT
        assert all(not r["netns"]["own"] and r["pid"] == os.getpid() for r in found)
        by_name = {one.name: one.inode for one in made}
        assert all(by_name[r["netns"]["name"]] == r["netns"]["inode"] for r in found)
        assert result.cpu < 5 * SLOW, f"{result.cpu:.1f} s"
        text = ns.portero("--all", "8509").text
        assert sum(text.count(f"network namespace {n}") for n in (names[0], names[-1])) >= 2

        alone = ns.portero("--json")
        assert alone.json["ports"] == []
        assert alone.json["other_namespaces"]["listeners"] >= COUNT
    finally:
        for one in made:
            for s in one.sockets:
                s.close()
            os.close(one.fd)
        janitor.delete_namespaces(names)


def test_namespaces_that_vanish_meanwhile(ns):
    """They come and go while portero walks through them: no error, no wrong owner, no hang."""
    ns.tcp("127.0.0.1", 8510)
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            name = janitor.new_name()
            janitor.namespaces.add(name)
            ip("netns", "add", name, check=False)
            ip("netns", "del", name, check=False)
            janitor.namespaces.discard(name)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        end = time.monotonic() + 3
        runs = 0
        while time.monotonic() < end or runs < 5:
            status = ns.status("--all", "8510")
            assert [r["pid"] for r in rows(status) if r["netns"]["own"]] == [os.getpid()]
            runs += 1
    finally:
        stop.set()
        for t in threads:
            t.join()
