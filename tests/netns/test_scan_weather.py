# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: bad weather that is no loss. The way changes or ends while the scan is under way, a host
answers with SYN cookies, the cable takes short packets only, IPv6 is off: nothing that answers is
told to be closed or filtered, and what could not be asked is not told to be known.
"""
import json
import socket
import subprocess
import time

import pytest

from harness import SLOW, portero, wait_until
from scanning import OPEN, TARGET, TARGET6, VISITOR, Pair, begin_scan, of_state, packets_seen
from test_scan_udp import UdpPair

PORTS = "1-8000"
OPENED = [port for port in OPEN if port <= 8000]


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def run_ip(ns, *args):
    subprocess.run(["ip", "-n", ns.name, *args], check=True)


def add_second_cable(pair):
    pair.host.connect(pair.visitor, name="eth1", peer="eth1", mac="02:00:00:00:00:02")
    run_ip(pair.visitor, "addr", "add", "198.51.100.1/24", "dev", "eth1")
    run_ip(pair.host, "addr", "add", "198.51.100.2/24", "dev", "eth1")


def leave_by_second_cable(pair):
    run_ip(pair.host, "route", "replace", f"{VISITOR}/32", "dev", "eth1")
    run_ip(pair.visitor, "route", "replace", f"{TARGET}/32", "dev", "eth1")


def finish(p, out):
    p.wait(300 * SLOW)
    out.seek(0)
    text = out.read()
    try:
        answer = json.loads(text)
    except ValueError:
        raise AssertionError(text[-300:])
    out.close()
    (host,) = answer["hosts"]
    return p.returncode, answer, host, {port: i["state"] for i in host["intervals"]
                                        for port in range(i["first"], i["last"] + 1)}


def begin(pair, *args):
    before = packets_seen(pair.host)
    p, out = begin_scan(pair, "--rate", "2000", "-p", PORTS, *args)
    wait_until(lambda: packets_seen(pair.host) > before + 500, 60 * SLOW, "the scan is under way")
    return p, out


@pytest.mark.parametrize("by", ["-sS", "-sT"])
@pytest.mark.parametrize("how", ["the link goes down", "packets vanish", "the link is removed"])
def test_the_way_changes(pair, how, by):
    """Routing follows; so must the scan, or say that it did not."""
    pair.listen(OPENED)
    add_second_cable(pair)
    p, out = begin(pair, by)
    if how == "packets vanish":
        pair.host.nft("table inet gone { chain in { type filter hook prerouting priority -300;"
                      "iifname eth0 drop\n}\n}\n")
    elif how == "the link is removed":
        run_ip(pair.visitor, "link", "del", "eth0")
        run_ip(pair.visitor, "addr", "add", f"{VISITOR}/32", "dev", "eth1")
        run_ip(pair.host, "addr", "add", f"{TARGET}/32", "dev", "eth1")
    else:
        run_ip(pair.visitor, "link", "set", "eth0", "down")
    leave_by_second_cable(pair)
    code, answer, host, states = finish(p, out)
    print(code, answer["complete"], host["trouble"], host["others"], len(host["ports"]), answer["seconds"])
    missed = [port for port in OPENED if states.get(port) in ("closed", "filtered", "rejected")]
    assert not missed
    assert code == 0 and of_state(states, "open") == OPENED


@pytest.mark.parametrize("by", ["-sS", "-sT", "-sU"])
def test_the_way_ends(pair, by):
    """What is not reached any more is unknown, not filtered."""
    pair.listen(OPENED)
    p, out = begin(pair, by)
    run_ip(pair.visitor, "link", "set", "eth0", "down")
    code, answer, host, states = finish(p, out)
    print(code, answer["complete"], host["trouble"], host["others"], answer["seconds"])
    assert code == 2 and not answer["complete"] and host["trouble"] == "way-lost"
    assert host["others"]["unknown"]
    if by != "-sU":
        assert all(states[port] in ("open", "unknown") for port in OPENED)
    assert not any(of_state(states, word) for word in ("filtered", "rejected", "open|filtered"))


def test_a_way_that_ends_after_tcp_ends_for_udp(pair):
    """Nobody was asked for what UDP is, once the way was gone."""
    other = "192.0.2.3"
    run_ip(pair.host, "addr", "add", f"{other}/24", "dev", "eth0")
    pair.scope.write_text(f"{TARGET} x\n{other} x\n")
    pair.host.nft(f"table inet slow {{\nchain in {{\ntype filter hook input priority 0;\n"
                  f"ip daddr {TARGET} tcp dport 1-3000 drop\n}}\n}}\n")
    p, out = begin_scan(pair, "-sS", "-sU", "--rate", "1000", "-p", "T:1-3000,U:2001-2004", other)
    time.sleep(1)
    run_ip(pair.visitor, "route", "add", "unreachable", f"{other}/32")
    p.wait(300 * SLOW)
    out.seek(0)
    hosts = {host["address"]: host for host in json.loads(out.read())["hosts"]}
    out.close()
    assert hosts[other]["trouble"] == "way-lost"
    udp = [i for i in hosts[other]["intervals"] if i["proto"] == "udp"]
    assert all(i["state"] == "unknown" for i in udp)


@pytest.mark.parametrize("by", ["-sS", "-sT"])
def test_the_cable_is_cut_at_the_other_end(pair, by):
    pair.listen(OPENED)
    p, out = begin(pair, by)
    run_ip(pair.host, "link", "set", "eth0", "down")
    code, answer, host, states = finish(p, out)
    assert code == 2 and host["trouble"] == "way-lost" and answer["seconds"] < 20 * SLOW
    assert not of_state(states, "filtered")


@pytest.mark.parametrize("by", ["-sS", "-sT"])
def test_who_falls_silent_is_left_alone(pair, by):
    """No flood at a host that answered and does not any more."""
    pair.listen(OPENED)
    p, out = begin(pair, by)
    pair.host.nft("table inet gone {\nchain in {\ntype filter hook prerouting priority -300;\n"
                  "tcp flags & (syn | rst) != 0 drop\n}\n}\n")
    code, answer, host, states = finish(p, out)
    assert code == 2 and host["trouble"] == "lossy" and answer["sent"] < 60000
    assert not of_state(states, "filtered")


def test_routing_that_refuses_one_port(pair):
    """ip-rule(8): connect() sends nothing there, so it is not known."""
    pair.listen(OPENED)
    port = OPENED[0]
    with pair.visitor:
        subprocess.run(["ip", "rule", "add", "ipproto", "tcp", "dport", str(port), "unreachable"],
                       check=True)
    done = pair.scan("-sT", "-p", f"{port - 1}-{port + 1}", code=(2,)).json
    (host,) = done["hosts"]
    states = {q: i for i in host["intervals"] for q in range(i["first"], i["last"] + 1)}
    assert states[port]["state"] == "unknown" and states[port]["reason"] == "kept-back"
    assert states[port + 1]["state"] == "closed" and host["trouble"] == "kept-back"


@pytest.mark.parametrize("verdict", ["reject", "reject with icmpx type admin-prohibited"])
def test_own_rules_refuse_a_connection(pair, verdict):
    """The error is this machine's own, not the host's."""
    pair.listen(OPENED)
    port = OPENED[0]
    pair.visitor.nft("table inet own {\nchain out {\ntype filter hook output priority 0;\n"
                     f"tcp dport {port} {verdict}\n}}\n}}\n")
    (host,) = pair.scan("-sT", "-p", f"{port - 1}-{port}", code=(2,)).json["hosts"]
    states = {q: i for i in host["intervals"] for q in range(i["first"], i["last"] + 1)}
    assert states[port]["reason"] == "kept-back" and states[port - 1]["state"] == "closed"
    assert host["maybe_rejected"] == 0


def test_own_reset_is_no_answer(pair):
    """Of what this machine refuses to send to itself, the RST is forged by its own rule."""
    pair.listen(OPENED)
    pair.host.nft("table inet own {\nchain out {\ntype filter hook output priority 0;\n"
                  f"tcp dport {OPENED[0]} reject with tcp reset\n}}\n}}\n")
    done = portero("scan", "--json", "-sS", "-p", str(OPENED[0]), TARGET, ns=pair.host,
                   code=(2,)).json
    assert done["hosts"][0]["intervals"][0]["reason"] == "kept-back"


def test_by_connections_nobody_there_is_told(pair):
    pair.scope.write_text("192.0.2.0/24 x\n")
    (host,) = pair.scan("-sT", "-p", "22,80", target="192.0.2.99").json["hosts"]
    assert host["trouble"] == "no-neighbour" and host["others"]["unknown"] == 2
    done = portero("scan", "-sT", "-oG", "-", "-p", "22", "--scope-file", pair.scope, "192.0.2.99",
                   ns=pair.visitor)
    assert "Status: Down" in done.text


def test_it_goes_on_when_the_way_is_back(pair, tmp_path):
    pair.listen(OPENED)
    saved = tmp_path / "saved"
    p, out = begin(pair, "--save", str(saved))
    run_ip(pair.visitor, "link", "set", "eth0", "down")
    assert finish(p, out)[2]["trouble"] == "way-lost"
    run_ip(pair.visitor, "link", "set", "eth0", "up")
    answer = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved,
                     ns=pair.visitor, code=(0,)).json
    (host,) = answer["hosts"]
    assert [port["port"] for port in host["ports"]] == OPENED
    assert host["others"]["closed"] == 8000 - len(OPENED)


def test_syn_cookies(pair):
    """Every SYN-ACK is a cookie: no option, no half-open entry."""
    with pair.host:
        subprocess.run(["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"], check=True)
    pair.listen(OPENED)
    states = pair.states("-p", PORTS)
    assert of_state(states, "open") == OPENED
    assert len(of_state(states, "closed")) == len(states) - len(OPENED)


@pytest.mark.parametrize("target", [TARGET, TARGET6])
def test_short_packets_only(make_ns, tmp_path, target):
    """QUIC's first datagram is 1,200 bytes, which do not fit (IPv6: 1,280 at least)."""
    pair = UdpPair(make_ns, tmp_path)
    try:
        mtu = "1280" if ":" in target else "576"
        for ns in (pair.host, pair.visitor):
            run_ip(ns, "link", "set", "eth0", "mtu", mtu)
        pair.listen(OPENED)
        pair.serve(ports=[53, 443, 784], mute=[])
        assert of_state(pair.states("-p", PORTS, target=target), "open") == OPENED
        states = pair.udp_states("-p", "53,443,784,785", target=target)
        assert states == {53: "open", 443: "open", 784: "open", 785: "closed"}
    finally:
        pair.end()


def test_ipv6_is_off(pair):
    with pair.visitor:
        subprocess.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=True)
    pair.listen([80])
    done = portero("scan", "--scope-file", pair.scope, "-p", "80", TARGET6, ns=pair.visitor,
                   code=(2,))
    assert "there is no way to this address" in done.text
    assert of_state(pair.states("-p", "80"), "open") == [80]
