# SPDX-License-Identifier: GPL-2.0-or-later
"""Every listener that guest/20-listeners.sh starts is there, with its owner, whatever the view."""
import pytest

from harness import rows

# (port, protocol, address) -> program, number of processes, user; in the machine's own namespace
OWN = {
    (80, "tcp", "0.0.0.0"): ("web", 1, "root"),
    (81, "tcp", "::"): ("six", 1, "root"),
    (82, "tcp", "::"): ("both", 1, "root"),
    (83, "tcp", "0.0.0.0"): ("device", 1, "root"),
    (53, "udp", "0.0.0.0"): ("dns", 1, "root"),
    (53, "udp", "::1"): ("dns", 1, "root"),
    (53, "tcp", "127.0.0.1"): ("dns", 1, "root"),
    (8080, "tcp", "0.0.0.0"): ("pool", 3, "root"),
    (9000, "tcp", "127.0.0.1"): ("user", 1, "operator"),
    (8443, "tcp", "0.0.0.0"): ("mptcp", 1, "root"),
    (5000, "udplite", "0.0.0.0"): ("lite", 1, "root"),
}
INNER = {
    (80, "tcp", "0.0.0.0"): ("inner", 1, "root"),
    (53, "udp", "127.0.0.1"): ("inner", 1, "root"),
}
SCTP = {
    (7001, "sctp", "0.0.0.0"): ("sctp", 1, "root"),
    (7002, "sctp", "127.0.0.1"): ("sctp", 1, "root"),
}
DCCP = {(7003, "dccp", "0.0.0.0"): ("dccp", 1, "root")}

# Label of each answer of the script that has them all, and its exit code. A finding (the deleted
# program of 9000/tcp) makes 1; what could not be looked at, 2.
BEFORE = {"bare": 1, "no-mptcp": 1, "demand": 1}
AFTER = {"bpf": 1, "no-bpf": 2}
FAMILIES = {81: ["ipv6"], 82: ["ipv4", "ipv6"]}


def owners(status, own):
    """As OWN: what portero says."""
    found = {}
    for r in rows(status):
        if r["netns"]["own"] != own:
            continue
        key = (r["port"], r["proto"], r["address"])
        assert key not in found, f"{key} is there twice"
        found[key] = (r["program"] and r["program"].removeprefix("/usr/bin/"), len(r["pids"]),
                      r["user"])
    return found


def later(machine):
    """What is started later, and is there if the kernel has a module for it."""
    missing = machine.kernel.missing_modules
    return {**({} if "sctp" in missing else SCTP), **({} if "dccp_ipv4" in missing else DCCP)}


def checks(ask, label, code=0):
    return {c["id"]: c for c in ask(f"listeners {label}", code)["checks"]}


def test_started(machine):
    assert machine.answer("listeners start").err == ""
    for kind, module in (("sctp", "sctp"), ("dccp", "dccp_ipv4"), ("vsock", "vsock")):
        if module not in machine.kernel.missing_modules:
            assert machine.answer(f"listeners start-{kind}").err == ""


@pytest.mark.parametrize("label", [*BEFORE, *AFTER])
def test_owners(machine, ask, label):
    status = ask(f"listeners {label}", {**BEFORE, **AFTER}[label])
    assert owners(status, True) == {**OWN, **(later(machine) if label in AFTER else {})}
    assert owners(status, False) == INNER


@pytest.mark.parametrize("label", [*BEFORE, *AFTER])
def test_nothing_odd(ask, label):
    """Both views have every listener."""
    for r in rows(ask(f"listeners {label}", {**BEFORE, **AFTER}[label])):
        assert sorted(r["seen_by"]) == ["files", "kernel"], r
        assert not r["notes"] & {"hidden", "no-process", "owner-unreadable"}, r


def test_details(ask):
    status = ask("listeners bpf", 1)
    for r in rows(status):
        if r["port"] in FAMILIES:
            assert r["families"] == FAMILIES[r["port"]]
        assert r["mptcp"] == (r["port"] == 8443)
        assert r["interface"] == ("lo" if r["port"] == 83 else None)
        assert r["unit"] == ("web.service" if r["name"] == "web" else None)
        assert r["program_state"] == ("deleted" if r["name"] == "user" else "file")
        # /var/lib/dpkg of the machine knows one package
        assert r["package"] == ("web" if r["name"] == "web" else None)
    assert {p["kind"] for p in status["portless"]} >= {"raw", "packet"}


def test_views_agree(ask):
    def essence(label, code):
        return sorted((r["port"], r["proto"], r["address"], r["netns"]["inode"], r["inode"],
                       tuple(sorted(r["pids"])), r["program"], r["user"], r["bound"], r["sockets"])
                      for r in rows(ask(f"listeners {label}", code)))

    assert essence("bpf", 1) == essence("no-bpf", 2)


def test_views_are_named(ask):
    assert ask("listeners bpf", 1)["views"] == {"sockets": "kernel", "owners": "bpf"}
    assert ask("listeners no-bpf", 2)["views"] == {"sockets": "kernel", "owners": "proc"}
    why = [gap["why"] for gap in ask("listeners no-bpf", 2)["missing"]]
    assert why == ["without BPF the kernel does not tell whether a port was asked for"]


def test_other_namespaces_are_counted(ask):
    status = ask("listeners own", 1)
    assert status["other_namespaces"] == {"count": 1, "listeners": len(INNER)}
    assert owners(status, False) == {}


def test_vsock(machine, ask):
    if "vsock" in machine.kernel.missing_modules:
        pytest.skip(f"kernel {machine.kernel.release} has no vsock")
    found = [p for p in ask("listeners bpf", 1)["portless"] if p["kind"] == "vsock"]
    assert [(p["number"], p["holders"][0]["program"]) for p in found] == [(7004, "/usr/bin/vsock")]


def test_doctor_names_the_program(machine, ask):
    found = checks(ask, "doctor")["bpf-iterator"]
    version = machine.kernel.version
    program = "task_walk" if version >= (6, 2) else \
        "task_file, light" if version >= (5, 17) else "task_file"
    assert found["health"] == "ok"
    assert found["state"] == f"works ({program}): all processes and namespaces in one pass"


def test_doctor_is_content(machine, ask):
    """With every module, nothing is missing."""
    for check in checks(ask, "doctor").values():
        assert check["health"] == "ok" or machine.kernel.missing_modules, check


def test_doctor_without_modules(ask):
    """Without *_diag, /proc/net is read, which doctor says; MPTCP has no such file."""
    # nor is there a twin: its modules cannot be loaded then
    found = checks(ask, "bare-doctor", 2)
    assert {i for i, c in found.items() if c["health"] == "missing"} == {"reach"}
    for table in ("tcp", "udp", "udplite", "raw", "packet"):
        check = found[f"sockets-{table}"]
        assert (check["health"], check["state"].split(":")[0]) == ("note", "read from /proc/net")
        assert "_diag" in check["remedy"]
    for label in ("bare-doctor", "no-mptcp-doctor"):
        check = checks(ask, label, 2)["sockets-mptcp"]
        assert (check["health"], check["state"].split(":")[0]) == ("note", "cannot be read")
    assert checks(ask, "no-mptcp-doctor", 2)["sockets-tcp"]["health"] == "ok"


def test_doctor_without_bpf(ask):
    found = checks(ask, "no-bpf-doctor", 2)
    assert {i for i, c in found.items() if c["health"] == "missing"} == {"bpf-iterator"}
    assert found["bpf-iterator"]["state"] == "switched off by --no-bpf"


def test_no_module_is_loaded_in_vain(machine):
    """Asking for the table of a protocol that nobody uses would load the protocol."""
    loaded = {line.split()[0] for line in machine.answer("listeners loaded").out.splitlines()}
    assert loaded >= {"tcp_diag", "udp_diag", "mptcp_diag"}
    assert not loaded & {"sctp", "sctp_diag", "dccp", "dccp_diag", "vsock", "vsock_diag"}


def test_as_nobody(machine, ask):
    """Without privileges every port is there, and its owner is said to be unknown."""
    status = ask("listeners as-nobody", 2)
    assert owners(status, True).keys() == {**OWN, **later(machine)}.keys()
    assert {r["program"] for r in rows(status)} == {None}
    assert any("owner" in gap["what"] for gap in status["missing"])
    found = checks(ask, "as-nobody-doctor", 2)
    assert {i for i, c in found.items() if c["health"] == "missing"} == \
        {"privileges", "bpf-iterator", "processes", "reach"}


def test_connection(ask):
    found = ask("listeners connection")["connections"]
    assert [(c["local"], c["local_port"], c["peer"]) for c in found] == [("127.0.0.1", 80, "127.0.0.1")]
    assert all(isinstance(c[number], int) for c in found for number in ("bytes_in", "quiet_ms"))


def test_udp_clients(ask):
    """With BPF a client is told from a listener; without, it is shown with a remark."""
    def notes(label, code=1):
        return [r["notes"] for r in rows(ask(f"listeners {label}", code)) if r["name"] == "client"]

    assert notes("no-clients") == []
    assert notes("clients") == [{"maybe-client", "unpackaged"}]
    assert notes("clients-no-bpf", 2) == [{"maybe-client", "unpackaged"}]


def test_closed_port(machine):
    got = machine.answer("listeners closed")
    assert (got.code, got.out.count("closed: nobody listens")) == (0, 2)


def test_more_listeners_than_the_walk_writes(machine, ask):
    got = machine.answer("listeners many")
    lines = got.out.splitlines()[1:]
    assert got.code == 0
    assert [line.split(",")[0] for line in lines] == [f'"{20000 + i}/tcp"' for i in range(250)]
    assert all('"/usr/bin/many"' in line for line in lines)
    assert "task_file" in checks(ask, "many-doctor")["bpf-iterator"]["state"]
