# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan: its files, as those who read nmap's read them, and a scan that goes on after it was ended.
xmllint holds the XML against nmap's own DTD; ndiff compares it.
"""
import json
import os
import re
import signal
import stat
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness import (PORTERO, SLOW, assert_harmless, base_environment, check_json,
                     die_with_parent, janitor, need_program, portero, read_line, wait_until)
from scanning import DROPPING, MINUTES, OPEN, TARGET, TARGET6, Pair
from speakers import start

DTD = Path("/usr/share/nmap/nmap.dtd")
UNIT_DATA = Path(__file__).resolve().parent.parent / "unit" / "data"
FORMATS = ("xml", "gnmap", "nmap")


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


def scan(pair, *args, target=TARGET, **kw):
    return portero("scan", "--scope-file", pair.scope, *args, *([target] if target else []),
                   ns=pair.visitor, timeout=MINUTES, **kw)


def count_syns(pair):
    """From now on: a function that tells how many came."""
    pair.host.nft("table netdev n {\nchain c {\ntype filter hook ingress device \"eth0\" "
                  "priority 0;\ntcp flags & (syn | ack) == syn counter\n}\n}\n")

    def counted():
        with pair.host:
            rules = subprocess.run(["nft", "list", "table", "netdev", "n"], capture_output=True,
                                   text=True, check=True).stdout
        return int(re.search(r"packets (\d+)", rules)[1])

    return counted


def check_xml(path):
    """The root, held against nmap's DTD."""
    need_program("xmllint")
    need_program("nmap")
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", str(DTD), str(path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return ElementTree.parse(path).getroot()


def ports_of(host):
    """{port: (state, reason)} of an XML host, with those that are only counted."""
    seen = {int(p.get("portid")): (p.find("state").get("state"), p.find("state").get("reason"))
            for p in host.iter("port")}
    for extra in host.iter("extraports"):
        count = 0
        for reason in extra.iter("extrareasons"):
            for part in reason.get("ports").split(","):
                first, _, last = part.partition("-")
                for port in range(int(first), int(last or first) + 1):
                    assert port not in seen
                    seen[port] = extra.get("state"), reason.get("reason")
                    count += 1
        assert count == int(extra.get("count"))
    return seen


# --- files --------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", [TARGET, TARGET6])
def test_the_xml_says_what_the_json_says(pair, tmp_path, target):
    pair.listen()
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "tcp dport 81 reject\ntcp dport 84 drop\n}\n}\n")
    answer = scan(pair, "--json", "-oX", tmp_path / "x", target=target).json
    root = check_xml(tmp_path / "x")
    (host,) = root.iter("host")
    assert host.find("address").get("addr") == target
    assert host.find("status").get("state") == "up"
    states = {port: i["state"] for i in answer["hosts"][0]["intervals"]
              for port in range(i["first"], i["last"] + 1)}
    seen = ports_of(host)
    assert seen.keys() == states.keys()
    for port, state in states.items():
        assert seen[port][0] == ("filtered" if state == "rejected" else state)
    assert seen[81] == ("filtered", "port-unreach") and seen[84] == ("filtered", "no-response")
    assert seen[OPEN[0]] == ("open", "syn-ack") and seen[1] == ("closed", "reset")
    assert abs(float(host.find("times").get("srtt")) / 1000 - answer["hosts"][0]["rtt_ms"]) < 1
    assert root.find("scaninfo").get("services") == "1-65535"
    assert root.find("runstats/finished").get("exit") == "success"
    assert "portero" in root.get("args") and root.get("version").startswith("portero ")


def test_udp_in_the_files(pair, tmp_path):
    """Both protocols, each port with its own; what nmap calls open|filtered is that here."""
    pair.listen()
    pair.host.udp("192.0.2.2", 5000)
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "udp dport 84 drop\n}\n}\n")
    answer = scan(pair, "--json", "-sS", "-sU", "-p", f"T:1-30,T:{OPEN[0]},U:84,U:90,U:5000",
                  "-oA", tmp_path / "all", "--max-retries", "1").json
    states = {(i["proto"], port): i["state"] for i in answer["hosts"][0]["intervals"]
              for port in range(i["first"], i["last"] + 1)}
    assert states["udp", 84] == states["udp", 5000] == "open|filtered"
    assert states["udp", 90] == "closed" and states["tcp", OPEN[0]] == "open"
    root = check_xml(tmp_path / "all.xml")
    assert {s.get("protocol"): s.get("type") for s in root.iter("scaninfo")} == \
        {"tcp": "syn", "udp": "udp"}
    seen = {(p.get("protocol"), int(p.get("portid"))): p.find("state").get("state")
            for p in root.iter("port")}
    assert seen and all(states[port] == state for port, state in seen.items())
    assert seen["udp", 84] == "open|filtered"
    assert {(e.get("proto"), e.get("reason"), e.get("ports")) for e in root.iter("extrareasons")} == \
        {("tcp", "reset", "1-30"), ("udp", "port-unreach", "90")}
    text = (tmp_path / "all.gnmap").read_text()
    assert "84/open|filtered/udp//" in text and f"{OPEN[0]}/open/tcp//" in text
    text = (tmp_path / "all.nmap").read_text()
    assert "84/udp" in text and \
        "Not shown: 1 closed udp port (port-unreach), 30 closed tcp ports (reset)" in text


@pytest.mark.parametrize("args, said", [
    (("-sU", "--save", "state"), "--save"), (("-sU", "--top-ports", "5"), "--top-ports")])
def test_what_udp_cannot(pair, tmp_path, args, said):
    args = [str(tmp_path / "state") if a == "state" else a for a in args]
    done = scan(pair, *args)
    assert done.code == 2 and said in done.errors and not (tmp_path / "state").exists()


def ndiff(before, after):
    need_program("ndiff")
    done = subprocess.run(["ndiff", str(before), str(after)], capture_output=True, text=True,
                          check=False)
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if not re.match(r"[-+](Nmap|portero) ", line)]


def test_ndiff_compares_it(pair, tmp_path):
    pair.listen([80, 443])
    scan(pair, "-oX", tmp_path / "before", "-p", "20-500")
    scan(pair, "-oX", tmp_path / "again", "-p", "20-500")
    assert ndiff(tmp_path / "before", tmp_path / "again") == []
    pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                  "tcp dport 80 reject with tcp reset\n}\n}\n")
    scan(pair, "-oX", tmp_path / "after", "-p", "20-500")
    lines = ndiff(tmp_path / "before", tmp_path / "after")
    assert any(re.match(r"-80/tcp +open +http", line) for line in lines), lines
    assert not any("443/tcp" in line for line in lines if line[:1] in ("-", "+"))


def test_ndiff_sees_no_state_that_nmap_does_not(pair, tmp_path):
    pair.listen()
    with pair.visitor:
        subprocess.run(["nmap", "-n", "-Pn", "-sS", "-T4", "-p1-20000", "-oX", tmp_path / "nmap",
                        TARGET], stdout=subprocess.DEVNULL, check=True, timeout=MINUTES)
    scan(pair, "-oX", tmp_path / "portero", "-p", "1-20000")
    for line in ndiff(tmp_path / "nmap", tmp_path / "portero"):
        changed = re.match(r"([-+])(\d+)/tcp +(\w+)", line)
        assert not changed or changed[3] == "open", line  # the name of the number
    nmap, portero_ = (ports_of(next(ElementTree.parse(tmp_path / name).getroot().iter("host")))
                      for name in ("nmap", "portero"))
    assert {p: s[0] for p, s in nmap.items()} == {p: s[0] for p, s in portero_.items()}


@pytest.mark.parametrize("rules, ports", [
    ("", "20-100"), ("", "100-200"), ("drop", "20-100"), ("drop", "20-60"), ("drop", "40-62"),
    ("drop", "81-200")])
def test_greppable_lines_are_nmaps(pair, rules, ports):
    """Also where several states are not listed, or no port is."""
    need_program("nmap")
    pair.listen([80])
    if rules:
        pair.host.nft("table inet t { chain i { type filter hook input priority 0;\n"
                      "tcp dport { 20-60, 150-250 } drop\n}\n}\n")
    with pair.visitor:
        text = subprocess.run(["nmap", "-n", "-Pn", "-sS", "-p", ports, "-oG", "-", TARGET],
                              capture_output=True, text=True, check=True, timeout=MINUTES).stdout
    ours = scan(pair, "-oG", "-", "-p", ports).text

    def fields(text):
        return [[re.sub(r"//[^/,]*///", "//", field) for field in line.split("\t")]  # but names
                for line in text.splitlines() if line.startswith("Host: ")]

    assert fields(ours) == fields(text)


def test_all_three_at_once(pair, tmp_path):
    pair.listen([80, 81])
    done = scan(pair, "-oA", tmp_path / "all", "-p", "20-100")
    assert "80/tcp" in done.text  # and the table
    check_xml(tmp_path / "all.xml")
    lines = (tmp_path / "all.gnmap").read_text().splitlines()
    assert lines[0].startswith("# portero ") and lines[-1].startswith("# portero done at ")
    assert lines[1] == f"Host: {TARGET} ()\tStatus: Up"
    host, ports, rest = lines[2].split("\t")
    assert host == f"Host: {TARGET} ()" and rest == "Ignored State: closed (79)"
    assert [p.split("/")[:3] for p in ports.removeprefix("Ports: ").split(", ")] == [
        ["80", "open", "tcp"], ["81", "open", "tcp"]]
    normal = (tmp_path / "all.nmap").read_text()
    assert f"scan report for {TARGET}\nHost is up" in normal
    assert "Not shown: 79 closed tcp ports (reset)\nPORT   STATE SERVICE\n80/tcp open  http" in normal
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]


@pytest.mark.parametrize("where", ["-", "/dev/stdout"])
@pytest.mark.parametrize("letter", ["-oX", "-oG", "-oN"])
def test_to_the_output_instead_of_the_table(pair, letter, where):
    pair.listen([80])
    text = scan(pair, letter, where, "-p80").text
    assert text.startswith("<?xml" if letter == "-oX" else "# portero")
    assert f"{TARGET}" in text and "\nHosts: 1." not in text
    assert "Open ports:" not in text


def test_hostile_banners_make_harmless_files(pair, tmp_path):
    start(pair.host, "paints", "tls_garbage", "closes")
    scan(pair, "-sV", "-oA", tmp_path / "h", "-p", "40000-40002", code=(0,))
    assert "OpenSSH" in (tmp_path / "h.nmap").read_text()
    for ending in FORMATS:
        assert_harmless((tmp_path / f"h.{ending}").read_bytes(), tabs=True)
    check_xml(tmp_path / "h.xml")


def test_what_the_unit_tests_compare_with_is_valid():
    root = check_xml(UNIT_DATA / "scan.xml")
    assert len(list(root.iter("host"))) == 4
    for ending in FORMATS:
        assert_harmless((UNIT_DATA / f"scan.{ending}").read_bytes(), tabs=True)


# --- where they cannot be written ----------------------------------------------------------------

@pytest.mark.parametrize("args, said", [
    (("-oX", "/nonexistent/x"), "/nonexistent/x cannot be written: No such file"),
    (("-oG", "/"), "/ cannot be written"), (("-oN", "/dev"), "/dev cannot be written"),
    (("-oX", "-", "-oG", "-"), "only one of"), (("-oX", "-", "--json"), "only one of"),
    (("--json-lines", "--json"), "only one of"), (("-oA", "-"), "three files"),
    (("-oX",), "needs a value"), (("--top-ports", "0"), "--top-ports cannot be '0'"),
    (("--top-ports", "70000"), "--top-ports cannot be '70000'"),
    (("--top-ports", "9", "-p80"), "exclude each other"),
    (("--save", "/nonexistent/s"), "/nonexistent/s cannot be written"),
    (("--save", "/dev/null"), "is there already"),
    (("--resume", "/nonexistent"), "--resume goes on with what was asked for"),
])
def test_it_is_told_before_anybody_is_asked(pair, args, said):
    syns = count_syns(pair)
    place = [TARGET, *args] if args[-1] == "-oX" else [*args, TARGET]
    done = scan(pair, *place, target=None, code=(2,))
    assert said in done.errors and len(done.errors.splitlines()) == 1
    assert done.out == b"" and syns() == 0


def test_a_full_disk_is_told_before_anybody_is_asked(pair, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    syns = count_syns(pair)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], check=True)
    try:
        done = scan(pair, "-oX", disk / "x", code=(2,))
        assert "No space left" in done.errors and done.out == b""
        assert syns() == 0 and os.listdir(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_what_cannot_be_written_after_all_hides_nothing(pair, tmp_path):
    pair.listen([80])
    done = scan(pair, "-oX", "/dev/full", "-oN", tmp_path / "n", "-p80", code=(2,))
    assert "/dev/full cannot be written: No space left" in done.errors
    assert "80/tcp" in done.text and "80/tcp" in (tmp_path / "n").read_text()


def test_a_file_is_replaced_as_a_whole_or_not_at_all(pair, tmp_path):
    pair.listen([80])
    old, link = tmp_path / "old", tmp_path / "link"
    old.write_text("what was there")
    old.chmod(0o640)
    scan(pair, "-oX", old, target="203.0.113.9", code=(2,))  # out of scope
    assert old.read_text() == "what was there"
    scan(pair, "-oX", old, "-p80")
    check_xml(old)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    link.symlink_to(old)
    scan(pair, "-oG", link, "-p80")  # is written into
    assert link.is_symlink() and old.read_text().startswith("# portero")


# --- lines --------------------------------------------------------------------------------------

def lines_of(done):
    return [check_json(line) for line in done.out.splitlines()]


def test_lines_as_they_become_known(pair):
    pair.listen(OPEN[:3])
    whole = scan(pair, "--json").json
    lines = lines_of(scan(pair, "--json-lines"))
    kinds = [line["kind"] for line in lines]
    assert kinds == ["begin", "port", "port", "port", "host", "end"]
    assert sorted(line["port"]["port"] for line in lines[1:4]) == OPEN[:3]
    assert lines[4]["host"]["intervals"] == whole["hosts"][0]["intervals"]
    assert lines[5]["complete"] is True


def test_lines_of_services(pair):
    _, ports = start(pair.host, "web", "web")
    lines = lines_of(scan(pair, "--json-lines", "-sV", "-p", "40000-40001"))
    kinds = [line["kind"] for line in lines]
    assert sorted(kinds[1:3]) == ["port", "port"] and kinds[3:] == ["service", "service", "host",
                                                                    "end"]
    assert lines[3]["port"]["service"]["name"] == "http"  # as soon as it is known
    assert [p["port"] for p in lines[5]["host"]["ports"]] == ports


def test_who_reads_no_more_ends_the_scan(pair):
    pair.listen()
    with pair.visitor:
        out = subprocess.Popen([PORTERO, "scan", "--json-lines", "--rate", "200", "--scope-file",
                                str(pair.scope), "-p", ",".join(map(str, OPEN)) + ",1-20000",
                                TARGET], stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE,
                               env=base_environment(), preexec_fn=die_with_parent)
    assert out.wait(60 * SLOW) == 2
    assert b"No space left" in out.stderr.read()


# --- going on -----------------------------------------------------------------------------------

def begin(pair, *args):
    with pair.visitor:
        return janitor.add(subprocess.Popen(
            [PORTERO, "scan", "--json", "--scope-file", str(pair.scope), *map(str, args)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=base_environment(),
            preexec_fn=die_with_parent))


def known_in(path):
    """How many ports have answered, as the saved scan says; it is whole at any time."""
    count = 0
    for host in json.loads(path.read_text())["hosts"]:
        count += sum(int(n or 1) for letter, n in re.findall(r"(\D)(\d*)", host["replies"])
                     if letter in "Rs")
    return count


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_scan_goes_on_where_it_was(pair, tmp_path, how):
    pair.listen()
    saved = tmp_path / "saved"
    p = begin(pair, "--rate", "4000", "-p", "1-20000," + ",".join(map(str, OPEN)), "--save",
              saved, TARGET)
    wait_until(lambda: saved.exists() and known_in(saved) > 4000, 60 * SLOW, "a part is saved")
    p.send_signal(how)
    p.wait(60 * SLOW)
    known = known_in(saved)
    assert 4000 < known < 20000
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    syns = count_syns(pair)
    answer = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved, "-oX",
                     tmp_path / "x", ns=pair.visitor, timeout=MINUTES).json
    asked = syns()
    opened = [p["port"] for p in answer["hosts"][0]["ports"]]
    assert opened == OPEN and answer["complete"] is True
    total = 20000 + len([p for p in OPEN if p > 20000])
    assert answer["hosts"][0]["others"]["closed"] == total - len(OPEN)
    # what is known is not asked again, but by sentinels: one in 64
    assert asked <= (total - known) * 1.1 + 200
    assert answer["answers"] == total
    check_xml(tmp_path / "x")
    # it is over: shown again, and nobody is asked
    again = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved,
                    ns=pair.visitor).json
    assert again["hosts"] == answer["hosts"] and syns() == asked


def test_silence_is_not_asked_from_the_beginning(pair, tmp_path):
    """Of six rounds, those that are over stay over."""
    pair.host.nft(DROPPING % 80)
    syns = count_syns(pair)
    saved = tmp_path / "saved"
    p = begin(pair, "--rate", "1000", "-p", "2001-3000", "--save", saved, TARGET)

    def rounds():
        now = json.loads(saved.read_text()).get("now") if saved.exists() else None
        return now["pass"] if now else 0

    wait_until(lambda: rounds() >= 3, 60 * SLOW, "three rounds are over")
    janitor.end(p, signal.SIGKILL)
    done, before = rounds(), syns()
    answer = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved,
                     ns=pair.visitor, timeout=MINUTES).json
    assert answer["hosts"][0]["others"]["filtered"] == 1000
    assert syns() - before <= (6 - done) * 1000


def test_services_and_hosts_are_those_that_were_asked_for(pair, tmp_path):
    start(pair.host, "web")
    saved = tmp_path / "saved"
    p = begin(pair, "-sV", "--rate", "1000", "-p", "38500-40500", "--save", saved, TARGET, TARGET6)
    wait_until(lambda: saved.exists() and known_in(saved) > 500, 60 * SLOW, "a part is saved")
    janitor.end(p, signal.SIGKILL)
    answer = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved,
                     ns=pair.visitor, timeout=MINUTES).json
    assert [h["address"] for h in answer["hosts"]] == [TARGET, TARGET6]
    assert all([(p["port"], p["service"]["name"]) for p in h["ports"]] == [(40000, "http")]
               for h in answer["hosts"])


def test_services_that_are_known_are_not_asked_again(pair, tmp_path):
    """Killed while one port is still silent: the other's answer is kept."""
    process, _ = start(pair.host, "web", "silent")
    saved = tmp_path / "saved"
    p = begin(pair, "-sV", "--host-timeout", f"{6 * SLOW}s", "-p", "40000-40001", "--save", saved, TARGET)
    wait_until(lambda: "known_services" in (json.loads(saved.read_text()) if saved.exists() else ()),
               60 * SLOW, "a service is known")
    janitor.end(p, signal.SIGKILL)
    while "40000" not in read_line(process):  # it tells of every connection
        pass
    answer = portero("scan", "--json", "--scope-file", pair.scope, "--resume", saved,
                     ns=pair.visitor, timeout=MINUTES, code=(2,)).json
    web, silent = answer["hosts"][0]["ports"]
    assert web["service"]["product"] == "nginx" and web["service"]["notes"]["title"] == "a page?[1m"
    assert silent["service"]["end"] == "out-of-time"
    assert answer["hosts"][0]["trouble"] == "timed-out"
    process.stdin.write(b"count\n")
    process.stdin.flush()
    lines = []
    while "count" not in (lines or [""])[-1]:
        lines.append(read_line(process))
    assert any("40001" in line for line in lines) and not any("40000" in line for line in lines)


def test_the_scope_is_looked_at_again(pair, tmp_path):
    saved = tmp_path / "saved"
    scan(pair, "-p", "1-10", "--save", saved)
    pair.scope.write_text("")
    syns = count_syns(pair)
    done = portero("scan", "--scope-file", pair.scope, "--resume", saved, ns=pair.visitor,
                   code=(2,))
    assert "who authorised it" in done.errors and done.out == b"" and syns() == 0


def test_what_is_no_saved_scan_is_refused(pair, tmp_path):
    saved, other = tmp_path / "saved", tmp_path / "other"
    scan(pair, "-p", "1-10", "--save", saved)
    assert "is there already" in scan(pair, "-p80", "--save", saved, code=(2,)).errors
    for text in (b"", b"{}", saved.read_bytes()[:-20], os.urandom(1000), b"[" * 100000,
                 scan(pair, "-p80", "--json").out, scan(pair, "-p80", "-oX", "-").out,
                 saved.read_bytes().replace(b"R10", b"R11")):
        other.write_bytes(text)
        done = portero("scan", "--scope-file", pair.scope, "--resume", other, ns=pair.visitor,
                       code=(2,))
        assert "is no scan that portero has saved" in done.errors and done.out == b""
        assert len(done.errors.splitlines()) == 1 and other.read_bytes() == text
    for args in ((TARGET,), ("-p80",), ("-sV",), ("--rate", "5"), ("--save", "x"), ("-6",)):
        done = portero("scan", "--scope-file", pair.scope, "--resume", saved, *args,
                       ns=pair.visitor, code=(2,))
        assert "--resume goes on" in done.errors


# --- the likeliest ports -------------------------------------------------------------------------

def test_the_likeliest_ports(pair):
    pair.listen([22, 80])
    (host,) = scan(pair, "--json", "--top-ports", "100").json["hosts"]
    assert [p["port"] for p in host["ports"]] == [22, 80] and host["others"]["closed"] == 98
    began = time.monotonic()
    (host,) = scan(pair, "--json", "--top-ports=6000").json["hosts"]
    assert sum(host["others"].values()) == 5998 and time.monotonic() - began < MINUTES
