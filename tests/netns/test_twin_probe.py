# SPDX-License-Identifier: GPL-2.0-or-later
"""
twin_probe and twin_trace against rulesets whose answers are known: what the kernel says about all
65,535 ports, of TAPs and of the machine itself, is what the rules say.
"""
import os
import subprocess

import pytest

from harness import ROOT, SLOW, ip, janitor, need_feature, need_program

TOOL = os.environ.get("PORTERO", str(ROOT / "build" / "portero")).rsplit("/", 1)[0] + "/netns/probe"
ALL = 65535
OUTSIDE, OUTSIDE6 = "198.51.100.7", "2001:db8:9::7"
HOST, HOST6 = "192.0.2.1", "2001:db8::1"
BOTH = ((OUTSIDE, HOST), (OUTSIDE6, HOST6))

# Rejections must not be counted: the twin has the same.
SYSCTLS = {"ipv4/icmp_ratelimit": 0, "ipv4/icmp_ratemask": 0, "ipv6/icmp/ratelimit": 0,
           "ipv6/icmp/ratemask": "", "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1}


class Twin:
    """The tool inside a namespace that has eth0 (a TAP), tun0, and br0 with a TAP as its port."""

    def __init__(self, ns):
        self.ns = ns
        with ns:
            self.tool = janitor.add(subprocess.Popen([TOOL], stdin=subprocess.PIPE, text=True,
                                                     stdout=subprocess.PIPE))
        self.eth0 = int(self.say("tap eth0"))
        self.tun0 = int(self.say("tun tun0"))
        self.port0 = int(self.say("tap port0"))
        made = ip("-n", ns.name, "link", "add", "br0", "type", "bridge", check=False)
        need_feature("bridge", made.returncode == 0, made.stderr.strip())
        self.ip("link set port0 master br0 up", "link set br0 up", "link set eth0 arp off up",
                "link set br0 arp off", "link set tun0 up",
                f"addr add {HOST}/24 dev eth0", f"addr add {HOST6}/64 dev eth0 nodad",
                "addr add 172.17.0.1/16 dev br0", "addr add fd00:17::1/64 dev br0 nodad",
                "addr add 10.8.0.1/24 dev tun0", "route add default via 192.0.2.254",
                "-6 route add default via 2001:db8::ff")
        self.sysctl(SYSCTLS)
        self.br0 = self.index("br0")
        self.say("open")

    def ip(self, *commands):
        for command in commands:
            ip("-n", self.ns.name, *command.split())

    def sysctl(self, values):
        with self.ns:
            for name, value in values.items():
                with open(f"/proc/sys/net/{name}", "w") as f:
                    f.write(f"{value}\n")

    def index(self, name):
        text = ip("-n", self.ns.name, "-o", "link", "show", "dev", name).stdout
        return int(text.split(":")[0])

    def lines(self, command):
        self.tool.stdin.write(command + "\n")
        self.tool.stdin.flush()
        seen = []
        while True:
            line = self.tool.stdout.readline()
            assert line, f"the tool ended at {command!r}"
            word, _, rest = line.strip().partition(" ")
            if word == "error":
                raise RuntimeError(rest)
            if word == "ok":
                return seen, rest
            seen.append(line.strip())

    def say(self, command):
        return self.lines(command)[1]

    def load(self, rules, *, sinks="sinks"):
        with self.ns:
            subprocess.run([need_program("nft"), "-f", "-"], input="flush ruleset\n" + rules,
                           text=True, check=True)
        if sinks:
            self.say(sinks)

    def ask(self, source, destination, proto="tcp", *, into=None, source_port=0, first=1, last=ALL):
        """{(first, last): answer}, and in self.doubts what was met."""
        into = self.eth0 if into is None else into
        seen, _ = self.lines(f"ask {into} {proto} {source} {destination} {source_port} "
                             f"{first} {last}")
        answers = [line.split(" ", 1) for line in seen]
        self.doubts = [tuple(map(int, rest.split())) for word, rest in answers if word == "doubt"]
        spans = [(tuple(map(int, word.split("-"))), rest) for word, rest in answers
                 if word != "doubt"]
        assert spans[0][0][0] == first and spans[-1][0][1] == last
        assert all(a[0][1] + 1 == b[0][0] for a, b in zip(spans, spans[1:]))
        return spans

    def connections(self):
        """How many the kernel keeps; some may be its own (IGMP, ...)."""
        with self.ns, open("/proc/sys/net/netfilter/nf_conntrack_count") as f:
            return int(f.read())

    def close(self):
        self.tool.stdin.close()
        code = self.tool.wait(10 * SLOW)
        janitor.end(self.tool)
        assert code == 0


@pytest.fixture
def twin(ns):
    need_feature("tun", os.path.exists("/dev/net/tun"))
    assert os.path.exists(TOOL), "make check builds it"
    twin = Twin(ns)
    try:
        yield twin
    finally:
        twin.close()


def spans(where, opened, otherwise, last=ALL):
    """The whole range: {(first, last): answer} in it, and `otherwise` around them."""
    made, at = [], 1
    for (first, end), answer in sorted(opened.items()):
        if first > at:
            made.append(((at, first - 1), otherwise))
        made.append(((first, end), answer.format(first=first, where=where)))
        at = end + 1
    if at <= last:
        made.append(((at, last), otherwise))
    return made


INPUT = "accept input {where} {first} 0"


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_no_rules(twin, proto):
    for source, destination in BOTH:
        everything = spans(destination, {(1, ALL): INPUT}, "")
        assert twin.ask(source, destination, proto) == everything
        assert twin.ask(destination, destination, proto, into=0) == everything
    assert twin.ask("127.0.0.1", HOST, proto, into=0)[0][1] == f"accept input {HOST} 1 0"
    assert twin.ask("10.8.0.9", "10.8.0.1", proto, into=twin.tun0) == \
        spans("10.8.0.1", {(1, ALL): INPUT}, "")
    assert twin.ask("fe80::7", HOST6, proto) == spans(HOST6, {(1, ALL): INPUT}, "")


SETS = """
table inet f {
    set open_tcp { type inet_service; flags interval; elements = { 22, 80, 8000-8100, 65535 }; }
    set open_udp { type inet_service; elements = { 1, 53 }; }
    chain in {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo tcp dport 25 drop
        iif lo accept
        tcp dport @open_tcp accept
        udp dport @open_udp accept
    }
}
"""


def test_policy_drop_and_sets(twin):
    twin.load(SETS)
    for source, destination in BOTH:
        assert twin.ask(source, destination) == spans(destination, {
            (22, 22): INPUT, (80, 80): INPUT, (8000, 8100): INPUT, (65535, 65535): INPUT}, "drop")
        assert twin.ask(source, destination, "udp") == spans(destination, {
            (1, 1): INPUT, (53, 53): INPUT}, "drop")
        assert twin.connections() < 10
        # the machine itself: through lo, and never again the connection of an earlier packet
        for last in (ALL, 2000):
            assert twin.ask(destination, destination, into=0, last=last) == spans(destination, {
                (1, 24): INPUT, (25, 25): "drop", (26, last): INPUT}, "", last)
            assert twin.ask(destination, destination, "udp", into=0, last=last) == \
                spans(destination, {(1, last): INPUT}, "", last)
            assert 0 < twin.connections() < 1034


# (40000 and more are the ports that the answers come to)
REJECTS = """
table inet f {
    chain in {
        type filter hook input priority 0;
        tcp dport 1-30000 reject with tcp reset
        tcp dport 30001-39999 reject with icmpx type admin-prohibited
        meta nfproto ipv4 udp dport 1-20000 reject with icmp type host-unreachable
        meta nfproto ipv6 udp dport 1-20000 reject with icmpv6 type no-route
        udp dport 20001-30000 reject
        meta l4proto { tcp, udp } th dport 50000 drop
    }
}
"""


def test_rejects(twin):
    twin.load(REJECTS)
    for source, destination in BOTH:
        for into, back in ((twin.eth0, source), (0, destination)):
            for proto, last in (("tcp", 39999), ("udp", 30000)):
                assert twin.ask(back, destination, proto, into=into) == spans(destination, {
                    (1, last): "reject", (last + 1, 49999): INPUT, (50000, 50000): "drop",
                    (50001, ALL): INPUT}, "")


def test_reject_that_does_not_get_out_is_silence(twin):
    twin.load("""
table inet f {
    chain in { type filter hook input priority 0; tcp dport 1-100 reject with tcp reset; }
    chain out { type filter hook output priority 0; tcp sport 50-60 tcp flags rst drop; }
}
""".replace("; }", "\n}").replace("priority 0; ", "priority 0;\n"))
    assert twin.ask(OUTSIDE, HOST) == spans(HOST, {
        (1, 49): "reject", (50, 60): "drop", (61, 100): "reject", (101, ALL): INPUT}, "")


def test_output_rules(twin):
    twin.load("""
table inet f {
    chain out {
        type filter hook output priority 0
        tcp dport 1000-1999 drop
        tcp dport 2000-2999 reject with tcp reset
        udp dport 1000-1999 drop
        udp dport 2000-2999 reject
    }
}
""")
    for where in (HOST, HOST6):
        for proto in ("tcp", "udp"):
            assert twin.ask(where, where, proto, into=0) == spans(where, {
                (1, 999): INPUT, (1000, 1999): "drop", (2000, 2999): "reject",
                (3000, ALL): INPUT}, "")


DOCKER = """
table ip nat {
    chain pre {
        type nat hook prerouting priority -100
        fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80
        fib daddr type local tcp dport 9000-9010 dnat to 172.17.0.3:9000-9010
        tcp dport 7000-7999 redirect to :22
    }
    chain out {
        type nat hook output priority -100
        tcp dport 7000-7999 redirect to :22
    }
    chain post { type nat hook postrouting priority 100
        ip saddr 172.17.0.0/16 oifname != "br0" masquerade
        oifname "eth0" masquerade
    }
}
table ip filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        oifname "br0" ip daddr 172.17.0.2 tcp dport 80 accept
        meta l4proto tcp ct original proto-dst 9000-9005 oifname "br0" accept
        iifname "br0" accept
    }
}
"""


def test_published_ports(twin):
    twin.load(DOCKER)
    answer = twin.ask(OUTSIDE, HOST)
    there = f"accept forward 172.17.0.{{}} {{}} {twin.br0}"
    assert dict(answer)[(8080, 8080)] == there.format(2, 80)
    assert dict(answer)[(9000, 9005)] == there.format(3, 9000)
    assert dict(answer)[(9006, 9010)] == "drop"
    assert dict(answer)[(7000, 7999)] == f"accept input {HOST} 22 0"
    assert dict(answer)[(9011, ALL)] == f"accept input {HOST} 9011 0"
    assert twin.connections() < 10
    # past the published ports, straight at the container, and out of the container
    assert twin.ask(OUTSIDE, "172.17.0.2") == [
        ((1, 79), "drop"), ((80, 80), there.format(2, 80)), ((81, 6999), "drop"),
        ((7000, 7999), f"accept input {HOST} 22 0"), ((8000, 8999), "drop"),
        ((9000, 9005), there.format(2, 9000)), ((9006, ALL), "drop")]


def test_redirect_in_output(twin):
    twin.load(DOCKER)
    for source_port in (0, 50123):
        last = ALL if source_port == 0 else 7100
        answer = dict(twin.ask(HOST, HOST, into=0, source_port=source_port, first=6900, last=last))
        assert answer[(6900, 6999)] == f"accept input {HOST} 6900 0"
        # 1,000 ports that become one: none meets another's connection
        assert answer[(7000, min(last, 7999))] == "accept input 127.0.0.1 22 0"


def test_bridge_member(twin):
    twin.load(DOCKER)
    twin.say("tap port1")
    twin.ip("link set port1 master br0 up")
    twin.say("mac br0")
    twin.say("open")
    port1 = twin.index("port1")
    assert twin.ask("172.17.0.2", "172.17.0.1", into=port1)[-1][1] == "accept input 172.17.0.1 9011 0"
    assert twin.ask("172.17.0.2", "203.0.113.9", into=port1)[0] == \
        ((1, 6999), f"accept forward 203.0.113.9 1 {twin.eth0}")


def test_reverse_path_filter(twin):
    assert twin.ask("172.17.5.5", HOST) == spans(HOST, {(1, ALL): INPUT}, "")
    twin.sysctl({"ipv4/conf/all/rp_filter": 1})
    assert twin.ask("172.17.5.5", HOST) == spans(HOST, {}, "drop")
    assert twin.ask(OUTSIDE, HOST) == spans(HOST, {(1, ALL): INPUT}, "")


def test_untracked(twin):
    twin.load("""
table inet f {
    chain raw { type filter hook prerouting priority -300
        tcp dport 100-199 notrack
    }
    chain in { type filter hook input priority 0; policy drop;
        ct state untracked accept
        ct state new tcp dport 150-300 accept
    }
}
""")
    for source, destination in BOTH:
        assert twin.ask(source, destination) == \
            spans(destination, {(100, 300): INPUT}, "drop")
    assert twin.connections() < 10


def test_recorders_are_told_in_order(twin):
    twin.load("""
table inet f {
    chain in { type filter hook input priority 0
        tcp dport 10-12 log group 2 prefix "D7"
        tcp dport 11 log group 2 prefix "D255" drop
        tcp dport 12 log group 2 prefix "D0" reject with tcp reset
    }
    chain out { type filter hook output priority 0
        tcp flags rst log group 2 prefix "D9"
    }
}
""")
    answer = dict(twin.ask(OUTSIDE, HOST))
    assert answer[(11, 11)] == "drop" and answer[(12, 12)] == "reject"
    for port, met in ((10, [7]), (11, [7, 255]), (12, [7, 0, 9])):
        twin.ask(OUTSIDE, HOST, first=port, last=port)
        assert twin.doubts == [(port, doubt) for doubt in met]


def test_tables_of_one_family_each(twin):
    """Kernels without inet tables."""
    twin.load(SETS, sinks="split")
    with twin.ns:
        tables = subprocess.run([need_program("nft"), "list", "tables"], text=True, check=True,
                                capture_output=True).stdout.split("\n")
    assert {"table ip portero_twin", "table ip6 portero_twin"} < set(tables)
    assert "table inet portero_twin" not in tables
    for source, destination in BOTH:
        assert twin.ask(source, destination, "udp") == spans(destination, {
            (1, 1): INPUT, (53, 53): INPUT}, "drop")


def test_what_cannot_be_asked_is_not_called_shut(twin):
    twin.load(SETS, sinks=None)
    with pytest.raises(RuntimeError, match="gone"):
        twin.ask(OUTSIDE, HOST)
    twin.say("sinks")
    with pytest.raises(RuntimeError, match="no interface"):
        twin.ask(OUTSIDE, HOST, into=twin.br0)
    twin.ip("link set eth0 down")
    assert twin.ask(OUTSIDE, HOST) == spans(HOST, {}, "unknown")
    assert twin.ask(HOST, "203.0.113.5", into=0) == spans(HOST, {}, "unknown")


def test_probe_notices_that_nothing_is_heard(twin):
    """Rules that drop all were there before: the first thing that it asks is not answered."""
    twin.load("table inet f {\n chain in { type filter hook input priority 0; policy drop;\n }\n}")
    with pytest.raises(RuntimeError, match="does not answer"):
        twin.say("open")


TRACED = """
table netdev early {
    chain eth { type filter hook ingress device "eth0" priority 0
        tcp dport 99 drop
    }
}
table ip nat {
    chain pre { type nat hook prerouting priority -100
        tcp dport 8022 redirect to :22
    }
}
table inet f {
    chain more {
        tcp dport 22 accept
        udp dport 5 return
    }
    chain in { type filter hook input priority 0; policy drop;
        jump more
        tcp dport 23 reject with tcp reset
        udp dport 7 goto more
    }
    chain late { type filter hook input priority 10
        tcp dport 22 meta mark set 3
    }
}
"""


def trace(twin, proto, port, into=None):
    into = twin.eth0 if into is None else into
    lines, rest = twin.lines(f"trace {into} {proto} {OUTSIDE if into else HOST} {HOST} 0 "
                             f"{port} {port}")
    verdict, decides = rest.split()
    steps = [line.split() for line in lines]
    assert not [s for s in steps if s[1].startswith("portero")]
    # without family, and the handle of a rule
    plain = [" ".join(w for i, w in enumerate(s) if i not in (0, 3, 7)) for s in steps]
    return verdict, plain, plain[int(decides)] if int(decides) >= 0 else None


def test_trace(twin):
    twin.load(TRACED)
    verdict, steps, decides = trace(twin, "tcp", 8022)
    assert verdict == "accept"
    assert steps == [
        "early eth 0 filter policy accept", "nat pre 0 nat rule accept",
        "f in 1 filter rule jump more", "f more 1 filter rule accept",
        "f late 1 filter rule continue", "f late 1 filter policy accept"]
    assert decides == "f more 1 filter rule accept"
    assert trace(twin, "tcp", 23)[::2] == ("reject", "f in 1 filter rule drop")
    assert trace(twin, "tcp", 24)[::2] == ("drop", "f in 1 filter policy drop")
    assert trace(twin, "tcp", 99) == ("drop", ["early eth 0 filter rule drop"],
                                      "early eth 0 filter rule drop")
    verdict, steps, _ = trace(twin, "udp", 7)
    assert verdict == "drop" and "f in 1 filter rule goto more" in steps
    assert "f more 1 filter rule return" in trace(twin, "udp", 5)[1]
    assert trace(twin, "tcp", 22, into=0)[::2] == ("accept", "f more 1 filter rule accept")
    # nothing of it stays
    with twin.ns:
        rules = subprocess.run([need_program("nft"), "list", "ruleset"], text=True, check=True,
                               capture_output=True).stdout
    assert "portero_trace" not in rules and "portero_twin" in rules
    assert twin.ask(OUTSIDE, HOST, first=22, last=22)[0][1] == f"accept input {HOST} 22 0"


def test_trace_handles_are_the_rules(twin):
    twin.load(SETS)
    lines, rest = twin.lines(f"trace {twin.eth0} udp {OUTSIDE} {HOST} 0 53 53")
    handle = lines[int(rest.split()[1])].split()[7]
    with twin.ns:
        rules = subprocess.run([need_program("nft"), "-a", "list", "ruleset"], text=True,
                               check=True, capture_output=True).stdout
    assert f"udp dport @open_udp accept # handle {handle}\n" in rules


def test_trace_without_rules(twin):
    verdict, steps, decides = trace(twin, "tcp", 22)
    assert (verdict, steps, decides) == ("accept", [], None)
