# SPDX-License-Identifier: GPL-2.0-or-later
"""
A guard of the tests' own: attached to a cgroup, and pinned in a bpffs, that are made here; and
copies of guard_try (tools/) that try to get ports of a namespace which it guards. Whatever is made
is unmade, also when a test fails.
"""
import atexit
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import harness
from harness import Netns, die_with_parent, janitor, need_feature, need_program, read_line

TOOLS = harness.ROOT / "build" / ("san/netns" if harness.SAN else "netns")
LOAD, TRY = TOOLS / "guard_load", TOOLS / "guard_try"
HOME, PEER = ("192.0.2.1", "2001:db8:1::1"), ("192.0.2.2", "2001:db8:1::2")
COUNTS = ("listens", "binds_refused", "packets_refused", "events_lost", "marks_lost", "raw")
LINKS = ("bind4", "bind6", "sockops", "release", "create", "ingress")
DROPPED_S = 0.25  # a packet that did not arrive until then does not


def cgroup_root():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            field = line.split()
            if field[2] == "cgroup2" and os.access(field[1], os.W_OK):
                return Path(field[1])
    return None


class Program:
    """A running guard_try: each call is a command, and returns "ok" or the error's name."""

    def __init__(self, guard, path, ns, cgroup, fds=(), commands=()):
        self.path = path
        place = cgroup or guard.cgroup

        def before():
            die_with_parent()
            (place / "cgroup.procs").write_text("0")
            for number, fd in enumerate(fds, 3):
                os.dup2(fd, number)

        with ns:
            self.process = janitor.add(subprocess.Popen(
                [path, *commands], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                preexec_fn=before, pass_fds=range(3, 3 + len(fds))))
        guard.programs.append(self)

    def __call__(self, *words):
        self.say(*words)
        return self.answer()

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self):
        return read_line(self.process).removesuffix(" 0")

    def all(self, *commands):
        """All must go well but the last, whose answer it is."""
        *before, last = commands
        for command in before:
            answer = self(command)
            assert answer.split()[0] == "ok", f"{command}: {answer}"
        return self(last)

    def open(self, kind, address, port):
        """A socket of that kind, as far as it gets: "ok", or the error of bind or listen."""
        self("socket", kind, 6 if ":" in address else 4)
        bound = self("bind", address, port)
        return self("listen") if bound == "ok" and kind in ("tcp", "mptcp") else bound

    def end(self):
        janitor.end(self.process)


class Guard:
    """One that is not yet loaded, with a guarded namespace, a peer of it, and programs."""

    def __init__(self):
        self.programs, self.made = [], []
        self.folder = Path(tempfile.mkdtemp(prefix="portero-guard-"))
        self.folder.chmod(0o755)
        self.bpffs, self.states = self.folder / "bpf", self.folder / "state"
        self.pins = self.bpffs / "portero"
        self.cgroup = cgroup_root() / janitor.new_name()
        atexit.register(self.close)
        self.closed = False
        self.cgroup.mkdir()
        for folder in (self.bpffs, self.states):
            folder.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", str(self.bpffs)], check=True)
        self.ns, self.peer = Netns(), Netns()
        self.ns.connect(self.peer, addresses=[f"{HOME[0]}/24", f"{HOME[1]}/64"])
        for address in (f"{PEER[0]}/24", f"{PEER[1]}/64"):
            harness.ip("-n", self.peer.name, "addr", "add", address, "dev", "eth0",
                       *(["nodad"] if ":" in address else []))
        self.good, self.other = self.copy("good"), self.copy("other")

    def close(self):
        if self.closed:
            return
        self.closed = True
        for program in self.programs:
            # a forked one ends by itself, when nobody speaks to it any more
            program.end()
        subprocess.run(["umount", "--lazy", str(self.bpffs)], check=False)
        for ns in (self.ns, self.peer):
            ns.close()
        for place in [*reversed(self.made), self.cgroup]:
            for _ in range(100):
                try:
                    place.rmdir()
                    break
                except OSError:  # the last process in it is still ending
                    time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    # --- programs ---

    def copy(self, name, of=TRY):
        path = self.folder / name
        shutil.copyfile(of, path)
        path.chmod(0o755)
        return path

    def group(self, path):
        """A cgroup below that of the guard, as systemd or a user would make it."""
        at = self.cgroup
        for part in path.split("/"):
            at = at / part
            if not at.is_dir():
                at.mkdir()
                self.made.append(at)
        return at

    def start(self, path=None, ns=None, cgroup=None, **kw):
        return Program(self, path or self.other, ns or self.ns, cgroup, **kw)

    def pair(self, one, two):
        """Two programs with a unix socket between them."""
        ends = socket.socketpair()
        started = [self.start(path, fds=[end.fileno()]) for path, end in zip((one, two), ends)]
        for end in ends:
            end.close()
        return started

    # --- the guard ---

    def argv(self, mode, *rules, loader=LOAD):
        return [loader, self.cgroup, self.pins, self.states, mode, *rules]

    def popen(self, mode, *rules, loader=LOAD, **kw):
        """Also for threads, which `with self.ns` is not."""
        return janitor.add(subprocess.Popen(
            [need_program("nsenter"), f"--net=/run/netns/{self.ns.name}",
             *self.argv(mode, *rules, loader=loader)], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
            **kw))

    def load(self, mode, *rules, fails=None, loader=LOAD):
        """Its numbers by their names; `fails`: what it must say instead."""
        p = self.popen(mode, *rules, loader=loader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = p.communicate(timeout=60 * harness.SLOW)
        janitor.end(p)
        if fails:
            assert p.returncode == 1 and re.search(fails, err), (p.returncode, out, err)
            return None
        assert (p.returncode, err) == (0, ""), (p.returncode, err)
        if mode == "off":
            return None
        words = out.split()
        return {name: int(value, 16) for name, value in zip(words[::2], words[1::2])}

    def bpftool(self, *args):
        done = subprocess.run([need_program("bpftool"), "-j", *map(str, args)], check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)

    def counts(self):
        """Of all processors together."""
        found = {}
        for entry in self.bpftool("map", "dump", "pinned", self.pins / "guard_counts"):
            key = entry["formatted"]["key"]
            found[COUNTS[key]] = sum(v["value"] for v in entry["formatted"]["values"])
        return found

    def config(self):
        half = self.bpftool("map", "dump", "pinned", self.pins / "guard_active")
        dump = self.bpftool("map", "dump", "pinned", self.pins / "guard_config")
        return dump[half[0]["formatted"]["value"]]["formatted"]["value"]

    # --- packets ---

    def reach(self, address, port, ns=None, seconds=DROPPED_S):
        """What becomes of a TCP connection from the peer: open, closed, dropped."""
        with ns or self.peer:
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        with s:
            s.setblocking(False)
            s.connect_ex((address, port))
            poll = select.poll()
            poll.register(s, select.POLLOUT)
            if not poll.poll(seconds * 1000):
                return "dropped"
            error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return "closed" if error else "open"

    def hears(self, program, address, port, ns=None):
        """Does the program's UDP socket get what the peer sends to it?"""
        with ns or self.peer:
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                              socket.SOCK_DGRAM)
        with s:
            s.sendto(b"hello", (address, port))
            return program("recv").startswith("ok")

    def gets(self, kind, program, address, port, ns=None):
        """Does the program get what is sent to its port?"""
        if kind in ("udp", "udplite"):
            return self.hears(program, address, port, ns)
        return self.reach(address, port, ns) == "open"


def need_guard():
    harness.require_namespaces()
    need_feature("cgroup2", cgroup_root() is not None, "no cgroup v2 hierarchy can be written to")
    if not LOAD.exists() or not TRY.exists():
        pytest.fail(f"{LOAD} and {TRY} are not built (make check builds them)")


@pytest.fixture
def guard():
    need_guard()
    made = Guard()
    try:
        yield made
    finally:
        made.close()
