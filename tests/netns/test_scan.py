# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: what a host looks like from outside. nmap is the referee; rules of nft lose packets, drop and
refuse them; and whatever happens, nothing is made up and nothing is left behind.
"""
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import AS_NOBODY, SLOW, check_json, janitor, portero, wait_until
from scanning import (DROPPING, MINUTES, OPEN, TARGET, TARGET6, VISITOR, VISITOR6, Pair, nmap, of_state,
                      start_scan, state_of)


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


# --- truth --------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", [TARGET, TARGET6])
def test_every_port_is_as_nmap_says(pair, target):
    pair.listen()
    seen, rest = nmap(pair, *(["-6"] if ":" in target else []), "-p-", target=target)
    states = pair.states(target=target)
    assert len(states) == 65535
    assert of_state(states, "open") == OPEN
    assert all(state == seen.get(port, rest) for port, state in states.items())


def test_a_host_that_drops(pair):
    pair.listen()
    pair.host.nft(DROPPING % ", ".join(map(str, OPEN[:3])))
    states = pair.states()
    assert of_state(states, "open") == OPEN[:3]
    assert len(of_state(states, "filtered")) == 65532


@pytest.mark.parametrize("how", ["-sS", "-sT"])
def test_a_host_that_refuses(pair, how):
    """By RST it is closed, as nobody can tell them apart; by ICMP it is rejected, or filtered when
    the kernel sends no more of those."""
    pair.listen([80])
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "tcp dport 81 reject\n"
                  "tcp dport 82 reject with icmpx type admin-prohibited\n"
                  "tcp dport 83 reject with tcp reset\ntcp dport 84 drop\n}\n}\n")
    (host,) = pair.scan(how, "-p", "80-85").json["hosts"]
    assert {(i["first"], i["last"]): (i["state"], i["reason"]) for i in host["intervals"]} == {
        (80, 80): ("open", "syn-ack"), (81, 81): ("rejected", "port-unreachable"),
        (82, 82): ("rejected", "admin-prohibited"), (83, 83): ("closed", "reset"),
        (84, 84): ("filtered", "no-response"), (85, 85): ("closed", "reset")}


def test_refusals_by_icmp_are_no_measure_of_loss(pair):
    """Of those a host sends few: that it sends no more of them is not the way's loss."""
    pair.listen([80])
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "tcp dport 81 reject\ntcp dport 84 drop\n}\n}\n")
    answer = pair.scan("-sT", "-p", "80,81,84").json
    (host,) = answer["hosts"]
    assert [i["state"] for i in host["intervals"]] == ["open", "rejected", "filtered"]
    assert host["trouble"] is None and answer["sent"] < 100


REJECTING = ("table inet t { chain i { type filter hook input priority 0;\n"
             "tcp dport 1001-1060 %s\n}\n}\n")


@pytest.mark.parametrize("how", ["-sS", "-sT"])
def test_what_is_silent_beside_refusals_by_icmp_may_be_refused(pair, tmp_path, how):
    """Of 60 rejected ports the kernel tells of few: nobody can say what the others are, and that is said."""
    pair.listen([80])
    pair.host.nft(REJECTING % "reject")
    args = (how, "-p", "80,1001-1060")
    (host,) = pair.scan(*args, code=(0,)).json["hosts"]
    rest = host["others"]
    assert rest["rejected"] > 0 and rest["filtered"] > 25 and rest["rejected"] + rest["filtered"] == 60
    assert host["maybe_rejected"] == rest["filtered"]
    time.sleep(7)  # until the kernel tells of six again
    text = portero("scan", *args, "--scope-file", pair.scope, "-oN", tmp_path / "normal", TARGET,
                   ns=pair.visitor, timeout=MINUTES).text
    count = re.search(r"(\d+) filtered", text)[1]
    assert f"the {count} filtered TCP ports may be refused as well." in text
    assert f"the {count} tcp ports without a response may be refused as well." in \
        (tmp_path / "normal").read_text()


@pytest.mark.parametrize("rule", ["drop", "reject with tcp reset"])
def test_without_refusals_by_icmp_nothing_may_be_refused(pair, tmp_path, rule):
    pair.listen([80])
    pair.host.nft(REJECTING % rule)
    (host,) = pair.scan("-p", "80,1001-1060", code=(0,)).json["hosts"]
    assert host["maybe_rejected"] == 0
    text = portero("scan", "-p", "80,1001-1060", "--scope-file", pair.scope, "-oN", tmp_path / "normal",
                   TARGET, ns=pair.visitor).text
    assert "may be refused" not in text + (tmp_path / "normal").read_text()


def test_a_host_that_tells_of_all_its_refusals(pair):
    """Without a limit on ICMP nothing stays silent."""
    pair.host.sysctl(ipv4__icmp_ratelimit=0)
    pair.host.nft(REJECTING % "reject")
    (host,) = pair.scan("-p", "1001-1020", code=(0,)).json["hosts"]
    assert host["others"]["rejected"] == 20 and host["maybe_rejected"] == 0


def test_many_hosts_at_once(pair):
    with pair.host:
        for i in range(100, 140):
            subprocess.run(["ip", "addr", "add", f"192.0.2.{i}/24", "dev", "eth0"], check=True)
    for i in range(100, 140):
        pair.host.tcp(f"192.0.2.{i}", 1000 + i)
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    answer = pair.scan("-p", "1000-1300", "--exclude", "192.0.2.139", target="192.0.2.96/27").json
    assert [h["address"] for h in answer["hosts"]] == [f"192.0.2.{i}" for i in range(96, 128)]
    for host in answer["hosts"]:
        last = int(host["address"].rpartition(".")[2])
        if last < 100:
            assert host["trouble"] == "no-neighbour" and host["others"]["unknown"] == 301
        else:
            assert [p["port"] for p in host["ports"]] == [1000 + last]
            assert host["others"]["closed"] == 300


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", VISITOR, VISITOR6])
def test_this_machine_needs_no_scope(pair, address):
    pair.visitor.tcp(address, 4444)
    states = portero("scan", "--json", "-p", "4000-5000", address, ns=pair.visitor).json
    assert states["hosts"][0]["own"] is True
    assert [p["port"] for p in states["hosts"][0]["ports"]] == [4444]
    assert states["hosts"][0]["others"]["closed"] == 1000


def test_a_tun_has_no_ethernet(make_ns, tmp_path):
    """What comes out of a tun is what is asked: IP packets, whose answers this test makes."""
    ns = make_ns()
    with ns:
        import fcntl
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH14x", b"tun0", 0x1001))  # TUN, no header
        subprocess.run(["ip", "addr", "add", "10.7.0.1/24", "dev", "tun0"], check=True)
        subprocess.run(["ip", "link", "set", "tun0", "up"], check=True)
    over = threading.Event()

    def answer():
        while not over.is_set():
            try:
                packet = os.read(fd, 2048)
            except OSError:  # the interface was taken down
                return
            if not packet or packet[0] != 0x45 or packet[9] != 6:
                continue
            source, port, seq = packet[20:22], packet[22:24], struct.unpack("!I", packet[24:28])[0]
            flags = 0x12 if port == struct.pack("!H", 80) else 0x14
            tcp = port + source + struct.pack("!IIBBHHH", 1, (seq + 1) & 0xFFFFFFFF, 0x50, flags,
                                              0, 0, 0)
            os.write(fd, packet[:2] + struct.pack("!H", 40) + packet[4:10] + packet[10:12] +
                     packet[16:20] + packet[12:16] + tcp)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    (tmp_path / "scope").write_text("10.7.0.0/24 the test itself\n")
    try:
        (host,) = portero("scan", "--json", "--scope-file", tmp_path / "scope", "-p", "1-200",
                          "10.7.0.9", ns=ns, timeout=MINUTES).json["hosts"]
    finally:
        over.set()
        with ns:  # one packet more ends the thread's read
            subprocess.run(["ip", "link", "set", "tun0", "down"], check=True)
        os.close(fd)
    assert [p["port"] for p in host["ports"]] == [80]
    assert host["others"]["closed"] == 199


def test_by_connections_without_root(pair, tool_dir):
    readable = tool_dir / "scope"  # by nobody, too
    readable.write_text(pair.scope.read_text())
    pair.scope = readable
    pair.listen()
    wanted = ",".join(map(str, OPEN[:8])) + ",1-300"
    done = pair.scan("-p", wanted, prefix=AS_NOBODY)
    assert done.json["method"] == "connect" and "without root" in done.errors
    assert [p["port"] for p in done.json["hosts"][0]["ports"]] == sorted(
        {*OPEN[:8], *(p for p in OPEN if p <= 300)})
    pair.host.nft(DROPPING % OPEN[0])
    states = pair.states("-sT", "-p", f"{OPEN[0]},1-100")
    assert of_state(states, "open") == [OPEN[0]]
    assert set(states.values()) == {"open", "filtered"}
    refused = pair.scan("-sS", prefix=AS_NOBODY, code=(2,))
    assert "packets cannot be sent" in refused.errors


# --- bad weather --------------------------------------------------------------------------------

def test_forged_answers_open_nothing(pair):
    """Whoever does not see the SYNs cannot know what to acknowledge."""
    pair.host.nft(DROPPING % 80)
    pair.listen([80])
    over = threading.Event()

    def forge():
        with pair.host:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        chance = random.Random(3)
        while not over.is_set():
            flags = chance.choice((0x12, 0x14, 0x04))
            tcp = struct.pack("!HHIIBBHHH", chance.randrange(1, 3000),
                              chance.randrange(61000, 65536), chance.getrandbits(32),
                              chance.getrandbits(32), 0x50, flags, 0, 0, 0)
            raw.sendto(tcp, (VISITOR, 0))
        raw.close()

    thread = threading.Thread(target=forge)
    thread.start()
    try:
        states = pair.states("-p", "1-3000")
    finally:
        over.set()
        thread.join()
    assert of_state(states, "open") == [80]
    assert set(states.values()) == {"open", "filtered"}


def test_who_opens_every_port_is_told(pair):
    pair.host.nft("table inet t { chain p { type nat hook prerouting priority -100;\n"
                  "tcp dport 1-65535 redirect to :80\n}\n}\n")
    pair.listen([80])
    done = portero("scan", "--scope-file", pair.scope, "-p1-1000", TARGET, ns=pair.visitor,
                   timeout=MINUTES)
    assert "a middlebox or a tarpit" in done.text and done.code == 0


def test_nobody_there(pair):
    pair.scope.write_text("192.0.2.0/24 x\n203.0.113.0/24 y\n")
    answer = pair.scan("192.0.2.99", "192.0.2.255", target="203.0.113.5").json
    assert [h["trouble"] for h in answer["hosts"]] == ["no-neighbour", "no-host", "no-route"]
    assert answer["sent"] == 0


def test_a_host_may_take_no_longer_than_its_time(pair):
    pair.host.nft("table inet t {\nchain i {\n"
                  "type filter hook input priority 0; policy drop;\n}\n}\n")
    began = time.monotonic()
    done = pair.scan("--host-timeout", "1s", "--rate", "100", code=(2,))
    assert time.monotonic() - began < 60 * SLOW
    (host,) = done.json["hosts"]
    assert host["trouble"] == "timed-out" and host["others"]["unknown"] == 65535


# --- the end ------------------------------------------------------------------------------------

def test_ctrl_c_shows_what_is_known(pair):
    pair.listen()
    p, out = start_scan(pair)
    p.send_signal(signal.SIGINT)
    assert p.wait(60 * SLOW) == 2
    out.seek(0)
    (host,) = check_json(out.read())["hosts"]
    out.close()
    assert host["trouble"] == "interrupted"
    assert host["others"]["closed"] > 0 and host["others"]["unknown"] > 0
    assert host["others"]["filtered"] == 0


@pytest.mark.parametrize("how", ["-sS", "-sT"])
def test_nothing_is_left_after_kill_9(pair, how):
    pair.listen()
    nothing = [state_of(ns) for ns in (pair.host, pair.visitor)]
    p, out = start_scan(pair, how, "-p", ",".join(map(str, OPEN)) + ",1-5000")
    janitor.end(p, signal.SIGKILL)
    out.close()
    wait_until(lambda: [state_of(ns) for ns in (pair.host, pair.visitor)] == nothing, 20 * SLOW,
               "what the scan left is gone")


def test_the_table(pair):
    pair.listen([22, 80])
    done = portero("scan", "--scope-file", pair.scope, "-p", "20-25,80,100-200", TARGET,
                   ns=pair.visitor)
    lines = done.text.splitlines()
    assert lines[0] == TARGET
    assert lines[1].split() == ["PORT", "STATE", "SERVICE", "REASON"]
    assert lines[2].split() == ["22/tcp", "open", "ssh", "syn-ack"]
    assert lines[3].split() == ["80/tcp", "open", "http", "syn-ack"]
    assert lines[4] == "Not listed: 106 closed."
    assert re.match(r"Hosts: 1\. Open ports: 2\. [0-9,]+ packets in [0-9.]+ s\.", lines[-1])
    quiet = portero("scan", "-q", "--scope-file", pair.scope, "-p", "22,100-200", TARGET,
                    ns=pair.visitor)
    assert quiet.text.split() == [TARGET, "22/tcp", "open", "ssh", "syn-ack"]
