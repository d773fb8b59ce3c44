# SPDX-License-Identifier: GPL-2.0-or-later
"""Kubernetes' kube-proxy beside ufw: services are open in spite of `deny incoming`."""
import pytest

import truth
from harness import Netns, ip
from kube import Service, rules
from room import compare_all, note

POD, POD2 = "10.244.0.5", "10.244.0.6"
WEB = Service("web", "10.96.0.10", 80, [(POD, 8080)], node_port=30080)
TWO = Service("two", "10.96.0.11", 81, [(POD, 8081), (POD2, 8081)], node_port=30081)
NODE = Service("node", "10.96.0.12", 5432, [("10.77.0.1", 5432)], node_port=30432)
GONE = Service("gone", "10.96.0.13", 82, [], node_port=30099)


@pytest.fixture(scope="module")
def case(make_case):
    made = make_case()
    pod = Netns()
    host = made.wire.host.name
    ip("-n", host, "link", "add", "cni0", "type", "bridge")
    ip("-n", host, "addr", "add", "10.244.0.1/24", "dev", "cni0")
    ip("link", "add", "vpod", "netns", host, "type", "veth", "peer", "name", "eth0", "netns",
       pod.name)
    ip("-n", host, "link", "set", "vpod", "master", "cni0", "up")
    # a pod may reach itself by a service
    ip("-n", host, "link", "set", "vpod", "type", "bridge_slave", "hairpin", "on")
    ip("-n", host, "link", "set", "cni0", "up")
    for address in (POD, POD2):
        ip("-n", pod.name, "addr", "add", f"{address}/24", "dev", "eth0")
    ip("-n", pod.name, "link", "set", "eth0", "up")
    ip("-n", pod.name, "route", "add", "default", "via", "10.244.0.1")
    made.run("sysctl -qw net.ipv4.ip_forward=1\n"
             "ufw default deny incoming\nufw allow 22/tcp\nufw --force enable")
    made.write("/kube.rules", rules([WEB, TWO, NODE, GONE]))
    made.run("iptables-restore --noflush /kube.rules")
    made.pod_path = f"/run/netns/{pod.name}"
    try:
        yield made
    finally:
        pod.close()


def test_services(case):
    """Lie 6."""
    assert "30080" not in case.run("ufw status")
    with truth.Ears(case.pod_path, "80,8080,8081"), case.wire.listen("22,5432"):
        seen = {port: case.knock(port, "8.8.4.4") for port in (22, 30080, 30081, 30432, 30099)}
        assert seen == {22: "accept", 30080: "accept", 30081: "accept", 30432: "drop",
                        30099: "reject"}
        assert case.knock(80, to=WEB.ip) == "accept"
        assert case.knock(8080, to=POD) == "drop"
    note("kube", "`ufw status`: deny (incoming), only 22/tcp allowed",
         "NodePort 30080 and ClusterIP 10.96.0.10:80 answer")


def test_portero_services(case):
    reach = case.reach()
    seen = reach.at(30080, "internet")
    assert seen["verdict"] == "accept" and seen["forwarded"]
    assert seen["target"]["address"] == POD and seen["target"]["port"] == 8080
    assert reach.verdict(30432, "internet") == "drop"
    assert reach.verdict(30099, "internet") == "reject"
    assert reach.verdict(30081, "internet") == "accept"  # whichever of the two it is sent to
    # the address of a service is nobody's: only who names it gets an answer for it
    at_ip = case.reach("--to", WEB.ip).at(80, "link", to=WEB.ip)
    assert at_ip["verdict"] == "accept" and at_ip["forwarded"]
    note("kube", portero_says=f"30080/tcp {seen['verdict']} from internet, to {POD}:8080; "
                              f"{WEB.ip}:80 {at_ip['verdict']} from link, forwarded")


def test_all_ports(case):
    case.add_container(case.pod_path, "cni0")
    try:
        # from the host's loopback: no route takes what is sent on to a pod
        compare_all(case, {("tcp", "unknown"): [(30080, 30081)]})
    finally:
        case.deafen()


def test_guard(case):
    """A drop in any chain of forward is final."""
    case.nft("""
table inet guard {
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		iifname "veth0" ct status dnat drop
	}
}
""")
    with truth.Ears(case.pod_path, "8080"):
        assert case.knock(30080, "8.8.4.4") == "drop"
    assert case.reach().verdict(30080, "internet") == "drop"
