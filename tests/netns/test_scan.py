# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: what a host looks like from outside. nmap is the referee; rules of nft lose packets, drop and
refuse them; and whatever happens, nothing is made up, nothing is left behind, and nobody who is
not in the scope gets a packet.
"""
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import (AS_NOBODY, PORTERO, PYTHON, SLOW, base_environment, check_json, die_with_parent,
                     janitor, need_program, portero, read_line, runtime_dir, wait_until)
from speakers import start

TARGET, VISITOR = "192.0.2.2", "192.0.2.1"
TARGET6, VISITOR6 = "2001:db8:5::2", "2001:db8:5::1"
MINUTES = 600 * SLOW  # a guard against hanging, no measure
OPEN = sorted(random.Random(7).sample(range(1, 65536), 30))

DROPPING = """
table inet host {
	chain in {
		type filter hook input priority 0; policy drop;
		iif lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport { %s } accept
	}
}
"""


def losing(percent):
    """Of IP packets, both ways; neighbours find each other."""
    lose = f"numgen random mod 100 < {percent} drop"
    return "table inet weather {\n" + "".join(
        f"chain {hook} {{ type filter hook {hook} priority -300;\n"
        f"meta l4proto tcp {lose}\n}}\n" for hook in ("prerouting", "output")) + "}\n"


RESETS_LIMITED = """
table inet limited {
	chain out {
		type filter hook output priority 0;
		tcp flags & rst == rst limit rate over 400/second drop
	}
}
"""


class Pair:
    """A host that listens, its visitor, and the cable between them."""

    def __init__(self, make_ns, tmp_path):
        self.host, self.visitor = make_ns(), make_ns()
        self.host.connect(self.visitor, addresses=(f"{TARGET}/24", f"{TARGET6}/64"))
        for address in (f"{VISITOR}/24", f"{VISITOR6}/64"):
            with self.visitor:
                subprocess.run(["ip", "addr", "add", address, "dev", "eth0",
                                *(["nodad"] if ":" in address else [])], check=True)
        self.scope = tmp_path / "scope"
        self.scope.write_text(f"# for a test\n{TARGET}/32 the test itself\n{TARGET6} the same\n")

    def listen(self, ports=OPEN):
        for port in ports:
            self.host.tcp("::", port, v6only=False)

    def scan(self, *args, target=TARGET, **kw):
        return portero("scan", "--json", "--scope-file", self.scope, *args, target,
                       ns=self.visitor, timeout=MINUTES, **kw)

    def states(self, *args, **kw):
        (host,) = self.scan(*args, code=(0,), **kw).json["hosts"]
        return {port: i["state"] for i in host["intervals"]
                for port in range(i["first"], i["last"] + 1)}


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def of_state(states, wanted):
    return sorted(port for port, state in states.items() if state == wanted)


def nmap(pair, *args, target=TARGET):
    """{port: state}: nmap has no word of its own for what portero calls rejected."""
    need_program("nmap")
    with pair.visitor:
        text = subprocess.run(["nmap", "-n", "-Pn", "-sS", "-T4", "-oG", "-", *args, target],
                              capture_output=True, text=True, check=True, timeout=MINUTES).stdout
    ports = re.search(r"Ports: ([^\t\n]*)", text)
    seen = {}
    for word in ports[1].split(", ") if ports else ():
        number, state = word.split("/")[:2]
        seen[int(number)] = state
    rest = re.search(r"Ignored State: (\w+)", text)
    return seen, rest[1] if rest else None


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


def test_targets_and_ports_as_nmaps_users_write_them(pair, tmp_path):
    with pair.host:
        for i in range(100, 110):
            subprocess.run(["ip", "addr", "add", f"192.0.2.{i}/24", "dev", "eth0"], check=True)
    pair.host.tcp("192.0.2.101", 22)
    pair.host.tcp("192.0.2.104", 22)
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    listed = tmp_path / "not-these"
    listed.write_text("192.0.2.107,109 # a range\n192.0.2.102\n")
    done = pair.scan("-p", "ssh", "--exclude", "192.0.2.100,localhost,192.0.2.105-106", "--excludefile",
                     listed, target="192.0.2,2.100-105,106,107-109")
    seen = {h["address"]: [p["port"] for p in h["ports"]] for h in done.json["hosts"]}
    asked = {f"192.0.2.{i}": [22] if i in (101, 104) else [] for i in (101, 103, 104, 108)}
    assert {a: ports for a, ports in seen.items() if a.startswith("192.0.2.")} == asked


def test_only_what_is_open(pair, tmp_path):
    """--open: hosts and ports where nothing is open are counted, and not listed."""
    subprocess.run(["ip", "-n", pair.host.name, "addr", "add", "192.0.2.100/24", "dev", "eth0"],
                   check=True)
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    pair.host.tcp("192.0.2.100", 22)
    args = ("scan", "--scope-file", pair.scope, "-p", "20-23", "--open", TARGET, "192.0.2.100")
    text = portero(*args, ns=pair.visitor).text
    assert TARGET + "\n" not in text and "192.0.2.100\n" in text
    assert [line.split()[0] for line in text.splitlines() if "/tcp" in line] == ["22/tcp"]
    assert "Not listed: 3 closed." in text
    assert "Hosts where nothing is open are not listed: 1." in text
    for option in ("-oG", "-oN", "-oX"):
        text = portero(*args, option, "-", ns=pair.visitor).text
        body = "".join(line for line in text.splitlines(True) if " as: " not in line and
                       "args=" not in line)
        assert TARGET + " " not in body and TARGET + '"' not in body and "192.0.2.100" in body
        assert "22" in body and "/closed/" not in body and 'portid="21"' not in body
    assert len(portero(*args, "--json", ns=pair.visitor).json["hosts"]) == 2


def test_the_likeliest_ports(pair):
    pair.listen([22, 54321])
    states = pair.states("-F")
    assert len(states) == 100 and of_state(states, "open") == [22]
    assert set(states) == set(pair.states("--top-ports", "100"))


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


# --- the scope ----------------------------------------------------------------------------------

def packets_seen(ns, device="eth0"):
    with ns:
        text = Path("/proc/thread-self/net/dev").read_text()
    return int(re.search(rf"{device}: *\d+ +(\d+)", text)[1])


@pytest.mark.parametrize("scope, said", [
    (None, "who authorised it"), ("192.0.2.0/30\n", "scope:1: "),
    ("10.0.0.0/8 x\n", "who authorised"),
    ("192.0.2.0/24 x\nweb.example.org y\n", "scope:2: "), ("192.0.2.3/24 x\n", "192.0.2.0/24"),
])
def test_who_is_not_in_the_scope_gets_no_packet(pair, scope, said):
    pair.scope.unlink()
    if scope:
        pair.scope.write_text(scope)
    pair.host.nft("table netdev n {\nchain c {\n"
                  "type filter hook ingress device \"eth0\" priority 0;\n"
                  "ether type { ip, arp } counter\n}\n}\n")
    done = pair.scan(code=(2,))
    assert said in done.errors and done.out == b""
    with pair.host:
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True,
                               check=True).stdout
    assert "packets 0 " in rules


@pytest.mark.parametrize("args, said", [
    ((), "scan what?"), (("-p", "0", TARGET), "65535"), (("-p", "9-8", TARGET), "no ports"),
    (("10.0.0.0/8",), "65536"), (("10.0.0.1/8",), "10.0.0.0/8"), (("-4", TARGET6), "-4"),
    (("--rate", "0", TARGET), "packets a second"),
    (("--rate", "5", "--max-rate", "6", TARGET), "exclude"),
    (("-sS", "-sT", TARGET), "exclude"), (("--host-timeout", "x", TARGET), "30s"),
    (("-iL", "/nonexistent", TARGET), "/nonexistent"), (("--exclude", TARGET, TARGET), "no target"),
    (("--exclude", "web.invalid", TARGET), "'web.invalid'"),
    (("--excludefile", "/nonexistent", TARGET), "/nonexistent"),
    (("-iL", "-", "--excludefile", "-", TARGET), "only one of"),
    (("192.0.2.1-300",), "'192.0.2.1-300'"), (("10.0-9.*.*",), "more than 65536"),
    (("192.0.2.1-9,",), "'192.0.2.1-9,'"), (("192.0.2.2-3", "-6"), "other family"),
    (("192.0.2.2-3",), "192.0.2.3 is no address of this machine"),
    (("-F", "-p80", TARGET), "exclude each other"),
    (("-p", "ssh,nonsense-of-no-one", TARGET), "'nonsense-of-no-one'"),
    (("-sX", TARGET), "unknown option"),
    (("no.such.name.invalid",), "no.such.name.invalid"),
])
def test_bad_input_is_told_in_a_sentence(pair, args, said):
    done = portero("scan", "--scope-file", pair.scope, *args, ns=pair.visitor, code=(2,))
    assert said in done.errors and len(done.errors.splitlines()) == 1
    assert done.out == b""


def test_targets_from_a_file(pair, tmp_path):
    listed = tmp_path / "list"
    listed.write_text(f"# hosts\n{TARGET}\n\n  {TARGET6} # twice\n{TARGET}\n")
    pair.listen([80])
    answer = portero("scan", "--json", "--scope-file", pair.scope, "-p80,81", "-iL", listed,
                     ns=pair.visitor).json
    assert [(h["address"], [p["port"] for p in h["ports"]]) for h in answer["hosts"]] == [
        (TARGET, [80]), (TARGET6, [80])]


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


# --- what speaks there ---------------------------------------------------------------------------

HOSTILE = {"paints": "named", "closes": "hung-up", "tls_garbage": "unnamed", "babbles": "unnamed",
           "endless": "unnamed"}


def services(done):
    (host,) = done.json["hosts"]
    return {p["port"]: p["service"] for p in host["ports"]}


def test_what_speaks(pair):
    """By both families in one scan, since a port that greets late is waited for."""
    _, (web, tls, mail, late) = start(pair.host, "web", "tls_web", "mail", "greets_late")
    hosts = pair.scan("-sV", "-p", "40000-40010", TARGET6, code=(0,)).json["hosts"]
    assert [host["address"] for host in hosts] == [TARGET6, TARGET]
    for host in hosts:
        found = {p["port"]: p["service"] for p in host["ports"]}
        assert {p: found[p]["name"] for p in found} == {web: "http", tls: "http", mail: "smtp",
                                                        late: "ssh"}
        for port in (web, tls):
            assert (found[port]["product"], found[port]["version"]) == ("nginx", "1.2.3")
            assert found[port]["notes"]["title"] == "a page?[1m"
            assert found[port]["confidence"] > 0.9
        assert found[web]["tls"] is None
        assert found[tls]["tls"]["subject"] == "www.example" and not found[tls]["tls"]["inside"]
        assert found[mail]["tls"]["inside"] and found[mail]["product"] == "Postfix"


def test_without_the_flag_nobody_is_asked(pair):
    process, (web,) = start(pair.host, "web")
    assert services(pair.scan("-p", str(web), code=(0,))) == {web: None}
    assert select.select([process.stdout], [], [], 0.3)[0] == []  # it tells of every connection


def test_a_real_server(pair, tool_dir):
    """Of many hosts, on ports that say nothing of it, by connections and without root."""
    with pair.host:
        subprocess.run(["ip", "addr", "add", "192.0.2.3/24", "dev", "eth0"], check=True)
    pair.host.start([PYTHON, "-m", "http.server", "-b", "0.0.0.0", "7000"])
    pair.scope = tool_dir / "scope"  # readable by nobody, too
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    wait_until(lambda: services(pair.scan("-p7000")), 20 * SLOW, "the server")
    done = pair.scan("-sV", "-p6990-7010", "192.0.2.3", prefix=AS_NOBODY, code=(0,))
    assert done.json["method"] == "connect"
    for host in done.json["hosts"]:
        (port,) = host["ports"]
        assert port["port"] == 7000 and port["service"]["name"] == "http"
        assert port["service"]["product"] == "Python http.server"


def test_who_is_hostile_is_not_believed(pair):
    _, ports = start(pair.host, *HOSTILE)
    done = pair.scan("-sV", "-p", ",".join(map(str, ports)), code=(0,))
    found = services(done)
    assert {k: found[p]["end"] for k, p in zip(HOSTILE, ports)} == HOSTILE
    babble = found[ports[list(HOSTILE).index("babbles")]]
    assert bytes.fromhex(babble["unknown_answer"]["hex"]) == b"what do you mean?\r\n"
    # harness.py looks at the bytes of the table, too
    table = portero("scan", "-sV", "--scope-file", pair.scope, "-p",
                    ",".join(str(p) for k, p in zip(HOSTILE, ports) if k not in ("endless", "tls_garbage")),
                    TARGET, ns=pair.visitor, code=(0,))
    assert "what do you mean?" in table.text and "closes every connection" in table.text
    assert "OpenSSH 9.2" in table.text


def test_services_take_no_longer_than_their_host_may(pair):
    """Of a silent port nothing is known by then; of the other all."""
    _, (web, silent) = start(pair.host, "web", "silent")
    began = time.monotonic()
    done = pair.scan("-sV", "-p", "40000,40001", "--host-timeout", f"{4 * SLOW}s", code=(2,))
    assert time.monotonic() - began < 14 * SLOW
    (host,) = done.json["hosts"]
    assert host["trouble"] == "timed-out" and not done.json["complete"]
    assert services(done)[web]["product"] == "nginx"
    assert services(done)[silent]["end"] == "out-of-time"
    assert services(done)[silent]["name"] is None


def locked_child_of(pid):
    """The child under seccomp that reads strangers' bytes; None: it is not there."""
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if re.search(r"^Seccomp:\s2$", Path(f"/proc/{child}/status").read_text(), re.M):
                return int(child)
    except FileNotFoundError:
        pass
    return None


def test_a_child_that_dies_gives_no_host_more_time(pair):
    """Killed again and again, each time with one port that is given up: those that are left had no time."""
    _, ports = start(pair.host, *["silent"] * 12)
    p, out = begin_scan(pair, "-sV", "-p", "40000-40011", "--host-timeout", f"{3 * SLOW}s")
    killed = set()
    while p.poll() is None:
        child = locked_child_of(p.pid)
        if child and child not in killed:
            time.sleep(0.4 * SLOW)
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                break  # the time was over meanwhile
            killed.add(child)
        time.sleep(0.02)
    assert p.wait() == 2 and len(killed) >= 2
    out.seek(0)
    (host,) = check_json(out.read())["hosts"]
    out.close()
    ends = [port["service"]["end"] for port in host["ports"]]
    assert len(ends) == len(ports) and "lost" in ends and host["trouble"] == "timed-out"
    assert ends.count("not-asked") + ends.count("out-of-time") >= 4


def test_ctrl_c_shows_which_services_are_known(pair):
    """More silent ports than are asked at once: the last of them have not been asked at all."""
    process, ports = start(pair.host, "web", *["silent"] * 9)
    p, out = begin_scan(pair, "-sV", "-p", "40000-40009")
    assert "40000" in read_line(process)  # the web server's visitor is gone: all is known of it
    time.sleep(0.5 * SLOW)
    p.send_signal(signal.SIGINT)
    assert p.wait(20 * SLOW) == 2
    out.seek(0)
    answer = check_json(out.read())
    out.close()
    (host,) = answer["hosts"]
    ends = {port["port"]: port["service"]["end"] for port in host["ports"]}
    assert host["trouble"] == "interrupted"
    assert ends == {ports[0]: "named", **{port: "not-asked" for port in ports[1:]}}


def test_who_opens_every_port_is_not_asked_on_all(pair):
    pair.host.nft("table inet t { chain p { type nat hook prerouting priority -100;\n"
                  "tcp dport 1-65535 redirect to :80\n}\n}\n")
    pair.listen([80])
    done = pair.scan("-sV", "-p1-1000", code=(2,))
    assert all(s["end"] == "not-asked" for s in services(done).values())
    table = portero("scan", "-sV", "--scope-file", pair.scope, "-p1-1000", TARGET, ns=pair.visitor,
                    timeout=MINUTES, code=(2,))
    assert "What speaks there was not asked, of 1000 ports" in table.text


# --- the end ------------------------------------------------------------------------------------

def begin_scan(pair, *args):
    out = open(f"{runtime_dir()}/scan-{os.getpid()}", "w+b")
    with pair.visitor:
        p = subprocess.Popen([PORTERO, "scan", "--json", "--scope-file", str(pair.scope),
                              *args, TARGET], stdout=out, stderr=subprocess.DEVNULL,
                             env=base_environment(), preexec_fn=die_with_parent)
    return janitor.add(p), out


def start_scan(pair, *args):
    """One that takes long, and has begun."""
    before = packets_seen(pair.host)
    p, out = begin_scan(pair, "--rate", "500", *args)
    wait_until(lambda: packets_seen(pair.host) > before + 20, 60 * SLOW, "the scan's first packets")
    return p, out


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


def state_of(ns):
    """What a scan could leave behind, on either machine."""
    with ns:
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True,
                               check=True).stdout
        packet = Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]
        raw = [line for name in ("raw", "raw6", "tcp", "tcp6")
               for line in Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]
               if line.split()[3] != "0A"]  # not the listeners
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True,
                               check=True).stdout
        half_open = subprocess.run(["ss", "-Htan", "state", "syn-recv"], capture_output=True,
                                   text=True, check=True).stdout
    return rules, packet, raw, [line.split(":")[1] for line in links.splitlines()], half_open


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
