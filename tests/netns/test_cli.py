# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: words, options, filters, formats, languages, widths."""
import csv
import datetime
import fcntl
import io
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import termios
import unicodedata

import pytest

from harness import (AS_NOBODY, ESCAPE_SEQUENCE, PORTERO, PYTHON, ROOT, assert_harmless,
                     base_environment, find, need_feature, need_program, port_of, portero,
                     stable, without_reach)

COMMANDS = ["status", "show", "reach", "explain", "policy", "plan", "apply", "open", "close",
            "confirm", "rollback", "restore", "guard", "watch", "scan", "verify", "doctor",
            "completion", "help", "version"]


@pytest.mark.parametrize("args, says", [
    (("stauts",), "did you mean 'status'?"),
    (("--jsn",), "did you mean --json?"),
    (("--numerc",), "did you mean --numeric?"),
    (("--qwertyuiop",), "--help"),
    (("-z",), "unknown option -z"),
    (("-tz",), "unknown option -z"),
    (("scan", "--qwertyuiop"), "portero help scan lists them"),
    (("scan", "-z"), "portero help scan lists them"),
    (("scan", "--listening"), "portero help scan lists them"),
    (("show", "-T4", "22"), "portero help show lists them"),
    (("--user", "a", "--user=b"), "option --user is there twice"),
    (("--json=yes",), "takes no value"),
    (("0",), "1 to 65535"),
    (("0/tcp",), "1 to 65535"),
    (("65536",), "1 to 65535"),
    (("65536/udp",), "1 to 65535"),
    (("99999999999999999999",), "1 to 65535"),
    (("1-65536",), "1 to 65535"),
    (("80/foo",), "tcp, udp"),
    (("80/",), "80/"),
    (("80/tcp/udp",), "80/tcp/udp"),
    (("20-10",), "10-20"),
    (("1-2-3",), "1-2-3"),
    (("20-",), "20-"),
    (("80,443",), "'80,443' is a list: write each port as a word of its own"),
    (("80,443/tcp",), "is a list"),
    (("show", "80,443"), "is a list"),
    (("127.0.0.1:80",), "'127.0.0.1:80' is not a port"),
    (("*:80",), "is not a port"),
    ((":80",), "is not a port"),
    (("[fe80::1]:80",), "is not a port"),
    (("udp",), "all of its ports are 1-65535/udp"),
    (("tcp", "22"), "1-65535/tcp"),
    (("",), "empty"),
    (("443/tcp", ""), "empty"),
    (("443/tcp", "70000"), "70000"),
    (("show",), "portero show 443/tcp"),
    (("show", ""), "''"),
    (("show", "nginx"), "nginx"),
    (("show", "22-25"), "22-25"),
    (("show", "22", "--csv"), "--csv"),
    (("show", "22", "23", "--json"), "one port"),
    (("doctor", "x"), "no arguments"),
    (("doctor", "--tcp"), "--tcp"),
    (("show", "22", "-p"), "'portero show' has no option --programs: portero help show lists"),
    (("--sort=foo",), "exposure|port|program|user"),
    (("--sort",), "needs a value"),
    (("--user", ""), "needs a value"),
    (("--user",), "needs a value"),
    (("--user=nosuchuser",), "no user of this machine is called 'nosuchuser'"),
    (("--user=nosuchuser", "--json"), "no user of this machine"),
    (("--listening-on=mars",), "everywhere|network|this-machine"),
    (("--json", "--csv"), "exclude"),
    (("completion",), "bash"),
    (("completion", "tcsh"), "bash"),
    (("help", "shwo"), "did you mean 'show'?"),
    (("help", "xyzzy"), "--help"),
], ids=lambda a: " ".join(a) if isinstance(a, tuple) else None)
def test_wrong_use(ns, args, says):
    """One clear sentence on stderr, nothing on stdout, 2."""
    result = ns.portero(*args, code=2)
    assert result.out == b""
    assert result.errors.startswith("portero: ") and result.errors.count("\n") == 1
    assert says in result.errors


@pytest.mark.parametrize("command", ["status", "show", "help", "completion"])
def test_what_was_typed_is_repeated_harmlessly(ns, command):
    """A script may hand on what a stranger wrote."""
    harmful = []
    for word in ("\x1b[31mstatus", "--\x1b[31m", "80/\x1b[2J", "--sort=\x1b[2J", "--\u202ejson",
                 "stat\u202eus", b"--\xff"):
        result = ns.portero(command, word, check=False)
        try:
            assert_harmless(result.out)
            assert_harmless(result.err)
        except (AssertionError, UnicodeDecodeError) as e:
            harmful.append(str(e))
    assert not harmful


def test_many_and_long_words(ns):
    assert ns.portero(*["80"] * 2000, code=(0, 2))
    result = ns.portero("x" * 100_000, code=(0, 2))
    assert len(result.out) + len(result.err) < 2000
    ns.portero("--" + "x" * 100_000, code=2)
    ns.portero("--user=" + "x" * 100_000)


def test_double_dash_ends_the_options(ns):
    assert "No listener matches" in ns.portero("--", "--json").text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command):
    by_option = portero(command, "--help", code=0)
    assert by_option.text.startswith(f"Usage: portero {command}")
    assert by_option.err == b""
    assert all(line == line.rstrip() for line in by_option.text.splitlines())
    assert portero("help", command, code=0).text == by_option.text
    assert portero(command, "-h", code=0).text == by_option.text
    assert all(len(line) <= 100 for line in by_option.text.splitlines())


def test_overview(ns):
    text = portero("--help", code=0).text
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b", text, re.M), command
    assert portero("help", code=0).text == text
    assert re.fullmatch(r"portero \d+\.\d+\.\d+\n", portero("--version", code=0).text)
    assert portero("version", code=0).text == portero("-V", code=0).text


# --- filters ------------------------------------------------------------------------------------

@pytest.fixture
def mix(ns, holder, tmp_path):
    ns.add_veth()
    ns.tcp("0.0.0.0", 443)
    ns.tcp("::1", 631)
    ns.udp("0.0.0.0", 53)
    ns.tcp("127.0.0.1", 5432)
    ns.tcp("192.0.2.1", 8080)
    named = tmp_path / "mydaemon"
    shutil.copy(holder, named)
    ns.start([*AS_NOBODY, str(named)], give=[ns.tcp("::", 9000, v6only=True)], ready=True)
    return ns


ALL = {"443/tcp", "631/tcp", "53/udp", "5432/tcp", "8080/tcp", "9000/tcp"}


@pytest.mark.parametrize("args, wanted", [
    ((), ALL),
    (("443/tcp",), {"443/tcp"}),
    (("443/udp",), set()),
    (("53",), {"53/udp"}),
    (("1-1024/tcp",), {"443/tcp", "631/tcp"}),
    (("1-1024",), {"443/tcp", "631/tcp", "53/udp"}),
    (("1-65535",), ALL),
    (("443", "9000"), {"443/tcp", "9000/tcp"}),
    (("status", "443"), {"443/tcp"}),
    (("https",), {"443/tcp"}),
    (("mydaemon",), {"9000/tcp"}),
    (("mydaemon", "443"), set()),
    (("mydaemon", "9000"), {"9000/tcp"}),
    (("mydaemon", "https"), {"443/tcp", "9000/tcp"}),
    (("-t",), ALL - {"53/udp"}),
    (("-u",), {"53/udp"}),
    (("-tu",), ALL),
    (("-4",), {"443/tcp", "53/udp", "5432/tcp", "8080/tcp"}),
    (("-6",), {"631/tcp", "9000/tcp"}),
    (("-46",), ALL),
    (("-tulpn",), ALL),
    (("-tlp", "443"), {"443/tcp"}),
    (("-6t", "631"), {"631/tcp"}),
    (("--listening-on=everywhere",), {"443/tcp", "53/udp", "9000/tcp"}),
    (("--listening-on", "network"), {"8080/tcp"}),
    (("--listening-on=this-machine",), {"631/tcp", "5432/tcp"}),
    (("--user=nobody",), {"9000/tcp"}),
    (("--user=65534",), {"9000/tcp"}),
    (("--user=root",), ALL - {"9000/tcp"}),
    (("--user=0",), ALL - {"9000/tcp"}),
    (("--user=nobody", "-n"), {"9000/tcp"}),
    (("--unit=nosuchunit",), set()),
    (("nosuchthing",), set()),
], ids=lambda a: " ".join(a) if isinstance(a, tuple) else "")
def test_filter(mix, args, wanted):
    status = mix.status(*args)
    assert {f"{p['port']}/{p['proto']}" for p in status["ports"]} == wanted
    table = mix.portero(*args, "-q").text
    assert {line.split()[0] for line in table.splitlines()} == wanted
    if not wanted:
        assert "No listener matches" in mix.portero(*args).text
    if args:
        assert "have no listener" not in mix.portero(*args).text


def test_family_tells_what_that_family_is_bound_to(ns):
    """A port that is open on IPv4 may be local on IPv6: the other family's answer is none."""
    ns.tcp("0.0.0.0", 8001)
    ns.tcp("::1", 8001)
    ns.tcp("127.0.0.1", 8002)
    ns.tcp("::", 8002, v6only=True)

    def bound(*args):
        return {p["port"]: p["bound"] for p in ns.status(*args)["ports"]}

    assert bound() == {8001: "everywhere", 8002: "everywhere"}
    assert bound("-6") == {8001: "this-machine", 8002: "everywhere"}
    assert bound("-4") == {8001: "everywhere", 8002: "this-machine"}
    assert bound("-46") == bound()
    assert bound("-6", "--listening-on=everywhere") == {8002: "everywhere"}
    assert all(x["families"] == ["ipv6"] for p in ns.status("-6")["ports"] for x in p["listeners"])


def test_sort(mix):
    def order(*args):
        return [line.split()[0] for line in mix.portero("-q", *args).text.splitlines()]

    assert order("--sort=port") == ["53/udp", "443/tcp", "631/tcp", "5432/tcp", "8080/tcp",
                                    "9000/tcp"]
    assert order() == order("--sort=exposure") == [
        "53/udp", "443/tcp", "9000/tcp", "8080/tcp", "631/tcp", "5432/tcp"]
    assert order("--sort=user") in (
        ["9000/tcp"] + [p for p in order("--sort=port") if p != "9000/tcp"],
        ["9000/tcp"] + [p for p in order() if p != "9000/tcp"])
    assert sorted(order("--sort=program")) == sorted(ALL)
    assert [p["port"] for p in mix.status("--sort=user")["ports"]] == [
        53, 443, 631, 5432, 8080, 9000], "JSON is always by port"


def test_numeric(mix):
    text = mix.portero("-n").text
    assert "nobody" not in text and "65534" in text
    assert all(line.split()[2] == "-" for line in mix.portero("-n", "-q").text.splitlines())
    assert "https" in mix.portero().text and "nobody" in mix.portero().text


def test_quiet(mix):
    lines = mix.portero("-q").text.splitlines()
    assert len(lines) == len(ALL) and all("/" in line.split()[0] for line in lines)


# --- forms of output ----------------------------------------------------------------------------

def test_csv(mix):
    result = mix.portero("--csv")
    assert result.out.endswith(b"\r\n")
    records = list(csv.DictReader(io.StringIO(result.out.decode(), newline=""), strict=True))
    assert {r["port"] for r in records} == ALL
    assert all(None not in r and None not in r.values() for r in records)
    assert list(records[0]) == ["port", "state", "service", "bound", "policy", "program", "user",
                                "unit", "package", "notes", "namespace"]
    daemon = next(r for r in records if r["port"] == "9000/tcp")
    assert daemon["program"].endswith("/mydaemon") and daemon["user"] == "nobody"
    assert "portero" not in result.errors
    assert len(list(csv.reader(io.StringIO(mix.portero("--csv", "-q").text)))) == len(ALL)


def test_json_is_the_same_in_every_language(mix, tmp_path):
    spanish = spanish_environment(tmp_path)

    def essence(env):
        status = mix.portero("--json", env=env).json
        status["time"] = status["other_namespaces"] = None
        return status

    assert essence({}) == essence(spanish) == essence({"LC_ALL": "C"})
    csvs = [mix.portero("--csv", env=env).out for env in ({}, spanish)]
    assert csvs[0] == csvs[1]


def spanish_environment(tmp_path):
    """A Spanish locale of the test's own: the machine need not have one."""
    localedef = need_program("localedef")
    if not os.path.exists("/usr/share/i18n/locales/es_ES"):
        pytest.skip("program: the sources of locales are not installed")
    made = tmp_path / "locales"
    if not made.exists():
        made.mkdir()
        subprocess.run([localedef, "-i", "es_ES", "-f", "UTF-8", str(made / "es_ES.UTF-8")],
                       check=True, capture_output=True)
    return {"LC_ALL": "es_ES.UTF-8", "LANG": "es_ES.UTF-8", "LOCPATH": str(made)}


def test_spanish(mix, tmp_path):
    spanish = spanish_environment(tmp_path)
    english, text = mix.portero().text, mix.portero(env=spanish).text
    assert english.splitlines()[0] != text.splitlines()[0], "the heading is Spanish"
    assert "PUERTO" in text and "PORT " not in text
    numbers = re.findall(r"\b65,\d{3}\b", english)
    assert len(numbers) == 2
    assert all(number.replace(",", ".") in text for number in numbers), "thousands as in Spanish"
    for args in (("--help",), ("show", "443"), ("doctor",)):
        assert mix.portero(*args).text != mix.portero(*args, env=spanish).text
    wrong = mix.portero("0", code=2, env=spanish)
    assert wrong.errors != mix.portero("0", code=2).errors
    assert mix.portero("0", "--json", code=2, env=spanish).errors == \
        mix.portero("0", "--json", code=2).errors


def test_locale_that_does_not_exist(mix):
    assert stable(mix.portero(env={"LC_ALL": "xx_YY.UTF-8"}).text) == \
        stable(mix.portero(env={"LC_ALL": "C"}).text)


def test_ascii_locale(ns, holder, tmp_path):
    program = tmp_path / "caf\u00e9"
    shutil.copy(holder, program)
    ns.start([str(program)], give=[ns.tcp("127.0.0.1", 8901)], ready=True)
    ns.portero(env={"LC_ALL": "C"}).out.decode("ascii")
    ns.portero(env={"LC_ALL": "C", "COLUMNS": "60"}).out.decode("ascii")
    assert "caf\u00e9" in ns.portero().text


# --- terminals ----------------------------------------------------------------------------------

def on_terminal(ns, args, columns=200, env=None):
    """What portero writes to a terminal, without the carriage returns that the terminal adds."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**base_environment(), "TERM": "xterm", **(env or {})}
    with ns:
        p = subprocess.Popen([PORTERO, *without_reach(args)], stdin=subprocess.DEVNULL,
                             stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    out = b""
    while True:
        try:
            got = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not got:
            break
        out += got
    os.close(ours)
    err = p.stderr.read()
    p.stderr.close()
    assert p.wait(60) in (0, 2), err
    return out.replace(b"\r\n", b"\n")


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF"
               else 1 for c in text)


def test_colour_only_on_a_terminal(mix):
    colored = on_terminal(mix, [])
    assert ESCAPE_SEQUENCE.search(colored)
    assert_harmless(colored, colored=True)
    assert stable(ESCAPE_SEQUENCE.sub(b"", colored).decode()) == \
        stable(mix.portero(env={"COLUMNS": "200"}).text)
    for plain in (on_terminal(mix, [], env={"NO_COLOR": "1"}), on_terminal(mix, ["--no-color"]),
                  on_terminal(mix, [], env={"TERM": "dumb"}), mix.portero().out,
                  on_terminal(mix, ["--json"]), on_terminal(mix, ["--csv"])):
        assert b"\x1b" not in plain
    assert b"\x1b" in on_terminal(mix, [], env={"NO_COLOR": ""}), "an empty NO_COLOR is none"


TABLE_LINE = re.compile(r"^(PORT|\d+/)")


@pytest.mark.parametrize("columns", [40, 41, 50, 60, 72, 80, 100, 120, 132, 160, 200])
def test_width(ns, holder, tmp_path, columns):
    """No line of the table is longer than the terminal, whatever is in it."""
    ns.add_veth()
    wide = tmp_path / ("\u6f22\u5b57" * 30)
    shutil.copy(holder, wide)
    ns.start([str(wide)], give=[ns.tcp("2001:db8:1::1", 54321)], ready=True)
    ns.tcp("0.0.0.0", 65535)
    ns.tcp("198.51.100.7", 8107, freebind=True)
    ns.udp("ff15:1234:5678:9abc:def0:1234:5678:9abc", 8106)
    by_variable = ns.portero(env={"COLUMNS": str(columns)}).text
    on_tty = on_terminal(ns, ["--no-color"], columns).decode()
    assert stable(on_tty) == stable(by_variable)
    table = [line for line in by_variable.splitlines() if TABLE_LINE.match(line)]
    assert len(table) == 5
    for line in table:
        assert width(line) <= columns, (width(line), line)
        assert line == line.rstrip()


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_width_of_all_lines(mix, columns):
    """The remarks below the table keep to the width as well."""
    for line in mix.portero(env={"COLUMNS": str(columns)}).text.splitlines():
        assert width(line) <= columns, line


@pytest.mark.parametrize("columns", ["0", "-1", "x", "99999999999", ""])
def test_strange_width(mix, columns):
    assert "443/tcp" in mix.portero(env={"COLUMNS": columns}).text


@pytest.mark.parametrize("columns", [1, 2, 5, 10, 20, 39])
def test_absurdly_narrow(mix, columns):
    assert "443/tcp" in mix.portero(env={"COLUMNS": str(columns)}).text


def test_characters_wider_than_the_line(mix):
    result = mix.portero("日本語", env={"COLUMNS": "1", "LC_ALL": "C.UTF-8"}, timeout=10)
    assert "日" in result.text and len(result.out) < 1000


def test_json_time_is_utc(mix):
    times = [datetime.datetime.fromisoformat(
                 mix.portero("--json", env={"TZ": zone}).json["time"].replace("Z", "+00:00"))
             for zone in ("UTC", "Asia/Tokyo")]
    assert abs((times[1] - times[0]).total_seconds()) < 60


def test_no_service_names_with_numeric(mix):
    assert mix.portero("show", "443/tcp", "-n").text.splitlines()[0] == "443/tcp"


def test_upper_case_protocol(mix):
    assert mix.portero("443/TCP", "-q").text == mix.portero("443/tcp", "-q").text


# --- show, doctor, completion -------------------------------------------------------------------

def test_show_connections_by_peer(ns):
    server = ns.tcp("127.0.0.1", 8902)
    pairs = []
    with ns:
        for source in ("127.0.0.6", "127.0.0.5", "127.0.0.5"):
            c = socket.create_connection(("127.0.0.1", 8902), source_address=(source, 0))
            pairs.append((c, server.accept()[0]))
            c.sendall(b"x" * 1000)
            assert pairs[-1][1].recv(2000)
    try:
        result = ns.portero("show", "8902/tcp", "--json")
        connections = result.json["connections"]
        assert sorted(c["peer"] for c in connections) == ["127.0.0.5", "127.0.0.5", "127.0.0.6"]
        assert {c["local_port"] for c in connections} == {8902}
        assert {c["bytes_in"] for c in connections} == {1000}
        assert {c["peer_port"] for c in connections} == {port_of(p[0]) for p in pairs}
        assert [n["proto"] for n in result.json["numbers"]] == ["tcp"]
        assert find(result.json, 8902)["listeners"][0]["pid"] == os.getpid()

        text = ns.portero("show", "8902/tcp").text
        assert "127.0.0.5: 2 connections" in text and "127.0.0.6: 1 connection," in text
        assert text.index("127.0.0.5:") < text.index("127.0.0.6:"), "who has most comes first"
        assert "3 from 2 peers" in text
        assert f"pid {os.getpid()}" in text and PYTHON in text
    finally:
        for a, b in pairs:
            a.close()
            b.close()


def test_show_dual_stack_peers(ns):
    server = ns.tcp("::", 8903)
    with ns:
        c = socket.create_connection(("127.0.0.1", 8903))
    a, _ = server.accept()
    try:
        connections = ns.portero("show", "8903/tcp", "--json").json["connections"]
        assert [x["peer"].removeprefix("::ffff:") for x in connections] == ["127.0.0.1"]
        text = ns.portero("show", "8903/tcp").text
        assert "127.0.0.1: 1 connection" in text
    finally:
        a.close()
        c.close()


def test_show_a_closed_port(ns):
    text = ns.portero("show", "8904").text
    assert text.count("closed: nobody listens") == 2, "tcp and udp"
    assert "none now" in text
    result = ns.portero("show", "8904", "--json")
    assert result.json["ports"] == [] and len(result.json["numbers"]) == 2


def test_show_several(ns):
    ns.tcp("127.0.0.1", 22)
    text = ns.portero("show", "22/tcp", "443/tcp").text
    assert "22/tcp  ssh" in text and "443/tcp  https" in text
    assert "unexpected-program" in {n["id"] for p in ns.status("22")["ports"] for n in p["notes"]} \
        or "reserved-for-other-service" in {n["id"] for p in ns.status("22")["ports"]
                                            for n in p["notes"]}


def test_doctor(ns):
    result = ns.portero("doctor", "--json")
    checks = {c["id"]: c for c in result.json["checks"]}
    assert checks["privileges"]["health"] == "ok"
    need_feature("bpf-iterator", checks["bpf-iterator"]["health"] == "ok",
                 checks["bpf-iterator"]["state"])
    missing = [c for c in checks.values() if c["health"] == "missing"]
    assert (result.code == 2) == bool(missing)
    for c in checks.values():
        assert (c["health"] == "ok") == (c["hides"] == "" and c["remedy"] == "")
    text = ns.portero("doctor").text
    assert ("MISSING  " in text) == bool(missing)
    without = ns.portero("doctor", "--json", "--no-bpf", code=2)
    assert {c["id"]: c["health"] for c in without.json["checks"]}["bpf-iterator"] == "missing"


def test_bash_completion(tmp_path):
    bash = need_program("bash")
    script = tmp_path / "portero.bash"
    script.write_bytes(portero("completion", "bash", code=0).out)
    subprocess.run([bash, "-n", str(script)], check=True)

    def complete(*words):
        code = (f"source {script}; COMP_WORDS=({' '.join(words)}); "
                f"COMP_CWORD={len(words) - 1}; _portero; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        return subprocess.run([bash, "-c", code], capture_output=True, text=True,
                              check=True).stdout.split()

    assert complete("portero", "sta") == ["status"]
    assert complete("portero", "--js") == ["--json"], "--json-lines is of others"
    assert complete("portero", "watch", "--js") == ["--json", "--json-lines"]
    assert set(complete("portero", "completion", "''")) == {"bash", "zsh", "fish"}
    assert complete("portero", "--sort", "pr") == ["program"]
    assert complete("portero", "roll") == ["rollback"]
    assert set(complete("portero", "co")) == {"confirm", "completion"}
    assert complete("portero", "apply", "--no-conf") == ["--no-confirm"]
    assert complete("portero", "rollback", "--when") == [], "for no person"
    assert set(complete("portero", "scan", "192.0.2.1", "--max-r")) == {"--max-rate", "--max-retries"}
    assert set(complete("portero", "scan", "-s")) == {"-sS", "-sT", "-sU", "-sV"}
    assert complete("portero", "verify", "-s") == ["-sU"]
    assert complete("portero", "--max-r") == complete("portero", "show", "--max-r") == []
    assert complete("portero", "--listening") == ["--listening-on"]
    assert complete("portero", "scan", "--listening") == []
    assert complete("portero", "allow", "--own") == complete("portero", "open", "--own") == ["--owner"]
    assert complete("portero", "scan", "stat") == [], "there is one command"
    assert complete("portero", "help", "stat") == ["status"]


def test_fish_completion(tmp_path):
    fish = need_program("fish")
    script = tmp_path / "portero.fish"
    script.write_bytes(portero("completion", "fish", code=0).out)

    def complete(line):
        text = subprocess.run([fish, "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                              capture_output=True, text=True, check=True).stdout
        return {row.split("\t")[0].rstrip("=") for row in text.splitlines()}

    assert complete("portero scan --max-r") == {"--max-rate", "--max-retries"}
    assert complete("portero --max-r") == complete("portero show --max-r") == set()
    assert complete("portero --listening") == {"--listening-on"}
    assert complete("portero allow --own") == {"--owner"}
    assert complete("portero help stat") == {"status"}


def test_words_of_ufw():
    """Allow and deny are open and close."""
    assert portero("allow", "--help", code=0).text == portero("open", "--help", code=0).text
    assert portero("help", "deny", code=0).text == portero("close", "--help", code=0).text


def test_zsh_completion(tmp_path):
    zsh = need_program("zsh")
    script = tmp_path / "portero.zsh"
    script.write_bytes(portero("completion", "zsh", code=0).out)

    def offered(*words):
        """What zsh's own _arguments is given."""
        code = (f"_arguments() {{ print -rl -- $@ }}; words=({' '.join(words)}); "
                f"CURRENT={len(words)}; source {script}")
        text = subprocess.run([zsh, "-fc", code], capture_output=True, text=True, check=True).stdout
        return {row.split("[")[0].rstrip("=") for row in text.splitlines()}

    assert {"--max-rate", "--json"} < offered("portero", "scan", "--max")
    assert "--listening-on" in offered("portero", "--li") and "--max-rate" not in offered("portero", "--m")
    assert "--listening-on" not in offered("portero", "scan", "192.0.2.1", "--li")
    assert offered("portero", "allow", "--o") == offered("portero", "open", "--o") > {"--owner"}


@pytest.mark.parametrize("shell, check", [("zsh", "-n"), ("fish", "--no-execute")])
def test_other_completions(tmp_path, shell, check):
    text = portero("completion", shell, code=0).out
    assert b"status" in text and b"--json" in text or b"json" in text
    program = need_program(shell)
    script = tmp_path / f"portero.{shell}"
    script.write_bytes(text)
    subprocess.run([program, check, str(script)], check=True)


def test_schemas_are_complete():
    """Every field of every schema tells what it is; every object is closed. A field that is not
    always there says when it is."""
    found = 0
    for path in sorted((ROOT / "data" / "schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        todo = [("", schema)]
        while todo:
            where, node = todo.pop()
            if isinstance(node, list):
                todo += [(where, item) for item in node]
                continue
            if not isinstance(node, dict):
                continue
            if "properties" in node and "object" in node.get("type", []):
                found += 1
                assert node["additionalProperties"] is False, (path.name, where)
                optional = {name for name, field in node["properties"].items()
                            if field.get("description", "").startswith("There")}
                assert set(node["required"]) == set(node["properties"]) - optional, \
                    (path.name, where)
                for name, field in node["properties"].items():
                    assert "description" in field or "$ref" in field, (path.name, where, name)
            todo += [(f"{where}/{key}", value) for key, value in node.items()]
    assert found > 10


def test_options_after_and_before(mix):
    assert mix.portero("-q", "443").text == mix.portero("443", "-q").text == \
        mix.portero("status", "443", "-q").text == mix.portero("-q", "status", "443").text
