# SPDX-License-Identifier: GPL-2.0-or-later
"""firewalld: zones, rich rules and forwarded ports; what it does not show or notice."""
import pytest

from harness import wait_until
from room import compare_all, let_send, note, start_docker


@pytest.fixture(scope="module")
def case(make_case):
    made = make_case()
    made.run("""
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/var/log/firewalld.out 2>&1 &
for i in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.05; done
p="firewall-cmd --permanent --zone=public"
$p --change-interface=veth0
$p --add-service=http
$p --add-port=2222/tcp
$p --add-rich-rule='rule family="ipv4" source address="10.0.0.0/8" \\
	port port="5432" protocol="tcp" accept'
$p --add-rich-rule='rule family="ipv4" source address="8.8.7.0/24" drop'
$p --add-rich-rule='rule port port="2323" protocol="tcp" accept limit value="3/m"'
$p --add-forward-port=port=8888:proto=tcp:toport=9999
firewall-cmd --permanent --zone=work --add-source=172.20.0.0/16
firewall-cmd --permanent --zone=work --add-port=7000-7100/udp
firewall-cmd --reload
""")
    return made


def test_packets(case):
    with case.wire.listen("22,80,2222,5432,7050,8080,9999"):
        seen = {port: case.knock(port) for port in (22, 80, 2222, 5432, 8080, 8888, 9999)}
        assert seen == {22: "accept", 80: "accept", 2222: "accept", 5432: "accept",
                        8080: "reject", 8888: "accept", 9999: "reject"}
        assert case.knock(5432, "192.0.2.9") == "reject"
        assert case.knock(80, "8.8.7.9") == "drop"
        assert case.knock(8888, "fd77::9") == "reject"
        assert case.knock(7050, "172.20.0.9", proto="udp") == "accept"
        assert case.knock(7050, proto="udp") == "reject"


def test_all_ports(case):
    compare_all(case, {("tcp", "rate-limited"): [(2323, 2323)]})


def test_docker_beside_it(case):
    """Lie 4, first part."""
    start_docker(case)
    # reloading flushes Docker's rules, and Docker puts them back a moment later
    case.run("firewall-cmd --reload")
    wait_until(lambda: "8080" in case.run("iptables-save -t nat"), what="Docker's rules")
    said = case.run("firewall-cmd --zone=public --list-all")
    assert "8080" not in said
    assert case.knock(8080, "8.8.4.4") == "accept"
    assert case.knock(8080, "2a00:100::9") == "reject"
    assert case.knock(80, to="172.17.0.2") == "reject"
    note("firewalld docker", "`firewall-cmd --list-all`: ports: 2222/tcp (no 8080)",
         "Docker's `-p 8080:80` answers the internet over IPv4")


def test_portero_docker_beside_it(case):
    reach = case.reach()
    seen = reach.at(8080, "internet")
    assert seen["verdict"] == "accept" and seen["target"]["address"] == "172.17.0.2"
    assert reach.verdict(80, "link", to="172.17.0.2") == "reject"
    note("firewalld docker", portero_says=f"8080/tcp {seen['verdict']} from internet, to "
                                          f"{seen['target']['address']}:{seen['target']['port']}")


def test_all_ports_docker_beside_it(case):
    let_send(case, "docker", "docker0", ("web", "adm"))
    try:
        compare_all(case, {("tcp", "rate-limited"): [(2323, 2323)]})
    finally:
        case.deafen()


def test_flushed_behind_it(case):
    """Lie 4, second part."""
    before = case.run("firewall-cmd --zone=public --list-all")
    case.run("nft flush ruleset")
    assert case.run("firewall-cmd --state 2>&1").strip() == "running"
    assert case.run("firewall-cmd --zone=public --list-all") == before
    with case.wire.listen("1-21,9999"):
        assert [case.knock(7), case.knock(9999), case.knock(9999, "2a00:100::9")] == ["accept"] * 3
    note("firewalld flushed", "`firewall-cmd --state`: running, and all its rules listed, after "
         "`nft flush ruleset`", "every port is open")


def test_portero_flushed_behind_it(case):
    reach = case.reach()
    for source in ("internet", "link"):
        assert {reach.verdict(port, source) for port in (1, 7, 9999, 65535)} == {"accept"}
    holes = [h for h in case.portero()["rest"]["holes"] if h["proto"] == "tcp"]
    assert sum(h["to"] - h["from"] + 1 for h in holes) > 65000
    note("firewalld flushed", portero_says="every port is let in from internet; holes in "
         + ", ".join(f"{h['from']}-{h['to']}" for h in holes[:3]))
