# SPDX-License-Identifier: GPL-2.0-or-later
"""fail2ban: whom it bans, and whom it only believes to have banned."""
import pytest

from room import compare_all, note

BANNED = "10.77.0.66"


@pytest.fixture(scope="module")
def case(make_case):
    made = make_case()
    made.write("/etc/fail2ban/jail.local", """[DEFAULT]
banaction = nftables-multiport
backend = polling
ignoreself = false
[sshd]
enabled = false
[t]
enabled = true
filter = t
logpath = /var/log/t.log
port = 22,8022
maxretry = 2
""")
    made.write("/etc/fail2ban/filter.d/t.conf", "[Definition]\nfailregex = bad <HOST>$\n")
    made.run(f"""
touch /var/log/t.log
mkdir -p /run/fail2ban
fail2ban-server -xf start >/var/log/fail2ban.out 2>&1 &
for i in $(seq 100); do fail2ban-client ping >/dev/null 2>&1 && break; sleep 0.05; done
fail2ban-client set t banip {BANNED}
fail2ban-client set t banip 2a00:100::66
for i in $(seq 100); do
	nft list table inet f2b-table 2>/dev/null | grep -q 2a00:100::66 && break
	sleep 0.05
done
""")
    return made


def test_banned(case):
    with case.wire.listen("22,80,8022"):
        assert [case.knock(port, BANNED) for port in (22, 80, 8022)] == \
            ["reject", "accept", "reject"]
        assert case.knock(22, "2a00:100::66") == "reject"
        assert case.knock(22) == "accept"


def test_portero_banned(case):
    reach = case.portero("reach")
    listed = [c for c in reach["classes"] if c["name"] == "listed" and c["proto"] == "tcp"]
    assert {c["source"] for c in listed} >= {BANNED, "2a00:100::66"}, listed


def test_all_ports(case):
    compare_all(case)


def test_flushed_behind_it(case):
    """Lie 4, third part."""
    case.run("nft flush ruleset")
    assert BANNED in case.run("fail2ban-client status t")
    with case.wire.listen("22"):
        assert case.knock(22, BANNED) == "accept"
    note("fail2ban", f"`fail2ban-client status`: Banned IP list: {BANNED}, after "
         "`nft flush ruleset`", "22 answers it")


def test_portero_flushed_behind_it(case):
    reach = case.reach()
    assert reach.verdict(22, "link") == "accept"
    assert not [c for c in reach.json["classes"] if BANNED in (c["source"], c["sources"])]
    note("fail2ban", portero_says="22/tcp accept from link, and nobody is listed")
