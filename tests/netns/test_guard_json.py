# SPDX-License-Identifier: GPL-2.0-or-later
"""
What programs read of the guard: `portero guard --json`, and the field "guard" of status and show, for
a guard that portero apply put up in a cgroup, a bpffs and a namespace of the test's own.
"""
import pytest

from harness import PYTHON, need_feature, portero, require_namespaces
from test_watch import Guarded, tell

MINE, OTHERS, FREE = 7001, 7002, 7003
POLICY = f"""\
settings:
  guard: MODE
openings:
  - {{ports: {MINE}/tcp, from: [internet], program: {PYTHON}}}
  - {{ports: {OTHERS}/tcp, from: [internet], program: /bin/sleep}}
  - {{ports: {FREE}/tcp, from: [internet]}}
"""


class Applied(Guarded):
    """With listeners that are older than the guard, and a policy."""

    def __init__(self, directory):
        super().__init__(directory)
        self.policy = directory / "policy.d"
        self.policy.mkdir(mode=0o755)
        self.run = directory / "run"
        self.run.mkdir(mode=0o700)
        self.older = self.actor()
        for port in (MINE, OTHERS, FREE):
            assert tell(self.older, "open", "tcp", "0.0.0.0", port) == "ok"

    def portero(self, *args, **kw):
        return portero(*args, "--state-dir", self.state, "--policy-dir", self.policy,
                       "--runtime-dir", self.run, "--pin-dir", self.pins, "--cgroup", self.cgroup,
                       ns=self.ns, **kw)

    def apply(self, mode, policy=POLICY):
        (self.policy / "10.yaml").write_text(policy.replace("MODE", mode))
        (self.policy / "10.yaml").chmod(0o644)
        self.portero("apply", "--yes", "--no-confirm", "--force", "--why", mode, code=0, reach=True)

    def ports(self):
        seen = self.portero("--json", code=(0, 1), reach=True).json["ports"]
        return {p["port"]: p["policy"]["guard"] for p in seen if p["policy"]}


@pytest.fixture
def applied(tmp_path):
    require_namespaces()
    made = Applied(tmp_path)
    try:
        doctor = made.portero("doctor", "--json").json
        said = {c["id"]: c["state"] for c in doctor["checks"]}["guard"]
        need_feature("guard", said.startswith("ports can be bound to their programs"), said)
        yield made
    finally:
        made.portero("guard", "off", "-q", check=False)
        made.close()


def test_none(tmp_path):
    seen = portero("guard", "--json", "--state-dir", tmp_path / "state", "--pin-dir",
                   tmp_path / "pins", code=0).json
    assert (seen["there"], seen["intact"], seen["mode"]) == (False, False, "off")
    assert seen["state"] == 0 and seen["faults"] == []


def test_enforce(applied):
    applied.apply("enforce")
    seen = applied.portero("guard", "--json", code=0).json
    assert (seen["there"], seen["intact"], seen["mode"]) == (True, True, "enforce")
    assert (seen["learning"], seen["older_sockets_known"]) == (False, True)
    assert (seen["cgroup"], seen["pins"]) == (str(applied.cgroup), str(applied.pins))
    assert seen["programs"] == 2 and seen["state"] == 1
    assert applied.ports() == {MINE: "guarded", OTHERS: "cut-off", FREE: "unguarded"}
    assert tell(applied.actor(), "open", "tcp", "0.0.0.0", OTHERS + 10) == "PermissionError"
    counts = applied.portero("guard", "--json", code=0).json["counts"]
    assert counts["binds_refused"] == seen["counts"]["binds_refused"] + 1

    shown = applied.portero("show", f"{OTHERS}/tcp", code=(0, 1)).text
    assert "not the declared program: cut off; opened by python3" in shown
    table = applied.portero(code=1).text
    assert "impostor" in table and "guarded" in table


def test_observe(applied):
    applied.apply("observe")
    assert applied.portero("guard", "--json", code=0).json["mode"] == "observe"
    assert applied.ports() == {MINE: "observed", OTHERS: "would-be-cut-off", FREE: "unguarded"}


def test_tampering(applied):
    """Somebody takes a part of it away: told as what it is, and mended by restore."""
    applied.apply("enforce")
    (applied.pins / "link_ingress").unlink()
    seen = applied.portero("guard", "--json", code=1).json
    assert not seen["intact"]
    assert [(f["id"], f["severity"], f["subject"]) for f in seen["faults"]] == \
        [("unpinned", "critical", "ingress")]
    applied.portero("restore", code=0)
    assert applied.portero("guard", "--json", code=0).json["intact"]
    applied.portero("guard", "off", code=0)
    seen = applied.portero("guard", "--json", code=1).json
    assert [f["id"] for f in seen["faults"]] == ["absent"] and not seen["there"]
