# SPDX-License-Identifier: GPL-2.0-or-later
"""What is behind a pid: files that are gone, names that lie, bytes that bite a terminal."""
import csv
import io
import os
import shutil
import subprocess
import sys

import pytest

from harness import build_tool, find, find_listener, note_ids, wait_until

VIEWS = [(), ("--no-bpf",)]


def start_copy(ns, holder, path, port, *args, argv0=None, **kw):
    """A copy of the holder at `path` (bytes or text) that listens on 127.0.0.1:port."""
    path = os.fsencode(path)
    shutil.copy(holder, path)
    s = ns.tcp("127.0.0.1", port)
    return ns.start([argv0 or path, *args], executable=path, give=[s], ready=True, **kw)


@pytest.mark.parametrize("how", VIEWS)
def test_deleted_program(ns, holder, tmp_path, how):
    path = str(tmp_path / "gone")
    start_copy(ns, holder, path, 8401)
    os.unlink(path)
    port = find(ns.status(*how), 8401)
    one = port["listeners"][0]
    assert (one["program"], one["program_state"], one["deleted"]) == (path, "deleted", True)
    assert "program-deleted" in note_ids(port)
    assert "(deleted)" not in one["program"]


@pytest.mark.parametrize("how", VIEWS)
def test_replaced_program(ns, holder, tmp_path, how):
    """As a package manager does: the new file is renamed over the old one."""
    path = str(tmp_path / "upgraded")
    start_copy(ns, holder, path, 8402)
    shutil.copy(holder, path + ".new")
    os.rename(path + ".new", path)
    port = find(ns.status(*how), 8402)
    one = port["listeners"][0]
    assert (one["program"], one["program_state"], one["deleted"]) == (path, "replaced", True)
    assert "program-replaced" in note_ids(port) and "program-deleted" not in note_ids(port)


@pytest.mark.parametrize("how", VIEWS)
def test_program_in_memory(ns, holder, how):
    fd = os.memfd_create("innocent", 0)
    with open(holder, "rb") as f:
        os.write(fd, f.read())
    program = open(f"/proc/self/fd/{fd}", "rb")
    os.close(fd)  # what is open for writing cannot be executed
    s = ns.tcp("127.0.0.1", 8403)
    p = ns.start([holder], executable=f"/proc/self/fd/{program.fileno()}", give=[s, program],
                 ready=True)
    port = find(ns.status(*how), 8403)
    one = port["listeners"][0]
    assert one["pid"] == p.pid
    assert (one["program_state"], one["deleted"]) == ("memory", True)
    assert "innocent" in one["program"] and "(deleted)" not in one["program"]
    assert "program-in-memory" in note_ids(port) and "program-deleted" not in note_ids(port)


@pytest.mark.parametrize("how", VIEWS)
def test_file_that_poses_as_memfd(ns, holder, tmp_path, how):
    """A file is a file, whatever it is called."""
    folder = tmp_path / "memfd:x"
    folder.mkdir()
    path = str(folder / "y")
    start_copy(ns, holder, path, 8404)
    assert find_listener(ns.status(*how), 8404)["program_state"] == "file"


@pytest.mark.parametrize("how", VIEWS)
def test_name_that_ends_in_deleted(ns, holder, tmp_path, how):
    path = str(tmp_path / "tool (deleted)")
    start_copy(ns, holder, path, 8405)
    port = find(ns.status(*how), 8405)
    one = port["listeners"][0]
    assert (one["program"], one["program_state"], one["deleted"]) == (path, "file", False)
    assert "program-deleted" not in note_ids(port)


@pytest.mark.parametrize("how", VIEWS)
def test_name_that_ends_in_deleted_and_is(ns, holder, tmp_path, how):
    path = str(tmp_path / "tool (deleted)")
    start_copy(ns, holder, path, 8406)
    os.unlink(path)
    one = find_listener(ns.status(*how), 8406)
    assert (one["program"], one["program_state"]) == (path, "deleted")


@pytest.mark.parametrize("how", VIEWS)
@pytest.mark.parametrize("name", ["kworker/0:1", "[kthreadd]", "ksoftirqd/0"])
def test_poses_as_kernel_thread(ns, holder, name, how):
    s = ns.tcp("127.0.0.1", 8407)
    ns.start([holder, f"name={name}"], give=[s], ready=True)
    port = find(ns.status(*how), 8407)
    one = port["listeners"][0]
    assert one["name"] == name and one["program"] == holder
    assert "poses-as-kernel-thread" in note_ids(port)


@pytest.mark.parametrize("how", VIEWS)
def test_poses_as_kernel_thread_by_its_arguments(ns, holder, how):
    s = ns.tcp("127.0.0.1", 8408)
    ns.start(["[kworker/u8:2-events]"], executable=holder, give=[s], ready=True)
    for wanted in ((), ("8408",)):
        assert "poses-as-kernel-thread" in note_ids(find(ns.status(*wanted, *how), 8408))
    row = next(x for x in ns.portero(*how).text.splitlines() if x.startswith("8408/"))
    assert "poses as a kernel thread" in row, "the table must tell as much as JSON does"


def test_ordinary_name_does_not_pose(ns, holder):
    s = ns.tcp("127.0.0.1", 8409)
    ns.start([holder, "name=worker/0"], give=[s], ready=True)
    assert "poses-as-kernel-thread" not in note_ids(find(ns.status(), 8409))


def test_changed_arguments(ns, holder):
    s = ns.tcp("127.0.0.1", 8410)
    title = "nginx: master process"
    ns.start([holder, f"title={title}", "padding-padding-padding"], give=[s], ready=True)
    one = find_listener(ns.status(), 8410)
    assert one["program"] == holder, "arguments do not change who it is"
    assert one["cmdline"].rstrip().startswith(title)
    assert "padding" not in one["cmdline"]


def test_empty_arguments(ns, tool_dir):
    """execve with no arguments at all, or with empty ones, is legal."""
    holder = build_tool("holder", tool_dir)
    s = ns.tcp("127.0.0.1", 8411)
    ns.start([""], executable=holder, give=[s], ready=True)
    one = find_listener(ns.status(), 8411)
    assert one["program"] == holder and one["cmdline"] in (None, "")


def test_huge_arguments(ns, holder):
    s = ns.tcp("127.0.0.1", 8412)
    ns.start([holder, *(["x" * 100_000] * 15)], give=[s], ready=True)
    one = find_listener(ns.status(), 8412)
    assert one["cmdline"].startswith(f"{holder} xxx")
    assert len(ns.portero("--json").out) < 4_000_000


NASTY = [
    b"plain name with spaces",
    b"new\nline",
    b"carriage\rreturn",
    b"tab\there",
    b"\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    b"\x9b31mC1",
    "\u009b31m".encode(),
    "rtl\u202egnp.exe".encode(),
    "iso\u2066late\u2069".encode(),
    "mark\u200f\u200e\u061c".encode(),
    "zero\u200bwidth\u2060\ufeff".encode(),
    "para\u2029graph\u2028line".encode(),
    b"invalid \xff\xfe\xc3( utf-8 \xed\xa0\x80",
    b"overlong \xc0\xaf",
    b"back\\slash \\x1b",
    b"\"quoted\",'comma';$(touch x)`y`",
    b"=1+1",
    b"\x7fdel\x08\x08\x08",
    "wide 漢字 \U0001f600 e\u0301".encode(),
    b"%s%n%d",
    b"<script>alert(1)<!-- &amp;",
    b"-dash",
]


@pytest.mark.parametrize("name", NASTY, ids=lambda n: n.decode("ascii", "backslashreplace")[:20]
                         .encode("unicode_escape").decode())
def test_nasty_names(ns, holder, tmp_path, name):
    """Neither the path, the arguments nor the name of a process reaches the output as it is."""
    folder = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(folder)
    path = folder + b"/" + name
    shutil.copy(holder, path)
    s = ns.tcp("127.0.0.1", 8413)
    ns.start([name, b"name=" + name[:15], name], executable=path, give=[s], ready=True)

    # portero() checks that every output is harmless
    one = find_listener(ns.status(), 8413)
    assert "\n" not in one["program"] and one["program"].startswith(str(tmp_path))
    table = ns.portero().text
    assert len([x for x in table.splitlines() if "8413" in x]) == 1, table
    shown = ns.portero("show", "8413/tcp").text
    assert "8413/tcp" in shown
    ascii_table = ns.portero(env={"LC_ALL": "C"})
    ascii_table.out.decode("ascii")
    records = list(csv.reader(io.StringIO(ns.portero("--csv").out.decode(), newline=""),
                              strict=True))
    assert len(records) == 2 and len(records[0]) == len(records[1]) == 11
    assert not any(cell.startswith(("=", "+", "@")) for cell in records[1])
    if all(32 <= byte < 127 and byte != 0x5c for byte in name):
        assert one["program"].encode() == path, "what is harmless is not changed"


def test_names_are_told_apart(ns, holder, tmp_path):
    """What is escaped is escaped without loss: a backslash is not an escape sequence."""
    for i, name in enumerate([b"a\x1bb", b"a\\x1bb", b"a\\\\x1bb"]):
        start_copy(ns, holder, os.fsencode(tmp_path) + b"/" + name, 8420 + i)
    status = ns.status()
    programs = {find_listener(status, 8420 + i)["program"] for i in range(3)}
    assert len(programs) == 3


def test_nasty_host_name(ns):
    """The name of the machine is not to be trusted either."""
    result = ns.portero("--json", prefix=(
        "unshare", "-u", sys.executable, "-c",
        "import os,sys,socket; socket.sethostname(b'a\\x1b[31m\\xff\\n'); "
        "os.execv(sys.argv[1], sys.argv[1:])"))
    assert result.json["host"] not in (None, "")


def test_nasty_interface_name(ns):
    """Linux allows nearly every byte in the name of an interface."""
    name = "\x1b[31mv\u202e"
    made = subprocess.run(["ip", "-n", ns.name, "link", "add", name, "type", "veth", "peer",
                           "name", "vp"], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("kernel: no veth, or ip refuses such a name")
    subprocess.run(["ip", "-n", ns.name, "addr", "add", "192.0.2.1/24", "dev", name], check=True)
    ns.tcp("192.0.2.1", 8430)
    ns.tcp("0.0.0.0", 8431, device=name)
    assert find_listener(ns.status(), 8430)["bound"] == "network"
    ns.portero()
    ns.portero("--csv")
    ns.portero("show", "8431")


def test_program_in_another_mount_namespace(ns, holder, tmp_path):
    """The path as the process sees it; what stands at it here is another file, or none."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    s = ns.tcp("127.0.0.1", 8432)
    script = (f'mount -t tmpfs none "{hidden}" && cp "{holder}" "{hidden}/inside" && '
              f'exec "{hidden}/inside"')
    p = ns.start(["unshare", "-m", "sh", "-c", script], give=[s], keep=True, ready=True)
    ns.release(s)
    port = find(ns.status(), 8432)
    one = port["listeners"][0]
    assert one["pid"] == p.pid
    assert one["program"] == f"{hidden}/inside"
    assert one["program_state"] in ("file", "unknown"), "it is in place where it runs"
    assert "program-deleted" not in note_ids(port)


def test_zombie_and_stopped_processes(ns, holder):
    import signal
    s = ns.tcp("127.0.0.1", 8433)
    p = ns.start([holder], give=[s], ready=True)
    p.send_signal(signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{p.pid}/stat").read().split(") ")[1][0] == "T")
    assert find_listener(ns.status(), 8433)["pid"] == p.pid
    os.kill(p.pid, signal.SIGKILL)
    wait_until(lambda: open(f"/proc/{p.pid}/stat").read().split(") ")[1][0] == "Z")
    wait_until(lambda: ns.status()["ports"] == [], what="the port of a dead process closes")
