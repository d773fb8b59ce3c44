# SPDX-License-Identifier: GPL-2.0-or-later
"""guest/70-guard.sh: the guard on older kernels denies, marks, drops and lets be what it should."""
import json

import pytest

KINDS = ("tcp", "udp", "mptcp")
LSM_PARTS = 0x60  # bits of the parts that are security modules
FIRST_LOAD_S = 120  # ten times what it takes in an emulated machine


def last(machine, name):
    """The answer to the last command: "ok", or the error's name."""
    lines = machine.answer(f"guard {name}").out.split("\n")[:-1]
    return lines[-1].removesuffix(" 0") if lines else ""


def reached(machine, name):
    """None when the connection waited in vain; it was not refused."""
    got = machine.answer(f"guard {name}")
    assert last(machine, name) == "ok" or got.code != 0 and "ECONN" not in got.out, (name, got)
    return got.code == 0


def has_lsm(machine):
    """May BPF programs be security modules? Debian's kernels let them since 6.1."""
    listed = "bpf" in machine.answer("guard lsm").out.strip().split(",")
    assert listed == (machine.kernel.version >= (6, 1))
    return listed


@pytest.mark.parametrize("name", ("first", "again", "refreshed", "observe", "off"))
def test_it_loads(machine, name):
    got = machine.answer(f"guard {name}")
    assert (got.code, got.err) == (0, ""), got
    if name != "off":
        absent = 0 if has_lsm(machine) else LSM_PARTS
        assert got.out == f"missing 0 changed 0 seeded 1 absent {absent:x}\n"
    assert got.seconds < FIRST_LOAD_S


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", (4, 6))
def test_bind(machine, kind, family):
    if not machine.answer(f"guard bind-{kind}-{family}-good").out.startswith("ok"):
        pytest.skip(f"kernel: no {kind}")
    assert last(machine, f"bind-{kind}-{family}-good") == "ok"
    assert last(machine, f"bind-{kind}-{family}-other") == "EPERM"


@pytest.mark.parametrize("name, becomes", (
    ("tcp-loopback", "ok"), ("udp-loopback", "ok"), ("tcp-undeclared", "EPERM"),
    ("udp-undeclared", "EPERM"), ("udplite", "EPERM"), ("anybody", "ok"), ("posing", "EPERM"),
    ("away", "EPERM"), ("elsewhere", "ok"), ("user", "ok"), ("other-user", "EPERM"),
    ("unit-foo.service", "ok"), ("unit-a.slice/foo.service", "ok"),
    ("unit-bar.service/foo.service", "EPERM"), ("unit-user@1000.service/foo.service", "EPERM"),
    ("touched", "EPERM"), ("refreshed", "ok"),
))
def test_who_may_bind(machine, name, becomes):
    assert last(machine, f"bind-{name}") == becomes
    *before, _ = machine.answer(f"guard bind-{name}").out.split("\n")[:-1]
    assert all(line.startswith("ok") for line in before), before


@pytest.mark.parametrize("name, gets_in", (
    ("old-good", True), ("old-good6", True), ("old-other", False), ("old-other6", False),
    ("old-undeclared", False), ("old-undeclared-lo", True),
    ("listen-good", True), ("listen-chosen", False),
    ("observe-old-other", True), ("off-old-other", True),
))
def test_packets(machine, name, gets_in):
    assert reached(machine, name) == gets_in


@pytest.mark.parametrize("name, gets_in", (
    ("old-mptcp-good", True), ("old-mptcp-other", False), ("listen-mptcp", True)))
def test_packets_of_mptcp(machine, name, gets_in):
    if not machine.answer("guard bind-mptcp-4-good").out.startswith("ok"):
        pytest.skip("kernel: no mptcp")
    assert reached(machine, name) == gets_in


def test_listen_without_bind_was_tried(machine):
    assert machine.answer("guard listen-chosen-said").out == "ok 3\nok 0\n"


@pytest.mark.parametrize("name", ("udp-good", "udp-client"))
def test_datagrams(machine, name):
    assert last(machine, name) == "ok 5" or last(machine, name) == "ok 1", \
        machine.answer(f"guard {name}")


def need_kind(machine, kind):
    if not machine.answer(f"guard lsm-{kind}").out.startswith("ok"):
        pytest.skip(f"kernel: no {kind}")


@pytest.mark.parametrize("kind", ("sctp", "dccp", "sctp-chosen"))
def test_ports_that_no_policy_can_declare(machine, kind):
    need_kind(machine, kind)
    assert last(machine, f"lsm-{kind}") == ("EPERM" if has_lsm(machine) else "ok")
    if kind != "sctp-chosen":
        assert last(machine, f"lsm-{kind}-away") == "ok"
    if kind == "sctp":
        assert last(machine, "observe-sctp") == "ok" and last(machine, "off-sctp") == "ok"


def test_what_has_no_ports_is_told(machine):
    if not has_lsm(machine):
        pytest.skip("kernel: BPF is no security module")
    told = [json.loads(line) for line in machine.answer("guard lsm-told").out.splitlines()]
    made = [(e["event"]["action"], e["event"]["outcome"], e["network"]["transport"],
             (e["destination"] or {}).get("port")) for e in told if e["portero"]["home"]]
    expected = [("bind-refused", "failure", "sctp", 8060), ("bind-refused", "failure", "dccp", 8060),
                ("bind-refused", "failure", "sctp", None), ("raw-socket", "success", "vsock", None),
                ("raw-socket", "success", "packet", None), ("raw-socket", "success", "xdp", None)]
    there = [e for e in expected if machine.answer(f"guard lsm-{e[2]}").out.startswith("ok")]
    assert made == there and ("raw-socket", "success", "packet", None) in made
    assert all(e["process"]["name"] == "good" for e in told if e["portero"]["home"])


def test_other_modes(machine):
    assert last(machine, "observe-bind") == "ok" and last(machine, "off-bind") == "ok"
    assert machine.answer("guard off-pins").code != 0
