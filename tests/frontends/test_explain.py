# SPDX-License-Identifier: GPL-2.0-or-later
"""What `portero explain` says to type is typed into the real front ends, and packets must agree."""
import re

import pytest

INSIDE = "10.77.0.9"


def ask(case, port, source=INSIDE, *more):
    """The answer, and the commands: [(word before: "", then, or; command)]."""
    argv = ["--from", source] if source else []
    said = case.portero("explain", f"{port}/tcp", *argv, *more)
    remedy = (said["decided_by"] or {}).get("remedy") or ""
    parts = re.split(r"; (then|or) ", "; or " + remedy)[1:]
    return said, list(zip(parts[::2], parts[1::2]))


@pytest.fixture(scope="module")
def ufw(make_case):
    made = make_case()
    made.run("""
ufw default deny incoming
ufw allow 22/tcp
ufw limit 2222/tcp
ufw deny 8081
ufw reject 8082/tcp
ufw --force enable
""")
    with made.wire.listen("22,80,2222,8081-8084"):
        yield made


@pytest.mark.parametrize("port, before", [(80, "drop"), (8081, "drop"), (8082, "reject")])
@pytest.mark.parametrize("source", [INSIDE, "fd77::9"])
def test_ufw_opens(ufw, port, before, source):
    said, commands = ask(ufw, port, source)
    assert said["verdict"] == before == ufw.knock(port, source)
    assert said["decided_by"]["front_end"] == "ufw" and len(commands) == 1
    ufw.run(commands[0][1])
    assert ask(ufw, port, source)[0]["verdict"] == "accept" == ufw.knock(port, source)
    assert ufw.knock(port, "10.77.0.200") == before  # for nobody else


def test_ufw_opens_for_all(ufw):
    said, commands = ask(ufw, 8083, None)
    assert said["verdict"] == "drop"
    ufw.run(commands[0][1])
    assert ufw.knock(8083) == ufw.knock(8083, "8.8.8.8") == "accept"


def test_ufw_limit(ufw):
    said, commands = ask(ufw, 2222)
    assert said["verdict"] == "rate-limited" and said["decided_by"]["front_end"] == "ufw"
    ufw.run(commands[0][1])
    assert [ufw.knock(2222) for _ in range(8)] == ["accept"] * 8


def test_ufw_closes(ufw):
    said, commands = ask(ufw, 22)
    assert said["verdict"] == "accept"
    assert [word for word, _ in commands] == ["or", "then", "or"]
    ufw.run(commands[2][1])
    assert ask(ufw, 22)[0]["verdict"] == "drop" == ufw.knock(22)
    assert ufw.knock(22, "10.77.0.200") == "accept"
    listed = ufw.run(commands[0][1])
    number = re.search(r"\[ *(\d+)\] 22/tcp +ALLOW", listed)[1]
    ufw.run(commands[1][1].replace("NUMBER", number).replace("ufw ", "ufw --force "))
    assert ufw.knock(22, "10.77.0.200") == "drop"


@pytest.fixture(scope="module")
def firewalld(make_case):
    made = make_case()
    made.run("""
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/var/log/firewalld.out 2>&1 &
for i in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.05; done
p="firewall-cmd --permanent --zone=public"
$p --change-interface=veth0
$p --add-service=http
$p --add-port=2222/tcp
firewall-cmd --reload
""")
    with made.wire.listen("80,2222,8080"):
        yield made


def typed(case, commands, **words):
    """All of a list, one after the other; names in capitals are replaced."""
    for _, command in commands:
        for word, value in words.items():
            command = command.replace(word, value)
        out = case.run(command)
        if "get-active-zones" in command:
            assert "public" in out and "veth0" in out
    return True


def test_firewalld_opens(firewalld):
    said, commands = ask(firewalld, 8080)
    assert said["verdict"] == "reject" == firewalld.knock(8080)
    assert said["decided_by"]["front_end"] == "firewalld"
    assert [word for word, _ in commands] == ["or", "then", "then"]
    assert typed(firewalld, commands, ZONE="public")
    assert ask(firewalld, 8080)[0]["verdict"] == "accept" == firewalld.knock(8080)
    firewalld.run("firewall-cmd --reload")
    assert firewalld.knock(8080) == "accept"


@pytest.mark.parametrize("port, way", [(2222, "port"), (80, "service")])
def test_firewalld_closes(firewalld, port, way):
    said, commands = ask(firewalld, port)
    assert said["verdict"] == "accept" == firewalld.knock(port)
    assert [word for word, _ in commands] == ["or", "then", "then", "or"]
    last = commands[2:3] if way == "port" else commands[3:]
    assert typed(firewalld, commands[:2] + last, ZONE="public", SERVICE="http")
    assert ask(firewalld, port)[0]["verdict"] == "reject" == firewalld.knock(port)


@pytest.fixture(scope="module")
def fail2ban(make_case):
    made = make_case()
    made.write("/etc/fail2ban/jail.local", """[DEFAULT]
banaction = nftables-multiport
backend = polling
[sshd]
enabled = false
[t]
enabled = true
filter = t
logpath = /var/log/t.log
port = 22
""")
    made.write("/etc/fail2ban/filter.d/t.conf", "[Definition]\nfailregex = bad <HOST>$\n")
    made.run("""
touch /var/log/t.log
mkdir -p /run/fail2ban
fail2ban-server -xf start >/var/log/fail2ban.out 2>&1 &
for i in $(seq 100); do fail2ban-client ping >/dev/null 2>&1 && break; sleep 0.05; done
fail2ban-client set t banip 10.77.0.66
for i in $(seq 100); do nft list table inet f2b-table 2>/dev/null | grep -q 10.77.0.66 && break; sleep 0.05; done
""")
    with made.wire.listen("22"):
        yield made


def test_fail2ban_unbans(fail2ban):
    said, commands = ask(fail2ban, 22, "10.77.0.66")
    assert said["verdict"] == "reject" == fail2ban.knock(22, "10.77.0.66")
    assert said["decided_by"]["front_end"] == "fail2ban" and len(commands) == 1
    fail2ban.run(commands[0][1])
    fail2ban.run("for i in $(seq 100); do nft list table inet f2b-table 2>/dev/null | "
                 "grep -q 10.77.0.66 || break; sleep 0.05; done")
    assert fail2ban.knock(22, "10.77.0.66") == "accept"
