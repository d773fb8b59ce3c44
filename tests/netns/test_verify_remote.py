# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify --from HOST: another machine looks. ssh is a script here (test_verify_ssh.py has a real one),
so that it can answer anything.
"""
import os
import signal

import pytest

from harness import PORTERO, SLOW, in_place_of, ip, require_namespaces, wait_until
from verifying import OWN, OWN6, RULES, Machine, kinds, small_table

FAKE_SSH = """#!/bin/sh
# what ssh does: the last argument is a command for the shell of the other machine
for command; do :; done
export SSH_CONNECTION="10.5.0.1 40000 {address} 22"
exec nsenter --net=/run/netns/{peer} -- sh -c 'portero() {{ {portero} --scope-file={scope} "$@"; }}
'"$command"
"""


class Remote:
    """Another machine, with portero and the scope that it needs, behind an ssh without secrets."""

    def __init__(self, machine, directory):
        self.machine = machine
        self.ssh, self.scope = directory / "ssh", directory / "scope"
        self.scope.write_text("10.5.0.0/24 the test\n")
        ip("-n", machine.peer.name, "addr", "add", "10.5.0.2/24", "dev", "eth0")
        self.is_in(machine.peer, "10.5.0.2")

    def is_in(self, ns, address):
        self.says(FAKE_SSH.format(peer=ns.name, portero=PORTERO, scope=self.scope,
                                  address=address))

    def says(self, script):
        self.ssh.write_text(script)
        self.ssh.chmod(0o755)

    def verify(self, *args, prefix=(), **kw):
        return self.machine.verify("--from", "ana@peer.example", *args,
                                   prefix=(*prefix, *in_place_of(["ssh"], self.ssh)), **kw)


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path, (f"{OWN}/24", f"{OWN6}/64"), RULES)


@pytest.fixture
def remote(machine, tmp_path):
    return Remote(machine, tmp_path)


def test_from_another_machine(machine, remote):
    for port in (22, 2500):
        machine.ns.tcp("::", port, v6only=False, backlog=1000)
    answer = remote.verify("--json", code=0).json
    assert answer["from"] == {"host": "ana@peer.example", "interface": "eth0",
                              "addresses": ["10.5.0.2"]}
    assert (answer["addresses"], answer["open"]) == ([OWN], 1)
    assert answer["not_open"] == 65534 and answer["complete"]
    assert "Looked from ana@peer.example (10.5.0.2, by eth0)" in remote.verify(code=0).text


def test_small_table_and_another_machine(remote, tmp_path):
    answer = remote.verify("--json", "-p", "1-2000", code=0, prefix=small_table(tmp_path))
    assert answer.json["seconds"] > 2


def test_its_time_has_an_end(machine, remote):
    """The scan there has a time for each address; that it was over is told, and the answer is not
    complete. (The time is cut to a second here.)"""
    asked = remote.ssh.parent / "asked"
    remote.says(FAKE_SSH.format(peer=machine.peer.name, portero=PORTERO, scope=remote.scope,
                                address="10.5.0.2").replace(
        "exec nsenter", f"echo \"$command\" >> {asked}\n"
        "command=$(echo \"$command\" | sed 's/timeout 720s/timeout 1s --max-rate 500/')\n"
        "exec nsenter"))
    answer = remote.verify("--json", "-p", "1-20000", code=2).json
    assert "portero scan -sV --json --host-timeout 720s -p 1-20000 10.5.0.1" in asked.read_text()
    assert not answer["complete"] and answer["unsure_outside"] > 10000
    text = remote.verify("-p", "1-20000", code=2).text
    assert f"Not all is known of {OWN}: the host's time was over" in text
    remote.verify("--no-services", "-p", "1-2000")
    assert "portero scan --json --host-timeout 600s -p 1-2000 " in asked.read_text()


def test_interrupted(machine, remote, tmp_path):
    """ssh is ended, too, though it would go on."""
    remote.says("#!/bin/sh\ncase $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; "
                f"*) echo $$ > {tmp_path}/pid; exec sleep 1000;; esac\n")
    process = machine.begin("--from", "ana@peer.example", "-p", "80",
                            prefix=in_place_of(["ssh"], remote.ssh))
    pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    process.send_signal(signal.SIGINT)
    assert process.wait(20 * SLOW) == 2
    assert "interrupted: nothing is concluded (0 ports were asked)" in machine.errors.read_text()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="ssh has ended")


def test_something_on_the_way_drops(machine, remote, make_ns):
    """A firewall between both: nothing on this machine could tell."""
    far, router = make_ns(), machine.peer
    router.connect(far, name="eth1", mac="02:00:00:00:00:03", addresses=("10.6.0.1/24",))
    router.sysctl(ipv4__ip_forward=1)
    router.nft("table ip between { chain forward { type filter hook forward priority 0;\n"
               "tcp dport 22 drop\n}\n}\n")
    ip("-n", far.name, "addr", "add", "10.6.0.2/24", "dev", "eth0")
    ip("-n", far.name, "route", "add", "default", "via", "10.6.0.1")
    ip("-n", machine.ns.name, "route", "add", "default", "via", "10.5.0.2")
    remote.is_in(far, "10.6.0.2")
    for port in (22, 80):
        machine.ns.tcp("0.0.0.0", port, backlog=1000)
    answer = remote.verify("--json", "-p", "1-100", code=1)
    assert kinds(answer) == {("shadowed", OWN, 22)} and answer.json["open"] == 1
    assert machine.verify("--json", "-p", "1-100", OWN, code=0).json["open"] == 2


def test_rules_for_its_interface_count(machine, remote):
    """The visitor comes by another one, and is let in."""
    machine.ns.tcp("0.0.0.0", 80, backlog=1000)
    machine.ns.nft("table ip by { chain in { type filter hook input priority 1;\n"
                   "iifname eth0 tcp dport 80 drop\n}\n}\n")
    assert remote.verify("--json", "-p", "80", code=0).json["open"] == 0
    assert machine.verify("--json", "-p", "80", OWN, code=0).json["open"] == 1


@pytest.mark.parametrize("script, says", (
    ("exit 255", "ssh to ana@peer.example failed: its exit code is 255"),
    ("echo 'Permission denied (publickey).' >&2; exit 255", "Permission denied (publickey)"),
    ("exit 127", "no portero on ana@peer.example"),
    ("echo hello", "does not say who is connected"),
    ("echo '10.5.0.1 1 10.5.0.2 22'", "is no portero.scan/1"),
    ("echo '192.0.2.99 1 10.5.0.2 22'", "sees this machine as 192.0.2.99"),
    ("echo '10.5.0.1 1 10.5.0.1 22'", "is this machine itself"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo '{\"schema\": 7}';; esac",
     "is no portero.scan/1"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo '{\"schema\": "
     "\"portero.scan/1\", \"hosts\": [{\"address\": \"10.5.0.1\", \"intervals\": [{\"first\": 0, "
     "\"last\": 99999, \"reason\": \"syn-ack\"}]}]}';; esac", "is no portero.scan/1"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) echo 'portero: out of scope' >&2; "
     "exit 2;; esac", "ana@peer.example: portero: out of scope"),
    ("case $* in *SSH_CONN*) echo 10.5.0.1 1 10.5.0.2 22;; *) yes | head -c 3000000; esac",
     "is no portero.scan/1"),
))
def test_other_machine_fails(remote, script, says):
    remote.says("#!/bin/sh\n" + script + "\n")
    result = remote.verify("-p", "80", code=2)
    assert says in result.errors and result.text == ""
