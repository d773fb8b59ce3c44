# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual machine for each kernel, booted once; hooks as in ../netns/harness.py."""
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


@pytest.fixture(scope="session", params=vm.series_list())
def machine(request):
    """What a machine with that kernel answered (vm.Machine); skipped where there is no kernel."""
    harness.need_program(vm.QEMU)
    harness.need_program("busybox")
    try:
        made = vm.boot(vm.get_kernel(request.param))
    except vm.Missing as e:
        pytest.skip(f"kernel {request.param}: {e}")
    booted.append(made)
    return made


@pytest.fixture
def ask(machine):
    """ask("SCRIPT LABEL", CODE): the JSON that portero wrote there, validated."""
    def answer(name, code=0):
        got = machine.answer(name)
        assert (got.code, got.err) == (code, ""), f"{name}: exit {got.code}\n{got.err}{got.out}"
        return check_json(got.out.encode())

    return answer


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    for made in booted:
        terminalreporter.write_line(f"booted {made.kernel.release}: {made.seconds:.1f} s")
    harness.pytest_terminal_summary(terminalreporter, exitstatus, config)
