# SPDX-License-Identifier: GPL-2.0-or-later
"""
A long policy is proved wholly, too: every group of sources that it names is asked about, nothing is
left out for want of time. PORTERO_OPENINGS is how many openings of 5 networks each (500).
"""
import os
import random
import time

import pytest

from harness import need_program, require_namespaces, scene, skip_sanitized
from test_apply import FAR, OFFICE, Host

COUNT = int(os.environ.get("PORTERO_OPENINGS", "500"))
NETWORKS = 5


def openings_of(count):
    """[(port, [network])]: those of the peer's addresses that may come are in some of them."""
    dice = random.Random(count)
    found = []
    for i in range(count):
        sources = {f"{FAR}/32"} if i % 2 else {f"{OFFICE}/32"}
        while len(sources) < NETWORKS:
            bits = dice.choice((16, 20, 24, 24, 28, 32))
            value = dice.randrange(0x01000000, 0xc0000000) >> (32 - bits) << (32 - bits)
            sources.add(f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/{bits}")
        found.append((1 + i * 6, sorted(sources)))
    return found


def policy_of(openings):
    lines = ["openings:"]
    for port, sources in openings:
        lines += [f"  - ports: {port}/tcp", f"    from: [{', '.join(sources)}]"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def host(tmp_path):
    require_namespaces()
    need_program("nft")
    skip_sanitized("it is slow enough")
    with scene(Host(tmp_path, policy=policy_of(openings_of(COUNT)))) as made:
        yield made[0]


def test_a_long_policy_is_proved_wholly(host):
    patience = 60 + COUNT // 5
    began = time.monotonic()
    plan = host.portero("plan", "--json", code=1, timeout=patience).json
    planned = time.monotonic() - began
    proof = plan["proof"]
    assert proof["holds"] and proof["complete"] and not proof["unknown"], proof
    # each network of each opening, at the least: to the address that it comes to
    assert proof["packets"] > COUNT * NETWORKS, proof
    assert plan["complete"], plan["missing"]

    host.apply("--no-confirm", code=0, timeout=patience * 3)
    listeners = [host.host.tcp("0.0.0.0", port) for port in (1, 7)]
    assert host.reaches(7) and host.reaches(1) is None
    assert host.reaches(1, OFFICE) and host.reaches(7, OFFICE) is None
    assert host.reaches(443) is None
    again = host.portero("plan", code=0, timeout=patience)
    assert "Nothing to do" in again.text
    for s in listeners:
        s.close()
    print(f"\nPORTERO_OPENINGS={COUNT}: planned in {planned:.1f} s, {proof['packets']} packets")
