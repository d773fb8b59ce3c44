# SPDX-License-Identifier: GPL-2.0-or-later
"""
A kernel that is locked down for confidentiality. The loader of a light skeleton calls a helper that
it forbids (bpf_probe_read_kernel); portero's programs call none, so the ordinary skeleton loads.
"""
from test_ladder import SINCE


def test_owners_are_known(machine, ask):
    assert "[confidentiality]" in machine.answer("lockdown state").out
    status = ask("lockdown web")
    assert status["views"]["owners"] == "bpf"
    assert [li["program"] for p in status["ports"] for li in p["listeners"]] == ["/usr/bin/web"]


def test_doctor_names_the_program(ask):
    found = {c["id"]: c for c in ask("lockdown doctor")["checks"]}["bpf-iterator"]
    assert found["state"] == "works (task_file): all processes and namespaces in one pass"


def test_ladder(machine):
    lines = machine.answer("lockdown ladder").out.splitlines()
    taken = {line.split()[0] for line in lines if line.split()[1] == "ok"}
    assert taken == {rung for rung, since in SINCE.items()
                     if rung.endswith("-full") and machine.kernel.version >= since}
