# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the BPF programs a kernel takes: those, and all those, that ARCHITECTURE.md says."""
import pytest

SINCE = {
    "task_walk-light": (6, 2),
    "task_walk-full": (6, 2),
    "task_file-light": (5, 17),
    "task_file-full": (5, 12),
}


@pytest.mark.parametrize("rung", SINCE)
def test_rung(machine, rung):
    got = machine.answer("ladder ladder")
    found = {line.split()[0]: line.split()[1:] for line in got.out.splitlines()}
    result, _ms, records = found[rung]
    expected = machine.kernel.version >= SINCE[rung]
    assert (result == "ok") == expected, f"{rung}: {result}\n{got.err}"
    if expected:
        assert int(records) >= 2, "two sockets were there"


def test_refused_for_the_known_reason(machine):
    """Where the walk is refused it is for want of its kfunc, not by the verifier."""
    got = machine.answer("ladder ladder")
    if machine.kernel.version >= SINCE["task_walk-full"]:
        assert got.err == ""
    else:
        assert "bpf_rdonly_cast" in got.err
