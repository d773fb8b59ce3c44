# SPDX-License-Identifier: GPL-2.0-or-later
"""One layer of packages for all daemons, the guard around them, and the table at the end."""
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "frontends"), str(HERE.parent / "netns")]

import daemon  # noqa: E402
import harness  # noqa: E402
import room  # noqa: E402
import seen  # noqa: E402
from harness import pytest_configure, pytest_sessionfinish, pytest_unconfigure  # noqa: E402,F401


def chosen():
    """The small ones; DAEMONS=all, or names: those."""
    everything = daemon.load()
    wanted = os.environ.get("DAEMONS", "").split()
    if wanted == ["all"]:
        return list(everything)
    return wanted or [name for name, recipe in everything.items() if recipe.get("small")]


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", chosen())


@pytest.fixture(scope="session")
def layer():
    harness.require_namespaces()
    guard = room.Guard()
    small = not os.environ.get("DAEMONS")
    made = room.Layer(room.packages("DAEMON_PACKAGES" if small else "MORE_DAEMON_PACKAGES"),
                      daemon.CACHE / ("small" if small else "all"), 1800)
    try:
        yield made
    finally:
        made.close()
    guard.check()


@pytest.fixture
def running(layer, name):
    made = daemon.Daemon(layer, name, daemon.load()[name])
    try:
        yield made
    finally:
        made.close()


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    for line in seen.table():
        terminalreporter.write_line(line)
    harness.pytest_terminal_summary(terminalreporter, exitstatus, config)
