# SPDX-License-Identifier: GPL-2.0-or-later
"""ufw alone: its rules port by port, and `limit`, which nft prints without its parameters."""
import pytest

from room import compare_all, note


@pytest.fixture(scope="module")
def case(make_case):
    made = make_case()
    made.run("""
ufw default deny incoming
ufw allow 22/tcp
ufw limit 2222/tcp
ufw allow from 10.0.0.0/8 to any port 5432
ufw allow in on veth0 to any port 8080 proto tcp comment web
ufw deny 8081
ufw reject 8082/tcp
ufw allow 60000:61000/udp
ufw allow from 2a00:100::/32 to any port 8443 proto tcp
ufw insert 1 deny from 8.8.7.0/24
ufw --force enable
""")
    return made


def test_packets(case):
    with case.wire.listen("22,80,2222,5432,8080-8082,8443,60000"):
        seen = {port: case.knock(port) for port in (22, 80, 5432, 8080, 8081, 8082)}
        assert seen == {22: "accept", 80: "drop", 5432: "accept", 8080: "accept", 8081: "drop",
                        8082: "reject"}
        assert case.knock(5432, "192.0.2.9") == "drop"
        assert case.knock(5432, "fd77::9") == "drop"
        assert case.knock(8080, "fd77::9") == "accept"
        assert case.knock(8443, "2a00:100::9") == "accept"
        assert case.knock(60000, proto="udp") == "accept"


def test_limit(case):
    """Lie 7."""
    with case.wire.listen("2222"):
        seen = [case.knock(2222, "10.77.0.66") for _ in range(8)]
    assert seen[:5] == ["accept"] * 5 and seen[-1] == "reject"
    match = [line for line in case.run("nft list ruleset 2>/dev/null").splitlines()
             if "2222" in line and "recent" in line]
    assert match and "seconds" not in "".join(match)
    note("limit", "`ufw limit 2222/tcp`; `nft list` shows `xt match recent` without its numbers",
         "five connections in 30 s, then refused")


def test_portero_limit(case):
    reach = case.reach()
    for source in ("internet", "link"):
        seen = reach.at(2222, source)
        assert seen["verdict"] == "rate-limited", seen
        assert "recent" in seen["why"]
    note("limit", portero_says=f"`rate-limited`: {seen['why']}")


def test_portero_sources(case):
    """Who is let in by address is found in the rules."""
    reach = case.portero("reach")
    listed = {c["sources"] for c in reach["classes"] if c["sources"]}
    for prefix in ("10.0.0.0/8", "8.8.7.0/24", "2a00:100::/32"):
        assert any(prefix in s for s in listed), listed


def test_all_ports(case):
    compare_all(case, {("tcp", "rate-limited"): [(2222, 2222)]})


def test_disabled(case):
    """What `ufw disable` leaves behind decides nothing, though the chains are there."""
    case.run("ufw disable")
    assert "ufw-" in case.run("iptables -S")
    with case.wire.listen("80,2222"):
        assert [case.knock(80), case.knock(2222)] == ["accept", "accept"]
    compare_all(case)
