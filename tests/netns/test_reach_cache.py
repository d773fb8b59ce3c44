# SPDX-License-Identifier: GPL-2.0-or-later
"""
Answers that are kept (observe/reach_cache): those of an unchanged machine are used again, and
whatever changes on it, nobody ever gets an old one.
"""
import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import Netns, die_with_parent, ip, need_program, portero, scene, wait_until

# Here no twin can be made: who gets an answer nevertheless has it from the cache.
WITHOUT_TWIN = ("unshare", "-m", "sh", "-c",
                'mount --bind /dev/null /dev/net/tun && exec "$@"', "sh")
RULES = """
table inet t {
    set s { type ipv4_addr; elements = { 9.9.9.1 } }
    chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        tcp dport { 22, 80 } accept
        ip saddr @s tcp dport 25 accept
    }
}
"""


def run(ns, *argv, stdin=None):
    with ns:
        done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False,
                              preexec_fn=die_with_parent)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def nft(ns, rules):
    need_program("nft")
    run(ns, "nft", "-f", "-", stdin=rules)


def sysctl(ns, key, value):
    with ns:
        Path("/proc/sys/net", key).write_text(value)


class Machine:
    """A host with an interface to the internet, and a directory for what portero keeps."""

    def __init__(self, directory):
        self.ns = Netns()
        self.ns.add_veth()
        self.close = self.ns.close
        ip("-n", self.ns.name, "route", "add", "default", "via", "192.0.2.77")
        nft(self.ns, RULES)
        self.dir = directory / "kept"
        self.wait()

    def wait(self):
        """Until the addresses that the kernel adds by itself are in use."""
        wait_until(lambda: " tentative" not in ip("-n", self.ns.name, "-o", "addr").stdout,
                   what="all addresses are in use")

    def ask(self, *args, prefix=(), **kw):
        result = portero("reach", "--json", *args, ns=self.ns, prefix=prefix, check=False,
                         env={"PORTERO_RUNTIME_DIR": str(self.dir), **kw})
        assert result.code in (0, 2), repr(result)
        answer = json.loads(result.out)
        del answer["generation"], answer["time"]
        return answer

    def settled(self):
        """An answer that was given twice alike, the second time from the cache."""
        self.wait()
        first = self.ask()
        assert self.kept() == first, f"not kept: {self.files()}"
        return first

    def kept(self, *args):
        """What the cache says, or None."""
        answer = self.ask(*args, prefix=WITHOUT_TWIN)
        return answer if answer["classes"] else None

    def files(self):
        return sorted(self.dir.glob("*")) if self.dir.is_dir() else []


@pytest.fixture
def machine(tmp_path):
    m = Machine(tmp_path)
    with scene(m):
        yield m


def test_kept(machine):
    answer = machine.settled()
    assert answer["complete"] and answer == machine.ask("--no-cache")
    assert machine.dir.stat().st_mode & 0o7777 == 0o700
    assert all(f.stat().st_mode & 0o7777 == 0o600 for f in machine.files())


def test_not_kept_when_told_so(machine):
    machine.ask("--no-cache")
    assert not machine.files()
    machine.settled()
    assert not machine.ask("--no-cache", prefix=WITHOUT_TWIN)["classes"]


def test_status_uses_it(machine):
    machine.settled()
    machine.ns.tcp("0.0.0.0", 22)
    env = {"PORTERO_RUNTIME_DIR": str(machine.dir)}

    def state(*args, **kw):
        answer = machine.ns.portero("--json", *args, env=env, reach=True, **kw).json
        return [p["state"] for p in answer["ports"]]

    fresh = state("--no-cache")
    assert state() == fresh == ["open"]
    assert state(prefix=WITHOUT_TWIN) == fresh


# --- each ingredient ----------------------------------------------------------------------------

def set_up_ipset(m):
    need_program("ipset")
    run(m.ns, "ipset", "create", "friends", "hash:ip")
    run(m.ns, "ipset", "add", "friends", "9.9.9.1")
    run(m.ns, "iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "99", "-m", "set",
        "--match-set", "friends", "src", "-j", "REJECT")


def set_up_legacy(m):
    need_program("iptables-legacy")
    run(m.ns, "iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "99", "-j", "REJECT")


def set_up_second_address(m):
    """One that is treated as the first, so that it is not asked for by itself."""
    ip("-n", m.ns.name, "addr", "add", "192.0.2.2/24", "dev", "v0")


def set_up_container(m):
    sysctl(m.ns, "ipv4/ip_forward", "1")
    nft(m.ns, "add rule inet t in tcp dport 1 accept")
    m.box = Netns()
    ip("link", "add", "vc", "netns", m.ns.name, "type", "veth", "peer", "name", "eth0", "netns",
       m.box.name)
    ip("-n", m.ns.name, "addr", "add", "198.51.100.1/24", "dev", "vc")
    ip("-n", m.ns.name, "link", "set", "vc", "up")
    ip("-n", m.box.name, "addr", "add", "198.51.100.2/24", "dev", "eth0")
    ip("-n", m.box.name, "link", "set", "eth0", "up")
    m.box.tcp("0.0.0.0", 8080)
    m.close = lambda: (m.box.close(), m.ns.close())


def nothing(_machine):
    pass


INGREDIENTS = {
    # what changes: (what must be there before, the change, does the answer change?)
    "rule": (nothing, lambda m: nft(m.ns, "add rule inet t in tcp dport 81 accept"), True),
    "rule-deleted": (nothing, lambda m: nft(m.ns, "flush chain inet t in"), True),
    "policy": (nothing, lambda m: nft(
        m.ns, "add chain inet t in { type filter hook input priority 0; policy accept; }"), True),
    "table": (nothing, lambda m: nft(m.ns, "delete table inet t"), True),
    "set-element": (nothing, lambda m: nft(m.ns, "add element inet t s { 9.9.9.7 }"), True),
    "set-element-deleted": (nothing,
                            lambda m: nft(m.ns, "delete element inet t s { 9.9.9.1 }"), True),
    "address": (nothing, lambda m: ip("-n", m.ns.name, "addr", "add", "198.51.100.9/24", "dev",
                                      "v0"), True),
    "address-deleted": (nothing, lambda m: ip("-n", m.ns.name, "addr", "del", "2001:db8:1::1/64",
                                              "dev", "v0"), True),
    "route": (nothing, lambda m: ip("-n", m.ns.name, "route", "add", "10.0.0.0/8", "dev", "v0p"),
              True),
    "route-deleted": (nothing, lambda m: ip("-n", m.ns.name, "route", "del", "default"), False),
    "ip-rule": (nothing, lambda m: ip("-n", m.ns.name, "rule", "add", "from", "9.9.9.0/24",
                                      "blackhole"), True),
    "sysctl": (nothing, lambda m: sysctl(m.ns, "ipv4/conf/v0/rp_filter", "1"), False),
    "sysctl-of-all": (nothing, lambda m: sysctl(m.ns, "ipv4/conf/all/rp_filter", "1"), False),
    "interface-down": (nothing, lambda m: ip("-n", m.ns.name, "link", "set", "v0", "down"), True),
    "interface-new": (nothing, lambda m: m.ns.add_veth("w", ()), False),
    "ipset-element": (set_up_ipset,
                      lambda m: run(m.ns, "ipset", "add", "friends", "9.9.9.2"), True),
    "legacy-rule": (set_up_legacy, lambda m: run(
        m.ns, "iptables-legacy", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-j", "REJECT"),
        True),
    "legacy-table": (nothing, set_up_legacy, False),
    "listener": (nothing, lambda m: m.ns.tcp("127.0.0.5", 99), True),
    "listener-on-second-address": (set_up_second_address, lambda m: m.ns.tcp("192.0.2.2", 99),
                                   True),
    "container-address": (set_up_container, lambda m: ip(
        "-n", m.box.name, "addr", "add", "198.51.100.3/24", "dev", "eth0"), True),
    "container-listener": (set_up_container, lambda m: m.box.udp("0.0.0.0", 53), False),
    "obstacle": (nothing, lambda m: (
        run(m.ns, "tc", "qdisc", "add", "dev", "v0", "clsact"),
        run(m.ns, "tc", "filter", "add", "dev", "v0", "ingress", "protocol", "ip", "u32", "match",
            "u32", "0", "0", "flowid", "1:1")),
        True),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_never_old(machine, ingredient):
    before, change, visible = INGREDIENTS[ingredient]
    before(machine)
    old = machine.settled()
    change(machine)
    assert machine.kept() is None, "an old answer was given"
    fresh = machine.settled()
    assert fresh == machine.ask("--no-cache")
    assert not visible or fresh != old, "the change is not seen at all: the test proves nothing"


def test_other_namespaces_do_not_count(machine):
    """Those that are not directly behind the machine are not asked about; they come and go."""
    set_up_container(machine)
    old = machine.settled()
    far = Netns()
    with scene(far):
        far.add_veth("eth0", ("198.51.100.2/24",))
        far.tcp("0.0.0.0", 8080)
        assert machine.kept() == old
        machine.box.connect(far, name="inner", peer="eth1", addresses=("198.51.100.129/25",))
        assert machine.kept() is None, "an address of the container's is new"
        old = machine.settled()
        far.tcp("0.0.0.0", 8081)
        assert machine.kept() == old == machine.ask("--no-cache")


def test_back_again(machine):
    old = machine.settled()
    nft(machine.ns, "add rule inet t in tcp dport 81 accept")
    assert machine.settled() != old
    nft(machine.ns, "delete table inet t\n" + RULES)
    assert machine.kept() == old


@pytest.mark.parametrize("options", [
    ("--full",), ("-t",), ("-u",), ("-4",), ("-6",), ("--in", "v0"), ("--from", "203.0.113.1"),
    ("--to", "192.0.2.1"), ("--to", "127.0.0.1")])
def test_what_was_asked_counts(machine, options):
    machine.settled()
    assert machine.kept(*options) is None
    answer = machine.ask(*options)
    assert answer == machine.kept(*options) == machine.ask("--no-cache", *options)


@pytest.mark.parametrize("rule", ["meta hour \"08:00\"-\"12:00\" tcp dport 9 accept",
                                  "meta day \"Monday\" tcp dport 9 accept",
                                  "meta time > \"2020-01-01 10:00:00\" tcp dport 9 accept"])
def test_the_hour_is_not_kept(machine, rule):
    nft(machine.ns, f"add rule inet t in {rule}")
    machine.ask()
    assert not machine.files()


@pytest.mark.parametrize("iptables", ["iptables-nft", "iptables-legacy"])
def test_the_hour_of_iptables_is_not_kept(machine, iptables):
    need_program(iptables)
    run(machine.ns, iptables, "-A", "INPUT", "-p", "tcp", "--dport", "9", "-m", "time",
        "--timestart", "08:00", "-j", "DROP")
    machine.ask()
    assert not machine.files()


def test_another_namespace(machine, tmp_path):
    """Two of the same kind do not share an answer: their interfaces' numbers are all they have."""
    old = machine.settled()
    other = Machine(tmp_path)
    with scene(other):
        assert other.kept() is None
        assert machine.kept() == old


# --- places that are no good --------------------------------------------------------------------

def spoil_truncated(m, file):
    os.truncate(file, file.stat().st_size // 2)


def spoil_byte(m, file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def spoil_other_key(m, file):
    """The answers about another state of the machine, under this one's name."""
    nft(m.ns, "add rule inet t in tcp dport 81 accept")
    m.settled()
    other = max(m.files(), key=lambda f: f.stat().st_mtime_ns)
    assert other != file
    nft(m.ns, "delete table inet t\n" + RULES)
    file.write_bytes(other.read_bytes())


def spoil_link(m, file):
    file.rename(m.dir / "elsewhere")
    file.symlink_to("elsewhere")


def spoil_fifo(m, file):
    file.unlink()
    os.mkfifo(file, 0o600)


SPOILED = {
    "truncated": spoil_truncated,
    "empty": lambda m, file: file.write_bytes(b""),
    "one-byte": spoil_byte,
    "another-key": spoil_other_key,
    "readable-by-all": lambda m, file: file.chmod(0o644),
    "writable-by-group": lambda m, file: file.chmod(0o620),
    "of-somebody-else": lambda m, file: os.chown(file, 65534, 65534),
    "link": spoil_link,
    "fifo": spoil_fifo,
}


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled_file(machine, how):
    answer = machine.settled()
    file = max(machine.files(), key=lambda f: f.stat().st_mtime_ns)
    SPOILED[how](machine, file)
    assert machine.kept() is None, "it was believed"
    assert machine.ask() == answer
    assert machine.kept() == answer, "it was not replaced"


def place_in_a_file(m):
    m.dir.write_text("")


def place_of_somebody_else(m):
    m.dir.mkdir()
    os.chown(m.dir, 65534, 65534)


def place_for_all(m):
    m.dir.mkdir()
    m.dir.chmod(0o777)


def place_linked(m):
    m.dir.with_name("elsewhere").mkdir(0o700)
    m.dir.symlink_to("elsewhere")


@pytest.mark.parametrize("place", [place_in_a_file, place_of_somebody_else, place_for_all,
                                   place_linked])
def test_place_that_is_not_ours(machine, place):
    place(machine)
    assert machine.ask() == machine.ask("--no-cache")
    assert machine.kept() is None
    assert not list(machine.dir.parent.glob("*/*"))


@pytest.mark.parametrize("options", ["ro", "size=4k"])
def test_place_without_room(machine, options):
    """Read-only, or too small for the file: all is as without a cache, and nothing half-written
    is left."""
    machine.dir.mkdir(0o700)
    prefix = ("unshare", "-m", "sh", "-c",
              f'mount -t tmpfs -o mode=700,{options} none "$D" && "$@"; code=$?; '
              'test -z "$(ls -A "$D")" || exit 99; exit $code', "sh")
    if options != "ro":
        for number in range(300):  # an answer of more than 4 KiB
            machine.ns.tcp(f"127.0.1.{number % 100 + 1}", 1000 + number)
    fresh = machine.ask("--no-cache")
    assert machine.ask(prefix=prefix, D=str(machine.dir)) == fresh
    assert not machine.files()


def test_missing_parent(machine):
    machine.dir = machine.dir / "below"
    assert machine.ask() == machine.ask("--no-cache")
    assert not machine.dir.exists()


def test_as_nobody_nothing_is_kept(machine):
    machine.settled()
    before = {f: f.read_bytes() for f in machine.files()}
    answer = machine.ask(prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 "--bounding-set=-all", "--inh-caps=-all"))
    assert not answer["classes"] and not answer["complete"]
    assert {f: f.read_bytes() for f in machine.files()} == before


def test_number_of_files(machine):
    first = machine.settled()
    for number in range(1, 21):
        machine.ask("--from", f"203.0.113.{number}")
        assert machine.kept() == first, "what was used just now was removed"
    assert len(machine.files()) == 16
    assert machine.kept("--from", "203.0.113.20") is not None
    assert machine.kept("--from", "203.0.113.1") is None
