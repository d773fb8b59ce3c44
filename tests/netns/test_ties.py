# SPDX-License-Identifier: GPL-2.0-or-later
"""
Several network namespaces have the address that packets are sent on to (172.17.0.2 is in the first
container of every Docker): what portero says of the port, compared with a real connection.
"""
import socket

import pytest

from harness import ip, need_feature

ADDRESS = "172.17.0.2"
RULES = f"""
table ip nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    fib daddr type local tcp dport 8080 dnat to {ADDRESS}:80
  }}
}}
table ip filter {{
  chain input {{ type filter hook input priority 0; policy drop; iif lo accept; }}
}}
"""


@pytest.fixture
def machine(ns, make_ns):
    """A router to the internet; `near` and `far` have the address, and `near` is behind it."""
    ns.peer, ns.near, ns.far = make_ns(), make_ns(), make_ns()
    ns.connect(ns.peer, addresses=("192.0.2.1/24",))
    ip("-n", ns.peer.name, "addr", "add", "192.0.2.2/24", "dev", "eth0")
    ip("-n", ns.name, "route", "add", "default", "via", "192.0.2.2")
    ns.sysctl(ipv4__ip_forward=1)
    ns.nft(RULES)
    return ns


def give_address(ns, dev="eth0", network=ADDRESS + "/24", gateway="172.17.0.1"):
    ip("-n", ns.name, "addr", "add", network, "dev", dev)
    ip("-n", ns.name, "link", "set", dev, "up")
    if gateway:
        ip("-n", ns.name, "route", "add", "default", "via", gateway)


def add_bridge(ns, name, address):
    ip("-n", ns.name, "link", "add", name, "type", "bridge")
    if address:
        ip("-n", ns.name, "addr", "add", address, "dev", name)
    ip("-n", ns.name, "link", "set", name, "up")


def add_port(ns, bridge, name, other, mac):
    ns.connect(other, name=name, mac=mac)
    ip("-n", ns.name, "link", "set", name, "master", bridge)


def behind_bridge(m):
    add_bridge(m, "docker0", "172.17.0.1/24")
    add_port(m, "docker0", "p0", m.near, "02:00:00:00:00:11")
    give_address(m.near)


def behind_veth(m):
    m.connect(m.near, name="ve-near", addresses=("172.17.0.1/24",))
    give_address(m.near)


def behind_two_bridges(m):
    """The bridge that the route leads to has a port that is paired with one of another's."""
    add_bridge(m, "docker0", "172.17.0.1/24")
    add_bridge(m, "br1", None)
    m.connect(m, name="a0", peer="a1", mac="02:00:00:00:00:15")
    for port, bridge in (("a0", "docker0"), ("a1", "br1")):
        ip("-n", m.name, "link", "set", port, "master", bridge)
    add_port(m, "br1", "p0", m.near, "02:00:00:00:00:11")
    give_address(m.near)


def behind_sublayer(kind, *mode):
    def make(m):
        m.add_veth("low0", ())
        for name in ("sub0", "sub1"):
            made = ip("-n", m.name, "link", "add", name, "link", "low0", "type", kind, "mode",
                      *mode, check=False)
            need_feature(kind, made.returncode == 0, made.stderr.strip())
        ip("-n", m.name, "link", "set", "sub1", "netns", m.near.name, "name", "eth0")
        give_address(m, "sub0", "172.17.0.1/24", None)
        give_address(m.near)
    return make


def nowhere(_m):
    pass


def alone(m):
    """As the containers of a rootless Podman: nothing here leads there."""
    m.far.add_veth("eth0", ())
    give_address(m.far)


def behind_other_bridge(m):
    """Of another Docker on this machine, to which no route leads."""
    add_bridge(m, "docker1", None)
    add_port(m, "docker1", "p1", m.far, "02:00:00:00:00:12")
    give_address(m.far)


def behind_near(m):
    """Docker in Docker: in the container is another."""
    m.near.connect(m.far, name="inner0")
    give_address(m.far)


def state_of(machine):
    """What is said of port 8080: a state, the namespaces it names, and why."""
    seen = machine.status(reach=True, env={})
    ports = [p for p in seen["ports"] if p["port"] == 8080 and p.get("published")]
    if not ports:
        here = [f["here"] for f in seen["rest"]["forwards"] if f["from"] == 8080]
        assert len(here) == 1
        # where a namespace could not be looked at, nobody knows who listens in it
        missing = machine.status("--all", "8080/tcp")["missing"]
        blind = any("network namespaces" in gap["what"] for gap in missing)
        return ("closed" if here[0] else "silent" if blind else "elsewhere"), set(), None
    states = {p["state"] for p in ports}
    assert len(states) == 1
    names = {p["listeners"][0]["netns"]["name"] for p in ports}
    return states.pop(), names, ports[0]["reach"]["why"]


def connects(machine):
    with machine.peer:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(1)
    try:
        s.connect(("192.0.2.1", 8080))
        return True
    except OSError:
        return False
    finally:
        s.close()


def listen(machine, *who):
    for one in who:
        getattr(machine, one).tcp("0.0.0.0", 80)


CLOSED = ("closed", "silent")
ELSEWHERE = ("elsewhere", "silent")
LISTENERS = [(), ("near",), ("far",), ("near", "far")]
LISTENER_IDS = ["nobody", "near", "far", "both"]


@pytest.mark.parametrize("who", LISTENERS, ids=LISTENER_IDS)
@pytest.mark.parametrize("elsewhere", [alone, behind_other_bridge, behind_near])
@pytest.mark.parametrize("near", [
    behind_bridge, behind_veth, behind_two_bridges,
    pytest.param(behind_sublayer("macvlan", "bridge"), id="macvlan"),
    pytest.param(behind_sublayer("ipvlan", "l2"), id="ipvlan")])
def test_the_one_behind_counts(machine, near, elsewhere, who):
    near(machine)
    elsewhere(machine)
    listen(machine, *who)
    expected = "near" in who
    assert connects(machine) == expected
    state, names, _ = state_of(machine)
    assert state == "open" if expected else state in CLOSED
    assert names == ({machine.near.name} if expected else set())


@pytest.mark.parametrize("who", LISTENERS, ids=LISTENER_IDS)
def test_two_behind_one_bridge(machine, who):
    """Who answers for the address there is not known: certain is only what both do."""
    behind_bridge(machine)
    add_port(machine, "docker0", "p1", machine.far, "02:00:00:00:00:12")
    give_address(machine.far)
    listen(machine, *who)
    state, _, why = state_of(machine)
    assert state in {0: CLOSED, 1: ("unknown",), 2: ("open",)}[len(who)]
    assert connects(machine) in {0: {False}, 1: {False, True}, 2: {True}}[len(who)]
    if state == "unknown":
        assert "several network namespaces" in why


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("who", [(), ("far",)], ids=["nobody", "far"])
def test_behind_another_namespace(machine, who, accepts):
    """The way leads through another namespace, whose own rules decide."""
    machine.connect(machine.near, name="ve-near", addresses=("10.9.0.1/24",))
    give_address(machine.near, network="10.9.0.2/24", gateway="10.9.0.1")
    ip("-n", machine.name, "route", "add", "172.17.0.0/24", "via", "10.9.0.2")
    machine.near.connect(machine.far, name="inner0", addresses=("172.17.0.1/24",))
    give_address(machine.far)
    machine.near.sysctl(ipv4__ip_forward=1)
    if not accepts:
        machine.near.nft("table ip t { chain f { type filter hook forward priority 0; policy drop; "
                         "}; }")
    listen(machine, *who)
    assert connects(machine) == (bool(who) and accepts)
    state, _, why = state_of(machine)
    assert state in (("unknown",) if who else ELSEWHERE)
    if who:
        assert "directly behind" in why
        inside = [p for p in machine.status("--all", "80/tcp", reach=True, env={})["ports"]
                  if p["listeners"][0]["netns"]["name"] == machine.far.name and
                  not p.get("published")]
        assert [p["state"] for p in inside] == ["unknown"]
        assert "directly behind" in inside[0]["reach"]["why"]


@pytest.mark.parametrize("who", LISTENERS, ids=LISTENER_IDS)
def test_behind_a_gateway(machine, make_ns, who):
    """`near` has the address too, on the same bridge, but the route goes to another container."""
    gateway = make_ns()
    add_bridge(machine, "docker0", "10.9.0.1/24")
    add_port(machine, "docker0", "p0", machine.near, "02:00:00:00:00:11")
    add_port(machine, "docker0", "p1", gateway, "02:00:00:00:00:12")
    give_address(machine.near, network="10.9.0.2/24", gateway="10.9.0.1")
    ip("-n", machine.near.name, "addr", "add", ADDRESS + "/32", "dev", "eth0")
    give_address(gateway, network="10.9.0.3/24", gateway="10.9.0.1")
    ip("-n", machine.name, "route", "add", "172.17.0.0/24", "via", "10.9.0.3")
    gateway.connect(machine.far, name="inner0", addresses=("172.17.0.1/24",))
    give_address(machine.far)
    gateway.sysctl(ipv4__ip_forward=1)
    listen(machine, *who)
    assert connects(machine) == ("far" in who)
    assert state_of(machine)[0] in (("unknown",) if who else ELSEWHERE)
    ip("-n", machine.name, "route", "replace", "172.17.0.0/24", "via", "10.9.0.2")
    assert connects(machine) == ("near" in who)
    state, names, _ = state_of(machine)
    assert state == "open" if "near" in who else state in CLOSED
    assert names == ({machine.near.name} if "near" in who else set())


@pytest.mark.parametrize("place", [nowhere, alone, behind_other_bridge])
def test_the_route_leads_to_nobody(machine, place):
    """A bridge without the container: that another has its address proves nothing."""
    add_bridge(machine, "docker0", "172.17.0.1/24")
    place(machine)
    listen(machine, "far")
    assert not connects(machine)
    state, _, why = state_of(machine)
    assert state in (ELSEWHERE if place is nowhere else ("unknown",))
    assert place is nowhere or "directly behind" in why


@pytest.mark.parametrize("kind, mode", [("macvlan", "private"), ("macvlan", "vepa")])
def test_macvlan_that_keeps_apart(machine, kind, mode):
    behind_sublayer(kind, mode)(machine)
    listen(machine, "near")
    assert not connects(machine)
    assert state_of(machine)[0] == "unknown"


def test_below_macvlan(machine):
    """What a machine sends by the interface below does not get to those on top of it."""
    behind_sublayer("macvlan", "bridge")(machine)
    ip("-n", machine.name, "addr", "del", "172.17.0.1/24", "dev", "sub0")
    ip("-n", machine.name, "addr", "add", "172.17.0.1/24", "dev", "low0")
    listen(machine, "near")
    assert not connects(machine)
    assert state_of(machine)[0] == "unknown"


def test_behind_without_nat(machine):
    """Routed to its own address, the one behind the machine is reached, and no other."""
    behind_bridge(machine)
    alone(machine)
    listen(machine, "near", "far")
    ports = [p for p in machine.status("--all", "80/tcp", reach=True, env={})["ports"]
             if not p.get("published")]
    states = {p["listeners"][0]["netns"]["name"]: p["state"] for p in ports}
    assert (states[machine.near.name], states[machine.far.name]) == ("open", "unknown")


def test_neighbour_joins(machine):
    """An interface that goes over to another namespace takes the answer with it."""
    behind_veth(machine)
    listen(machine, "near")
    assert state_of(machine)[0] == "open"
    ip("-n", machine.near.name, "link", "set", "eth0", "netns", machine.far.name)
    give_address(machine.far)
    assert not connects(machine)
    assert state_of(machine)[0] in CLOSED
    listen(machine, "far")
    assert connects(machine)
    assert state_of(machine)[:2] == ("open", {machine.far.name})
