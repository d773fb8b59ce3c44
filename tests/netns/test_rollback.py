# SPDX-License-Identifier: GPL-2.0-or-later
"""
Apply, then confirm, or it is undone: by time, by a lost terminal, by kill -9 at any moment, by a
start of the machine, on a full disk. tools/change.c plays `portero apply`. PORTERO_KILLS is how
many times it is killed (300 is a good number), PORTERO_EVERY_CALL=1 kills at each system call.
"""
import fcntl
import json
import os
import pty
import random
import re
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

from harness import (
    AS_NOBODY, PORTERO, SLOW, Netns, base_environment, check_json, janitor, need_program,
    require_namespaces, wait_until)

TOOLS = Path(PORTERO).parent / "netns"
KILLS = int(os.environ.get("PORTERO_KILLS", "40"))
EVERY_CALL = os.environ.get("PORTERO_EVERY_CALL") == "1"
SET_SIZE = 3000  # so that a transaction takes some time


def script(number):
    # an interval set: a dump of a hash may lack elements, while the kernel lets it grow
    elements = ", ".join(f"10.{number}.{i // 100}.{i % 100 * 2}" for i in range(SET_SIZE))
    return ("add table inet portero\ndelete table inet portero\ntable inet portero {\n"
            f"\tset s{number} {{\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = {{ {elements} }}\n\t}}\n"
            f"\tchain c{number} {{\n\t\tip saddr @s{number} counter\n\t}}\n}}\n")


class Place:
    """A machine: its namespace, its state folder, and its policy's folder."""

    def __init__(self, ns, directory, prefix=()):
        self.ns, self.directory, self.prefix = ns, Path(directory), prefix
        self.state = self.directory / "state"
        self.policy = self.directory / "policy.d"
        self.policy.mkdir(exist_ok=True)
        for number in (1, 2, 3):
            (self.directory / f"{number}.nft").write_text(script(number))

    def argv(self, command, number=1, seconds=60, *files):
        return [*self.prefix, str(TOOLS / "change"), command, str(self.state),
                str(self.directory / f"{number}.nft"), str(seconds), *map(str, files)]

    def run(self, argv, code=0, **env):
        with self.ns:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60 * SLOW,
                                  env={**base_environment(), **env}, check=False)
        assert code is None or done.returncode == code, (argv, done)
        return done

    def apply(self, number, seconds=60, *files, code=0):
        return self.run(self.argv("apply", number, seconds, *files), code)

    def start(self, argv, **kw):
        with self.ns:
            return janitor.add(subprocess.Popen(argv, env=base_environment(), text=True,
                                                stdout=subprocess.PIPE, **kw))

    def portero(self, *args, code=0, prefix=None):
        return self.ns.portero(*args, "--state-dir", self.state, code=code,
                               prefix=self.prefix if prefix is None else prefix)

    def confirmed(self, number):
        """Applies and confirms."""
        self.apply(number)
        self.portero("confirm")

    def table(self):
        """Which state the kernel has, in whole; 0: no table."""
        with self.ns:
            done = subprocess.run(["nft", "list", "table", "inet", "portero"], text=True,
                                  capture_output=True, check=False)
        if done.returncode:
            assert "No such file" in done.stderr, done
            return 0
        chains = re.findall(r"chain c(\d)", done.stdout)
        assert len(chains) == 1, done.stdout[:1000]
        assert re.findall(r"set s(\d)", done.stdout) == chains
        assert len(set(re.findall(r"\d+\.\d+\.\d+\.\d+", done.stdout))) == SET_SIZE
        assert f"ip saddr @s{chains[0]} counter" in done.stdout
        return int(chains[0])

    def is_pending(self):
        return (self.state / "pending.json").exists()

    def change_pending(self, lock=True, **values):
        path = self.state / "pending.json"
        with open(self.state / "lock") as f:
            if lock:
                fcntl.flock(f, fcntl.LOCK_EX)
            changed = {**json.loads(path.read_text()), **values}
            path.with_suffix(".test").write_text(json.dumps(changed))
            path.with_suffix(".test").rename(path)

    def undo_processes(self):
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--when-due" in words and f"--state-dir={self.state}".encode() in words:
                found.append(int(entry.parent.name))
        return found

    def log(self):
        lines = (self.state / "log.jsonl").read_text().splitlines()
        return [(e["what"], e["state"], e["loaded"]) for e in map(json.loads, lines)]

    def wait_for(self, number, seconds=15):
        wait_until(lambda: self.table() == number and not self.is_pending() and has_settled(self),
                   seconds * SLOW, f"state {number}")

    def end(self):
        """No process is left, and none needs to be told to go but by what it waits for."""
        (self.state / "pending.json").unlink(missing_ok=True)
        (self.state / "loading").unlink(missing_ok=True)
        wait_until(lambda: not self.undo_processes(), 10 * SLOW, "the end of the undo process")


@pytest.fixture
def place(ns, tmp_path):
    need_program("nft")
    assert (TOOLS / "change").exists(), "the tools are missing: make build/netns/change"
    made = Place(ns, tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def small(tmp_path):
    """One whose state folder is on a small file system of its own."""
    require_namespaces()
    need_program("nft")
    ns = Netns()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = ns.start(["unshare", "-m", "sh", "-c",
                       f"mount --make-rprivate / && mount -t tmpfs -o size=600k,mode=700 none "
                       f"'{state}' && echo ready && exec cat"], ready=True)
    made = Place(ns, tmp_path, prefix=("nsenter", "-m", "-t", str(keeper.pid), "--"))
    made.inside = Path(f"/proc/{keeper.pid}/root{state}")
    try:
        yield made
    finally:
        for name in ("pending.json", "loading"):
            (made.inside / name).unlink(missing_ok=True)
        made.end()
        ns.close()


def fill(directory):
    for size in (65536, 4096, 1):
        fd = os.open(directory / f"filler{size}", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(fd, b"x" * size)
        except OSError:
            pass
        os.close(fd)


# --- confirmed or not ---------------------------------------------------------------------------

def test_undone_by_time(place):
    place.confirmed(1)
    there, absent = place.policy / "there.yaml", place.policy / "absent.yaml"
    there.write_text("before")
    place.apply(2, 2, there, "after", absent, "new")
    assert place.table() == 2
    assert there.read_text() == "after" and absent.exists()
    assert len(place.undo_processes()) == 1
    place.wait_for(1)
    assert there.read_text() == "before" and not absent.exists()
    assert sorted(p.name for p in place.policy.iterdir()) == ["there.yaml"]
    assert place.log() == [("apply", 1, 1), ("confirm", 1, 1), ("apply", 2, 2), ("undo", 2, 1)]
    assert "nothing waits" in place.portero("confirm", code=1).errors


def test_the_first_state_is_undone_to_no_table(place):
    place.apply(1, 1)
    place.wait_for(0)


def test_confirmed_in_time(place):
    place.confirmed(1)
    wrote = place.policy / "web.yaml"
    place.apply(2, 3, wrote, "openings: []")
    answer = place.portero("confirm", "--json").json
    assert (answer["what"], answer["state"], answer["pending"]) == ("confirm", 2, None)
    time.sleep(4)
    assert place.table() == 2 and not place.is_pending()
    assert [p.name for p in place.policy.iterdir()] == ["web.yaml"]
    assert not place.undo_processes()


def test_more_time(place):
    place.apply(1, 2)
    answer = place.portero("confirm", "--extend", "7", "--json").json
    assert answer["pending"] == 1 and answer["deadline"]
    time.sleep(4)
    assert place.table() == 1
    place.wait_for(0)
    assert [e[0] for e in place.log()] == ["apply", "extend", "undo"]
    assert place.portero("confirm", "--extend", "7", code=1)
    for bad in ("0", "x", "8d", "-1", "1y", "99999999999999999999"):
        assert "no time" in place.portero("confirm", f"--extend={bad}", code=(1, 2)).errors or \
            not place.is_pending()


def test_applied_again_while_pending(place):
    """Both are undone together, at the second one's deadline, also the file's first content."""
    place.confirmed(1)
    path = place.policy / "a.yaml"
    path.write_text("first")
    place.apply(2, 2, path, "second")
    place.apply(3, 4, path, "third")
    time.sleep(2.5)
    assert place.table() == 3
    place.wait_for(1)
    assert path.read_text() == "first"


def test_refused_while_pending(place):
    """A change that nft refuses leaves the one before it pending, with its deadline."""
    place.confirmed(1)
    path = place.policy / "a.yaml"
    path.write_text("first")
    place.apply(2, 60)
    before = (place.state / "pending.json").read_text()
    (place.directory / "3.nft").write_text("table inet portero {\n\tchain x { jump nowhere; }\n}\n")
    failed = place.apply(3, 5, path, "third", code=2)
    assert "line 2" in failed.stderr and "jump nowhere" in failed.stderr
    assert json.loads((place.state / "pending.json").read_text()) == json.loads(before)
    assert place.table() == 2 and path.read_text() == "first"
    assert not (place.state / "states" / "000003").exists()
    place.portero("confirm")
    assert place.table() == 2


def test_too_late(place):
    place.confirmed(1)
    place.apply(2, 1)
    for pid in place.undo_processes():
        os.kill(pid, signal.SIGKILL)
    time.sleep(1.5)
    assert place.table() == 2
    assert "was not confirmed in time" in place.portero("confirm", code=1).errors
    assert place.table() == 1


def test_a_killed_undo_process_is_started_again(place):
    place.confirmed(1)
    place.apply(2, 30)
    first, = place.undo_processes()
    os.kill(first, signal.SIGKILL)
    place.portero("confirm", "--extend", "2")
    second, = place.undo_processes()
    assert second != first
    place.wait_for(1)


def test_the_undo_process_is_on_its_own(place):
    with open("/dev/null") as extra:
        os.set_inheritable(extra.fileno(), True)
        with place.ns:
            subprocess.run(place.argv("apply", 1, 60), check=True, env=base_environment(),
                           stdout=subprocess.DEVNULL, close_fds=False, preexec_fn=lambda:
                           signal.signal(signal.SIGTERM, signal.SIG_IGN))
    pid, = place.undo_processes()
    assert os.getsid(pid) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    fds = {os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    assert fds <= {"/dev/null", str(place.state), str(place.state / "undo.lock")}, fds
    def signals():
        """The masks of it; the C library blocks all for moments. 32 and 33 are the C library's own, and
        stay as whoever started the tests has them: no sigaction() reaches them."""
        status = Path(f"/proc/{pid}/status").read_text()
        return {int(mask, 16) & ~(3 << 31) for mask in re.findall(r"Sig(?:Ign|Blk):\t(\w+)", status)}

    wait_until(lambda: signals() == {0}, 5, f"no mask: {signals()}")
    assert Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[4] == "0"  # no terminal
    assert Path(f"/proc/{pid}/environ").read_bytes().count(b"\0") == 2


def test_the_clock_of_the_wall_is_not_asked(place):
    place.confirmed(1)
    place.apply(2, 3)
    place.change_pending(deadline=1)
    time.sleep(1.5)
    assert place.table() == 2
    place.change_pending(deadline=99999999999)
    place.wait_for(1)


def test_lost_terminal(place):
    """The terminal goes, and with it the session; the undo process stays."""
    place.confirmed(1)
    main, other = pty.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(other, termios.TIOCSCTTY, 0)

    with place.ns:
        shell = janitor.add(subprocess.Popen(
            ["sh", "-c", '"$@"; sleep 100', "sh", *place.argv("apply", 2, 3)], stdin=other,
            stdout=other, stderr=other, env=base_environment(), preexec_fn=own_terminal))
    os.close(other)
    told = b""
    while b"state 2" not in told:
        told += os.read(main, 1000)
    os.close(main)
    assert shell.wait(10) == -signal.SIGHUP
    janitor.end(shell)
    assert place.table() == 2
    place.wait_for(1)
    assert ("undo", 2, 1) in place.log()


# --- cut short ----------------------------------------------------------------------------------

def come_back(place):
    """What a person does who finds portero killed; the undo process may be faster, and nft be at
    it still."""
    wait_until(lambda: place.portero("rollback", code=(0, 1, 2)).code != 2, 20 * SLOW,
               "the way back")


def has_settled(place):
    """No applier and no nft has the lock any more."""
    with open(place.state / "lock") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def check_cut_short(place, old, new):
    """Old or new, and always a way back: that of the undo process, or that of a person."""
    wait_until(lambda: has_settled(place), 20 * SLOW, "the end of nft")
    table = place.table()
    assert table in (old, new)
    # the undo process, too, may be bringing the old one back just now
    if table == new and not place.is_pending():
        assert place.table() == old
    elif table == new:
        assert place.undo_processes() or (place.state / "loading").exists() or \
            place.table() == old
    if random.random() < 0.2 and place.undo_processes() and place.is_pending():
        # nobody does anything
        try:
            place.change_pending(deadline_boottime_ms=1)
        except FileNotFoundError:
            pass  # it was faster
        place.wait_for(old)
    elif place.is_pending():
        come_back(place)
    assert place.table() == old
    assert not place.is_pending()
    numbers = sorted(p.name for p in (place.state / "states").iterdir() if p.name[0] != ".")
    for number in numbers:
        for name in ("ruleset.nft", "meta.json"):
            assert (place.state / "states" / number / name).stat().st_size > 0


def test_killed_at_random_moments(place):
    """Whatever the moment, the kernel has the old state or the new one, and there is a way back."""
    seed = int(os.environ.get("PORTERO_SEED", time.time_ns() % 1000000))
    print(f"PORTERO_SEED={seed}")
    random.seed(seed)
    place.confirmed(1)
    began = time.monotonic()
    place.apply(2, 60)
    whole = time.monotonic() - began
    place.portero("rollback")
    seen = {1: 0, 2: 0}
    for _ in range(KILLS):
        process = place.start(place.argv("apply", 2, 60), stderr=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0, whole * 1.2))
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.wait()
        process.stdout.close()
        janitor.processes.pop(process.pid, None)
        seen[place.table()] += 1
        check_cut_short(place, 1, 2)
    print(f"old {seen[1]}, new {seen[2]}")


def calls(argv, place):
    """Kills the program at one system call after the other, until it comes through."""
    step = 1 if EVERY_CALL else 11
    at = 1 if EVERY_CALL else random.randint(1, step)
    while True:
        # LeakSanitizer, too, would use ptrace
        done = place.run([str(TOOLS / "crash"), str(at), *argv], code=None,
                         ASAN_OPTIONS="detect_leaks=0")
        if done.returncode == 77:
            pytest.skip("kernel: no ptrace")
        assert done.returncode in (0, 9), done
        yield done.returncode == 9
        if done.returncode == 0:
            return
        at += step


def test_apply_killed_at_every_call(place):
    place.confirmed(1)
    for _ in calls(place.argv("apply", 2, 60), place):
        check_cut_short(place, 1, 2)


def test_confirm_killed_at_every_call(place):
    place.confirmed(1)
    path = place.policy / "a.yaml"
    number = 2
    place.apply(2, 600, path, "new")
    for killed in calls([PORTERO, "confirm", "--state-dir", str(place.state)], place):
        confirmed = int((place.state / "confirmed").read_text())
        assert confirmed in (1, number) and place.table() == 2 and path.exists()
        if confirmed == 1:
            assert killed and place.is_pending()
            continue
        # it is confirmed: the next one finds that, and does the rest
        assert place.portero("confirm", code=1)
        assert not place.is_pending() and place.table() == 2
        assert [p.name for p in place.policy.iterdir()] == ["a.yaml"]
        place.portero("rollback", "1", "--no-confirm")
        path.unlink()
        place.apply(2, 600, path, "new")
        number += 1
    assert number > 2


def test_rollback_killed_at_every_call(place):
    place.confirmed(1)
    path = place.policy / "a.yaml"
    path.write_text("before")
    place.apply(2, 600, path, "new")
    for killed in calls([PORTERO, "rollback", "--state-dir", str(place.state)], place):
        wait_until(lambda: has_settled(place), 20 * SLOW, "the end of nft")
        assert place.table() in (1, 2)
        if not place.is_pending():
            assert place.table() == 1 and path.read_text() == "before"
            break
        assert killed
    assert place.table() == 1


def test_interrupted_while_loading(place):
    """The undo process sees that the one who loads is dead, and does not wait for the deadline."""
    place.confirmed(1)
    process = place.start(place.argv("arm", 2, 600))
    assert process.stdout.readline() == "armed\n"
    janitor.end(process)
    place.wait_for(1)
    assert ("undo", 2, 1) in place.log()


def test_stopped_while_loading(place):
    """One that stands still with the lock (Ctrl-Z) does not keep the old state from coming back."""
    place.confirmed(1)
    process = place.start(place.argv("arm", 2, 600))
    assert process.stdout.readline() == "armed\n"
    process.send_signal(signal.SIGSTOP)
    assert "another portero (pid" in place.portero("confirm", code=2).errors
    place.change_pending(lock=False, deadline_boottime_ms=1)
    place.wait_for(1, 30)
    assert process.wait(5) == -signal.SIGKILL
    janitor.end(process)


# --- the machine is started again ---------------------------------------------------------------

def test_start_of_the_machine(place, make_ns):
    place.confirmed(1)
    path = place.policy / "a.yaml"
    place.apply(2, 600, path, "new")
    os.kill(place.undo_processes()[0], signal.SIGKILL)
    place.ns = make_ns()
    assert place.table() == 0
    result = place.portero("restore", "--json")
    assert result.json["loaded"] == 1 and result.json["state"] == 2
    assert "is undone" in result.errors
    assert place.table() == 1 and not place.is_pending() and not path.exists()


def test_pending_of_another_start(place):
    place.confirmed(1)
    place.apply(2, 600)
    os.kill(place.undo_processes()[0], signal.SIGKILL)
    place.change_pending(boot="00000000-0000-0000-0000-000000000000")
    place.portero("restore")
    assert place.table() == 1 and not place.is_pending()


def test_nothing_to_restore(place):
    assert "Nothing was applied" in place.portero("restore").text
    assert place.table() == 0 and not place.state.exists()
    place.apply(1, 60)
    place.portero("rollback")
    place.portero("restore")
    assert place.table() == 0


def test_another_program_removes_the_table(place):
    place.confirmed(1)
    place.ns.nft("flush ruleset")
    place.portero("restore")
    assert place.table() == 1
    place.apply(2, 60)
    place.ns.nft("flush ruleset")
    assert "lost the rules of state 2" in place.portero("confirm", code=2).errors
    answer = place.portero("restore", "--json").json
    assert answer["pending"] == 2
    assert place.table() == 2 and place.is_pending()
    place.portero("confirm")


def test_another_namespace_keeps_its_hands_off(place, make_ns):
    place.apply(1, 60)
    other, place.ns = place.ns, make_ns()
    for command in ("confirm", "rollback", "restore"):
        assert "another network namespace" in place.portero(command, code=2).errors
    assert place.table() == 0
    place.ns = other
    assert place.table() == 1


# --- bad weather --------------------------------------------------------------------------------

def test_two_at_once(place):
    place.confirmed(1)
    holder = place.start([str(TOOLS / "change"), "lock", str(place.state)])
    assert holder.stdout.readline() == "locked\n"
    for argv in (["confirm"], ["rollback"], ["rollback", "0"]):
        errors = place.portero(*argv, code=2).errors
        assert re.search(rf"another portero \(pid {holder.pid}, since \d\d:\d\d\)", errors)
    assert "another portero" in place.apply(2, 60, code=2).stderr
    janitor.end(holder)
    both = [place.start(place.argv("apply", n, 60), stderr=subprocess.PIPE) for n in (2, 3)]
    codes = [p.wait(30) for p in both]
    for p in both:
        janitor.end(p)
    assert 0 in codes and set(codes) <= {0, 2}
    assert place.table() in (2, 3)
    place.portero("rollback")
    assert place.table() == 1


def test_full_disk(small):
    small.confirmed(1)
    path = small.policy / "a.yaml"
    small.apply(2, 3, path, "new")
    fill(small.inside)
    refused = small.apply(3, 60, code=2)
    assert "No space left" in refused.stderr
    assert not (small.inside / "states" / ".new").exists()
    wait_until(lambda: small.table() == 1, 15 * SLOW, "state 1")
    wait_until(lambda: not (small.inside / "pending.json").exists(), 5 * SLOW, "the end")
    assert not path.exists()
    assert "No space left" in small.apply(2, 60, code=2).stderr
    assert small.table() == 1


def test_confirmed_on_a_full_disk(small):
    small.confirmed(1)
    small.apply(2, 4)
    fill(small.inside)
    small.portero("confirm")
    assert (small.inside / "confirmed").read_text() == "2\n"
    time.sleep(5)
    assert small.table() == 2


def test_read_only_disk(small):
    small.confirmed(1)
    remount = [*small.prefix, "mount", "-o", "remount,ro", str(small.state)]
    small.run(remount)
    refused = small.apply(2, 60, code=2)
    assert "Read-only file system" in refused.stderr and small.table() == 1
    small.ns.nft("flush ruleset")
    small.portero("restore")
    assert small.table() == 1
    small.run([*small.prefix, "mount", "-o", "remount,rw", str(small.state)])


def test_damaged_pending(place):
    place.confirmed(1)
    place.apply(2, 600)
    (place.state / "pending.json").write_text("{")
    place.wait_for(1)


def test_damaged_state(place):
    place.confirmed(1)
    place.apply(2, 60)
    place.portero("rollback")
    (place.state / "states" / "000001" / "ruleset.nft").write_text(script(3))
    refused = place.apply(2, 60, code=2)
    assert "there would be no way back" in refused.stderr
    assert "not those that were written" in place.portero("restore", code=2).errors
    assert place.table() == 1


def test_only_root(place):
    place.confirmed(1)
    for state in (place.state, place.directory / "not-there"):
        for command in ("confirm", "rollback", "restore"):
            assert "run portero as root" in place.ns.portero(
                command, "--state-dir", state, prefix=AS_NOBODY, code=2).errors


def test_folder_that_others_may_write(place):
    place.confirmed(1)
    place.state.chmod(0o770)
    for argv in (["confirm"], ["rollback"], ["restore"]):
        assert "others may write" in place.portero(*argv, code=2).errors
    place.state.chmod(0o700)


# --- the firewall -------------------------------------------------------------------------------

def test_other_tables_are_not_touched(place):
    others = ("table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0;\n"
              "\t\tcounter\n\t}\n}\ntable ip portero {\n\tchain x {\n\t}\n}\n")
    place.ns.nft(others)

    def listed():
        with place.ns:
            return subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True,
                                  check=True).stdout

    before = listed()
    place.apply(1, 60)
    assert place.table() == 1
    place.portero("rollback")
    assert listed() == before
    for bad in ("flush ruleset\n", "delete table inet filter\n", "table ip portero {\n}\n",
                "table inet portero {\n}\ntable inet filter {\n}\n",
                "table inet portero {\n\tinclude \"/etc/nftables.conf\"\n}\n",
                "add rule inet filter input drop\n", "table inet portero {\n",
                "table inet portero { } ; flush ruleset\n", "table inet portero {\n}\n}\n",
                "table inet portero {\n} # x\nflush table inet portero\n", "x", ""):
        (place.directory / "bad.nft").write_text(bad)
        done = place.run([str(TOOLS / "change"), "load", str(place.directory / "bad.nft")], code=2)
        assert "portero's" in done.stderr or "not whole" in done.stderr, (bad, done.stderr)
    assert listed() == before


def test_removing_no_table_is_quiet(place):
    for _ in range(2):
        place.run([str(TOOLS / "change"), "remove"])


def test_without_nft(small):
    nft = need_program("nft")
    small.apply(1, 60)
    small.run([*small.prefix, "mount", "--bind", "/dev/null", nft])
    refused = small.apply(2, 60, code=2)
    assert "package nftables" in refused.stderr
    assert small.table() == 1
    small.portero("rollback")  # to state 0, which needs no program
    assert small.table() == 0


def test_without_permission(place):
    with place.ns, open(place.directory / "1.nft") as given:
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", str(TOOLS / "change"),
                               "load", "/dev/stdin"], stdin=given, capture_output=True, text=True,
                              env=base_environment(), check=False)
    if "Permission denied" in done.stderr:
        pytest.skip("user: nobody cannot run what is built here")
    assert done.returncode == 2
    assert "only root may change the firewall" in done.stderr


# --- back to any state --------------------------------------------------------------------------

def test_rollback_to_a_state(place):
    for number in (1, 2, 3):
        place.confirmed(number)
    text = place.portero("rollback", "1").text
    assert "state 1" in text and "portero confirm" in text
    assert place.table() == 1 and place.is_pending()
    assert "waits to be confirmed" in place.portero("rollback", "1", code=2).errors
    place.portero("confirm")
    assert (place.state / "confirmed").read_text() == "1\n"
    place.portero("rollback", "3", "--confirm", "1")
    assert place.table() == 3
    place.wait_for(1)
    place.portero("rollback", "3", "--no-confirm", "--why", "it was better")
    assert place.table() == 3 and not place.is_pending()
    # without a number: only what waits is taken back
    assert "'portero rollback 2' goes back" in place.portero("rollback", code=1).errors
    assert place.table() == 3
    place.portero("rollback", "2")
    assert place.table() == 2
    place.portero("rollback")
    assert place.table() == 3 and not place.is_pending()
    place.portero("rollback", "0", "--no-confirm")
    assert place.table() == 0
    assert "nothing waits" in place.portero("rollback", code=1).errors
    assert "there is no state 9" in place.portero("rollback", "9", code=2).errors
    assert "no number" in place.portero("rollback", "x", code=2).errors
    assert place.portero("rollback", "1", "2", code=2)
    assert place.portero("rollback", "1", "--confirm", "5", "--no-confirm", code=2)


def test_log(place):
    def told(*args):
        done = place.run([str(TOOLS / "change"), "log", "--state-dir", str(place.state), *args])
        return done.stdout

    assert "Nothing was applied yet" in told()
    seen = check_json(told("--json").encode())
    assert seen["entries"] == [] and seen["confirmed"] == 0 and seen["pending"] is None
    place.confirmed(1)
    place.apply(2, 60)
    seen = check_json(told("--json").encode())
    assert [e["what"] for e in seen["entries"]] == ["apply", "confirm", "apply"]
    assert seen["confirmed"] == 1 and seen["pending"]["state"] == 2
    assert [(s["number"], s["confirmed"]) for s in seen["states"]] == [(1, True), (2, False)]
    assert seen["entries"][0]["by"]["uid"] == 0
    text = told()
    for part in ("applied", "confirmed", "root", "a test", "State 2 waits", "0 (no rules"):
        assert part in text, text
