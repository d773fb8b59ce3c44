# SPDX-License-Identifier: GPL-2.0-or-later
"""ipsets copied into another namespace, with their indexes; `ipset save` is the judge."""
import re
import subprocess
import time
from pathlib import Path

import pytest

from harness import PORTERO, ROOT, SLOW, cpu_of_children, need_feature, need_program

TOOLS = Path(PORTERO).resolve().parent / "netns"
DATA = ROOT / "tests" / "unit" / "data"


def run(ns, *argv, check=True, **kw):
    with ns:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=check, **kw)


def tool(name, command, *namespaces, args=(), check=True):
    argv = [TOOLS / name, command, *(f"/run/netns/{n.name}" for n in namespaces), *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def programs():
    need_program("ipset")
    assert (TOOLS / "ipset").exists(), "the tools are missing: make build/netns/ipset"


def restore(ns, text):
    done = run(ns, "ipset", "restore", input=text, check=False)
    need_feature("ipset", done.returncode == 0, done.stderr)
    return ns


def saved(ns):
    """What ipset saves, without how long elements will stay (only that they will not for ever)."""
    text = run(ns, "ipset", "save").stdout
    lines = [re.sub(r"timeout [1-9]\d*", "timeout N", line) if line.startswith("add") else line
             for line in text.splitlines()]
    order = [line for line in lines if line.startswith("add l ")]
    return sorted(lines), order


def test_no_sets(make_ns):
    source, copy = make_ns(), make_ns()
    assert tool("ipset", "read", source) == ["changing 0", "fingerprint 0000000000000000"]
    assert tool("ipset", "copy", source, copy) == []
    assert run(copy, "ipset", "list", "-n").stdout == ""


def test_every_type_is_copied_true(make_ns):
    source, copy = restore(make_ns(), (DATA / "ipset.rules").read_text()), make_ns()
    before = saved(source)
    assert len(before[0]) > 40
    assert tool("ipset", "copy", source, copy) == []
    assert saved(copy) == saved(source) == before
    read = tool("ipset", "read", source)
    assert read == tool("ipset", "read", copy)
    # index, name, type: the gaps of the file are there, and what filled them is not
    assert read[0].split()[:3] == ["1", "a", "hash:ip"] and read[1].startswith("4 b ")
    assert run(copy, "ipset", "list", "-n").stdout.split() == run(
        source, "ipset", "list", "-n").stdout.split()
    left = re.search(r"10.0.0.10 timeout (\d+)", run(copy, "ipset", "save").stdout)
    assert 60 < int(left[1]) <= 77


def test_rules_look_into_the_same_set(make_ns):
    """A rule holds an index: with the gaps closed it would look into the next set."""
    need_program("iptables-legacy")
    source, copy = make_ns(), make_ns()
    restore(source, "create gone hash:ip\ncreate trusted hash:ip\ncreate banned hash:ip\n"
                    "add trusted 192.0.2.1\nadd banned 192.0.2.2\ndestroy gone\n")
    run(source, "iptables-legacy", "-A", "INPUT", "-m", "set", "--match-set", "trusted", "src",
        "-j", "ACCEPT")
    run(source, "iptables-legacy", "-A", "INPUT", "-m", "set", "--match-set", "banned", "src",
        "-j", "DROP")
    assert tool("ipset", "copy", source, copy) == []
    assert tool("legacy", "load", source, copy, args=["-"]) == []
    rules = run(copy, "iptables-legacy", "-S").stdout
    assert "--match-set trusted src -j ACCEPT" in rules
    assert rules == run(source, "iptables-legacy", "-S").stdout


def test_fingerprint(make_ns):
    ns = restore(make_ns(), "create a hash:ip timeout 100 counters\nadd a 192.0.2.1\n")
    first = tool("ipset", "read", ns)
    time.sleep(1.2)
    assert tool("ipset", "read", ns) == first
    run(ns, "ipset", "add", "a", "192.0.2.2", "timeout", "0")
    second = tool("ipset", "read", ns)
    assert second[-1] != first[-1]
    run(ns, "ipset", "del", "a", "192.0.2.2")
    assert tool("ipset", "read", ns) == first


def test_150000_elements(make_ns):
    """And a list of sets that holds it."""
    source, copy = make_ns(), make_ns()
    text = "create big hash:net maxelem 200000\ncreate all list:set\nadd all big\n"
    text += "".join(f"add big 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(150000))
    restore(source, text)
    used = cpu_of_children()
    assert tool("ipset", "copy", source, copy) == []
    assert cpu_of_children() - used < 3 * SLOW
    assert saved(copy) == saved(source)


def test_what_is_in_the_way(make_ns):
    """A copy that cannot be true is none: no set is left that a rule could look into."""
    source, copy = make_ns(), make_ns()
    restore(source, "create a hash:ip\ncreate b list:set\nadd b a\n")
    restore(copy, "create b hash:net\ncreate c list:set\nadd c b\n")
    lines = tool("ipset", "copy", source, copy, check=False)
    assert lines and lines[0].startswith("-95 an ipset cannot be copied")
    assert run(copy, "ipset", "list", "-n").stdout == ""
