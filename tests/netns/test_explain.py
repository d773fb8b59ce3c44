# SPDX-License-Identifier: GPL-2.0-or-later
"""
explain: what becomes of a packet, the rule that decides, who wrote it, what to type. The rule that
is named is taken away, and the answer must change (see follow.py); what it says to type is typed,
and must do what it says.
"""
import json
import random
import re
from pathlib import Path

import pytest

from follow import Follower, explain, run, take_away
from harness import (
    AS_NOBODY, SLOW, Netns, in_place_of, ip, need_feature, need_program, portero, scene)

FROM, INSIDE = "203.0.114.7", "10.77.0.9"

NATIVE = """
table inet filter {
	set blocked { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 } }
	chain web { ip saddr 8.8.8.8 counter drop
		accept
	}
	map ports { type inet_service : verdict; elements = { 80 : accept, 81 : drop, 82 : jump web } }
	chain g { tcp dport 90 reject with tcp reset
		tcp dport 91 accept
	}
	chain back { tcp dport 96 return
		tcp dport 97 accept
	}
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iif lo accept
		ip saddr @blocked drop
		tcp dport vmap @ports
		tcp dport { 22, 2222 } accept comment "ssh for admins"
		tcp dport 85 limit rate 5/minute accept
		tcp dport 86 limit rate over 5/minute drop
		tcp dport 86 accept
		ip protocol tcp jump { tcp dport 88 accept; }
		tcp dport 96-97 jump back
		udp dport 53 accept
		tcp dport 93 reject
		tcp dport 90-95 goto g
	}
}
table netdev early {
	chain e {
		type filter hook ingress device "eth0" priority 0;
		tcp dport 2222 drop
	}
}
"""

# port: verdict, table, chain, words of the rule (None: a policy)
NATIVE_SAYS = {
    "22/tcp": ("accept", "filter", "input",
               'tcp dport { 22, 2222 } accept comment "ssh for admins"'),
    "53/udp": ("accept", "filter", "input", "udp dport 53 accept"),
    "2222/tcp": ("drop", "early", "e", "tcp dport 2222 drop"),
    "80/tcp": ("accept", "filter", "input", "tcp dport vmap @ports"),
    "81/tcp": ("drop", "filter", "input", "tcp dport vmap @ports"),
    "82/tcp": ("accept", "filter", "web", "accept"),
    "85/tcp": ("rate-limited", "filter", "input", "tcp dport 85 limit rate 5/minute accept"),
    "86/tcp": ("rate-limited", "filter", "input", "tcp dport 86 limit rate over 5/minute drop"),
    "88/tcp": ("accept", "filter", None, "ip protocol tcp jump { tcp dport 88 accept }"),
    "90/tcp": ("reject", "filter", "g", "tcp dport 90 reject with tcp reset"),
    "91/tcp": ("accept", "filter", "g", "tcp dport 91 accept"),
    "92/tcp": ("drop", "filter", "input", None),
    "93/tcp": ("reject", "filter", "input", "tcp dport 93 reject"),
    "96/tcp": ("drop", "filter", "input", None),
    "97/tcp": ("accept", "filter", "back", "tcp dport 97 accept"),
}

# as Docker, ufw and fail2ban write them; 7004 goes to a program
XTABLES = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -p tcp -m tcp --dport 7000 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 7001 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp -m tcp --dport 7002 -m recent --update --seconds 60 --hitcount 3 --name x -j DROP
-A INPUT -p tcp -m tcp --dport 7002 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 7003 -m limit --limit 5/min -j ACCEPT
-A INPUT -p tcp -m tcp --dport 7004 -j NFQUEUE --queue-num 1
-A INPUT -j ufw-before-input
-A INPUT -p tcp -m tcp --dport 7006 -g f2b-sshd
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-USER -s 203.0.113.66/32 -j DROP
-A DOCKER-USER -j RETURN
-A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEF
-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEF -j ufw-user-limit
-A ufw-user-input -p tcp -m tcp --dport 22 -j ufw-user-limit-accept
-A ufw-user-input -p tcp -m tcp --dport 443 -j ACCEPT
-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "
-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-limit-accept -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:81
COMMIT
"""

# (source, port): verdict, chain, number (None: policy), front end
XTABLES_SAYS = {
    (FROM, 7000): ("accept", "INPUT", 2, "hand"),
    (FROM, 7001): ("reject", "INPUT", 3, "hand"),
    (FROM, 7002): ("rate-limited", "INPUT", 4, "hand"),
    (FROM, 7003): ("rate-limited", "INPUT", 6, "hand"),
    (FROM, 7004): ("unknown", "INPUT", 7, "hand"),
    (FROM, 7006): ("drop", "INPUT", None, "ufw"),
    (FROM, 443): ("accept", "ufw-user-input", 4, "ufw"),
    (FROM, 22): ("rate-limited", "ufw-user-limit", 2, "ufw"),
    ("203.0.113.9", 22): ("reject", "f2b-sshd", 1, "fail2ban"),
    (FROM, 9): ("drop", "INPUT", None, "ufw"),
    (FROM, 8080): ("accept", "DOCKER", 1, "docker"),
    (FROM, 8081): ("drop", "DOCKER", 2, "docker"),
    ("203.0.113.66", 8080): ("drop", "DOCKER-USER", 1, "docker"),
}


def machine(ns):
    """eth0 to the world, and a bridge to containers."""
    with ns:
        for key in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{key}/accept_dad").write_text("0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    made = ip("-n", ns.name, "link", "add", "eth0", "type", "veth", "peer", "name", "other",
              check=False)
    need_feature("veth", made.returncode == 0, made.stderr)
    for line in ("link set other up", "addr add 10.77.0.1/24 dev eth0",
                 "addr add fd77::1/64 dev eth0 nodad", "link set eth0 up",
                 "link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0",
                 "link set docker0 up", "route add default via 10.77.0.2",
                 "route add default via fd77::2"):
        ip("-n", ns.name, *line.split())
    return ns


@pytest.fixture
def host(ns):
    return machine(ns)


def load_nft(ns, text):
    need_program("nft")
    run(ns, "nft", "-f", "-", text="flush ruleset\n" + text)


def load_xtables(ns, kind, text=XTABLES):
    need_program(f"iptables-{kind}-restore")
    run(ns, f"iptables-{kind}-restore", text=text)


def split(remedy):
    """[(word before, command)] of a remedy: "", "then" or "or"."""
    parts = re.split(r"; (then|or) ", "; or " + remedy)[1:]
    return list(zip(parts[::2], parts[1::2]))


# --- native nf_tables ---------------------------------------------------------------------------

@pytest.mark.parametrize("port", NATIVE_SAYS)
def test_native(host, port):
    load_nft(host, NATIVE)
    verdict, table, chain, words = NATIVE_SAYS[port]
    said = explain(host, *port.split("/"), from_=FROM)
    rule = said["decided_by"]
    assert (said["verdict"], rule["table"], rule["rule"]) == (verdict, table, words), said
    assert rule["chain"] == chain or chain is None and rule["chain"].startswith("__chain")
    assert rule["policy"] == (words is None)
    assert rule["front_end"] == "hand"
    assert said["path"][-1]["chain"] == rule["chain"]
    if verdict == "rate-limited":
        assert "limit in inet filter input" in said["why"]
    Follower().follow(host, verdict, *port.split("/"), from_=FROM)


def test_sources_decide(host):
    load_nft(host, NATIVE)
    assert explain(host, 82, "tcp", from_="8.8.8.8")["decided_by"]["rule"].endswith("drop")
    blocked = explain(host, 22, "tcp", from_="203.0.113.1")
    assert blocked["decided_by"]["rule"] == "ip saddr @blocked drop"
    assert explain(host, 80, "tcp", from_="2001:db8::1")["packet"]["destination"] == "fd77::1"


def test_several_accept(host):
    """Of all who let it in, the last of the packet's way: a rule of input, not one on the way there."""
    load_nft(host, """
table inet f {
	chain p { type filter hook prerouting priority -300; policy drop; tcp dport 22 accept
	}
	chain a { type filter hook input priority 0; policy drop; tcp dport 22 accept
	}
	chain b { type filter hook input priority 10; policy accept; tcp dport 22 accept
	}
	chain c { type filter hook input priority 20; policy accept;
	}
}
""")
    assert explain(host, 22, "tcp", from_=FROM)["decided_by"]["chain"] == "b"
    Follower().follow(host, "accept", 22, "tcp", from_=FROM)


def test_host_itself(host):
    load_nft(host, NATIVE)
    said = explain(host, 9, "tcp", from_="10.77.0.1")
    assert said["packet"]["interface"] is None and "sent by this machine" in said["answer"]
    assert said["decided_by"]["rule"] == 'iif "lo" accept'


def test_refused_is_not_dropped(host):
    """A rule that rejects is said to reject, in words and in JSON."""
    load_nft(host, NATIVE)
    for port, step in (("90", "tcp dport 90 reject with tcp reset"), ("93", "tcp dport 93 reject")):
        said = explain(host, port, "tcp", from_=FROM)
        assert said["decided_by"]["verdict"] == said["path"][-1]["verdict"] == "reject"
        text = host.portero("explain", f"{port}/tcp", "--from", FROM).text
        assert f": reject  [{step}]" in " ".join(text.split(" ")) and "is refused" in text
        assert "drop" not in text.replace("ip saddr 8.8.8.8 counter drop", "")


def test_nobody_listens(host):
    """Why it is closed, although it is let in; never said where somebody is bound, or may be."""
    def says(port, proto="tcp"):
        said = explain(host, port, proto, from_=FROM, to="10.77.0.1")
        assert ("nobody listens: the port is closed" in said["answer"]) == \
            (said["listens"] is False)
        return said["listens"]
    for kind in (host.tcp, host.udp):
        kind("0.0.0.0", 1000)
        kind("::", 1001, v6only=False)
        kind("::", 1002, v6only=True)
        kind("10.77.0.1", 1003)
        kind("127.0.0.1", 1004)
    for proto in ("tcp", "udp"):
        assert [says(p, proto) for p in range(1000, 1006)] == [True, True, False, True, False,
                                                               False]
    client = host.udp("0.0.0.0", 0)
    assert says(client.getsockname()[1], "udp") is True
    client.connect((FROM, 53))
    assert says(client.getsockname()[1], "udp") is None, "it hears one port of the sender"
    client.connect(("10.77.0.9", 53))
    assert says(client.getsockname()[1], "udp") is False
    load_nft(host, NATIVE)
    assert says(9) is None, "it is dropped"
    text = host.portero("explain", "22/tcp", "--from", FROM).text
    assert "is let in, where nobody listens: the port is closed." in " ".join(text.split())


def test_nobody_listens_where_it_is_sent_on(host):
    """By its number there; what leaves the machine is answered elsewhere."""
    load_nft(host, """
table ip nat {
	chain pre { type nat hook prerouting priority -100;
		tcp dport 8080 redirect to :1000
		tcp dport 8081 redirect to :1001
		tcp dport 8082 dnat to 172.17.0.9:80
	}
}
""")
    host.tcp("0.0.0.0", 1000)
    host.tcp("0.0.0.0", 8081)
    assert [explain(host, p, "tcp", from_=FROM)["listens"] for p in (8080, 8081, 8082)] == [
        True, False, None]


def test_a_proxy_may_take_it(host):
    """tproxy sends it to a socket of another number, where there is one: not known here."""
    host.tcp("0.0.0.0", 1000)
    load_nft(host, """
table ip proxy {
	chain pre { type filter hook prerouting priority -150;
		tcp dport 8080 tproxy to :1000 accept
	}
}
""")
    said = explain(host, 8080, "tcp", from_=FROM)
    assert said["verdict"] == "unknown" and said["listens"] is None


def test_no_rules_at_all(host):
    said = explain(host, 22, "tcp", from_=FROM)
    assert said["verdict"] == "accept" and said["decided_by"] is None and said["path"] == []
    text = host.portero("explain", "22", "--from", FROM).text
    assert "no rule: none is against it" in text and "Its way" not in text


# --- iptables -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["nft", "legacy"])
@pytest.mark.parametrize("source, port", XTABLES_SAYS)
def test_xtables(host, kind, source, port):
    load_xtables(host, kind)
    verdict, chain, number, front_end = XTABLES_SAYS[source, port]
    said = explain(host, port, "tcp", from_=source)
    rule = said["decided_by"]
    assert (said["verdict"], rule["chain"], rule["policy"], rule["front_end"]) == \
        (verdict, chain, number is None, front_end), said
    if number:
        assert rule["number"] == number and rule["rule"].startswith(f"-A {chain} ")
    assert rule["tables"] == ("legacy" if kind == "legacy" else "nf_tables")
    if verdict == "unknown":
        assert "NFQUEUE" in said["why"] and rule["verdict"] == "other"
        text = host.portero("explain", port, "--from", source).text
        assert "To open it" not in text and "To close it" not in text
    if port in (8080, 8081):
        assert "--to-destination 172.17.0.2" in said["translated_by"]["rule"]
        assert said["translated_by"]["verdict"] == "accept"
    if port == 8080 and verdict == "accept":
        assert said["arrives"] == {"address": "172.17.0.2", "port": 80, "forwarded": True,
                                   "several": False, "interface": "docker0"}
    Follower().follow(host, verdict, port, "tcp", from_=source)


def test_legacy_beside_nft(host):
    """Both see the packet; who drops it is named, whoever it is."""
    load_nft(host, "table inet f { chain i { type filter hook input priority 10; policy accept;\n"
                   "tcp dport 7000 drop\n }\n}")
    load_xtables(host, "legacy")
    by_nft = explain(host, 7000, "tcp", from_=FROM)
    assert by_nft["verdict"] == "drop" and by_nft["decided_by"]["rule"] == "tcp dport 7000 drop"
    assert [s["tables"] for s in by_nft["path"] if s["hook"] == "input"][-2:] == \
        ["legacy", "nf_tables"]
    by_legacy = explain(host, 7001, "tcp", from_=FROM)
    assert by_legacy["verdict"] == "reject" and by_legacy["decided_by"]["tables"] == "legacy"
    for port, verdict in ((7000, "drop"), (7001, "reject")):
        Follower().follow(host, verdict, port, "tcp", from_=FROM)


POSTROUTING = """*mangle
:FORWARD ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:LAST - [0:0]
-A POSTROUTING -p udp -j LAST
-A LAST -p udp --dport 9000 -j DROP
COMMIT
"""


@pytest.mark.parametrize("kind", ("native", "nft", "legacy"))
def test_what_is_sent_on_is_dropped_last(host, kind):
    """By postrouting, which it comes to although it never arrives: it is no answer of anybody's."""
    if kind == "native":
        load_nft(host, "table ip m { chain p { type filter hook postrouting priority -150; policy "
                       "accept;\nudp dport 9000 drop\n}\n}")
    else:
        load_xtables(host, kind, POSTROUTING)
    answer = explain(host, 9000, "udp", from_=FROM, to="172.17.0.2")
    assert answer["verdict"] == "drop" and answer["decided_by"]["hook"] == "postrouting"
    Follower().follow(host, "drop", 9000, "udp", from_=FROM, to="172.17.0.2")
    assert explain(host, 9001, "udp", from_=FROM, to="172.17.0.2")["verdict"] == "accept"


# --- what no rule decides -----------------------------------------------------------------------

def test_routing_drops(host):
    load_nft(host, "table inet f { chain p { type filter hook prerouting priority -300; policy "
                   "accept;\n }\n}")
    with host:
        Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("1")
    said = explain(host, 22, "tcp", from_="172.17.0.9", in_="eth0", to="10.77.0.1")
    assert said["verdict"] == "drop" and said["decided_by"] is None
    assert "routing, not by a rule" in said["answer"]
    with host:
        for key in ("all", "eth0"):
            Path(f"/proc/sys/net/ipv4/conf/{key}/rp_filter").write_text("0")
    said = explain(host, 22, "tcp", from_="172.17.0.9", in_="eth0", to="10.77.0.1")
    assert said["verdict"] == "accept"


def test_no_route_drops(host):
    load_nft(host, "table ip n { chain p { type nat hook prerouting priority -100;\n"
                   "tcp dport 8080 dnat to 10.99.0.2:80\n }\n}")
    run(host, "ip", "route", "del", "default")
    said = explain(host, 8080, "tcp", from_=INSIDE)
    assert said["verdict"] in ("drop", "reject") and said["decided_by"] is None, said
    assert "routing, not by a rule" in said["answer"]


LOST = {
    # not forwarded; a chain behind it, of which no rule matches
    "unrouted": ("""table ip n { chain p { type nat hook prerouting priority -100;
                        tcp dport 8080 dnat to 172.17.0.2:80
                    }
                    chain late { type filter hook prerouting priority 10;
                        tcp dport 1 accept
                    }
                    }""", """*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
"""),
    # where nothing from outside gets to: no chain sees it again
    "local": ("""table ip n { chain p { type nat hook prerouting priority -100;
                     tcp dport 8080 dnat to 127.0.0.1:80
                 }
                 }""", """*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 127.0.0.1:80
COMMIT
"""),
}


@pytest.mark.parametrize("kind", ["native", "nft", "legacy"])
@pytest.mark.parametrize("case", LOST)
def test_translated_and_then_lost(host, case, kind):
    """Routing drops it, but only because a rule sent it elsewhere: that one is told, too."""
    with host:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    native, xtables = LOST[case]
    load_nft(host, native) if kind == "native" else load_xtables(host, kind, xtables)
    said = explain(host, 8080, "tcp", from_=FROM)
    assert said["verdict"] == "drop" and said["decided_by"] is None
    assert said["translated_by"]["number"] == 1, said
    take_away(host, {**said, "decided_by": said["translated_by"]})
    assert explain(host, 8080, "tcp", from_=FROM)["verdict"] == "accept"


def test_accept_in_a_nat_chain_translates_nothing(host):
    load_nft(host, """table ip n { chain p { type nat hook prerouting priority -100;
                          tcp dport 8080 accept
                      }
                      chain late { type filter hook prerouting priority 10; policy drop;
                      }
                      }""")
    said = explain(host, 8080, "tcp", from_=FROM)
    assert said["decided_by"]["chain"] == "late" and said["translated_by"] is None


@pytest.mark.parametrize("kind", ["nft", "legacy"])
@pytest.mark.parametrize("proto, how", [("udp", "icmp-host-prohibited"), ("tcp", "tcp-reset"),
                                        ("tcp", "icmp-port-unreachable")])
def test_refused_on_the_way_out(host, kind, proto, how):
    """What the machine is answered with passes the same chain, and another rule of it."""
    load_xtables(host, kind, f"""*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p icmp -j ACCEPT
-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j ACCEPT
-A OUTPUT -p {proto} -m addrtype --dst-type LOCAL -j REJECT --reject-with {how}
COMMIT
""")
    said = explain(host, 22, proto, from_="10.77.0.1", to="10.77.0.1")
    assert said["verdict"] == "reject"
    assert (said["decided_by"]["chain"], said["decided_by"]["number"]) == ("OUTPUT", 3)
    Follower().follow(host, "reject", 22, proto, from_="10.77.0.1", to="10.77.0.1")


# --- what it says to type -----------------------------------------------------------------------

def test_remedy_of_a_policy_behind_nat(host):
    """No rule of the chain sees the packet: it is as it came there, not as it was sent."""
    load_nft(host, """table inet f {
                          chain p { type nat hook prerouting priority -100;
                              tcp dport 8080 dnat ip to 172.17.0.2:80
                          }
                          chain f { type filter hook forward priority 0; policy drop;
                              tcp dport 1 accept
                          }
                          }""")
    said = explain(host, 8080, "tcp", from_=FROM)
    assert said["verdict"] == "drop" and said["decided_by"]["policy"]
    run(host, "sh", "-c", said["decided_by"]["remedy"])
    assert explain(host, 8080, "tcp", from_=FROM)["verdict"] == "accept", said["decided_by"]


def all_alternatives(ns, load, port, source):
    """Each alternative is typed into a shell, alone; the packet's verdict must turn."""
    load()
    first = explain(ns, port, "tcp", from_=source)
    commands = split(first["decided_by"]["remedy"])
    assert [word for word, _ in commands] == ["or"] * len(commands)
    opens = first["decided_by"]["verdict"] in ("drop", "reject")
    for number, (_, command) in enumerate(commands):
        load()
        run(ns, "sh", "-c", command)
        then = explain(ns, port, "tcp", from_=source)
        if number == 0:
            assert then["verdict"] == ("accept" if opens else "drop"), (command, then["answer"])
            other = explain(ns, port, "tcp", from_="198.18.0.1")
            assert other["verdict"] == first["verdict"], (command, other["answer"])
        else:
            assert then["decided_by"] != first["decided_by"], (command, then["answer"])
    return commands


@pytest.mark.parametrize("port", [int(p[:-4]) for p in NATIVE_SAYS if p.endswith("tcp")])
def test_remedy_of_native(host, port):
    commands = all_alternatives(host, lambda: load_nft(host, NATIVE), port, FROM)
    assert commands[0][1].startswith("nft ")


@pytest.mark.parametrize("kind", ["nft", "legacy"])
@pytest.mark.parametrize("port", [7000, 7001, 7002, 7003])
def test_remedy_of_xtables(host, kind, port):
    commands = all_alternatives(host, lambda: load_xtables(host, kind), port, FROM)
    assert all(c.startswith(f"iptables-{kind} ") for _, c in commands)


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_remedy_of_policies(host, kind):
    plain = "*filter\n:INPUT DROP [0:0]\n:GO - [0:0]\n-A INPUT -p tcp --dport 7 -g GO\nCOMMIT\n"
    for port, begins in ((7, "-I INPUT 1 "), (8, "-A INPUT ")):
        commands = all_alternatives(host, lambda: load_xtables(host, kind, plain), port, FROM)
        assert commands == [("or", f"iptables-{kind} {begins}-s {FROM} -p tcp --dport {port} "
                                   "-j ACCEPT")]


@pytest.mark.parametrize("port", [8443, 8080])
def test_remedy_of_portero(host, tmp_path, port):
    """What no opening lets in is opened and closed as explain says; 8080 is sent on to 80."""
    need_program("nft")
    load_nft(host, "table ip nat { chain p { type nat hook prerouting priority dstnat; "
                   f"tcp dport 8080 dnat to {INSIDE}:80; }}\n}}")
    places = {f"PORTERO_{name}_DIR": str(tmp_path / name)
              for name in ("POLICY", "STATE", "RUNTIME")}
    policy = tmp_path / "POLICY"
    policy.mkdir(mode=0o755)
    (policy / "10.yaml").write_text("openings:\n  - {ports: [22/tcp], from: [internet]}\n")

    def change(words):
        portero(*words, "--yes", "--no-confirm", ns=host, env=places, code=0, reach=True)

    change(["apply"])
    for verdict, after in (("drop", "accept"), ("accept", "drop")):
        said = explain(host, port, "tcp", from_=FROM)
        assert (said["verdict"], said["decided_by"]["front_end"]) == (verdict, "portero")
        program, *words = said["decided_by"]["remedy"].split()
        assert program == "portero"
        change(words)
        assert explain(host, port, "tcp", from_=FROM)["verdict"] == after
    whoever = explain(host, port, "tcp")["decided_by"]["remedy"]
    assert whoever == f"portero open {port}/tcp --from ADDRESS"


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_remedy_of_docker(host, kind):
    """To close a published port: Docker's own chain for that, before NAT's other end is seen."""
    load_xtables(host, kind)
    said = explain(host, 8080, "tcp", from_=FROM)
    remedy = split(said["translated_by"]["remedy"])
    assert remedy[0] == ("or", "docker run -p 127.0.0.1:8080:80/tcp IMAGE")
    run(host, "sh", "-c", remedy[1][1].replace("iptables ", f"iptables-{kind} "))
    then = explain(host, 8080, "tcp", from_=FROM)
    assert then["verdict"] == "drop" and then["decided_by"]["chain"] == "DOCKER-USER"
    # whose rules are the administrator's
    for _, command in split(then["decided_by"]["remedy"])[:1]:
        run(host, "sh", "-c", command)
    assert explain(host, 8080, "tcp", from_=FROM)["verdict"] == "accept"


def test_remedy_of_ipv6(host):
    load_nft(host, NATIVE)
    said = explain(host, 22, "tcp", from_="2600::9")
    run(host, "sh", "-c", split(said["decided_by"]["remedy"])[0][1])
    assert explain(host, 22, "tcp", from_="2600::9")["verdict"] == "drop"
    assert explain(host, 22, "tcp", from_="2600::8")["verdict"] == "accept"


def test_without_source_the_remedy_is_for_all(host):
    load_nft(host, NATIVE)
    said = explain(host, 92, "tcp")
    assert said["chosen"]["source"] is True
    command = said["decided_by"]["remedy"]
    assert "saddr" not in command
    run(host, "sh", "-c", command)
    for source in (FROM, INSIDE):
        assert explain(host, 92, "tcp", from_=source)["verdict"] == "accept"


def test_commands_stand_alone(host):
    """Each on a line of its own, and said whether it comes then or instead."""
    load_xtables(host, "nft")
    text = host.portero("explain", "443/tcp", "--from", FROM).text
    lines = [line for line in text.split("\n") if " ufw " in line and "[" not in line]
    assert [line[:17].strip() for line in lines[-3:]] == ["To close it", "and then", "or"]
    assert all(";" not in line for line in lines)


# --- which packet -------------------------------------------------------------------------------

def test_choices(host):
    said = explain(host, 22, "tcp")
    assert said["packet"]["interface"] == "eth0" and said["packet"]["destination"] == "10.77.0.1"
    assert said["chosen"] == {"source": True, "interface": False, "destination": False}
    assert "--from ADDRESS" in host.portero("explain", "22").text
    inside = explain(host, 22, "tcp", from_="172.17.0.9")
    assert inside["packet"]["interface"] == "docker0"
    assert explain(host, 22, "tcp", from_=INSIDE)["packet"]["interface"] == "eth0"
    assert explain(host, 22, "tcp", from_="fd77::9")["packet"]["destination"] == "fd77::1"
    assert explain(host, 22, "tcp", to="172.17.0.1")["packet"]["destination"] == "172.17.0.1"
    v6 = host.portero("explain", "22", "-6", "--json").json
    assert v6["packet"]["destination"] == "fd77::1" and v6["packet"]["interface"] == "eth0"


@pytest.mark.parametrize("argv, says", [
    ((), "explain which port?"),
    (("1", "2"), "explain which port?"),
    (("0",), "0"),
    (("70000",), "70000"),
    (("22-23",), "one port, not a range"),
    (("22/sctp",), "tcp and udp"),
    (("x",), "x"),
    (("22", "--in", "eth9"), "no interface 'eth9'"),
    (("22", "--from", "10.0.0"), "10.0.0"),
    (("22", "--from", "10.0.0.1", "--to", "fd77::1"), "different families"),
    (("22", "--from", "10.0.0.1", "-6"), ""),
])
def test_bad_input(host, argv, says):
    bad = host.portero("explain", *argv, code=2)
    assert bad.out == b"" and says in bad.errors, repr(bad)
    assert 1 <= len(bad.errors.strip().split("\n")) <= 2
    assert bad.errors.startswith("portero: ")


def test_without_root(host):
    load_nft(host, NATIVE)
    nobody = host.portero("explain", "22", "--from", FROM, "--json", prefix=AS_NOBODY, code=2)
    assert nobody.json["verdict"] == "unknown" and nobody.json["missing"]
    assert nobody.json["decided_by"] is None


# --- tools that list rules ----------------------------------------------------------------------

TOOLS = ("nft", "xtables-nft-multi", "xtables-legacy-multi")


@pytest.fixture
def fake(tmp_path):
    def make(script):
        path = tmp_path / "fake"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path
    return make


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_without_tools(host, kind):
    load_xtables(host, kind)
    for t in TOOLS:
        need_program(t)
    said = host.portero("explain", "7001", "--from", FROM, "--json",
                        prefix=in_place_of(TOOLS, "/dev/null")).json
    rule = said["decided_by"]
    assert said["verdict"] == "reject" and rule["rule"] is None
    assert (rule["table"], rule["chain"], rule["number"]) == ("filter", "INPUT", 3)


def test_tools_that_hang(host, fake):
    load_nft(host, NATIVE)
    hung = host.portero("explain", "97", "--from", FROM, "--json",
                        prefix=in_place_of(["nft"], fake("exec sleep 100\n")), timeout=30)
    assert hung.json["decided_by"]["chain"] == "back" and hung.json["decided_by"]["rule"] is None
    assert hung.seconds < 15 * SLOW  # once 5 s, not for each rule


def test_tools_that_never_stop(host, fake):
    load_nft(host, NATIVE)
    loud = host.portero("explain", "97", "--from", FROM, "--json",
                        prefix=in_place_of(["nft"], fake("exec yes 'accept # handle 99999'\n")),
                        timeout=30)
    assert loud.json["decided_by"]["rule"] is None and loud.seconds < 15 * SLOW


def test_leaves_nothing(host):
    def look():
        with host:
            names = [Path(f"/proc/net/{f}_tables_names").read_text()
                     if Path(f"/proc/net/{f}_tables_names").exists() else None
                     for f in ("ip", "ip6")]
        rules = run(host, "nft", "list", "ruleset").stdout
        return names, re.sub(r"packets \d+ bytes \d+", "", rules)

    load_nft(host, NATIVE)
    run(host, "iptables-nft", "-A", "INPUT", "-j", "ACCEPT")
    before = look()
    host.portero("explain", "22", "--from", FROM)
    assert look() == before
    run(host, "nft", "flush", "ruleset")
    load_xtables(host, "legacy")
    before = look()
    probe = ("unshare", "-m", "--propagation", "private", "sh", "-e", "-c",
             "mount -t tmpfs tmpfs /run; \"$@\"; test -z \"$(ls /run)\"", "sh")
    text = host.portero("explain", "7001", "--from", FROM, prefix=probe, code=0).text
    assert "-A INPUT -p tcp" in text
    assert look() == before


# --- what others choose: names, comments, sizes --------------------------------------------------

def test_hostile_names(host):
    """Comments and interfaces may be anything; a terminal and a shell see harmless words."""
    comment = "a\x1b]0;evil\x07 \\ $(reboot) `id` é \u202e"
    load_nft(host, f'table inet f {{ chain i {{ type filter hook input priority 0; policy drop;\n'
                   f'tcp dport 22 accept comment "{comment}"\n }}\n}}')
    for argv in ((), ("--json",), ("--ascii",)):
        said = host.portero("explain", "22", "--from", FROM, *argv, check="--ascii" not in argv)
        assert b"\x1b" not in said.out and b"\x07" not in said.out
    ip("-n", host.name, "link", "add", "e;$(id)'&", "type", "veth", "peer", "name", "other2")
    for line in ("link set other2 up", "link set e;$(id)'& up",
                 "addr add 10.78.0.1/24 dev e;$(id)'&"):
        ip("-n", host.name, *line.split())
    run(host, "nft", "flush", "ruleset")
    run(host, "iptables-nft-restore", text="*filter\n:INPUT DROP [0:0]\n:ufw-x - [0:0]\n"
                                           "-A INPUT -j ufw-x\nCOMMIT\n")
    remedy = explain(host, 22, "tcp", from_="10.78.0.9")["decided_by"]["remedy"]
    words = run(host, "sh", "-c", f"printf '%s\\n' {remedy}").stdout.split("\n")
    assert words[:5] == ["ufw", "prepend", "allow", "in", "on"] and words[5] == "e;$(id)'&"


def test_names_that_cannot_be_typed(host):
    need_program("iptables-legacy-restore")
    run(host, "iptables-legacy-restore",
        text="*filter\n:INPUT DROP [0:0]\n:a;reboot - [0:0]\n-A INPUT -j a;reboot\n"
             "-A a;reboot -p tcp --dport 22 -j ACCEPT\nCOMMIT\n")
    said = explain(host, 22, "tcp", from_=FROM)
    assert said["decided_by"]["chain"] == "a;reboot" and said["decided_by"]["remedy"] is None
    assert "cannot be typed" in host.portero("explain", "22", "--from", FROM).text


def test_long_names(host):
    long = "x" * 120
    load_nft(host, f"table inet {long} {{ chain {long} {{ type filter hook input priority 0; "
                   "policy drop;\ntcp dport 22 accept\n }\n}")
    Follower().follow(host, "accept", 22, "tcp", from_=FROM)


def test_many_rules(host):
    rules = "".join(f"tcp dport {9000 + i} counter accept\n" for i in range(5000))
    load_nft(host, f"table inet f {{ chain i {{ type filter hook input priority 0; policy drop;\n"
                   f"{rules}udp dport 53 accept\n }}\n}}")
    said = host.portero("explain", "53/udp", "--from", FROM, "--json", timeout=60)
    assert said.json["decided_by"]["number"] == 5001
    assert said.json["decided_by"]["rule"] == "udp dport 53 accept"
    assert said.cpu < 30 * SLOW  # 0.7 s where nothing else runs


def test_width(host):
    """At 80 columns only what is to be typed is longer, in one piece."""
    load_xtables(host, "nft")
    for port in (22, 443, 8080, 7004, 9):
        text = host.portero("explain", port, "--from", FROM, env={"COLUMNS": "80"}).text
        typed = re.compile(r"^  (To open it|To close it|  or|  and then) ")
        assert [x for x in text.split("\n") if len(x) > 80 and not typed.match(x)] == []


# --- the rule that is named decides -------------------------------------------------------------

SAMPLE = 3


def sampled(reach, r):
    """Some intervals of each class, as what explain can be asked."""
    for c in reach["classes"]:
        if "sends from port" in (c["sources"] or "") or c["source"].startswith("fe80"):
            continue
        for i in r.sample(c["intervals"], min(SAMPLE, len(c["intervals"]))):
            options = {"from_": c["source"], "to": c["destination"], "in_": c["interface"]}
            yield i["verdict"], r.choice([i["from"], i["to"]]), c["proto"], \
                {k: v for k, v in options.items() if v}


@pytest.mark.parametrize("name", ["native", "nft", "legacy"])
def test_every_interval(name):
    """Of everything that reach says: explain agrees, and names what can be taken away."""
    seed = random.randrange(1 << 30)
    follower, asked = Follower(), 0

    def load(ns):
        load_nft(ns, NATIVE) if name == "native" else load_xtables(ns, name)

    with scene(Netns()) as (ns,):
        machine(ns)
        load(ns)
        reach = ns.portero("reach", "--json", timeout=60).json
        cases = list(sampled(reach, random.Random(seed)))
        for verdict, port, proto, options in random.Random(seed).sample(cases, min(40, len(cases))):
            load(ns)
            try:
                follower.follow(ns, verdict, port, proto, **options)
            except AssertionError as e:
                raise AssertionError(f"seed {seed}: {port}/{proto} {options}: {e}") from e
            asked += 1
    print(f"\n{name}, seed {seed}: {asked} answers followed: {follower}")
    assert asked >= 20 and follower.counts["changed"] >= 10, str(follower)


def test_a_wrong_name_is_found(host):
    """The judge itself: an answer that names another rule is caught."""
    load_nft(host, NATIVE)
    said = explain(host, 22, "tcp", from_=FROM)
    wrong = json.loads(json.dumps(said))
    wrong["decided_by"].update(handle=said["decided_by"]["handle"] + 1)
    take_away(host, wrong)
    assert explain(host, 22, "tcp", from_=FROM)["verdict"] == said["verdict"]
    with pytest.raises(AssertionError):
        Follower().follow(host, "drop", 22, "tcp", from_=FROM)
