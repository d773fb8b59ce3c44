# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a person sees, byte by byte: the table of a fixed scene at several widths. After a change that
is meant, UPDATE_GOLDEN=1 writes the files anew; look at the difference before committing it.
"""
import os
from pathlib import Path

import pytest

from harness import (
    AS_NOBODY, Netns, bpf_works, ip, janitor, need_feature, portero, require_namespaces, stable)

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


RULES = """
table inet filter {
  set office { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.9.0.7 } }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport { 22, 80 } accept
    ip protocol tcp tcp dport 443 accept
    tcp dport 2222 limit rate 5/second accept
    ip saddr 10.1.0.0/16 tcp dport 5432 accept
    ip saddr @office tcp dport 5433 accept
    ip saddr 192.168.0.0/16 udp dport 161 accept
    tcp dport 113 reject with tcp reset
    tcp dport 9418 meta cgroup 7 accept
    udp dport { 53, 123 } accept
    ip6 saddr 2001:db8:1::/64 udp dport 5353 accept
    tcp dport 8000-8100 ip saddr 192.0.2.0/24 accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname "eth0" ip daddr 172.31.77.2 tcp dport 6379 accept
  }
}
table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100;
    fib daddr type local iifname "eth0" tcp dport 8080 dnat to 172.31.77.2:80
    fib daddr type local iifname "eth0" tcp dport 8082 dnat to 192.0.2.77:80
    tcp dport 9000-9010 redirect to :22
  }
}
"""


@pytest.fixture(scope="module")
def walled(holder):
    """A machine with a firewall, and a container behind it."""
    require_namespaces()
    need_feature("bpf-iterator", bpf_works(), "the scene has UDP clients")
    # its name stands in the pictures
    made = [Netns(), Netns(), Netns(name="web-container")]
    try:
        build_walled(*made, holder)
        yield made[0]
    finally:
        for ns in made:
            ns.close()


def build_walled(ns, peer, container, holder):
    ns.connect(peer, addresses=("192.0.2.1/24", "2001:db8:1::1/64"))
    ns.connect(container, name="docker0", mac="02:00:00:00:00:02", addresses=("172.31.77.1/24",))
    ip("-n", container.name, "addr", "add", "172.31.77.2/24", "dev", "eth0")
    ip("-n", container.name, "route", "add", "default", "via", "172.31.77.1")
    ip("-n", ns.name, "route", "add", "default", "via", "192.0.2.2")
    ip("-n", ns.name, "route", "add", "default", "via", "2001:db8:1::2")
    ns.sysctl(ipv4__ip_forward=1)
    ns.nft(RULES)
    script = (f'mount --make-rprivate / && mount -t tmpfs none {PLACE} && '
              f'for p in sshd caddy postgres mysqld redis-server docker-proxy dnsd; do '
              f'cp "{holder}" "{PLACE}/$p"; done && exec {PLACE}/caddy')
    keeper = ns.start(["unshare", "-m", "sh", "-c", script], ready=True)
    ns.inside = ("nsenter", "-m", "-t", str(keeper.pid))

    def run(program, *sockets):
        return ns.start([*ns.inside, f"{PLACE}/{program}"], give=sockets, ready=True)

    run("sshd", ns.tcp("::", 22), ns.tcp("0.0.0.0", 2222))
    run("caddy", ns.tcp("::", 80), ns.tcp("::", 443))
    run("postgres", ns.tcp("0.0.0.0", 5432), ns.tcp("0.0.0.0", 5433))
    run("mysqld", ns.tcp("0.0.0.0", 3306), ns.tcp("::", 33060))
    run("redis-server", ns.tcp("127.0.0.1", 6379), ns.tcp("::1", 6379))
    run("docker-proxy", ns.tcp("0.0.0.0", 8080))
    run("dnsd", ns.udp("0.0.0.0", 53), ns.udp("0.0.0.0", 161), ns.tcp("192.0.2.1", 113),
        ns.tcp("0.0.0.0", 9418), ns.udp("239.1.2.3", 5353))
    inside = container.tcp("0.0.0.0", 80)
    container.start([*ns.inside, f"{PLACE}/caddy"], give=[inside], ready=True)
    inside = container.tcp("0.0.0.0", 6379)
    container.start([*ns.inside, f"{PLACE}/redis-server"], give=[inside], ready=True)


def look(walled, *args, width=80):
    return stable(walled.portero(*args, prefix=walled.inside, env={"COLUMNS": str(width)},
                                 reach=True).text)


@pytest.mark.parametrize("width", WIDTHS)
def test_table_with_reach(walled, width):
    text = look(walled, width=width)
    for line in text.splitlines():
        if line.startswith("PORT") or "/" in line.split(" ")[0]:
            assert len(line) <= width
    compare(f"reach-table-{width}.txt", text)


def test_csv_with_reach(walled):
    compare("reach-table.csv", look(walled, "--csv").replace("\r\n", "\n"))


@pytest.mark.parametrize("width", [80, 120])
def test_reach(walled, width):
    compare(f"reach-{width}.txt", look(walled, "reach", width=width))


@pytest.mark.parametrize("port", [5353, 8005, 8082])
def test_show_of_a_port_without_a_listener(walled, port):
    compare(f"reach-show-{port}.txt", look(walled, "show", f"{port}/tcp"))


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


GUARDED = """settings:
  guard: enforce
openings:
  - {ports: 80/tcp, from: internet}
  - {ports: 443/tcp, from: [host, 192.0.2.0/24]}
  - {ports: 8000/tcp, from: private, program: PLACE/python3.11}
  - {ports: 8001/tcp, from: private, program: PLACE/app}
  - {ports: 8002/tcp, from: private, program: PLACE/app2}
  - {ports: 8003/udp, from: private, unit: web.slice}
  - {ports: 8004/udp, from: private, unit: LONG.scope}
"""


def test_policy_check_of_a_guard(tmp_path):
    policy = tmp_path / "policy.d"
    policy.mkdir(mode=0o755)
    for name, text in (("app", "#!/bin/cat\n"), ("app2", "#!/usr/bin/env -u X sh\n"),
                       ("python3.11", "")):
        (tmp_path / name).write_text(text)
    (policy / "guard.yaml").write_text(
        GUARDED.replace("PLACE", str(tmp_path)).replace("LONG", "x" * 186))
    (policy / "guard.yaml").chmod(0o644)
    text = portero("policy", "check", policy, code=1).text.replace(str(tmp_path), PLACE)
    compare("policy-check-guard.txt", text.replace(os.path.realpath("/bin/cat"), "/usr/bin/cat"))


@pytest.mark.parametrize("command", ["", "status", "show", "reach", "explain", "policy", "plan",
                                     "apply", "open", "close", "confirm", "rollback", "restore",
                                     "guard", "watch", "scan", "verify", "doctor",
                                     "completion"])
def test_help(scene, command):
    args = (command, "--help") if command else ("--help",)
    compare(f"help{'-' if command else ''}{command}.txt", scene.portero(*args, code=0).text)
