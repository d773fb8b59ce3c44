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
from test_scan import OPEN, TARGET, TARGET6, VISITOR, Pair, begin_scan, of_state, packets_seen
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
