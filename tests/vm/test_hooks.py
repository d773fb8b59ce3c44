# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the kernel tells which chain comes first, portero is certain; elsewhere it says so."""
import pytest

TELLS = (6, 12)  # of Debian's: CONFIG_NETFILTER_NETLINK_HOOK (6.1 has it not)
TELLS_NAT = (6, 17)  # Linux: chains of type nat, too


def at(answer, port):
    found = [i for c in answer["classes"] for i in c["intervals"]
             if c["destination"] == "127.0.0.1" and c["proto"] == "tcp" and
             i["from"] <= port <= i["to"]]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("name, port, verdict", [
    ("refuses-drops", 1700, "drop"), ("drops-refuses", 1700, "reject"),
    ("refuses-legacy", 1700, "drop"), ("legacy-refuses", 1700, "reject"),
    ("redirects-shields", 8080, "drop"), ("shields-redirects", 8080, "accept"),
])
def test_order(machine, ask, name, port, verdict):
    said = at(ask(f"hooks {name}"), port)
    packet = machine.answer(f"hooks {name}-packet")
    assert ("timed out" in packet.out) == (verdict == "drop"), packet
    if machine.kernel.version >= TELLS:
        assert said["verdict"] == verdict
    else:
        assert said["verdict"] == "unknown" and "is not known" in said["why"]


def test_chains_of_nat(machine, ask):
    said = at(ask("hooks redirects"), 8080)
    if machine.kernel.version >= TELLS_NAT:
        assert said["target"]["port"] == 81
    else:
        assert said["verdict"] == "unknown" and "is not known" in said["why"]
