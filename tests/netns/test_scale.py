# SPDX-License-Identifier: GPL-2.0-or-later
"""Many sockets: all of them shown, in linear time and little memory."""
import pytest

from harness import MEASURE, PYTHON, SAN, SLOW, build_tool, janitor, rows, stable

MEMORY_KIB = 100 * 1024

# Opens COUNT listeners from port FIRST on, on its own.
OPENER = """
import socket, sys, resource
first, count, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for i in range(count):
    s = socket.socket()
    s.bind((address, first + i))
    s.listen(1)
    held.append(s)
print("ready", flush=True)
sys.stdin.read()
"""


def open_many(ns, total, processes):
    each = total // processes
    made = [ns.start([PYTHON, "-S", "-c", OPENER, str(10000 + i * each), str(each), "127.0.0.1"],
                     ready=True) for i in range(processes)]
    owner = {10000 + i * each + k: p.pid for i, p in enumerate(made) for k in range(each)}
    return made, owner


def measure(ns, *args):
    """What used the processors least, of three."""
    return min((ns.portero(*args, validate=False) for _ in range(3)), key=lambda r: r.cpu)


def measure_memory(ns, tmp_path, *args):
    """KiB, at the most."""
    ns.portero(*args, prefix=(*MEASURE, tmp_path / "memory"), validate=False)
    return int((tmp_path / "memory").read_text())


def test_20000_sockets(ns, tmp_path):
    made, owner = open_many(ns, 2000, 4)
    small = measure(ns, "--json")
    assert len(rows(small.json)) == 2000
    for p in made:
        janitor.end(p)

    made, owner = open_many(ns, 20000, 8)
    big = measure(ns, "--json")
    assert {r["port"]: r["pid"] for r in rows(big.json)} == owner
    assert all(set(r["seen_by"]) == {"kernel", "files"} for r in rows(big.json))
    table = measure(ns)
    assert table.text.count("/tcp ") == 20000
    memory = measure_memory(ns, tmp_path)
    memory_json = measure_memory(ns, tmp_path, "--json")
    print(f"\n2,000: {small.cpu:.3f} s; 20,000: {big.cpu:.3f} s as JSON, "
          f"{table.cpu:.3f} s as a table; {memory} KiB as a table, {memory_json} KiB as JSON")
    # ten times as many: ten times the time, and some for noise
    assert big.cpu < 25 * max(small.cpu, 0.02), (small.cpu, big.cpu)
    if not SAN:
        assert memory < MEMORY_KIB
        assert memory_json < MEMORY_KIB

    read = ns.portero("--no-bpf")
    assert stable(read.text) == stable(table.text)
    assert read.cpu < 10 * SLOW


def test_one_group_of_many_sockets(ns):
    """2,000 sockets of one SO_REUSEPORT group are one row, and cost as 2,000 do."""
    for _ in range(2000):
        ns.tcp("0.0.0.0", 8701, reuseport=True, backlog=1)
    result = ns.portero("--json")
    found = rows(result.json)
    assert len(found) == 1 and found[0]["sockets"] == 2000 and len(found[0]["pids"]) == 1
    assert result.cpu < 2 * SLOW


def test_one_socket_of_many_processes(ns, tool_dir):
    holder = build_tool("holder", tool_dir)
    s = ns.tcp("0.0.0.0", 8702)
    p = ns.start([holder, "fork=500"], give=[s], ready=True)
    for how in ((), ("--no-bpf",)):
        result = ns.portero("--json", *how)
        found = rows(result.json)
        assert len(found) == 1 and len(found[0]["pids"]) == 501 and found[0]["pid"] == p.pid
        assert result.cpu < 5 * SLOW
    text = ns.portero("show", "8702").text
    assert "and 481 more" in text
    janitor.end(p)


@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_process_with_many_other_files(ns, how):
    code = """
import os, resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(10000)]
s = socket.socket(); s.bind(("127.0.0.1", 8703)); s.listen()
print("ready", flush=True)
sys.stdin.read()
"""
    p = ns.python(code)
    found = rows(ns.status(*how))
    assert [(r["port"], r["pid"]) for r in found] == [(8703, p.pid)]
