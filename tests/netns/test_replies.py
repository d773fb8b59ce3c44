# SPDX-License-Identifier: GPL-2.0-or-later
"""A port is open to whoever gets an answer: rules for output, and routes back, against real connections."""
import pytest

from harness import find, ip, need_program
from test_reach import machine, places, reach, status, verdict  # noqa: F401 (fixtures)

PORTS = (22, 80, 443, 8080)
RULES = {
    "established": ("ct state established accept", {}),
    "some": ("ct state established tcp sport { 22, 443 } accept", {80: "drop", 8080: "drop"}),
    "stateless": ("tcp sport 22 accept; tcp sport 8000-9000 tcp dport 1024-65535 accept",
                  {80: "drop", 443: "drop"}),
    "refusing": ("tcp sport 80 reject with tcp reset; accept", {80: "drop"}),
    "silent": ("tcp flags rst drop; accept", {}),
    "marked": ("tcp flags & (syn | ack) == syn | ack tcp sport 80 drop; tcp flags rst drop; accept",
               {80: "drop"}),
    "handshake": ("tcp flags & (syn | ack) == syn | ack tcp sport 80 drop; accept", {80: "drop"}),
    "nothing": ("", {22: "drop", 80: "drop", 443: "drop", 8080: "drop"}),
    "later": ("accept\n}\nchain post { type filter hook postrouting priority 0; tcp sport 443 drop",
              {443: "drop"}),
}
CONNECT = """
import socket, sys
print("ready", flush=True)
for port in sys.argv[2:]:
    with socket.socket() as s:
        s.settimeout(0.5)
        try:
            s.connect((sys.argv[1], int(port)))
            print("accept", flush=True)
        except OSError:
            print("drop", flush=True)
"""


def connect(peer, address="192.0.2.1"):
    """What happens to real connections: {port: "accept" or "drop"}."""
    client = peer.python(CONNECT, address, *map(str, PORTS))
    return dict(zip(PORTS, [client.stdout.readline().strip().decode() for _ in PORTS]))


@pytest.fixture
def listening(machine):  # noqa: F811
    for address in ("192.0.2.2/24", "2001:db8:1::2/64"):
        ip("-n", machine.peer.name, "addr", "add", address, "dev", "eth0",
           *(["nodad"] if ":" in address else []))
    for port in PORTS:
        machine.tcp("::", port)
    return machine


@pytest.mark.parametrize("kind", RULES)
def test_rules_for_output(listening, kind):
    need_program("nft")
    rules, lost = RULES[kind]
    listening.nft("table inet t {\nchain in { type filter hook input priority 0; policy accept; }\n"
                  "chain out { type filter hook output priority 0; policy drop; oif lo accept\n"
                  f"ip6 nexthdr icmpv6 accept; {rules}\n}}\n}}")
    real = connect(listening.peer)
    assert real == {port: lost.get(port, "accept") for port in PORTS}
    answer = reach(listening, "-t")
    for family in ("ipv4", "ipv6"):
        assert {port: verdict(answer, port, family=family) for port in PORTS} == real
    table = status(listening)
    for port in PORTS:
        assert find(table, port)["state"] == ("filtered" if port in lost else "open")


def test_legacy_rules_for_output(listening):
    need_program("iptables-legacy")
    for rule in ("-p tcp --sport 443 -j DROP", "-p tcp --tcp-flags RST RST -j DROP"):
        listening.start(["iptables-legacy", "-A", "OUTPUT", *rule.split()]).wait()
    real = connect(listening.peer)
    assert real == {22: "accept", 80: "accept", 443: "drop", 8080: "accept"}
    answer = reach(listening, "-t", "-4")
    assert {port: verdict(answer, port) for port in PORTS} == real


def test_no_route_back(listening):
    """A neighbour gets its answers; what comes from further away does not."""
    ip("-n", listening.name, "route", "delete", "default")
    assert set(connect(listening.peer).values()) == {"accept"}
    answer = reach(listening, "-t", "-4")
    assert verdict(answer, 22) == "drop" and verdict(answer, 22, name="link") == "accept"
    assert any("no route" in i.get("why", "") for c in answer["classes"] for i in c["intervals"])
    row = find(status(listening, "-4"), 22)
    assert row["state"] == "open"


def test_redirected(listening):
    """NAT gives the packets another port, and the answer its own again."""
    need_program("nft")
    listening.nft("table inet t {\nchain pre { type nat hook prerouting priority -100;\n"
                  "tcp dport { 443, 8080 } redirect to :80\n}\n"
                  "chain out { type filter hook output priority 0; policy drop; oif lo accept\n"
                  "ip6 nexthdr icmpv6 accept; meta l4proto tcp ct original proto-dst { 22, 443 } accept\n}\n}")
    real = connect(listening.peer)
    assert real == {22: "accept", 80: "drop", 443: "accept", 8080: "drop"}
    answer = reach(listening, "-t", "-4")
    assert {port: verdict(answer, port) for port in PORTS} == real


def explain(ns, *args):
    return ns.portero("explain", "--json", *args, reach=True).json


@pytest.mark.parametrize("kind", ["some", "marked", "later"])
def test_explain_names_the_rule(listening, kind):
    need_program("nft")
    rules, lost = RULES[kind]
    listening.nft("table inet t {\nchain out { type filter hook output priority 0; policy drop;\n"
                  f"oif lo accept; ip6 nexthdr icmpv6 accept; {rules}\n}}\n}}")
    for port in PORTS:
        answer = explain(listening, f"{port}/tcp", "--from", "192.0.2.2")
        assert answer["verdict"] == lost.get(port, "accept")
        if port in lost:
            by = answer["decided_by"]
            assert by["reply"] and by["hook"] == ("postrouting" if kind == "later" else "output")
            assert by["policy"] == (kind == "some")
            assert "answer" in answer["answer"]


def test_explain_without_a_route(listening):
    ip("-n", listening.name, "route", "delete", "default")
    answer = explain(listening, "22/tcp", "--from", "198.51.100.1")
    assert answer["verdict"] == "drop" and answer["decided_by"] is None
    assert "no route" in answer["answer"]


def groups(answer, port):
    """{who: verdict} of IPv4 senders at eth0, those that have no list by their class."""
    return {c["sources"] or c["name"]: i["verdict"] for c in answer["classes"]
            for i in c["intervals"] if c["interface"] == "eth0" and not c["behind"]
            and i["from"] <= port <= i["to"]}


def test_rules_for_some_receivers(listening):
    """What rules for output say of destinations is of those who ask."""
    need_program("nft")
    listening.nft("table inet t {\nset s { type ipv4_addr; flags interval; elements = "
                  "{ 203.0.113.0/25 } }\n"
                  "chain out { type filter hook output priority 0; policy accept;\n"
                  "ip daddr 198.51.100.0/24 drop\nip daddr @s tcp sport 22 drop\n}\n}")
    ip("-n", listening.peer.name, "addr", "add", "198.51.100.1/32", "dev", "lo")
    answer = reach(listening, "-t", "-4")
    assert groups(answer, 22) == {"internet": "accept", "private": "accept",
                                  "192.0.2.0/24": "accept", "198.51.100.0/24": "drop",
                                  "203.0.113.0/25": "drop"}
    assert groups(answer, 80)["203.0.113.0/25"] == "accept"
    assert groups(answer, 80)["198.51.100.0/24"] == "drop"
    for source, verdict_ in (("198.51.100.7", "drop"), ("203.0.113.7", "drop"),
                             ("203.0.113.200", "accept")):
        assert explain(listening, "22/tcp", "--from", source)["verdict"] == verdict_


def test_routes_back_to_some(listening):
    for words in ("delete default", "add 203.0.113.0/24 via 192.0.2.2", "add blackhole 10.9.0.0/16",
                  "add 10.0.0.0/8 via 192.0.2.2"):
        ip("-n", listening.name, "route", *words.split())
    found = groups(reach(listening, "-t", "-4"), 22)
    who = {part: v for names, v in found.items() for part in names.split(", ")}
    assert who["internet"] == who["private"] == who["10.9.0.0/16"] == "drop"
    assert who["203.0.113.0/24"] == who["10.0.0.0/8"] == who["192.0.2.0/24"] == "accept"


def out_rules(ns, rules, policy="drop"):
    need_program("nft")
    ns.nft("table inet t {\nchain out { type filter hook output priority 0; policy "
           f"{policy}; oif lo accept\nip6 nexthdr icmpv6 accept; {rules}\n}}\n}}")


def test_own_addresses(listening):
    """Rules for output and routing may tell the machine's own addresses apart: the answer's source."""
    ip("-n", listening.name, "addr", "add", "192.0.2.3/24", "dev", "eth0")
    out_rules(listening, "ip saddr 192.0.2.3 accept")
    for address, expected in (("192.0.2.1", "drop"), ("192.0.2.3", "accept")):
        assert set(connect(listening.peer, address).values()) == {expected}
        answer = reach(listening, "-t", "-4", "--to", address)
        assert verdict(answer, 80) == verdict(answer, 80, name="link") == expected
    assert find(status(listening, "-4"), 80)["state"] == "open"


def test_own_addresses_of_policy_routing(listening):
    ip("-n", listening.name, "addr", "add", "192.0.2.3/24", "dev", "eth0")
    for words in ("route delete default", "rule add from 192.0.2.3 lookup 100",
                  "route add default via 192.0.2.2 table 100"):
        ip("-n", listening.name, *words.split())
    for address, expected in (("192.0.2.1", "drop"), ("192.0.2.3", "accept")):
        assert verdict(reach(listening, "-t", "-4", "--to", address), 80) == expected


def test_ports_of_the_sender(listening):
    """What only some ports of the sender get is neither open nor closed."""
    out_rules(listening, "tcp dport 49152-65535 accept")
    answer = reach(listening, "-t", "-4")
    assert verdict(answer, 80) == "unknown"
    assert any("ports of the sender" in i.get("why", "") for c in answer["classes"]
               for i in c["intervals"])
    assert find(status(listening, "-4"), 80)["state"] == "unknown"


@pytest.mark.parametrize("rules", [
    "tcp dport 80 accept", "\n".join(f"tcp dport {2000 + 2 * i} accept" for i in range(100))],
    ids=["privileged", "many"])
def test_ports_to_which_the_machine_may_send(listening, rules):
    """Who sends from such a port gets an answer, whoever it was meant for."""
    out_rules(listening, rules)
    assert verdict(reach(listening, "-t", "-4"), 22) == "unknown"


def test_rules_for_source_ports_near_the_ordinary_one(listening):
    need_program("nft")
    listening.nft("table inet t {\nchain in { type filter hook input priority 0; policy drop;\n"
                  "tcp sport 32768-40099 accept\n}\n}")
    answer = reach(listening, "-t", "-4", "--full", timeout=300)
    assert {i["verdict"] for c in answer["classes"] for i in c["intervals"]
            if c["name"] == "internet" and c["interface"] == "eth0"} == {"accept"}


def test_limited_answers(listening):
    out_rules(listening, "tcp flags & (syn | ack) == syn | ack limit rate 50/second accept")
    assert verdict(reach(listening, "-t", "-4"), 80) == "rate-limited"


def test_rules_for_egress(listening):
    """What comes behind all rules of postrouting is not known to let an answer out."""
    need_program("nft")
    listening.nft("table netdev e {\nchain c { type filter hook egress device eth0 priority 0;\n"
                  "tcp sport 80 drop\n}\n}")
    assert connect(listening.peer)[80] == "drop"
    answer = reach(listening, "-t", "-4")
    assert verdict(answer, 80) == "unknown" and verdict(answer, 22) == "accept"


def test_listener_of_a_user(listening):
    """Routing may look at whose socket answers; the twin's is nobody's."""
    ip("-n", listening.name, "route", "delete", "default")
    ip("-n", listening.name, "rule", "add", "uidrange", "1000-2000", "lookup", "100")
    ip("-n", listening.name, "route", "add", "default", "via", "192.0.2.2", "table", "100")
    assert verdict(reach(listening, "-t", "-4"), 80) == "unknown"
