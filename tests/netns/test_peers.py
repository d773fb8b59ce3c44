# SPDX-License-Identifier: GPL-2.0-or-later
"""The same namespace through ss and lsof: the same ports, addresses and processes."""
import os
import random
import re
import socket
import subprocess

import pytest

from harness import need_program, rows

COUNT = 200


def run(ns, *argv):
    with ns:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def plain(address):
    """One way to write an address: without brackets, zone or device; IPv4-mapped as IPv4."""
    address = address.strip("[]").split("%")[0].strip("[]")
    if address == "*":
        return "*"
    return address.removeprefix("::ffff:") if "." in address else address


def from_ss(ns):
    """{(proto, address, port, pid)}; '*' is ss's word for a '::' that serves both families."""
    found = set()
    for line in run(ns, "ss", "-H", "-tulpn").splitlines():
        field = line.split(None, 6)
        address, port = field[4].rsplit(":", 1)
        address = plain(address)
        for pid in re.findall(r"pid=(\d+)", field[6] if len(field) > 6 else ""):
            found.add((field[0], "::" if address == "*" else address, int(port), int(pid)))
    return found


def from_lsof(ns, protos):
    found = set()
    pid = proto = family = None
    listening = {}
    for line in run(ns, "lsof", "-nP", "-i", "-F", "pPntT").splitlines():
        key, value = line[0], line[1:]
        if key == "p":
            pid = int(value)
        elif key == "f":
            proto = None
        elif key == "t":
            family = value
        elif key == "P":
            proto = value.lower()
        elif key == "n" and "->" not in value:
            address, _, port = value.rpartition(":")
            if not port.isdigit():
                continue
            address = plain(address)
            if address == "*":
                address = "::" if family == "IPv6" else "0.0.0.0"
            listening = (proto, address, int(port), pid)
            if proto == "udp":
                found.add(listening)
        elif key == "T" and value == "ST=LISTEN":
            found.add(listening)
    return {f for f in found if f[0] in protos}


def from_portero(ns, *args):
    status = ns.status("--clients", *args)
    return {(r["proto"], r["address"], r["port"], pid) for r in rows(status) for pid in r["pids"]}


def fill(ns, holder, seed):
    rng = random.Random(seed)
    ns.add_veth()
    addresses = ["0.0.0.0", "127.0.0.1", "127.0.0.2", "192.0.2.1", "::", "::1", "2001:db8:1::1"]
    made = 0
    while made < COUNT:
        kind = rng.choice(["tcp", "tcp", "udp"])
        address = rng.choice(addresses)
        port = rng.choice([0, rng.randrange(1, 65536), rng.randrange(1, 1024)])
        group = rng.randrange(1, 4) if rng.random() < 0.2 and port else 1
        v6only = rng.random() < 0.5 if ":" in address else None
        try:
            sockets = [ns.socket(kind, address, port, v6only=v6only, reuseport=group > 1)
                       for _ in range(group)]
        except OSError:
            continue  # taken: another will do
        made += len(sockets)
        how = rng.random()
        if how < 0.3:
            ns.start([holder, f"fork={rng.randrange(3)}"], give=sockets, ready=True)
        elif how < 0.4:
            ns.start([holder], give=sockets, ready=True, keep=True)
    # and what is no listener
    for _ in range(10):
        with ns:
            c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ns.sockets.append(c)
        c.connect(("127.0.0.1", 9))


@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_random_mix(ns, holder, how):
    need_program("ss")
    need_program("lsof")
    seed = int(os.environ.get("PORTERO_SEED", random.randrange(1 << 32)))
    print(f"PORTERO_SEED={seed}")
    fill(ns, holder, seed)
    ours = from_portero(ns, *how)
    peers = from_ss(ns)
    assert len(ours) > COUNT * 0.9
    assert ours == peers, f"only here {sorted(ours - peers)}, only in ss {sorted(peers - ours)}"
    listed = from_lsof(ns, ("tcp", "udp"))
    # lsof sees the whole machine's processes, but only the sockets of this namespace
    assert ours == listed, f"only here {sorted(ours - listed)}, only lsof {sorted(listed - ours)}"
