# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a socket: groups, workers, descriptors that travel."""
import os
import shutil
import socket
import subprocess

import pytest

from harness import (PYTHON, all_processes_readable, find, find_listener, inode_of,
                     note_ids, preload, rows, send_descriptors, stable, wait_until)

VIEWS = [(), ("--no-bpf",)]


def copy_program(holder, tmp_path, name):
    path = tmp_path / name
    shutil.copy(holder, path)
    return str(path)


@pytest.mark.parametrize("how", VIEWS)
def test_owner_of_a_listener(ns, holder, how):
    s = ns.tcp("127.0.0.1", 8301)
    p = ns.start([holder, "one", "two words"], give=[s], ready=True)
    one = find_listener(ns.status(*how), 8301)
    assert one["pid"] == p.pid and one["pids"] == [p.pid]
    assert one["program"] == holder and one["program_state"] == "file" and not one["deleted"]
    assert one["name"] == "holder"
    assert one["cmdline"] == f"{holder} one two words"
    assert one["user"] == "root" and one["uid"] == 0
    assert one["since"] is not None and one["container"] is None and one["activation"] is None
    assert set(one["seen_by"]) == {"kernel", "files"}


@pytest.mark.parametrize("how", VIEWS)
def test_first_thread_has_ended(ns, holder, how):
    """/proc/PID shows nothing of such a process but its name, which it chooses itself."""
    p = ns.start([holder, "name=sshd", "thread"], give=[ns.tcp("127.0.0.1", 8312)], ready=True)
    wait_until(lambda: "State:\tZ" in open(f"/proc/{p.pid}/status", encoding="utf-8").read())
    one = find_listener(ns.status(*how), 8312)
    assert (one["pid"], one["program"], one["user"]) == (p.pid, holder, "root")
    assert one["cmdline"].startswith(f"{holder} name=sshd")


def test_threads_where_there_is_no_kcmp(ns, holder, tool_dir):
    """A process whose first thread has ended has its descriptors in the folders of the others."""
    env = preload(tool_dir, "nokcmp")
    p = ns.start([holder, "thread"], give=[ns.tcp("127.0.0.1", 8316)], ready=True)
    wait_until(lambda: "State:\tZ" in open(f"/proc/{p.pid}/status", encoding="utf-8").read())
    assert find_listener(ns.status("--no-bpf", env=env), 8316)["pid"] == p.pid


@pytest.mark.parametrize("how", VIEWS)
def test_chroot(ns, tmp_path, how):
    """As HAProxy and Postfix do: started from a package, it shuts itself in an empty folder."""
    code = (f"import os, socket; s = socket.socket(); s.bind(('127.0.0.1', 8314)); s.listen(); "
            f"os.chroot({str(tmp_path)!r}); os.chdir('/'); os.setuid(65534); "
            f"print('ready', flush=True); os.read(0, 1)")
    p = ns.python(code)
    ns.tcp("127.0.0.1", 8315)
    status = ns.status(*how)
    one = find_listener(status, 8314)
    assert (one["pid"], one["program"], one["program_state"]) == (p.pid, PYTHON, "file")
    assert one["user"] == "nobody"
    assert one["package"] == find_listener(status, 8315)["package"] is not None


def test_roots_that_take_long_to_read(ns, holder, tmp_path):
    """
    Anybody can make many roots with package databases of holes, which cost nobody else: the time of
    all of them together has a limit, and more of them cost no more.
    """
    for i in range(30):
        root = tmp_path / str(i)
        lists = root / "var/lib/dpkg/info"
        lists.mkdir(parents=True)
        (root / "old").mkdir()
        subprocess.run(["cp", "--parents", "-L", *libraries(holder), holder, str(root)], check=True)
        for k in range(16):
            with open(lists / f"p{k}.list", "wb") as f:
                f.truncate(32 << 20)
        script = f'mount --bind "{root}" "{root}" && cd "{root}" && pivot_root . old && exec {holder}'
        ns.start(["unshare", "-m", "sh", "-c", script], give=[ns.tcp("127.0.0.1", 8320 + i)],
                 ready=True)
    result = ns.portero("--json")
    assert len(result.json["ports"]) == 30
    assert any("took too long" in gap["why"] for gap in result.json["missing"])


def libraries(program):
    words = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in words.split() if word.startswith("/")]


def test_path_made_up_in_a_mount_namespace(ns, holder, tmp_path):
    """
    A user's own program, from a file system that was unmounted under it, has the path of a program
    of a package, where another file stands: that is no upgrade of the package.
    """
    twin = os.path.realpath("/usr/bin/env")
    place = tmp_path / "place"
    place.mkdir()
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    script = (f'mount -t tmpfs none "{place}" && mkdir -p "{place}{os.path.dirname(twin)}" && '
              f'cp "{holder}" "{place}{twin}" && chown -R 65534 "{place}" && '
              f'exec setpriv --reuid=65534 --clear-groups "{place}{twin}"')
    p = ns.start(["unshare", "-m", "sh", "-c", script], give=[ns.tcp("127.0.0.1", 8313)],
                 ready=True)
    subprocess.run(["nsenter", "-m", "-t", str(p.pid), "umount", "-l", str(place)], check=True)
    one = find_listener(ns.status(), 8313)
    assert (one["pid"], one["program"], one["program_state"]) == (p.pid, twin, "replaced")
    assert one["package"] is None


@pytest.mark.parametrize("how", VIEWS)
def test_reuseport_group_over_processes(ns, holder, how):
    processes = []
    for _ in range(5):
        s = ns.tcp("0.0.0.0", 8302, reuseport=True)
        processes.append(ns.start([holder], give=[s], ready=True))
    one = find_listener(ns.status(*how), 8302)
    assert one["sockets"] == 5
    assert sorted(one["pids"]) == sorted(p.pid for p in processes)
    lines = [x for x in ns.portero(*how).text.splitlines() if x.startswith("8302/")]
    assert len(lines) == 1 and "(5)" in lines[0]


@pytest.mark.parametrize("how", VIEWS)
def test_prefork_workers_share_one_socket(ns, holder, how):
    s = ns.tcp("0.0.0.0", 8303)
    p = ns.start([holder, "fork=4"], give=[s], ready=True)
    workers = [int(w) for w in p.line.split()[1:]]
    assert len(workers) == 4
    one = find_listener(ns.status(*how), 8303)
    assert one["pid"] == p.pid, "the parent is the one to name"
    assert one["pids"][0] == p.pid and sorted(one["pids"]) == sorted([p.pid, *workers])
    assert one["sockets"] == 1
    assert "shared-socket" not in note_ids(find(ns.status(*how), 8303))


@pytest.mark.parametrize("how", VIEWS)
def test_two_programs_on_one_number(ns, holder, tmp_path, how):
    a, b = copy_program(holder, tmp_path, "alpha"), copy_program(holder, tmp_path, "beta")
    ns.start([a], give=[ns.tcp("127.0.0.1", 8304)], ready=True)
    ns.start([b], give=[ns.tcp("127.0.0.2", 8304)], ready=True)
    port = find(ns.status(*how), 8304)
    assert {one["address"]: one["program"] for one in port["listeners"]} == {
        "127.0.0.1": a, "127.0.0.2": b}
    assert len([x for x in ns.portero(*how).text.splitlines() if x.startswith("8304/")]) == 2


@pytest.mark.parametrize("how", VIEWS)
def test_descriptor_passed_to_another_program(ns, holder, tmp_path, how):
    """Over a unix socket, which leaves no trace in the family tree of the processes."""
    other = copy_program(holder, tmp_path, "receiver")
    s = ns.tcp("127.0.0.1", 8305)
    ours, theirs = socket.socketpair()
    receiver = ns.start(
        [PYTHON, "-c", "import socket,sys,os\n"
         "u = socket.socket(fileno=int(sys.argv[1]))\n"
         "_, fds, _, _ = socket.recv_fds(u, 1, 4)\n"
         "u.close()\n"
         "[os.set_inheritable(f, True) for f in fds]\n"
         "os.execv(sys.argv[2], [sys.argv[2]])", str(theirs.fileno()), other],
        give=[theirs], keep=True)
    send_descriptors(ours, [s.fileno()])
    ours.close()
    theirs.close()
    wait_until(lambda: os.readlink(f"/proc/{receiver.pid}/exe") == other)
    port = find(ns.status(*how), 8305)
    one = port["listeners"][0]
    assert len(port["listeners"]) == 1
    assert set(one["pids"]) == {os.getpid(), receiver.pid}
    assert "shared-socket" in note_ids(port)
    row = next(x for x in ns.portero(*how).text.splitlines() if x.startswith("8305/"))
    assert "receiver" in row and os.path.basename(PYTHON) in row, "both programs are named"


@pytest.mark.parametrize("how", VIEWS)
def test_parent_ends_and_child_keeps_the_socket(ns, holder, how):
    s = ns.tcp("127.0.0.1", 8306)
    p = ns.start([holder, "leave", "fork=1"], give=[s], ready=True)
    child = int(p.line.split()[1])
    p.wait(10)
    one = find_listener(ns.status(*how), 8306)
    assert one["pid"] == child and one["pids"] == [child]
    assert one["program"] == holder


@pytest.mark.parametrize("how", VIEWS)
def test_user_of_the_process_not_of_the_socket(ns, holder, how):
    s = ns.tcp("127.0.0.1", 80)
    ns.start([holder, "uid=65534"], give=[s], ready=True)
    one = find_listener(ns.status(*how), 80)
    assert one["uid"] == 65534 and one["user"] == "nobody"
    assert find_listener(ns.status("-n", *how), 80)["user"] == "65534"


@pytest.mark.parametrize("how", VIEWS)
def test_process_of_another_namespace_holds_the_socket(ns, holder, how):
    """The socket stays in the namespace it was made in, wherever its holder lives."""
    from harness import Netns
    other = Netns()
    try:
        s = ns.tcp("0.0.0.0", 8307)
        p = other.start([holder], give=[s], ready=True)
        assert find_listener(ns.status(*how), 8307)["pid"] == p.pid
        assert other.status(*how)["ports"] == [], "it is not the holder's namespace that counts"
    finally:
        other.close()


def in_flight(ns, s):
    """Leaves a socket nowhere but in the queue of a unix socket."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    send_descriptors(a, [s.fileno()])
    ns.release(s)
    ns.sockets += [a, b]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_socket_without_a_process(ns, kind):
    s = ns.socket(kind, "0.0.0.0", 8308)
    inode = inode_of(s)
    in_flight(ns, s)
    direct = ns.portero("--json")
    port = find(direct.json, 8308, kind)
    one = port["listeners"][0]
    assert (one["pid"], one["pids"], one["program"], one["inode"]) == (None, [], None, inode)
    assert one["seen_by"] == ["kernel"]
    if all_processes_readable():
        assert "no-process" in note_ids(port)
    else:
        # somebody whom not even root may look at could have it: it must not say "no process"
        assert "owner-unreadable" in note_ids(port) and direct.code == 2


@pytest.mark.parametrize("how", VIEWS)
def test_portero_in_a_pid_namespace_of_its_own(ns, how):
    """
    In a container with the host's network, most processes are out of sight: what they hold must
    not be called a socket without a process, and the answer is not complete.
    """
    ns.tcp("0.0.0.0", 8311)
    result = ns.portero("--json", *how, prefix=("unshare", "-p", "-f", "--mount-proc"))
    port = find(result.json, 8311)
    assert port["listeners"][0]["pid"] is None
    assert "no-process" not in note_ids(port)
    assert result.code == 2 and not result.json["complete"]


def test_several_descriptors_of_one_process(ns, holder):
    s = ns.tcp("127.0.0.1", 8309)
    twice = s.dup()
    p = ns.start([holder], give=[s, twice], ready=True)
    one = find_listener(ns.status(), 8309)
    assert one["pids"] == [p.pid] and one["sockets"] == 1


def test_threads_with_descriptors_of_their_own(ns):
    """A thread that called unshare(CLONE_FILES) has a table which its leader does not show."""
    code = """
import ctypes, socket, sys, threading, os
libc = ctypes.CDLL(None, use_errno=True)
def run():
    assert libc.unshare(0x400) == 0
    s = socket.socket(); s.bind(("127.0.0.1", 8310)); s.listen()
    print("ready", flush=True)
    sys.stdin.read()
t = threading.Thread(target=run); t.start(); t.join()
"""
    p = ns.python(code)
    one = find_listener(ns.status(), 8310)
    assert one["pid"] == p.pid
    assert find_listener(ns.status("--no-bpf"), 8310)["pid"] == p.pid


def test_both_ways_agree(ns, holder, tmp_path):
    """BPF and /proc: the same listeners, the same owners, the same order."""
    for i in range(30):
        # some numbers twice, on two addresses
        s = ns.tcp(f"127.0.0.{1 + i % 2}", 8320 + i // 2) if i % 3 else ns.tcp("0.0.0.0", 8340 + i)
        program = copy_program(holder, tmp_path, f"p{i % 7}-{i}")
        ns.start([program, f"fork={i % 3}"], give=[s], ready=True)

    def essence(status):
        return [(r["port"], r["proto"], r["address"], r["pids"], r["program"], r["notes"],
                 r["inode"], r["seen_by"]) for r in rows(status)]

    assert essence(ns.status()) == essence(ns.status("--no-bpf"))
    assert stable(ns.portero().text) == stable(ns.portero("--no-bpf").text)
