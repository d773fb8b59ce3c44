# SPDX-License-Identifier: GPL-2.0-or-later
"""
What stands in a packet's way and cannot be copied into a twin (observe/obstacles): XDP, tc, IPsec,
cgroup and socket lookup programs, rules below a bridge. Each makes exactly the answers unknown that
it may decide, with a sentence that names it, and no other.
"""
import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import (AS_NOBODY, Netns, die_with_parent, ip, need_feature, need_program, portero,
                     scene, wait_until)

PROGRAMS = r"""
#define SEC(name) __attribute__((section(name), used))
SEC("xdp") int pass_xdp(void *ctx) { return 2; }
SEC("tc") int pass_tc(void *ctx) { return 0; }
SEC("cgroup_skb/ingress") int pass_skb(void *ctx) { return 1; }
SEC("sk_lookup") int pass_lookup(void *ctx) { return 1; }
char gpl[] SEC("license") = "GPL";
"""


# bpftool attaches no sk_lookup programs, and Debian 12's none of tcx: attach PROGRAM TYPE [IFACE]
ATTACH = r"""
#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int program = bpf_obj_get(argv[1]);
	int target = argc > 3 ? (int)if_nametoindex(argv[3]) : open("/proc/self/ns/net", O_RDONLY);
	int link = bpf_link_create(program, target, atoi(argv[2]), NULL);
	if (program < 0 || link < 0) {
		printf("no: %m\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(0, argv[1], 1) > 0)
		;
	return 0;
}
"""
SK_LOOKUP, TCX_INGRESS = 36, 46  # enum bpf_attach_type


def attach(ns, directory, *args):
    """Attaches a program until the test ends; what went wrong, or "ready"."""
    (directory / "attach.c").write_text(ATTACH)
    subprocess.run(["cc", "-o", directory / "attach", directory / "attach.c", "-lbpf"], check=True)
    return ns.start([str(directory / "attach"), *map(str, args)], ready=True).line


def run(ns, *argv, stdin=None):
    with ns:
        return subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False,
                              preexec_fn=die_with_parent)


def must(ns, *argv, **kw):
    done = run(ns, *argv, **kw)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The object file with one small BPF program of each kind."""
    clang = need_program("clang")
    directory = tmp_path_factory.mktemp("bpf")
    source = directory / "programs.c"
    source.write_text(PROGRAMS)
    out = directory / "programs.o"
    subprocess.run([clang, "-O2", "-g", "-target", "bpf", "-c", "-o", out, source], check=True)
    return str(out)


@pytest.fixture
def pinned(programs, tmp_path):
    """A BPF file system of the test's own, with all programs in it; unmounted in the end."""
    bpftool = need_program("bpftool")
    place = tmp_path / "bpf"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "bpf", "bpf", place], capture_output=True, text=True,
                          check=False)
    need_feature("bpf file system", made.returncode == 0, made.stderr)
    try:
        subprocess.run([bpftool, "prog", "loadall", programs, place / "all"], check=True,
                       capture_output=True)
        yield place / "all"
    finally:
        subprocess.run(["umount", place], check=True)


def ask(ns, *args, **kw):
    result = portero("reach", "--json", *args, ns=ns, check=False, **kw)
    assert result.code in (0, 2), repr(result)
    return json.loads(result.out)


def unknown(answer):
    """{(interface, family): every answer is unknown?}; and the reasons, and that no class is only
    partly so."""
    found, reasons = {}, set()
    for c in answer["classes"]:
        verdicts = {i["verdict"] for i in c["intervals"]}
        blocked = verdicts == {"unknown"}
        assert blocked or "unknown" not in verdicts
        key = (c["interface"] or "self", c["family"])
        assert found.setdefault(key, blocked) == blocked, key
        reasons |= {i["why"] for i in c["intervals"] if i["verdict"] == "unknown"}
    return {key for key, blocked in found.items() if blocked}, set(found), reasons


class Host:
    """Two cables to a peer, v0 and w0, each with both families."""

    def __init__(self):
        self.ns, self.peer = Netns(), Netns()
        for n, name in enumerate(("v0", "w0")):
            ip("link", "add", name, "netns", self.ns.name, "type", "veth", "peer", "name", name,
               "netns", self.peer.name)
            for ns, last in ((self.ns, 1), (self.peer, 2)):
                ip("-n", ns.name, "link", "set", name, "addrgenmode", "none")
                ip("-n", ns.name, "addr", "add", f"192.0.{n + 2}.{last}/24", "dev", name)
                ip("-n", ns.name, "addr", "add", f"2001:db8:{n}::{last}/64", "dev", name, "nodad")
                ip("-n", ns.name, "link", "set", name, "up")

    def wait(self):
        wait_until(lambda: " tentative" not in ip("-n", self.ns.name, "-o", "addr").stdout,
                   what="all addresses are in use")

    def unknown(self, *args):
        """The (interface, family) pairs that are unknown, and why."""
        self.wait()
        blocked, every, reasons = unknown(ask(self.ns, *args))
        assert {("v0", "ipv4"), ("w0", "ipv4"), ("self", "ipv4")} & every
        return blocked, reasons

    def close(self):
        self.ns.close()
        self.peer.close()


@pytest.fixture
def host():
    h = Host()
    with scene(h):
        h.wait()
        assert h.unknown() == (set(), set()), "something unknown without any obstacle"
        yield h


BOTH = {("v0", "ipv4"), ("v0", "ipv6")}


def assert_only(host, pairs, *words):
    blocked, reasons = host.unknown()
    assert blocked == pairs
    assert reasons and all(word in reason for reason in reasons for word in words), reasons


def test_xdp(host, pinned):
    made = run(host.ns, "ip", "link", "set", "v0", "xdpgeneric", "pinned", str(pinned / "pass_xdp"))
    need_feature("XDP", made.returncode == 0, made.stderr)
    assert_only(host, BOTH, "XDP", "v0")
    must(host.ns, "ip", "link", "set", "v0", "xdpgeneric", "off")
    assert host.unknown() == (set(), set())


@pytest.mark.parametrize("qdisc", ["clsact", "ingress"])
def test_tc(host, qdisc, pinned):
    made = run(host.ns, "tc", "qdisc", "add", "dev", "v0", qdisc)
    need_feature("tc ingress", made.returncode == 0, made.stderr)
    assert host.unknown() == (set(), set()), "a place for filters is no filter"
    must(host.ns, "tc", "filter", "add", "dev", "v0", "ingress", "bpf", "da", "pinned",
         str(pinned / "pass_tc"))
    assert_only(host, BOTH, "tc", "v0")


def test_tc_egress_decides_about_nothing_that_comes(host, pinned):
    must(host.ns, "tc", "qdisc", "add", "dev", "v0", "clsact")
    must(host.ns, "tc", "filter", "add", "dev", "v0", "egress", "bpf", "da", "pinned",
         str(pinned / "pass_tc"))
    assert host.unknown() == (set(), set())


def test_tcx(host, pinned, tmp_path):
    said = attach(host.ns, tmp_path, pinned / "pass_tc", TCX_INGRESS, "v0")
    need_feature("tcx", said == "ready", said)
    assert_only(host, BOTH, "tcx", "v0")


def test_ipsec_policy(host):
    made = run(host.ns, "ip", "xfrm", "policy", "add", "src", "198.51.100.0/24", "dst",
               "192.0.2.1/32", "dir", "in", "tmpl", "src", "198.51.100.1", "dst", "192.0.2.1",
               "proto", "esp", "mode", "tunnel")
    need_feature("xfrm", made.returncode == 0, made.stderr)
    assert_only(host, {("v0", "ipv4"), ("w0", "ipv4"), ("self", "ipv4")}, "IPsec")


def test_ipsec_policy_for_what_leaves(host):
    made = run(host.ns, "ip", "xfrm", "policy", "add", "src", "192.0.2.1/32", "dst",
               "198.51.100.0/24", "dir", "out", "tmpl", "src", "192.0.2.1", "dst", "198.51.100.1",
               "proto", "esp", "mode", "tunnel")
    need_feature("xfrm", made.returncode == 0, made.stderr)
    assert host.unknown() == (set(), set())


def test_socket_lookup(host, pinned, tmp_path):
    assert attach(host.ns, tmp_path, pinned / "pass_lookup", SK_LOOKUP) == "ready"
    blocked, reasons = host.unknown()
    assert len(blocked) == 6 and all("sk_lookup" in reason for reason in reasons)
    with scene(Host()) as (other,):
        assert other.unknown() == (set(), set()), "it is of the other namespace"


# --- cgroups: never the root one ----------------------------------------------------------------

@pytest.fixture
def cgroup():
    """A cgroup of the test's own; gone in the end."""
    mount = Path("/sys/fs/cgroup")
    if not (mount / "cgroup.procs").exists():
        mount = mount / "unified"
    need_feature("cgroup2", (mount / "cgroup.procs").exists())
    place = mount / f"portero-test-{os.getpid()}"
    place.mkdir()
    try:
        yield place
    finally:
        wait_until(lambda: remove(place), what="the cgroup can be removed")


def remove(place):
    try:
        place.rmdir()
    except OSError:
        return False
    return True


LISTEN = """
import os, socket, sys
if sys.argv[1]:
    open(sys.argv[1] + "/cgroup.procs", "w").write("0")
s = socket.create_server(("0.0.0.0", int(sys.argv[2])))
print("ready", flush=True)
sys.stdin.read()
"""


def test_cgroup_program(cgroup, host, pinned):
    """Of two listeners, the one in the cgroup is unknown; who may send to it is not in doubt."""
    host.ns.python(LISTEN, cgroup, 4001)
    host.ns.python(LISTEN, "", 4002)

    def states():
        result = portero("--json", ns=host.ns, check=False, reach=True)
        return {p["port"]: p for p in json.loads(result.out)["ports"]}

    assert {n: p["state"] for n, p in states().items()} == {4001: "open", 4002: "open"}
    must(host.ns, "bpftool", "cgroup", "attach", str(cgroup), "ingress", "pinned",
         str(pinned / "pass_skb"))
    try:
        ports = states()
        assert {n: p["state"] for n, p in ports.items()} == {4001: "unknown", 4002: "open"}
        assert "pass_skb" in json.dumps(ports[4001]) and "cgroup" in json.dumps(ports[4001])
        assert "pass_skb" not in json.dumps(ports[4002])
        assert host.unknown() == (set(), set())
    finally:
        must(host.ns, "bpftool", "cgroup", "detach", str(cgroup), "ingress", "pinned",
             str(pinned / "pass_skb"))


# --- below a bridge -----------------------------------------------------------------------------

@pytest.fixture
def bridged(host):
    """v0 belongs to br0, which has its addresses; w0 does not."""
    name = host.ns.name
    made = ip("-n", name, "link", "add", "br0", "type", "bridge", check=False)
    need_feature("bridge", made.returncode == 0, made.stderr)
    ip("-n", name, "addr", "flush", "dev", "v0")
    ip("-n", name, "link", "set", "v0", "master", "br0")
    ip("-n", name, "addr", "add", "192.0.2.1/24", "dev", "br0")
    ip("-n", name, "addr", "add", "2001:db8:0::1/64", "dev", "br0", "nodad")
    ip("-n", name, "link", "set", "br0", "addrgenmode", "none", "up")
    assert host.unknown() == (set(), set())
    return host


BRIDGE = {("br0", "ipv4"), ("br0", "ipv6")}


@pytest.mark.parametrize("rules, words", [
    ("table bridge b { chain c { type filter hook prerouting priority 0; ip saddr 9.9.9.9 drop; } }",
     ("bridge b", "br0")),
    ("table bridge b { chain c { type filter hook input priority 0; policy drop; } }",
     ("bridge b", "br0")),
    ("table netdev n { chain c { type filter hook ingress device v0 priority 0; tcp dport 9 drop; } }",
     ("netdev n", "v0")),
    ("table netdev n { chain c { type filter hook ingress devices = { w0, v0} priority 0; "
     "policy drop; } }", ("netdev n", "v0")),
    ("table inet i { chain c { type filter hook ingress device v0 priority 0; tcp dport 9 drop; } }",
     ("inet i", "v0")),
])
def test_rules_below_a_bridge(bridged, rules, words):
    need_program("nft")
    must(bridged.ns, "nft", "-f", "-", stdin=rules.replace(" }", "\n}"))
    assert_only(bridged, BRIDGE, *words)


@pytest.mark.parametrize("rules", [
    "table bridge b { chain c { type filter hook prerouting priority 0; } }",  # has no say
    "table bridge b { chain c { type filter hook output priority 0; policy drop; } }",
    "table bridge b { chain c { drop; } }",
    "table netdev n { chain c { type filter hook ingress device w0 priority 0; tcp dport 9 drop; } }",
])
def test_rules_elsewhere(bridged, rules):
    need_program("nft")
    must(bridged.ns, "nft", "-f", "-", stdin=rules.replace(" }", "\n}"))
    assert bridged.unknown() == (set(), set())


def test_programs_below_a_bridge(bridged, pinned):
    made = run(bridged.ns, "ip", "link", "set", "v0", "xdpgeneric", "pinned",
               str(pinned / "pass_xdp"))
    need_feature("XDP", made.returncode == 0, made.stderr)
    assert_only(bridged, BRIDGE, "XDP", "v0")
    must(bridged.ns, "ip", "link", "set", "v0", "xdpgeneric", "off")
    must(bridged.ns, "tc", "qdisc", "add", "dev", "v0", "clsact")
    must(bridged.ns, "tc", "filter", "add", "dev", "v0", "ingress", "bpf", "da", "pinned",
         str(pinned / "pass_tc"))
    assert_only(bridged, BRIDGE, "tc", "v0")


def test_programs_below_a_vlan(host, pinned):
    name = host.ns.name
    made = ip("-n", name, "link", "add", "link", "v0", "name", "v0.7", "type", "vlan", "id", "7",
              check=False)
    need_feature("vlan", made.returncode == 0, made.stderr)
    ip("-n", name, "addr", "add", "192.0.7.1/24", "dev", "v0.7")
    ip("-n", name, "link", "set", "v0.7", "addrgenmode", "none", "up")
    assert host.unknown() == (set(), set())
    must(host.ns, "ip", "link", "set", "v0", "xdpgeneric", "pinned", str(pinned / "pass_xdp"))
    blocked, reasons = host.unknown()
    assert blocked == BOTH | {("v0.7", "ipv4")}
    assert all("XDP" in reason for reason in reasons)


def test_without_privilege(host):
    """Nothing is looked at then, and so nothing is told to be closed."""
    answer = ask(host.ns, prefix=AS_NOBODY)
    assert not answer["complete"] and not answer["classes"]
    assert answer["missing"][0]["why"]
