# SPDX-License-Identifier: GPL-2.0-or-later
"""
The guard as a part of what portero applies: a host with a web server, and others that would like its
port. What they get is tried by real programs and real connections.
"""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from guarding import HOME, LINKS, TRY, Guard, need_guard
from harness import (
    PORTERO, SLOW, base_environment, die_with_parent, janitor, need_program, wait_until)

KILLS = int(os.environ.get("PORTERO_KILLS", "8"))

POLICY = """\
settings:
  guard: {mode}
openings:
  - ports: [80/tcp]
    program: {program}
    from: [internet]
    why: public web site
"""


class Host(Guard):
    """With a policy, and portero's places."""

    def __init__(self):
        super().__init__()
        self.policy = self.folder / "policy.d"
        self.policy.mkdir(mode=0o755)
        self.declare(self.good)
        wait_until(self.has_addresses, 10, "addresses")

    def has_addresses(self):
        done = subprocess.run(["ip", "-n", self.ns.name, "addr", "show", "tentative"], check=True,
                              capture_output=True)
        return not done.stdout

    def declare(self, program, mode="enforce"):
        file = self.policy / "10.yaml"
        file.write_text(POLICY.format(program=program, mode=mode))
        file.chmod(0o644)

    def argv(self, *args, **kw):
        if args[0] in ("enforce", "observe", "off", "refresh"):
            return super().argv(*args, **kw)
        return [PORTERO, "--policy-dir", self.policy, "--state-dir", self.states, "--runtime-dir",
                self.folder / "run", "--pin-dir", self.pins, "--cgroup", self.cgroup, *args]

    def start_portero(self, *args, env=(), **kw):
        with self.ns:
            return janitor.add(subprocess.Popen(
                self.argv(*args), stdin=subprocess.DEVNULL, env=base_environment() | dict(env),
                preexec_fn=die_with_parent, **kw))

    def portero(self, *args, code=0, env=()):
        p = self.start_portero(*args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = p.communicate(timeout=60 * SLOW)
        janitor.end(p)
        assert p.returncode in (code if isinstance(code, tuple) else (code,)), \
            (p.returncode, out, err)
        return out + err

    def json(self, *args, **kw):
        out = self.portero(*args, "--json", **kw)
        return json.loads(out[out.index("{"):out.rindex("}") + 1])

    def undo_processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if b"--when-due" in words and str(self.states).encode() in words:
                found.append(int(pid))
        return found

    def wins(self, program, port, kind="tcp"):
        """Does it get the port, and a connection of the peer?"""
        opened = program.open(kind, "0.0.0.0", port)
        return self.gets(kind, program, HOME[0], port) if opened == "ok" else opened

    def close(self):
        if not self.closed:
            for pid in self.undo_processes():
                os.kill(pid, signal.SIGKILL)
        super().close()


@pytest.fixture
def host():
    need_guard()
    made = Host()
    try:
        yield made
    finally:
        made.close()


def port_of(look, number):
    port, = (p for p in look["ports"] if p["port"] == number)
    return port


def test_a_web_server_and_an_impostor(host):
    """The scene of the README: nginx is declared, python is not."""
    nginx = need_program("nginx")
    conf = host.folder / "nginx.conf"
    conf.write_text(f"daemon off; pid {host.folder}/nginx.pid; error_log {host.folder}/error.log;"
                    "events {} http { access_log off; server { listen 80; listen [::]:80; } }")

    def serve():
        with host.ns:
            return janitor.add(subprocess.Popen(
                [nginx, "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                preexec_fn=lambda: (die_with_parent(),
                                    (host.cgroup / "cgroup.procs").write_text("0"))))

    host.declare(os.path.realpath(nginx))
    impostor = host.start()
    assert host.wins(impostor, 80) is True  # nobody keeps it from the port yet
    assert "cuts it off" in host.portero("plan", code=1)
    host.portero("apply", "--yes")
    host.portero("confirm")
    # it has the port, and nothing comes there: from no family, nor from the machine itself
    assert host.reach(HOME[0], 80) == host.reach("127.0.0.1", 80, ns=host.ns) == "dropped"
    look = host.json("status", code=1)
    assert port_of(look, 80)["policy"]["guard"] == "cut-off"
    assert "impostor" in host.portero("status", code=1)
    assert "cut off" in host.portero("show", "80", code=1)
    impostor.end()
    server = serve()
    wait_until(lambda: host.reach(HOME[0], 80) == "open", 10, "nginx")
    assert host.reach(HOME[1], 80) == "open"
    assert port_of(host.json("status"), 80)["policy"]["guard"] == "guarded"
    other = host.start()
    assert host.wins(other, 8080) == "EPERM"
    assert host.wins(other, 8080, "udp") == "EPERM"
    janitor.end(server)
    assert host.wins(other, 80) == "EPERM"
    # no process of portero is needed for that
    for pid in host.undo_processes():
        os.kill(pid, signal.SIGKILL)
    assert host.wins(other, 80) == "EPERM"
    assert host.wins(other, 8081) == "EPERM"
    server = serve()
    wait_until(lambda: host.reach(HOME[0], 80) == "open", 10, "nginx")
    janitor.end(server)
    state = host.json("guard")
    assert state["intact"] and state["mode"] == "enforce"
    assert state["counts"]["binds_refused"] >= 5 and state["counts"]["packets_refused"] >= 1


def test_unconfirmed_it_all_comes_back(host):
    host.portero("apply", "--yes", "--confirm", "8s")
    other = host.start()
    assert host.wins(other, 8080) == "EPERM"
    wait_until(lambda: not (host.states / "pending.json").exists(), 30, "it was not undone")
    assert not host.pins.exists()
    assert host.wins(other, 8080) is True
    assert host.json("guard") == host.json("guard") | {"there": False, "mode": "off", "faults": []}


def test_back_to_another_guard(host):
    host.portero("apply", "--yes", "--no-confirm")
    host.declare(host.other)
    host.portero("apply", "--yes")
    assert host.wins(host.start(host.good), 80) == "EPERM"
    theirs = host.start(host.other)
    assert host.wins(theirs, 80) is True
    theirs.end()
    host.portero("rollback")
    assert host.wins(host.start(host.other), 80) == "EPERM"
    assert host.wins(host.start(host.good), 80) is True


def test_observe_refuses_nothing(host):
    host.declare(host.good, "observe")
    host.portero("apply", "--yes", "--no-confirm")
    other = host.start()
    assert host.wins(other, 80) is True
    assert port_of(host.json("status", code=1), 80)["policy"]["guard"] == "would-be-cut-off"
    counts = host.json("guard")["counts"]
    assert counts["binds_refused"] == 1 and counts["packets_refused"] >= 1


def test_off_until_the_next_apply(host):
    host.portero("apply", "--yes", "--no-confirm")
    other = host.start()
    assert host.wins(other, 8080) == "EPERM"
    host.portero("guard", "off")
    assert not host.pins.exists()
    assert "is not there any more" in host.portero("guard", code=1)
    assert host.start().open("tcp", "0.0.0.0", 8080) == "ok"
    host.portero("restore")
    assert host.wins(host.start(), 8081) == "EPERM"
    host.declare(host.good, "off")
    host.portero("apply", "--yes", "--no-confirm")
    assert not host.pins.exists() and host.json("guard")["faults"] == []


def test_detached_is_told_and_mended(host):
    host.portero("apply", "--yes", "--no-confirm")
    subprocess.run([need_program("bpftool"), "link", "detach", "pinned", host.pins / "link_bind4"],
                   check=True)
    fault, = host.json("guard", code=1)["faults"]
    assert (fault["id"], fault["subject"], fault["severity"]) == ("detached", "bind4", "critical")
    (host.pins / "link_ingress").unlink()
    assert len(host.json("guard", code=1)["faults"]) == 2
    host.portero("restore")
    assert host.json("guard")["intact"]
    assert host.wins(host.start(), 8080) == "EPERM"


MAPS = ("active", "config", "ports", "rules", "programs", "containers", "cgroups", "seeds", "learned",
        "counts", "sockets", "ring")


def pins_of(host):
    return {p.name for p in host.bpffs.glob("portero*/*")}


def test_each_pin_that_is_removed(host):
    """Critical, whichever it is; what is attached refuses until a whole guard is in its place."""
    host.portero("apply", "--yes", "--no-confirm")
    whole, server, other = pins_of(host), host.start(host.good), host.start()
    assert host.wins(server, 80) is True
    for pin in [f"guard_{name}" for name in MAPS] + [f"link_{part}" for part in LINKS]:
        (host.pins / pin).unlink()
        kind, part = pin.split("_")
        if part in ("release", "create"):  # there need not be any
            assert part in host.json("guard")["absent_parts"], pin
        else:
            look = host.json("guard", code=1)
            fault, = look["faults"]
            assert (look["there"], fault["severity"]) == (True, "critical"), pin
            assert (fault["id"], fault["subject"]) == \
                (("map-unpinned", pin) if kind == "guard" else ("unpinned", part))
            assert set(look["attached_parts"]) == set(LINKS) - {part}, pin
        if kind == "guard":
            words = host.portero("guard", code=1)
            assert "still attached: bind4, bind6, sockops" in words, pin
            assert "portero guard refresh" in words and "is not there" not in words, pin
            assert host.wins(other, 8080) == "EPERM", pin
            assert "see portero guard" in host.portero("status", code=(0, 1)), pin
        host.portero("guard", "refresh")
        assert host.json("guard")["intact"] and pins_of(host) == whole, pin
        assert host.wins(other, 8080) == "EPERM", pin
        assert host.reach(HOME[0], 80) == "open", pin


@pytest.mark.parametrize("pins", (["guard_active"], ["guard_config", "link_bind4"],
                                  ["guard_rules", "link_ingress"]))
def test_off_takes_away_half_a_guard(host, pins):
    host.portero("apply", "--yes", "--no-confirm")
    for pin in pins:
        (host.pins / pin).unlink()
    host.portero("guard", "off")
    assert not host.pins.exists() and not pins_of(host)
    assert host.start().open("tcp", "0.0.0.0", 8080) == "ok"
    assert "no guard is there" in host.portero("guard", "refresh", code=2)


def in_force(host):
    """What doctor says of the guard that is there."""
    found, = (c for c in host.json("doctor", code=(0, 2))["checks"] if c["id"] == "guard-in-force")
    return found


def test_a_replacement_that_was_not_ended(host):
    """Somebody was killed before a new guard had taken the place of the old one, or in the middle of it."""
    host.portero("apply", "--yes", "--no-confirm")
    assert in_force(host)["health"] == "ok"
    whole, pins, beside = pins_of(host), host.pins, host.bpffs / "portero-next"
    host.pins = beside
    host.load("enforce", f"80/tcp=program:{host.good}")
    host.pins = pins
    look = host.json("guard", code=1)
    fault, = look["faults"]
    assert (fault["id"], fault["severity"], look["mode"]) == ("unfinished", "high", "enforce")
    assert "portero guard refresh" in host.portero("guard", code=1)
    assert in_force(host)["health"] == "note" and in_force(host)["state"] == fault["sentence"]
    host.portero("guard", "refresh")
    assert host.json("guard")["intact"] and pins_of(host) == whole and not beside.exists()
    # ... after the old one went, and before the new one has its name
    host.pins.rename(beside)
    look = host.json("guard", code=1)
    assert (look["there"], look["mode"]) == (True, "enforce")
    assert [f["id"] for f in look["faults"]] == ["unfinished"]
    assert set(look["attached_parts"]) == set(LINKS)
    assert host.wins(host.start(), 80) == "EPERM"
    host.portero("guard", "refresh")
    assert host.json("guard")["intact"] and pins_of(host) == whole and not beside.exists()


def test_changed_maps_are_told(host):
    host.portero("apply", "--yes", "--no-confirm")
    half = host.bpftool("map", "dump", "pinned", host.pins / "guard_active")
    key = half[0]["formatted"]["value"] * 65536 + 8080
    subprocess.run([need_program("bpftool"), "map", "update", "pinned", host.pins / "guard_ports",
                    "key", *(str(b) for b in key.to_bytes(4, "little")), "value", *["255"] * 8],
                   check=True)
    fault, = host.json("guard", code=1)["faults"]
    assert fault["id"] == "changed-rules"
    host.portero("restore")
    assert host.json("guard")["intact"]


def test_a_program_that_changes(host):
    host.portero("apply", "--yes", "--no-confirm")
    time.sleep(0.05)
    os.utime(host.good)
    fault, = host.json("guard", code=1)["faults"]
    assert fault["id"] == "program-touched"
    assert host.wins(host.start(host.good), 80) == "EPERM"
    host.portero("guard", "refresh")
    program = host.start(host.good)
    assert host.wins(program, 80) is True
    program.end()
    # another content: nobody vouches for it
    with open(host.folder / "new", "wb") as f:
        f.write(TRY.read_bytes() + b"\0")
    (host.folder / "new").chmod(0o755)
    (host.folder / "new").rename(host.good)
    assert "another program" in host.portero("guard", "refresh", code=1)
    fault, = host.json("guard", code=1)["faults"]
    assert fault["id"] == "program-changed"
    host.declare(host.good, "observe")
    assert "nothing was changed" in host.portero("apply", "--yes", code=2)
    assert host.json("guard", code=1)["mode"] == "enforce"
    host.portero("guard", "accept", str(host.good))
    assert host.json("guard")["intact"]
    assert host.wins(host.start(host.good), 80) is True


def test_a_program_that_comes_later(host):
    late = host.folder / "late"
    host.declare(late)
    assert "is not there" in host.portero("apply", "--yes", "--no-confirm")
    fault, = host.json("guard", code=1)["faults"]
    assert fault["id"] == "program-missing"
    host.copy("late")
    assert host.wins(host.start(late), 80) == "EPERM"
    host.portero("guard", "accept", str(late))
    assert host.wins(host.start(late), 80) is True


def test_the_second_apply_needs_no_force(host):
    """The guard's own program is no obstacle to the proof."""
    server = host.start(host.good)
    assert host.wins(server, 80) is True
    host.portero("apply", "--yes", "--no-confirm")
    assert "Nothing to do" in host.portero("plan")
    with open(host.policy / "10.yaml", "a", encoding="utf-8") as f:
        f.write("  - ports: [443/tcp]\n    from: [private]\n    why: more\n")
    host.portero("apply", "--yes", "--no-confirm")
    assert host.reach(HOME[0], 80) == "open"


@pytest.mark.parametrize("what, says", [
    (("guard", "down"), "nothing that portero guard does"),
    (("guard", "accept"), "takes the path"),
    (("guard", "accept", "nginx"), "takes the path"),
    (("guard", "off", "now"), "takes nothing more"),
    (("guard", "refresh"), "no guard was applied"),
])
def test_bad_words(host, what, says):
    assert says in host.portero(*what, code=2)


def test_pins_that_are_no_bpffs(host):
    host.pins = host.folder / "plain"
    assert "bpffs" in host.portero("apply", "--yes", code=2)
    assert not host.pins.exists()
    assert host.start().open("tcp", "0.0.0.0", 8080) == "ok"


def is_guarded(host):
    """By what a program gets, not by what portero says."""
    return host.start().open("tcp", "0.0.0.0", 8080) == "EPERM"


def table_of(host):
    with host.ns:
        done = subprocess.run(["nft", "list", "table", "inet", "portero"], check=False,
                              capture_output=True)
    return done.returncode == 0


def test_killed_at_any_moment(host):
    """Old or new, and always a way back: whoever comes next finds the machine in order."""
    dice = random.Random(20261126)
    began = time.monotonic()
    host.portero("apply", "--yes", "--confirm", "1h")
    whole = time.monotonic() - began
    host.portero("rollback")
    assert not is_guarded(host)
    for number in range(KILLS):
        p = host.start_portero("apply", "--yes", "--confirm", "1h", stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.3, 1.1) * whole)
        p.kill()
        janitor.end(p)
        # nobody is told that it is done: so it must not stay
        host.start_portero("rollback", stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL).wait(30 * SLOW)
        assert not is_guarded(host), number
        assert not table_of(host) and not host.pins.exists(), number
    host.portero("apply", "--yes", "--no-confirm")
    assert is_guarded(host) and table_of(host) and host.json("guard")["intact"]
