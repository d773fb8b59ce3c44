# SPDX-License-Identifier: GPL-2.0-or-later
"""nf_tables of one namespace, copied into another as a twin gets them (nft_image, nft_rewrite, nft_load)."""
import json
import random
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from harness import PORTERO, ROOT, SLOW, need_program

TOOL = Path(PORTERO).resolve().parent / "netns" / "nft_copy"
DATA = ROOT / "tests" / "unit" / "data" / "nft"
RATE, UNMIRRORED, STOP = 0, 1, 2


def tool(*args):
    if not TOOL.exists():
        pytest.skip(f"program: {TOOL} is not built (make check does)")
    done = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(ns, *argv, text=None, check=True):
    with ns:
        return subprocess.run(argv, input=text, capture_output=True, text=True, check=check).stdout


def load(ns, text):
    need_program("nft")
    done = None
    with ns:
        done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def copy(a, b, *doubts):
    answer = json.loads(tool("copy", f"/run/netns/{a.name}", f"/run/netns/{b.name}", *doubts))
    assert answer["result"] == 0, answer["error"]
    return answer


def same(answer):
    assert (answer["lost"], answer["lost_count"], answer["stopped"]) == ("", 0, 0)
    assert answer["attempts"] == 1
    return answer


def plain(value):
    """What `nft -j list ruleset` says, without handles, counts and the order of elements."""
    if isinstance(value, dict) and list(value.get("elem", ())) == ["val", "counter"]:
        return value["elem"]["val"]  # elements count nothing in a twin
    if isinstance(value, dict):
        return {k: plain(sorted(v, key=json.dumps) if k in ("elem", "set") and isinstance(v, list)
                         else v)
                for k, v in value.items()
                if k not in ("handle", "packets", "bytes", "expires", "used", "stmt")}
    return [plain(v) for v in value] if isinstance(value, list) else value


def ruleset(ns):
    listed = [plain(x) for x in json.loads(inside(ns, "nft", "-j", "list", "ruleset"))["nftables"]]
    return [x for x in listed if "metainfo" not in x]


@pytest.fixture
def pair(make_ns):
    return make_ns(), make_ns()


PLAIN = """
table inet f {
    set s4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.1.0/24, 192.168.2.0-192.168.3.9 }; }
    set s6 { type ipv6_addr; flags timeout; timeout 1h; elements = { 2001:db8::1, 2001:db8::2 timeout 2h }; }
    set cc { type ipv4_addr . inet_service; flags interval; elements = { 10.1.0.0/16 . 80-90, 10.2.0.1 . 443 }; }
    set adjacent { type inet_service; flags interval; elements = { 1-9, 10-19, 20, 22-65535 }; }
    set everything { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, * }; }
    set counted { type ipv4_addr; counter; elements = { 9.9.9.9 counter packets 3 bytes 180 }; }
    map vm { type inet_service : verdict; elements = { 22 : jump ssh, 80 : accept, 81 : goto ssh }; }
    map nat { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.9.9.9 . 80 : 10.0.0.5 . 8080 }; }
    counter c1 { }
    quota q1 { over 100 mbytes; }
    limit l1 { rate 5/second; }
    map om { type ipv4_addr : counter; elements = { 1.1.1.1 : "c1" }; }
    chain ssh { ip saddr @s4 accept; return; }
    chain input {
        type filter hook input priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iif lo accept
        tcp dport vmap @vm
        tcp dport { 1000-2000, 3000 } counter accept comment "kept"
        ip saddr . tcp dport @cc accept
        ip6 saddr @s6 accept
        tcp dport != @adjacent reject with icmpx type admin-prohibited
        ip saddr @everything counter name ip saddr map @om
        ip saddr @counted meta mark set 0x7
        ip saddr 1.2.3.4 tcp dport 5 ct mark set meta mark
        fib saddr . iif oif missing drop
        tcp option maxseg size 1-500 drop
        tcp flags & (fin|syn) == fin|syn drop
        meta l4proto { tcp, udp } th dport 53 counter name c1 accept
        icmpv6 type { nd-neighbor-solicit, echo-request } accept
        jhash ip saddr mod 3 seed 0x1 offset 10 vmap { 10 : accept, 11 : drop, 12 : accept }
        meta hour "00:00"-"23:59" accept
    }
    chain nat {
        type nat hook prerouting priority dstnat;
        dnat ip addr . port to ip daddr . tcp dport map @nat
        tcp dport 8080 dnat ip to 10.0.0.5:80
        tcp dport 8081 redirect to :81
    }
    chain post { type nat hook postrouting priority srcnat; oifname "eth*" masquerade; }
    chain raw { type filter hook prerouting priority raw; udp dport 53 notrack; }
}
table ip6 second { chain output { type route hook output priority mangle; meta mark set 1; }; }
table inet asleep { flags dormant; chain input { type filter hook input priority 0; drop; }; }
table netdev n { chain i { type filter hook ingress device "lo" priority 0; tcp dport 9999 drop; }; }
table arp a { chain i { type filter hook input priority 0; arp operation request counter accept; }; }
table bridge b { chain i { type filter hook input priority 0; ip saddr 10.0.0.1 drop; }; }
"""


def test_plain_rules_are_the_same(pair):
    a, b = pair
    load(a, PLAIN)
    answer = same(copy(a, b))
    assert answer["doubts"] == []
    assert ruleset(a) == ruleset(b)
    # a second load replaces the first, and nothing is doubled
    same(copy(a, b))
    assert ruleset(a) == ruleset(b)


def test_rules_are_found_by_the_twins_handles(pair):
    a, b = pair
    load(a, "table ip t { chain c { tcp dport 1 drop; tcp dport 2 drop; tcp dport 3 drop; }; }")
    load(a, "table ip u { chain c { tcp dport 4 drop; }; chain d { tcp dport 5 drop; }; }")
    handle = re.search(r"tcp dport 2 drop # handle (\d+)", inside(a, "nft", "-a", "list", "ruleset"))
    load(a, f"delete rule ip t c handle {handle[1]}")
    answer = same(copy(a, b))
    assert answer["rules"] == 4 and all(p["found"] for p in answer["pairs"])

    def rules(ns):
        found, table = {}, ""
        for line in inside(ns, "nft", "-a", "list", "ruleset").splitlines():
            if line.startswith("table"):
                table = line.split()[2]
            m = re.match(r"\s+(tcp .*) # handle (\d+)", line)
            if m:
                found[table, int(m[2])] = m[1]
        return found

    of_a, of_b = rules(a), rules(b)
    assert len(answer["pairs"]) == 4
    for p in answer["pairs"]:
        assert of_a[p["table"], p["handle"]] == of_b[p["table"], p["twin"]]


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_iptables_rules(pair, family):
    a, b = pair
    need_program("iptables-nft")
    name = "xt.restore" if family == "iptables" else "xt6.restore"
    text = (DATA / name).read_text()
    inside(a, f"{family}-nft-restore", text=text)
    answer = same(copy(a, b))
    kinds = [(d["kind"], d["text"].split(" in ")[0]) for d in answer["doubts"]]
    if family == "iptables":
        assert kinds == [(RATE, "recent"), (RATE, "limit"), (RATE, "hashlimit"), (RATE, "connlimit"),
                         (RATE, "statistic"), (UNMIRRORED, "mac"), (STOP, "NFQUEUE"),
                         (UNMIRRORED, "string")]
        assert answer["doubts"][0]["text"] == "recent in ip filter ufw-user-input, rule 3"
    else:
        assert kinds == [(UNMIRRORED, "hl")]
    # without the doubts, and what is stripped, iptables itself finds them the same
    changed = ("recent", "limit", "statistic", "mac-source", "string", "NFQUEUE", "LOG", "-m hl")
    text = "".join(line + "\n" for line in text.splitlines()
                   if not any(word in line for word in changed))
    inside(a, f"{family}-nft-restore", text=text)
    assert same(copy(a, b))["doubts"] == []
    assert len(saved(a, family)) >= 3
    assert saved(a, family) == saved(b, family)


def saved(ns, family):
    text = inside(ns, f"{family}-nft-save")
    return [x for x in text.splitlines() if x.startswith("-A")]


HAND = (DATA / "hand.nft").read_text()


def test_doubts_are_found(pair):
    a, b = pair
    load(a, HAND)
    answer = same(copy(a, b))
    assert [(d["kind"], re.sub(r"^(.*) in inet f (\w+), rule (\d+)$", r"\1 \2 \3", d["text"]))
            for d in answer["doubts"]] == [
        (RATE, "limit ssh 2"), (RATE, "limit input 7"), (RATE, "limit input 8"),
        (RATE, "quota input 9"), (RATE, "connlimit input 10"), (RATE, "limit input 11"),
        (RATE, "limit input 13"), (UNMIRRORED, "iifkind input 14"),
        (UNMIRRORED, "skuid input 16"), (STOP, "synproxy input 17"),
        (RATE, "numgen input 18"), (RATE, "numgen input 18"), (RATE, "numgen input 19"),
        (RATE, "limit input 20"), (UNMIRRORED, "socket input 21"),
        (RATE, "limit of a set's element input 22"), (RATE, "what is added to a set input 23"),
        (RATE, "quota input 25"), (RATE, "cpu input 26"), (UNMIRRORED, "ether saddr input 27"),
        (RATE, "numgen nat 4")]
    every = same(copy(a, b, *range(len(answer["doubts"]))))
    assert every["doubts"] == answer["doubts"]


# --- recorders: each packet tells which doubts it met ----------------------------------------------

NETLINK_NETFILTER = 12


def attribute(kind, value):
    data = struct.pack("=HH", len(value) + 4, kind) + value
    return data + b"\0" * (-len(data) % 4)


class Recorder:
    """A reader of NFLOG group 2 in a namespace."""

    def __init__(self, ns, group=2):
        with ns:
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.settimeout(5)
        self.socket.bind((0, 0))
        for body in (attribute(1, b"\1"), attribute(2, struct.pack(">IBB", 128, 2, 0)),
                     attribute(5, struct.pack(">I", 1))):
            head = struct.pack(">BBH", 0, 0, group) + body
            self.socket.send(struct.pack("=IHHII", 16 + len(head), 4 << 8 | 1, 5, 1, 0) + head)
            assert struct.unpack_from("=i", self.socket.recv(4096), 16)[0] == 0

    def prefixes(self):
        """What came until now."""
        self.socket.setblocking(False)
        found = []
        try:
            while True:
                data = self.socket.recv(65536)
                while len(data) >= 16:
                    length, = struct.unpack_from("=I", data)
                    at = 20
                    while at + 4 <= length:
                        size, kind = struct.unpack_from("=HH", data, at)
                        if kind & 0x3fff == 10:
                            found.append(data[at + 4:at + size].rstrip(b"\0").decode())
                        at += size + 3 & ~3
                    data = data[length + 3 & ~3:]
        except BlockingIOError:
            return found

    def close(self):
        self.socket.close()


@pytest.fixture
def ask(pair):
    """ask(port): the doubts that a datagram to the port meets in the twin, and whether it arrives."""
    _, b = pair
    recorder = Recorder(b)

    def send(port):
        recorder.prefixes()
        with b:
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with receiver, sender:
            receiver.bind(("127.0.0.1", port))
            receiver.settimeout(0.2)
            try:
                sender.sendto(b"x", ("127.0.0.1", port))
            except PermissionError:
                pass
            try:
                receiver.recv(10)
                arrived = True
            except TimeoutError:
                arrived = False
        return recorder.prefixes(), arrived

    yield send
    recorder.close()


def chain(rules, more=""):
    body = "\n".join(rules)
    return ("table inet t { %s\nchain input { type filter hook input priority 0; policy drop;\n"
            "%s\n}\n}" % (more, body))


def test_recorders_and_assignments(pair, ask):
    a, b = pair
    load(a, chain(["udp dport 1001 limit rate 1/second accept",
                   "udp dport 1002 limit rate over 1/second drop",
                   "udp dport 1002 quota 1 mbytes accept",
                   "udp dport 1003 meta mark set 0x1 limit rate 1/second meta mark set 0x2",
                   "udp dport 1003 meta mark 0x2 accept",
                   "udp dport 1004 accept"]))
    same(copy(a, b))
    assert ask(1000) == ([], False)
    assert ask(1001) == (["D0"], False)
    assert ask(1002) == (["D1", "D2"], False)
    assert ask(1003) == (["D3"], False)
    assert ask(1004) == ([], True)
    same(copy(a, b, 0, 2, 3))
    assert ask(1001) == (["D0"], True)
    assert ask(1002) == (["D1", "D2"], True)
    assert ask(1003) == (["D3"], True)
    same(copy(a, b, 1))
    assert ask(1002) == (["D1"], False)
    assert ask(1001) == (["D0"], False)


def test_inverted_and_fed_sets(pair, ask):
    a, b = pair
    load(a, chain(["udp dport 1001 add @seen { ip saddr } accept",
                   "udp dport 1002 add @seen { ip saddr }",
                   "udp dport 1002 ip saddr != @seen accept",
                   "udp dport 1003 ip saddr @seen accept",
                   "udp dport 1003 numgen random mod 4 < 2 accept",
                   "udp dport 1004 numgen inc mod 3 offset 5 vmap { 5 : drop, 6 : accept, 7 : drop }",
                   "udp dport 1005 ip saddr @limited accept",
                   "udp dport 1006 ip saddr != @limited accept",
                   "udp dport 1007 meta iifkind \"veth\" accept",
                   "udp dport 1008 meta iifkind != \"veth\" accept",
                   "udp dport 1009 socket wildcard 0 accept"],
                  "set seen { type ipv4_addr; flags dynamic; size 9; }\n"
                  "set limited { type ipv4_addr; flags dynamic; size 9; limit rate 1/second;"
                  "elements = { 127.0.0.1 limit rate 1/second }; }"))
    answer = same(copy(a, b))
    texts = [d["text"].split(" in ")[0] for d in answer["doubts"]]
    assert texts == ["what is added to a set", "what is added to a set", "numgen", "numgen", "numgen",
                     "limit of a set's element", "iifkind", "iifkind", "socket"]
    assert ask(1001) == (["D0"], True)
    assert ask(1002) == (["D1"], True)
    assert ask(1003) == (["D2"], False)
    assert ask(1004) == (["D3", "D4"], False)
    assert ask(1005) == (["D5"], False)
    assert ask(1006) == ([], False), "the element is there: its limit is not asked"
    assert ask(1007) == (["D6"], False)
    assert ask(1008) == (["D7"], False)
    assert ask(1009) == (["D8"], False)
    same(copy(a, b, *range(9)))
    assert ask(1002) == (["D1"], False), "all are in the set now"
    assert ask(1003)[1] is True
    assert ask(1005) == (["D5"], True)
    assert ask(1007) == (["D6"], True)
    assert ask(1008) == (["D7"], True)
    assert ask(1009) == (["D8"], True)
    same(copy(a, b, 3))  # the number 1, and so 6
    assert ask(1004) == (["D3", "D4"], True)
    same(copy(a, b, 4))  # the number 2, and so 7
    assert ask(1004) == (["D3", "D4"], False)


def test_named_objects(pair, ask):
    a, b = pair
    load(a, chain(["udp dport 1001 limit name l1 accept",
                   "udp dport 1002 quota name q1 accept",
                   "udp dport 1003 limit name ip saddr map { 127.0.0.1 : \"l1\" } accept",
                   "udp dport 1004 limit name ip saddr map { 127.0.0.2 : \"l1\" } accept",
                   "udp dport 1005 counter name c1 accept"],
                  "limit l1 { rate 1/second; }\nquota q1 { over 1 mbytes; }\ncounter c1 { }\n"))
    assert len(same(copy(a, b))["doubts"]) == 4
    assert ask(1001) == (["D0"], False)
    assert ask(1003) == (["D2"], False)
    assert ask(1004) == ([], False), "not in the map: no doubt is met"
    assert ask(1005) == ([], True)
    same(copy(a, b, 0, 1, 2, 3))
    assert ask(1001) == (["D0"], True)
    assert ask(1002) == (["D1"], True)
    assert ask(1003) == (["D2"], True)
    assert ask(1004) == ([], False)


def test_anonymous_set_of_a_doubt(pair, ask):
    """The set goes with its lookup: the kernel takes no anonymous set that no rule has."""
    a, b = pair
    load(a, chain(["udp dport 1001 meta iifkind { \"veth\", \"tun\" } accept",
                   "udp dport { 1002, 1003 } limit rate 1/second udp sport { 1-65535 } accept"]))
    assert len(same(copy(a, b))["doubts"]) == 2
    assert ask(1001) == (["D0"], False)
    assert ask(1003) == (["D1"], False)
    assert "veth" not in inside(b, "nft", "list", "ruleset")
    same(copy(a, b, 0, 1))
    assert ask(1001) == (["D0"], True)
    assert ask(1003) == (["D1"], True)


def test_only_logging_is_no_doubt(pair, ask):
    a, b = pair
    load(a, chain(["limit rate 1/minute log prefix \"x\"", "udp dport 1001 limit rate 1/minute counter",
                   "udp dport 1001 log group 2 prefix \"host\" accept"]))
    assert same(copy(a, b))["doubts"] == []
    assert ask(1001) == ([], True), "the machine's own log is silent in the twin"


def test_stop(pair, ask):
    a, b = pair
    need_program("iptables-nft")
    inside(a, "iptables-nft-restore", text="*filter\n:INPUT ACCEPT [0:0]\n"
           "-A INPUT -p udp --dport 1001 -j NFQUEUE --queue-num 7 --queue-bypass\n"
           "-A INPUT -p udp --dport 1002 -m recent --set --name x\n"
           "-A INPUT -p udp --dport 1002 -m recent ! --rcheck --name x -j DROP\n"
           "-A INPUT -p udp --dport 1003 -m recent --set --name x -j DROP\nCOMMIT\n")
    answer = same(copy(a, b))
    assert [d["kind"] for d in answer["doubts"]] == [STOP, RATE]
    assert ask(1001) == (["D0"], False)
    assert ask(1002) == (["D1"], True)
    assert ask(1003) == ([], False), "recent --set always holds"
    same(copy(a, b, 0, 1))
    assert ask(1001) == (["D0"], False), "nobody can tell, whatever the assignment"
    assert ask(1002) == (["D1"], False)


def test_refused_rules_become_stops(pair, ask):
    """An ipset that the twin does not have: the kernel refuses the rule."""
    a, b = pair
    need_program("iptables-nft")
    need_program("ipset")
    inside(a, "ipset", "create", "bad", "hash:ip")
    inside(a, "iptables-nft-restore", text="*filter\n:INPUT ACCEPT [0:0]\n"
           "-A INPUT -p udp --dport 1001 -m set --match-set bad src -j DROP\n"
           "-A INPUT -p udp --dport 1002 -j ACCEPT\nCOMMIT\n")
    answer = copy(a, b)
    assert answer["lost"] == "" and answer["stopped"] == 1 and answer["attempts"] == 2
    assert [d["kind"] for d in answer["doubts"]] == [STOP]
    assert answer["doubts"][0]["text"].startswith("ip filter INPUT, rule 1, which cannot be copied: ")
    assert ask(1001) == (["D0"], False)
    assert ask(1002) == ([], True), "what stands before the refused match is asked as ever"


def test_chain_at_a_missing_device(pair):
    """A chain at a device that the twin lacks: Linux 6.16 takes it; older ones do not, which is told."""
    a, b = pair
    a.add_veth("v0")
    load(a, "table netdev n { chain i { type filter hook ingress device \"v0\" priority 0;"
            " udp dport 9 drop; }; }\ntable ip t { chain c { drop; }; }")
    answer = copy(a, b)
    listed = inside(b, "nft", "list", "ruleset")
    assert "table ip t" in listed
    if answer["lost_count"] == 0:
        assert "udp dport 9 drop" in listed
    else:
        assert "netdev n i" in answer["lost"]


# --- bad weather --------------------------------------------------------------------------------

def fingerprint(ns):
    return tool("fingerprint", f"/run/netns/{ns.name}").strip()


def test_fingerprint(pair, ask):
    a, b = pair
    assert fingerprint(a) == fingerprint(b)
    load(a, PLAIN)
    first = fingerprint(a)
    assert first == fingerprint(a) != fingerprint(b)
    copy(a, b)
    seen = {first}
    before = fingerprint(b)
    ask(53)  # counts, and nothing else
    assert fingerprint(b) == before
    for change in ("add element inet f s4 { 11.0.0.1 }", "add element inet f vm { 23 : drop }",
                   "delete element inet f cc { 10.2.0.1 . 443 }",
                   "add rule inet f input tcp dport 7 drop", "insert rule inet f input tcp dport 7 drop",
                   "chain inet f input { policy accept; }", "delete chain inet f raw",
                   "add limit inet f l2 { rate 7/second; }", "add table ip empty"):
        if change.startswith("delete chain"):
            inside(a, "nft", "flush", "chain", "inet", "f", "raw")
        load(a, change)
        seen.add(fingerprint(a))
    assert len(seen) == 10


def test_nothing_at_all(pair):
    a, b = pair
    load(b, "table ip old { chain c { drop; }; }\ntable inet portero_twin { chain c { }; }\ntable ip portero_twin { }")
    answer = same(copy(a, b))
    assert answer["rules"] == 0
    assert inside(b, "nft", "list", "ruleset").split() == ("table inet portero_twin { chain c { } }"
                                                              " table ip portero_twin { }").split()


def test_overflow(pair, ask):
    """More doubts than are told apart: the surplus ones end in one STOP."""
    a, b = pair
    load(a, chain([f"udp dport {1000 + i} limit rate 1/second accept" for i in range(300)]))
    answer = same(copy(a, b, *range(256)))
    assert answer["overflow"] and len(answer["doubts"]) == 256
    assert answer["doubts"][255]["kind"] == STOP and answer["doubts"][254]["kind"] == RATE
    assert ask(1000) == (["D0"], True)
    assert ask(1254) == (["D254"], True)
    assert ask(1255) == (["D255"], False)
    assert ask(1299) == (["D255"], False)


def test_long(pair):
    """150,000 elements and 5,000 rules."""
    a, b = pair
    draw = random.Random(1)
    ips = draw.sample(range(1 << 24), 100000)
    nets = sorted(draw.sample(range(1 << 21), 25000))
    text = ["table inet big {",
            "set a { type ipv4_addr; elements = {"
            + ",".join(str(socket.inet_ntoa(struct.pack(">I", (20 << 24) + i))) for i in ips) + "}; }",
            "set b { type ipv4_addr; flags interval; elements = {"
            + ",".join(socket.inet_ntoa(struct.pack(">I", (60 << 24) + (i << 8))) + "/26" for i in nets)
            + "}; }",
            "set d { type ipv4_addr; flags timeout; elements = {"
            + ",".join(f"50.{i >> 16}.{i >> 8 & 255}.{i & 255} timeout 1h" for i in range(25000))
            + "}; }",
            "chain input { type filter hook input priority 0; policy drop;",
            "ip saddr @a drop", "ip saddr @b drop", "ip saddr @d drop"]
    text += [f"tcp dport {i + 1} ip saddr 10.{i >> 8}.{i & 255}.1 counter accept" for i in range(5000)]
    load(a, "\n".join(text) + "\n}\n}\n")
    answer = same(copy(a, b))
    assert answer["rules"] == 5003
    print(f"read {answer['read_ms']:.0f} ms, find {answer['find_ms']:.0f} ms,"
          f" load and compare {answer['load_ms']:.0f} ms, {answer['kib']} KiB")
    assert answer["read_ms"] + answer["load_ms"] < 10000 * SLOW
    assert SLOW > 1 or answer["kib"] < 64 * 1024


CHURN = """
import subprocess, sys
print("ready", flush=True)
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
try:
    i = 0
    while True:
        i += 1
        nft.stdin.write(f"add element ip t s {{ 10.0.{i >> 8 & 255}.{i & 255} }}\\nadd rule ip t c udp dport {i % 65535 + 1} drop\\n")
        nft.stdin.flush()
        if i == 2000: # over what the pipe takes: the first are done
            print("changing", flush=True)
except BrokenPipeError:
    pass
"""


def test_while_it_changes(pair):
    a, b = pair
    load(a, "table ip t { set s { type ipv4_addr; }; chain c { ip saddr @s drop; }; }")
    churn = a.python(CHURN)
    # nft itself begins to list anew each time, and would not come to an end
    assert churn.stdout.readline().strip() == b"changing"
    for _ in range(5):
        answer = copy(a, b)
        assert answer["lost"] == "" and answer["attempts"] == 1
    assert churn.poll() is None
