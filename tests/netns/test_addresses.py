# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a socket is bound: families, addresses, interfaces, protocols."""
import socket
import struct

import pytest

from harness import (find, find_listener, inode_of, need_feature,
                     note_ids, port_of)

BOTH = ["ipv4", "ipv6"]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("address, v6only, shown, families, bound", [
    ("0.0.0.0", None, "0.0.0.0", ["ipv4"], "everywhere"),
    ("::", False, "::", BOTH, "everywhere"),
    ("::", True, "::", ["ipv6"], "everywhere"),
    ("127.0.0.1", None, "127.0.0.1", ["ipv4"], "this-machine"),
    ("127.8.9.1", None, "127.8.9.1", ["ipv4"], "this-machine"),
    ("::1", None, "::1", ["ipv6"], "this-machine"),
    ("::ffff:127.0.0.1", False, "127.0.0.1", ["ipv4"], "this-machine"),
])
def test_bound_address(ns, kind, address, v6only, shown, families, bound):
    s = ns.socket(kind, address, 8101, v6only=v6only)
    status = ns.status()
    assert [p["port"] for p in status["ports"]] == [8101]
    one = find_listener(status, 8101, kind)
    assert (one["address"], one["families"], one["bound"]) == (shown, families, bound)
    assert one["interface"] is None
    assert one["inode"] == inode_of(s)
    assert one["netns"]["own"] is True and one["netns"]["inode"] == ns.inode
    assert one["netns"]["name"] is None
    assert find(status, 8101, kind)["bound"] == bound
    assert status["complete"] is True and status["missing"] == []


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("address, network", [
    ("192.0.2.1", "192.0.2.0/24"), ("10.20.30.40", "10.20.16.0/20"),
    ("2001:db8:1::1", "2001:db8:1::/64"),
])
def test_one_address(ns, kind, address, network):
    ns.add_veth(addresses=("192.0.2.1/24", "10.20.30.40/20", "2001:db8:1::1/64"))
    ns.socket(kind, address, 8102)
    one = find_listener(ns.status(), 8102, kind)
    assert (one["address"], one["bound"], one["network"]) == (address, "network", network)
    text = ns.portero().text
    assert f"{network} (v0)" in text


def test_link_local_address(ns):
    ns.add_veth(addresses=("fe80::5/64",))
    with ns:
        index = socket.if_nametoindex("v0")
        s = socket.socket(socket.AF_INET6)
    ns.sockets.append(s)
    s.bind(("fe80::5", 8103, 0, index))
    s.listen()
    one = find_listener(ns.status(), 8103)
    assert (one["address"], one["bound"], one["network"]) == ("fe80::5", "network", "fe80::/64")
    assert one["interface"] == "v0"


@pytest.mark.parametrize("device, bound", [("lo", "this-machine"), ("v0", "network")])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_bound_to_device(ns, kind, device, bound):
    ns.add_veth()
    ns.socket(kind, "0.0.0.0", 8104, device=device)
    one = find_listener(ns.status(), 8104, kind)
    assert (one["interface"], one["bound"]) == (device, bound)
    row = next(line for line in ns.portero().text.splitlines() if line.startswith("8104/"))
    assert ("this machine" if device == "lo" else "v0") in row


def test_devices_are_apart(ns):
    ns.add_veth()
    ns.tcp("0.0.0.0", 8105, device="lo")
    ns.tcp("0.0.0.0", 8105, device="v0")
    port = find(ns.status(), 8105)
    assert sorted(one["interface"] for one in port["listeners"]) == ["lo", "v0"]
    assert port["bound"] == "network"


@pytest.mark.parametrize("group", ["239.1.2.3", "ff15::1:2"])
def test_multicast(ns, group):
    ns.add_veth()
    ns.udp(group, 8106)
    port = find(ns.status(), 8106, "udp")
    assert port["listeners"][0]["address"] == group
    assert port["bound"] == "network"
    assert "address-absent" not in note_ids(port)
    assert f"multicast {group}" in ns.portero().text


def test_freebind_address_on_no_interface(ns):
    ns.tcp("198.51.100.7", 8107, freebind=True)
    port = find(ns.status(), 8107)
    assert port["listeners"][0]["network"] is None
    assert "address-absent" in note_ids(port)
    assert "198.51.100.7" in ns.portero().text


def test_freebind_address_in_a_network_of_ours(ns):
    """On no interface, though an interface's network would have room for it."""
    ns.add_veth(addresses=("192.0.2.1/24",))
    ns.tcp("192.0.2.77", 8108, freebind=True)
    port = find(ns.status(), 8108)
    assert port["bound"] == "network"
    assert "address-absent" in note_ids(port)


def test_two_families_of_two_sockets(ns):
    ns.tcp("0.0.0.0", 8109)
    ns.tcp("::", 8109, v6only=True)
    status = ns.status()
    port = find(status, 8109)
    assert sorted(f for one in port["listeners"] for f in one["families"]) == BOTH
    lines = [x for x in ns.portero().text.splitlines() if x.startswith("8109/tcp")]
    assert len(lines) == 1, "one owner: one row"
    assert "(IPv4)" not in lines[0] and "(IPv6)" not in lines[0]


def test_family_is_shown_where_it_differs(ns):
    ns.tcp("0.0.0.0", 8110)
    ns.tcp("::", 8111, v6only=True)
    ns.tcp("::", 8112)
    lines = {x.split("/")[0]: x for x in ns.portero().text.splitlines() if "/tcp " in x}
    assert "everywhere (IPv4)" in lines["8110"]
    assert "everywhere (IPv6)" in lines["8111"]
    assert "everywhere  " in lines["8112"]


@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_mptcp(ns, how):
    try:
        ns.socket("mptcp", "0.0.0.0", 8113)
    except OSError as e:
        need_feature("mptcp", False, str(e))
    ns.tcp("0.0.0.0", 8114)
    status = ns.status(*how)
    port = find(status, 8113, "tcp")
    assert len(port["listeners"]) == 1
    one = port["listeners"][0]
    assert one["mptcp"] is True and one["sockets"] == 1 and one["pid"] is not None
    assert set(one["seen_by"]) == {"kernel", "files"}
    assert "mptcp" in note_ids(port)
    assert "hidden-listener" not in note_ids(port) and "no-process" not in note_ids(port)
    assert find_listener(status, 8114)["mptcp"] is False
    assert len([x for x in ns.portero(*how).text.splitlines() if x.startswith("8113/")]) == 1


def test_udplite(ns):
    try:
        ns.socket("udplite", "0.0.0.0", 8115)
    except OSError as e:
        need_feature("udplite", False, str(e))
    ns.udp("0.0.0.0", 8115)
    status = ns.status()
    assert find_listener(status, 8115, "udplite")["bound"] == "everywhere"
    assert find_listener(status, 8115, "udp")
    assert "8115/udplite" in ns.portero("-u").text
    assert "8115/udplite" in ns.portero("8115/udplite").text
    assert [p["proto"] for p in ns.status("8115/udp")["ports"]] == ["udp"]


def test_raw_and_packet_sockets_have_no_port(ns):
    with ns:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
        raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        bound = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x88cc))
    ns.sockets += [raw, raw6, packet, bound]
    bound.bind(("lo", 0x88cc))
    status = ns.status()
    assert status["ports"] == []
    found = {(one["kind"], one["number"], one["interface"]) for one in status["portless"]}
    assert found == {("raw", 47, None), ("raw", 58, None), ("packet", 3, None),
                     ("packet", 0x88cc, "lo")}
    for one in status["portless"]:
        assert [h["program"].split("/")[-1].startswith("python3") for h in one["holders"]] == [True]
        assert one["netns"]["own"] is True
    text = ns.portero().text
    assert "2 packet, 2 raw, 0 vsock" in text


def test_port_in_every_digit_count(ns):
    ports = [1, 22, 443, 8080, 65535]
    for port in ports:
        ns.tcp("127.0.0.1", port)
    assert [p["port"] for p in ns.status()["ports"]] == ports
    assert "65,530 tcp" in ns.portero().text


def test_nothing_listens(ns):
    result = ns.portero()
    assert "No port has a listener." in result.text
    assert "65,535 tcp and 65,535 udp" in result.text
    assert ns.status()["ports"] == []


def test_backlog(ns):
    s = ns.tcp("127.0.0.1", 8116, backlog=1)
    clients = []
    with ns:
        for _ in range(2):
            c = socket.socket()
            c.settimeout(2)
            c.connect(("127.0.0.1", 8116))
            clients.append(c)
    try:
        port = find(ns.status(), 8116)
        assert port["listeners"][0]["backlog"] == {"used": 2, "limit": 1}
        assert "backlog-full" in note_ids(port)
    finally:
        for c in clients:
            c.close()
    assert port_of(s) == 8116


def test_drops(ns):
    s = ns.udp("127.0.0.1", 8117)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with ns:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(200):
        sender.sendto(b"x" * 500, ("127.0.0.1", 8117))
    sender.close()
    port = find(ns.status(), 8117, "udp")
    assert port["listeners"][0]["drops"] > 0
    assert "drops" in note_ids(port)


def test_mark(ns):
    s = ns.tcp("127.0.0.1", 8118)
    s.setsockopt(socket.SOL_SOCKET, 36, struct.pack("I", 0xCAFE))
    assert find_listener(ns.status(), 8118)["mark"] == 0xCAFE
