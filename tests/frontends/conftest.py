# SPDX-License-Identifier: GPL-2.0-or-later
"""Rooms for the cases, the guard around all of them, and the table at the end."""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]

import harness  # noqa: E402
import room  # noqa: E402
from harness import pytest_configure, pytest_sessionfinish, pytest_unconfigure  # noqa: E402,F401


@pytest.fixture(scope="session")
def layer():
    harness.require_namespaces()
    room.remove_cgroups()
    guard = room.Guard()
    made = room.Layer()
    try:
        yield made
    finally:
        made.close()
        room.remove_cgroups()
    guard.check()


@pytest.fixture(scope="module")
def make_case(layer):
    made = []

    def make(**kw):
        made.append(room.Case(layer, **kw))
        return made[-1]

    try:
        yield make
    finally:
        for case in made:
            case.close()


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    write = terminalreporter.write_line
    for test, seen in room.COMPARED:
        write(f"compared: {test}: {seen.classes} classes, {seen.ports} ports, "
              f"{len(seen.differences)} differences, {len(seen.unsure)} left open")
    if room.COMPARED:
        all_seen = [seen for _, seen in room.COMPARED]
        write(f"compared in all: {sum(s.classes for s in all_seen)} classes, "
              f"{sum(s.ports for s in all_seen)} ports")
    if room.TABLE:
        write("| what the front end says | what packets do | what portero says |")
        write("|---|---|---|")
    for row in room.TABLE.values():
        write("| " + " | ".join(row) + " |")
    harness.pytest_terminal_summary(terminalreporter, exitstatus, config)
