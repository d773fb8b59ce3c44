# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan -sU: UDP ports of a host that tells of its closed ones by ICMP, as rarely as Linux does. nmap is
the referee where it has the time. What a liar sends is not believed.
"""
import contextlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import (AS_NOBODY, PORTERO, SLOW, base_environment, check_json, die_with_parent, janitor,
                     need_program, portero, wait_until)
from scanning import (TARGET, TARGET6, VISITOR, VISITOR6, Pair, begin_scan, losing, of_state,
                       state_of)

ANSWERING = [53, 123, 161, 5060, 40000]
MUTE = [514, 51820]


class UdpPair(Pair):
    """Servers that answer anything, or nothing; one as TFTP does, from another port."""

    def __init__(self, make_ns, tmp_path):
        super().__init__(make_ns, tmp_path)
        self.sockets, self.over = {}, False
        self.heard = []
        self.thread = None

    def serve(self, ports=ANSWERING, mute=MUTE, answer=None, address="::"):
        kw = {"v6only": False} if ":" in address else {}
        for port in (*ports, *mute):
            self.sockets[self.host.udp(address, port, **kw)] = port
        self.mute, self.answer = set(mute), answer or (lambda s, to: s.sendto(b"yes?", to))
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    def loop(self):
        while not self.over:
            for s in select.select(list(self.sockets), [], [], 0.1)[0]:
                data, sender = s.recvfrom(2000)
                self.heard.append((self.sockets[s], sender, data))
                if self.sockets[s] in self.mute:
                    continue
                try:
                    self.answer(s, sender)
                except PermissionError:  # the weather: a rule dropped it
                    pass

    def end(self):
        self.over = True
        if self.thread:
            self.thread.join()

    def udp_states(self, *args, code=(0,), **kw):
        (host,) = self.scan("-sU", *args, code=code, **kw).json["hosts"]
        assert all(i["proto"] == "udp" for i in host["intervals"])
        return {port: i["state"] for i in host["intervals"]
                for port in range(i["first"], i["last"] + 1)}


@pytest.fixture
def pair(make_ns, tmp_path):
    made = UdpPair(make_ns, tmp_path)
    yield made
    made.end()


# --- truth --------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", [TARGET, TARGET6])
def test_open_closed_and_mute(pair, target):
    """More closed ports than the host tells of at once: all are known to be closed."""
    pair.serve()
    states = pair.udp_states("-p", "1-9,53,123,161,514,5060,40000-40001,51820", target=target)
    assert of_state(states, "open") == ANSWERING
    assert of_state(states, "open|filtered") == MUTE
    assert of_state(states, "closed") == [*range(1, 10), 40001]


def test_the_limit_is_waited_for_and_told(pair):
    """One in a second after the first six; and then no wait."""
    pair.serve([53], [])
    begun = time.monotonic()
    done = pair.scan("-sU", "-p", "53,1001-1020", code=(0,))
    took = time.monotonic() - begun
    (host,) = done.json["hosts"]
    assert host["others"]["closed"] == 20 and [p["port"] for p in host["ports"]] == [53]
    assert 0.8 < host["udp_refusals_per_s"] < 1.2
    assert 13 < took < 19 + 5 * SLOW
    assert done.json["sent"] < 200


def test_the_time_to_go_is_told_when_it_is_known(pair):
    """On a terminal; and from then on it becomes less."""
    terminal, theirs = os.openpty()
    with pair.visitor:
        p = janitor.add(subprocess.Popen(
            [PORTERO, "scan", "-sU", "-p", "1-15", "--scope-file", pair.scope, TARGET],
            stdout=subprocess.DEVNULL, stderr=theirs, env={**base_environment(), "TERM": "xterm"},
            preexec_fn=die_with_parent))
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # its end was closed
        while piece := os.read(terminal, 4096):
            said += piece
    os.close(terminal)
    assert p.wait(60 * SLOW) == 0
    told = [re.search(r"about (\d+) s to go", line) for line in said.decode().split("hosts done")[1:]]
    left = [int(match[1]) for match in told if match]
    assert told[0] is None and len(left) >= 4 and left[0] < 12
    assert left == sorted(left, reverse=True)


def test_without_a_limit_it_is_done_at_once(pair):
    pair.host.sysctl(ipv4__icmp_ratelimit=0)
    pair.serve()
    begun = time.monotonic()
    states = pair.udp_states("-p", "1-200,514")
    assert of_state(states, "open") == [53, 123, 161]
    assert of_state(states, "open|filtered") == [514]
    assert len(of_state(states, "closed")) == 197
    assert time.monotonic() - begun < 60 * SLOW  # with the limit: 190 s


def test_as_nmap_says(pair):
    """Of few ports, for whose refusals it waits."""
    need_program("nmap")
    pair.serve()
    ports = "1-4,53,514,5060,40000"
    with pair.visitor:
        text = subprocess.run(["nmap", "-n", "-Pn", "-sU", "-p", ports, "-oG", "-", TARGET],
                              capture_output=True, text=True, check=True,
                              timeout=300 * SLOW).stdout
    seen = {int(n): state for n, state in re.findall(r"(\d+)/(open\|filtered|open|closed)/udp",
                                                     text)}
    time.sleep(7)  # until the host tells of six again
    assert pair.udp_states("-p", ports) == {**seen, 40000: "open"}  # which nmap asks nothing


def test_who_drops_may_be_open(pair):
    """Nothing is refused at all: silence is all that there is, but for what answers."""
    pair.serve()
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "udp dport != { 53, 514 } drop\n}\n}\n")
    states = pair.udp_states("-p", "50-60,514,1000-1500")
    assert of_state(states, "open") == [53]
    assert len(of_state(states, "open|filtered")) == 10 + 1 + 501


def test_who_may_not_ask(pair):
    """What this machine's own rules keep back was never asked: its silence says nothing."""
    pair.serve()
    pair.visitor.nft("table inet t { chain o { type filter hook output priority 0;\n"
                     "udp dport { 53, 161, 1001 } drop\n}\n}\n")
    xml, normal, greppable = (pair.scope.parent / name for name in ("x", "n", "g"))
    done = pair.scan("-sU", "-p", "53,123,161,514,1001", "-oX", xml, "-oN", normal, "-oG", greppable,
                     code=(2,))
    (host,) = done.json["hosts"]
    assert host["trouble"] == "kept-back"
    assert [(i["first"], i["state"], i["reason"]) for i in host["intervals"]] == [
        (53, "unknown", "kept-back"), (123, "open", "udp-response"), (161, "unknown", "kept-back"),
        (514, "open|filtered", "no-response"), (1001, "unknown", "kept-back")]
    assert '<extrareasons reason="kept-back" count="3" proto="udp" ports="53,161,1001"/>' in \
        xml.read_text()
    assert "this machine&#39;s own rules keep back" in xml.read_text().replace("'", "&#39;").replace(
        "&apos;", "&#39;")
    assert "3 unknown udp ports (kept-back)" in normal.read_text()
    assert "Ignored State: unknown (3)" in greppable.read_text()
    table = portero("scan", "-sU", "--scope-file", pair.scope, "-p", "53,123,1001", TARGET,
                    ns=pair.visitor, code=(2,)).text
    assert "Kept back, and so never asked: udp 53,1001." in table


def test_a_limit_of_this_machine(pair):
    """A rule that keeps back only what is too much: asked again, more slowly, all is told."""
    pair.serve()
    pair.host.sysctl(ipv4__icmp_ratelimit=0)
    pair.visitor.nft("table inet t { chain o { type filter hook output priority 0;\n"
                     "udp dport 1-65535 limit rate over 20/second burst 5 packets drop\n}\n}\n")
    states = pair.udp_states("-p", "53,123,514,1001-1020")
    assert of_state(states, "open") == [53, 123] and of_state(states, "open|filtered") == [514]
    assert of_state(states, "closed") == list(range(1001, 1021))


def test_who_refuses_to_send(pair):
    """A rule that tells the sender of it: still nothing of the host."""
    pair.serve()
    pair.visitor.nft("table inet t { chain o { type filter hook output priority 0;\n"
                     "udp dport { 53, 1001 } reject with icmpx type admin-prohibited\n"
                     "udp dport 1002 reject\n}\n}\n")
    states = pair.udp_states("-p", "53,123,1001-1003", code=(2,))
    assert of_state(states, "unknown") == [53, 1001, 1002]
    assert states[123] == "open" and states[1003] == "closed"


@pytest.mark.parametrize("way", ["-sS", "-sU"])
def test_who_may_not_ask_itself(pair, way):
    pair.serve()
    pair.listen([53])
    pair.host.nft("table inet t { chain o { type filter hook output priority 0;\n"
                  "th dport { 53, 1001 } drop\n}\n}\n")
    (host,) = portero("scan", way, "-p", "53,1001-1002", TARGET, "--json", ns=pair.host,
                      code=(2,)).json["hosts"]
    assert host["trouble"] == "kept-back"
    assert [(i["first"], i["state"]) for i in host["intervals"]] == [
        (53, "unknown"), (1001, "unknown"), (1002, "closed")]


def test_the_scans_own_ports_are_unknown(pair):
    """Two ports, which the scan itself asks from: whoever else is there cannot be told."""
    args = ("scan", "-sU", "-p", "1-65535", VISITOR)
    done = portero(*args, "--json", ns=pair.visitor, code=(2,)).json
    (host,) = done["hosts"]
    assert not done["complete"] and host["trouble"] is None
    assert host["others"] == {"closed": 65533, "rejected": 0, "filtered": 0, "open|filtered": 0, "unknown": 2}
    assert {i["reason"] for i in host["intervals"] if i["state"] == "unknown"} == {"own-socket"}
    for quiet in ((), ("-q",)):  # that something is not known is told anyway
        text = portero(*args, *quiet, ns=pair.visitor, code=(2,)).text
        assert re.search(r"Unknown, because this scan itself asked from there: udp \d+[,-]\d+\.", text)


def test_who_refuses_on_the_way(pair):
    pair.serve()
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "udp dport 81 reject with icmpx type admin-prohibited\n"
                  "udp dport 82 reject with icmpx type host-unreachable\n"
                  "udp dport 83 drop\n}\n}\n")
    (host,) = pair.scan("-sU", "-p", "53,80-83").json["hosts"]
    seen = {i["first"]: (i["state"], i["reason"]) for i in host["intervals"]}
    assert seen == {53: ("open", "udp-response"), 80: ("closed", "port-unreachable"),
                    81: ("rejected", "admin-prohibited"), 82: ("rejected", "host-unreachable"),
                    83: ("open|filtered", "no-response")}


def test_several_sources(pair):
    """A host tells each of them as much, and nothing else than it tells one."""
    sources = [f"192.0.2.{n}" for n in range(101, 117)]
    for address in sources:
        subprocess.run(["ip", "-n", pair.visitor.name, "addr", "add", f"{address}/24", "dev", "eth0"],
                       check=True)
    pair.serve()
    done = pair.scan("-sU", "-p", "1-60,123,161,514", "--sources", ",".join(sources), code=(0,))
    (host,) = done.json["hosts"]
    assert [p["port"] for p in host["ports"]] == [53, 123, 161]
    assert host["others"]["closed"] == 59 and host["others"]["open|filtered"] == 1
    assert done.json["seconds"] < 20 * SLOW  # one source: a minute
    heard = {sender[0].removeprefix("::ffff:") for _, sender, _ in pair.heard}
    assert heard <= set(sources) and len(heard) > 1
    for args, words in ((("-sU", "--sources", "192.0.2.2"), "not '192.0.2.2'"),
                        (("-sU", "--sources", f"{VISITOR},"), "not ''"),
                        (("-sU", "--sources", "127.0.0.1"), "'127.0.0.1'"),
                        (("-sU", "--sources", f"{VISITOR},{VISITOR6}"), "one family"),
                        (("--sources", VISITOR), "-sU")):
        assert words in pair.scan(*args, code=(2,)).errors


def test_tftp_answers_from_another_port(pair):
    def answer(s, to):
        with pair.host.udp("::", 0, v6only=False) as other:
            other.sendto(b"\0\5\0\1no\0", to)
    pair.serve([69, 70], [], answer)
    states = pair.udp_states("-p", "69,70")
    assert states == {69: "open", 70: "open|filtered"}


def test_bad_weather(pair):
    """A tenth of all packets is lost, either way."""
    pair.host.sysctl(ipv4__icmp_ratelimit=0)
    pair.serve()
    pair.host.nft(losing(10).replace("l4proto tcp", "l4proto { udp, icmp }"))
    states = pair.udp_states("-p", "1-200,514,5060,40000")
    assert of_state(states, "open") == [53, 123, 161, 5060, 40000]
    assert len(of_state(states, "closed")) >= 196


def test_both_protocols(pair):
    pair.serve([53], [])
    pair.listen([53, 80])
    done = pair.scan("-sU", "-sS", "-p", "53,T:80-81,U:161", code=(0,))
    (host,) = done.json["hosts"]
    assert [(p["port"], p["proto"], p["reason"]) for p in host["ports"]] == [
        (53, "tcp", "syn-ack"), (80, "tcp", "syn-ack"), (53, "udp", "udp-response")]
    assert [(i["first"], i["proto"]) for i in host["intervals"]] == [
        (53, "tcp"), (80, "tcp"), (81, "tcp"), (53, "udp"), (161, "udp")]
    for args, words in ((("-p", "U:53"), "-sU"), (("-sU", "-p", "T:53"), "-sS"),
                        (("-sU", "--max-retries", "11"), "0 to 10")):
        assert words in pair.scan(*args, code=(2,)).errors


def test_this_machine_itself(pair):
    """Where nothing is limited; and the usual ports."""
    pair.serve()
    done = portero("scan", "-sU", "127.0.0.1", "--json", ns=pair.host, code=(0,))
    (host,) = done.json["hosts"]
    assert {p["port"]: p["reason"] for p in host["ports"]} == {
        53: "udp-response", 123: "udp-response", 161: "udp-response", 514: "bound-here",
        5060: "udp-response", 51820: "bound-here"}
    assert host["others"]["closed"] > 70 and host["others"]["open|filtered"] == 0
    assert done.json["seconds"] < 5 * SLOW


# the last but two: the number that an ICMP error quotes
INSIDE = """
table inet t { chain i { type filter hook input priority 0;
	udp dport { 514, 81 } drop
	udp dport 51820 reject
	icmp type destination-unreachable @th,240,16 82 drop
	udp dport 515 limit rate 1/hour accept
	udp dport 515 drop
}
}
"""


@pytest.mark.parametrize("target", ["127.0.0.1", TARGET])
def test_this_machine_is_joined_with_the_inside(pair, target):
    """What silence cannot tell: who is bound, and what the rules drop. A refusal of the firewall
    is no closed port where somebody is bound, and what the inside is not sure of stays as it was."""
    pair.serve([53], [514, 515, 516, 51820])
    pair.host.nft(INSIDE)
    def seen(ports, code):
        done = portero("scan", "-sU", "-p", ports, target, "--json", ns=pair.host, code=(code,))
        return {n: (i["state"], i["reason"]) for i in done.json["hosts"][0]["intervals"]
                for n in range(i["first"], i["last"] + 1)}
    # a host that refuses 80 should have refused 82, if nobody was there all along
    assert seen("80,82", 2) == {80: ("closed", "port-unreachable"), 82: ("unknown", "changed")}
    assert seen("80", 0) == {80: ("closed", "port-unreachable")}
    assert seen("53,81-82,514-516,51820", 0) == {
        53: ("open", "udp-response"),
        81: ("filtered", "rules-drop"), 82: ("filtered", "nobody-bound"),
        514: ("filtered", "rules-drop"), 515: ("open|filtered", "no-response"),
        516: ("open", "bound-here"), 51820: ("rejected", "port-unreachable")}
    lines = portero("scan", "-sU", "-p", "53,516", target, "--json-lines", ns=pair.host, code=(0,))
    told = [line for line in map(json.loads, lines.text.splitlines()) if line["kind"] == "port"]
    assert [(t["port"]["port"], t["port"]["reason"]) for t in told] == [
        (53, "udp-response"), (516, "bound-here")]


def test_who_is_bound_to_an_interface_may_hear_it_or_not(pair):
    """Of what the machine sends to itself: the kernel compares the interface that has the address, not lo."""
    for port, device in ((2401, "eth0"), (2402, "lo"), (2403, "eth0"), (2404, "lo"), (2404, None)):
        pair.host.udp(port=port, device=device, reuseport=True)
    pair.host.nft("table inet t { chain i { type filter hook input priority 0; udp dport 2403 reject; }; }")
    done = portero("scan", "-sU", "-p", "2401-2405", TARGET, "--json", ns=pair.host, code=(0,))
    (host,) = done.json["hosts"]
    assert {n: (i["state"], i["reason"]) for i in host["intervals"] for n in range(i["first"], i["last"] + 1)} == {
        2401: ("open|filtered", "no-response"), 2402: ("closed", "port-unreachable"),
        2403: ("rejected", "port-unreachable"), 2404: ("open", "bound-here"), 2405: ("closed", "port-unreachable")}


def test_the_inside_is_looked_at_once_for_many_addresses(pair):
    """Each has its own answer: one that the rules tell apart, one that somebody is bound to; and both families."""
    pair.serve([], [516])
    pair.host.udp("127.0.0.5", 515)
    with pair.host:  # these two, no rule tells apart
        subprocess.run(["ip", "addr", "add", "192.0.2.77/24", "dev", "eth0"], check=True)
    pair.host.nft("""table inet t { chain i { type filter hook input priority 0;
	ip daddr 127.0.0.7 udp dport 515 drop
	ip daddr 127.0.0.9 udp dport 516 drop
	ip6 daddr ::1 udp dport 516 drop
    }; }""")
    done = portero("scan", "-sU", "-p", "515,516", "127.0.0.0/24", "::1", TARGET, "192.0.2.77",
                   "--json", ns=pair.host, code=(0,)).json
    seen = {(h["address"], n): i["reason"] for h in done["hosts"] for i in h["intervals"]
            for n in range(i["first"], i["last"] + 1)}
    odd = {("127.0.0.5", 515): "bound-here", ("127.0.0.7", 515): "rules-drop", ("127.0.0.9", 516): "rules-drop",
           ("::1", 516): "rules-drop"}
    assert len(done["hosts"]) == 259
    assert seen == {(h["address"], n): odd.get((h["address"], n), "port-unreachable" if n == 515 else "bound-here")
                    for h in done["hosts"] for n in (515, 516)}
    assert done["seconds"] < 8 * SLOW  # with a look for each: 30 s


def test_ctrl_c_ends_the_looks_inside(pair):
    with pair.host:
        p = subprocess.Popen([PORTERO, "scan", "-sU", "-p", "1-1000", "127.0.0.0/18", "--json"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    janitor.add(p)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, _ = p.communicate(timeout=60 * SLOW)
    janitor.end(p)
    assert time.monotonic() - begun < 4 * SLOW
    assert p.returncode == 2 and json.loads(out)["complete"] is False


def test_what_changes_while_it_is_asked(pair):
    """Somebody binds 82/udp after the first request: neither "nobody bound" nor "bound" was so all along."""
    pair.serve([], [516])
    pair.host.nft(INSIDE)
    late = []

    def bind():
        wait_until(lambda: pair.heard, what="the first request")
        late.append(pair.host.udp("0.0.0.0", 82))
    thread = threading.Thread(target=bind)
    thread.start()
    done = portero("scan", "-sU", "-p", "82,516", "127.0.0.1", ns=pair.host, code=(2,)).text
    thread.join()
    assert re.search("changed while they were asked: udp 82[.]", " ".join(done.split())), done
    assert re.search("^ *516/udp +open", done, re.M), done
    again = portero("scan", "-sU", "-p", "82", "127.0.0.1", "--json", ns=pair.host, code=(0,)).json
    assert again["hosts"][0]["intervals"][0]["reason"] == "bound-here"


def test_without_a_look_inside_silence_stays_silence(pair, tool_dir):
    readable = tool_dir / "scope"
    readable.write_text("")
    pair.serve([53], [514])
    done = portero("scan", "-sU", "-p", "53-54,514", "127.0.0.1", "--json", "--scope-file", readable,
                   ns=pair.host, prefix=AS_NOBODY, code=(0,))
    (host,) = done.json["hosts"]
    assert [i["state"] for i in host["intervals"]] == ["open", "closed", "open|filtered"]


def test_services_of_udp_ports(pair):
    """What answers is asked what it is."""
    pair.serve([123], [], lambda s, to: s.sendto(b"\x24\x02" + bytes(46), to))
    done = pair.scan("-sU", "-sV", "-p", "123", code=(0,))
    (port,) = done.json["hosts"][0]["ports"]
    assert port["service"]["name"] == "ntp"


NTP_ONLY = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 40500))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(4096)
    if len(data) == 48:
        s.sendto(b"\\x24\\x02" + bytes(46), peer)
"""


def test_silent_ports_are_asked_for_services(pair):
    """A server at a port that does not tell what to ask it; and one that has nothing to say stays what it is."""
    pair.host.python(NTP_ONLY)
    pair.serve([], [40501])
    assert pair.udp_states("-p", "40500-40501") == {40500: "open|filtered", 40501: "open|filtered"}
    done = pair.scan("-sU", "-sV", "-p", "40500-40501", code=(0,))
    (host,) = done.json["hosts"]
    (port,) = host["ports"]
    assert (port["port"], port["reason"], port["service"]["name"]) == (40500, "udp-response", "ntp")
    assert host["others"]["open|filtered"] == 1
    lines = portero("scan", "-sU", "-sV", "-p", "40500-40501", "--json-lines", "--scope-file", pair.scope,
                    "192.0.2.2", ns=pair.visitor, code=(0,)).text.splitlines()
    assert [line["kind"] for line in map(json.loads, lines)] == ["begin", "port", "service", "host", "end"]


def test_without_root(pair, tool_dir):
    readable = tool_dir / "scope"  # by nobody, too
    readable.write_text(pair.scope.read_text())
    pair.scope = readable
    pair.serve()
    states = pair.udp_states("-p", "50-54,161,514", prefix=AS_NOBODY)
    assert of_state(states, "open") == [53, 161]
    assert of_state(states, "open|filtered") == [514]
    assert of_state(states, "closed") == [50, 51, 52, 54]


def test_the_table(pair):
    pair.serve()
    done = portero("scan", "-sU", "--scope-file", pair.scope, "-p", "53-54,514", TARGET,
                   ns=pair.visitor)
    lines = [line.split() for line in done.text.splitlines()]
    assert lines[2] == ["53/udp", "open", "domain", "udp-response"]
    assert lines[3] == ["54/udp", "closed", "xns-ch", "port-unreachable"]
    assert lines[4] == ["514/udp", "open|filtered", "syslog", "no-response"]


# --- an early end -------------------------------------------------------------------------------

def test_the_hosts_time_is_kept(pair):
    """What it did not tell of in that time is not closed, and not silent either."""
    pair.serve()
    begun = time.monotonic()
    (host,) = pair.scan("-sU", "-p", "1-60", "--host-timeout", "3s", code=(2,)).json["hosts"]
    assert time.monotonic() - begun < 3 + 3 * SLOW
    assert host["trouble"] == "timed-out"
    assert [p["port"] for p in host["ports"]] == [53]
    assert 6 <= host["others"]["closed"] <= 12
    assert host["others"]["unknown"] == 59 - host["others"]["closed"]


def test_ctrl_c(pair):
    nothing = [state_of(ns) for ns in (pair.host, pair.visitor)]
    pair.serve()
    p, out = begin_scan(pair, "-sU", "-p", "1-60")
    time.sleep(2 * SLOW)
    p.send_signal(signal.SIGINT)
    assert p.wait(20 * SLOW) == 2
    out.seek(0)
    (host,) = check_json(out.read())["hosts"]
    out.close()
    assert host["trouble"] == "interrupted" and [p["port"] for p in host["ports"]] == [53]
    assert host["others"]["closed"] >= 6 and host["others"]["open|filtered"] == 0
    assert host["others"]["unknown"] > 0
    assert [state_of(ns) for ns in (pair.host, pair.visitor)] == nothing


# --- lies ---------------------------------------------------------------------------------------

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def unreachable(sender, data, port, code=3):
    """ICMP's answer to a datagram that came from `sender` (host, port) to `port`."""
    source, source_port = sender[0].removeprefix("::ffff:"), sender[1]
    udp = struct.pack(">HHHH", source_port, port, 8 + len(data), 0) + data
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                     socket.inet_aton(source), socket.inet_aton(TARGET))
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    body = struct.pack(">BBHI", 3, code, 0, 0) + ip + udp
    return body[:2] + struct.pack(">H", checksum(body)) + body[4:]


def test_answers_from_elsewhere_are_none(pair):
    """From another port, from another address, to another port."""
    subprocess.run(["ip", "-n", pair.host.name, "addr", "add", "192.0.2.3/24", "dev", "eth0"],
                   check=True)

    def answer(s, to):
        for address, port in ((TARGET, 5555), ("192.0.2.3", 600)):
            with pair.host.udp(address, port) as other:
                other.sendto(b"here", (to[0].removeprefix("::ffff:"), to[1]))
    pair.serve([600], [601], answer, TARGET)
    assert pair.udp_states("-p", "600,601") == {600: "open|filtered", 601: "open|filtered"}


@pytest.mark.parametrize("spoilt,state", [(False, "closed"), (True, "open|filtered")])
def test_a_refusal_must_quote_what_was_sent(pair, spoilt, state):
    with pair.host:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def answer(s, to):
        data = pair.heard[-1][2]
        data = bytes(b ^ 1 for b in data) if spoilt else data
        raw.sendto(unreachable(to, data, 600), (to[0].removeprefix("::ffff:"), 0))
    pair.serve([600], [], answer)
    with raw:
        assert pair.udp_states("-p", "600") == {600: state}
