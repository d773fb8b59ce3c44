# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify --from HOST by a real ssh to a real sshd, which runs in the namespace of the "other machine":
its own host key, its own authorized_keys, and portero in its PATH.
"""
import os
import pwd
import shutil
import subprocess

import pytest

from harness import (PORTERO, SLOW, ip, need_program, portero, require_namespaces,
                     wait_until)
from verifying import MINUTES, OWN, SPEAKER, SSH, found

OTHER = "10.5.0.2"


class Remote:
    def __init__(self, make_ns, directory):
        self.ns, self.peer, self.dir = make_ns(), make_ns(), directory
        self.ns.connect(self.peer, addresses=(f"{OWN}/24",))
        ip("-n", self.peer.name, "addr", "add", f"{OTHER}/24", "dev", "eth0")
        self.home = pwd.getpwuid(0).pw_dir
        for name in ("host_key", "user_key", "other_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                            directory / name], check=True)
        (directory / "scope").write_text("10.5.0.0/24 the test\n")
        (directory / "bin").mkdir()
        (directory / "bin" / "portero").symlink_to(PORTERO)
        self.serve()
        self.configure("user_key", "host_key")

    def serve(self):
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        (self.dir / "authorized_keys").write_text((self.dir / "user_key.pub").read_text())
        (self.dir / "sshd_config").write_text(
            f"ListenAddress {OTHER}\nPort 22\nHostKey {self.dir}/host_key\nUsePAM no\n"
            f"PidFile none\nStrictModes no\nAuthorizedKeysFile {self.dir}/authorized_keys\n"
            "GatewayPorts clientspecified\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"SetEnv PATH={self.dir}/bin:/usr/sbin:/usr/bin:/sbin:/bin "
            f"PORTERO_SCOPE_FILE={self.dir}/scope LC_ALL=C.UTF-8\n")
        log = self.dir / "sshd.log"
        self.peer.start(["/usr/sbin/sshd", "-D", "-f", self.dir / "sshd_config", "-E", log])
        wait_until(lambda: log.exists() and "listening" in log.read_text(), seconds=20 * SLOW,
                   what="sshd listens")

    def configure(self, user_key, host_key):
        """What root's own ~/.ssh would have."""
        ssh = self.dir / "ssh"
        shutil.rmtree(ssh, ignore_errors=True)
        ssh.mkdir(mode=0o700)
        public = (self.dir / f"{host_key}.pub").read_text()
        (ssh / "known_hosts").write_text(f"{OTHER} {public}")
        (ssh / "config").write_text(
            f"Host other.example\n\tHostName {OTHER}\n\tUser root\n\tIdentitiesOnly yes\n"
            f"\tIdentityFile {self.dir}/{user_key}\n\tStrictHostKeyChecking yes\n")
        (ssh / "config").chmod(0o600)

    def at_home(self):
        """A command with which root's home is another."""
        return ("unshare", "-m", "--propagation", "private", "sh", "-e", "-c",
                f"mount -t tmpfs none {self.home}\ncp -r {self.dir}/ssh {self.home}/.ssh\n"
                "exec \"$@\"", "sh")

    def verify(self, *args, **kw):
        return portero("verify", "--from", "other.example", *args, ns=self.ns, reach=True,
                       timeout=MINUTES, prefix=self.at_home(),
                       env={"PORTERO_STATE_DIR": str(self.dir / "state")}, **kw)


@pytest.fixture
def remote(make_ns, tmp_path):
    require_namespaces()
    for program in ("sshd", "ssh", "ssh-keygen"):
        need_program(program)
    return Remote(make_ns, tmp_path)


def test_looks_from_there(remote):
    """Ports, services, and the rules for its address: as the other machine sees them."""
    remote.ns.python(SPEAKER, "80:http", f"6379:{SSH}", f"2222:{SSH}", "81:http")
    remote.ns.nft("table inet host { chain in { type filter hook input priority 0;\n"
                  f"ip saddr {OTHER} tcp dport 81 drop\n}}\n}}\n")
    answer = remote.verify("--json", code=1)
    assert answer.json["from"] == {"host": "other.example", "interface": "eth0",
                                   "addresses": [OTHER]}
    assert set(found(answer)) == {("impostor", 6379)}
    assert (answer.json["open"], answer.json["not_open"]) == (3, 65532)
    assert answer.json["addresses"] == [OWN] and answer.json["complete"]
    assert {s["port"]: s["service"]["name"] for s in answer.json["services"]} == {
        80: "http", 6379: "ssh", 2222: "ssh"}
    text = remote.verify("-p", "80", code=0).text
    assert f"Looked from other.example ({OTHER}, by eth0)" in text
    env = {"PORTERO_STATE_DIR": str(remote.dir / "state")}
    seen = portero("show", "6379/tcp", "--json", ns=remote.ns, env=env).json["outside"]
    assert [(o["from"], o["state"], o["service"]["version"]) for o in seen] == [
        ("other.example", "open", "9.2p1")]
    shown = " ".join(portero("show", "81", ns=remote.ns, env=env).text.split())
    assert "Outside silent" in shown or "Outside filtered" in shown
    assert "ago from other.example" in shown
    assert remote.verify("--json", "--no-services", "-p", "6379", code=0).json["services"] is None


@pytest.mark.parametrize("user_key, host_key, says", (
    ("other_key", "host_key", "Permission denied (publickey"),
    ("user_key", "other_key", "Host key verification failed"),
))
def test_real_refusals(remote, user_key, host_key, says):
    remote.configure(user_key, host_key)
    result = remote.verify("-p", "80", code=2)
    assert says in result.errors and result.text == ""


def test_no_portero_there(remote):
    (remote.dir / "bin" / "portero").unlink()
    result = remote.verify("-p", "80", code=2)
    assert "no portero on other.example" in result.errors or "not found" in result.errors


def test_out_of_its_scope(remote):
    (remote.dir / "scope").write_text("192.0.2.0/24 another\n")
    result = remote.verify("-p", "80", code=2)
    assert "other.example" in result.errors and "scope" in result.errors


def test_sshd_is_gone(remote):
    for process in list(remote.peer.mine):
        process.kill()
        process.wait()
    result = remote.verify("-p", "80", code=2)
    assert "Connection refused" in result.errors


def test_tunnel_of_a_session(remote):
    """ssh -R: a session of sshd listens, and what speaks is at the other end. No impostor."""
    remote.ns.python(SPEAKER, "8081:http")
    remote.ns.start([*remote.at_home(), "ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R",
                     f"{OTHER}:40080:{OWN}:8081", "other.example"])
    ports = "22,40080"

    def listens():
        seen = portero("40080/tcp", "--json", ns=remote.peer).json["ports"]
        return [row["listeners"][0]["program"] for row in seen]
    assert wait_until(listens, seconds=30 * SLOW, what="the tunnel")[0].startswith("/usr/")
    answer = portero("verify", "--json", "-p", ports, ns=remote.peer, reach=True, timeout=MINUTES,
                     code=0, env={"PORTERO_STATE_DIR": str(remote.dir / "state")}).json
    assert {s["port"]: s["service"]["name"] for s in answer["services"]} == {22: "ssh",
                                                                              40080: "http"}
