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

ALL = "1-65535"
# Of some, less than all: a host that limits its RSTs may take its time.
SCENES = {
    "clean": (None, False, ALL), "drops": (None, True, ALL),
    "1 % lost": (losing(1), False, ALL), "1 % lost, drops": (losing(1), True, ALL),
    "5 % lost": (losing(5), False, ALL), "5 % lost, drops": (losing(5), True, ALL),
    "20 % lost": (losing(20), False, ALL), "20 % lost, drops": (losing(20), True, ALL),
    "RSTs limited": (RESETS_LIMITED, False, ",".join(map(str, OPEN)) + ",10000-11500"),
}


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


@pytest.mark.parametrize("name", SCENES)
def test_every_run_sees_what_nmap_sees(pair, name):
    rules, drops, ports = SCENES[name]
    pair.listen()
    seen, rest = nmap(pair, "-p", ports)  # before anything is lost or limited
    wanted = {port: seen.get(port, rest) for port in pair.states("-p", ports)}
    assert of_state(wanted, "open") == OPEN
    if drops:
        pair.host.nft(DROPPING % ", ".join(map(str, OPEN)))
        wanted = {port: "filtered" if state == "closed" else state
                  for port, state in wanted.items()}
    if rules:
        pair.host.nft(rules)
    missed, other, times = [], [], []
    for _ in range(RUNS):
        began = time.monotonic()
        states = pair.states("-p", ports)
        times.append(time.monotonic() - began)
        assert states.keys() == wanted.keys()
        missed += [port for port in OPEN if states[port] != "open"]
        other += [port for port in wanted if states[port] != wanted[port] and port not in OPEN]
    print(f"\n{name}: {RUNS} runs of {len(wanted)} ports, {len(OPEN)} open: missed {len(missed)}, "
          f"other states {len(other)}, median {sorted(times)[RUNS // 2]:.2f} s, "
          f"longest {max(times):.2f} s", flush=True)
    assert not missed and not other
