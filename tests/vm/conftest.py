# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual machine of each kind for each kernel; hooks as in ../netns/harness.py."""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]

import harness  # noqa: E402
import vm  # noqa: E402
from harness import (  # noqa: E402,F401
    check_json, pytest_configure, pytest_sessionfinish, pytest_unconfigure)

booted = []


def get(series, kind):
    harness.need_program(vm.QEMU)
    harness.need_program("busybox")
    try:
        made = vm.boot(vm.get_kernel(series), kind)
    except vm.Missing as e:
        pytest.skip(f"kernel {series}: {e}")
    booted.append(made)
    return made


@pytest.fixture(scope="session", params=vm.series_list())
def machine(request):
    """What a machine with that kernel answered (vm.Machine); skipped where there is no kernel."""
    return get(request.param, vm.PLAIN)


@pytest.fixture(scope="session", params=vm.series_list())
def systemd(request):
    """The same of a machine whose first process is systemd."""
    return get(request.param, vm.SYSTEMD)


def asker(machine):
    def answer(name, code=0):
        got = machine.answer(name)
        assert (got.code, got.err) == (code, ""), f"{name}: exit {got.code}\n{got.err}{got.out}"
        return check_json(got.out.encode())

    return answer


@pytest.fixture
def ask(machine):
    """ask("SCRIPT LABEL", CODE): the JSON that portero wrote there, validated."""
    return asker(machine)


@pytest.fixture
def ask_systemd(systemd):
    return asker(systemd)


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    for made in booted:
        terminalreporter.write_line(f"booted {made.kernel.release} ({made.kind.name}): "
                                       f"{made.seconds:.1f} s")
    harness.pytest_terminal_summary(terminalreporter, exitstatus, config)
