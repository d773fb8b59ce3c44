# SPDX-License-Identifier: GPL-2.0-or-later
"""
A policy beside the firewall that is there: ufw with Docker, firewalld, and kube-proxy's rules. What
nobody declared is closed, also what Docker publishes, and stays so when the other front end loads
its rules anew; its own rules are not touched; and all ports of all sources are compared with real
packets, with portero's table in its place.
"""
import pytest

import truth
from harness import Netns, ip, wait_until
from kube import Service, rules
from room import compare_all, let_send, note, start_docker

POLICY = """\
settings:
  protect: [22/tcp]
openings:
  - {ports: 22/tcp, from: [10.0.0.0/8, link]}
  - {ports: 443/tcp, from: internet, interfaces: [veth0]}
  - {ports: 8443/tcp, from: internet, why: ufw does not know of it}
"""
MORE = """\
openings:
  - {ports: 8080/tcp, from: [8.8.0.0/16, 172.20.0.0/16]}
"""


class Policy:
    def __init__(self, case, directory):
        self.case, self.dir = case, directory
        (directory / "policy.d").mkdir(mode=0o755)

    def write(self, name, text):
        path = self.dir / "policy.d" / name
        path.write_text(text)
        path.chmod(0o644)

    def portero(self, *args):
        return self.case.portero(*args, "--policy-dir", self.dir / "policy.d", "--state-dir",
                                 self.dir / "state")

    def apply(self):
        """The plan is proved in the twin, and nothing is left to be done afterwards."""
        plan = self.portero("plan")
        assert plan["proof"]["holds"] and plan["proof"]["unknown"] == 0, plan["proof"]
        self.portero("apply", "--yes", "--no-confirm")
        again = self.portero("plan")
        assert again["applied"] and not again["changes"], again["changes"]
        return plan


@pytest.fixture
def policy_of(tmp_path):
    return lambda case: Policy(case, tmp_path)


UFW = """
ufw default deny incoming
ufw allow 22/tcp
ufw allow 443/tcp
ufw deny 8080/tcp
ufw --force enable
"""


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_ufw_and_docker(make_case, policy_of, variant):
    case = make_case()
    policy = policy_of(case)
    for tool in ("iptables", "ip6tables"):
        case.run(f"update-alternatives --set {tool} /usr/sbin/{tool}-{variant}")
    case.run(UFW)
    start_docker(case)
    with case.wire.listen("22,443,8443"):
        assert case.knock(8080, "8.8.4.4") == "accept"
        policy.write("10.yaml", POLICY)
        plan = policy.apply()
        closed = {c["port"]: c["change"] for c in plan["changes"]}
        assert closed["8080/tcp"] == "closes" and closed["22/tcp"] == "narrows"
        assert "blocked-by-other-rules" in {w["id"] for w in plan["warnings"]}  # 8443
        # 9090 is published on the host's loopback only, and the container's own port is no port
        # of this machine: the plan says that it stays
        wanted = {(22, "10.1.2.3"): "accept", (22, "8.8.4.4"): "drop", (443, "8.8.4.4"): "accept",
                  (8080, "8.8.4.4"): "drop", (8443, "8.8.4.4"): "drop", (5432, "10.1.2.3"): "drop"}
        for change in ("true", "ufw reload", "ufw disable; ufw --force enable"):
            case.run(change)
            seen = {key: case.knock(*key) for key in wanted}
            assert seen == wanted, change
        policy.write("20.yaml", MORE)
        policy.apply()
        assert case.knock(8080, "8.8.4.4") == "accept"
        assert case.knock(8080, "192.0.2.9") == "drop"
    let_send(case, "docker", "docker0", ("web", "adm"))
    compare_all(case)
    policy.portero("rollback", "0", "--no-confirm")
    assert case.knock(8080, "192.0.2.9") == "accept"
    assert case.knock(22, "8.8.4.4") == "reject"  # let in again: nobody listens there by now
    if variant == "nft":
        note("policy", "Docker's `-p 8080:80` beside `ufw deny 8080`",
             "with a policy that does not declare it: dropped", "`plan`: 8080/tcp closes")


def test_firewalld(make_case, policy_of):
    case = make_case()
    policy = policy_of(case)
    case.run("""
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/var/log/firewalld.out 2>&1 &
for i in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.05; done
p="firewall-cmd --permanent --zone=public"
$p --change-interface=veth0
$p --add-port=443/tcp --add-port=5432/tcp
$p --add-forward-port=port=8888:proto=tcp:toport=443
firewall-cmd --reload
""")
    policy.write("10.yaml", POLICY)
    policy.apply()
    with case.wire.listen("22,443,5432"):
        wanted = {443: "accept", 5432: "drop", 8888: "drop"}
        for change in ("true", "firewall-cmd --reload", "firewall-cmd --complete-reload"):
            case.run(change)
            wait_until(lambda: "running" in case.run("firewall-cmd --state", check=False),
                       what="firewalld")
            assert {port: case.knock(port) for port in wanted} == wanted, change
    compare_all(case)


def test_lost_to_a_flush(make_case, policy_of):
    """Whoever flushes the ruleset opens all: it is noticed, and one command brings it back."""
    case = make_case()
    policy = policy_of(case)
    policy.write("10.yaml", POLICY)
    policy.apply()
    case.run("nft flush ruleset")
    with case.wire.listen("5432"):
        assert case.knock(5432) == "accept"
        assert not policy.portero("plan")["applied"]
        policy.portero("restore")
        assert case.knock(5432) == "drop"
    assert policy.portero("plan")["applied"]


def test_kubernetes(make_case, policy_of):
    """NodePorts are ports of this machine; the addresses of services are not, so pods keep them."""
    case = make_case()
    policy = policy_of(case)
    pod, host = Netns(), case.wire.host.name
    web = Service("web", "10.96.0.10", 80, [("10.244.0.5", 8080)], node_port=30080)
    try:
        ip("-n", host, "link", "add", "cni0", "type", "bridge")
        ip("-n", host, "addr", "add", "10.244.0.1/24", "dev", "cni0")
        ip("link", "add", "vpod", "netns", host, "type", "veth", "peer", "name", "eth0", "netns",
           pod.name)
        ip("-n", host, "link", "set", "vpod", "type", "bridge_slave", check=False)
        ip("-n", host, "link", "set", "vpod", "master", "cni0", "up")
        ip("-n", host, "link", "set", "cni0", "up")
        ip("-n", pod.name, "addr", "add", "10.244.0.5/24", "dev", "eth0")
        ip("-n", pod.name, "link", "set", "eth0", "up")
        ip("-n", pod.name, "route", "add", "default", "via", "10.244.0.1")
        case.run("sysctl -qw net.ipv4.ip_forward=1")
        case.write("/kube.rules", rules([web]))
        case.run("iptables-restore --noflush /kube.rules")
        policy.write("10.yaml", POLICY)
        policy.apply()
        with truth.Ears(f"/run/netns/{pod.name}", "80,8080"), case.wire.listen("22"):
            assert case.knock(30080, "8.8.4.4") == "drop"
            assert case.knock(80, to="10.96.0.10") == "accept"
            policy.write("20.yaml", "openings:\n  - {ports: 30080/tcp, from: internet}\n")
            policy.apply()
            assert case.knock(30080, "8.8.4.4") == "accept"
    finally:
        pod.close()
