# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard against those who want a port that is another's. Most tests share one guard."""
import os


import pytest

from guarding import HOME, Guard, need_guard
from harness import need_feature, need_program, wait_until

KINDS = ("tcp", "udp", "mptcp")
ANY = {4: "0.0.0.0", 6: "::"}
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SOL_SOCKET, SO_REUSEPORT = 1, 15
IP_LOCAL_PORT_RANGE = 51
NOBODY = 65534
RULES = ("8000-8099/tcp={good}", "8000-8099/udp={good}", "40001/tcp={good}",
         "8100/tcp=unit:foo.service", "8101/tcp=user:65534", "8101/udp=user:65534",
         "8102/tcp=user:nobody,unit:foo.service", "8103/tcp", "8103/udp",
         "8110/tcp={linked}", "8111/tcp={replaced}", "8112/tcp={rewritten}", "8113/tcp={touched}",
         "8114/tcp={script}")
PROGRAMS = ("linked", "replaced", "rewritten", "touched")


def other_content(path):
    """The same program, of the same size, but for what it says: it answers OK instead of ok."""
    content = path.read_bytes()
    assert content.count(b"ok %d\n") == 1
    return content.replace(b"ok %d\n", b"OK %d\n")


def rules(guard, *more):
    named = {p.name: f"program:{p}" for p in guard.folder.iterdir()}
    return [rule.format(**named) for rule in (*RULES, *more)]


@pytest.fixture(scope="module")
def standing():
    need_guard()
    made = Guard()
    try:
        for name in PROGRAMS:
            made.copy(name)
        script = made.folder / "script"
        script.write_text("#!/usr/bin/python3\nimport socket\ns = socket.socket()\n"
                          "s.bind(('0.0.0.0', 8114))\n")
        script.chmod(0o755)
        found = made.load("enforce", *rules(made))
        assert (found["missing"], found["changed"], found["seeded"]) == (0, 0, 1)
        yield made
    finally:
        made.close()


@pytest.fixture
def enforced(standing):
    """The shared guard; the programs of a test end with it."""
    yield standing
    for program in standing.programs:
        program.end()
    standing.programs.clear()


def need_mptcp(program):
    answer = program("socket", "mptcp", 4)
    need_feature("MPTCP", answer.startswith("ok"), answer)


# --- another program ----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", (4, 6))
def test_a_declared_port(enforced, kind, family):
    """Only for the program itself; not for a copy of it, byte for byte."""
    other, good = enforced.start(), enforced.start(enforced.good)
    if kind == "mptcp":
        need_mptcp(good)
    assert other.open(kind, ANY[family], 8000) == "EPERM"
    assert good.open(kind, ANY[family], 8000) == "ok"
    assert enforced.gets(kind, good, HOME[family == 6], 8000)
    if family == 6:
        assert enforced.gets(kind, good, HOME[0], 8000), "it is dual-stack"


@pytest.mark.parametrize("address", ("::", "::ffff:192.0.2.1", "2001:db8:1::1", "0.0.0.0",
                                     "192.0.2.1"))
@pytest.mark.parametrize("kind", KINDS[:2])
def test_addresses(enforced, kind, address):
    assert enforced.start().open(kind, address, 8001) == "EPERM"
    assert enforced.start(enforced.good).open(kind, address, 8001) == "ok"


@pytest.mark.parametrize("address", ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"))
@pytest.mark.parametrize("kind", KINDS[:2])
def test_loopback_is_not_judged(enforced, kind, address):
    other = enforced.start()
    assert other.open(kind, address, 8002) == "ok"
    assert other.open(kind, address, 9) == "ok", "nor on a port that is nobody's"
    assert enforced.gets(kind, other, address, 9, enforced.ns)


def test_undeclared(enforced):
    for path in (enforced.good, enforced.other):
        for kind in ("tcp", "udp"):
            assert enforced.start(path).open(kind, "0.0.0.0", 7999) == "EPERM"


def test_udplite_is_nobodys(enforced):
    good = enforced.start(enforced.good)
    need_feature("UDP-Lite", good("socket", "udplite", 4).startswith("ok"))
    assert good("bind", "0.0.0.0", 8003) == "EPERM"


def test_without_an_owner(enforced):
    other = enforced.start()
    for kind in ("tcp", "udp"):
        assert other.open(kind, "0.0.0.0", 8103) == "ok"
        assert enforced.gets(kind, other, HOME[0], 8103)


# --- its file -----------------------------------------------------------------------------------

def opens(guard, path, port):
    program = guard.start(path)
    answer = program.open("tcp", "0.0.0.0", port)
    program.end()
    return answer


def test_a_hard_link(enforced):
    """It changes the file's ctime, so both names are refused until the hash was seen again."""
    linked, name = enforced.folder / "linked", enforced.folder / "link-to-it"
    assert opens(enforced, linked, 8110) == "ok"
    os.link(linked, name)
    assert opens(enforced, name, 8110) == opens(enforced, linked, 8110) == "EPERM"
    assert enforced.load("refresh", *rules(enforced))["changed"] == 0
    assert opens(enforced, linked, 8110) == "ok"


def test_touched(enforced):
    touched = enforced.folder / "touched"
    for change in (lambda: os.utime(touched), lambda: touched.chmod(0o711)):
        change()
        assert opens(enforced, touched, 8113) == "EPERM"
        enforced.load("refresh", *rules(enforced))
        assert opens(enforced, touched, 8113) == "ok"


@pytest.mark.parametrize("name, port", (("replaced", 8111), ("rewritten", 8112)))
def test_other_content(enforced, name, port):
    path = enforced.folder / name
    assert opens(enforced, path, port) == "ok"
    before, content = path.stat(), other_content(path)
    if name == "replaced":
        fresh = enforced.folder / "fresh"
        fresh.write_bytes(content)
        fresh.chmod(0o755)
        fresh.rename(path)
    else:
        path.write_bytes(content)
        assert path.stat().st_ino == before.st_ino
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert opens(enforced, path, port) == "EPERM"
    assert enforced.load("refresh", *rules(enforced))["changed"] >= 1
    assert opens(enforced, path, port) == "EPERM"


def test_a_script_is_its_interpreter(enforced):
    script = enforced.start(enforced.folder / "script", commands=["-"])
    assert script.process.wait(10) == 1, "it was let have its port"


# --- ways around bind() -------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ("tcp", "mptcp"))
@pytest.mark.parametrize("how", ("listen", "uring-listen"))
def test_listen_without_bind(enforced, kind, how):
    """The kernel chooses the port, which nobody declared."""
    for path in (enforced.other, enforced.good):
        program = enforced.start(path)
        if kind == "mptcp":
            need_mptcp(program)
        program("socket", kind, 4)
        answer = program(how)
        need_feature("IORING_OP_LISTEN", answer == "ok", answer)
        port = int(program("port").split()[1])
        assert enforced.reach(HOME[0], port) == "dropped"
        assert enforced.reach("127.0.0.1", port, enforced.ns) == "open"


def test_bind_0_on_a_declared_port(enforced):
    """The kernel is told to choose from a range of one port: bind() does not see it."""
    for path, becomes in ((enforced.other, "dropped"), (enforced.good, "open")):
        program = enforced.start(path)
        program("socket", "tcp", 4)
        answer = program("set", 0, IP_LOCAL_PORT_RANGE, 40001 << 16 | 40001)
        need_feature("IP_LOCAL_PORT_RANGE", answer == "ok", answer)
        assert program.all("bind 0.0.0.0 0", "listen", "port") == "ok 40001"
        assert enforced.reach(HOME[0], 40001) == becomes
        program.end()


@pytest.mark.parametrize("kind", ("tcp", "udp"))
def test_reuseport(enforced, kind):
    """Half of the connections for who binds beside the real one: not here."""
    good, other = enforced.start(enforced.good), enforced.start()
    for program, becomes in ((good, "ok"), (other, "EPERM")):
        program("socket", kind, 4)
        program("set", SOL_SOCKET, SO_REUSEPORT, 1)
        assert program("bind", "0.0.0.0", 8004) == becomes
    assert other("bind", HOME[0], 8004) == "EPERM", "nor on the address alone"


def test_io_uring(enforced):
    for path, becomes in ((enforced.other, "EPERM"), (enforced.good, "ok")):
        program = enforced.start(path)
        program("socket", "tcp", 4)
        answer = program("uring-bind", "0.0.0.0", 8005)
        need_feature("IORING_OP_BIND", answer not in ("EINVAL", "ENOSYS"), answer)
        assert answer == becomes
    assert program("uring-listen") == "ok"
    assert enforced.reach(HOME[0], 8005) == "open"


def test_bound_socket_is_given_away(enforced):
    """Who calls listen() counts, not who called bind()."""
    good, other = enforced.pair(enforced.good, enforced.other)
    assert good.all("socket tcp 4", "bind 0.0.0.0 8006", "give") == "ok"
    assert other.all("take", "listen") == "ok"
    assert enforced.reach(HOME[0], 8006) == "dropped"
    assert good.all("disconnect", "listen") == "ok", "the program itself can have it again"
    assert enforced.reach(HOME[0], 8006) == "open"
    assert other.all("disconnect", "listen") == "ok"
    assert enforced.reach(HOME[0], 8006) == "dropped"


def test_bound_udp_socket_is_bound_again(enforced):
    """A bind that fails, since the socket has a port, changes nothing."""
    good, other = enforced.pair(enforced.good, enforced.other)
    assert good.all("socket udp 4", "bind 0.0.0.0 8007", "give", "bind 0.0.0.0 8008") == "EINVAL"
    assert enforced.hears(good, HOME[0], 8007)
    assert other.all("take", "bind 0.0.0.0 8103") == "EINVAL"
    assert enforced.hears(good, HOME[0], 8007)


def test_destroyed_and_listening_again(enforced):
    other, good = enforced.start(), enforced.start(enforced.good)
    other.all("socket tcp 4", "listen")
    good.all("socket tcp 4", "bind 0.0.0.0 8009", "listen")
    ports = [int(p("port").split()[1]) for p in (other, good)]
    for port in ports:
        with enforced.ns:
            done = os.spawnlp(os.P_WAIT, need_program("ss"), "ss", "-HKlt", f"sport = :{port}")
        assert done == 0
    for program, becomes in ((other, "dropped"), (good, "open")):
        assert program("listen") == "ok"
        assert enforced.reach(HOME[0], int(program("port").split()[1])) == becomes


# --- namespaces and processes -------------------------------------------------------------------

@pytest.mark.parametrize("how", ("enter", "unshare"))
def test_leaving_with_a_socket(enforced, how):
    """A socket is of the namespace that it was made in."""
    for kind in KINDS[:2]:
        other = enforced.start()
        other("socket", kind, 4)
        assert other("enter", f"/run/netns/{enforced.peer.name}") == "ok" if how == "enter" else \
            other("unshare", CLONE_NEWNET) == "ok"
        assert other("bind", "0.0.0.0", 8010) == "EPERM"


def test_another_namespace_is_observed(enforced):
    other = enforced.start(ns=enforced.peer)
    before = enforced.counts()
    assert other.open("tcp", "0.0.0.0", 8010) == "ok"
    assert enforced.reach("192.0.2.2", 8010, enforced.ns) == "open"
    assert other.open("udp", "0.0.0.0", 8010) == "ok"
    assert enforced.hears(other, "192.0.2.2", 8010, enforced.ns)
    after = enforced.counts()
    assert after["listens"] == before["listens"] + 1
    assert after["binds_refused"] == before["binds_refused"]


def test_user_namespace(enforced):
    for path, becomes in ((enforced.other, "EPERM"), (enforced.good, "ok")):
        program = enforced.start(path)
        program("user", NOBODY)
        answer = program("unshare", CLONE_NEWUSER)
        need_feature("user namespaces", answer == "ok", answer)
        assert program.open("tcp", "0.0.0.0", 8011) == becomes


@pytest.mark.parametrize("kind", KINDS[:2])
def test_posing_as_the_program(enforced, kind):
    """In a user namespace of its own, a process may have the kernel name any file as its program."""
    other = enforced.start()
    other("user", NOBODY)
    answer = other("unshare", CLONE_NEWUSER)
    need_feature("user namespaces", answer == "ok", answer)
    answer = other("pose", enforced.good)
    need_feature("PR_SET_MM_MAP", answer == "ok", answer)
    assert os.readlink(f"/proc/{other.process.pid}/exe") == str(enforced.good)
    assert other.open(kind, "0.0.0.0", 8012) == "EPERM"


def test_orphans(enforced):
    for path, becomes in ((enforced.other, "EPERM"), (enforced.good, "ok")):
        program = enforced.start(path)
        assert program("fork") == "ok"
        wait_until(lambda p=program: p.process.poll() is not None, what="the parent's end")
        assert program.open("tcp", "0.0.0.0", 8013) == becomes
        program.process.stdin.close()  # it ends by that
        wait_until(lambda: not (enforced.cgroup / "cgroup.procs").read_text().split(),
                   what="the orphan's end")


@pytest.mark.parametrize("path, becomes", (
    ("foo.service", "ok"), ("system.slice/foo.service", "ok"), ("foo.service/worker", "ok"),
    ("a.slice/a-b.slice/foo.service/x/y", "ok"), ("_foo.service", "ok"),
    ("", "EPERM"), ("bar.service", "EPERM"), ("bar.service/foo.service", "EPERM"),
    ("foo.service.slice", "EPERM"), ("foo.slice", "EPERM"), ("system.slice", "EPERM"),
    ("user.slice/user-1000.slice/user@1000.service/foo.service", "EPERM"),
    ("user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "EPERM"),
    ("user.slice/session-1.scope/foo.service", "EPERM"),
    # so deep that its foo.service is as far up as anybody looks
    pytest.param("user@1000.service" + "/foo.service" * 20, "EPERM", id="deep"),
    pytest.param("f" * 200 + "/foo.service", "EPERM", id="long"),
))
def test_units(enforced, path, becomes):
    program = enforced.start(cgroup=enforced.group(path))
    assert program.open("tcp", "0.0.0.0", 8100) == becomes


def test_users(enforced):
    for uid, becomes in ((0, "EPERM"), (1, "EPERM"), (NOBODY, "ok")):
        for kind in KINDS[:2]:
            program = enforced.start()
            program("user", uid)
            assert program.open(kind, "0.0.0.0", 8101) == becomes
            program.end()


def test_all_that_is_named_counts(enforced):
    for uid, group, becomes in ((NOBODY, "bar.service", "EPERM"), (0, "foo.service", "EPERM"),
                                (NOBODY, "foo.service", "ok")):
        program = enforced.start(cgroup=enforced.group(group))
        program("user", uid)
        assert program.open("tcp", "0.0.0.0", 8102) == becomes
        program.end()
