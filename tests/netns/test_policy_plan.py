# SPDX-License-Identifier: GPL-2.0-or-later
"""
What `portero plan` says, what the twin says, and what real packets get are one: random policies
(policies.py) are planned, proved and applied in the machine of world.py, which publishes ports of a
container, and packets are sent as in test_policy_packets.py.

PORTERO_RANDOM_PLANS is how many policies are tried (2), PORTERO_SEED the first of them. A failure
names its seed.
"""
import os
import time
from bisect import bisect
from collections import Counter
from pathlib import Path

import pytest

import harness
from harness import need_program, require_namespaces, skip_sanitized
from test_policy_packets import OWN, PUBLISH, Trial
from truth import Ears
from world import LINKS, World, run_in

COUNT = int(os.environ.get("PORTERO_RANDOM_PLANS", "2"))
FIRST = int(os.environ.get("PORTERO_SEED", "0"))
TIMEOUT = 600  # seconds, of one plan; a few are usual
OPENINGS = 8  # of a policy: every one is asked about at 4 interfaces and 8 addresses, six times


@pytest.fixture(scope="module")
def world():
    require_namespaces()
    need_program("nft")
    skip_sanitized("it is slow enough")
    with World() as made:
        with made.host:
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
            for kind in ("all", "default", *LINKS):
                Path(f"/proc/sys/net/ipv4/conf/{kind}/rp_filter").write_text("0")
        yield made


class PlannedTrial(Trial):
    """The policy is given to `portero apply`, and not to nft."""

    def __init__(self, world, seed, directory):
        super().__init__(world, seed, directory)
        self.directory = directory / f"plan-{seed}"
        (self.directory / "policy.d").mkdir(parents=True, mode=0o755)
        (self.directory / "run").mkdir(mode=0o700)
        self.policy.openings = self.policy.openings[:OPENINGS]
        self.file = self.directory / "policy.d" / "10.yaml"
        while self.leave_out_errors():
            pass
        self.path.write_text(self.policy.yaml())

    def leave_out_errors(self):
        """Openings that a review refuses (what is let in twice) are left out. Were there any?"""
        text = self.policy.yaml()
        self.file.write_text(text)
        self.file.chmod(0o644)
        check = self.portero("policy", "check", "--json", code=(0, 1, 2)).json
        starts = [i for i, line in enumerate(text.splitlines(), 1) if line.startswith("  - ports")]
        lines = [p["at"]["line"] for p in check["problems"] if p["severity"] == "error"]
        refused = {bisect(starts, line) - 1 for line in lines}
        # (a port that is protected twice is none of an opening)
        if -1 in refused:
            self.policy.protected = sorted(set(self.policy.protected))[:1]
        self.policy.openings = [o for i, o in enumerate(self.policy.openings) if i not in refused]
        return bool(lines)

    def portero(self, *args, code):
        places = ("--policy-dir", self.directory / "policy.d", "--state-dir",
                  self.directory / "state", "--runtime-dir", self.directory / "run")
        return harness.portero(*args, *places, ns=self.world.host, reach=True, code=code,
                               timeout=TIMEOUT)

    def load(self):
        """What the plan says, and then what it says once applied."""
        run_in(self.world.host, ["nft", "flush", "ruleset"])
        run_in(self.world.host, ["nft", "-f", "-"],
               PUBLISH.replace("PORTS", ", ".join(map(str, self.published))))
        self.plan = self.portero("plan", "--json", code=(0, 1, 2)).json
        # a policy may close a port that it protects; the proof does not depend on being forced
        self.portero("apply", "--yes", "--no-confirm", "--force", code=0)
        self.applied = self.portero("plan", "--json", code=(0, 1, 2)).json

    def check_proofs(self):
        wrong = []
        for name, plan in (("planned", self.plan), ("applied", self.applied)):
            proof = plan["proof"]
            if not (proof["holds"] and proof["complete"]) or proof["unknown"] or proof["differences"]:
                wrong.append(f"{name}: {proof}")
            if proof["packets"] < 500 or not plan["complete"]:
                wrong.append(f"{name}: hardly anything was asked, {plan['missing']}")
        if not self.applied["applied"] or self.applied["changes"]:
            wrong.append(f"applied, and yet to be changed: {self.applied['changes']}")
        return wrong

    def check_changes(self, seen):
        """What the plan closes lets nobody in, whatever address they forge."""
        gets = {}
        for (iface, source, address, proto, _), answers in zip(self.flows, seen):
            if address in OWN[iface]:
                for port, verdict in answers.items():
                    family = "ipv6" if ":" in address else "ipv4"
                    gets.setdefault((f"{port}/{proto}", family), []).append(verdict)
        wrong, count = [], 0
        for change in self.plan["changes"]:
            # (a port may be published by one listener for IPv4, and by another for IPv6)
            families = (change["before"] or change["after"])["reach"]["families"]
            for verdict in (v for f in families for v in gets.get((change["port"], f), ())):
                count += 1
                if change["change"] == "closes" and verdict == "accept":
                    wrong.append(f"{change['port']} {families} closes, and lets in")
        return wrong, count

    def run(self, counts):
        listened = ",".join(map(str, sorted(set().union(*(f[4] for f in self.flows)))))
        self.load()
        wrong = self.check_proofs()
        # (hundreds of listeners would make the twin be asked about each of them)
        ears = [Ears(World.host_path(self.world.host), listened),
                Ears(World.host_path(self.world.container), "53,80")]
        try:
            expected, seen = self.expected(), self.world.send(self.flows)
            for i, (flow, says) in enumerate(zip(self.flows, expected)):
                if says != seen[i]:
                    seen[i] = self.world.send([flow])[0]  # a packet may get lost, but not again
                counts.update(says.values())
                wrong += [f"{flow[:4]} {port}: {says[port]} expected, {seen[i][port]} seen"
                          for port in says if says[port] != seen[i][port]]
        finally:
            for e in ears:
                e.close()
        found, compared = self.check_changes(seen)
        counts["compared with the plan"] += compared
        counts["changes"] += len(self.plan["changes"])
        return wrong + found


def test_random_plans(world, tmp_path):
    counts, wrong, began = Counter(), [], time.monotonic()
    for seed in range(FIRST, FIRST + COUNT):
        found = PlannedTrial(world, seed, tmp_path).run(counts)
        wrong += [f"PORTERO_SEED={seed}: {w}" for w in found[:5]]
    print(f"\nPORTERO_SEED={FIRST} PORTERO_RANDOM_PLANS={COUNT}: {dict(counts)}, "
          f"{time.monotonic() - began:.1f} s")
    assert not wrong, "\n".join(wrong)
    assert min(counts["accept"], counts["drop"] + counts["reject"]) > 20 * COUNT, counts
    assert counts["compared with the plan"] and counts["changes"] > COUNT, counts
