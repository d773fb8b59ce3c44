# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a person sees, byte by byte: the table of a fixed scene at several widths. After a change that
is meant, UPDATE_GOLDEN=1 writes the files anew; look at the difference before committing it.
"""
import os
from pathlib import Path

import pytest

from harness import AS_NOBODY, Netns, bpf_works, janitor, need_feature, require_namespaces, stable

HERE = Path(__file__).resolve().parent
WIDTHS = [40, 60, 80, 100, 120, 160, 200]
PLACE = "/srv"  # covered by a tmpfs, in a mount namespace of the scene's own
PACKAGED = "/usr/bin/env"  # of coreutils; the scene has another program stand there


@pytest.fixture(scope="module")
def scene(holder):
    """A namespace with a bit of everything; returns how to run portero in it."""
    require_namespaces()
    need_feature("bpf-iterator", bpf_works(), "the scene has UDP clients")
    ns = Netns()
    try:
        build(ns, holder)
        yield ns
    finally:
        ns.close()


def build(ns, holder):
    ns.add_veth(addresses=("192.0.2.1/24", "2001:db8:1::1/64"))
    script = (f'mount --make-rprivate / && mount -t tmpfs none {PLACE} && '
              f'for p in webd shopd cached "name with spaces" gone; do '
              f'cp "{holder}" "{PLACE}/$p"; done && '
              f'cp "{holder}" "{PLACE}/$(printf \'red\\033[31m\')" && '
              f'mount --bind "{holder}" {PACKAGED} && exec {PLACE}/webd')
    keeper = ns.start(["unshare", "-m", "sh", "-c", script], ready=True)
    ns.inside = ("nsenter", "-m", "-t", str(keeper.pid))

    def run(program, *sockets, args=(), prefix=()):
        return ns.start([*ns.inside, *prefix, program, *args], give=sockets, ready=True)

    run(PACKAGED, ns.tcp("0.0.0.0", 443), ns.tcp("::", 443, v6only=True), args=["fork=3"])
    run(f"{PLACE}/webd", ns.tcp("::", 80))
    run(f"{PLACE}/shopd", ns.tcp("192.0.2.1", 8080), prefix=AS_NOBODY)
    run(f"{PLACE}/shopd", ns.tcp("2001:db8:1::1", 8080), prefix=AS_NOBODY)
    run(f"{PLACE}/cached", ns.tcp("127.0.0.1", 11211), ns.tcp("::1", 11211), ns.udp("::1", 11211))
    run(f"{PLACE}/name with spaces", ns.tcp("198.51.100.7", 22, freebind=True))
    run(f"{PLACE}/red\x1b[31m", ns.udp("0.0.0.0", 53))
    run(f"{PLACE}/cached", ns.udp("239.1.2.3", 5353))
    run(f"{PLACE}/webd", ns.tcp("127.0.0.1", 49999), args=["name=kworker/0:1"])
    run(f"{PLACE}/gone", ns.tcp("0.0.0.0", 65535))
    janitor.end(ns.start([*ns.inside, "rm", f"{PLACE}/gone"]), how=0)
    ns.udp("0.0.0.0", 0)


def compare(name, text):
    path = HERE / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert path.exists(), f"{name} is missing: UPDATE_GOLDEN=1 writes it"
    assert text == path.read_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_table(scene, width):
    result = scene.portero(prefix=scene.inside, env={"COLUMNS": str(width)}, code=1)
    text = stable(result.text)
    for line in text.splitlines()[:text.count("/tcp ") + text.count("/udp ") + 1]:
        if line.startswith("PORT") or "/" in line.split(" ")[0]:
            assert len(line) <= width
    compare(f"table-{width}.txt", text)


def test_table_of_unlimited_width(scene):
    compare("table-unlimited.txt", stable(scene.portero(prefix=scene.inside, code=1).text))


def test_table_in_ascii(scene):
    result = scene.portero(prefix=scene.inside, env={"LC_ALL": "C", "COLUMNS": "60"}, code=1)
    compare("table-60-ascii.txt", stable(result.text))


def test_csv(scene):
    compare("table.csv", scene.portero("--csv", prefix=scene.inside, code=1)
            .text.replace("\r\n", "\n"))


def test_show_of_a_closed_port(scene):
    compare("show-closed.txt", scene.portero("show", "8443", prefix=scene.inside, code=0).text)


@pytest.mark.parametrize("command", ["", "status", "show", "doctor", "completion"])
def test_help(scene, command):
    args = (command, "--help") if command else ("--help",)
    compare(f"help{'-' if command else ''}{command}.txt", scene.portero(*args, code=0).text)
