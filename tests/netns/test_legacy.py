# SPDX-License-Identifier: GPL-2.0-or-later
"""
iptables-legacy without its tools: read, copied into another namespace and compared, with
iptables-legacy-save and with packets as the judges.
"""
import errno
import os
import random
import re
import select
import shlex
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import PORTERO, ROOT, SLOW, cpu_of_children, ip, need_feature, need_program
from truth import quiet_errors

TOOL = Path(PORTERO).resolve().parent / "netns" / "legacy"
DATA = ROOT / "tests" / "unit" / "data"
FAMILIES = ("ip", "ip6")


def run(ns, *argv, check=True, **kw):
    with ns:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=check, **kw)


def tool(command, *args, check=True):
    argv = [TOOL, command, *(f"/run/netns/{a.name}" if hasattr(a, "name") else str(a)
                             for a in args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def programs():
    for name in ("iptables-legacy", "ipset"):
        need_program(name)
    assert TOOL.exists(), f"{TOOL} is missing: make {TOOL}"


def rules(ns, text, family="ip"):
    """Loads rules that are written as for iptables-legacy-restore, table filter without head."""
    if "*" not in text:
        text = f"*filter\n{text}\nCOMMIT\n"
    done = run(ns, f"{family}tables-legacy-restore", input=text, check=False)
    need_feature("iptables-legacy", "can't initialize" not in done.stderr, done.stderr)
    assert done.returncode == 0, done.stderr + text
    return ns


def saved(ns, family):
    """{table: text} without counters and comments; the order of tables is that of registration."""
    tables = {}
    for line in run(ns, f"{family}tables-legacy-save").stdout.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line, [])
        elif not line.startswith("#"):
            table.append(re.sub(r"\[\d+:\d+\]", "", line))
    return tables


def registered(ns):
    return {name: run(ns, "cat", f"/proc/net/{name}_tables_names").stdout.split()
            for name in ("ip", "ip6", "arp")}


def load_every_extension(ns):
    """The rules of the recorded tables; returns those that this kernel does not take."""
    run(ns, "ipset", "create", "s", "hash:ip")
    refused = []
    for line in (DATA / "legacy.rules").read_text().splitlines():
        if not line or line[0] == "#":
            continue
        family, *rule = shlex.split(line)
        if run(ns, f"{family}tables-legacy", *rule, check=False).returncode:
            refused.append(line)
    return refused


# --- reading -----------------------------------------------------------------------------------

def test_reading_registers_nothing(make_ns):
    """A table that is asked for comes into being: a machine without iptables would get hooks."""
    ns = make_ns()
    assert tool("read", ns)[0] == "arp 0"
    assert registered(ns) == {"ip": [], "ip6": [], "arp": []}
    rules(ns, "-A INPUT -p tcp --dport 1 -j DROP")
    before = saved(ns, "ip")
    first = tool("read", ns)
    assert first[0].startswith("ip filter 5 ")
    assert registered(ns) == {"ip": ["filter"], "ip6": [], "arp": []}
    assert saved(ns, "ip") == before


def test_fingerprint_is_of_rules_not_of_counters(make_ns):
    ns = rules(make_ns(), "-A INPUT -p udp --dport 9 -j DROP\n-A OUTPUT -j ACCEPT")
    first = tool("read", ns)
    assert first == tool("read", ns)
    with ns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.1", 9))
    assert "[1:" in run(ns, "iptables-legacy-save", "-c").stdout
    assert first == tool("read", ns)
    run(ns, "iptables-legacy", "-P", "FORWARD", "DROP")
    changed = tool("read", ns)
    assert changed[0] == first[0] and changed[-1] != first[-1]


def test_arptables_are_told(make_ns):
    arptables = need_program("arptables-legacy")
    ns = make_ns()
    done = run(ns, arptables, "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP", check=False)
    need_feature("arptables", done.returncode == 0, done.stderr)
    assert "arp 1" in tool("read", ns)


# --- copying -----------------------------------------------------------------------------------

def test_every_extension_is_copied_true(make_ns):
    """Bytes as they are: iptables-legacy-save says the same of the original and of the copy."""
    source, copy = make_ns(), make_ns()
    refused = load_every_extension(source)
    run(copy, "ipset", "create", "s", "hash:ip")
    assert len(refused) <= 3, refused
    tool("raw", source, copy)
    for family in FAMILIES:
        assert saved(copy, family) == saved(source, family)
        assert len(saved(source, family)) > 2


@pytest.mark.parametrize("bits", ["-", ",".join(map(str, range(256)))])
def test_every_extension_is_loaded_and_compared(make_ns, bits):
    """The rewritten tables are taken by the kernel, and are there as they were sent."""
    source, copy = make_ns(), make_ns()
    load_every_extension(source)
    run(copy, "ipset", "create", "s", "hash:ip")
    before = {family: saved(source, family) for family in FAMILIES}
    assert tool("load", source, copy, bits) == []
    assert {family: saved(source, family) for family in FAMILIES} == before
    text = "\n".join(run(copy, "iptables-legacy-save").stdout.splitlines())
    for gone in ("-j LOG", "-j AUDIT", "-j TEE", "-j IDLETIMER", "-j NFQUEUE", "-m limit",
                 "-m owner", "-j TPROXY", "-j SET"):
        assert gone not in text
    assert "--nflog-prefix D0 " in text
    # rules that doubts follow: there when these are true
    assert ("--dport 55 -j DROP" in text) and ("-A OUTPUT -p tcp -j DROP" in text)
    assert text.count("-j ACCEPT") > 20


def test_doubts_are_named(make_ns):
    ns = rules(make_ns(), """*filter
:mine - [0:0]
-A INPUT -p tcp --dport 22 -m recent --set --name a
-A INPUT -p tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 --name a -j DROP
-A INPUT -p tcp --dport 80 -m limit --limit 3/min -j mine
-A INPUT -m limit --limit 3/min -j LOG
-A mine -p udp -j NFQUEUE
-A OUTPUT -m owner --uid-owner 0 -j ACCEPT
COMMIT
""")
    assert tool("doubts", ns) == [
        "rate recent in iptables-legacy filter INPUT, rule 2",
        "rate limit in iptables-legacy filter INPUT, rule 3",
        "unmirrored owner in iptables-legacy filter OUTPUT, rule 1",
        "stop NFQUEUE in iptables-legacy filter mine, rule 1",
    ]


def test_refused_rules_become_stops(make_ns):
    """The sets that two rules name are not in the copy: these are doubts, and all else is there."""
    source, copy = make_ns(), make_ns()
    for name in ("one", "two"):
        run(source, "ipset", "create", name, "hash:ip")
    rules(source, """-A INPUT -p tcp --dport 1 -j ACCEPT
-A INPUT -p tcp --dport 2 -m set --match-set one src -j ACCEPT
-A INPUT -p tcp --dport 3 -j REJECT
-A INPUT -p udp --dport 4 -m set --match-set two src -j DROP
-A INPUT -p tcp --dport 5 -j DROP""")
    found = tool("doubts", source, copy)
    assert found == ["stop a rule that the kernel refused to copy in iptables-legacy filter INPUT, "
                     f"rule {rule}" for rule in (2, 4)]
    assert tool("load", source, copy, "-") == []
    text = run(copy, "iptables-legacy", "-S", "INPUT").stdout
    assert re.findall(r"dport (\d)", text) == ["1", "3", "5"]
    assert re.findall(r"prefix (\S+)", text) == ["D0", "D1"]


def test_five_thousand_rules(make_ns):
    source, copy = make_ns(), make_ns()
    rules(source, "\n".join(
        f"-A INPUT -s 10.{i >> 8}.{i & 255}.0/24 -p tcp -m multiport --dports {i + 1},{i + 2} "
        f"-j DROP" for i in range(5000)))
    used = cpu_of_children()
    assert tool("load", source, copy, "-") == []
    assert cpu_of_children() - used < 1 * SLOW
    assert saved(source, "ip") == saved(copy, "ip")


# --- packets -----------------------------------------------------------------------------------

PORTS = range(2000, 2024)
SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
V6 = {SERVER: "2001:db8::1", CLIENT: "2001:db8::2"}


class Pair:
    """A server namespace with listeners on PORTS, and a client at the other end of a cable."""

    def __init__(self, make_ns):
        self.server, self.client = make_ns(), make_ns()
        made = ip("-n", self.server.name, "link", "add", "eth0", "type", "veth", "peer", "name",
                  "eth0", "netns", self.client.name, check=False)
        need_feature("veth", made.returncode == 0, made.stderr)
        for ns, address in ((self.server, SERVER), (self.client, CLIENT)):
            ip("-n", ns.name, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", ns.name, "addr", "add", f"{V6[address]}/64", "dev", "eth0", "nodad")
            ip("-n", ns.name, "link", "set", "eth0", "up")
            quiet_errors(ns)
            run(ns, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
        for port in PORTS:
            if port % 3:
                self.server.tcp("::", port, v6only=False, backlog=64)
        # neighbours, once
        assert self.fates(False)[PORTS[0]] == self.fates(True)[PORTS[0]] == "open"

    def fates(self, v6):
        """{port: "open", an errno's name, or "silence"}, for one SYN each."""
        family = socket.AF_INET6 if v6 else socket.AF_INET
        sockets, fates = {}, {}
        with self.client:
            for port in PORTS:
                s = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                s.connect_ex((V6[SERVER] if v6 else SERVER, port))
                sockets[s] = port
        poll = select.poll()
        for s in sockets:
            poll.register(s, select.POLLOUT)
        by_fd = {s.fileno(): s for s in sockets}
        begun = heard = time.monotonic()  # after a second they are sent again
        while len(fates) < len(sockets) and time.monotonic() < min(heard + 0.4, begun + 0.9):
            for fd, _ in poll.poll(20):
                heard = time.monotonic()
                s = by_fd[fd]
                code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                fates[sockets[s]] = errno.errorcode[code] if code else "open"
                poll.unregister(fd)
        for s, port in sockets.items():
            fates.setdefault(port, "silence")
            s.close()
        return fates


def random_rules(rng, v6):
    """A filter and a nat table with chains, jumps, gotos and returns; no doubts."""
    any_port = lambda: rng.choice(PORTS)  # noqa: E731
    client, server = (V6[CLIENT], V6[SERVER]) if v6 else (CLIENT, SERVER)
    # of one group at most one stands in a rule
    groups = [
        [lambda: f"--dport {any_port()}", lambda: f"! --dport {any_port()}",
         lambda: f"--dport {(p := any_port())}:{p + rng.randrange(8)}",
         lambda: "-m multiport --dports " + ",".join(
             str(p) for p in rng.sample(PORTS, rng.randrange(1, 6)))],
        [lambda: f"-s {client}", lambda: f"! -s {client}"],
        [lambda: f"-d {server}", lambda: f"! -d {server}"],
        [lambda: "-i eth0", lambda: "-i eth+", lambda: "! -i eth0"],
        [lambda: "-m conntrack --ctstate NEW", lambda: "-m conntrack --ctstate NEW,RELATED"],
        [lambda: "-m addrtype --dst-type LOCAL" if not v6 else "-m dscp --dscp-class CS0"],
        [lambda: "-m mark --mark 0x1/0x1", lambda: "-m mark ! --mark 0x2/0x2"],
        [lambda: "--tcp-flags SYN,ACK SYN"], [lambda: "-m comment --comment x"],
        [lambda: "-m recent --set --name r"], [lambda: "-m dscp --dscp 0"],
    ]
    chains = ["a", "b", "c", "d"]

    def rule(chain):
        later = chains[chains.index(chain) + 1:] if chain in chains else chains
        targets = ["-j ACCEPT", "-j DROP", "-j REJECT --reject-with tcp-reset", "-j REJECT", "",
                   "-j RETURN", "-j LOG"]
        targets += [f"-{rng.choice('jg')} {c}" for c in later]
        text = " ".join(rng.choice(group)() for group in rng.sample(groups, rng.randrange(1, 4)))
        return f"-A {chain} -p tcp {text} {rng.choice(targets)}"

    text = "*mangle\n" + "\n".join(
        f"-A PREROUTING -p tcp --dport {any_port()} -j MARK --set-mark {rng.randrange(4)}"
        for _ in range(3)) + "\nCOMMIT\n*nat\n" + "\n".join(
        f"-A PREROUTING -p tcp --dport {any_port()} -j REDIRECT --to-ports {any_port()}"
        for _ in range(2)) + "\nCOMMIT\n*filter\n"
    text += "".join(f":{c} - [0:0]\n" for c in chains)
    text += f":INPUT {rng.choice(['ACCEPT', 'DROP'])} [0:0]\n"
    body = [rule(rng.choice(["INPUT", "INPUT", *chains])) for _ in range(24)]
    return text + "\n".join(body) + "\nCOMMIT\n"


@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
def test_same_packet_same_fate(make_ns, v6):
    """Random rules: what a real packet gets from the original, it gets from the copy."""
    seed = int(os.environ.get("PORTERO_SEED", "20261126"))
    rng = random.Random(seed + v6)
    original, copy = Pair(make_ns), Pair(make_ns)
    family = FAMILIES[v6]
    seen = set()
    for round_ in range(10):
        text = random_rules(rng, v6)
        rules(original.server, text, family)
        assert tool("load", original.server, copy.server, "-") == []
        expected, got = original.fates(v6), copy.fates(v6)
        assert got == expected, f"seed {seed}, round {round_}:\n{text}"
        seen |= set(expected.values())
    assert {"open", "silence", "ECONNREFUSED"} <= seen, seen


# --- the path of a packet ----------------------------------------------------------------------

def path_of(pair, source, v6, port, bits="-"):
    """Loads the rules of `source` into the pair's server, sends one SYN, and tells its path."""
    argv = [TOOL, "path", f"/run/netns/{source.name}", f"/run/netns/{pair.server.name}", bits]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "ready\n"
        with pair.client, socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                        socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as s:
            s.connect_ex((V6[SERVER] if v6 else SERVER, port))
            time.sleep(0.05 * SLOW)
        out, _ = p.communicate("\n", timeout=20)
        assert p.returncode == 0
    return out.splitlines()


def test_path_names_the_rules(make_ns):
    """As iptables -L --line-numbers counts on the machine, though the copy has other numbers."""
    pair, source = Pair(make_ns), make_ns()
    rules(source, """*raw
-A PREROUTING -p tcp --dport 2001 -j CT --notrack
COMMIT
*nat
-A PREROUTING -p tcp --dport 2009 -j REDIRECT --to-ports 2010
COMMIT
*filter
:a - [0:0]
:b - [0:0]
:INPUT DROP [0:0]
-A INPUT -j LOG
-A INPUT -p tcp --dport 2002 -m limit --limit 1/s -j ACCEPT
-A INPUT -p tcp -j a
-A INPUT -p tcp --dport 2003 -j ACCEPT
-A a -p udp -j ACCEPT
-A a -p tcp --dport 2004 -g b
-A a -p tcp --dport 2010 -j DROP
-A a -p tcp --dport 2002 -j RETURN
-A b -p tcp -m comment --comment "no verdict"
-A b -p tcp --dport 9999 -j ACCEPT
COMMIT
""")
    jump = "ip filter INPUT 3 a"
    nat = "ip nat PREROUTING policy0 ACCEPT"
    raw = "ip raw PREROUTING policy0 ACCEPT"
    policy = "ip filter INPUT policy0 DROP"
    assert path_of(pair, source, False, 2005) == [raw, nat, jump, policy]
    assert path_of(pair, source, False, 2001) == ["ip raw PREROUTING 1 CT", raw, jump, policy]
    assert path_of(pair, source, False, 2004) == [raw, nat, jump, "ip filter a 2 b",
                                                  "ip filter b 1 ", policy]
    assert path_of(pair, source, False, 2009) == [raw, "ip nat PREROUTING 1 REDIRECT", jump,
                                                  "ip filter a 3 DROP"]
    assert path_of(pair, source, False, 2002) == [raw, nat, jump, "ip filter a 4 RETURN", policy]
    # the rule right behind the jump, which is come back to
    assert path_of(pair, source, False, 2003)[:4] == [raw, nat, jump, "ip filter INPUT 4 ACCEPT"]
    accepted = path_of(pair, source, False, 2002, "0")
    assert accepted[:3] == [raw, nat, "ip filter INPUT 2 ACCEPT"]


def test_path_of_ipv6(make_ns):
    pair, source = Pair(make_ns), make_ns()
    rules(source, "-A INPUT -p tcp --dport 2001 -j ACCEPT\n"
                  "-A INPUT -p tcp --dport 2002 -j REJECT", "ip6")
    assert path_of(pair, source, True, 2002)[0] == "ip6 filter INPUT 2 REJECT"
