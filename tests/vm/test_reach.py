# SPDX-License-Identifier: GPL-2.0-or-later
"""Who can reach the ports, asked of other kernels: the twin, its sinks, doubts and traces there."""
import pytest


@pytest.fixture(name="reach")
def fixture_reach(machine, ask):
    assert machine.answer("reach rules").code == 0, machine.answer("reach rules")
    return ask("reach reach")


def verdicts(reach, name, family, proto, destination, interface="eth0"):
    """{port: verdict} of the class; every port of 1-65535 is in exactly one interval."""
    found = [c for c in reach["classes"]
             if c["name"] == name and c["family"] == family and c["proto"] == proto
             and c["interface"] == interface and c["destination"] == destination]
    assert len(found) == 1, [(c["name"], c["sources"], c["destination"]) for c in reach["classes"]]
    next_port, verdict = 1, {}
    for interval in found[0]["intervals"]:
        assert interval["from"] == next_port
        next_port = interval["to"] + 1
        for port in range(interval["from"], next_port):
            verdict[port] = interval["verdict"]
    assert next_port == 65536
    return verdict


def test_internet(reach):
    assert reach["complete"], reach["missing"]
    for family, destination in (("ipv4", "192.0.2.1"), ("ipv6", "2001:db8:1::1")):
        tcp = verdicts(reach, "internet", family, "tcp", destination)
        expected = {22: "accept", 8000: "accept", 113: "reject", 2222: "rate-limited"}
        if family == "ipv4":
            expected[8081] = "accept"
        assert {p: v for p, v in tcp.items() if v != "drop"} == expected
        udp = verdicts(reach, "internet", family, "udp", destination)
        assert {p: v for p, v in udp.items() if v != "drop"} == {53: "reject"}


def test_listed_sources(reach):
    listed = {c["sources"]: c for c in reach["classes"]
              if c["name"] == "listed" and c["proto"] == "tcp"}
    assert "10.1.0.0/16" in listed
    blocked = [s for s in listed if "@blocklist" in s]
    assert len(blocked) == 1
    assert [i["verdict"] for i in listed[blocked[0]]["intervals"]] == ["drop"]


def test_states(machine, ask):
    assert machine.answer("reach start").code == 0
    ports = {(p["port"], p["proto"]): p for p in ask("reach status", 1)["ports"]}
    found = {port: (p["state"], p["reach"]["widest"]) for (port, _), p in ports.items()
             if port in (8000, 8081, 5432, 3306, 6379)}
    assert found == {8000: ("open", "internet"), 8081: ("open", "internet"),
                     5432: ("open", "listed"), 3306: ("filtered", "host"),
                     6379: ("open", "host")}


def test_explain(ask):
    dropped = ask("reach explain")
    assert dropped["verdict"] == "drop"
    assert (dropped["decided_by"]["chain"], dropped["decided_by"]["policy"]) == ("input", True)
    opened = ask("reach explain-open")
    assert opened["verdict"] == "accept" and opened["arrives"]["port"] == 8000
    assert opened["translated_by"]["chain"] == "prerouting"
    assert "dport" in (opened["decided_by"]["rule"] or "")


def test_nothing_of_the_machine_changes(machine):
    assert machine.answer("reach ruleset-before").out == machine.answer("reach ruleset-after").out


def test_doctor(ask):
    checks = {c["id"]: c for c in ask("reach doctor")["checks"]}
    assert checks["reach"]["health"] == "ok", checks["reach"]
