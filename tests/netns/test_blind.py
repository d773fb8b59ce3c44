# SPDX-License-Identifier: GPL-2.0-or-later
"""When portero may not look, or cannot: it says so, and never answers 0."""
import csv
import io
import json
import os
import resource
import select
import signal
import subprocess

import pytest

from harness import (AS_NOBODY, PORTERO, assert_harmless, assert_no_complaint, base_environment,
                     find_listener, need_program, note_ids, portero, rows, skip_sanitized)

HIDEPID = ("unshare", "-m", "sh", "-c",
           'mount -t proc -o hidepid=2 none /proc && exec "$@"', "sh")
NO_PROC = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
UNMOUNTED_PROC = ("unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh")


@pytest.fixture
def two(ns, holder):
    """A listener of root and one of nobody."""
    need_program("setpriv")
    root = ns.start([holder], give=[ns.tcp("0.0.0.0", 8601)], ready=True)
    own = ns.start([*AS_NOBODY, holder], give=[ns.tcp("0.0.0.0", 8602)], ready=True)
    return root.pid, own.pid


def test_without_root(ns, two):
    result = ns.portero("--json", prefix=AS_NOBODY, code=2)
    status = result.json
    assert status["complete"] is False and status["missing"]
    assert any("root" in (gap["remedy"] or "") for gap in status["missing"])
    assert status["views"]["owners"] in ("proc", None)
    foreign = find_listener(status, 8601)
    assert (foreign["pid"], foreign["program"], foreign["pids"]) == (None, None, [])
    assert foreign["user"] == "root", "the kernel's table tells whose socket it is"
    assert find_listener(status, 8602)["pid"] == two[1], "one's own sockets have their owner"


def test_without_root_table(ns, two):
    result = ns.portero(prefix=AS_NOBODY, code=2)
    line = next(x for x in result.text.splitlines() if x.startswith("8601/"))
    assert line.split()[-1] == "-" or " - " in line
    assert "no process" not in line and "HIDDEN" not in line
    assert "Not seen:" in result.text and "root" in result.text.split("Not seen:")[1]
    own = next(x for x in result.text.splitlines() if x.startswith("8602/"))
    assert "holder" in own


def test_without_root_other_forms(ns, two):
    assert ns.portero("show", "8601", prefix=AS_NOBODY, code=2).text
    assert ns.portero("show", "8601", "--json", prefix=AS_NOBODY, code=2).json
    doctor = ns.portero("doctor", prefix=AS_NOBODY, code=2)
    assert "MISSING" in doctor.text and "root" in doctor.text
    health = {c["id"]: c["health"] for c in
              ns.portero("doctor", "--json", prefix=AS_NOBODY, code=2).json["checks"]}
    assert health["privileges"] == "missing" and health["bpf-iterator"] == "missing"
    assert ns.portero("--all", prefix=AS_NOBODY, code=2)


@pytest.mark.parametrize("args", [("holder",), ("--unit=nosuchunit",), ("--user=daemon",),
                                  ("8601", "nosuchprogram")])
def test_no_match_is_not_certain_without_owners(ns, holder, args):
    """Whoever could not be looked at may be the one that was asked for."""
    need_program("setpriv")
    ns.start([holder], give=[ns.tcp("0.0.0.0", 8601)], ready=True)
    text = ns.portero(*args, prefix=AS_NOBODY, code=2).text
    assert text.startswith("No listener is known to match, but not every owner could be looked at")
    assert "(see below)" in text and "Not seen:" in text
    assert ns.portero("8602", prefix=AS_NOBODY, code=2).text.startswith("No listener matches.")


def test_no_match_is_certain_where_only_details_are_missing(ns):
    ns.udp("127.0.0.1", 8603)
    text = ns.portero("--no-bpf", "nosuchprogram", code=2).text
    assert text.startswith("No listener matches (nor is") and "may be clients" in text


def test_csv_without_root_tells_on_stderr_or_in_the_code(ns, two):
    result = ns.portero("--csv", prefix=AS_NOBODY, code=2)
    records = list(csv.DictReader(io.StringIO(result.out.decode(), newline="")))
    assert {r["port"] for r in records} == {"8601/tcp", "8602/tcp"}


def test_without_root_a_closed_port_is_not_called_closed_wrongly(ns, two):
    """The kernel's tables are for all to read: who listens on what is known even then."""
    text = ns.portero("show", "8699/tcp", prefix=AS_NOBODY, code=(0, 2)).text
    assert "closed: nobody listens" in text


@pytest.mark.parametrize("how", [(), ("--no-bpf",)])
def test_hidepid_for_nobody(ns, two, how):
    result = ns.portero("--json", *how, prefix=(*HIDEPID, *AS_NOBODY), code=2)
    assert {r["port"] for r in rows(result.json)} == {8601, 8602}
    assert find_listener(result.json, 8601)["pid"] is None
    assert "no-process" not in note_ids(result.json["ports"][0]), "hidden from us is not none"
    assert find_listener(result.json, 8602)["pid"] == two[1]


@pytest.mark.parametrize("how", [(), ("--no-bpf",)])
def test_hidepid_for_root(ns, two, how):
    result = ns.portero("--json", *how, prefix=HIDEPID)
    assert [find_listener(result.json, p)["pid"] for p in (8601, 8602)] == list(two)


AS_BPF_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
               "--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon")


@pytest.mark.parametrize("prefix", [AS_BPF_USER, (*HIDEPID, *AS_BPF_USER)],
                         ids=["user", "hidepid"])
def test_bpf_without_the_files_of_processes(ns, two, bpf, prefix):
    """The iterator tells the process; what it runs is for others to know, and that is said."""
    result = ns.portero("--json", prefix=prefix, code=2)
    assert result.json["views"]["owners"] == "bpf" and result.json["complete"] is False
    assert [find_listener(result.json, p)["program"] for p in (8601, 8602)][0] is None
    assert any("not known" in gap["what"] for gap in result.json["missing"])
    assert "MISSING  Processes" in ns.portero("doctor", prefix=prefix, code=2).text


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/time"), reason="kernel: no time namespaces")
def test_time_namespace(ns, two, holder):
    """Start times differ there, so no process would be taken for the one that the kernel named."""
    shifted = ("unshare", "-T", "--boottime", "86400", "--fork")
    result = ns.portero("--json", prefix=shifted)
    assert [find_listener(result.json, p)["pid"] for p in (8601, 8602)] == list(two)
    assert [find_listener(result.json, p)["program"] for p in (8601, 8602)] == [holder, holder]
    plain = ns.portero("--json")
    assert all(find_listener(result.json, p)["since"] == find_listener(plain.json, p)["since"]
               for p in (8601, 8602))


@pytest.mark.parametrize("prefix", [NO_PROC, UNMOUNTED_PROC], ids=["tmpfs", "unmounted"])
@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_no_proc(ns, two, prefix, how):
    env = {"ASAN_OPTIONS": "detect_leaks=0"}  # looking for leaks takes /proc
    result = ns.portero("--json", *how, prefix=prefix, code=2, env=env)
    assert {r["port"] for r in rows(result.json)} == {8601, 8602}
    if how:
        assert all(r["program"] is None for r in rows(result.json))
        assert result.json["views"]["owners"] is None
    for r in rows(result.json):
        assert not r["notes"] & {"no-process", "hidden-listener"}, r["notes"]
    text = ns.portero(*how, prefix=prefix, code=2, env=env).text
    assert "8601/tcp" in text and "Not seen:" in text
    assert "MISSING" in ns.portero("doctor", *how, prefix=prefix, code=2, env=env).text


def limit(what, value):
    return lambda: resource.setrlimit(what, (value, value))


@pytest.mark.parametrize("count", [3, 4, 5, 6, 8, 10, 12, 16, 24])
@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_no_more_descriptors(ns, two, count, how):
    """EMFILE anywhere: either the whole truth, or 2 and what is missing."""
    result = ns.portero("--json", *how, preexec=limit(resource.RLIMIT_NOFILE, count), check=False)
    if result.code == 127 and b"shared librar" in result.err:
        return  # the loader had no room: portero itself never ran
    assert_no_complaint(result)
    assert result.code in (0, 2), repr(result)
    if result.code == 0:
        found = {r["port"]: r["pid"] for r in rows(json.loads(result.out))}
        assert found == {8601: two[0], 8602: two[1]}
    else:
        assert result.err or b'"complete": false' in result.out


@pytest.mark.parametrize("mib", [8, 12, 16, 20, 24, 32, 48, 64, 96])
def test_little_memory(ns, two, mib):
    """ENOMEM anywhere: a sentence, or a gap; never a crash, never half an answer with 0."""
    skip_sanitized("AddressSanitizer reserves terabytes of address space")
    result = ns.portero("--json", preexec=limit(resource.RLIMIT_AS, mib << 20), check=False)
    if result.code == 127 and b"shared librar" in result.err:
        return  # the loader had no room: portero itself never ran
    assert_no_complaint(result)
    assert result.code in (0, 2), repr(result)
    if result.code == 0:
        found = {r["port"]: r["pid"] for r in rows(json.loads(result.out))}
        assert found == {8601: two[0], 8602: two[1]}
    else:
        assert result.err or b'"complete": false' in result.out


def run_with_stdout(ns, args, stdout, **kw):
    with ns:
        return subprocess.run([PORTERO, *args], stdout=stdout, stderr=subprocess.PIPE, timeout=60,
                              stdin=subprocess.DEVNULL, env=base_environment(), check=False, **kw)


@pytest.mark.parametrize("args", [(), ("--json",), ("--csv",), ("show", "8601"), ("doctor",),
                                  ("--help",), ("completion", "bash"), ("--version",)],
                         ids=lambda a: " ".join(a) or "status")
def test_full_disk(ns, two, args):
    with open("/dev/full", "wb") as full:
        result = run_with_stdout(ns, args, full)
    assert result.returncode == 2
    assert b"cannot write" in result.stderr and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("args", [(), ("--json",)], ids=["table", "json"])
def test_closed_output(ns, two, args):
    result = run_with_stdout(ns, args, None, preexec_fn=lambda: os.close(1))
    assert result.returncode == 2
    assert result.stderr


def test_everything_closed(ns, two):
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    with ns:
        p = subprocess.Popen([PORTERO], env=base_environment(), preexec_fn=close_all)
    assert p.wait(60) == 2


@pytest.mark.parametrize("args", ["", "--json", "--csv"])
def test_reader_that_leaves(ns, args):
    for i in range(300):
        ns.tcp("127.0.0.1", 9000 + i)
    with ns:
        result = subprocess.run(["bash", "-c", f'"$0" {args} | head -1; exit "${{PIPESTATUS[0]}}"',
                                 PORTERO], capture_output=True, timeout=60,
                                env=base_environment(), check=False)
    assert result.stdout.count(b"\n") == 1
    # ended by the signal, or a quiet 2; or all of it fitted into the pipe
    assert result.returncode in (0, 2, 128 + signal.SIGPIPE), result
    assert result.stderr == b"" or b"cannot write" in result.stderr


def test_ignored_sigpipe(ns, two):
    reader, writer = os.pipe()
    os.close(reader)
    result = run_with_stdout(ns, [], writer,
                             preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
                             restore_signals=False)
    os.close(writer)
    assert result.returncode == 2


def test_standard_input_is_left_alone(ns, two):
    """portero asks nobody anything: it does not read its input."""
    reader, writer = os.pipe()
    os.write(writer, b"mine\n")
    with ns:
        p = subprocess.run([PORTERO], stdin=reader, capture_output=True, timeout=60,
                           env=base_environment(), check=False)
    assert p.returncode in (0, 2)
    assert select.select([reader], [], [], 0)[0] and os.read(reader, 99) == b"mine\n"
    os.close(reader)
    os.close(writer)


def test_a_blind_look_outside_of_our_namespaces_is_harmless():
    """On the machine itself, whatever runs there: only that it works, as nobody."""
    result = portero("--json", prefix=AS_NOBODY)
    assert result.json["schema"] == "portero.status/1"
    assert_harmless(portero("--all", prefix=AS_NOBODY).out)
