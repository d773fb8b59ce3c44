# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the marks of listeners are kept: in a table, while it has room and somebody tells their end."""
import re
from pathlib import Path

from guarding import HOME, guard  # noqa: F401
from harness import wait_until

ABI = Path(__file__).resolve().parents[2] / "src" / "bpf" / "guard_abi.h"
LIMIT = int(re.search(r"GUARD_LISTEN_LIMIT = (\d+)", ABI.read_text())[1])


def ports(guard):  # noqa: F811
    """Of the listeners in the table."""
    dump = guard.bpftool("map", "dump", "pinned", guard.pins / "guard_listens")
    return sorted(entry["formatted"]["value"]["port"] for entry in dump)


def test_a_mark_ends_with_its_socket(guard):  # noqa: F811
    """With its last holder; UDP's, and those of the kernel's sockets below MPTCP's, stand elsewhere."""
    guard.load("enforce", f"8000-8099/tcp=program:{guard.good}", f"8000-8099/udp=program:{guard.good}")
    good, holder = guard.pair(guard.good, guard.good)
    assert good.all("socket tcp 4", "bind 0.0.0.0 8000", "listen") == "ok"
    assert ports(guard) == [8000]
    assert good.open("udp", "0.0.0.0", 8001) == "ok"
    if good("socket", "mptcp", 6).startswith("ok"):
        assert good.all("bind :: 8002", "listen") == "ok"
        assert guard.reach(HOME[1], 8002) == "open"
    assert ports(guard) == [8000]
    assert good.open("tcp", "::", 8003) == "ok"
    assert good("give") == "ok" and holder("take").startswith("ok")
    good.end()
    wait_until(lambda: ports(guard) == [8003], 5)
    assert guard.reach(HOME[1], 8003) == "open"
    assert holder("disconnect") == "ok" and ports(guard) == [8003]
    holder.end()
    wait_until(lambda: ports(guard) == [], 5)


def test_the_table_is_full(guard):  # noqa: F811
    """Then a listener has a mark of its own, which is as good."""
    guard.load("enforce", f"8000-8999/tcp=program:{guard.good}",
               f"10000-{9999 + LIMIT}/tcp=program:{guard.good}")
    crowd = []
    for first in range(10000, 10000 + LIMIT, 512):
        crowd.append(guard.start(guard.good))
        assert crowd[-1]("crowd", first, 512) == "ok"
    assert len(ports(guard)) == LIMIT
    good, other = guard.pair(guard.good, guard.other)
    assert good.open("tcp", "0.0.0.0", 8000) == "ok"
    assert other.all("socket tcp 4", "listen") == "ok"
    stray = int(other("port").split()[1])
    assert 8000 not in ports(guard) and stray not in ports(guard)
    assert guard.reach(HOME[0], 8000) == "open"
    assert guard.reach(HOME[0], stray) == "dropped"
    crowd.pop().end()
    wait_until(lambda: len(ports(guard)) == LIMIT - 512, 10)
    assert good("give") == "ok" and other.all("take", "disconnect", "listen") == "ok"
    assert 8000 in ports(guard), "there is room again"
    assert guard.reach(HOME[0], 8000) == "dropped", "the newer mark counts"
    assert good.all("disconnect", "listen") == "ok"
    assert guard.reach(HOME[0], 8000) == "open"
    assert guard.counts()["marks_lost"] == 0
