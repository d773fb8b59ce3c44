#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Records the dumps *.bin of this directory, as root, in a namespace of its own:

    make build/netns/nft_copy && tests/unit/data/nft/record.py

hand.nft and xt*.restore are loaded with nft and iptables-nft. A .bin is a row of netlink messages as the
kernel dumped them (tests/netns/tools/nft_copy.c).
"""
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOL = HERE.parents[3] / "build" / "netns" / "nft_copy"
NS = f"portero-record-{os.getpid()}"


def inside(*argv, file=None):
    with open(file or os.devnull) as text:
        subprocess.run(["ip", "netns", "exec", NS, *argv], stdin=text, check=True)


def record(name):
    subprocess.run([TOOL, "dump", f"/run/netns/{NS}", HERE / name], check=True)
    inside("nft", "flush", "ruleset")


subprocess.run(["ip", "netns", "add", NS], check=True)
try:
    inside("ip", "link", "set", "lo", "up")
    inside("nft", "-f", str(HERE / "hand.nft"))
    record("hand.bin")
    inside("iptables-nft-restore", file=HERE / "xt.restore")
    inside("ip6tables-nft-restore", file=HERE / "xt6.restore")
    record("xt.bin")
finally:
    subprocess.run(["ip", "netns", "del", NS], check=True)
