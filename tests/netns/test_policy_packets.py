# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a policy's ruleset does to real packets is what policy_match says: random policies (policies.py)
in the machine of world.py, asked at all of its interfaces from sources at the edges of what the
policy names, at its own ports and at those that it passes on to a container.

PORTERO_RANDOM_POLICIES is how many policies are tried (25), PORTERO_SEED the first of them. A failure
names its seed.
"""
import ipaddress
import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from harness import die_with_parent, need_program, require_namespaces
from policies import LAST, Policy
from truth import Ears
from world import LINKS, PRIVATE, SPECIAL, World, run_in

COUNT = int(os.environ.get("PORTERO_RANDOM_POLICIES", "25"))
FIRST = int(os.environ.get("PORTERO_SEED", "0"))
TOOL = str(Path(os.environ.get("PORTERO", "build/portero")).parent / "netns" / "policy_rules")
FLOWS = 60  # of a policy
PORTS = 40  # of a flow
CONTAINER, CONTAINER6 = "10.88.0.2", "fd88::2"
OWN = {"eth0": ("10.77.0.1", "fd77::1"), "eth1": ("172.20.1.1", "fd78::1"),
       "eth2": ("8.20.30.1", "2600:77::1")}
# as Docker publishes ports: whatever comes for an address of the machine, before routing
PUBLISH = """
table inet publish {
	chain prerouting {
		type nat hook prerouting priority -100; policy accept;
		fib daddr type local meta l4proto { tcp, udp } th dport { PORTS } goto there
	}
	chain there {
		meta l4proto tcp dnat ip to 10.88.0.2:80
		meta l4proto tcp dnat ip6 to [fd88::2]:80
		meta l4proto udp dnat ip to 10.88.0.2:53
		meta l4proto udp dnat ip6 to [fd88::2]:53
	}
}
"""


@pytest.fixture(scope="module", autouse=True)
def needed():
    require_namespaces()
    need_program("nft")


@pytest.fixture(scope="module")
def world():
    with World() as made:
        with made.host:
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
            for kind in ("all", "default", *LINKS):
                Path(f"/proc/sys/net/ipv4/conf/{kind}/rp_filter").write_text("0")
        yield made


def tool(mode, path, *options, asked=None):
    links = [o for name, addresses in LINKS.items() for a in addresses for o in ("--link", name, a)]
    links += ["--link", "ct0", "10.88.0.1/24", "--link", "ct0", "fd88::1/64"]
    done = subprocess.run([TOOL, *links, *options, mode, str(path)], input=asked, text=True,
                          capture_output=True, timeout=60, preexec_fn=die_with_parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Trial:
    def __init__(self, world, seed, directory):
        self.world = world
        self.policy = Policy(seed)
        self.r = random.Random(seed + 1)
        self.path = directory / f"random-{seed}.yaml"
        self.path.write_text(self.policy.yaml())
        self.published = sorted(self.r.sample(sorted(p for p in self.policy.ports
                                                     if 0 < p <= LAST), 3))
        self.sources = {False: self.pool(False), True: self.pool(True)}
        self.flows = [self.flow() for _ in range(FLOWS)]

    def pool(self, v6):
        """Edges of what the policy names and of the classes, and any."""
        found, top = set(), 1 << (128 if v6 else 32)
        own = {ipaddress.ip_address(a) for pair in OWN.values() for a in pair}
        named = [ipaddress.ip_network(n) for n in self.policy.networks]
        named += [ipaddress.ip_interface(a).network for pair in LINKS.values() for a in pair]
        make = ipaddress.IPv6Address if v6 else ipaddress.IPv4Address
        for n in (n for n in named + PRIVATE if (n.version == 6) == v6):
            first, last = int(n[0]), int(n[-1])
            for value in (first - 1, first, first + 2, last - 1, last, last + 1):
                if 0 < value < top:
                    found.add(make(value))
        if v6:
            found |= {make(0x2a00 << 112 | self.r.randrange(1 << 112)) for _ in range(4)}
        else:
            found |= {make(self.r.randrange(0x01000000, 0xdf000000)) for _ in range(6)}
        return sorted(str(a) for a in found if a not in own and self.is_possible(a))

    @staticmethod
    def is_possible(a):
        """Does the kernel take packets from it, and answer?"""
        if any(a in n for n in SPECIAL if n.version == a.version) or a.is_link_local:
            return False
        for pair in LINKS.values():
            for n in (ipaddress.ip_interface(x).network for x in pair):
                if a in n and (a == n[0] or (a.version == 4 and a == n[-1])):
                    return False
        return a not in ipaddress.ip_network("10.88.0.0/24" if a.version == 4 else "fd88::/64")

    def flow(self):
        v6 = self.r.random() < 0.4
        iface = self.r.choice(sorted(LINKS))
        # as a rule to the address of that interface; the machine takes it for the others, too
        at = iface if self.r.random() < 0.7 else self.r.choice(sorted(LINKS))
        known = sorted(p for p in self.policy.ports if 0 < p <= LAST)
        ports = set(self.published) | set(self.r.sample(known, min(len(known), PORTS)))
        ports |= {self.r.randrange(1, LAST) for _ in range(4)}
        return (iface, self.r.choice(self.sources[v6]), OWN[at][v6], self.r.choice(("tcp", "udp")),
                ports)

    def load(self):
        run_in(self.world.host, ["nft", "flush", "ruleset"])
        publish = PUBLISH.replace("PORTS", ", ".join(map(str, self.published)))
        script = tool("rules", self.path)
        for text in (publish, script) if self.r.random() < 0.5 else (script, publish):
            run_in(self.world.host, ["nft", "-f", "-"], text)

    def expected(self):
        lines = [f"{iface} {source} {proto} {port}" for iface, source, _, proto, ports in self.flows
                 for port in sorted(ports)]
        said = iter(tool("answers", self.path, asked="\n".join(lines) + "\n").splitlines())
        closed = {"drop": "drop", "reject": "reject", "observe": "accept"}[self.policy.undeclared]
        return [{port: closed if next(said).startswith("closed") else "accept"
                 for port in sorted(ports)} for _, _, _, _, ports in self.flows]

    def run(self, counts):
        self.load()
        wrong = []
        expected = self.expected()
        listened = ",".join(map(str, sorted(set().union(*(f[4] for f in self.flows)))))
        ears = [Ears(World.host_path(self.world.host), listened),
                Ears(World.host_path(self.world.container), "53,80")]
        try:
            seen = self.world.send(self.flows)
            for flow, says, gets in zip(self.flows, expected, seen):
                counts.update(says.values())
                if says != gets:
                    gets = self.world.send([flow])[0]  # a packet may get lost, but not again
                wrong += [f"{flow[:4]} {port}: {says[port]} expected, {gets[port]} seen"
                          + (" (published)" if port in self.published else "")
                          for port in says if says[port] != gets[port]]
        finally:
            for e in ears:
                e.close()
        return wrong


def test_random_policies(world, tmp_path):
    counts, wrong, began = Counter(), [], time.monotonic()
    for seed in range(FIRST, FIRST + COUNT):
        found = Trial(world, seed, tmp_path).run(counts)
        wrong += [f"PORTERO_SEED={seed}: {w}" for w in found[:5]]
    print(f"\nPORTERO_SEED={FIRST} PORTERO_RANDOM_POLICIES={COUNT}: {dict(counts)}, "
          f"{time.monotonic() - began:.1f} s")
    assert not wrong, "\n".join(wrong)
    assert min(counts[v] for v in ("accept", "drop")) > 50 * COUNT, "hardly anything was compared"


def test_depth(world, tmp_path):
    """nf_tables follows 15 chains at most: ranges of ports over each other, of networks inside each
    other, with all that an opening can have."""
    lines = ["openings:"]
    for i in range(300):
        lines += [f"  - ports: {1 + i}-{2000 + i * 7}/tcp",
                  f"    from: [10.0.0.0/{8 + i % 24}, 10.{i % 256}.0.0/16, 'fd00::/{8 + i % 100}']",
                  "    interfaces: [eth0, eth1]", "    until: 2099-01-01", "    rate: 1000/second"]
    path = tmp_path / "deep.yaml"
    path.write_text("\n".join(lines) + "\n")
    run_in(world.host, ["nft", "-f", "-"], tool("rules", path))
