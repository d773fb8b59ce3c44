# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt does with data/apt/99portero after dpkg: nothing without a guard, and it never fails."""
import shlex
import subprocess

import pytest

from harness import ROOT, need_program

PINNED = "/sys/fs/bpf/portero/guard_active"
STUB = """#!/bin/sh
echo "$@" >>{said}
exit 2
"""


@pytest.fixture
def hook(tmp_path):
    """The command as apt has it, with portero and the guard's pin in a folder of the test's own."""
    config = tmp_path / "99portero"
    text = (ROOT / "data/apt/99portero").read_text()
    assert PINNED in text
    config.write_text(text.replace("@PREFIX@", str(tmp_path)).replace(PINNED, f"{tmp_path}/pin"))
    dump = subprocess.run([need_program("apt-config"), "-c", str(config), "dump",
                           "DPkg::Post-Invoke"], capture_output=True, text=True, check=True)
    assert dump.stderr == ""
    found = [line for line in dump.stdout.splitlines() if str(tmp_path) in line]
    assert len(found) == 1, dump.stdout
    (command,) = shlex.split(found[0].split(" ", 1)[1].rstrip(";"))
    return command


def install(place):
    stub = place / "bin" / "portero"
    stub.parent.mkdir()
    stub.write_text(STUB.format(said=shlex.quote(str(place / "said"))))
    stub.chmod(0o755)


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("installed", [False, True])
def test_hook(hook, tmp_path, guard, installed):
    if guard:
        (tmp_path / "pin").touch()
    if installed:
        install(tmp_path)
    done = subprocess.run(["sh", "-c", hook], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    said = tmp_path / "said"
    if guard and installed:
        assert said.read_text() == "guard refresh -q\n"
    else:
        assert not said.exists()


def test_install(tmp_path):
    """make install puts it where apt reads it, below DESTDIR."""
    done = subprocess.run(["make", "-n", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt"], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert f"'s|@PREFIX@|/opt|g' data/apt/99portero > {tmp_path}/etc/apt/apt.conf.d/99portero" \
        in done.stdout
