# SPDX-License-Identifier: GPL-2.0-or-later
"""`portero policy check`: good and bad files of every kind, and the schema that editors use."""
import json
import os
import re
import shutil
import tempfile

import jsonschema
import pytest
import yaml

from harness import AS_NOBODY, ROOT, Netns, ip, portero, require_namespaces

SCHEMA = json.loads((ROOT / "data" / "policy.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.fixture
def policy(tmp_path):
    """Writes files into a folder of the test's own, and checks them."""
    folder = tmp_path / "policy.d"
    folder.mkdir(mode=0o755)

    def check(*args, code=(0, 1, 2), ns=None, **files):
        for name, text in files.items():
            path = folder / f"{name.replace('_', '-')}.yaml"
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            path.chmod(0o644)
        return portero("policy", "check", *args, folder, code=code, ns=ns)

    check.folder = folder
    return check


def opening(**keys):
    lines = {"ports": "[443/tcp]", "from": "[internet]", **keys}
    return "openings:\n  - " + "\n    ".join(f"{k}: {v}" for k, v in lines.items()
                                           if v is not None) + "\n"


GOOD = {
    "nothing": "",
    "comment": "# nothing\n",
    "empty groups": "settings:\nopenings:\n",
    "empty icmp": "settings: {icmp: }\n",
    "no openings": "openings: []\n",
    "all settings": "settings:\n  undeclared: reject\n  guard: 'off'\n  protect: [22/tcp]\n"
                    "  icmp:\n    echo: drop\n  loopback: deny\n  ephemeral: allow\n",
    "standard settings": "settings: {undeclared: drop, guard: off, loopback: allow, ephemeral: deny}\n",
    "observe": "settings: {undeclared: observe}\n",
    "drop": "settings: {undeclared: drop, icmp: {echo: accept}, protect: 22/tcp}\n",
    "ports": opening(ports="[1/tcp, 65535/udp, 8000-8100/TCP, 7/udplite, 9/sctp, 5/dccp, 0053/udp]"),
    "one port": opening(ports="443/tcp"),
    "classes": opening(**{"from": "[private, link, host]"}),
    "one class": opening(**{"from": "internet"}),
    "addresses": opening(**{"from": '[10.0.0.0/8, 192.0.2.17, "2001:db8::/32", "::1", "fe80::1"]'}),
    "everything": opening(**{"from": '["0.0.0.0/0", "::/0"]'}),
    "interfaces": opening(interfaces="lo"),
    "wildcard": opening(interfaces="['l*', lo]"),
    "rate": opening(rate="10/minute"),
    "largest rate": opening(rate="1000000/second"),
    "until": opening(until="2999-12-01T00:00:00Z"),
    "until with offset": opening(until="2999-12-01T00:00:00.5-05:30"),
    "until day": opening(until="2999-12-01"),
    "scope": opening(unit="x.scope"),
    "program": opening(program=os.path.realpath("/bin/sh")),
    "user": opening(user="root"),
    "user number": opening(user="33"),
    "container": opening(container="docker:web"),
    "why": opening(why="it's what we do: 5 > 4", owner="dba@example.org").replace(
        "it's what we do: 5 > 4", "\"it's what we do: 5 > 4\""),
    "long why": opening(why="x" * 512),
    "several lines": opening(why="|\n      one\n      two"),
    "two openings": opening() + opening(ports="80/tcp").split("\n", 1)[1],
}

BAD = {
    "list at top": "- ports: [1/tcp]\n",
    "text at top": "hello\n",
    "unknown key": "opening: []\n",
    "unknown setting": "settings: {undeclard: drop}\n",
    "unknown icmp": "settings: {icmp: {ping: drop}}\n",
    "unknown in opening": opening(wyh="x"),
    "settings is a list": "settings: []\n",
    "settings is a text": "settings: drop\n",
    "icmp is a text": "settings: {icmp: drop}\n",
    "openings is a group": "openings: {ports: 1/tcp}\n",
    "openings is a text": "openings: all\n",
    "opening is a text": "openings: [443/tcp]\n",
    "opening is nothing": "openings:\n  -\n",
    "undeclared": "settings: {undeclared: deny}\n",
    "undeclared is nothing": "settings: {undeclared: }\n",
    "undeclared is a list": "settings: {undeclared: [drop]}\n",
    "guard": "settings: {guard: 'on'}\n",
    "loopback": "settings: {loopback: accept}\n",
    "loopback is a list": "settings: {loopback: [allow]}\n",
    "ephemeral": "settings: {ephemeral: drop}\n",
    "ephemeral is nothing": "settings: {ephemeral: }\n",
    "echo": "settings: {icmp: {echo: reject}}\n",
    "protect": "settings: {protect: ssh}\n",
    "protect is empty": "settings: {protect: []}\n",
    "no ports": opening(ports=None, why="x"),
    "no from": opening(**{"from": None}),
    "ports are empty": opening(ports="[]"),
    "ports are nothing": opening(ports=""),
    "ports are a group": opening(ports="{a: b}"),
    "ports in a list": opening(ports="[[1/tcp]]"),
    "port without protocol": opening(ports="443"),
    "port 0": opening(ports="0/tcp"),
    "port 65536": opening(ports="65536/tcp"),
    "port 99999999999": opening(ports="99999999999/tcp"),
    "range to 65536": opening(ports="1-65536/tcp"),
    "half range": opening(ports="1-/tcp"),
    "unknown protocol": opening(ports="1/icmp"),
    "name of a port": opening(ports="https"),
    "list in a text": opening(ports="'80,443/tcp'"),
    "from is empty": opening(**{"from": "[]"}),
    "from is a group": opening(**{"from": "{10.0.0.0: 8}"}),
    "unknown class": opening(**{"from": "lan"}),
    "name of a host": opening(**{"from": "example.org"}),
    "octet": opening(**{"from": "10.0.0.256"}),
    "three octets": opening(**{"from": "10.0.0"}),
    "octal": opening(**{"from": "010.0.0.1"}),
    "prefix": opening(**{"from": "10.0.0.0/33"}),
    "prefix of IPv6": opening(**{"from": '"2001:db8::/129"'}),
    "mask": opening(**{"from": "10.0.0.0/255.0.0.0"}),
    "zone": opening(**{"from": "fe80::1%eth0"}),
    "range of addresses": opening(**{"from": "10.0.0.1-10.0.0.9"}),
    "interfaces are empty": opening(interfaces="[]"),
    "long interface": opening(interfaces="sixteen-letters-"),
    "interface with /": opening(interfaces="a/b"),
    "interface ..": opening(interfaces="'..'"),
    "every interface": opening(interfaces="'*'"),
    "star within": opening(interfaces="'e*0'"),
    "rate 0": opening(rate="0/minute"),
    "rate without unit": opening(rate="10"),
    "rate per minut": opening(rate="10/minut"),
    "rate is large": opening(rate="1000001/day"),
    "rate is a list": opening(rate="[10/minute]"),
    "until without zone": opening(until="2999-12-01T00:00:00"),
    "until noon": opening(until="noon"),
    "until month 13": opening(until="2999-13-01"),
    "until hour 24": opening(until="2999-12-01T24:00:00Z"),
    "until long ago": opening(until="1999-12-01"),
    "unit with spaces": opening(unit="a b"),
    "unit with /": opening(unit="a/b.service"),
    "unit is a list": opening(unit="[a, b]"),
    "program without path": opening(program="sshd"),
    "program with ..": opening(program="/usr/../sshd"),
    "program with //": opening(program="/usr//sshd"),
    "program is a folder": opening(program="/usr/"),
    "user with spaces": opening(user="a b"),
    "container with spaces": opening(container="a b"),
    "why is a list": opening(why="[a]"),
    "why is empty": opening(why="''"),
    "why is blank": opening(why="' '"),
    "why is long": opening(why="x" * 513),
}

# What no schema can say, or no editor sees.
ONLY_PORTERO = {
    "reversed range": (opening(ports="90-80/tcp"), "80-90"),
    "host bits": (opening(**{"from": "10.0.0.1/8"}), "10.0.0.0/8"),
    "host bits of IPv6": (opening(**{"from": '"2001:db8::1/32"'}), "2001:db8::/32"),
    "everybody's address": (opening(**{"from": "0.0.0.0"}), "did you mean internet?"),
    "multicast": (opening(**{"from": "224.0.0.0/4"}), "multicast"),
    "mapped": (opening(**{"from": '"::ffff:10.0.0.1"'}), "as in 10.0.0.1"),
    "day 30 of February": (opening(until="2999-02-30"), "28 days"),
    "kind of unit": (opening(unit="nginx.sevice"), "nginx.service?"),
    "the same twice": (opening(**{"from": "[link, link]"}), "twice"),
    "key twice": ("openings: []\nopenings: []\n", "openings is given twice"),
    "anchor": ("openings: &a []\n", "no anchors and aliases"),
    "tag": ("openings: !!seq []\n", "no tags"),
}


def document(text):
    """What a validator sees; every text as it stands, as YAML 1.2 would leave it but for null."""
    def null(value):
        if isinstance(value, dict):
            return {k: null(v) for k, v in value.items()}
        if isinstance(value, list):
            return [null(v) for v in value]
        return None if value in ("", "~", "null") else value
    return null(yaml.load(text, yaml.BaseLoader))


def fits_schema(text):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document(text))


@pytest.mark.parametrize("name", GOOD)
def test_good(policy, name):
    result = policy(a=GOOD[name], code=0)
    assert result.text.endswith("in 1 file: all is right\n")
    assert result.err == b""
    assert fits_schema(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad(policy, name):
    result = policy(a=BAD[name], code=2)
    first, last = result.text.splitlines()[0], result.text.splitlines()[-1]
    assert re.match(rf"{policy.folder}/a\.yaml:\d+:\d+: error: .{{20,}}$", first), first
    assert "this policy cannot be used" in last
    assert not fits_schema(BAD[name])


@pytest.mark.parametrize("name", ONLY_PORTERO)
def test_only_portero(policy, name):
    text, says = ONLY_PORTERO[name]
    assert says in policy(a=text, code=2).text
    assert fits_schema(text)


@pytest.mark.parametrize("raw, says", [
    (b"openings:\n\t- ports: [1/tcp]\n", "2:1: error: this is not valid YAML: a tab"),
    (b"openings: []\x00\n", "1:13: error: this is not valid YAML: a control character"),
    (b"openings: []\n# \x1b[31m\n", "2:3: error: this is not valid YAML: a control character"),
    (b"openings: []\n# \xff\n", "2:3: error: this is not valid YAML: this is not UTF-8"),
    (b"\xff\xfeo\x00p\x00", "1:1: error: this is not valid YAML: this is not UTF-8"),
    (b"openings: [\n", "error: this is not valid YAML"),
    (b"why: 'x\n", "the closing one is missing"),
    (b"openings: []\n---\nopenings: []\n", "2:1: error: another document"),
    (b"[" * 100000, "nested too deeply"),
    (b"{a: " * 100000, "nested too deeply"),
    (b"- " * 100000, "nested too deeply"),
    (b"? " * 100000, "error"),
    (b"a" * 1000000, "error"),
    (b"openings: *all\n", "no anchors and aliases (*all)"),
    (b"openings: []\n<<: *x\n", "no anchors and aliases (*x)"),
    ("openings: []\nwh\u202ey: x\n".encode(), r"unknown key 'wh\u{202e}y'"),
    (b"'a\\b': x\n", r"unknown key 'a\b'"),
], ids=range(17))
def test_raw(policy, raw, says):
    result = policy(a=raw, code=2)
    assert says in result.text


def test_bomb(policy):
    """Nine levels of nine: a billion, if aliases were followed."""
    text = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(97 + i)}: &{chr(97 + i)} [{','.join(['*' + chr(96 + i)] * 9)}]\n"
        for i in range(1, 10))
    result = policy(a=text, code=2)
    assert "no anchors and aliases" in result.text
    assert result.cpu < 5


def test_large_file(policy):
    result = policy(a=b"# nothing\n" * (1 << 20), code=2)
    assert "a.yaml: error: this file is too large: a file may have 8 MB" in result.text


def test_large_policy(policy):
    """10,000 openings and 50,000 networks: right, and in a few seconds."""
    text = "openings:\n" + "".join(
        f"- {{ports: {n + 1}/tcp, from: [" +
        ", ".join(f"10.{i >> 8}.{i & 255}.0/24" for i in range(n * 5, n * 5 + 5)) + "]}\n"
        for n in range(10000))
    result = policy("--json", a=text, code=0)
    assert result.json["openings"] == 10000
    assert result.cpu < 30


def test_all_errors_of_all_files(policy):
    result = policy("--json", code=2, a_first=opening(ports="443", wyh="x"),
                    b_second=opening(rate="x") + "settings: {guard: enforce}\n", c_third=opening())
    found = [(p["severity"], p["at"]["file"], p["at"]["line"], p["at"]["column"])
             for p in result.json["problems"]]
    assert found == [("error", "a-first.yaml", 2, 12), ("error", "a-first.yaml", 4, 5),
                     ("error", "b-second.yaml", 4, 11), ("warning", "c-third.yaml", 2, 5)]
    assert result.json["errors"] == 3 and result.json["warnings"] == 1
    assert result.json["files"] == 3 and result.json["openings"] == 1
    assert result.json["usable"] is False


def test_at_most_twenty(policy):
    result = policy(code=2, a="openings:\n" + "- {ports: 1, from: link}\n" * 500)
    assert result.text.count("error:") == 20
    assert "... and 480 more" in result.text


def test_two_places(policy):
    result = policy(code=2, a=opening(), b=opening(ports="[80/tcp, 443/tcp]"))
    line = result.text.splitlines()[0]
    assert line.startswith(f"{policy.folder}/b.yaml:3:12: error: 443/tcp from internet is let in")
    assert line.endswith(f"(the other place: {policy.folder}/a.yaml:3:12)")
    problem = policy("--json").json["problems"][0]
    assert problem["other"] == {"file": "a.yaml", "line": 3, "column": 12}


def test_warnings(policy):
    result = policy(code=1, a=opening(ports="1-65535/tcp", interfaces="absent0",
                                      user="nosuchuser", program="/no/such/program",
                                      until="2001-01-01"))
    assert "THE WHOLE INTERNET may reach 65535 ports" in result.text
    assert "no interface absent0" in result.text
    assert "no user nosuchuser" in result.text
    assert "no program /no/such/program" in result.text
    assert "ended at 2001-01-01T00:00:00Z" in result.text
    assert "1 opening in 1 file, 5 warnings" in result.text
    assert "1 opening in" not in policy("-q").text


@pytest.fixture
def script(tmp_path):
    def write(text, name="script"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o755)
        return path
    return write


@pytest.mark.parametrize("line, program", [
    ("#!/bin/sh\n", "/bin/sh"),
    ("#! \t/bin/sh -e\nexit\n", "/bin/sh"),
    ("#!/bin/sh", "/bin/sh"),
    ("#!/usr/bin/env sh\n", "/bin/sh"),
    ("#!/usr/bin/env -S A=b sh -e\n", "/bin/sh"),
    ("#!/usr/bin/env -u sh ls\n", None),
    ("#!/usr/bin/env\n", None),
    ("#!/no/such/interpreter\n", None),
    ("#!\n", None),
    ("#!", None),
    ("#!/" + "x" * 5000, None),
], ids=range(11))
def test_scripts(policy, script, line, program):
    """Whoever listens for a script is its interpreter, by the path that /proc/PID/exe would show."""
    result = policy(a=opening(program=script(line)), code=1)
    assert "a.yaml:2:5: warning:" in result.text and f"{script(line)} is a script" in result.text
    assert "1 warning" in result.text.splitlines()[-1]
    if program:
        assert f"Write 'program: {os.path.realpath(program)}'" in result.text
    else:
        assert "Write the interpreter" in result.text


def test_script_of_scripts(policy, script):
    """What runs in the end is told; one that runs itself is no endless loop."""
    inner = script("#!/bin/sh\n", "inner")
    real = os.path.realpath("/bin/sh")
    assert f"'program: {real}'" in policy(a=opening(program=script(f"#!{inner}\n"))).text
    itself = script("", "itself")
    script(f"#!{itself}\n", "itself")
    assert "Write the interpreter" in policy(a=opening(program=itself), code=1).text


def test_no_scripts(policy, script, tmp_path):
    for text in ("", "#", "# !/bin/sh\n", " #!/bin/sh\n", b"\x7fELF#!/bin/sh\n"):
        policy(a=opening(program=script(text)), code=0)
    os.mkfifo(tmp_path / "fifo")
    policy(a=opening(program=tmp_path / "fifo"), code=0)
    policy(a=opening(program=tmp_path), code=0)


def test_guard(policy):
    """What it could not hold to one program is told; when it is off, nothing is."""
    text = opening(program=os.path.realpath("/bin/sh")) + opening(ports="80/tcp").split("\n", 1)[1]
    policy(a=text, code=0)
    result = policy(a=text, b="settings: {guard: enforce}\n", code=1)
    assert f"a.yaml:2:5: warning: {os.path.realpath('/bin/sh')} runs scripts" in result.text
    assert "a.yaml:5:5: warning: anybody on the machine may listen there: 1 opening" in result.text
    assert "2 openings in 2 files, 2 warnings" in result.text
    assert "anybody" not in policy(b="settings: {guard: observe}\n", code=1).text


def test_units(policy):
    folders = [f for f in ("/etc/systemd/system", "/usr/lib/systemd/system") if os.path.isdir(f)]
    names = [n for f in folders for n in os.listdir(f) if n.endswith(".service")]
    if not names:
        pytest.skip("program: this machine has no units of systemd")
    template = next((n for n in names if n.endswith("@.service")), None)
    known = next(n for n in names if "@" not in n and "\\" not in n)
    policy(code=0, a=opening(unit=known))
    policy(code=0, a=opening(unit=known.removesuffix(".service")))
    if template:
        policy(code=0, a=opening(unit=template.replace("@.", "@1.")))
    assert "no unit nosuchunit.service" in policy(code=1, a=opening(unit="nosuchunit")).text


def test_no_policy(policy, tmp_path):
    result = portero("policy", "check", tmp_path / "nowhere", code=2)
    assert result.out == b""
    assert "portero policy init" in result.errors
    assert "no file that ends in .yaml" in policy(code=2).errors
    (policy.folder / "a.yml").write_text("")
    result = policy(code=2)
    assert "warning: this file is not read: rename it" in result.errors
    assert "not a folder" in portero("policy", "check", policy.folder / "a.yml", code=2).errors


def test_places(policy):
    policy(a=opening())
    assert portero("policy", "check", "--policy-dir", policy.folder, code=0).text.startswith(
        str(policy.folder))
    portero("policy", "check", env={"PORTERO_POLICY_DIR": str(policy.folder)}, code=0)
    assert "one folder" in portero("policy", "check", "a", "b", code=2).errors


def test_words():
    assert "check" in portero("policy", code=2).errors
    assert "did you mean 'check'?" in portero("policy", "chek", code=2).errors
    assert "check" in portero("policy", "xyzzy", code=2).errors
    assert "did you mean 'policy'?" in portero("help", "polcy", code=2).errors


def test_others_may_write(policy):
    policy(a=opening(), b=opening(ports="80/tcp"), code=0)
    (policy.folder / "a.yaml").chmod(0o666)
    result = portero("policy", "check", policy.folder, code=2)
    assert "a.yaml: error: others than root may change this file" in result.text
    (policy.folder / "a.yaml").chmod(0o644)
    if os.geteuid() == 0:
        os.chown(policy.folder / "a.yaml", 65534, 65534)
        assert "others than root" in portero("policy", "check", policy.folder, code=2).text
        os.chown(policy.folder / "a.yaml", 0, 0)
    policy.folder.chmod(0o777)
    assert "chmod 755" in portero("policy", "check", policy.folder, code=2).errors
    policy.folder.chmod(0o755)


def test_not_root():
    """Who is not root may check a copy of their own."""
    if os.geteuid() != 0:
        pytest.skip("root: only it can become somebody else")
    with tempfile.TemporaryDirectory(prefix="portero-policy-", dir="/tmp") as folder:
        path = os.path.join(folder, "a.yaml")
        with open(path, "w") as file:
            file.write(opening())
        os.chmod(path, 0o644)
        for place in (folder, path):
            os.chown(place, 65534, 65534)
        result = portero("policy", "check", folder, prefix=AS_NOBODY, code=0)
        assert "all is right" in result.text


def manual_examples():
    """The examples of portero.policy(5), by their headings."""
    page = (ROOT / "man" / "portero.policy.5").read_text().split(".SH EXAMPLES")[1]
    found = re.findall(r"^\.SS (.*?)\n\.EX\n(.*?)^\.EE$", page, re.M | re.S)
    return {title: text.replace("\\-", "-").replace("\\(dq", '"') for title, text in found}


@pytest.mark.parametrize("title", manual_examples())
def test_manual(policy, title):
    """They are right; this machine just does not have all units."""
    text = manual_examples()[title]
    result = policy("--json", code=(0, 1), a=text)
    assert all("this machine has no" in p["text"] or "ended" in p["text"]
               for p in result.json["problems"])
    assert result.json["openings"] >= 1
    assert fits_schema(text)


def test_manual_has_five():
    assert len(manual_examples()) == 5


def test_file_names(policy):
    """Text from the disk is not trusted with a terminal."""
    shutil.rmtree(policy.folder)
    policy.folder.mkdir(mode=0o755)
    path = policy.folder / "a\x1b[31m.yaml"
    path.write_text("x: y\n")
    path.chmod(0o644)
    result = portero("policy", "check", policy.folder, code=2)
    assert r"a\x1b[31m.yaml:1:1: error" in result.text
    assert portero("policy", "check", "--json", policy.folder, code=2).json["errors"] == 1


def test_network_of_another_interface(policy):
    """Only forged packets have its addresses elsewhere."""
    require_namespaces()
    with Netns() as ns:
        for name, address in (("eth0", "10.1.0.1/16"), ("eth1", "10.2.0.1/16")):
            ip("link", "add", name, "netns", ns.name, "type", "veth", "peer", "name", name + "p",
               "netns", ns.name)
            ip("-n", ns.name, "addr", "add", address, "dev", name)
        text = opening(**{"from": "10.1.2.0/24", "interfaces": "[eth0, eth1]"})
        assert "10.1.2.0/24 is a network of eth0: its packets do not come in by eth1" in policy(
            code=1, ns=ns, a=text).text
        policy(code=0, ns=ns, a=opening(**{"from": "10.1.2.0/24", "interfaces": "[eth0]"}))
        policy(code=0, ns=ns, a=opening(**{"from": "10.3.0.0/24", "interfaces": "[eth1]"}))
        policy(code=0, ns=ns, a=opening(**{"from": "10.1.2.0/24", "interfaces": "'eth*'"}))
