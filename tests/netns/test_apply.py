# SPDX-License-Identifier: GPL-2.0-or-later
"""
plan, apply, open, close: a host with sshd's port, a web server, a stray database and a port that is
published to a container; what a peer gets, by real connections, is what the policy says, and
unconfirmed it all comes back.
"""
import os
import socket
import struct
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness import (
    PORTERO, PYTHON, SLOW, Netns, base_environment, need_feature, need_program, require_namespaces, scene,
    wait_until)

HOST4, HOST6 = "198.18.0.1", "2001:db8:18::1"
PEER4, PEER6 = "198.18.0.9", "2001:db8:18::9"
FAR = "203.0.113.5"    # of the peer's too: for the host, the internet
OFFICE = "10.1.2.3"    # and a private one
QUICK = 1.2            # seconds until a dropped SYN is taken for silence

POLICY = """\
settings:
  protect: [22/tcp]
openings:
  - ports: [22/tcp]
    from: [10.0.0.0/8]
    why: admins
  - ports: [443/tcp]
    from: [internet]
    why: web
"""


class Host:
    """The host, its peer, and a container behind its bridge."""

    def __init__(self, directory, policy=POLICY):
        self.host, self.peer, self.container = Netns(), Netns(), Netns()
        for ns in (self.host, self.peer, self.container):
            ns.sysctl(ipv6__conf__default__accept_dad=0, ipv6__conf__all__accept_dad=0)
        self.directory = Path(directory)
        self.policy = self.directory / "policy.d"
        self.state = self.directory / "state"
        self.policy.mkdir(mode=0o755)
        if policy:
            self.write("10.yaml", policy)
        self.connect()
        self.listeners = [self.host.tcp("::", port, v6only=False) for port in (22, 443, 6379)]
        self.web = self.container.tcp("0.0.0.0", 80)

    def connect(self):
        host, peer, container = self.host, self.peer, self.container
        host.connect(peer, addresses=(f"{HOST4}/24", f"{HOST6}/64"))
        host.connect(container, name="veth1", mac="02:00:00:00:00:02")
        for ns, *add in ((peer, f"{PEER4}/24", "dev", "eth0"), (peer, f"{FAR}/32", "dev", "eth0"),
                         (peer, f"{OFFICE}/32", "dev", "eth0"),
                         (peer, f"{PEER6}/64", "dev", "eth0", "nodad"),
                         (container, "172.17.0.2/16", "dev", "eth0")):
            ip_in(ns, "addr", "add", *add)
        ip_in(host, "link", "add", "docker0", "type", "bridge")
        ip_in(host, "link", "set", "docker0", "addrgenmode", "none", "up")
        ip_in(host, "link", "set", "veth1", "master", "docker0")
        ip_in(host, "addr", "add", "172.17.0.1/16", "dev", "docker0")
        for ns, via in ((host, PEER4), (peer, HOST4), (container, "172.17.0.1")):
            ip_in(ns, "route", "add", "default", "via", via)
        ip_in(host, "route", "add", "default", "via", PEER6)
        host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        host.nft("table ip nat {\n chain p {\n  type nat hook prerouting priority dstnat\n"
                 "  fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80\n }\n}\n")
        wait_until(lambda: self.reaches(443) or self.reaches(1) is False, what="the network")

    def write(self, name, text):
        (self.policy / name).write_text(text)
        (self.policy / name).chmod(0o644)

    def portero(self, *args, **kw):
        places = ("--policy-dir", self.policy, "--state-dir", self.state, "--runtime-dir",
                  self.directory / "run")
        (self.directory / "run").mkdir(exist_ok=True, mode=0o700)
        kw.setdefault("reach", True)
        return self.host.portero(*args, *places, **kw)

    def apply(self, *args, **kw):
        return self.portero("apply", "--yes", *args, **kw)

    def reaches(self, port, source=FAR, host=HOST4):
        """True: it answers; False: it refuses; None: silence."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with self.peer, socket.socket(family) as s:
            s.settimeout(QUICK * SLOW)
            s.bind((source, 0))
            try:
                s.connect((host, port))
            except ConnectionRefusedError:
                return False
            except TimeoutError:
                return None
            except OSError:
                return None
            return True

    def table(self):
        with self.host:
            return subprocess.run(["nft", "list", "table", "inet", "portero"], text=True,
                                  capture_output=True, check=False).stdout

    def files(self):
        return sorted(p.name for p in self.policy.iterdir() if p.name[0] != ".")

    def close(self):
        for ns in (self.host, self.peer, self.container):
            ns.close()


def ip_in(ns, *args):
    subprocess.run(["ip", "-n", ns.name, *args], check=True, capture_output=True)


@pytest.fixture
def host(tmp_path):
    require_namespaces()
    need_program("nft")
    with scene(Host(tmp_path)) as made:
        yield made[0]


@pytest.fixture
def bare(tmp_path):
    """The same without a policy."""
    require_namespaces()
    need_program("nft")
    with scene(Host(tmp_path, policy=None)) as made:
        yield made[0]


def changes(plan):
    return {c["port"]: c for c in plan["changes"]}


def test_plan_apply_confirm(host):
    plan = host.portero("plan", "--json", code=1).json
    assert plan["proof"]["holds"] and plan["proof"]["packets"] > 100
    kinds = {port: c["change"] for port, c in changes(plan).items()}
    assert kinds == {"22/tcp": "narrows", "6379/tcp": "closes", "8080/tcp": "closes"}
    assert changes(plan)["8080/tcp"]["published"]
    assert {port: (c["family"], c["why"]) for port, c in changes(plan).items()} == {
        "22/tcp": ("both", "declared (10.yaml:4: admins)"), "6379/tcp": ("both", "undeclared"),
        "8080/tcp": ("ipv4", "undeclared")}
    assert host.table() == "", "a plan must not change anything"
    assert host.reaches(6379) and host.reaches(8080)

    host.apply(code=0)
    assert host.reaches(443) and host.reaches(443, PEER6, HOST6)
    assert host.reaches(22, OFFICE)
    for port, source, to in ((22, FAR, HOST4), (22, PEER6, HOST6), (6379, FAR, HOST4),
                             (6379, PEER6, HOST6), (8080, FAR, HOST4), (1, FAR, HOST4)):
        assert host.reaches(port, source, to) is None, (port, source)
    host.portero("confirm", code=0)
    again = host.portero("plan", code=0)
    assert "Nothing to do" in again.text
    status = host.portero("--json", code=0).json
    assert "declared (10.yaml:7: web)" in host.portero("show", "443/tcp", code=0).text
    policy = {p["port"]: p["policy"]["declared"] for p in status["ports"]}
    assert policy == {22: "declared", 443: "declared", 6379: "undeclared"}


def test_unconfirmed_it_comes_back(host):
    host.apply("--confirm", "3s", code=0)
    assert host.reaches(6379) is None
    wait_until(lambda: host.table() == "", 15, "the change to be undone")
    assert host.reaches(6379) and host.reaches(8080) and host.reaches(22)
    assert "undone" in host.portero("policy", "log").text


def test_applied_again_while_it_waits(host):
    """It is not done yet, and says so; without waiting, it is confirmed."""
    host.apply("--confirm", "1h", code=0)
    assert "waits to be confirmed" in host.portero("plan", code=0).text
    assert host.portero("plan", "--json", code=0).json["pending"]["state"] == 1
    assert "portero confirm" in host.apply(code=0).text
    assert "to stay" in host.apply("--no-confirm", code=0).text
    assert "waits" not in host.portero("plan", code=0).text
    assert "Nothing to do" in host.apply(code=0).text


def test_what_is_open_now_stays_connected(host):
    with host.peer:
        s = socket.create_connection((HOST4, 6379), 5, (FAR, 0))
    inside, _ = host.listeners[2].accept()
    plan = changes(host.portero("plan", "--json", code=1).json)
    assert plan["6379/tcp"]["connected"] == [FAR]
    assert FAR in host.portero("plan", code=1).text
    host.apply("--no-confirm", code=0)
    for one, other in ((s, inside), (inside, s)):
        one.sendall(b"still here")
        other.settimeout(5)
        assert other.recv(20) == b"still here"
    assert host.reaches(6379) is None
    s.close()
    inside.close()


def test_now_ends_connections(host):
    host.portero("open", "6379/tcp", "--from", "internet", "--yes", "--no-confirm", code=0)
    ends = []
    for port in (6379, 443):
        with host.peer:
            s = socket.create_connection((HOST4, port), 5, (FAR, 0))
        s.settimeout(5)
        ends.append((s, host.listeners[2 if port == 6379 else 1].accept()[0]))
    closed = host.portero("close", "6379/tcp", "--now", "--yes", "--no-confirm", code=0)
    need_feature("SOCK_DESTROY", "cannot end connections" not in closed.errors)
    assert "1 connection was ended" in closed.text
    with pytest.raises(OSError):
        ends[0][1].sendall(b"x")
        ends[0][1].recv(1)
        ends[0][1].sendall(b"x")
    ends[1][1].sendall(b"kept")
    assert ends[1][0].recv(10) == b"kept"
    for pair in ends:
        for s in pair:
            s.close()


def silent(s):
    """Does nothing come any more?"""
    s.settimeout(QUICK * SLOW)
    try:
        return s.recv(20) == b""
    except OSError:
        return True


def tracked(host, port):
    """Lines of the host's connection tracking that came for the port."""
    with host.host:
        text = Path("/proc/thread-self/net/nf_conntrack").read_text()
    return [line for line in text.splitlines() if f"dst={HOST4}" in line and f"dport={port} " in line]


class Passed:
    """A connection of the peer's that NAT passes on to the container."""

    def __init__(self, host, port):
        with host.peer:
            self.outside = socket.create_connection((HOST4, port), 5, (FAR, 0))
        self.inside, _ = host.web.accept()

    def works(self):
        for one, other in ((self.outside, self.inside), (self.inside, self.outside)):
            one.sendall(b"data")
            other.settimeout(5)
            if other.recv(20) != b"data":
                return False
        return True

    def is_dead(self):
        """Neither side gets what the other sends."""
        for one in (self.outside, self.inside):
            try:
                one.sendall(b"late")
            except OSError:
                pass
        return silent(self.inside) and silent(self.outside)

    def close(self):
        self.outside.close()
        self.inside.close()


@pytest.mark.parametrize("command", ("close", "apply"))
def test_now_ends_what_is_passed_on(host, command):
    """A published port: no socket of the host's has the connection, but connection tracking does."""
    host.portero("open", "8080/tcp", "--from", "internet", "--yes", "--no-confirm", code=0)
    host.host.nft("table ip nat2 {\n chain p {\n  type nat hook prerouting priority -101\n"
                  "  fib daddr type local tcp dport 8443 dnat to 172.17.0.2:80\n }\n}\n")
    host.portero("open", "8443/tcp", "--from", "internet", "--yes", "--no-confirm", code=0)
    ended, kept = Passed(host, 8080), Passed(host, 8443)
    assert ended.works() and kept.works() and tracked(host, 8080)
    if command == "close":
        done = host.portero("close", "8080/tcp", "--now", "--yes", "--no-confirm", code=0)
    else:
        (host.policy / "50-open-8080-tcp.yaml").unlink()
        done = host.apply("--now", "--no-confirm", code=0)
    assert "1 connection was ended" in done.text, done
    assert not tracked(host, 8080) and ended.is_dead()
    assert kept.works(), "the other one is declared"
    ended.close()
    kept.close()


def test_without_now_what_is_passed_on_goes_on(host):
    passed = Passed(host, 8080)
    assert passed.works()
    host.apply("--no-confirm", code=0)
    assert host.reaches(8080) is None
    assert passed.works() and tracked(host, 8080)
    passed.close()


def test_now_forgets_datagrams_that_are_passed_on(host):
    """A stranger's datagrams have no connection but the one that is tracked."""
    host.host.nft("table ip nat2 {\n chain p {\n  type nat hook prerouting priority -101\n"
                  "  fib daddr type local udp dport 5300 dnat to 172.17.0.2:53\n }\n}\n")
    host.portero("open", "5300/udp", "--from", "internet", "--yes", "--no-confirm", code=0)
    inside = host.container.udp("0.0.0.0", 53)
    with host.peer:
        outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.bind((FAR, 0))
    outside.connect((HOST4, 5300))
    inside.settimeout(5)
    for _ in range(3):  # answered, and so established
        outside.send(b"question")
        inside.sendto(b"answer", inside.recvfrom(20)[1])
        outside.settimeout(5)
        assert outside.recv(20) == b"answer"
    done = host.portero("close", "5300/udp", "--now", "--yes", "--no-confirm", code=0)
    assert "1 connection was ended" in done.text, done
    assert not tracked(host, 5300)
    outside.send(b"question")
    assert silent(inside)
    outside.close()


def test_open_and_close(host):
    host.apply("--no-confirm", code=0)
    done = host.portero("open", "6379/tcp", "--from", f"{FAR},{PEER6}", "--why", 'a "demo"\\',
                        "--for", "2h", "--yes", code=0)
    assert "6379/tcp" in done.text
    assert host.files() == ["10.yaml", "50-open-6379-tcp.yaml"]
    assert host.reaches(6379) and host.reaches(6379, PEER6, HOST6)
    assert host.reaches(6379, OFFICE) is None
    host.portero("confirm", code=0)
    check = host.portero("policy", "check", "--json").json
    assert check["errors"] == 0 and check["openings"] == 3
    host.portero("deny", "6379/tcp", "--yes", code=0)
    assert host.files() == ["10.yaml"] and host.reaches(6379) is None
    # not confirmed: the file comes back with the rules
    host.portero("rollback", code=0)
    assert host.files() == ["10.yaml", "50-open-6379-tcp.yaml"] and host.reaches(6379)


def test_a_container_listens_behind_its_port(host):
    """While 8080 is closed, nothing shows to whom it would be passed on."""
    host.apply("--no-confirm", code=0)
    opened = host.portero("open", "8080/tcp", "--from", f"{FAR}/32", "--yes", "--no-confirm", code=0)
    assert "+ 8080/tcp" in opened.text and "nobody listens" not in opened.text
    missing = host.portero("open", "8081/tcp", "--from", "internet", "--yes", "--no-confirm", code=0)
    assert "8081/tcp is declared, but nobody listens there" in missing.text
    assert "8080/tcp is declared" not in missing.text


def test_the_few_that_are_left_open_are_named(host):
    assert "then (68/udp, 546/udp)." in host.portero("plan", code=1).text


def test_quiet_still_says_what_is_undone(host):
    line, = host.apply("-q", "--confirm", "600s", code=0).text.splitlines()
    assert "undone at" in line and "portero confirm" in line
    waits = "State 1 waits to be confirmed, and is undone at "
    assert waits in host.portero(code=0).text and waits in host.portero("plan", code=0).text
    assert host.portero("confirm", "-q", code=0).text == ""
    assert "waits" not in host.portero(code=0).text
    assert host.portero("policy", "log").text.endswith("0 (no rules of portero), and 1.\n")
    host.portero("open", "8081/tcp", "--from", "internet", "--yes", "--no-confirm", code=0)
    assert host.portero("policy", "log").text.endswith("0 (no rules of portero), and 1 to 2.\n")


def test_open_on_a_host_without_a_policy(bare):
    """The first opening declares that all else is closed: the plan says so."""
    done = bare.portero("allow", "22/tcp", "--from", "internet", "--yes", "--confirm", "3s", code=0)
    assert "- 6379/tcp" in done.text and "- 443/tcp" in done.text
    assert bare.reaches(22) and bare.reaches(443) is None
    wait_until(lambda: bare.table() == "", 15, "the change to be undone")
    assert bare.files() == [] and bare.reaches(443)


@pytest.mark.parametrize("args, words", [
    (("open",), "takes one port"),
    (("open", "443"), "no protocol"),
    (("open", "443/tcp"), "--from internet"),
    (("open", "70000/tcp"), "70000"),
    (("open", "80/tcp", "--from", "mars"), "mars"),
    (("open", "80/tcp", "--from", "10.0.0.1/8"), "10.0.0.0/8"),
    (("open", "80/tcp", "--from", "link", "--for", "soon"), "soon"),
    (("open", "80/tcp", "--from", "link", "--for", "2h", "--until", "2099-01-01T00:00:00Z"), "exclude"),
    (("open", "80/tcp", "--from", "link", "--until", "tomorrow"), "tomorrow"),
    (("open", "80/tcp", "--from", "link", "--rate", "many"), "many"),
    (("open", "80/tcp", "--from", "link", "--program", "nginx"), "nginx"),
    (("open", "80/tcp", "--from", "link", "--confirm", "0"), "'0'"),
    (("open", "80/tcp", "--from", "link", "--confirm", "9d"), "7d"),
    (("open", "80/tcp", "--from", "link", "--confirm", "5m", "--no-confirm"), "exclude"),
    (("close", "443/tcp"), "10.yaml"),
    (("close", "9/udp"), "no opening"),
    (("apply", "now"), "no arguments"),
    (("plan", "now"), "no arguments"),
])
def test_bad_words_change_nothing(host, args, words):
    yes = ("--yes",) if args[0] in ("open", "close", "apply") else ()
    refused = host.portero(*args, *yes, code=2)
    assert words in refused.errors and refused.errors.strip()
    assert host.files() == ["10.yaml"] and host.table() == ""


def test_nobody_to_ask(host):
    refused = host.portero("apply", code=2)
    assert "--yes" in refused.errors and host.table() == ""


def test_no_policy(bare):
    for command in (("plan",), ("apply", "--yes")):
        refused = bare.portero(*command, code=2)
        assert "policy init" in refused.errors
    assert bare.table() == ""


def test_a_policy_with_errors(host):
    host.write("20.yaml", "openings:\n  - port: 80/tcp\n")
    for command in (("plan",), ("apply", "--yes"), ("open", "80/tcp", "--from", "internet", "--yes")):
        refused = host.portero(*command, code=2)
        assert "20.yaml:2" in refused.errors and "ports" in refused.errors
    status = host.portero(code=2)
    assert "policy check" in status.text
    assert host.table() == ""


def test_an_end_comes_by_itself(host):
    ends = datetime.now(timezone.utc) + timedelta(seconds=10 * SLOW)
    end = ends.strftime("%FT%TZ")
    host.portero("open", "6379/tcp", "--from", "internet", "--until", end, "--yes", "--no-confirm", code=0)
    assert host.reaches(6379)
    wait_until(lambda: datetime.now(timezone.utc) > ends and host.reaches(6379) is None, 40,
               "the opening to end")
    # nothing of portero's runs, and it does not come back
    plan = host.portero("plan", "--json", code=(0, 1)).json
    assert plan["proof"]["holds"] and "6379/tcp" not in changes(plan)
    host.apply("--no-confirm", code=0)
    assert host.reaches(6379) is None


def ssh_session(host, source, port=22):
    """A connection from the peer, as sshd would have it, and its environment."""
    with host.peer:
        s = socket.create_connection((HOST4, port), 5, (source, 0))
    client = s.getsockname()[1]
    return s, {"SSH_CONNECTION": f"{source} {client} {HOST4} {port}"}


def test_no_one_is_locked_out(host):
    s, env = ssh_session(host, FAR)
    refused = host.apply(env=env, code=2)
    assert "lock you out" in refused.errors and FAR in refused.errors
    assert host.table() == ""
    inside, env = ssh_session(host, OFFICE)
    host.apply("--no-confirm", env=env, code=0)
    host.portero("rollback", "0", "--no-confirm", code=0)
    host.apply("--force", "--no-confirm", env={"SSH_CONNECTION": "nonsense"}, code=0)
    s.close()
    inside.close()


def test_the_session_is_found_behind_sudo(host):
    """Its environment is that of a process which it comes from."""
    s, env = ssh_session(host, FAR)
    argv = [PORTERO, "apply", "--yes", "--policy-dir", host.policy, "--state-dir", host.state]
    with host.host:
        done = subprocess.run(
            ["sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sh", *map(str, argv)],
            env={**base_environment(), **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "lock you out" in done.stderr, done
    s.close()


def test_protected_ports(host):
    host.write("10.yaml", "settings:\n  protect: [6379/tcp, 22/tcp]\n")
    host.apply("--no-confirm", code=0)
    assert host.reaches(6379) and host.reaches(22) and host.reaches(443) is None
    host.write("10.yaml", "settings:\n  protect: [22/tcp]\nopenings:\n"
                          "  - {ports: 22/tcp, from: 192.0.2.77}\n")
    host.apply("--no-confirm", code=0)
    assert host.reaches(22) is None, "somebody may still come: not closed, but narrowed"
    host.write("10.yaml", "settings:\n  protect: [22/tcp]\nopenings:\n"
                          "  - {ports: 22/tcp, from: host}\n")
    refused = host.apply("--no-confirm", code=(0, 2))
    assert refused.code == 2 and "protected" in refused.errors


def test_a_session_older_than_the_connection(host):
    """tmux keeps the environment of a connection that is over: then those that there are count."""
    s, env = ssh_session(host, FAR)
    gone = {"SSH_CONNECTION": env["SSH_CONNECTION"].replace(f"{FAR} ", f"{FAR} 1 ", 1)
            .replace(f" 1 {env['SSH_CONNECTION'].split()[1]} ", " 1 ")}
    refused = host.apply(env=gone, code=2)
    assert "lock you out" in refused.errors and host.table() == ""
    s.close()


def test_no_second_connection_by_a_reset_one(host):
    """Connection tracking calls a SYN established on a tuple that was reset a moment ago."""
    host.write("10.yaml", "openings:\n  - {ports: 443/tcp, from: internet, rate: 1/day}\n")
    host.apply("--no-confirm", code=0)
    linger = struct.pack("ii", 1, 0)
    answers = []
    for _ in range(4):
        with host.peer, socket.socket() as s:
            s.settimeout(QUICK * SLOW)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            s.bind((FAR, 33333))
            try:
                s.connect((HOST4, 443))
                answers.append(True)
            except OSError:
                answers.append(False)
    assert answers == [True, False, False, False]


def test_redirected_from_elsewhere(host):
    """What was sent to another's address, and NAT takes in, knocks at the port that it gets to."""
    host.host.nft("table ip turned {\n chain p {\n  type nat hook prerouting priority -101\n"
                  "  tcp dport 81 redirect to :6379\n  tcp dport 82 redirect to :443\n }\n}\n")
    assert host.reaches(81, FAR, "203.0.113.99")
    host.apply("--no-confirm", code=0)
    assert host.reaches(81, FAR, "203.0.113.99") is None
    assert host.reaches(82, FAR, "203.0.113.99")
    assert host.reaches(82) is None, "81 and 82 of the machine itself are not declared"


def test_a_proof_that_fails_is_no_success(host):
    """Nothing to do is said only when the packets do what the policy says."""
    host.apply("--no-confirm", code=0)
    host.host.nft("table ip tricky {\n chain p {\n  type filter hook prerouting priority -250\n"
                  "  tcp dport 6379 tcp dport set 443\n }\n}\n")
    plan = host.portero("plan", code=2)
    assert "Nothing to do" not in plan.text
    assert host.apply("--no-confirm", code=2).code == 2
    assert host.portero("plan", "--ruleset", check=False).code == 2


def test_what_cannot_be_proved_says_why(host):
    """A packet that goes away before any rule of portero's: to whom, nobody here can tell."""
    host.host.nft("table netdev away {\n chain c {\n  type filter hook ingress device eth0 priority 0\n"
                  "  tcp dport 6380 fwd to docker0\n }\n}\n")
    proof = host.portero("plan", "--json", code=2).json["proof"]
    assert proof["holds"] and not proof["differences"]
    reason, = proof["unsure"]
    assert reason["why"] == "fwd in netdev away c, rule 1"
    assert reason["packets"] == proof["unknown"] > 0
    assert (reason["example"]["port"], reason["example"]["declared"]) == (6380, False)
    plan = host.portero("plan", code=2).text
    assert f"{proof['unknown']}, as 6380/tcp from " in plan and f"({reason['why']})" in plan
    assert "apply --force" in plan
    refused = host.apply("--no-confirm", code=2)
    assert reason["why"] in refused.text and "refused" in refused.errors
    host.apply("--no-confirm", "--force", code=0)
    assert host.reaches(6379) is None


def test_a_rate_where_nobody_is_answered(host):
    """Above its rate an opening refuses; below, who has no way back gets no answer. Neither gets in."""
    host.write("10.yaml", "settings:\n  undeclared: reject\nopenings:\n  - ports: [22/tcp]\n"
               "    from: [internet]\n    rate: 100/second\n")
    ip_in(host.host, "route", "del", "default", "via", PEER6)
    proof = host.portero("plan", "--json", code=1).json["proof"]
    assert proof["holds"] and not proof["unknown"]


def test_other_rules_still_block(host):
    host.host.nft("table inet mine {\n chain input {\n  type filter hook input priority 0\n"
                  "  tcp dport 443 drop\n }\n}\n")
    plan = host.portero("plan", code=1)
    assert "stays closed" in plan.text and "inet mine input" in plan.text
    ids = {w["id"] for w in host.portero("plan", "--json", code=1).json["warnings"]}
    assert "blocked-by-other-rules" in ids
    host.apply("--no-confirm", code=0)
    assert host.reaches(443) is None


def test_lost_rules_are_noticed(host):
    host.apply("--no-confirm", code=0)
    with host.host:
        subprocess.run(["nft", "flush", "ruleset"], check=True)
    assert host.reaches(6379)
    plan = host.portero("plan", "--json", code=1).json
    assert not plan["applied"] and "6379/tcp" in changes(plan)
    status = host.portero("--json", code=1).json
    assert {p["port"]: p["policy"]["declared"] for p in status["ports"]}[6379] == "undeclared"
    host.portero("restore", code=0)
    assert host.reaches(6379) is None


def test_changed_rules_are_noticed(host):
    host.apply("--no-confirm", code=0)
    with host.host:
        subprocess.run(["nft", "insert rule inet portero check tcp dport 6379 accept"], check=True)
    assert host.reaches(6379)
    plan = host.portero("plan", "--json", code=1).json
    assert not plan["applied"] and changes(plan)["6379/tcp"]["change"] == "closes"
    host.apply("--no-confirm", code=0)
    assert host.reaches(6379) is None


def test_other_tables_are_not_touched(host):
    with host.host:
        before = subprocess.run(["nft", "list", "table", "ip", "nat"], text=True, check=True,
                                capture_output=True).stdout
    host.apply("--no-confirm", code=0)
    host.portero("rollback", "0", "--no-confirm", code=0)
    with host.host:
        after = subprocess.run(["nft", "list", "ruleset"], text=True, check=True,
                               capture_output=True).stdout
    assert before == after


def test_observe_lets_in(host):
    host.write("10.yaml", "settings:\n  undeclared: observe\n" + POLICY.split("\n", 2)[2])
    host.apply("--no-confirm", code=0)
    assert host.reaches(6379) and host.reaches(8080)
    assert "counter packets" in host.table()


def test_spanish(host):
    env = {"LC_ALL": "C.UTF-8", "LANGUAGE": "es"}
    plan = host.portero("plan", env=env, code=1)
    assert "declarado" in plan.text and "Nothing" not in plan.text
    assert host.portero("plan", "--json", env=env, code=1).json["schema"] == "portero.plan/1"


def test_without_root(host):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    nobody = (PYTHON, "-S", "-c", "import os, sys; os.setgid(65534); os.setuid(65534); "
                                  "os.execv(sys.argv[1], sys.argv[1:])")
    for command in (("plan",), ("apply", "--yes")):
        refused = host.portero(*command, prefix=nobody, code=2)
        assert refused.errors.strip()
    assert host.table() == ""


def test_the_ruleset_is_what_nft_takes(host):
    rules = host.portero("plan", "--ruleset", check=False).text
    with host.host:
        subprocess.run(["nft", "-c", "-f", "-"], input=rules, text=True, check=True)
    assert host.table() == ""


def test_nobody_waits_for_an_answer(host):
    """Whoever is asked does not keep others from it; a yes to what has changed is none."""
    with host.host:
        first = subprocess.Popen(
            [PORTERO, "apply", "--policy-dir", str(host.policy), "--state-dir", str(host.state)],
            stdin=(pty := os.openpty())[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=base_environment())
    try:
        shown = ""
        while "[y/N]" not in shown:
            piece = first.stdout.read(1)
            assert piece, shown
            shown += piece
        host.write("20.yaml", "openings:\n  - {ports: 6379/tcp, from: internet}\n")
        host.apply("--no-confirm", code=0)
    finally:
        os.write(pty[0], b"y\n")
        _, errors = first.communicate(timeout=30)
        for fd in pty:
            os.close(fd)
    assert first.returncode == 2 and "has changed" in errors and host.reaches(6379)


def test_no_is_no(host):
    with host.host:
        asked = subprocess.Popen(
            [PORTERO, "apply", "--policy-dir", str(host.policy), "--state-dir", str(host.state)],
            stdin=(pty := os.openpty())[1], stdout=subprocess.PIPE, text=True,
            env=base_environment())
    os.write(pty[0], b"n\n")
    out, _ = asked.communicate(timeout=30)
    for fd in pty:
        os.close(fd)
    assert asked.returncode == 1 and "Nothing was changed" in out and host.table() == ""
