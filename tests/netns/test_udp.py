# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP: who asked for the port, and who only got one."""
import socket

from harness import find, find_listener, note_ids, port_of


def udp_ports(status):
    return {p["port"] for p in status["ports"] if p["proto"] == "udp"}


def autobound(ns, family=socket.AF_INET):
    """A socket that the kernel gave a port when it first sent something."""
    with ns:
        s = socket.socket(family, socket.SOCK_DGRAM)
    ns.sockets.append(s)
    s.sendto(b"x", ("127.0.0.1" if family == socket.AF_INET else "::1", 9))
    return s


def test_explicit_and_chosen_ports(ns, bpf):
    ns.udp("0.0.0.0", 8201)
    chosen = [ns.udp("0.0.0.0", 0), ns.udp("::", 0), autobound(ns), autobound(ns, socket.AF_INET6)]
    assert udp_ports(ns.status()) == {8201}
    assert "4 UDP clients are not shown (--clients shows them)." in ns.portero().text

    status = ns.status("--clients")
    assert udp_ports(status) == {8201} | {port_of(s) for s in chosen}
    for s in chosen:
        assert "maybe-client" in note_ids(find(status, port_of(s), "udp"))
    assert "maybe-client" not in note_ids(find(status, 8201, "udp"))
    assert "UDP client" not in ns.portero("--clients").text


def test_one_client_is_singular(ns, bpf):
    autobound(ns)
    assert "1 UDP client is not shown (--clients shows it)." in ns.portero().text


def test_without_bpf_it_says_that_it_cannot_tell(ns):
    ns.udp("0.0.0.0", 8202)
    client = autobound(ns)
    result = ns.portero("--json", "--no-bpf", code=2)
    assert udp_ports(result.json) == {8202, port_of(client)}
    assert result.json["views"]["owners"] == "proc"
    assert any("UDP" in gap["what"] for gap in result.json["missing"])
    assert "maybe-client" in note_ids(find(result.json, port_of(client), "udp"))


def test_connected_socket_is_no_listener(ns):
    s = ns.udp("127.0.0.1", 8203)
    s.connect(("127.0.0.1", 9))
    with ns:
        c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ns.sockets.append(c)
    c.connect(("127.0.0.1", 9))
    assert ns.status("--clients")["ports"] == []
    assert ns.status("--clients", "--no-bpf")["ports"] == []


def test_disconnected_again_is_a_listener(ns, bpf):
    s = ns.udp("127.0.0.1", 8204)
    s.connect(("127.0.0.1", 9))
    with ns:
        # AF_UNSPEC dissolves the association; Python has no call for it
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.connect(s.fileno(), bytes(16), 16) == 0
    assert find_listener(ns.status(), 8204, "udp")["address"] == "127.0.0.1"


def test_same_number_tcp_and_udp(ns):
    ns.tcp("0.0.0.0", 8205)
    ns.udp("127.0.0.1", 8205)
    status = ns.status()
    assert find_listener(status, 8205, "tcp")["bound"] == "everywhere"
    assert find_listener(status, 8205, "udp")["bound"] == "this-machine"
