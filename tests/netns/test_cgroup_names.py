# SPDX-License-Identifier: GPL-2.0-or-later
"""Units and containers are told by the names of cgroups, which whoever makes one may choose."""
import csv
import io
import os

import pytest

from harness import janitor, need_feature, rows

ESCAPE = "\x1b[31m"


def cgroup2():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            field = line.split()
            if field[2] == "cgroup2" and os.access(field[1], os.W_OK):
                return field[1]
    return None


@pytest.fixture
def cgroup():
    """Makes cgroups by path below the root, and puts processes into them."""
    root = cgroup2()
    need_feature("cgroup2", root is not None, "no cgroup v2 hierarchy can be written to")
    made = []

    def put(process, path):
        at = root
        for name in path.split("/"):
            at = os.path.join(at, name)
            if not os.path.isdir(at):
                try:
                    os.mkdir(at)
                except OSError as e:
                    pytest.skip(f"kernel: no cgroup can be made ({e})")
                made.append(at)
        with open(os.path.join(at, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(process.pid))
        processes.append(process)

    processes = []
    yield put
    for process in processes:
        janitor.end(process)
    for path in reversed(made):
        os.rmdir(path)


def listen(ns, holder, cgroup, port, path):
    process = ns.start([holder], give=[ns.tcp("0.0.0.0", port)], ready=True)
    cgroup(process, path)


def looks(ns, port):
    """Every form of output, each of which ns.portero() checks for what acts on a terminal."""
    for args in ((port,), ("-q", port), ("--csv", port), ("--json", port), ("show", port),
                 ("show", port, "--json"), (port, "--sort=user")):
        yield ns.portero(*args)


def test_container_id_is_escaped(ns, holder, cgroup):
    listen(ns, holder, cgroup, 8711, f"portero-test-{os.getpid()}/lxc.payload.{ESCAPE}x")
    texts = [r.text for r in looks(ns, "8711")]
    assert any("lxc" in t for t in texts)
    assert r"lxc:\x1b[31mx" in texts[0]


def test_container_id_in_utf8_is_not_cut_in_half(ns, holder, cgroup):
    listen(ns, holder, cgroup, 8712, f"portero-test-{os.getpid()}/lxc.payload.{'á' * 11}日本日本")
    for result in looks(ns, "8712"):
        assert result.text  # it decodes


def test_unit_is_escaped(ns, holder, cgroup):
    listen(ns, holder, cgroup, 8713, f"portero-test{os.getpid()}.slice/a{ESCAPE}.service")
    texts = [r.text for r in looks(ns, "8713")]
    assert r"a\x1b[31m.service" in texts[0]


def declared(ns, tmp_path, port, unit):
    (tmp_path / "a.yaml").write_text(
        f"openings: [{{ports: {port}/tcp, from: internet, unit: {unit}}}]\n")
    status = ns.portero("--json", str(port), "--policy-dir", tmp_path, reach=True).json
    return [(p["listeners"][0]["unit"], p["policy"]["declared"]) for p in status["ports"]]


def test_unit_of_a_user_is_none_of_the_machine(ns, holder, cgroup, tmp_path):
    """Below user@UID.service a user may call a unit like one of root's, which a policy means."""
    tmp_path.chmod(0o755)
    top = f"portero-test{os.getpid()}.slice"
    listen(ns, holder, cgroup, 8715, f"{top}/web.service")
    listen(ns, holder, cgroup, 8716, f"{top}/user@4294.service/app.slice/web.service")
    assert declared(ns, tmp_path, 8715, "web") == [("web.service", "declared")]
    assert declared(ns, tmp_path, 8716, "web") == [("web.service", "other")]
    assert declared(ns, tmp_path, 8716, "user@4294") == [("web.service", "declared")]
    assert declared(ns, tmp_path, 8716, "user@4295") == [("web.service", "other")]
    assert declared(ns, tmp_path, 8715, "user@4294") == [("web.service", "other")]


def test_unit_is_no_formula(ns, holder, cgroup):
    listen(ns, holder, cgroup, 8714, f"portero-test{os.getpid()}.slice/=1+1.service")
    assert [r["unit"] for r in rows(ns.status("8714"))] == ["=1+1.service"]
    record = next(csv.DictReader(io.StringIO(ns.portero("--csv", "8714").text)))
    assert record["unit"] == "'=1+1.service"
