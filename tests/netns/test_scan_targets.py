# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: whom and what it asks, as its command line says: targets, ports and habits of nmap's users;
and who is not in the scope gets no packet.
"""
import subprocess

import pytest

from harness import portero
from scanning import TARGET, TARGET6, Pair, of_state


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def test_targets_and_ports_as_nmaps_users_write_them(pair, tmp_path):
    with pair.host:
        for i in range(100, 110):
            subprocess.run(["ip", "addr", "add", f"192.0.2.{i}/24", "dev", "eth0"], check=True)
    pair.host.tcp("192.0.2.101", 22)
    pair.host.tcp("192.0.2.104", 22)
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    listed = tmp_path / "not-these"
    listed.write_text("192.0.2.107,109 # a range\n192.0.2.102\n")
    done = pair.scan("-p", "ssh", "--exclude", "192.0.2.100,localhost,192.0.2.105-106", "--excludefile",
                     listed, target="192.0.2,2.100-105,106,107-109")
    seen = {h["address"]: [p["port"] for p in h["ports"]] for h in done.json["hosts"]}
    asked = {f"192.0.2.{i}": [22] if i in (101, 104) else [] for i in (101, 103, 104, 108)}
    assert {a: ports for a, ports in seen.items() if a.startswith("192.0.2.")} == asked


def test_only_what_is_open(pair, tmp_path):
    """--open: hosts and ports where nothing is open are counted, and not listed."""
    subprocess.run(["ip", "-n", pair.host.name, "addr", "add", "192.0.2.100/24", "dev", "eth0"],
                   check=True)
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    pair.host.tcp("192.0.2.100", 22)
    args = ("scan", "--scope-file", pair.scope, "-p", "20-23", "--open", TARGET, "192.0.2.100")
    text = portero(*args, ns=pair.visitor).text
    assert TARGET + "\n" not in text and "192.0.2.100\n" in text
    assert [line.split()[0] for line in text.splitlines() if "/tcp" in line] == ["22/tcp"]
    assert "Not listed: 3 closed." in text
    assert "Hosts where nothing is open are not listed: 1." in text
    for option in ("-oG", "-oN", "-oX"):
        text = portero(*args, option, "-", ns=pair.visitor).text
        body = "".join(line for line in text.splitlines(True) if " as: " not in line and
                       "args=" not in line)
        assert TARGET + " " not in body and TARGET + '"' not in body and "192.0.2.100" in body
        assert "22" in body and "/closed/" not in body and 'portid="21"' not in body
    assert len(portero(*args, "--json", ns=pair.visitor).json["hosts"]) == 2


def test_the_likeliest_ports(pair):
    pair.listen([22, 54321])
    states = pair.states("-F")
    assert len(states) == 100 and of_state(states, "open") == [22]
    assert set(states) == set(pair.states("--top-ports", "100"))


@pytest.mark.parametrize("scope, said", [
    (None, "who authorised it"), ("192.0.2.0/30\n", "scope:1: "),
    ("10.0.0.0/8 x\n", "who authorised"),
    ("192.0.2.0/24 x\nweb.example.org y\n", "scope:2: "), ("192.0.2.3/24 x\n", "192.0.2.0/24"),
])
def test_who_is_not_in_the_scope_gets_no_packet(pair, scope, said):
    pair.scope.unlink()
    if scope:
        pair.scope.write_text(scope)
    pair.host.nft("table netdev n {\nchain c {\n"
                  "type filter hook ingress device \"eth0\" priority 0;\n"
                  "ether type { ip, arp } counter\n}\n}\n")
    done = pair.scan(code=(2,))
    assert said in done.errors and done.out == b""
    with pair.host:
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True,
                               check=True).stdout
    assert "packets 0 " in rules


@pytest.mark.parametrize("args, said", [
    ((), "scan what?"), (("-p", "0", TARGET), "65535"), (("-p", "9-8", TARGET), "no ports"),
    (("10.0.0.0/8",), "65536"), (("10.0.0.1/8",), "10.0.0.0/8"), (("-4", TARGET6), "-4"),
    (("--rate", "0", TARGET), "packets a second"),
    (("--rate", "5", "--max-rate", "6", TARGET), "exclude"),
    (("-sS", "-sT", TARGET), "exclude"), (("--host-timeout", "x", TARGET), "30s"),
    (("-iL", "/nonexistent", TARGET), "/nonexistent"), (("--exclude", TARGET, TARGET), "no target"),
    (("--exclude", "web.invalid", TARGET), "'web.invalid'"),
    (("--excludefile", "/nonexistent", TARGET), "/nonexistent"),
    (("-iL", "-", "--excludefile", "-", TARGET), "only one of"),
    (("192.0.2.1-300",), "'192.0.2.1-300'"), (("10.0-9.*.*",), "more than 65536"),
    (("192.0.2.1-9,",), "'192.0.2.1-9,'"), (("192.0.2.2-3", "-6"), "other family"),
    (("192.0.2.2-3",), "192.0.2.3 is no address of this machine"),
    (("-F", "-p80", TARGET), "exclude each other"),
    (("-p", "ssh,nonsense-of-no-one", TARGET), "'nonsense-of-no-one'"),
    (("-sX", TARGET), "odd packets"), (("-A", TARGET), "say -sV"), (("-O", TARGET), "guess"),
    (("-sC", TARGET), "scripts"), (("-sn", TARGET), "without asking ports"),
    (("-p22", "-p", "80", TARGET), "option -p is there twice"),
    (("-iL", "/dev/null", "-iL/dev/null"), "option -iL is there twice"),
    (("-T0", TARGET), "portero has no -T0"), (("-T", "sneaky", TARGET), "portero has no -T1"),
    (("-T6", TARGET), "-T cannot be '6'"),
    (("--max-rates", "5", TARGET), "did you mean --max-rate?"),
    (("--nonsense-of-no-one", TARGET), "portero help scan lists them"),
    (("no.such.name.invalid",), "no.such.name.invalid"),
])
def test_bad_input_is_told_in_a_sentence(pair, args, said):
    done = portero("scan", "--scope-file", pair.scope, *args, ns=pair.visitor, code=(2,))
    assert said in done.errors and len(done.errors.splitlines()) == 1
    assert done.out == b""


def test_habits_of_nmaps_users(pair):
    """-T2 is polite, other levels and -v change nothing, and ways to scan may be joined."""
    pair.listen([80])
    polite = pair.scan("-T2", "-p1-150", code=(0,)).json
    assert polite["seconds"] > 1.2 and polite["sent"] / polite["seconds"] < 130
    assert pair.scan("-T2", "--max-rate", "5000", "-p1-150", code=(0,)).json["seconds"] < 1.2
    quick = pair.scan("-T4", "-vv", "-n", "-Pn", "-sSV", "-p80", code=(0,)).json
    assert quick["method"] == "packets" and quick["hosts"][0]["ports"][0]["service"]


def test_targets_from_a_file(pair, tmp_path):
    listed = tmp_path / "list"
    listed.write_text(f"# hosts\n{TARGET}\n\n  {TARGET6} # twice\n{TARGET}\n")
    pair.listen([80])
    answer = portero("scan", "--json", "--scope-file", pair.scope, "-p80,81", "-iL", listed,
                     ns=pair.visitor).json
    assert [(h["address"], [p["port"] for p in h["ports"]]) for h in answer["hosts"]] == [
        (TARGET, [80]), (TARGET6, [80])]
