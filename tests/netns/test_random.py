# SPDX-License-Identifier: GPL-2.0-or-later
"""
For random rulesets, what `portero reach` says is what real packets get: zero differences.

PORTERO_RANDOM is how many rulesets are tried (12), PORTERO_SEED the first of them. A failure names
its seed: PORTERO_SEED=N PORTERO_RANDOM=1 shows that ruleset.
"""
import os
import subprocess

import pytest

import harness
import rulesets
from harness import need_program, require_namespaces, skip_sanitized
from truth import Ears
from world import Said, Tally, Trial, World

COUNT = int(os.environ.get("PORTERO_RANDOM", "12"))
FIRST = int(os.environ.get("PORTERO_SEED", "0"))
WORLD_LASTS = 100  # rulesets


@pytest.fixture(scope="module", autouse=True)
def needed():
    require_namespaces()
    for name in ("nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore"):
        need_program(name)


def try_one(world, tally, seed):
    """What was wrong, in sentences."""
    trial = Trial(world, seed)
    try:
        trial.run()
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as e:
        return [f"{e} {getattr(e, 'stderr', '')}", str(trial.rules) if COUNT == 1 else ""]
    tally.add(trial)
    if trial.mismatches and COUNT == 1:
        trial.mismatches.append(str(trial.rules))
    return trial.mismatches


def test_random_rulesets():
    skip_sanitized("it is slow enough")
    tally, wrong, world = Tally(), [], World()
    try:
        for seed in range(FIRST, FIRST + COUNT):
            wrong += [f"seed {seed}: {m}" for m in try_one(world, tally, seed)[:6]]
            if world.uses == WORLD_LASTS:
                world.close()
                world = World()
    finally:
        world.close()
    print(f"\nPORTERO_SEED={FIRST} PORTERO_RANDOM={COUNT}: {tally}")
    assert not wrong, "\n".join(wrong)
    assert tally.counts["compared"] > 20 * COUNT, "hardly anything was compared"
    assert sum(tally.dropped.values()) < 0.15 * tally.rules, "too many rules were refused"


# --- what random rulesets have found ------------------------------------------------------------

@pytest.fixture
def world():
    """Its own for each: tables of iptables-legacy, once there, stay, and are asked, too."""
    with World() as made:
        yield made


def ask(world, *loads, options=()):
    world.load(rulesets.Ruleset(0, loads=list(loads)))
    answer = world.ask("--in", "eth0", "-4", "--proto", "tcp", *options).json
    assert answer["complete"], answer["missing"]
    return Said(answer)


def intervals(said, destination="10.77.0.1"):
    """{source: [(first, last, verdict)]}"""
    return {c["source"]: [(i["from"], i["to"], i["verdict"]) for i in c["intervals"]]
            for c in said.groups[("eth0", destination, "tcp")]}


def test_set_with_counters_is_understood(world):
    """Its flags, outside of their nest, were taken for elements: all ports and sources opaque."""
    said = ask(world, (["ipset", "restore"], "create s hash:net family inet counters\n"
                       "add s 9.9.9.0/24\n"),
               (["iptables-nft-restore"], "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 "
                "-m set --match-set s src -j ACCEPT\nCOMMIT\n"))
    found = intervals(said)
    assert [[(1, 21, "drop"), (22, 22, "accept"), (23, 65535, "drop")]] == \
        [v for v in found.values() if len(v) > 1]
    assert len(found) >= 2


def test_bitmap_of_ports(world):
    said = ask(world, (["ipset", "restore"], "create p bitmap:port range 0-65535\n"
                       "add p 1000-50000\nadd p 65535\nadd p 0\n"),
               (["iptables-legacy-restore"], "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp "
                "-m set --match-set p dst -j DROP\nCOMMIT\n"))
    for found in intervals(said).values():
        assert found == [(1, 999, "accept"), (1000, 50000, "drop"), (50001, 65534, "accept"),
                         (65535, 65535, "drop")]


def test_postrouting_drops_what_was_forwarded(world):
    """Packets that the forward hook lets through, and a rule behind it does not."""
    load = (["nft", "-f", "-"], """
        table ip n {
            chain mangle { type filter hook prerouting priority -150;
                tcp dport 1000-1010 meta mark set 7; }
            chain pre { type nat hook prerouting priority -100;
                tcp dport { 1000-1010, 2000 } dnat to 10.88.0.2:80; }
            chain post { type filter hook postrouting priority 50;
                oifname "ct0" meta mark 7 drop; }
        }
        """)
    world.load(rulesets.Ruleset(0, sysctls=[("ipv4/ip_forward", "1")], loads=[load]))
    said = Said(world.ask("--in", "eth0", "-4", "--proto", "tcp").json)
    for found in intervals(said).values():
        assert found[1:4] == [(1000, 1010, "drop"), (1011, 1999, "accept"),
                              (2000, 2000, "accept")], found


def test_port_of_a_map_is_no_port_of_the_packet(world):
    """The map's data overwrites the port that was looked up before: ports stay understood."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
        table ip6 n {
            chain pre { type nat hook prerouting priority -100;
                ip6 saddr . udp dport != { 2c0f::1 . 53 } dnat to udp dport map {
                    60676 : fd88::2 . 1023, 43608 : fd88::2 . 5688 }; }
        }
        """)]))
    asked = world.ask("--in", "eth0", "-6")
    assert asked.cpu < 3 * harness.SLOW  # all ports, one by one, would be much more


def test_what_cannot_be_sent_is_unknown_and_says_why(world):
    """From 127.0.0.1 to a container: no route takes that."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
        table ip n {
            chain out { type nat hook output priority -100;
                udp dport 1-215 dnat to 10.88.0.2:53; }
        }
        """)]))
    answer = world.ask("--in", "lo", "--to", "127.0.0.1", "--proto", "udp").json
    first = answer["classes"][0]["intervals"][0]
    assert (first["from"], first["to"], first["verdict"]) == (1, 215, "unknown")
    assert "cannot be sent" in first["why"]


def verdicts_of(answer):
    return {i["verdict"] for c in answer["classes"] for i in c["intervals"]}


def test_short_prefix_of_ipv6_is_no_hop_count(world):
    """`-s fd78::/16` compares two bytes, at the place where an IPv4 header has its TTL."""
    world.load(rulesets.Ruleset(0, loads=[(["ip6tables-nft-restore"], "*filter\n:INPUT DROP [0:0]\n"
        "-A INPUT -s fd78::/16 -p tcp --dport 25 -j ACCEPT\nCOMMIT\n")]))
    answer = world.ask("--in", "eth1", "-6", "--proto", "tcp").json
    assert verdicts_of(answer) == {"accept", "drop"}


def targets(classes):
    """[(first, last, verdict, port that it gets to or None)] of the only class."""
    (found,) = classes
    return [(i["from"], i["to"], i["verdict"], i.get("target", {}).get("port"))
            for i in found["intervals"]]


@pytest.mark.parametrize("load", [
    (["iptables-legacy-restore"], "*nat\n:PREROUTING ACCEPT [0:0]\n"
     "-A PREROUTING -p tcp --dport 1000:2000 -j REDIRECT --to-ports 1000\nCOMMIT\n"),
    (["nft", "-f", "-"], """
        table ip n {
            chain pre { type nat hook prerouting priority -100;
                tcp dport 1000-2000 redirect to :1000; }
        }
        """),
], ids=["legacy", "nft"])
def test_redirect_to_a_port_of_its_own_range(world, load):
    """The port that stayed where it was spoke for all of the range."""
    world.load(rulesets.Ruleset(0, loads=[load]))
    part = ("--in", "eth0", "--from", "8.8.8.8", "--to", "10.77.0.1", "--proto", "tcp")
    expected = [(1, 1000, "accept", None), (1001, 2000, "accept", 1000),
                (2001, 65535, "accept", None)]
    for more in ((), ("--full",)):
        assert targets(world.ask(*part, *more).json["classes"]) == expected, more


def test_redirect_by_a_map_to_a_port_of_its_own_range(world):
    """No rule names the port that it gets to."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
        table ip n {
            map m { type inet_service : inet_service; flags interval;
                elements = { 1000-2000 : 1000 }; }
            chain pre { type nat hook prerouting priority -100;
                meta l4proto tcp redirect to :tcp dport map @m; }
        }
        """)]))
    asked = world.ask("--in", "eth0", "--from", "8.8.8.8", "--to", "10.77.0.1", "--proto", "tcp")
    assert targets(asked.json["classes"])[1:-1] == [(1000, 2000, "accept", 1000)]


def test_what_is_perhaps_sent_on_to_its_own_port_is_certain_there(world):
    """Whoever chooses the TTL gets to 2000, or to where they knocked: but for 2000 itself."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
        table ip n {
            chain pre { type nat hook prerouting priority -100;
                tcp dport >= 1000 ip ttl 64 dnat to 10.77.0.1:2000; }
        }
        """)]))
    part = ("--in", "eth0", "--from", "8.8.8.8", "--to", "10.77.0.1", "--proto", "tcp")
    expected = [(1, 999, "accept", None), (1000, 1999, "unknown", None),
                (2000, 2000, "accept", None), (2001, 65535, "unknown", None)]
    for more in ((), ("--full",)):
        assert targets(world.ask(*part, *more).json["classes"]) == expected, more


def test_one_server_of_several(world):
    """Half of the packets get to somebody who listens, and the others to nobody."""
    world.load(rulesets.Ruleset(0, sysctls=[("ipv4/ip_forward", "1")], loads=[
        (["iptables-legacy-restore"], """*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp --dport 8080 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.88.0.2:80
-A PREROUTING -p tcp --dport 8080:8081 -j DNAT --to-destination 10.88.0.2:81
COMMIT
""")]))
    (found,) = world.ask("--in", "eth0", "--from", "8.8.8.8", "--to", "10.77.0.1", "--proto",
                         "tcp").json["classes"]
    assert [(i["from"], i["to"], i["verdict"], i.get("several")) for i in found["intervals"]
            if "target" in i] == [(8080, 8080, "accept", True), (8081, 8081, "accept", None)]
    answer = harness.portero("--json", ns=world.host, reach=True, code=(0, 1, 2)).json
    assert {(f["from"], f["to"], f["several"]) for f in answer["rest"]["forwards"]} == {
        (8080, 8080, True), (8081, 8081, False)}
    text = harness.portero("reach", "--in", "eth0", "--from", "8.8.8.8", ns=world.host,
                           code=(0, 2)).text
    assert "as 10.88.0.2 port 81 or elsewhere" in " ".join(text.split())
    said = harness.portero("explain", "8080/tcp", "--from", "8.8.8.8", "--json", ns=world.host,
                           code=(0, 2)).json
    assert "sent on to 10.88.0.2 port 81 or elsewhere" in said["answer"]
    assert said["arrives"]["several"] is True


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_what_the_machine_sends_itself_again_gets_in(world, proto):
    """The first packet marks its connection, and is dropped; the next one is let in for the mark."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
        table ip n {
            chain pre { type filter hook prerouting priority -150;
                iif lo ct mark 1 accept
                iif lo th dport 1000-1999 ct mark set 1 drop
                iif lo th dport 2000-2999 drop; }
        }
        """)]))
    answer = world.ask("--in", "lo", "--to", "127.0.0.1", "--proto", proto).json
    expected = [(1, 1999, "accept", None), (2000, 2999, "drop", None), (3000, 65535, "accept", None)]
    assert targets(answer["classes"]) == expected
    said = harness.portero("explain", f"1000/{proto}", "--in", "lo", "--to", "127.0.0.1", "--json",
                           ns=world.host, code=(0, 2)).json
    assert (said["verdict"], said["decided_by"]["number"]) == ("accept", 1)
    with Ears(World.host_path(world.host), "1000,2000"):
        assert world.send([(None, "127.0.0.1", "127.0.0.1", proto, {1000, 2000})]) == [
            {1000: "accept", 2000: "drop"}]


def load_one_rule(world, rule, family="inet", hook="input", others=""):
    """All else that comes to the hook is dropped."""
    world.load(rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], f"""
        table {family} n {{
            chain c {{ type filter hook {hook} priority 0; policy drop;
                {others}
                {rule} tcp dport 25 accept
            }}
        }}
        """)]))


@pytest.mark.parametrize("rule", ["ip6 saddr fd00::/8", "ip6 saddr fd78::/16"])
@pytest.mark.parametrize("family, hook, others", [
    ("inet", "input", ""),
    ("netdev", "ingress device eth1", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")])
def test_short_prefix_in_a_table_of_both_versions(world, family, hook, others, rule):
    """There, a comparison in front of it says that it is of IPv6 that the rule is about."""
    load_one_rule(world, rule, family, hook, others)
    answer = world.ask("--in", "eth1", "-6", "--proto", "tcp").json
    assert verdicts_of(answer) == {"accept", "drop"}


@pytest.mark.parametrize("rule, version", [
    ("ip ttl 255", "-4"), ("meta protocol ip ip ttl < 5", "-4"), ("ip6 hoplimit 255", "-6"),
    ("@nh,64,8 255", "-4"), ("@nh,56,8 255", "-6"), ("meta nfproto != ipv4 @nh,56,16 0xff20", "-6")])
def test_hop_count_is_any_senders_own(world, rule, version):
    """How far away senders are, one packet does not tell."""
    load_one_rule(world, rule)
    answer = world.ask("--in", "eth1", version, "--proto", "tcp").json
    assert verdicts_of(answer) == {"drop", "unknown"}
