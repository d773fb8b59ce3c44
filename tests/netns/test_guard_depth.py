# SPDX-License-Identifier: GPL-2.0-or-later
"""A unit is told by the outermost cgroup, however deep a process sits that may make cgroups itself."""
import pytest

from test_guard_json import applied  # noqa: F401
from test_watch import tell

PORT = 7004
UNIT = "web.service"
POLICY = f"""\
settings: {{guard: enforce}}
openings:
  - {{ports: {PORT}/tcp, from: [internet], unit: {UNIT}}}
"""


@pytest.mark.parametrize("depth", [0, 10, 11, 12, 13])
def test_depth(applied, depth):  # noqa: F811
    applied.apply("enforce", POLICY)
    name = "user@1000.service"
    applied.make_cgroup(name)
    for part in (UNIT, *["x"] * depth):
        name += f"/{part}"
        applied.make_cgroup(name)
    assert tell(applied.actor(name=name), "open", "tcp", "0.0.0.0", PORT) == "PermissionError"


@pytest.mark.parametrize("depth", [0, 1, 11])
def test_within_the_unit(applied, depth):  # noqa: F811
    """As deep as the guard looks."""
    applied.apply("enforce", POLICY)
    name = UNIT
    applied.make_cgroup(name)
    for _ in range(depth):
        name += "/x"
        applied.make_cgroup(name)
    assert tell(applied.actor(name=name), "open", "tcp", "0.0.0.0", PORT) == "ok"
