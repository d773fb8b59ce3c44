# SPDX-License-Identifier: GPL-2.0-or-later
"""
For random rulesets (world.py): of intervals that `portero reach` tells, `portero explain` has the
same verdict and names the rule that decides. Real packets are the judge: the rule that is named
counts them, and when it is taken away their fate changes, or another is named that counts them.

PORTERO_EXPLAIN is how many rulesets are tried (3), PORTERO_SEED the first of them. A failure names
its seed: PORTERO_SEED=N PORTERO_EXPLAIN=1 shows that ruleset.
"""
import os
import re
import subprocess
from collections import Counter

import pytest

import rulesets
from follow import Follower, Wrong, explain, is_anonymous, run, tool_of
from harness import need_program, require_namespaces, skip_sanitized
from world import LINKS, Said, Trial, UNSURE, World

COUNT = int(os.environ.get("PORTERO_EXPLAIN", "3"))
FIRST = int(os.environ.get("PORTERO_SEED", "0"))
AT_A_RULESET = 4  # packets
# constructs (rulesets.py) that one packet cannot tell
DOUBTS = {"limit", "limit over", "quota", "ct count", "meter", "numgen", "hashlimit", "recent",
          "recent update", "statistic", "connlimit", "unmirrored", "ttl", "misc"}
# reach tells of all sources or ports what explain tells of one
OF_MANY = re.compile("time ran out|addresses are compared under a mask")
LEGACY = {"iptables-legacy-restore": "ip", "ip6tables-legacy-restore": "ip6"}


@pytest.fixture(scope="module", autouse=True)
def needed():
    require_namespaces()
    for name in ("nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore"):
        need_program(name)


# --- what rules counted -------------------------------------------------------------------------

def counted_of_legacy(ns, rule):
    argv = [tool_of(rule), "-t", rule["table"], "-v", "-S", rule["chain"]]
    if rule["policy"]:
        found = re.search(r"^-P .* -c (\d+) ", run(ns, *argv).stdout, re.M)
    else:
        found = re.search(r" -c (\d+) ", run(ns, *argv, str(rule["number"])).stdout)
    return int(found[1])


def counted(ns, rule):
    """How many packets came to the rule; None where nothing counts them."""
    if rule["tables"] == "legacy":
        return counted_of_legacy(ns, rule)
    if rule["policy"] or is_anonymous(rule):
        return None
    text = run(ns, "nft", "-a", "list", "chain", rule["family"], rule["table"],
               rule["chain"]).stdout
    line = re.search(rf"^.* # handle {rule['handle']}$", text, re.M)[0]
    found = re.search(r"counter packets (\d+) ", line)
    return int(found[1]) if found else None


# --- packets ------------------------------------------------------------------------------------

class PacketFollower(Follower):
    """Follows what explain says of packets that are sent."""

    def __init__(self, world, rules):
        super().__init__()
        self.world, self.rules, self.sends = world, rules, 0

    def check(self, ns, answer):
        rule, said = answer["decided_by"], answer["verdict"]
        if said in UNSURE:
            if not answer["why"]:
                raise Wrong(f"{said}, and no reason is given: {answer['answer']}")
            self.counts[said] += 1
            return
        before = counted(ns, rule) if rule else None
        seen = self.send(answer["packet"])
        if seen != said and not self.is_excused(answer["packet"], said, seen):
            raise Wrong(f"packets get {seen}: {answer['answer']}")
        self.counts["sent"] += 1
        if before is None:
            return
        if counted(ns, rule) > before:
            self.counts["counted"] += 1
        elif self.met_doubt():
            self.counts["decided so or so, whatever a rule with a doubt does"] += 1
        else:
            raise Wrong(f"no packet came to {rule}")

    def met_doubt(self):
        """Did packets match a rule of which portero cannot tell whether they do?"""
        return any(DOUBTS & set(self.rules.rules[id_].constructs)
                   for id_ in self.world.decided() if id_ in self.rules.rules)

    def send(self, packet):
        iface = None if packet["interface"] in (None, "lo") else packet["interface"]
        probe = (iface, packet["source"], packet["destination"], packet["proto"],
                 {packet["port"]})
        self.sends += 1
        return self.world.send([probe], first=self.sends)[0][packet["port"]]

    def is_excused(self, packet, said, seen):
        """As in Trial.judge (world.py): the answer was lost, or a count decides how it is refused."""
        if (said, seen) == ("reject", "drop"):
            return "rate" in self.rules.doubts
        return (said, seen) == ("accept", "drop") and any(
            key[0] == packet["source"] and key[2:] == (packet["proto"], packet["destination"],
                                                       packet["port"])
            for key in self.world.arrivals())

    def end_without_rule(self, ns, answer):
        super().end_without_rule(ns, answer)
        if answer["verdict"] not in ("drop", "reject") or answer["translated_by"]:
            return
        self.world.clear_rules()
        seen = self.send(answer["packet"])
        if seen == "accept":
            raise Wrong(f"without any rule it gets in: {answer['answer']}")
        self.counts["dropped without rules"] += 1


# --- one seed -----------------------------------------------------------------------------------

class ExplainTrial(Trial):
    """Packets of a ruleset, each explained and followed."""

    def part(self):
        """Of what reach can be asked, so much that it takes no long time."""
        if "opaque" not in self.rules.doubts:
            return "--in", self.r.choice((*LINKS, "lo"))
        part = super().part()
        return *part, "--from", self.random_source(":" in part[3])

    def cases(self, said):
        """What Follower.follow is told, of each answer of reach once."""
        plan, found = self.plan(said), {}
        self.r.shuffle(plan)
        for key, source, c, _ in plan:
            if c.get("at most"):  # reach does not say what a forged one gets, but for no more
                continue
            i = self.r.choice(c["intervals"])
            port = self.r.choice([i["from"], i["to"]])
            if rulesets.GUARD[0] <= port <= rulesets.GUARD[1] or OF_MANY.search(i.get("why", "")):
                continue
            found.setdefault((id(c), i["verdict"]), {
                "said": i["verdict"], "port": port, "proto": key[2], "from_": source,
                "to": key[1], "in_": key[0] or "lo"})
        return list(found.values())[:AT_A_RULESET]

    def plan_of(self, said, cases):
        """What must listen (see Trial.listen)."""
        return [(None, None, c, {case["port"] for case in cases})
                for group in said.groups.values() for c in group]

    def run(self):
        w, follower = self.world, PacketFollower(self.world, self.rules)
        self.dropped = w.load(self.rules)
        said = Said(w.ask(*self.part()).json)
        cases = self.cases(said)
        ears = self.listen(self.plan_of(said, cases))
        try:
            for case in cases:
                self.follow(follower, case)
        finally:
            for e in ears:
                e.close()
        self.counts.update(follower.counts)
        return self

    def follow(self, follower, case):
        self.counts["packets explained"] += 1
        try:
            follower.follow(self.world.host, **case)
        except Wrong as e:
            self.mismatches.append(f"{case}: {e}")
        # policies of tables that the rules do not mention may be other ones now
        self.world.legacy.update(
            program for program, f in LEGACY.items()
            if run(self.world.host, "cat", f"/proc/net/{f}_tables_names", check=False).stdout.strip())
        self.world.load(self.rules)


def try_one(world, counts, seed):
    """What was wrong, in sentences."""
    trial = ExplainTrial(world, seed)
    try:
        trial.run()
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as e:
        trial.mismatches.append(f"{e} {getattr(e, 'stderr', '')}")
    counts.update(trial.counts)
    if trial.mismatches and COUNT == 1:
        trial.mismatches.append(str(trial.rules))
    return trial.mismatches


def test_random_rulesets():
    skip_sanitized("it is slow enough")
    counts, wrong = Counter(), []
    with World() as world:
        for seed in range(FIRST, FIRST + COUNT):
            wrong += [f"seed {seed}: {m}" for m in try_one(world, counts, seed)]
    print(f"\nPORTERO_SEED={FIRST} PORTERO_EXPLAIN={COUNT}: "
          + ", ".join(f"{n} x {what}" for what, n in sorted(counts.items())))
    assert not wrong, "\n".join(wrong)
    assert COUNT < 3 or counts["changed"] >= COUNT, "hardly anything was taken away"


def test_a_rule_that_no_packet_came_to_is_found():
    """The judge itself: packets tell which of two rules that say the same was met."""
    with World() as world:
        rules = rulesets.Ruleset(0, loads=[(["nft", "-f", "-"], """
            table inet f {
                chain i { type filter hook input priority 0;
                    tcp dport 22 counter drop comment "r0"
                    tcp dport 22 counter drop comment "r1"
                }
            }
            """)])
        world.load(rules)
        follower = PacketFollower(world, rules)
        answer = explain(world.host, 22, "tcp", from_="8.8.8.8", in_="eth0", to="10.77.0.1")
        follower.check(world.host, answer)
        assert follower.counts["counted"] == 1
        answer["decided_by"]["handle"] += 1
        with pytest.raises(Wrong):
            follower.check(world.host, answer)
