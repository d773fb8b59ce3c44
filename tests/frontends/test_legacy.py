# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules in iptables-legacy, which nft does not show; what a change of tools leaves."""
import pytest

from room import compare_all, note


@pytest.fixture(scope="module")
def hidden(make_case):
    """nft accepts 22 and drops the rest but 80; legacy drops 22, and refuses 81."""
    made = make_case()
    made.nft("""
table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		iifname "lo" accept
		tcp dport { 22, 80, 81, 8000-8100 } accept
		udp dport 53 accept
	}
}
""")
    made.run("""
iptables-legacy -A INPUT -p tcp --dport 22 -j DROP
iptables-legacy -A INPUT -p tcp --dport 81 -j REJECT --reject-with tcp-reset
iptables-legacy -A INPUT -p tcp -m multiport --dports 8000:8010,8050 \\
	-m addrtype --dst-type LOCAL -j REJECT
iptables-legacy -t nat -A PREROUTING -p tcp --dport 7777 -j REDIRECT --to-ports 80
ip6tables-legacy -A INPUT -s 2a00:100::/32 -p udp --dport 53 -j DROP
""")
    return made


def test_hidden(hidden):
    """Lie 5, first part."""
    assert "tcp dport { 22," in hidden.run("nft list ruleset")
    assert " 22 " not in hidden.run("nft list ruleset").replace("{ 22,", "")
    with hidden.wire.listen("22,80,81,8000,8020"):
        assert [hidden.knock(port) for port in (22, 80, 81, 7777, 8000, 8020)] == \
            ["drop", "accept", "reject", "accept", "reject", "accept"]
    note("legacy hidden", "`nft list ruleset`: tcp dport 22 accept, and nothing else on 22",
         "dropped by iptables-legacy")


def test_portero_hidden(hidden):
    reach = hidden.reach()
    assert [reach.verdict(port, "internet") for port in (22, 80, 81, 7777)] == \
        ["drop", "accept", "reject", "accept"]
    note("legacy hidden", portero_says=f"22/tcp {reach.verdict(22, 'internet')} from internet")


def test_all_ports_hidden(hidden):
    compare_all(hidden)


def test_portero_registers_no_table(make_case):
    """Looking is enough to register legacy's tables, for those who look with its tools."""
    case = make_case()
    names = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"
    assert case.run(names) == ""
    case.portero("reach")
    assert case.run(names) == ""


@pytest.fixture(scope="module")
def switched(make_case):
    """ufw is enabled with legacy, then the machine's iptables becomes that of nf_tables."""
    made = make_case()
    made.run("""
for t in iptables ip6tables; do update-alternatives --set $t /usr/sbin/$t-legacy; done
ufw default deny incoming
ufw allow 22/tcp
ufw --force enable
for t in iptables ip6tables; do update-alternatives --set $t /usr/sbin/$t-nft; done
""")
    return made


def test_switched(switched):
    """Lie 5, second part."""
    assert switched.run("ufw status").strip() == "Status: inactive"
    with switched.wire.listen("22,80"):
        assert [switched.knock(22), switched.knock(80)] == ["accept", "drop"]
    note("ufw switched", "`ufw status`: inactive", "80 is dropped by what it left in legacy")


def test_portero_switched(switched):
    reach = switched.reach()
    assert [reach.verdict(22, "internet"), reach.verdict(80, "internet")] == ["accept", "drop"]
    note("ufw switched", portero_says=f"80/tcp {reach.verdict(80, 'internet')} from internet")


def test_all_ports_switched(switched):
    compare_all(switched)
