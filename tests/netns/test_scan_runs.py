# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: no port is missed, run after run: all ports of a host as nmap sees them once, on a clean way,
where 1 %, 5 % and 20 % of all packets are lost, both of a host that answers and of one that drops,
and where the host limits its RSTs.

PORTERO_SCAN_RUNS is how many runs of each are made (1; make check-long: 50).
"""
import os
import time

import pytest

from test_scan import DROPPING, OPEN, RESETS_LIMITED, TARGET, Pair, losing, nmap, of_state

RUNS = int(os.environ.get("PORTERO_SCAN_RUNS", "1"))

# How many ports, so that a run takes seconds: all of them, but where a host may take its time.
SCENES = {
    "clean": (None, False, 65535), "drops": (None, True, 65535),
    "1 % lost": (losing(1), False, 65535), "1 % lost, drops": (losing(1), True, 65535),
    "5 % lost": (losing(5), False, 65535), "5 % lost, drops": (losing(5), True, 65535),
    "20 % lost": (losing(20), False, 20000), "20 % lost, drops": (losing(20), True, 65535),
    "RSTs limited": (RESETS_LIMITED, False, 2000),
}


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def referee(pair, last):
    """What nmap sees, before anything is lost or limited: {port: state}."""
    seen, rest = nmap(pair, f"-p1-{last}", *(["--min-rate", "20000"] if last == 65535 else []))
    return {port: seen.get(port, rest) for port in range(1, last + 1)}


@pytest.mark.parametrize("name", SCENES)
def test_every_run_sees_what_nmap_sees(pair, name):
    rules, drops, last = SCENES[name]
    pair.listen()
    wanted = referee(pair, last)
    opened = [port for port in OPEN if port <= last]
    assert of_state(wanted, "open") == opened
    if drops:
        pair.host.nft(DROPPING % ", ".join(map(str, OPEN)))
        wanted = {port: "filtered" if state == "closed" else state
                  for port, state in wanted.items()}
    if rules:
        pair.host.nft(rules)
    missed, other, times = [], [], []
    for _ in range(RUNS):
        began = time.monotonic()
        states = pair.states("-p", f"-{last}")
        times.append(time.monotonic() - began)
        missed += [port for port in opened if states[port] != "open"]
        other += [port for port in wanted if states[port] != wanted[port] and port not in opened]
    print(f"\n{name}: {RUNS} runs of {last} ports, {len(opened)} open: missed {len(missed)}, "
          f"other states {len(other)}, median {sorted(times)[RUNS // 2]:.2f} s, "
          f"longest {max(times):.2f} s", flush=True)
    assert not missed and not other
