# SPDX-License-Identifier: GPL-2.0-or-later
"""Docker beside ufw: published ports go around what ufw says."""
import pytest

from harness import find
from room import compare_all, let_send, note, start_docker

WEB, ADM = "172.17.0.2", "172.17.0.3"


@pytest.fixture(scope="module", params=["nft", "legacy"])
def case(make_case, request):
    """`web` on 8080 (ufw denies it), `adm` on 127.0.0.1:9090; both kinds of iptables."""
    made = make_case()
    made.variant = request.param
    for tool in ("iptables", "ip6tables"):
        made.run(f"update-alternatives --set {tool} /usr/sbin/{tool}-{request.param}")
    made.run("""
ufw default deny incoming
ufw allow 22/tcp
ufw deny 8080/tcp
ufw --force enable
""")
    start_docker(made)
    return made


def test_denied_port_answers(case):
    """Lie 1."""
    said = case.run("ufw status")
    assert "8080/tcp                   DENY" in said
    for change in ("true", "ufw reload", "ufw disable; ufw --force enable",
                   "ufw route deny in on veth0 out on docker0"):
        case.run(change)
        assert case.knock(8080, "8.8.4.4") == "accept", change
        assert case.knock(8080, "2a00:100::9") == "drop", change
        assert case.knock(5432) == "drop", change
    case.run("ufw route delete deny in on veth0 out on docker0")
    note("docker", "`ufw status`: 8080/tcp DENY IN (Anywhere)",
         "Docker's `-p 8080:80` answers the internet over IPv4, not over IPv6")


def test_loopback_publication(case):
    """Lie 2."""
    assert "127.0.0.1:9090->90" in case.run("docker ps")
    assert case.knock(9090) == "drop"
    assert case.knock(90, to=ADM) == "accept"
    assert case.knock(80, to=WEB) == "accept"
    assert case.knock(91, to=ADM) == "drop"
    note("docker loopback", "`docker ps`: 127.0.0.1:9090->90/tcp",
         f"refused at the host's address, but {ADM}:90 answers who routes there through the host")


def test_portero_denied_port(case):
    reach = case.reach()
    for source in ("internet", "link", "private"):
        seen = reach.at(8080, source)
        assert seen["verdict"] == "accept" and seen["forwarded"], seen
        assert seen["target"] == {"address": WEB, "port": 80, "shifts": False}
    assert reach.verdict(5432, "internet") == "drop"
    v6 = [c for c in reach.json["classes"] if c["family"] == "ipv6" and c["name"] == "internet"]
    assert v6 and all(i["verdict"] == "drop" for c in v6 for i in c["intervals"]
                      if c["proto"] == "tcp" and i["from"] <= 8080 <= i["to"])
    status = case.portero()
    port = find(status, 8080)
    assert port["state"] == "open"
    assert (port["reach"]["widest"], port["reach"]["families"]) == ("internet", ["ipv4"])
    note("docker", portero_says=f"8080/tcp `{port['state']}`, from {port['reach']['widest']} "
                                f"({'+'.join(port['reach']['families'])}), to {WEB}:80")


def test_portero_loopback_publication(case):
    reach = case.reach()
    assert reach.verdict(9090, "internet") == "drop"
    for to, port in ((ADM, 90), (WEB, 80)):
        seen = reach.at(port, "link", to=to)
        assert seen["verdict"] == "accept" and seen["forwarded"], seen
    assert reach.verdict(91, "link", to=ADM) == "drop"
    port = find(case.portero(), 9090)
    assert port["reach"]["widest"] != "internet"
    note("docker loopback", portero_says=f"9090/tcp from {port['reach']['widest']}; {ADM}:90 "
                                         "accept from link, forwarded")


def test_all_ports(case):
    let_send(case, "docker", "docker0", ("web", "adm"))
    try:
        compare_all(case)
    finally:
        case.deafen()


def test_what_closes_it(case):
    case.run("iptables -I DOCKER-USER -i veth0 -j DROP")
    assert [case.knock(8080), case.knock(90, to=ADM)] == ["drop", "drop"]
    reach = case.reach()
    assert reach.verdict(8080, "internet") == "drop"
    assert reach.verdict(90, "link", to=ADM) == "drop"
