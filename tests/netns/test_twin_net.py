# SPDX-License-Identifier: GPL-2.0-or-later
"""
The twin's network: interfaces, addresses, routes, rules and sysctls of a namespace copied into a
scratch one. The oracle is the kernel: asked the same questions (RTM_GETROUTE: which way does a
packet go that comes in here with this mark?) it must answer the same in both.
"""
import contextlib
import ctypes
import errno
import itertools
import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from harness import CLONE_NEWNET, PORTERO, SAN, Netns, die_with_parent, janitor, libc, read_line

TOOL = Path(PORTERO).resolve().parent / "netns" / "twin_tool"
QUESTIONS = 1000
SEED = int(os.environ.get("PORTERO_SEED", "20261126"))

RTM_NEWROUTE, RTM_GETROUTE, NLMSG_ERROR, NLM_F_REQUEST = 24, 26, 2, 1
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY = 1, 2, 3, 4, 5
RTA_PREFSRC, RTA_TABLE, RTA_MARK, RTA_VIA = 7, 15, 16, 18
RTM_F_LOOKUP_TABLE = 0x1000
SCOPE_ALL, SCOPE_FAMILY, SCOPE_INTERFACE = 0, 1, 2


# --- the tool -------------------------------------------------------------------------------------

def run_tool(ns, what, check=True):
    assert TOOL.exists(), f"{TOOL} is not built: make {TOOL}"
    with ns:
        done = subprocess.run([str(TOOL), what], capture_output=True, text=True, timeout=120)
    assert done.returncode >= 0 and (not check or done.returncode == 0), (done.stdout, done.stderr)
    return done.stdout


def copy(ns):
    lines = run_tool(ns, "copy").splitlines()
    return json.loads(lines[0]) | json.loads(lines[1])


class Twin:
    """A twin that is held, and the descriptor of its namespace."""

    def __init__(self, ns):
        self.process = ns.start([str(TOOL), "hold"], ready=True)
        self.answer = json.loads(self.process.line)
        assert self.answer["result"] == 0, self.answer
        self.fd = os.open(f"/proc/{self.process.pid}/fd/{self.answer['ns']}", os.O_RDONLY)

    def close(self):
        os.close(self.fd)
        janitor.end(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def inside(self, work):
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        assert libc.setns(self.fd, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            return work()
        finally:
            assert libc.setns(back, CLONE_NEWNET) == 0
            os.close(back)

    def read(self, path):
        return self.inside(lambda: Path(f"/proc/sys/net/{path}").read_text().strip())

    def ip(self, *args):
        return self.inside(lambda: subprocess.run(["ip", "-j", *args], check=True,
                                                  capture_output=True, text=True).stdout)


def ip_batch(ns, text):
    """Lines for `ip`; those of IPv6 begin with -6, which a batch cannot have in the middle."""
    for family, lines in itertools.groupby(text.splitlines(), lambda l: l.startswith("-6 ")):
        batch = "".join(line.removeprefix("-6 ") + "\n" for line in lines)
        done = subprocess.run(["ip", "-n", ns.name, *(["-6"] if family else []), "-batch", "-"],
                              input=batch, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr + batch


def write(ns, path, value):
    with ns:
        Path(f"/proc/sys/net/{path}").write_text(value)


def quick_ns():
    """A namespace in which no address is checked for doubles."""
    ns = Netns()
    for place in ("all", "default"):
        write(ns, f"ipv6/conf/{place}/accept_dad", "0")
    return ns


def settle(ns):
    """Waits until no IPv6 address is being checked for doubles."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        out = subprocess.run(["ip", "-n", ns.name, "-6", "-j", "addr", "show", "tentative"],
                             capture_output=True, text=True, check=True).stdout
        flags = subprocess.run(["ip", "-n", ns.name, "-j", "link"], capture_output=True, text=True,
                               check=True).stdout
        carrier = {l["ifname"] for l in json.loads(flags) if "LOWER_UP" in l["flags"]}
        if not any(i.get("ifname") in carrier for i in json.loads(out or "[]")):
            return
        time.sleep(0.05)
    raise AssertionError("addresses stay tentative")


# --- asking the kernel ----------------------------------------------------------------------------

class Asker:
    """A netlink socket of a namespace (`inside` runs a function there)."""

    def __init__(self, inside):
        self.socket = inside(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
        self.socket.bind((0, 0))

    def ask(self, family, destination, source=None, iif=0, oif=0, mark=0):
        def attribute(kind, value):
            return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

        bits = 32 if family == socket.AF_INET else 128
        body = struct.pack("BBBBBBBBI", family, bits, bits if source else 0, 0, 0, 0, 0, 0,
                           RTM_F_LOOKUP_TABLE)
        body += attribute(RTA_DST, socket.inet_pton(family, destination))
        if source:
            body += attribute(RTA_SRC, socket.inet_pton(family, source))
        for kind, number in ((RTA_IIF, iif), (RTA_OIF, oif), (RTA_MARK, mark)):
            if number:
                body += attribute(kind, struct.pack("I", number))
        self.socket.send(struct.pack("IHHII", 16 + len(body), RTM_GETROUTE, NLM_F_REQUEST, 1, 0)
                         + body)
        answer = self.socket.recv(65536)
        kind = struct.unpack_from("H", answer, 4)[0]
        if kind == NLMSG_ERROR:
            return errno.errorcode.get(-struct.unpack_from("i", answer, 16)[0], "?")
        return self.decode(answer)

    # what an answer is compared by
    KEPT = (RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_TABLE, RTA_VIA)

    def decode(self, answer):
        length = struct.unpack_from("I", answer)[0]
        head = struct.unpack_from("BBBBBBBBI", answer, 16)
        found = [("type", head[7]), ("scope", head[6])]
        at = 28
        while at + 4 <= length:
            size, kind = struct.unpack_from("HH", answer, at)
            if kind in self.KEPT:
                found.append((kind, answer[at + 4:at + size]))
            at += (size + 3) & ~3
        return tuple(found)


def interesting(rng, family, addresses):
    """An address: mostly one near those that the scene has."""
    if rng.random() < 0.8:
        number = int.from_bytes(socket.inet_pton(family, rng.choice(addresses)), "big")
        number += rng.choice([0, 0, 1, 2, 5, 255, 256, -1])
    else:
        number = rng.getrandbits(32 if family == socket.AF_INET else 128)
    size = 4 if family == socket.AF_INET else 16
    return socket.inet_ntop(family, (number % (1 << 8 * size)).to_bytes(size, "big"))


def assert_same_answers(ns, twin, v4, v6, marks=(0, 1, 2, 0x101), count=QUESTIONS, kept=Asker.KEPT):
    def host(work):
        with ns:
            return work()

    here, there = Asker(host), Asker(twin.inside)
    here.KEPT = there.KEPT = kept
    rng = random.Random(SEED)
    links = [l["ifindex"] for l in twin.answer["links"] if l["up"]]
    kinds = set()
    for _ in range(count):
        family, addresses = rng.choice([(socket.AF_INET, v4), (socket.AF_INET6, v6)])
        question = {
            "family": family,
            "destination": interesting(rng, family, addresses),
            "source": interesting(rng, family, addresses) if rng.random() < 0.8 else None,
            "iif": rng.choice(links), "mark": rng.choice(marks),
        }
        # a link-local or multicast address without its link may be anywhere
        if rng.random() < 0.2 and not question["destination"].startswith(("fe80", "ff")):
            question["iif"] = 0
        a, b = here.ask(**question), there.ask(**question)
        assert a == b, (SEED, question, a, b)
        kinds.add(a if isinstance(a, str) else a[0])
    return kinds


# --- the scenes -----------------------------------------------------------------------------------

SCENE = """
link add ea type veth peer name eap
link add eb type veth peer name ebp
link add ec type veth peer name ecp
link add d0 type veth peer name d0p
link add br0 type bridge
link add p1 type veth peer name p1p
link add p2 type veth peer name p2p
link set p1 master br0
link set p2 master br0
link set ea address 02:11:22:33:44:55
link set eb mtu 1400
link set eb group 7
link set ea up
link set eap up
link set eb up
link set ebp up
link set ec up
link set br0 up
link set p1 up
link set p1p up
link set p2 up
link set p2p up
tuntap add tun0 mode tun
link set tun0 up
addr add 10.0.0.1/24 dev ea
addr add 10.0.0.7/24 dev ea
addr add 10.0.0.8/25 dev ea noprefixroute
addr add 10.0.1.1/24 dev eb
addr add 10.0.2.1/24 dev ec
addr add 192.0.2.1 peer 192.0.2.2/32 dev eb
addr add 198.51.100.1/24 dev ea label ea:1
addr add 10.5.0.1/32 dev lo
addr add 172.17.0.1/16 dev br0
addr add 10.8.0.1 peer 10.8.0.2 dev tun0
addr add 10.77.0.1/24 dev d0
addr add fd00:0::1/64 dev ea nodad
addr add fd00:0::7/64 dev ea nodad
addr add fd00:1::1/64 dev eb
addr add fd00:2::1/64 dev ec
addr add fd00:8::1 peer fd00:8::2 dev tun0
addr add fd00:17::1/64 dev br0
addr add fd00:5::1/128 dev lo
route add default via 10.0.0.254
route add blackhole 10.9.0.0/16
route add unreachable 10.10.0.0/16 metric 7
route add prohibit 10.11.0.0/16 table 100
route add throw 10.12.0.0/16 table 100
route add 10.12.1.0/24 via 10.0.1.77
route add default via 10.0.1.254 table 100
route add 10.20.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.1.2
route add 10.21.0.0/16 via inet6 fe80::1 dev eb
route add 10.22.0.0/16 via 203.0.113.9 dev ea onlink
route add 10.40.0.0/16 via 10.0.0.3 table 1000 mtu 1300 src 10.0.0.1
route add 10.41.0.0/16 via 10.0.0.4 metric 10
route add 10.41.0.0/16 via 10.0.1.4 metric 20
route add 10.42.0.0/16 tos 0x10 via 10.0.1.5
route add local 10.99.0.0/16 dev lo
route add 10.8.8.0/24 dev tun0
nexthop add id 5 via 10.0.0.9 dev ea
nexthop add id 6 via 10.0.1.9 dev eb
nexthop add id 7 group 5/6,3
nexthop add id 8 blackhole
nexthop add id 9 via fd00:0::9 dev ea
nexthop add id 3 group 5/6 type resilient buckets 8
route add 10.30.0.0/16 nhid 7
route add 10.31.0.0/16 nhid 8
route add 10.32.0.0/16 nhid 3
-6 route add fd31::/32 nhid 9
-6 route add default via fd00:0::2
-6 route add fd99::/64 nexthop via fd00:0::5 nexthop via fd00:1::6
-6 route add blackhole fd98::/32
-6 route add unreachable fd97::/32 metric 5
-6 route add prohibit fd96::/32 table 77
-6 route add fd95::/32 via fe80::5 dev eb table 77
-6 route add local fd94::/64 dev lo
-6 route add fd93::/64 dev tun0
rule add fwmark 0x1/0xff table 100 pref 50
rule add from 10.0.0.0/24 iif eb lookup 100 pref 60
rule add to 10.60.0.0/16 blackhole pref 61
rule add from 10.61.0.0/16 prohibit pref 61
rule add not from 10.0.0.0/8 lookup 1000 pref 62
rule add lookup main suppress_prefixlength 0 pref 63
rule add iif nosuch goto 300 pref 64
rule add ipproto tcp dport 4000-5000 lookup 100 pref 65
rule add uidrange 5-9 unreachable pref 66
rule add lookup default pref 300
-6 rule add from fd00::/16 table 77 pref 1000
-6 rule add fwmark 2 unreachable pref 900
"""
V4 = ["10.0.0.1", "10.0.0.7", "10.0.0.255", "10.0.1.1", "10.0.2.1", "10.9.1.1", "10.10.0.1",
      "10.11.0.1", "10.12.1.2", "10.12.2.2", "10.20.0.1", "10.21.0.1", "10.22.0.1", "10.30.0.1",
      "10.31.0.1", "10.32.0.1", "10.40.0.1", "10.41.0.1", "10.42.0.1", "10.60.0.1", "10.61.0.1",
      "10.99.3.4", "10.77.0.1", "10.8.0.1", "10.8.8.8", "172.17.0.2", "192.0.2.1", "192.0.2.2",
      "198.51.100.1", "127.0.0.1", "8.8.8.8", "10.5.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0"]
V6 = ["fd00:0::1", "fd00:0::7", "fd00:1::1", "fd00:2::1", "fd00:8::1", "fd00:8::2", "fd00:17::1",
      "fd31::1", "fd99::1", "fd98::1", "fd97::1", "fd96::1", "fd95::1", "fd94::1", "fd93::1",
      "fd00:5::1", "::1", "2001:db8::1", "fd00::", "ff02::1"]
SYSCTLS = {
    "ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "2",
    "ipv4/conf/ea/rp_filter": "1", "ipv4/conf/eb/rp_filter": "2", "ipv4/conf/ec/rp_filter": "0",
    "ipv4/conf/ea/route_localnet": "1", "ipv4/conf/eb/accept_local": "1",
    "ipv4/conf/br0/forwarding": "0", "ipv4/conf/ec/src_valid_mark": "1",
    "ipv4/conf/ea/accept_source_route": "1", "ipv4/conf/ea/bc_forwarding": "1",
    "ipv4/conf/all/bc_forwarding": "1", "ipv4/conf/ea/disable_policy": "1",
    "ipv4/conf/ea/disable_xfrm": "1", "ipv4/conf/eb/ignore_routes_with_linkdown": "1",
    "ipv4/conf/eb/drop_unicast_in_l2_multicast": "1", "ipv4/ip_nonlocal_bind": "1",
    "ipv4/fwmark_reflect": "1", "ipv4/fib_multipath_hash_policy": "1",
    "ipv6/conf/all/forwarding": "1", "ipv6/conf/ec/forwarding": "0",
    "ipv6/conf/ea/accept_source_route": "-1", "ipv6/conf/ea/disable_policy": "1",
    "ipv6/conf/ea/proxy_ndp": "1", "ipv6/conf/ea/seg6_enabled": "1",
    "ipv6/conf/ea/seg6_require_hmac": "1", "ipv6/conf/ea/rpl_seg_enabled": "1",
    "ipv6/conf/ea/ioam6_enabled": "1", "ipv6/conf/eb/ignore_routes_with_linkdown": "1",
    "ipv6/conf/eb/drop_unicast_in_l2_multicast": "1", "ipv6/conf/p1p/disable_ipv6": "1",
    "ipv6/conf/eb/force_forwarding": "1", "ipv6/fwmark_reflect": "1",
    "ipv6/fib_multipath_hash_policy": "1", "netfilter/nf_conntrack_tcp_loose": "0",
    "netfilter/nf_conntrack_tcp_be_liberal": "1", "netfilter/nf_conntrack_acct": "1",
}


def dump(ns):
    """Everything that a copy could disturb."""
    parts = []
    for what in ("link", "addr", "-4 route show table all", "-6 route show table all", "-4 rule",
                 "-6 rule", "nexthop", "neigh"):
        parts.append(subprocess.run(["ip", "-n", ns.name, *what.split()], capture_output=True,
                                    text=True, check=True).stdout)
    parts.append(subprocess.run(["ip", "netns", "exec", ns.name, "sysctl", "-a", "--pattern",
                                 r"^net\.(ipv4|ipv6|netfilter)"], capture_output=True,
                                text=True).stdout)
    # what counts, or is counted down
    drop = ("nf_conntrack_count", "expires", "random_id")
    return [line for part in parts for line in part.splitlines()
            if not any(word in line for word in drop)]


@pytest.fixture(scope="module")
def scene():
    ns = quick_ns()
    ip_batch(ns, SCENE.strip() + "\n")
    for path, value in SYSCTLS.items():
        with ns:
            if Path(f"/proc/sys/net/{path}").exists():
                Path(f"/proc/sys/net/{path}").write_text(value)
    settle(ns)
    yield ns
    ns.close()


# --- the tests ------------------------------------------------------------------------------------

def test_routes_answer_alike(scene):
    with Twin(scene) as twin:
        assert twin.answer["report"] == []
        kinds = assert_same_answers(scene, twin, V4, V6)
    # questions that had only one answer would prove nothing
    assert {"EXDEV", "EINVAL", "EACCES", "ENETUNREACH"} & kinds and len(kinds) >= 5, kinds


def test_links_are_alike(scene):
    with Twin(scene) as twin:
        mine = json.loads(subprocess.run(["ip", "-n", scene.name, "-j", "-d", "link"], check=True,
                                         capture_output=True, text=True).stdout)
        copies = {l["ifindex"]: l for l in json.loads(twin.ip("-d", "link"))}
        told = {l["ifindex"]: l for l in twin.answer["links"]}
    assert set(copies) == set(told) == {l["ifindex"] for l in mine}
    for link in mine:
        twin_link, said = copies[link["ifindex"]], told[link["ifindex"]]
        for field in ("ifname", "address", "mtu", "group"):
            assert twin_link.get(field) == link.get(field), (link, twin_link)
        for flag in ("UP", "LOWER_UP", "LOOPBACK"):
            assert (flag in twin_link["flags"]) == (flag in link["flags"]), (flag, link, twin_link)
        assert said["tun"] == (link["link_type"] != "ether")
        assert (said["tap"] >= 0) == (link["ifname"] != "lo")
        assert said["master"] == (0 if "master" not in link else
                                  next(m["ifindex"] for m in mine if m["ifname"] == link["master"]))
    assert told[next(l["ifindex"] for l in mine if l["ifname"] == "br0")]["kind"] == "bridge"


def test_sysctls_are_alike(scene):
    with Twin(scene) as twin:
        for path in SYSCTLS:
            with scene:
                file = Path(f"/proc/sys/net/{path}")
                value = file.read_text().strip() if file.exists() else None
            if value is not None:
                assert twin.read(path) == value, path
        for path, value in (("ipv4/icmp_ratelimit", "0"), ("ipv4/icmp_ratemask", "0"),
                            ("ipv6/icmp/ratelimit", "0"), ("ipv6/icmp/ratemask", ""),
                            ("ipv4/conf/all/log_martians", "0"), ("ipv4/conf/ea/log_martians", "0")):
            assert twin.read(path) == value, path


@pytest.mark.parametrize("path", [p for p in SYSCTLS if "/conf/eb/" in p or "/conf/ea/" in p])
def test_each_sysctl_of_an_interface(path):
    """One at a time: a wrong index into the kernel's arrays would copy its neighbour."""
    ns = quick_ns()
    try:
        ns.add_veth("ea", addresses=())
        ns.add_veth("eb", addresses=())
        with ns:
            file = Path(f"/proc/sys/net/{path}")
            if not file.exists():
                pytest.skip(f"kernel: no {path}")
            before = file.read_text()
            file.write_text("1" if before.strip() == "0" else "0")
        settle(ns)
        with Twin(ns) as twin:
            with ns:
                assert twin.read(path) == file.read_text().strip() != before.strip()
    finally:
        ns.close()


def test_nothing_of_the_machine_changes(scene):
    before = dump(scene)
    for _ in range(3):
        assert copy(scene)["result"] == 0
    assert dump(scene) == before


def count_namespaces():
    """How many the kernel has, those included that nobody can see; None: it does not say."""
    for line in Path("/proc/slabinfo").read_text().splitlines():
        if line.startswith("net_namespace "):
            return int(line.split()[1])
    return None


def holds_a_twin(pid):
    """It closes descriptors while one looks at them."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("net:["):
                return True
    return False


def test_killed_in_the_middle(scene):
    """No namespace is left, and nothing of the machine's is changed."""
    before, number = dump(scene), count_namespaces()
    rng = random.Random(SEED)
    rounds, inside = 40, 0
    for _ in range(rounds):
        with scene:
            process = subprocess.Popen([str(TOOL), "hold"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        janitor.add(process)
        time.sleep(rng.random() * 0.03 * (8 if SAN else 1))
        inside += holds_a_twin(process.pid)
        janitor.end(process, signal.SIGKILL)
    assert inside > rounds / 4, "too few were killed while they had a twin"
    assert dump(scene) == before
    # the kernel takes a namespace apart a while after its last descriptor was closed; others may
    # make some meanwhile
    end = time.monotonic() + 20
    while number is not None and count_namespaces() > number + inside / 2:
        assert time.monotonic() < end, (number, count_namespaces(), inside)
        time.sleep(0.1)


def test_rules_of_default_moved():
    """The local table asked last, no main table: the twin's own defaults are gone too."""
    ns = quick_ns()
    try:
        ns.add_veth()
        ip_batch(ns, "rule del pref 0\nrule add pref 40000 lookup local\nrule del pref 32767\n"
                     "-6 rule del pref 32766\n-6 rule add pref 5 lookup main\n")
        settle(ns)
        with Twin(ns) as twin:
            assert twin.answer["report"] == []
            for family in ("-4", "-6"):
                mine = subprocess.run(["ip", "-n", ns.name, "-j", family, "rule"], check=True,
                                      capture_output=True, text=True).stdout
                assert json.loads(twin.ip(family, "rule")) == json.loads(mine)
            assert_same_answers(ns, twin, ["192.0.2.1", "192.0.2.2", "127.0.0.1"],
                                ["2001:db8:1::1", "2001:db8:1::2", "::1"], count=200)
    finally:
        ns.close()


def test_routes_the_kernel_made_are_gone():
    """Connected and local routes that somebody deleted stay away."""
    ns = quick_ns()
    try:
        ns.add_veth()
        settle(ns)
        ip_batch(ns, "route del 192.0.2.0/24 dev v0\nroute del local 192.0.2.1 dev v0 table local\n"
                     "-6 route del 2001:db8:1::/64 dev v0\naddr del ::1/128 dev lo\n"
                     "addr del 127.0.0.1/8 dev lo\n")
        with Twin(ns) as twin:
            assert twin.answer["report"] == []
            assert_same_answers(ns, twin, ["192.0.2.1", "192.0.2.2", "127.0.0.1"],
                                ["2001:db8:1::1", "2001:db8:1::2", "::1"], count=200)
    finally:
        ns.close()


def test_lo_down_and_empty():
    ns = Netns(up=False)
    try:
        answer = copy(ns)
        assert answer["result"] == 0 and answer["report"] == []
        assert [l["name"] for l in answer["links"]] == ["lo"] and not answer["links"][0]["up"]
    finally:
        ns.close()


@pytest.mark.parametrize("how", ["all", "interface", "default"])
def test_without_ipv6(how):
    ns = quick_ns()
    try:
        if how != "interface":
            write(ns, f"ipv6/conf/{how}/disable_ipv6", "1")
        ns.add_veth(addresses=("192.0.2.1/24",))
        if how == "interface":
            write(ns, "ipv6/conf/v0/disable_ipv6", "1")
        if how == "default":  # and one that has it nevertheless
            write(ns, "ipv6/conf/v0p/disable_ipv6", "0")
            ip_batch(ns, "addr add 2001:db8::9/64 dev v0p nodad\n")
        settle(ns)
        with Twin(ns) as twin:
            assert twin.answer["report"] == []
            assert_same_answers(ns, twin, ["192.0.2.1", "192.0.2.2"], ["::1", "2001:db8::9"],
                                count=200)
    finally:
        ns.close()


def test_mtu_too_small_for_ipv6():
    ns = quick_ns()
    try:
        ns.add_veth(addresses=("192.0.2.1/24",))
        ip_batch(ns, "link set v0 mtu 1000\nlink set v0p mtu 65535\n")
        settle(ns)
        assert copy(ns)["report"] == []
    finally:
        ns.close()


def test_tentative_address_is_told():
    """An address that is being checked for doubles is not in use: the answer must not be final."""
    ns = Netns()
    try:
        ns.add_veth(addresses=())
        settle(ns)
        write(ns, "ipv6/conf/v0/dad_transmits", "20")
        ip_batch(ns, "addr add 2001:db8::5/64 dev v0\n")
        answer = copy(ns)
        assert any(d["family"] == socket.AF_INET6 for d in answer["report"]), answer
    finally:
        ns.close()


def test_double_address_is_not_copied():
    ns = Netns()
    try:
        ns.add_veth(addresses=())
        ip_batch(ns, "addr add 2001:db8::5/64 dev v0p nodad\n")
        settle(ns)
        ip_batch(ns, "addr add 2001:db8::5/64 dev v0\n")  # v0p answers: it is a double
        end = time.monotonic() + 10
        while "dadfailed" not in subprocess.run(["ip", "-n", ns.name, "-6", "addr"], check=True,
                                                capture_output=True, text=True).stdout:
            assert time.monotonic() < end
            time.sleep(0.05)
        with Twin(ns) as twin:
            assert twin.answer["report"] == []
            assert "2001:db8::5" not in twin.ip("-6", "addr", "show", "dev", "v0")
    finally:
        ns.close()


def test_200_interfaces():
    ns = quick_ns()
    try:
        lines = []
        for i in range(100):
            lines += [f"link add w{i} type veth peer name w{i}p", f"link set w{i} up",
                      f"link set w{i}p up", f"addr add 10.1.{i}.1/24 dev w{i}",
                      f"addr add fd01:{i}::1/64 dev w{i} nodad"]
        ip_batch(ns, "\n".join(lines) + "\n")
        settle(ns)
        best = min((copy(ns) for _ in range(3)), key=lambda a: a["copy_ms"])
        assert best["report"] == [] and len(best["links"]) == 201
        print(f"201 interfaces: open {best['open_ms']:.1f} ms, copy {best['copy_ms']:.1f} ms, "
              f"close {best['close_ms']:.1f} ms")
        assert best["copy_ms"] < 2000 * (8 if SAN else 1)
    finally:
        ns.close()


def test_few_descriptors_allowed():
    """The soft limit is raised; where the hard one forbids it, a sentence says so."""
    ns = quick_ns()
    try:
        lines = []
        for i in range(40):
            lines.append(f"link add w{i} type veth peer name w{i}p")
        ip_batch(ns, "\n".join(lines) + "\n")
        with ns:
            soft = subprocess.run(["prlimit", "--nofile=32:4096", str(TOOL), "copy"],
                                  capture_output=True, text=True)
            hard = subprocess.run(["prlimit", "--nofile=32:32", str(TOOL), "copy"],
                                  capture_output=True, text=True)
        assert json.loads(soft.stdout.splitlines()[0])["result"] >= 0
        answer = json.loads(hard.stdout.splitlines()[0])
        assert answer["result"] == -errno.EMFILE and "ulimit -n" in answer["error"]
    finally:
        ns.close()


def test_fingerprint(scene):
    def fingerprint():
        return run_tool(scene, "fingerprint").split()[0]

    first = fingerprint()
    assert [fingerprint() for _ in range(5)] == [first] * 5
    changes = [
        ("addr add 10.200.0.1/32 dev ea", "addr del 10.200.0.1/32 dev ea"),
        ("route add 10.201.0.0/16 via 10.0.0.2", "route del 10.201.0.0/16 via 10.0.0.2"),
        ("rule add from 1.2.3.4 lookup 5 pref 7", "rule del from 1.2.3.4 lookup 5 pref 7"),
        ("nexthop add id 99 blackhole", "nexthop del id 99"),
        ("link set d0p up", "link set d0p down"),
        ("link set ea group 5", "link set ea group 0"),
    ]
    for do, undo in changes:
        ip_batch(scene, do + "\n")
        assert fingerprint() != first, do
        ip_batch(scene, undo + "\n")
        assert fingerprint() == first, undo
    for path, value, back in (("ipv4/conf/ea/rp_filter", "0", "1"), ("ipv4/fwmark_reflect", "0", "1"),
                              ("ipv4/conf/all/rp_filter", "1", "0")):
        write(scene, path, value)
        assert fingerprint() != first, path
        write(scene, path, back)
        assert fingerprint() == first, path
    # traffic and a twin are no change
    subprocess.run(["ip", "netns", "exec", scene.name, "ping", "-c1", "-W1", "10.5.0.1"],
                   capture_output=True)
    copy(scene)
    assert fingerprint() == first


def test_a_change_meanwhile_is_told():
    """Routes come and go all the time: never an answer that claims to be whole and is not."""
    ns = quick_ns()
    try:
        ns.add_veth()
        settle(ns)
        with ns:
            changer = subprocess.Popen(
                ["sh", "-c", "while :; do ip route add 10.1.0.0/16 via 192.0.2.9; "
                             "ip route del 10.1.0.0/16; done"], preexec_fn=die_with_parent)
        janitor.add(changer)
        told = [copy(ns)["result"] for _ in range(15)]
        janitor.end(changer)
        assert 1 in told and set(told) <= {0, 1}
    finally:
        ns.close()


def test_gateway_that_nobody_finds():
    """Its connected route is gone, the route by the gateway stays: on the machine and in the twin."""
    ns = quick_ns()
    try:
        ns.add_veth()
        settle(ns)
        ip_batch(ns, "route add 10.1.0.0/16 via 192.0.2.9\n"
                     "route del 192.0.2.0/24 dev v0 proto kernel\n")
        with Twin(ns) as twin:
            assert twin.answer["report"] == []
            assert_same_answers(ns, twin, ["10.1.0.1", "192.0.2.9"], ["::1"], count=100)
    finally:
        ns.close()


def test_refused_route_is_told():
    """A route that cannot be made anew (nobody knows its gateway any more) is told, for its
    family only."""
    ns = quick_ns()
    try:
        ns.add_veth()
        settle(ns)
        ip_batch(ns, "route add 203.0.113.0/24 dev v0\nroute add 10.1.0.0/16 via 203.0.113.9\n"
                     "route del 203.0.113.0/24 dev v0\n")
        answer = copy(ns)
        told = [d for d in answer["report"] if "10.1.0.0/16" in d["what"]]
        assert len(told) == 1, answer
        assert told[0]["scope"] == SCOPE_FAMILY and told[0]["family"] == socket.AF_INET
        assert answer["report"] == told
    finally:
        ns.close()


@pytest.mark.parametrize("without,code,word", [
    ("cap_sys_admin", -errno.EPERM, "CAP_SYS_ADMIN"),
    ("cap_net_admin", -errno.EACCES, "CAP_NET_ADMIN"),
])
def test_without_capability(without, code, word):
    ns = quick_ns()
    try:
        with ns:
            done = subprocess.run(["setpriv", f"--bounding-set=-{without[4:]}",
                                   f"--inh-caps=-{without[4:]}", str(TOOL), "open"],
                                  capture_output=True, text=True)
        assert done.stdout.startswith(f"{code} ") and word in done.stdout, done
    finally:
        ns.close()


def test_without_tun_device():
    ns = quick_ns()
    try:
        script = "mount -t tmpfs none /dev/net && exec " + str(TOOL) + " open"
        with ns:
            done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True,
                                  text=True)
        assert done.stdout.startswith(f"{-errno.ENODEV} "), done
        assert "modprobe tun" in done.stdout
    finally:
        ns.close()


def test_sysctls_that_cannot_be_written():
    """/proc/sys read-only, as in containers: what then differs is told."""
    ns = quick_ns()
    try:
        ns.add_veth()
        write(ns, "ipv4/conf/v0/rp_filter", "2")
        write(ns, "ipv4/ip_forward", "1")
        settle(ns)
        script = ("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "
                  + str(TOOL) + " copy")
        with ns:
            done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True,
                                  text=True)
        answer = json.loads(done.stdout.splitlines()[0])
        told = "\n".join(d["what"] for d in answer["report"])
        for path in ("ipv4/conf/v0/rp_filter", "ipv4/conf/all/forwarding", "ipv4/icmp_ratemask"):
            assert path in told, told
    finally:
        ns.close()


# --- what routers announce ------------------------------------------------------------------------

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def router_advertisement(source, mac, prefix):
    """A frame: default router for half an hour, an autonomous on-link prefix, a route."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    body += struct.pack("!BB6s", 1, 1, mac)
    body += struct.pack("!BBBBIII16s", 3, 4, 64, 0xc0, 7200, 3600, 0,
                        socket.inet_pton(socket.AF_INET6, prefix))
    src, dst = (socket.inet_pton(socket.AF_INET6, a) for a in (source, "ff02::1"))
    pseudo = src + dst + struct.pack("!IHBB", len(body), 0, 0, 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return (b"\x33\x33\0\0\0\1" + mac + b"\x86\xdd" +
            struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + src + dst + body)


@pytest.mark.parametrize("routers", [1, 2])
def test_announced_by_routers(routers):
    """Addresses and routes that expire: the usual IPv6 machine, with one router and with two."""
    ns = quick_ns()
    try:
        ns.add_veth("ea", addresses=())
        write(ns, "ipv6/conf/ea/accept_ra", "2")
        write(ns, "ipv6/conf/ea/use_tempaddr", "2")
        with ns, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind(("eap", 0x86dd))
            for i in range(routers):
                sender.send(router_advertisement(f"fe80::{i + 1}", bytes([2, 0, 0, 0, 0, i + 1]),
                                                 f"2001:db8:{i}::"))
        end = time.monotonic() + 5
        while True:
            out = subprocess.run(["ip", "-n", ns.name, "-6", "route"], check=True,
                                 capture_output=True, text=True).stdout
            if out.count("fe80::1 ") and (routers == 1 or out.count("fe80::2 ")):
                break
            assert time.monotonic() < end, out
            time.sleep(0.05)
        settle(ns)
        time.sleep(0.2)  # temporary addresses come a little later
        with Twin(ns) as twin:
            assert twin.answer["report"] == [], out
            # which of two routers is taken depends on which has answered lately
            kept = set(Asker.KEPT) - ({RTA_GATEWAY} if routers == 2 else set())
            assert_same_answers(ns, twin, ["192.0.2.1"], ["2001:db8::1", "2001:db8:1::1",
                                                           "2001:db8:9::1", "fe80::1"],
                                count=300, kept=kept)
    finally:
        ns.close()
