# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who can reach each port, end to end: machines with real rules, listeners and containers in
namespaces; what is asked wrongly; what cannot be asked; and that nothing of the machine changes.
"""
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import (
    AS_NOBODY, PORTERO, SLOW, Netns, base_environment, die_with_parent, find, ip, janitor,
    need_feature, need_program, rows, wait_until)

FILTER = """
table inet filter {
  set blocklist { type ipv4_addr; flags interval;
    elements = { 203.0.113.0/24, 198.18.0.0/15, 100.70.0.0/16 } }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    ip saddr @blocklist drop
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport { 22, 80, 443 } accept
    tcp dport 2222 limit rate 5/second accept
    ip saddr 10.1.0.0/16 tcp dport 5432 accept
    tcp dport 113 reject with tcp reset
    udp dport 53 accept
    ip6 saddr fe80::/10 udp dport 5353 accept
    tcp dport 8000-8100 ip saddr 192.0.2.0/24 accept
    log limit rate 3/minute counter
  }
  chain pre {
    type nat hook prerouting priority -100;
    tcp dport 8088 redirect to :80
    tcp dport 9000-9010 redirect to :22
  }
}
"""
DOCKER = """
table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100;
    fib daddr type local iifname != "docker0" tcp dport 8080 dnat to 172.29.77.2:80
    fib daddr type local iifname != "docker0" tcp dport 8081 dnat to 172.29.77.2:81
    fib daddr type local iifname != "docker0" tcp dport 8082 dnat to 192.0.2.77:80
    fib daddr type local iifname != "docker0" tcp dport 7000 dnat to 127.0.0.1:6379
  }
}
table ip filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    tcp dport { 22, 6379 } accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    oifname "docker0" ip daddr 172.29.77.2 tcp dport { 80, 81, 90 } accept
    ip daddr 192.0.2.77 accept
  }
}
"""


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """What portero keeps, it keeps here; base_environment does not pass it on: see ask()."""
    monkeypatch.setenv("PORTERO_RUNTIME_DIR", str(tmp_path))


def ask(ns, *args, **kw):
    env = {"PORTERO_RUNTIME_DIR": os.environ["PORTERO_RUNTIME_DIR"], **kw.pop("env", {})}
    return ns.portero(*args, env=env, reach=True, **kw)


def status(ns, *args, **kw):
    return ask(ns, "--json", *args, **kw).json


def reach(ns, *args, **kw):
    return ask(ns, "reach", "--json", *args, **kw).json


@pytest.fixture
def machine(ns, make_ns):
    """A host with an interface to the internet, of both families."""
    ns.peer = make_ns()
    ns.connect(ns.peer, addresses=("192.0.2.1/24", "2001:db8:1::1/64"))
    ip("-n", ns.name, "route", "add", "default", "via", "192.0.2.2")
    ip("-n", ns.name, "route", "add", "default", "via", "2001:db8:1::2")
    return ns


@pytest.fixture
def filtered(machine):
    machine.nft(FILTER)
    for address, port in (("::", 22), ("::", 80), ("127.0.0.1", 6379), ("0.0.0.0", 5432),
                          ("0.0.0.0", 2222), ("0.0.0.0", 3306), ("192.0.2.1", 113)):
        machine.tcp(address, port)
    return machine


@pytest.fixture
def docker(machine, make_ns):
    machine.container = make_ns()
    machine.connect(machine.container, name="docker0", mac="02:00:00:00:00:02",
                    addresses=("172.29.77.1/24",))
    ip("-n", machine.container.name, "addr", "add", "172.29.77.2/24", "dev", "eth0")
    ip("-n", machine.container.name, "route", "add", "default", "via", "172.29.77.1")
    machine.sysctl(ipv4__ip_forward=1)
    machine.nft(DOCKER)
    for address, port in (("::", 22), ("0.0.0.0", 8080), ("0.0.0.0", 5432), ("127.0.0.1", 6379)):
        machine.tcp(address, port)
    for port in (80, 90, 6380):
        machine.container.tcp("0.0.0.0", port)
    return machine


def verdict(answer, port, name="internet", proto="tcp", family="ipv4", interface="eth0"):
    """The one verdict of that class."""
    found = {i["verdict"] for c in answer["classes"] for i in c["intervals"]
             if (c["name"], c["proto"], c["family"], c["interface"], c["behind"]) ==
             (name, proto, family, interface, False) and i["from"] <= port <= i["to"]}
    assert len(found) == 1, f"{port}: {found}"
    return found.pop()


def check_whole(answer):
    """Every class has every port once."""
    assert answer["classes"]
    for c in answer["classes"]:
        after = 1
        for i in c["intervals"]:
            assert i["from"] == after and i["to"] >= i["from"], c
            after = i["to"] + 1
        assert after == 65536, c


# --- a machine with a firewall ------------------------------------------------------------------

def test_states(filtered):
    seen = status(filtered)
    told = {p["port"]: (p["state"], p["reach"]["widest"]) for p in seen["ports"]}
    assert told == {22: ("open", "internet"), 80: ("open", "internet"), 2222: ("open", "internet"),
                    8088: ("open", "internet"), 9000: ("open", "internet"),
                    5432: ("open", "listed"), 6379: ("open", "host"), 3306: ("filtered", "host"),
                    113: ("rejected", "host")}
    assert find(seen, 2222)["reach"]["limited"] and not find(seen, 22)["reach"]["limited"]
    assert find(seen, 22)["reach"]["families"] == ["ipv4", "ipv6"]
    assert find(seen, 9000)["published"] and find(seen, 9000)["last_port"] == 9010
    assert find(seen, 9000)["listeners"][0]["port"] == 22
    assert "published" not in find(seen, 22)
    ways = {w["sources"]: w["verdict"] for w in find(seen, 5432)["reach"]["ways"]
            if w["name"] == "listed"}
    assert ways["10.1.0.0/16"] == "accept"
    assert "limit" in next(w["why"] for w in find(seen, 2222)["reach"]["ways"] if w["why"])
    # the state of each port: what --no-reach gives
    plain = filtered.status()
    assert plain["rest"] is None
    assert {(p["state"], p["reach"]) for p in plain["ports"]} == {("listening", None)}


@pytest.mark.parametrize("tell", [lambda ns: status(ns)["rest"], lambda ns: reach(ns)],
                         ids=["status", "reach"])
def test_holes(filtered, tell):
    holes = {(h["from"], h["to"], h["proto"]): (h["family"], h["widest"])
             for h in tell(filtered)["holes"]}
    assert holes == {(443, 443, "tcp"): ("both", "internet"),
                     (2222, 2222, "tcp"): ("ipv6", "internet"),
                     (8000, 8087, "tcp"): ("ipv4", "link"), (8089, 8100, "tcp"): ("ipv4", "link"),
                     (53, 53, "udp"): ("both", "internet"),
                     (5353, 5353, "udp"): ("ipv6", "link")}


def test_sentences(filtered):
    text = re.sub(r"\s+", " ", ask(filtered).text)
    assert "from the internet: 443/tcp" in text
    assert "Closed ports; packets from the internet are dropped: 65,515 tcp and 65,534 udp." in text
    text = re.sub(r"\s+", " ", ask(filtered, "reach", "--in", "eth0", "-t").text)
    assert "Holes: ports that the firewall lets in although nobody listens: from the internet: " \
        "443/tcp" in text
    text = ask(filtered, "show", "2222/tcp").text
    assert re.search(r"State +open\n", text) and re.search(r"Limited from +internet via eth0", text)
    text = ask(filtered, "show", "443/tcp").text
    assert "closed: nobody listens" in text and re.search(r"Let in from +internet via eth0", text)


def test_reach(filtered):
    answer = reach(filtered)
    check_whole(answer)
    assert answer["complete"] is True and answer["missing"] == []
    for port, expected in ((22, "accept"), (80, "accept"), (113, "reject"), (2222, "rate-limited"),
                           (3306, "drop"), (5432, "drop"), (65535, "drop"), (1, "drop")):
        for family in ("ipv4", "ipv6"):
            assert verdict(answer, port, family=family) == expected
    assert verdict(answer, 53, proto="udp") == "accept"
    listed = {c["sources"]: c for c in answer["classes"] if c["name"] == "listed"}
    assert any("blocklist" in sources for sources in listed)
    target = next(i["target"] for c in answer["classes"] for i in c["intervals"]
                  if c["name"] == "internet" and c["family"] == "ipv4" and i["from"] == 9000)
    assert target == {"address": "192.0.2.1", "port": 22, "shifts": False}


def test_full_says_the_same(filtered):
    """Every port asked one by one, and one port for each that no rule tells apart."""
    quick, full = reach(filtered), reach(filtered, "--full", "--in", "eth0", "-4", timeout=300)
    for c in full["classes"]:
        same = [q for q in quick["classes"] if all(q[k] == c[k] for k in (
            "name", "interface", "sources", "destination", "family", "proto"))]
        assert len(same) == 1 and same[0]["intervals"] == c["intervals"], c


@pytest.mark.parametrize("args, only", [
    (("--in", "eth0"), {"interface": "eth0"}),
    (("--proto", "udp"), {"proto": "udp"}),
    (("--proto=tcp",), {"proto": "tcp"}),
    (("-u",), {"proto": "udp"}),
    (("-4",), {"family": "ipv4"}),
    (("-6", "-t"), {"family": "ipv6", "proto": "tcp"}),
    (("--to", "192.0.2.1"), {"destination": "192.0.2.1"}),
    (("--from", "10.1.2.3", "--in", "eth0"), {"source": "10.1.2.3", "family": "ipv4"}),
    (("--from", "2001:db8:9::9"), {"source": "2001:db8:9::9", "family": "ipv6"}),
])
def test_options(filtered, args, only):
    answer = reach(filtered, *args)
    check_whole(answer)
    for key, value in only.items():
        assert {c[key] for c in answer["classes"]} == {value}
    if "10.1.2.3" in args:
        assert {v["verdict"] for c in answer["classes"] for v in c["intervals"]
                if c["proto"] == "tcp" and v["from"] <= 5432 <= v["to"]} == {"accept"}


@pytest.mark.parametrize("args, says", [
    (("--in", "eth9"), "eth9"),
    (("--in", "down0"), "down0"),
    (("--from", "1.2.3"), "is no IP address"),
    (("--to", "x"), "is no IP address"),
    (("--from", "1.2.3.4", "--to", "::1"), "different families"),
    (("--proto", "sctp"), "tcp|udp"),
    (("80",), "takes no ports"),
    (("--from",), "needs a value"),
    (("--user", "root"), "has no option"),
])
def test_bad_input(filtered, args, says):
    ip("-n", filtered.name, "link", "add", "down0", "type", "bridge")
    result = ask(filtered, "reach", *args, code=2)
    assert result.out == b"" and says in result.errors
    assert result.errors.startswith("portero: ") and result.errors.count("\n") == 1


def test_port_of_a_bridge(filtered):
    """Packets come in by the bridge: its port is not asked, and says so or is asked as the bridge."""
    ip("-n", filtered.name, "link", "add", "br0", "type", "bridge")
    ip("-n", filtered.name, "link", "add", "p0", "type", "veth", "peer", "name", "p1")
    ip("-n", filtered.name, "link", "set", "p0", "master", "br0", "up")
    ip("-n", filtered.name, "link", "set", "br0", "up")
    result = ask(filtered, "reach", "--in", "p0", code=2)
    assert result.out == b"" and "p0" in result.errors and result.errors.count("\n") == 1


# --- containers ---------------------------------------------------------------------------------

def test_published(docker):
    seen = status(docker)
    port = find(seen, 8080)
    assert (port["state"], port["reach"]["widest"], port["published"]) == ("open", "internet", True)
    assert {(v["port"], v["netns"]["own"]) for v in port["listeners"]} == {(80, False), (8080, True)}
    # all rows' ways: docker-proxy's own, too
    assert {w["name"] for w in port["reach"]["ways"]} >= {"internet", "host"}
    assert find(seen, 5432)["state"] == "filtered"
    forwards = {f["from"]: f for f in seen["rest"]["forwards"]}
    assert set(forwards) == {8081, 8082}
    assert (forwards[8082]["address"], forwards[8082]["here"]) == ("192.0.2.77", False)
    assert forwards[8081]["address"] == "172.29.77.2"
    # neither is called closed
    for number in ("8081/tcp", "8082/tcp"):
        assert "closed" not in ask(docker, "show", number).text
    # 192.0.2.0/24 is not the way to it without route_localnet
    assert find(seen, 6379)["reach"]["widest"] == "host"
    assert all(p["listeners"][0]["netns"]["own"] or p.get("published") for p in seen["ports"])


def test_behind(docker):
    """Neighbours that route through the machine reach the container's own address."""
    text = re.sub(r"\s+", " ", ask(docker).text)
    assert "Behind this machine: 80/tcp, 90/tcp of network namespace " in text
    everything = status(docker, "--all", "90/tcp", "6380/tcp")
    inside = [p for p in everything["ports"] if p["listeners"][0]["netns"]["name"] ==
              docker.container.name and not p.get("published")]
    assert {p["port"]: p["state"] for p in inside}[90] == "open"
    assert {p["port"]: p["state"] for p in inside}[6380] != "open"


def test_route_localnet(docker):
    docker.sysctl(ipv4__conf__all__route_localnet=1)
    seen = status(docker)
    assert find(seen, 7000)["state"] == "open" and find(seen, 7000)["published"]
    assert find(seen, 7000)["listeners"][0]["address"] == "127.0.0.1"


def test_other_namespaces_are_no_gap(docker):
    """What cannot be seen of namespaces that are not shown does not make the answer incomplete."""
    plain, seen = docker.status(), status(docker)
    assert seen["missing"] == plain["missing"] and seen["portless"] == plain["portless"]


# --- machines of other kinds --------------------------------------------------------------------

def test_no_firewall(machine):
    machine.tcp("0.0.0.0", 80)
    seen = status(machine)
    assert (find(seen, 80)["state"], find(seen, 80)["reach"]["widest"]) == ("open", "internet")
    assert "No rule keeps packets out" in ask(machine).text


def row(machine, port):
    line = next(x for x in ask(machine).text.splitlines() if x.startswith(f"{port}/"))
    return " ".join(line.split())


def test_family_in_brackets(machine):
    """Where the internet comes by both families, one alone is told: whoever keeps the other out."""
    machine.nft("table ip6 f {\nchain i { type filter hook input priority 0;\n"
                "tcp dport 81 drop\n}\n}\n")
    machine.tcp("0.0.0.0", 80)
    machine.tcp("::", 81, v6only=False)
    machine.tcp("::", 82, v6only=False)
    machine.tcp("::", 83, v6only=True)
    assert " internet (IPv4) " in row(machine, 80) and " internet (IPv4) " in row(machine, 81)
    assert " internet " in row(machine, 82) and "(IPv" not in row(machine, 82)
    assert " internet (IPv6) " in row(machine, 83)
    # where it comes by one only, there is nothing to tell; link-local addresses change nothing
    ip("-n", machine.name, "addr", "del", "2001:db8:1::1/64", "dev", "eth0")
    ip("-n", machine.name, "-6", "route", "flush", "default")
    for port in (80, 81, 82):
        assert "(IPv" not in row(machine, port) and " internet " in row(machine, port)


def test_groups(machine):
    """ff01::1 never leaves an interface, so that neighbours are kept from it is no news; what rules
    do with other groups is, and told as such."""
    machine.nft("table inet f {\nchain i { type filter hook input priority 0;\n"
                "fib daddr type broadcast udp dport 54 drop\nip6 daddr ff02::1 udp dport 53 drop\n"
                "ip6 daddr ff01::1 udp dport 55 drop\n}\n}\n")
    machine.udp("::", 53, v6only=False)
    machine.udp("::", 55, v6only=False)
    destinations = {c["destination"] for c in reach(machine)["classes"]}
    assert "ff02::1" in destinations and not any(d.startswith("ff01") for d in destinations)
    assert "Dropped from" not in ask(machine, "show", "55/udp").text
    text = " ".join(ask(machine, "show", "53/udp").text.split())
    (dropped,) = re.findall(r"Dropped from (.*?) Listener", text)
    assert all(part.endswith("(multicast)") for part in dropped.split(", fe80")), dropped


def test_loopback_only(ns):
    ns.tcp("0.0.0.0", 80)
    ns.tcp("127.0.0.1", 81)
    assert {(p["state"], p["reach"]["widest"]) for p in status(ns)["ports"]} == {("open", "host")}


def test_everything_down(make_ns):
    """Not even loopback is up: nobody reaches anything, and nothing is claimed to be open."""
    ns = make_ns(up=False)
    ns.tcp("0.0.0.0", 80)
    assert find(status(ns), 80)["state"] != "open"


def test_no_ipv6(machine):
    machine.sysctl(ipv6__conf__all__disable_ipv6=1)
    machine.nft(FILTER)
    machine.tcp("0.0.0.0", 80)
    seen = status(machine)
    assert (find(seen, 80)["state"], find(seen, 80)["reach"]["families"]) == ("open", ["ipv4"])
    answer = reach(machine)
    check_whole(answer)
    # groups of IPv6 are still joined, and nobody is heard by them
    assert {i["verdict"] for c in answer["classes"] if c["family"] == "ipv6"
            for i in c["intervals"]} <= {"drop"}


# --- what cannot be asked -----------------------------------------------------------------------

def check_blind(ns, says, prefix=(), **kw):
    seen = status(ns, prefix=prefix, code=2, **kw)
    assert {(p["state"], p["reach"]["widest"]) for p in seen["ports"]} == {("unknown", "unknown")}
    assert {p["port"] for p in seen["ports"]} >= {22, 80, 6379}
    assert any(says in (m["why"] or "") for m in seen["missing"]), seen["missing"]
    text = ask(ns, prefix=prefix, code=2, **kw).text
    assert "Not seen: " in text and " open " not in text and "Closed" not in text
    result = ask(ns, "reach", prefix=prefix, code=2, **kw)
    assert says in result.text + result.errors


def test_no_root(filtered):
    check_blind(filtered, "", prefix=AS_NOBODY)


def test_no_tun(filtered, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    hide = ("unshare", "-m", "sh", "-c",
            f'mount --make-rprivate / && mount --bind {empty} /dev/net && exec "$@"', "sh")
    check_blind(filtered, "/dev/net/tun", prefix=hide)


# --- nothing changes ----------------------------------------------------------------------------

def namespaces(without=None):
    """Every network namespace that a process is in (but for one of them): by inode."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        if path.parts[2] == str(without):
            continue
        try:
            found.add(os.readlink(path))
        except OSError:
            continue
    return found


def dump(ns):
    """All of the machine that could change."""
    with ns:
        shell = subprocess.run(
            ["sh", "-c", "nft -a list ruleset; ip -d link; ip addr; ip route show table all; "
             "ip -6 route show table all; ip rule; ip neigh; ip netns list-id; "
             "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; "
             "cat /proc/sys/net/netfilter/nf_conntrack_count; "
             "cd /proc/sys/net && grep -r . . 2>/dev/null | grep -v 'nf_conntrack_max\\|/neigh/"
             "\\|random\\|entropy\\|nf_conntrack_count' | sort"],
            capture_output=True, text=True, timeout=60, check=False)
    # times that run
    return re.sub(r"(valid_lft|preferred_lft|expires) \S+|qlen \d+|used \S+", "", shell.stdout)


def test_nothing_changes(filtered):
    before = dump(filtered)
    assert "blocklist" in before
    reach(filtered)
    status(filtered)
    ask(filtered, "show", "80")
    assert dump(filtered) == before


def test_kill(filtered, tmp_path):
    """Killed at any moment: no namespace, interface, process or file is left."""
    with filtered:
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    before = dump(filtered)
    files = set(os.listdir("/tmp")), set(os.listdir("/run"))
    for i in range(12):
        with filtered:
            p = janitor.add(subprocess.Popen(
                [PORTERO, "reach", "--full"], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
                env={**base_environment(), "PORTERO_RUNTIME_DIR": str(tmp_path)}))
        time.sleep(0.02 + 0.05 * i * SLOW)
        p.send_signal(signal.SIGKILL)
        p.wait(10)
        janitor.end(p)
        assert f"{p.pid}" not in os.listdir("/proc")
    with filtered:
        after = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    assert after.stdout == links.stdout and dump(filtered) == before
    left = {f for f in (set(os.listdir("/tmp")) - files[0]) | (set(os.listdir("/run")) - files[1])
            if "portero" in f and not f.startswith(janitor.PREFIX)}
    assert not left
    check_whole(reach(filtered))


def twins(process, before):
    """The network namespaces that it holds, and that were not there before."""
    found = set()
    for fd in Path(f"/proc/{process.pid}/fd").glob("*"):
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        if target.startswith("net:") and target not in before:
            found.add(target)
    return found


def test_twin_dies_with_portero(filtered):
    """No other process is in the twin (it is itself, at times); after a kill that is gone."""
    before = namespaces()
    with filtered:
        p = janitor.add(subprocess.Popen([PORTERO, "reach", "--full"], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                         env=base_environment()))

    twin = wait_until(lambda: twins(p, before), 20 * SLOW, "a twin")
    assert not twin & namespaces(without=p.pid)
    p.send_signal(signal.SIGKILL)
    p.wait(10)
    janitor.end(p)
    assert not twin & {os.readlink(fd) for fd in Path("/proc/self/fd").glob("*")
                       if os.path.exists(fd)}
    assert not twin & namespaces()


def test_rules_that_change_all_the_time(filtered):
    """Each answer is of rules that stood there, or says that they changed."""
    need_program("nft")
    stop = threading.Event()
    nft = subprocess.Popen(["nsenter", f"--net=/run/netns/{filtered.name}", "sh", "-c",
                            "while :; do nft add element inet filter blocklist { 192.0.2.200 }; "
                            "nft delete element inet filter blocklist { 192.0.2.200 }; done"],
                           stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    janitor.add(nft)
    try:
        for _ in range(3):
            answer = reach(filtered, timeout=120)
            assert answer["complete"] or any("chang" in m["what"] + (m["why"] or "")
                                             for m in answer["missing"]), answer["missing"]
            if answer["classes"]:
                check_whole(answer)
            assert find(status(filtered, timeout=120), 3306)["state"] in ("filtered", "unknown")
    finally:
        stop.set()
        janitor.end(nft)


# --- large machines -----------------------------------------------------------------------------

def timed(what, ns, *args, **kw):
    began = time.monotonic()
    answer = reach(ns, *args, timeout=300, **kw)
    print(f"{what}: {time.monotonic() - began:.2f} s, {len(answer['classes'])} classes")
    check_whole(answer)
    return answer


def test_large_set(machine):
    elements = ", ".join(f"203.{a}.{b}.{c}" for a in range(6) for b in range(250)
                         for c in range(0, 200, 2))
    machine.nft("table inet t { set s { type ipv4_addr; elements = { " + elements + " } }\n"
                "chain input { type filter hook input priority 0; policy drop; iif lo accept;\n"
                "ip saddr @s accept; tcp dport 22 accept\n}\n}")
    answer = timed("150,000 elements", machine)
    assert verdict(answer, 22) == "accept" and verdict(answer, 23) == "drop"
    found = [c for c in answer["classes"] if c["name"] == "listed" and c["interface"] == "eth0"
             and c["proto"] == "tcp" and c["family"] == "ipv4"]
    assert any(i["verdict"] == "accept" and i["from"] <= 23 <= i["to"]
               for c in found for i in c["intervals"])


def drop_all_but(machine, rules):
    machine.nft("table inet t { chain input { type filter hook input priority 0; policy drop;\n"
                "iif lo accept\n" + "\n".join(rules) + "\ntcp dport 22 accept\n}\n}")


def network(i):
    return f"10.{i // 250}.{i % 250}.0/24"


def listed(answer, network, proto="tcp"):
    """What the class of these addresses gets: {port: verdict} as a function."""
    found = [c for c in answer["classes"] if c["name"] == "listed" and c["proto"] == proto
             and network in (c["sources"] or "").split(", ")]
    assert len(found) == 1, (network, found)
    return lambda port: next(i["verdict"] for i in found[0]["intervals"]
                             if i["from"] <= port <= i["to"])


@pytest.mark.parametrize("kind", ["ports", "sources"])
def test_many_rules(machine, kind):
    drop_all_but(machine, [{"ports": f"tcp dport {1000 + 2 * i} accept",
                            "sources": f"ip saddr {network(i)} drop"}[kind] for i in range(5000)])
    answer = timed(f"5,000 rules ({kind})", machine, "--in", "eth0", "-4", "-t")
    assert answer["complete"]
    assert verdict(answer, 22) == "accept" and verdict(answer, 999) == "drop"
    if kind == "ports":
        assert [verdict(answer, port) for port in (1000, 1001, 10998, 10999)] == \
            ["accept", "drop", "accept", "drop"]
    else:
        assert any(c["name"] == "listed" and {i["verdict"] for i in c["intervals"]} == {"drop"}
                   for c in answer["classes"])


def test_many_ties(machine):
    """Each source has its own port: nobody asks about every source at every port."""
    drop_all_but(machine, [f"ip saddr {network(i)} tcp dport {1000 + i} accept"
                           for i in range(3000)])
    answer = timed("3,000 sources with a port each", machine, "--in", "eth0", "-4")
    assert answer["complete"]
    assert verdict(answer, 22) == "accept" and verdict(answer, 1500) == "drop"
    for i in (0, 1, 1234, 2999):
        of = listed(answer, network(i))
        assert [of(port) for port in (22, 999 + i, 1000 + i, 1001 + i)] == \
            ["accept", "drop", "accept", "drop"]


@pytest.mark.parametrize("rule, gets", [
    ("ip saddr 10.9.0.0/16 tcp dport 4000 accept", {4000: "accept", 4001: "drop", 4002: "drop"}),
    ("tcp dport 4000-4001 ip saddr 10.9.0.0/16 accept",
     {4000: "accept", 4001: "accept", 4002: "drop"}),
    ("ip saddr 10.9.0.0/16 tcp dport { 4000, 4002 } accept",
     {4000: "accept", 4001: "drop", 4002: "accept"}),
    ("ip saddr 10.9.0.0/16 tcp dport != 4000 accept",
     {4000: "drop", 4001: "accept", 4002: "accept"}),
    ("ip saddr . tcp dport { 10.9.0.0/16 . 4000, 10.9.0.0/16 . 4002 } accept",
     {4000: "accept", 4001: "drop", 4002: "accept"}),
    # the mark is set at every port, and the port is asked for too late
    ("ip saddr 10.9.0.0/16 meta mark set 7 tcp dport 4000 accept\nmeta mark 7 tcp dport 4001 accept",
     {4000: "accept", 4001: "accept", 4002: "drop"}),
    ("tcp dport 4000 meta mark set 7 ip saddr 10.8.0.0/16 accept\n"
     "meta mark 7 ip saddr 10.9.0.0/16 accept", {4000: "accept", 4001: "drop"}),
    ("ip saddr 10.9.0.0/16 jump inner\n}\nchain inner {\ntcp dport 4001 accept",
     {4000: "drop", 4001: "accept"}),
    # who comes by another port is asked for the one that it becomes
    ("ip saddr 10.9.0.0/16 tcp dport 4001 accept\n}\nchain pre {\n"
     "type nat hook prerouting priority -100; tcp dport 4000 redirect to :4001",
     {4000: "accept", 4001: "accept", 4002: "drop"}),
])
def test_ties(machine, rule, gets):
    """What a source gets at the ports that rules name together with it, and beside them."""
    machine.nft("table inet t { chain input { type filter hook input priority 0; policy drop;\n"
                f"iif lo accept\n{rule}\n}}\n}}")
    answer = reach(machine, "--in", "eth0", "-4", "-t")
    of = listed(answer, "10.9.0.0/16")
    assert {port: of(port) for port in gets} == gets
    assert {verdict(answer, port) for port in gets} == {"drop"}


# Chains hide which source goes with which port: all must be asked of all.
ENDLESS = [f"ip saddr {network(i)} jump c{i}" for i in range(2500)]
CHAINS = "\n".join(f"chain c{i} {{ tcp dport {1000 + i} accept\n}}" for i in range(2500))


@pytest.fixture
def endless(machine):
    machine.nft(f"table inet t {{\n{CHAINS}\nchain input {{\n"
                "type filter hook input priority 0; policy drop;\niif lo accept\n"
                "tcp dport 22 accept\n" + "\n".join(ENDLESS) + "\n}\n}")
    machine.tcp("0.0.0.0", 22)
    machine.tcp("0.0.0.0", 1007)
    return machine


def test_patience(endless):
    """What takes too long is unknown, and what matters most is known."""
    answer = ask(endless, "--json", code=2, timeout=60 * SLOW).json
    assert find(answer, 22)["reach"]["widest"] == "internet"
    assert find(answer, 1007)["state"] in ("open", "unknown")
    assert not answer["complete"]
    assert any("time ran out" in (m["why"] or "") for m in answer["missing"])


def test_interrupt(endless):
    """Ctrl-C ends it at once, and nothing is left."""
    before = namespaces()
    with endless:
        p = janitor.add(subprocess.Popen([PORTERO, "reach", "--no-cache"], env=base_environment(),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         preexec_fn=die_with_parent))
    twin = wait_until(lambda: twins(p, before) - namespaces(), 20 * SLOW, "a twin")
    p.send_signal(signal.SIGINT)
    assert p.wait(10) == -signal.SIGINT
    janitor.end(p)
    assert not twin & namespaces()


def test_many_interfaces(machine):
    batch = "".join(f"link add d{i} type veth peer name p{i} netns {machine.peer.name}\n"
                    f"link set d{i} up\naddr add 10.200.{i}.1/24 dev d{i}\n" for i in range(200))
    subprocess.run(["ip", "-n", machine.name, "-batch", "-"], input=batch, text=True, check=True,
                   capture_output=True)
    subprocess.run(["ip", "-n", machine.peer.name, "-batch", "-"], text=True, check=True,
                   input="".join(f"link set p{i} up\n" for i in range(200)), capture_output=True)
    machine.nft(FILTER)
    answer = timed("200 interfaces", machine, "-t")
    assert verdict(answer, 22) == "accept"
    assert not any("too many" in (m["why"] or "") for m in answer["missing"]), answer["missing"]
    assert {c["interface"] for c in answer["classes"]} >= {f"d{i}" for i in range(200)}
