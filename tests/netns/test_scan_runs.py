# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: no port is missed, run after run, on a clean way, where 1 %, 5 % and 20 % of all packets are
lost, of a host that answers and of one that drops, and where the host limits its RSTs.

Three runs of some ports in each weather (one where RSTs are limited); with PORTERO_SCAN_RUNS=N (make check-long: 50) N of all
65,535 (where RSTs are limited, of 1,500), and they must see what nmap sees in one run before
anything is lost.
"""
import os
import time

import pytest

from scanning import DROPPING, OPEN, RESETS_LIMITED, Pair, losing, nmap, of_state

LONG = "PORTERO_SCAN_RUNS" in os.environ
RUNS = int(os.environ.get("PORTERO_SCAN_RUNS", "3"))

ALL = "1-65535"
# rules, does the host drop, ports, and those of a short run
SCENES = {
    "clean": (None, False, ALL, "2001-4000"), "drops": (None, True, ALL, "2001-4000"),
    "1 % lost": (losing(1), False, ALL, "1-20000"),
    "1 % lost, drops": (losing(1), True, ALL, "1-20000"),
    "5 % lost": (losing(5), False, ALL, "1-20000"),
    "5 % lost, drops": (losing(5), True, ALL, "1-20000"),
    "20 % lost": (losing(20), False, ALL, "1-8000"),
    "20 % lost, drops": (losing(20), True, ALL, "1-8000"),
    "RSTs limited": (RESETS_LIMITED, False, ",".join(map(str, OPEN)) + ",10000-11500",
                     ",".join(map(str, OPEN[:5])) + ",10000-11500"),
}


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def numbers(ports):
    return sorted({port for part in ports.split(",")
                   for first, _, last in [part.partition("-")]
                   for port in range(int(first), int(last or first) + 1)})


def see(pair, ports):
    """{port: state}: what nmap sees, or what this test made."""
    if not LONG:
        return {port: "open" if port in OPEN else "closed" for port in numbers(ports)}
    seen, rest = nmap(pair, "-p", ports)
    return {port: seen.get(port, rest) for port in numbers(ports)}


@pytest.mark.parametrize("name", SCENES)
def test_every_run_sees_all(pair, name):
    rules, drops, ports, few = SCENES[name]
    ports = ports if LONG else few
    pair.listen()
    wanted = see(pair, ports)
    opened = of_state(wanted, "open")
    assert opened == [port for port in OPEN if port in wanted]
    if drops:
        pair.host.nft(DROPPING % ", ".join(map(str, OPEN)))
        wanted = {port: "filtered" if state == "closed" else state
                  for port, state in wanted.items()}
    if rules:
        pair.host.nft(rules)
    missed, other, times = [], [], []
    for _ in range(RUNS if LONG or rules != RESETS_LIMITED else 1):
        began = time.monotonic()
        states = pair.states("-p", ports)
        times.append(time.monotonic() - began)
        assert states.keys() == wanted.keys()
        missed += [port for port in opened if states[port] != "open"]
        other += [port for port in wanted if states[port] != wanted[port] and port not in opened]
    print(f"\n{name}: {len(times)} runs of {len(wanted)} ports, {len(opened)} open: missed {len(missed)}, "
          f"other states {len(other)}, median {sorted(times)[len(times) // 2]:.2f} s, "
          f"longest {max(times):.2f} s", flush=True)
    assert not missed and not other
