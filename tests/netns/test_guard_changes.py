# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard's life: put up beside what already listens, changed, killed, detached, taken away."""
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from guarding import HOME, LINKS, LOAD, PEER, guard  # noqa: F401
from harness import SLOW, janitor, need_program

KILLS = int(os.environ.get("PORTERO_KILLS", "12"))
TURNS = 400
SO_RCVBUFFORCE = 33
RING_BYTES, EVENT_BYTES = 1 << 20, 200 + 8  # guard_abi.h, and the ring's own header


def test_older_than_the_guard(guard):
    """The approved go on, the others are cut, and clients are let be."""
    good, other = guard.start(guard.good), guard.start()
    seen = {}
    for kind, base in (("tcp", 8000), ("udp", 8000), ("mptcp", 8010)):
        for family, address in ((0, "0.0.0.0"), (1, "::")):
            for program, port in ((good, base + family), (other, base + 2 + family)):
                each = guard.start(program.path)
                seen[kind, family, program is good] = each, port
                assert each.open(kind, address, port) == "ok"
    local = guard.start()
    assert local.open("tcp", "0.0.0.0", 7000) == "ok"
    away = guard.start(ns=guard.peer)
    assert away.open("tcp", "0.0.0.0", 7001) == "ok"
    given, late = guard.pair(guard.good, guard.other)
    assert given.all("socket tcp 4", "bind 0.0.0.0 8020", "give") == "ok"
    guard.load("enforce", f"8000-8099/tcp=program:{guard.good}",
               f"8000-8099/udp=program:{guard.good}")
    for (kind, family, is_good), (program, port) in seen.items():
        assert guard.gets(kind, program, HOME[family], port) == is_good, (kind, family, is_good)
    assert guard.reach(HOME[0], 7000) == "dropped", "it is undeclared"
    assert guard.reach("127.0.0.1", 7000, guard.ns) == "open"
    assert guard.reach(HOME[0], 7000, guard.ns) == "open", "by lo, too"
    assert guard.reach("127.0.0.1", 8002, guard.ns) == "dropped", "another's is not for clients here"
    assert guard.reach(PEER[0], 7001, guard.ns) == "open", "it is in another namespace"
    seeds = guard.bpftool("map", "dump", "pinned", guard.pins / "guard_seeds")
    assert {s["formatted"]["value"]["netns"] for s in seeds} == {guard.ns.inode}, \
        "sockets that are not judged take no room"
    assert late.all("take", "listen") == "ok"
    assert guard.reach(HOME[0], 8020) == "dropped"


class Stream:
    """What the peer sends, all the time, to UDP and TCP clients in the guarded namespace."""

    def __init__(self, guard):
        self.sent = 0
        self.done = threading.Event()
        with guard.ns:
            self.auto, self.connected, self.zero = (
                socket.socket(type=socket.SOCK_DGRAM) for _ in range(3))
            self.tcp = socket.socket()
        with guard.peer:
            self.server, listener = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        self.server.bind((PEER[0], 53))
        listener.bind((PEER[0], 80))
        listener.listen()
        self.auto.sendto(b"hello", (PEER[0], 53))
        self.connected.connect((PEER[0], 53))
        self.connected.send(b"hello")
        self.zero.bind(("0.0.0.0", 0))
        self.zero.sendto(b"hello", (PEER[0], 53))
        self.tcp.connect((PEER[0], 80))
        self.accepted = listener.accept()[0]
        listener.close()
        self.clients = [self.server.recvfrom(64)[1] for _ in range(3)]
        for s in (self.auto, self.connected, self.zero):
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def send(self):
        while not self.done.wait(0.002):
            for client in self.clients:
                self.server.sendto(b"x", client)
            self.accepted.send(b"x")
            self.sent += 1

    def end(self):
        """How much each of them got."""
        self.done.set()
        self.thread.join()
        got = []
        for s in (self.auto, self.connected, self.zero, self.tcp):
            s.setblocking(False)
            got.append(0)
            try:
                while True:
                    got[-1] += len(s.recv(1))
            except BlockingIOError:
                pass
            s.close()
        self.server.close()
        self.accepted.close()
        return got


def test_clients_lose_nothing(guard):
    stream = Stream(guard)
    for rule in ("8000", "8001"):
        guard.load("enforce", f"{rule}/tcp=program:{guard.good}")
    guard.load("off")
    assert stream.end() == [stream.sent] * 4 and stream.sent > 50


def test_seeds_are_there_all_the_time(guard):
    """Sockets that got no packet yet are known by the run over all processes alone."""
    good = guard.start(guard.good)
    assert good("crowd", 8000, 900) == "ok"
    rule = f"8000-8899/tcp=program:{guard.good}"
    guard.load("enforce", rule)
    again = guard.popen("enforce", rule, stdout=subprocess.DEVNULL)
    found = {}
    for port in range(8000, 8900):
        if again.poll() is not None:
            break
        found[port] = guard.reach(HOME[0], port)
        time.sleep(0.002)
    assert again.wait(20 * SLOW) == 0
    assert set(found.values()) == {"open"} and len(found) > 50, found


def test_a_mark_is_of_the_port_that_it_has(guard):
    """Bound while that was allowed, and then once more, in vain: the first port counts."""
    other = guard.start()
    guard.load("observe", "8103/udp")
    assert other.open("udp", "0.0.0.0", 8000) == "ok"
    assert other("bind", "0.0.0.0", 8103) == "EINVAL"
    guard.load("enforce", "8103/udp", f"8000/udp=program:{guard.good}")
    assert not guard.hears(other, HOME[0], 8000)


def test_mapped_to_be_written(guard):
    """Who has mapped a program to write to it may change it later, without a trace in its times."""
    path = guard.copy("mapped")
    evil = path.read_bytes().replace(b"ok %d\n", b"OK %d\n")
    writer = guard.start("/usr/bin/python3", commands=["-c", f"""if True:
        import mmap, sys
        with open({str(path)!r}, "r+b") as f:
            m = mmap.mmap(f.fileno(), 0)
        m[:] = m[:]
        print("mapped", flush=True)
        sys.stdin.readline()
        m[:] = open({str(guard.folder / "evil")!r}, "rb").read()
        m.close()
        print("written", flush=True)
        sys.stdin.readline()
    """])
    (guard.folder / "evil").write_bytes(evil)
    assert writer.answer() == "mapped"
    time.sleep(0.1)
    found = guard.load("enforce", f"8000/tcp=program:{path}")
    writer.say()
    assert writer.answer() == "written"
    writer.end()
    program = guard.start(path)
    program("socket", "tcp", 4)
    assert program("bind", "0.0.0.0", 8000) == "EPERM"
    assert found["missing"] == 1


def test_swapped_while_it_is_started(guard):
    """Good and bad content take turns at one path, while it is started and learned all the time."""
    path, evil = guard.copy("racy"), guard.copy("evil")
    evil.write_bytes(path.read_bytes().replace(b"ok %d\n", b"OK %d\n"))
    rule = f"8000/tcp=program:{path}"
    guard.load("enforce", rule)
    done = threading.Event()

    def swap():
        aside = guard.folder / "aside"
        while not done.wait(random.uniform(0, 0.05)):
            os.rename(path, aside)
            os.rename(evil, path)
            os.rename(aside, evil)

    def learn():
        while not done.is_set():
            guard.load("refresh", rule)

    threads = [threading.Thread(target=swap), threading.Thread(target=learn)]
    for thread in threads:
        thread.start()
    said = set()
    end = time.monotonic() + 3 * SLOW
    while time.monotonic() < end:
        try:
            program = guard.start(path, commands=["socket tcp 4", "bind 0.0.0.0 8000"])
        except FileNotFoundError:
            continue
        said.add(tuple(program.process.communicate()[0].decode().split("\n")[:2]))
        program.end()
    done.set()
    for thread in threads:
        thread.join()
    assert ("OK 3", "OK 0") not in said, "other content got the port"
    assert ("OK 3", "EPERM") in said and ("ok 3", "EPERM") in said, said
    # whichever is there now
    guard.load("refresh", rule)
    assert opens_as(guard, path) in ("ok", "EPERM")


def opens_as(guard, path, port=8000):
    program = guard.start(path)
    answer = program.open("tcp", "0.0.0.0", port)
    program.end()
    return answer


# --- counting -----------------------------------------------------------------------------------

def test_a_flood_of_binds(guard):
    """More than the ring has room for: each is refused and counted, and so is what was not told."""
    guard.load("enforce", f"8000-8999/tcp=program:{guard.good}")
    crowd = [guard.start() for _ in range(2)]
    tried = 10000
    began = time.monotonic()
    for other in crowd:
        other.say("flood", 8000, tried, 1000)
    for other in crowd:
        assert other.answer() == f"ok {tried}"
    rate = len(crowd) * tried / (time.monotonic() - began)
    counts = guard.counts()
    assert counts["binds_refused"] == len(crowd) * tried
    told = len(crowd) * tried - counts["events_lost"]
    assert told == RING_BYTES // EVENT_BYTES, "who reads no events loses those that have no room"
    assert counts["packets_refused"] == counts["marks_lost"] == 0
    assert guard.config()["mode"] == 3
    assert opens_as(guard, guard.good) == "ok"
    print(f"{rate:.0f} binds a second")


def test_raw_sockets_are_counted(guard):
    guard.load("enforce")
    with guard.ns:
        guard.start("/usr/bin/python3", commands=[
            "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)"]
        ).process.wait()
    assert guard.counts()["raw"] == 1


# --- modes --------------------------------------------------------------------------------------

def test_observe_denies_nothing(guard):
    older = guard.start()
    assert older.open("tcp", "0.0.0.0", 8001) == "ok"
    guard.load("observe", f"8000-8001/tcp=program:{guard.good}")
    other = guard.start()
    assert other.open("tcp", "0.0.0.0", 8000) == "ok"
    assert other.open("udp", "0.0.0.0", 8000) == "ok"
    assert guard.hears(other, HOME[0], 8000)
    for port in (8000, 8001):
        assert guard.reach(HOME[0], port) == "open"
    counts = guard.counts()
    assert counts["binds_refused"] == 2 and counts["packets_refused"] >= 3, \
        "what would be refused is told"
    guard.load("enforce", f"8000-8001/tcp=program:{guard.good}")
    for port in (8000, 8001):
        assert guard.reach(HOME[0], port) == "dropped"
    assert not guard.hears(other, HOME[0], 8000)
    guard.load("observe", f"8000-8001/tcp=program:{guard.good}")
    for port in (8000, 8001):
        assert guard.reach(HOME[0], port) == "open"


def test_off_leaves_nothing(guard):
    rule = f"8000/tcp=program:{guard.good}"
    older = guard.start()
    assert older.open("tcp", "0.0.0.0", 8001) == "ok"
    guard.load("enforce", rule)
    pins = {p.name for p in guard.pins.iterdir()}
    assert {f"link_{name}" for name in LINKS} <= pins and "guard_ring" in pins
    assert opens_as(guard, guard.other) == "EPERM"
    guard.load("off")
    assert not guard.pins.exists()
    assert opens_as(guard, guard.other) == "ok"
    assert guard.reach(HOME[0], 8001) == "open"
    shown = subprocess.run(["bpftool", "-j", "cgroup", "show", str(guard.cgroup)], check=True,
                           capture_output=True, text=True).stdout
    assert shown.strip() in ("", "[]"), shown
    guard.load("off")


def test_detached(guard):
    """Root can detach a program; the next load puts it back, and what came meanwhile is judged."""
    rule = f"8000/tcp=program:{guard.good}"
    guard.load("enforce", rule)
    for name in LINKS:
        subprocess.run([need_program("bpftool"), "link", "detach", "pinned",
                        str(guard.pins / f"link_{name}")], check=True)
    meanwhile = guard.start()
    assert meanwhile.open("tcp", "0.0.0.0", 8000) == "ok"
    assert guard.reach(HOME[0], 8000) == "open"
    guard.load("enforce", rule)
    assert guard.reach(HOME[0], 8000) == "dropped"
    meanwhile.end()
    assert opens_as(guard, guard.other) == "EPERM"
    assert opens_as(guard, guard.good) == "ok"


# --- changes ------------------------------------------------------------------------------------

def test_a_program_in_both_rules_is_never_refused(guard):
    """While it binds all the time, the rules change, and the kernel turns between them."""
    rules = [[f"8000/tcp=program:{guard.good}"],
             ["1-7999/tcp=unit:foo.service", f"8000/tcp=program:{guard.good},user:0", "8001/tcp"]]
    guard.load("enforce", *rules[0])
    good, other = guard.start(guard.good), guard.start()
    assert good("keep", 8000) == other("keep", 8000) == "ok"
    for i in range(1, 6):
        guard.load("enforce", *rules[i % 2])
    batch = "".join(f"map update pinned {guard.pins}/guard_active key 0 0 0 0 value {i % 2} 0 0 0\n"
                    for i in range(TURNS))
    subprocess.run([need_program("bpftool"), "batch", "file", "-"], input=batch, text=True,
                   check=True, capture_output=True, timeout=60 * SLOW)
    (good_ok, _, good_bad, _), (other_ok, _, other_bad, _) = (
        p("kept").split() for p in (good, other))
    assert int(good_ok) > 500 and good_bad == "0"
    assert other_ok == "0" and int(other_bad) > 500


class Prober(threading.Thread):
    """Sends from the peer to the program's UDP port, over and over: how often it got that, and not."""

    def __init__(self, guard, program, port):
        super().__init__()
        with guard.peer:
            self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.connect((HOME[0], port))
        self.program = program
        self.done, self.found = threading.Event(), {True: 0, False: 0}
        self.start()

    def run(self):
        while not self.done.is_set():
            self.socket.send(b"hello")
            self.found[self.program("recv").startswith("ok")] += 1

    def end(self):
        self.done.set()
        self.join()
        self.socket.close()
        return self.found


def tags(guard):
    """Of the programs that are attached."""
    return [guard.bpftool("prog", "show", "id", link["prog_id"])["tag"] for link in (
        guard.bpftool("link", "show", "pinned", guard.pins / f"link_{name}") for name in LINKS)]


@pytest.mark.parametrize("version", ("code", "maps"))
def test_another_version(guard, version):
    """Put in the place of the one that is there, and taken back, while programs bind and connect all
    the time: nobody gets what he must not, and nobody is refused."""
    rules = [f"8000/tcp=program:{guard.good}", f"8001/udp=program:{guard.good}"]
    loaders = [LOAD, LOAD.with_name(f"guard_load_{version}")]
    good, other, server, older = (guard.start(path) for path in (
        guard.good, guard.other, guard.good, guard.other))
    assert older.open("tcp", "0.0.0.0", 8002) == "ok"
    guard.load("enforce", *rules)
    assert server.open("udp", "0.0.0.0", 8001) == "ok"
    before, abi = tags(guard), guard.config()["abi"]
    assert good("keep", 8000) == other("keep", 8000) == "ok"
    prober = Prober(guard, server, 8001)
    for number in range(1, 5):
        guard.load("enforce", *rules, loader=loaders[number % 2])
        assert guard.reach(HOME[0], 8002) == "dropped"
        assert (tags(guard) == before) == (number % 2 == 0)
        assert (guard.config()["abi"] == abi) == (version == "code" or number % 2 == 0)
        assert [p.name for p in guard.bpffs.glob("portero*")] == ["portero"]
    heard = prober.end()
    (good_ok, _, good_bad, _), (other_ok, _, other_bad, _) = (
        p("kept").split() for p in (good, other))
    assert (good_bad, other_ok, heard[False]) == ("0", "0", 0)
    assert int(good_ok) > 500 and int(other_bad) > 500 and heard[True] > 100
    # and that of another version is taken away, by whom cannot read it
    guard.load("enforce", *rules, loader=loaders[1])
    guard.load("off")
    assert not list(guard.bpffs.glob("portero*"))
    assert opens_as(guard, guard.other) == "ok"


def test_killed_between_two_versions(guard):
    """There is one guard that refuses, at every moment; and whoever comes next brings it in order."""
    rule = f"8000/tcp=program:{guard.good}"
    loaders = [LOAD, LOAD.with_name("guard_load_maps")]
    began = time.monotonic()
    guard.load("enforce", rule)
    took = time.monotonic() - began
    good, other = guard.start(guard.good), guard.start()
    assert good("keep", 8000) == other("keep", 8000) == "ok"
    chance = random.Random(20261126)
    for number in range(KILLS):
        p = guard.popen("enforce", rule, loader=loaders[number % 2 == 0], stdout=subprocess.DEVNULL)
        try:
            p.wait(chance.uniform(0, 1.3 * took))
        except subprocess.TimeoutExpired:
            pass
        p.send_signal(signal.SIGKILL)
        p.wait()
        janitor.end(p)
    guard.load("enforce", rule)
    assert [p.name for p in guard.bpffs.glob("portero*")] == ["portero"]
    (good_ok, _, good_bad, _), (other_ok, _, other_bad, _) = (
        p("kept").split() for p in (good, other))
    assert int(good_ok) > 100 and good_bad == "0"
    assert other_ok == "0" and int(other_bad) > 100


# What each of three states of the machine means for three binds and two packets.
STATES = {
    "none": ("ok", "ok", "open", "open"),
    "a": ("EPERM", "ok", "dropped", "open"),
    "b": ("ok", "EPERM", "open", "dropped"),
}


def rules_of(guard, state):
    if state == "none":
        return ["off"]
    mine = f"=program:{guard.good}"
    a, b = (mine, "") if state == "a" else ("", mine)
    return ["enforce", f"8000/tcp{a}", f"8001/tcp{b}", f"8002/tcp{a}", f"8003/tcp{b}"]


def state_of(guard):
    other = guard.start()
    found = (*(other.open("tcp", "0.0.0.0", port) for port in (8000, 8001)),
             *(guard.reach(HOME[0], port) for port in (8002, 8003)))
    other.end()
    names = [name for name, means in STATES.items() if means == found]
    assert names, f"half a guard: {found}"
    return names[0]


def test_killed_at_any_moment(guard):
    """Either the rules before, or those after, hold for binds and for packets; and the next load
    goes well."""
    older = guard.start()
    for port in (8002, 8003):
        assert older.open("tcp", "0.0.0.0", port) == "ok"
    seed = int(os.environ.get("PORTERO_SEED", str(random.randrange(1 << 30))))
    chance = random.Random(seed)
    took = 1.0 * SLOW
    state = "none"
    for number in range(KILLS):
        wanted = chance.choice([s for s in STATES if s != state])
        began = time.monotonic()
        p = guard.popen(*rules_of(guard, wanted), stdout=subprocess.DEVNULL)
        try:
            p.wait(chance.uniform(0, 1.1 * took))
        except subprocess.TimeoutExpired:
            pass
        p.send_signal(signal.SIGKILL)
        code = p.wait()
        janitor.end(p)
        found = state_of(guard)
        allowed = {wanted} if code == 0 else {state, wanted}
        assert found in allowed, \
            f"PORTERO_SEED={seed}, kill {number}: from {state} to {wanted}, exit {code}: {found}"
        state = found
        if number % 3 == 2:
            state = chance.choice(list(STATES))
            began = time.monotonic()
            guard.load(*rules_of(guard, state))
            took = time.monotonic() - began if state != "none" else took
            assert state_of(guard) == state
