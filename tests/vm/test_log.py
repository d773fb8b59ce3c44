# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that the scripts did, and no BPF program of portero, made the kernel complain."""


def check(machine):
    for number in range(1, len(machine.kind.folders) + 1):
        log = machine.answer(f"log dmesg-{number}").out
        assert "Linux version" in log
        found = [line for line in log.splitlines()
                 if any(word in line for word in ("WARNING:", "BUG:", "Oops", "RIP:", "rcu_sched"))]
        assert not found, log[-5000:]


def test_kernel_did_not_complain(machine):
    check(machine)


def test_kernel_did_not_complain_of_systemd(systemd):
    check(systemd)


def test_no_unit_is_in_a_circle(systemd):
    """systemd breaks one by leaving out a unit, which it only says."""
    for name, answer in systemd.answers.items():
        if name.startswith("log "):
            assert "ordering cycle" not in answer.out, answer.out[-3000:]
