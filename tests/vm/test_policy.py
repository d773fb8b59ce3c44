# SPDX-License-Identifier: GPL-2.0-or-later
"""guest/60-policy.sh: a policy's ruleset is taken by older kernels, and what it means beside a VRF."""
import pytest


def gets_in(machine, name):
    return machine.answer(f"policy {name}").out == "hello\n"


def test_the_kernel_takes_the_rules(machine):
    got = machine.answer("policy rules")
    assert (got.code, got.err) == (0, "")


@pytest.mark.parametrize("address", ("10.9.0.1", "10.10.0.1"))
def test_vrf(machine, address):
    """880 is open at the VRF, 881 at its port: a kernel whose fib expression knows a VRF's addresses
    checks by the port, others by the VRF. 882 and 884 are open, 883 is not."""
    found = {port: gets_in(machine, f"{address}-{port}") for port in range(880, 885)}
    assert found[880] != found[881], found
    assert found[882] and found[884] and not found[883], found


def test_what_a_vrf_sends_to_itself(machine):
    if not gets_in(machine, "10.9.0.1-881"):
        pytest.skip("kernel: fib does not know a VRF's addresses")
    assert gets_in(machine, "own-883")
