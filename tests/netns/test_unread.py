# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of the kernel that cannot be read: nothing that it may have had is called closed."""
import os
import subprocess

import pytest

from harness import AS_NOBODY, HERE


@pytest.fixture(scope="module")
def deny(tool_dir):
    if os.environ.get("SAN") == "1":
        pytest.skip("a preloaded library and AddressSanitizer do not go together")
    path = f"{tool_dir}/deny.so"
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-D_GNU_SOURCE", "-Wall", "-o", path,
                    f"{HERE}/deny.c", "-ldl"], check=True, timeout=60)
    return {"LD_PRELOAD": path}


def test_without_it_the_scene_is_complete(ns):
    ns.tcp("0.0.0.0", 8701)
    assert "8701/tcp" in ns.portero().text


@pytest.mark.parametrize("how", [(), ("--no-bpf",)], ids=["bpf", "no-bpf"])
def test_status_claims_nothing(ns, deny, how):
    ns.tcp("0.0.0.0", 8701)
    # nobody's files are readable for nobody: the socket is in no view at all
    result = ns.portero(*how, prefix=AS_NOBODY, env=deny, code=2)
    assert "8701" not in result.text
    assert "have no listener" not in result.text and "No port has" not in result.text
    assert "listeners on tcp ports are not known" in result.text
    result = ns.portero("8701", *how, prefix=AS_NOBODY, env=deny, code=2)
    assert "No listener matches." not in result.text


def test_show_claims_nothing(ns, deny):
    ns.tcp("0.0.0.0", 8701)
    result = ns.portero("show", "8701/tcp", prefix=AS_NOBODY, env=deny, code=2)
    assert "closed" not in result.text and "none now" not in result.text
    assert "unknown" in result.text


def test_json_claims_nothing(ns, deny):
    ns.tcp("0.0.0.0", 8701)
    status = ns.portero("--json", prefix=AS_NOBODY, env=deny, code=2).json
    assert status["complete"] is False
    assert any("tcp" in m["what"] for m in status["missing"])
