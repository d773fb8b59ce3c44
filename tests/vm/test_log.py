# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that the scripts did, and no BPF program of portero, made the kernel complain."""


def test_kernel_did_not_complain(machine):
    log = machine.answer("log dmesg").out
    assert "Linux version" in log
    found = [line for line in log.splitlines()
             if any(word in line for word in ("WARNING:", "BUG:", "Oops", "RIP:", "rcu_sched"))]
    assert not found, log[-5000:]
