# SPDX-License-Identifier: GPL-2.0-or-later
"""
Tables whose chains hook in at one place with one priority run in the reverse order of their
registration. Each pair is loaded in both orders; real packets tell what each order does.
"""
import subprocess

import pytest

from harness import STRICT, hooks_are_told, need_program, require_namespaces
from truth import NAMES, Wire

UNKNOWN = "is not known"
REFUSES = """
table inet refuses {
	chain input { type filter hook input priority 0; tcp dport 1000-2000 reject; udp dport 5000 drop; }
}
"""
DROPS = """
table ip drops {
	chain input { type filter hook input priority 0; tcp dport 1500-2500 drop; udp dport 5000 drop; }
}
"""
REDIRECTS = """
table ip {name} {{
	chain prerouting {{ type nat hook prerouting priority -100; tcp dport 8080 redirect to :{port}; }}
}}
"""
CLOSES = """
table ip filter {
	chain input { type filter hook input priority 10; tcp dport 81 drop; }
}
"""
SHIELD = """
table ip shield {
	chain prerouting { type filter hook prerouting priority -100; tcp dport 8080 drop; }
}
"""


@pytest.fixture(scope="module", autouse=True)
def needed():
    require_namespaces()
    need_program("nft")


@pytest.fixture
def wire():
    with Wire(more=()) as made:
        yield made


def legacy(host, *rules, program="iptables-legacy"):
    """Like nft(): something that can be done first or second."""
    path = need_program(program)

    def load():
        with host:
            for rule in rules:
                done = subprocess.run([path, *rule.split()], capture_output=True, text=True,
                                      check=False)
                if "does not exist" in done.stderr and not STRICT:
                    pytest.skip(f"kernel: no {program}")
                assert done.returncode == 0, done.stderr
    return load


def nft(host, rules):
    return lambda: host.nft(rules)


def load(first, second, turned):
    for step in (second, first) if turned else (first, second):
        step()


def ask(wire, *args):
    return wire.host.portero("reach", "--json", "--no-cache", *args, reach=True).json


def interval(answer, port, proto="tcp", name="internet", family="ipv4"):
    found = [i for c in answer["classes"] for i in c["intervals"]
             if (c["proto"], c["name"], c["family"]) == (proto, name, family) and
             i["from"] <= port <= i["to"]]
    assert len(found) == 1, found
    return found[0]


PORTS = [80, 81, 99, 100, 149, 150, 160, 199, 200, 250, 999, 1000, 1499, 1500, 1700, 2000, 2001,
         2500, 2501, 5000, 8080]


def check(wire, answer, unsure):
    """What packets say from everywhere, or, at the ports (of tcp) in `unsure` alone, nothing."""
    ports = ",".join(map(str, PORTS))
    asked = [c for c in answer["classes"] if c["name"] in ("internet", "host")]
    assert {(c["family"], c["proto"]) for c in asked} == {
        (f, p) for f in ("ipv4", "ipv6") for p in ("tcp", "udp")}
    unknown = set()
    with wire.listen(ports):
        for c in asked:
            wire.forget()
            seen = wire.scan(c["source"], c["destination"], c["proto"], ports, c["interface"])
            says = {port: i for port in PORTS for i in c["intervals"]
                    if i["from"] <= port <= i["to"]}
            for port in PORTS:
                if says[port]["verdict"] == "unknown":
                    unknown.add((c["proto"], port))
                    why = says[port]["why"]
                    assert "the order of " in why and UNKNOWN in why, why
                else:
                    assert says[port]["verdict"] == NAMES[seen[port]], (c, port)
    wanted = {("tcp", port) for port in unsure}
    assert unknown <= wanted if hooks_are_told() else unknown == wanted


@pytest.mark.parametrize("turned", [False, True])
def test_two_tables(wire, turned):
    load(nft(wire.host, REFUSES), nft(wire.host, DROPS), turned)
    with wire.listen("1-3000"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 1700) == \
            ("reject" if turned else "drop")
    answer = ask(wire)
    check(wire, answer, {1500, 1700, 2000})
    assert interval(answer, 1700)["verdict"] == "unknown" or hooks_are_told()
    why = interval(answer, 1700)["why"]
    assert "table inet refuses" in why and "table ip drops" in why and "priority 0" in why
    # no packet of IPv6 meets both
    assert interval(answer, 1700, family="ipv6")["verdict"] == "reject"
    assert answer["complete"]


@pytest.mark.parametrize("turned", [False, True])
def test_legacy_and_nft(wire, turned):
    load(nft(wire.host, REFUSES), legacy(wire.host, "-A INPUT -p tcp --dport 1500:2500 -j DROP"),
         turned)
    with wire.listen("1-3000"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 1700) == \
            ("reject" if turned else "drop")
    answer = ask(wire)
    check(wire, answer, {1500, 1700, 2000})
    assert "table filter of iptables-legacy" in interval(answer, 1700)["why"]


@pytest.mark.parametrize("turned", [False, True])
def test_two_redirects(wire, turned):
    """The first chain that translates wins; of the two ports one is closed."""
    one, other = (REDIRECTS.format(name=f"to{port}", port=port) for port in (80, 81))
    wire.host.nft(CLOSES)
    load(nft(wire.host, one), nft(wire.host, other), turned)
    with wire.listen("80,81"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 8080) == \
            ("accept" if turned else "drop")
    check(wire, ask(wire), {8080})


@pytest.mark.parametrize("turned", [False, True])
def test_two_targets(wire, turned):
    """Let in either way, but to another port."""
    one, other = (REDIRECTS.format(name=f"to{port}", port=port) for port in (80, 82))
    load(nft(wire.host, one), nft(wire.host, other), turned)
    with wire.host.tcp("0.0.0.0", 80), wire.host.tcp("0.0.0.0", 82):
        answer = ask(wire)
    said = interval(answer, 8080)
    if hooks_are_told() and said["verdict"] == "accept":
        assert said["target"]["port"] == (80 if turned else 82)
    else:
        assert said["verdict"] == "unknown" and UNKNOWN in said["why"]
    assert interval(answer, 80)["verdict"] == "accept"


@pytest.mark.parametrize("turned", [False, True])
def test_legacy_nat(wire, turned):
    wire.host.nft(CLOSES)
    load(nft(wire.host, REDIRECTS.format(name="to80", port=80)),
         legacy(wire.host, "-t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 81"),
         turned)
    with wire.listen("80,81"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 8080) == \
            ("accept" if turned else "drop")
    check(wire, ask(wire), {8080})


@pytest.mark.parametrize("turned", [False, True])
def test_filter_at_the_priority_of_nat(wire, turned):
    """The kernel's NAT hooks in with the first chain of type nat."""
    load(nft(wire.host, REDIRECTS.format(name="to80", port=80)), nft(wire.host, SHIELD), turned)
    with wire.listen("80,8080"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 8080) == \
            ("accept" if turned else "drop")
    answer = ask(wire)
    check(wire, answer, {8080})
    assert "the kernel's NAT" in interval(answer, 8080)["why"]


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_three_tables(wire, order):
    """Marks of one are read by others."""
    tables = {"a": "tcp dport 100-199 meta mark set 1",
              "b": "meta mark 1 reject", "c": "tcp dport 150-250 drop"}
    for name in order:
        wire.host.nft(f"table inet {name} {{ chain i {{ type filter hook input priority 5; "
                      f"{tables[name]}; }}; }}")
    answer = ask(wire)
    # dropped by c in any case, unless b refuses before
    check(wire, answer, {100, 149, 150, 160, 199})
    assert " and others" in interval(answer, 160)["why"]


def test_both_families_of_legacy(wire):
    """A chain of inet comes after one of them and before the other."""
    v4 = legacy(wire.host, "-A INPUT -p tcp --dport 1500:2500 -j DROP")
    v6 = legacy(wire.host, "-A INPUT -p tcp --dport 1500:2500 -j DROP", program="ip6tables-legacy")
    load(v4, nft(wire.host, REFUSES), False)
    v6()
    with wire.listen("1-3000"):
        assert wire.knock("10.77.0.9", "10.77.0.1", "tcp", 1700) == "reject"
        assert wire.knock("fd77::9", "fd77::1", "tcp", 1700) == "drop"
    check(wire, ask(wire), {1500, 1700, 2000})


def test_where_it_cannot_matter(wire):
    """Both only drop; the others are of another family, or do nothing; a limit stays a limit."""
    wire.host.nft(DROPS + """
table inet more {
	chain input {
		type filter hook input priority 0; policy drop;
		tcp dport 3000 limit rate 1/minute accept
		tcp dport 1-4000 accept
	}
}
table ip6 refuses {
	chain input { type filter hook input priority 0; tcp dport 9000 reject; }
}
table inet empty {
	chain input { type filter hook input priority 0; counter accept; }
}
""")
    answer = ask(wire)
    whys = {i.get("why", "") for c in answer["classes"] if c["family"] == "ipv4"
            for i in c["intervals"]}
    assert not [w for w in whys if UNKNOWN in w], whys
    assert interval(answer, 3500)["verdict"] == "accept"
    assert interval(answer, 1700)["verdict"] == "drop"


@pytest.mark.parametrize("turned", [False, True])
def test_limits_are_not_mixed_up(wire, turned):
    """What depends on a limit in both orders alike is rate-limited, and not unknown."""
    load(nft(wire.host, REFUSES.replace("udp dport 5000", "udp dport 6000")),
         nft(wire.host, DROPS.replace("tcp dport", "tcp dport 3000 limit rate over 1/minute drop; "
                                      "tcp dport")), turned)
    answer = ask(wire)
    assert interval(answer, 3000)["verdict"] == "rate-limited"
    assert interval(answer, 5000, "udp")["verdict"] == "drop"


def test_own_packets(wire):
    """Chains at output are met by what the machine sends to itself alone."""
    wire.host.nft("""
table inet a { chain o { type filter hook output priority 0; tcp dport 700 reject; }; }
table inet b { chain o { type filter hook output priority 0; tcp dport 700 drop; }; }
""")
    answer = ask(wire)
    assert interval(answer, 700)["verdict"] == "accept"
    own = [i for c in answer["classes"] if c["interface"] is None and c["proto"] == "tcp"
           for i in c["intervals"] if i["from"] <= 700 <= i["to"]]
    assert own and {i["verdict"] for i in own} == {"unknown"} or hooks_are_told()


def test_explain(wire):
    wire.host.nft(REFUSES + DROPS)
    said = wire.host.portero("explain", "1700", "--json", reach=True).json
    assert (said["verdict"] == "unknown" and UNKNOWN in said["why"]) or hooks_are_told()


def test_many_tables(wire):
    """Nine at one place: nothing is said, rather than something wrong."""
    wire.host.nft("".join(f"table inet t{i} {{ chain i {{ type filter hook input priority 0; "
                          f"tcp dport {i}00 meta mark set {i}; }}; }}\n" for i in range(1, 10)))
    answer = wire.host.portero("reach", "--json", "--no-cache", reach=True, code=2).json
    assert interval(answer, 80)["verdict"] == "unknown"
    assert "too many tables" in interval(answer, 80)["why"] and not answer["complete"]
