# SPDX-License-Identifier: GPL-2.0-or-later
"""podman beside ufw: what it publishes is dropped, the opposite of Docker's."""
import json

import pytest

from harness import find
from room import compare_all, let_send, note, start_podman

# Its bridge passes IP through iptables, which masquerades what goes to 255.255.255.255 before it
# comes to the host itself: that takes it for its own, and answers itself.
UNHEARD = {"netavark": [("podman0", "255.255.255.255")], "cni": []}


@pytest.fixture(scope="module", params=["netavark", "cni"])
def case(make_case, request):
    made = make_case()
    made.backend = request.param
    made.bridge = {"netavark": "podman0", "cni": "cni-podman0"}[request.param]
    start_podman(made, request.param)
    made.at = {name: json.loads(made.run(f"podman inspect {name}"))[0]["NetworkSettings"]
               ["Networks"]["podman"]["IPAddress"] for name in ("web", "adm")}
    return made


def test_alone(case):
    assert case.knock(8080) == "accept"
    assert case.knock(9090) == "reject"
    for name, port in (("web", 80), ("adm", 90)):
        assert case.knock(port, to=case.at[name]) == "accept"
    note(f"{case.backend} loopback", f"podman ({case.backend}): 127.0.0.1:9090->90/tcp",
         f"{case.at['adm']}:90 answers who routes there through the host")


def test_portero_alone(case):
    """Lie 2, the other engine."""
    reach = case.reach()
    assert reach.verdict(8080, "internet") == "accept"
    seen = reach.at(90, "link", to=case.at["adm"])
    assert seen["verdict"] == "accept" and seen["forwarded"]
    note(f"{case.backend} loopback",
         portero_says=f"{case.at['adm']}:90 {seen['verdict']} from link, forwarded")


def test_all_ports_alone(case):
    let_send(case, "podman", case.bridge, ("web", "adm"))
    try:
        compare_all(case, unheard=UNHEARD[case.backend])
    finally:
        case.deafen()


def test_with_ufw(case):
    """Lie 3."""
    case.run("ufw default deny incoming; ufw allow 22/tcp; ufw allow 8080/tcp; ufw --force enable")
    assert "0.0.0.0:8080->80" in case.run("podman ps")
    assert "0.0.0.0:8080" in case.run("ss -ltn")
    assert case.knock(8080, "8.8.4.4") == "drop"
    note(f"{case.backend} ufw", f"`podman ps` ({case.backend}), `ss`: 0.0.0.0:8080, "
         "`ufw status`: 8080 ALLOW", "dropped (FORWARD's policy)")


def test_portero_with_ufw(case):
    assert case.reach().verdict(8080, "internet") == "drop"
    port = find(case.portero(), 8080)
    # the containers themselves may reach it, by their bridge
    # (podman lets in whoever has an address of its network, also one that is forged)
    outside = [w for w in port["reach"]["ways"]
               if w["interface"] == "veth0" and w["name"] != "forged"]
    assert outside and {w["verdict"] for w in outside} == {"drop"}, port["reach"]
    assert port["reach"]["widest"] not in ("internet", "private")
    note(f"{case.backend} ufw", portero_says="8080/tcp drop from everywhere via veth0; "
         f"`{port['state']}` from {port['reach']['widest']} via "
         + ", ".join({w["interface"] or "itself" for w in port["reach"]["ways"]
                      if w["verdict"] == "accept"}))


def test_all_ports_with_ufw(case):
    let_send(case, "podman", case.bridge, ("web", "adm"))
    try:
        compare_all(case, unheard=UNHEARD[case.backend])
    finally:
        case.deafen()


def test_ufw_route(case):
    case.run(f"ufw route allow in on veth0 out on {case.bridge}")
    assert case.knock(8080, "8.8.4.4") == "accept"
    assert case.reach().verdict(8080, "internet") == "accept"
    assert find(case.portero(), 8080)["state"] == "open"
