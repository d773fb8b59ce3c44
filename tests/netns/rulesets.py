# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random firewalls and networks for a machine of a known shape (see World), all from one seed. Each
rule carries a comment "rN", so that its counter tells whether it decided anything; `rules` says
which constructs it was made of. Every chain begins with a guard: answers (to the ports GUARD) and
ICMP pass, as portero tells of the way in only, and a judge needs the way back.
"""
import ipaddress
import random
from collections import Counter
from dataclasses import dataclass, field

GUARD = (40000, 41999)  # source ports of probes: portero's begin at 40000, the judge's at
JUDGE = 41100
FAR = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "192.168.0.0/16", "192.168.5.0/24",
       "192.168.5.77", "100.64.0.0/10", "172.16.0.0/12", "8.0.0.0/8", "8.8.0.0/16", "8.8.4.4",
       "9.9.9.9", "64.0.0.0/3", "200.100.0.0/15", "185.1.2.0/23", "1.1.1.1", "128.0.0.0/1",
       "10.77.0.9", "10.77.0.64/26", "10.77.0.0/24", "172.20.1.128/25", "172.20.1.7",
       "8.20.30.0/24", "8.20.30.40", "10.88.0.0/16", "10.88.0.9")
FAR6 = ("2000::/3", "2001:4860::/32", "2001:4860:4860::8888", "2600::/12", "2600:1234::/32",
        "2600:1234::7", "fc00::/7", "fd12:3456::/32", "fd12:3456::9", "fd77::/64", "fd77::9",
        "fd77::1:0/112", "fd78::/16", "fe80::/10", "2a00:1450:4000::/37", "2c0f::1", "fd88::9",
        "2600:77::/64", "2600:77::44")
OWN = ("10.77.0.1", "10.77.0.5", "172.20.1.1", "8.20.30.1", "10.88.0.1", "127.0.0.1")
OWN6 = ("fd77::1", "fd77::5", "fd78::1", "2600:77::1", "fd88::1", "::1")
BROADCASTS = ("10.77.0.255", "172.20.1.255", "8.20.30.255", "10.88.0.255", "192.168.5.255",
              "192.168.5.127", "255.255.255.255")
CONTAINER, CONTAINER6 = "10.88.0.2", "fd88::2"
INTERFACES = ("eth0", "eth1", "eth2")


@dataclass
class Rule:
    constructs: list
    decides: bool


@dataclass
class Ruleset:
    seed: int
    net: list = field(default_factory=list)  # lines for `ip -batch`
    sysctls: list = field(default_factory=list)  # (path below /proc/sys/net, value)
    loads: list = field(default_factory=list)  # [program's argv, text], in order
    rules: dict = field(default_factory=dict)
    constructs: Counter = field(default_factory=Counter)
    doubts: set = field(default_factory=set)  # rate, unmirrored, stop, opaque
    ports: set = field(default_factory=set)  # that something compares with
    addresses: set = field(default_factory=set)
    forwards: bool = False

    def __str__(self):
        parts = [f"# seed {self.seed}"] + [f"# ip {line}" for line in self.net]
        parts += [f"# {path} = {value}" for path, value in self.sysctls]
        return "\n".join(parts + [f"# --- {' '.join(argv)}\n{text}" for argv, text in self.loads])


class Words:
    """What both languages draw from."""

    def __init__(self, r, out):
        self.r, self.out = r, out
        # what makes ports opaque, so that every port of every class is asked: now and then
        self.opaque = r.random() < 0.06
        self.far = (r.sample(FAR, 9), r.sample(FAR6, 7))
        # few ports, so that rules are about the same ones
        self.pool = sorted({r.choice((22, 25, 53, 80, 443, 8080, 1023, 1024, 32768, 65535, 1))
                            for _ in range(5)}
                           | {r.randrange(1, 65536) for _ in range(r.randrange(3, 9))})

    def chance(self, p):
        return self.r.random() < p

    def port(self):
        p = self.r.choice(self.pool) if self.chance(0.85) else self.r.randrange(1, 65536)
        return self.apart(p)

    def apart(self, p):
        """Not between the source ports of portero and of the judge."""
        if GUARD[0] < p <= GUARD[1] + 1:
            p += GUARD[1] - GUARD[0] + 2
        self.out.ports.add(p)
        return p

    def port_range(self):
        a, b = self.port(), self.port()
        if a == b or (abs(a - b) > 20000 and self.chance(0.7)):
            b = self.apart(min(65535, a + self.r.randrange(1, 300)))
        return min(a, b), max(a, b)

    def source(self, v6):
        text = self.r.choice(self.far[v6])
        if self.chance(0.12):
            text = str(ipaddress.ip_address(
                (0x20010000 + self.r.randrange(1 << 20) << 96) + self.r.randrange(1 << 16) if v6
                else self.r.randrange(0x01000000, 0xdf000000)))
        self.out.addresses.add(text)
        return text

    def sources(self, v6, low=1, high=4, disjoint=True):
        found = []
        for _ in range(self.r.randrange(low, high + 1)):
            text = self.source(v6)
            net = ipaddress.ip_network(text)
            if not disjoint or not any(net.overlaps(ipaddress.ip_network(f)) for f in found):
                found.append(text)
        return found

    def destination(self, v6):
        if self.chance(0.12):
            return (self.r.choice(("fd77::/64", "fd88::/64", "fd78::/16")) if v6
                    else self.r.choice(("10.77.0.0/29", "127.0.0.0/8", "172.20.0.0/16",
                                        "10.88.0.0/24")))
        return self.r.choice((OWN6 + (CONTAINER6,)) if v6 else (OWN + (CONTAINER,)))

    def interface(self):
        return self.r.choice(INTERFACES + ("lo", "ct0"))


# --- nft ----------------------------------------------------------------------------------------

class Nft:
    HOOKS = {
        "prerouting": (("raw", -300), ("mangle", -150), ("dstnat", -100), ("filter", 0)),
        "input": (("mangle", -150), ("filter", 0), ("late", 50)),
        "forward": (("mangle", -150), ("filter", 0)),
        "output": (("raw", -300), ("mangle", -150), ("dstnat", -100), ("filter", 0)),
        "postrouting": (("mangle", -150), ("srcnat", 100)),
        "ingress": (("filter", 0),),
    }

    def __init__(self, words):
        self.w, self.r, self.out = words, words.r, words.out
        self.tables = 0

    def pick(self, *choices):
        return self.r.choice(choices)

    # a match is (text, construct); None when it does not fit here
    def matches(self):
        return [
            (9, self.port_eq), (5, self.port_range), (3, self.port_compare), (3, self.port_not),
            (4, self.port_set), (3, self.port_named_set), (4, self.port_mask), (2, self.sport),
            (7, self.saddr), (2, self.saddr_not), (3, self.saddr_set), (4, self.saddr_named),
            (2, self.saddr_range), (0.5, self.saddr_mask), (3, self.daddr), (3, self.concat),
            (3, self.concat_interval), (4, self.iifname), (2, self.iif), (1, self.oifname),
            (1, self.iifgroup), (2, self.ct_state), (2, self.ct_status), (1, self.ct_misc),
            (2, self.mark), (1, self.ct_mark), (3, self.fib), (2, self.tcp_flags),
            (1.5, self.l4proto), (1, self.misc), (0.2, self.ttl), (1.3, self.rate),
            (0.3, self.unmirrored),
            (1, self.map_match),
        ]

    def proto(self):
        return self.pick("tcp", "udp", "th") if self.c["family"] != "netdev" else self.pick(
            "tcp", "udp")

    def dport(self, rest):
        proto = self.proto()
        if proto == "th":
            return "meta l4proto { tcp, udp } th dport " + rest
        return f"{proto} dport {rest}"

    def port_eq(self):
        return self.dport(str(self.w.port())), "port"

    def port_range(self):
        return self.dport("%d-%d" % self.w.port_range()), "port range"

    def port_compare(self):
        return (self.dport(f"{self.pick('<', '>', '<=', '>=')} {max(2, min(65533, self.w.port()))}"),
                "port compared")

    def port_not(self):
        rest = (str(self.w.port()) if self.w.chance(0.5) else
                "%d-%d" % self.w.port_range() if self.w.chance(0.5) else self.ports_text())
        return self.dport("!= " + rest), "port negated"

    def ports_text(self, ranges=True):
        found, taken = [], []
        for _ in range(self.r.randrange(1, 6)):
            a, b = self.w.port_range() if ranges and self.w.chance(0.4) else (self.w.port(),) * 2
            if all(b < x or a > y for x, y in taken):
                taken.append((a, b))
                found.append(f"{a}-{b}" if a != b else str(a))
        return "{ " + ", ".join(found) + " }"

    def port_set(self):
        return self.dport(self.ports_text()), "anonymous set of ports"

    def named(self, kind, flags, elements):
        name = f"s{len(self.sets)}"
        text = f"\tset {name} {{\n\t\ttype {kind}\n"
        if flags:
            text += f"\t\tflags {flags}\n"
            if "interval" in flags and "concat" not in kind and " . " not in kind \
                    and self.w.chance(0.3):
                text += "\t\tauto-merge\n"
        self.sets.append(text + f"\t\telements = {elements}\n\t}}\n")
        return "@" + name

    def port_named_set(self):
        interval = self.w.chance(0.6)
        s = self.named("inet_service", "interval" if interval else "",
                       self.ports_text(ranges=interval))
        return self.dport(self.pick("", "", "!= ") + s), "named set of ports"

    def port_mask(self):
        if not self.w.opaque:
            return None
        self.out.doubts.add("opaque")
        mask = self.pick(0xff00, 0x00ff, 0x0001, 0xfff0, 0x8000)
        value = self.w.port() & mask
        return self.dport(f"& {mask:#x} {self.pick('==', '!=')} {value:#x}"), "port under a mask"

    def sport(self):
        proto = self.proto()
        head = "meta l4proto { tcp, udp } th sport " if proto == "th" else f"{proto} sport "
        rest = self.pick("53", "1024-65535", "!= 1-1023", "{ 53, 123, 1024-65535 }", ">= 1024",
                         "< 1024")
        return head + rest, "source port"

    def address_word(self):
        """(ip or ip6, is v6) that fits the family of the table."""
        if self.c["family"] in ("ip", "ip6"):
            return self.c["family"], self.c["family"] == "ip6"
        v6 = self.w.chance(0.35)
        return ("ip6", True) if v6 else ("ip", False)

    def saddr(self):
        word, v6 = self.address_word()
        return f"{word} saddr {self.w.source(v6)}", "source address"

    def saddr_not(self):
        word, v6 = self.address_word()
        return f"{word} saddr != {self.w.source(v6)}", "source address negated"

    def addresses_text(self, v6):
        return "{ " + ", ".join(self.w.sources(v6)) + " }"

    def saddr_set(self):
        word, v6 = self.address_word()
        return (f"{word} saddr {self.pick('', '', '!= ')}{self.addresses_text(v6)}",
                "anonymous set of addresses")

    def saddr_named(self):
        word, v6 = self.address_word()
        s = self.named("ipv6_addr" if v6 else "ipv4_addr", "interval", self.addresses_text(v6))
        return f"{word} saddr {self.pick('', '', '!= ')}{s}", "named set of addresses"

    def saddr_range(self):
        word, v6 = self.address_word()
        if v6:
            return "ip6 saddr 2600::1:5-2600::3:77", "source range"
        a = int(ipaddress.ip_network(self.w.source(False))[0])
        b = min(a + self.r.randrange(1, 1 << self.r.randrange(1, 20)), 0xdfffffff)
        self.out.addresses.add(str(ipaddress.ip_address(b)))
        if b <= a:
            return None
        return (f"{word} saddr {self.pick('', '!= ')}{ipaddress.ip_address(a)}-"
                f"{ipaddress.ip_address(b)}", "source range")

    def saddr_mask(self):
        if self.address_word()[1]:
            return None
        self.out.doubts.add("masked")
        return (f"ip saddr & 0.0.0.{self.pick(1, 255, 6)} {self.pick('==', '!=')} 0.0.0."
                f"{self.pick(0, 0)}", "address under a scattered mask")

    def daddr(self):
        word, v6 = self.address_word()
        op = self.pick("", "", "!= ")
        return f"{word} daddr {op}{self.w.destination(v6)}", "destination address"

    def concat(self):
        word, v6 = self.address_word()
        pairs = {f"{self.pick(*self.w.pool) if 0 else self.single(v6)} . {self.w.port()}"
                 for _ in range(self.r.randrange(1, 5))}
        proto = self.pick("tcp", "udp")
        text = "{ " + ", ".join(sorted(pairs)) + " }"
        if self.w.chance(0.5):
            text = self.named(f"ipv{6 if v6 else 4}_addr . inet_service", "", text)
        return (f"{word} saddr . {proto} dport {self.pick('', '', '!= ')}{text}",
                "concatenation")

    def single(self, v6):
        net = ipaddress.ip_network(self.w.source(v6))
        a = str(net[self.r.randrange(min(net.num_addresses, 250))])
        self.out.addresses.add(a)
        return a

    def concat_interval(self):
        word, v6 = self.address_word()
        pairs = {f"{s} . " + ("%d-%d" % self.w.port_range() if self.w.chance(0.6)
                              else str(self.w.port())) for s in self.w.sources(v6)}
        text = self.named(f"ipv{6 if v6 else 4}_addr . inet_service", "interval",
                          "{ " + ", ".join(sorted(pairs)) + " }")
        proto = self.pick("tcp", "udp")
        return (f"{word} saddr . {proto} dport {self.pick('', '', '!= ')}{text}",
                "concatenation with intervals")

    def iifname(self):
        if self.c["hook"] in ("output", "postrouting", "ingress"):
            return None
        rest = self.pick('"eth0"', '"eth1"', '"eth*"', '!= "eth0"', '{ "eth0", "eth2" }',
                         '!= "eth*"', '{ "lo", "eth1" }', '"lo"', '"ct0"', '!= "lo"')
        return "iifname " + rest, "iifname"

    def iif(self):
        if self.c["hook"] in ("output", "postrouting"):
            return None
        return f"iif {self.pick('', '!= ')}{self.w.interface()}", "iif"

    def iifgroup(self):
        if self.c["hook"] in ("output", "postrouting", "ingress"):
            return None
        return f"iifgroup {self.pick('', '!= ')}{self.pick(0, 7)}", "iifgroup"

    def oifname(self):
        if self.c["hook"] not in ("forward", "postrouting", "output"):
            return None
        return f"oifname {self.pick('', '!= ')}\"{self.pick('ct0', 'eth0', 'lo', 'ct*')}\"", "oifname"

    def no_ct(self):
        return self.c["hook"] == "ingress"

    def ct_state(self):
        if self.no_ct():
            return None
        return "ct state " + self.pick("new", "established,related", "!= new", "invalid",
                                       "untracked", "new,untracked",
                                       "{ new, untracked }"), "ct state"

    def ct_status(self):
        if self.no_ct():
            return None
        return self.pick("ct status dnat", "ct status & dnat == 0", "ct status ! dnat"), "ct status"

    def ct_misc(self):
        if self.no_ct():
            return None
        return self.pick("ct direction original", f"meta l4proto tcp ct original proto-dst {self.w.port()}",
                         f"ct original ip daddr {self.w.destination(False)}",
                         "ct original ip saddr " + self.w.source(False),
                         "ct direction reply"), "ct original, direction"

    def mark(self):
        return self.pick("meta mark 1", "meta mark 2", "meta mark != 0", "meta mark & 0x3 == 0x1",
                         "meta mark { 1, 3 }"), "mark"

    def ct_mark(self):
        if self.no_ct():
            return None
        return self.pick("ct mark 1", "ct mark != 0"), "ct mark"

    def fib(self):
        if self.c["family"] == "netdev" or self.c["hook"] not in ("prerouting", "input"):
            return None
        return self.pick("fib daddr type local", "fib daddr type != local", "fib saddr . iif oif 0",
                         "fib saddr . iif oif missing", "fib saddr type unicast",
                         "fib daddr . iif type local", "fib saddr oif eth0",
                         "fib saddr oifname \"eth1\"", "fib saddr . iif oif exists",
                         "fib daddr type { local, broadcast }",
                         "fib saddr . mark oif exists"), "fib"

    def tcp_flags(self):
        return self.pick("tcp flags syn", "tcp flags & (fin|syn|rst|ack) == syn",
                         "tcp flags & (fin|syn) == (fin|syn)", "tcp flags != syn",
                         "tcp option maxseg size 1-1500", "tcp flags & ack == ack"), "tcp flags"

    def l4proto(self):
        return self.pick("meta l4proto tcp", "meta l4proto udp", "meta l4proto != tcp",
                         "meta l4proto { tcp, udp }",
                         *(["meta nfproto ipv4", "meta nfproto ipv6"]
                           if self.c["family"] == "inet" else [])), "l4proto"

    def ttl(self):
        """A sender may choose it: a doubt, where other doubts are, too."""
        if self.c["family"] not in ("ip", "ip6"):
            return None
        self.out.doubts.add("unmirrored")
        return "ip ttl 64" if self.c["family"] == "ip" else "ip6 hoplimit 64", "ttl"

    def misc(self):
        text = self.pick("meta pkttype host", "meta pkttype != multicast", "meta length 28-1500",
                         *(["ip dscp 0", "ip frag-off & 0x1fff == 0"]
                           if self.c["family"] == "ip" else []))
        if "length" in text:
            self.out.doubts.add("unmirrored")  # that of a probe is not that of others
        return text, "misc"

    def rate(self):
        kind = self.pick("limit", "limit", "quota", "ct count", "meter", "numgen", "limit over")
        if kind in ("ct count",) and self.no_ct():
            return None
        self.out.doubts.add("rate")
        if kind == "meter":
            word, v6 = self.address_word()
            name = f"m{len(self.sets)}"
            self.sets.append(f"\tset {name} {{\n\t\ttype ipv{6 if v6 else 4}_addr\n\t\tflags "
                             "dynamic\n\t\tsize 4096\n\t}\n")
            return (f"{self.pick('add', 'update')} @{name} {{ {word} saddr limit rate "
                    f"{self.pick('', 'over ')}10/second }}", "meter")
        return {"limit": f"limit rate {self.pick(1, 5)}/{self.pick('second', 'minute')}",
                "limit over": "limit rate over 5/second burst 3 packets",
                "quota": f"quota {self.pick('', 'over ')}10 kbytes",
                "ct count": f"ct count {self.pick('', 'over ')}3",
                "numgen": "numgen random mod 4 < 2"}[kind], kind

    def unmirrored(self):
        if self.c["family"] == "netdev" or self.c["hook"] not in ("prerouting", "input"):
            return None
        self.out.doubts.add("unmirrored")
        return self.pick("meta iifkind \"veth\"", "socket transparent 0", "meta cpu 0",
                         "meta iifkind != \"veth\""), "unmirrored"

    def map_match(self):
        """A map with data: mark looked up by port."""
        proto = self.pick("tcp", "udp")
        name = f"p{len(self.sets)}"
        items = ", ".join(f"{p} : {self.pick(1, 2, 3)}" for p in {self.w.port() for _ in range(3)})
        self.sets.append(f"\tmap {name} {{\n\t\ttype inet_service : mark\n\t\telements = "
                         f"{{ {items} }}\n\t}}\n")
        return f"meta mark set {proto} dport map @{name} meta mark {self.pick(1, 2)}", "data map"

    # what a rule does: (text, construct, does it decide)
    def action(self):
        c = self.c
        roll = self.r.random()
        accepts = 0.5 if c["policy"] == "accept" else 0.75
        if c["type"] == "nat":
            return self.nat_action()
        if roll < 0.52:
            if self.w.chance(accepts if not self.w.chance(0.2) else 0.5):
                return "accept", "accept", True
            if c["hook"] in ("input", "forward", "output") and self.w.chance(0.45):
                return self.reject()
            return "drop", "drop", True
        if roll < 0.68 and c["jumps"]:
            return (f"{self.pick('jump', 'jump', 'goto')} {self.r.choice(c['jumps'])}", "jump, goto",
                    False)
        if roll < 0.72:
            return "return", "return", True
        if roll < 0.77:
            return f"meta mark set {self.pick(1, 2, 3, '0x10')}", "mark set", False
        if roll < 0.80 and not self.no_ct():
            return f"ct mark set {self.pick(1, 2)}", "ct mark set", False
        if roll < 0.83:
            return f"log prefix \"x\" {self.pick('', 'accept', 'drop')}", "log", True
        if roll < 0.85 and c["prio"] <= -300 and c["hook"] in ("prerouting", "output"):
            return "notrack", "notrack", False
        if roll < 0.856 and c["hook"] in ("prerouting", "input", "forward"):
            self.out.doubts.add("stop")
            return f"queue num 5{self.pick('', ' bypass')}", "queue", True
        if roll < 0.95:
            return self.vmap()
        return "continue", "continue", False

    def reject(self):
        f = self.c["family"]
        kinds = ["reject"]
        if f == "inet":
            kinds += ["reject with icmpx type port-unreachable", "reject with icmpx admin-prohibited"]
        if f == "ip":
            kinds += ["reject with icmp type host-prohibited", "reject with icmp net-unreachable"]
        if f == "ip6":
            kinds += ["reject with icmpv6 type admin-prohibited", "reject with icmpv6 no-route"]
        kinds += ["meta l4proto tcp reject with tcp reset"] * 2
        return self.r.choice(kinds), "reject", True

    def verdict(self):
        return self.r.choice(["accept", "accept", "drop", "drop", "return", "continue"]
                             + [f"jump {j}" for j in self.c["jumps"][:1]]
                             + [f"goto {j}" for j in self.c["jumps"][1:2]])

    def vmap(self):
        kind = self.pick("port", "port", "iifname", "named", "saddr", "concat", "ct")
        if kind in ("port", "named"):
            taken, items = set(), []
            for _ in range(self.r.randrange(1, 6)):
                a, b = self.w.port_range() if self.w.chance(0.4) else (self.w.port(),) * 2
                if all(b < x or a > y for x, y in taken):
                    taken.add((a, b))
                    items.append(f"{a}-{b} : {self.verdict()}" if a != b
                                 else f"{a} : {self.verdict()}")
            text = "{ " + ", ".join(items) + " }"
            if kind == "named":
                name = f"v{len(self.sets)}"
                self.sets.append(f"\tmap {name} {{\n\t\ttype inet_service : verdict\n\t\tflags "
                                 f"interval\n\t\telements = {text}\n\t}}\n")
                text = "@" + name
            return self.dport(f"vmap {text}"), f"vmap of ports, {kind}", True
        if kind == "iifname" and self.c["hook"] in ("prerouting", "input", "forward"):
            return (f'iifname vmap {{ "eth0" : {self.verdict()}, "eth1" : {self.verdict()} }}',
                    "vmap of interfaces", True)
        if kind == "ct" and not self.no_ct():
            return (f"ct state vmap {{ established : accept, related : accept, new : "
                    f"{self.verdict()}, untracked : {self.verdict()} }}", "vmap of states", True)
        word, v6 = self.address_word()
        if kind == "concat":
            items = {f"{self.single(v6)} . {self.w.port()}" for _ in range(3)}
            proto = self.pick("tcp", "udp")
            return (f"{word} saddr . {proto} dport vmap {{ "
                    + ", ".join(f"{i} : {self.verdict()}" for i in sorted(items)) + " }",
                    "vmap of concatenations", True)
        return (f"{word} saddr vmap {{ " + ", ".join(
            f"{s} : {self.verdict()}" for s in self.w.sources(v6)) + " }", "vmap of addresses", True)

    def nat_action(self):
        c = self.c
        if c["hook"] == "postrouting":
            return self.pick("masquerade", "masquerade", "accept", "return"), "masquerade", True
        proto = self.pick("tcp", "udp")
        f = c["family"]
        v6 = f == "ip6" or (f == "inet" and self.w.chance(0.3))
        word = "" if f != "inet" else "ip6 " if v6 else "ip "
        target = self.r.choice((CONTAINER6, CONTAINER6, "fd77::1", "fd78::1") if v6 else
                               (CONTAINER, CONTAINER, CONTAINER, "10.77.0.1", "172.20.1.1",
                                "127.0.0.1"))
        bracket = f"[{target}]" if v6 else target
        kind = self.pick("redirect", "redirect range", "dnat", "dnat", "dnat", "dnat map",
                         "dnat map", "accept", "redirect map", "dnat range", "dnat plain")
        first = "" if f != "inet" else f"meta nfproto ipv{6 if v6 else 4} "
        if kind == "redirect":
            return f"{first}{proto} dport {self.w.port()} redirect to :{self.w.port()}", kind, True
        if kind == "redirect range":
            a, b = self.w.port_range()
            return f"{first}{proto} dport {a}-{b} redirect to :{self.w.port()}", kind, True
        if kind == "redirect map":
            items = {self.w.port(): self.w.port() for _ in range(3)}
            return (f"{first}redirect to {proto} dport map {{ "
                    + ", ".join(f"{a} : {b}" for a, b in items.items()) + " }", kind, True)
        if kind == "dnat":
            return (f"{first}{proto} dport {self.w.port()} dnat {word}to {bracket}:"
                    f"{self.w.port()}", kind, True)
        if kind == "dnat range":
            a, b = self.w.port_range()
            return f"{first}{proto} dport {a}-{b} dnat {word}to {target}", kind, True
        if kind == "dnat plain":
            return f"{first}meta l4proto {proto} dnat {word}to {target}", kind, True
        if kind == "dnat map":
            items = {self.w.port(): f"{target} . {self.w.port()}" for _ in range(3)}
            if f == "inet" and self.w.chance(0.3):
                return None
            return (f"{first}dnat {word}to {'' if 0 else ''}{'' if f != 'inet' else ''}"
                    f"{'addr . port ' if 0 else ''}{proto} dport map {{ "
                    + ", ".join(f"{a} : {b}" for a, b in items.items()) + " }", kind, True)
        return "accept", "nat accept", True

    def rule(self):
        picked = [m for _, m in self.matches()]
        weights = [w for w, _ in self.matches()]
        count = self.r.choice((1, 1, 1, 2, 2, 3)) if self.w.chance(0.96) else 0
        parts, names = [], []
        for m in self.r.choices(picked, weights, k=count):
            got = m()
            if got and got[1] not in names:
                parts.append(got[0])
                names.append(got[1])
        if count and not parts:
            return None
        action = self.action()
        if not action:
            return None
        text, name, decides = action
        id_ = f"r{len(self.out.rules)}"
        names.append(name)
        self.out.rules[id_] = Rule(names, decides)
        self.out.constructs.update("nft " + n for n in names)
        return f"\t\t{' '.join(parts)} counter {text} comment \"{id_}\"\n"

    def guard(self):
        f, lo = self.c["family"], GUARD
        text = f"\t\tmeta l4proto {{ icmp, ipv6-icmp }} accept\n"
        if f == "netdev":
            return (text + f"\t\ttcp dport {lo[0]}-{lo[1]} accept\n"
                    f"\t\tudp dport {lo[0]}-{lo[1]} accept\n\t\tmeta protocol arp accept\n")
        return text + f"\t\tmeta l4proto {{ tcp, udp }} th dport {lo[0]}-{lo[1]} accept\n"

    def rules(self, low, high):
        return "".join(filter(None, (self.rule() for _ in range(self.r.randrange(low, high)))))

    def base_chain(self, family, hook, jumps, name, strict):
        label, prio = self.r.choice(self.HOOKS[hook])
        kind = "nat" if label in ("dstnat", "srcnat") else "filter"
        if family == "netdev":
            prio = self.pick(-10, 0, 10)
        else:
            prio += self.pick(0, 0, 0, -1, 5, 10)
        if kind == "nat":
            prio = max(prio, -150)
        if hook == "output" and label == "mangle" and family != "netdev":
            kind = "route"
        policy = "drop" if strict and kind == "filter" else "accept"
        device = ""
        if hook == "ingress":
            names = self.r.sample(INTERFACES, self.r.randrange(1, 3))
            device = (f"device {names[0]} " if len(names) == 1
                      else f"devices = {{ {', '.join(names)} }} ")
        self.c = {"family": family, "hook": hook, "policy": policy, "prio": prio, "type": kind,
                  "jumps": jumps if kind != "nat" else []}
        body = self.guard()
        if self.w.chance(0.3) and hook != "ingress":
            body += "\t\tct state established,related accept\n"
        body += self.rules(2, 9)
        self.out.constructs[f"nft chain {family} {hook} {kind} {policy}"] += 1
        return (f"\tchain {name} {{\n\t\ttype {kind} hook {hook} {device}priority {prio}; policy "
                f"{policy};\n{body}\t}}\n")

    def table(self, strict_left):
        family = self.pick("ip", "ip", "ip6", "inet", "inet", "inet", "netdev")
        self.sets, chains = [], []
        hooks = (["ingress"] if family == "netdev" else
                 self.r.sample(["input", "input", "prerouting", "prerouting", "forward", "output",
                                "postrouting"] + (["ingress"] if family == "inet" else []),
                               self.r.randrange(1, 4)))
        jumps = []
        for i in range(self.r.randrange(0, 4)):
            # a chain jumps only to those before it, and is used from any hook that allows its rules
            self.c = {"family": family, "hook": "input" if "input" in hooks else hooks[0],
                      "policy": "accept", "prio": 0, "type": "filter", "jumps": list(jumps)}
            if len(set(hooks)) > 1:
                self.c["hook"] = "any"
            chains.append(f"\tchain u{i} {{\n{self.rules(1, 6)}\t}}\n")
            jumps.append(f"u{i}")
        for i, hook in enumerate(hooks):
            strict = hook in ("input", "forward", "prerouting", "ingress") and strict_left[0] > 0 \
                and self.w.chance(0.4 if hook == "input" else 0.15)
            strict_left[0] -= strict
            chains.append(self.base_chain(family, hook, jumps, f"b{i}", strict))
        self.tables += 1
        return f"table {family} t{self.tables} {{\n{''.join(self.sets)}{''.join(chains)}}}\n"

    def text(self):
        strict_left = [self.pick(0, 1, 1, 2)]
        return "".join(self.table(strict_left) for _ in range(self.r.randrange(1, 5)))


# --- iptables -----------------------------------------------------------------------------------

class Iptables:
    HOOKS = {"raw": ("PREROUTING", "OUTPUT"),
             "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
             "nat": ("PREROUTING", "OUTPUT", "POSTROUTING", "INPUT"),
             "filter": ("INPUT", "FORWARD", "OUTPUT")}

    def __init__(self, words, sets, backend):
        self.w, self.r, self.out = words, words.r, words.out
        self.sets, self.backend = sets, backend

    def pick(self, *choices):
        return self.r.choice(choices)

    def matches(self):
        return [(9, self.dport), (4, self.dport_range), (4, self.multiport), (7, self.source),
                (3, self.destination), (4, self.interface), (1, self.out_interface),
                (3, self.conntrack), (5, self.ipset), (2, self.iprange), (2, self.mark),
                (3, self.addrtype), (2.2, self.rate), (4, self.u32), (2, self.string),
                (1.5, self.flags), (1, self.sport), (1, self.misc), (0.2, self.ttl),
                (0.7, self.rpfilter),
                (1, self.protocol), (1, self.connmark), (0.3, self.unmirrored)]

    def no(self, p=0.2):
        return "! " if self.w.chance(p) else ""

    def need(self, *protos):
        """A protocol that what follows can be used with; None when the rule has another."""
        if self.p is None:
            self.p = self.r.choice(protos)
            self.parts.insert(0, f"-p {self.p}")
        return self.p if self.p in protos else None

    def dport(self):
        if not self.need("tcp", "udp"):
            return None
        return f"{self.no()}--dport {self.w.port()}", "--dport"

    def dport_range(self):
        if not self.need("tcp", "udp"):
            return None
        a, b = self.w.port_range()
        return f"{self.no()}--dport {self.pick(f'{a}:{b}', f'{a}:{b}', f'{a}:', f':{b}')}", \
            "--dport range"

    def sport(self):
        if not self.need("tcp", "udp"):
            return None
        return f"{self.no()}--sport {self.pick('1024:65535', '53', ':1023')}", "--sport"

    def multiport(self):
        if not self.need("tcp", "udp"):
            return None
        items = []
        for _ in range(self.r.randrange(1, 6)):
            items.append("%d:%d" % self.w.port_range() if self.w.chance(0.3) else
                         str(self.w.port()))
        kind = self.pick("--dports", "--dports", "--dports", "--ports", "--sports")
        if kind != "--dports":
            items.append("53")
        return f"-m multiport {self.no()}{kind} {','.join(items)}", "multiport " + kind

    def source(self):
        return f"{self.no()}-s {self.w.source(self.v6)}", "-s"

    def destination(self):
        return f"{self.no()}-d {self.w.destination(self.v6)}", "-d"

    def interface(self):
        if self.chain not in ("PREROUTING", "INPUT", "FORWARD"):
            return None
        return f"{self.no()}-i {self.pick('eth0', 'eth1', 'eth2', 'eth+', 'lo', 'ct0')}", "-i"

    def out_interface(self):
        if self.chain not in ("FORWARD", "POSTROUTING", "OUTPUT"):
            return None
        return f"{self.no()}-o {self.pick('eth0', 'ct0', 'ct+', 'lo')}", "-o"

    def conntrack(self):
        return "-m conntrack " + self.pick(
            "--ctstate NEW", "--ctstate ESTABLISHED,RELATED", "--ctstate INVALID",
            "--ctstate NEW,UNTRACKED", "--ctstatus NONE", "--ctdir ORIGINAL", "--ctstate DNAT",
            f"--ctorigdstport {self.w.port()}", "! --ctstate NEW",
            f"--ctorigdst {self.w.destination(self.v6)}"), "conntrack"

    def ipset(self):
        fits = [s for s in self.sets if s[2] in (self.v6, None)]
        if not fits:
            return None
        name, kind, _ = self.r.choice(fits)
        if "port" in kind and not self.need("tcp", "udp"):
            return None
        way = {"hash:ip": self.pick("src", "src", "dst"), "hash:net": self.pick("src", "src", "dst"),
               "hash:ip,port": "src,dst", "hash:net,port": "src,dst", "bitmap:port": "dst",
               "list:set": "src", "hash:net,iface": "src,src"}[kind]
        if kind == "hash:net,iface" and self.chain not in ("PREROUTING", "INPUT", "FORWARD"):
            return None
        return f"-m set {self.no(0.25)}--match-set {name} {way}", "ipset " + kind

    def iprange(self):
        if self.v6:
            return f"-m iprange {self.no()}--src-range 2600::1:5-2600::3:77", "iprange"
        a = int(ipaddress.ip_network(self.w.source(False))[0])
        b = min(a + self.r.randrange(1, 1 << 16), 0xdfffffff)
        if b <= a:
            return None
        self.out.addresses.add(str(ipaddress.ip_address(b)))
        return (f"-m iprange {self.no()}--src-range {ipaddress.ip_address(a)}-"
                f"{ipaddress.ip_address(b)}", "iprange")

    def mark(self):
        return f"-m mark {self.no()}--mark {self.pick('1', '2', '0x1/0x3', '0x0/0x10')}", "mark"

    def connmark(self):
        return f"-m connmark {self.no()}--mark {self.pick('1', '0x0/0x3')}", "connmark"

    def addrtype(self):
        limit = " --limit-iface-in" if self.chain in ("PREROUTING", "INPUT") and \
            self.w.chance(0.2) else ""
        return "-m addrtype " + self.pick(
            f"{self.no()}--dst-type LOCAL" + limit, f"{self.no()}--src-type LOCAL",
            "--dst-type UNICAST", "--src-type UNICAST"), "addrtype"

    def rate(self):
        self.out.doubts.add("rate")
        kind = self.pick("limit", "hashlimit", "recent", "recent update", "statistic", "connlimit",
                         "quota")
        name = f"n{len(self.out.rules)}"
        return {
            "limit": "-m limit --limit 5/second",
            "hashlimit": f"-m hashlimit --hashlimit-{self.pick('upto', 'above')} 5/second "
                         f"--hashlimit-mode {self.pick('srcip', 'srcip,dstport')} "
                         f"--hashlimit-name {name}",
            "recent": f"-m recent {self.no()}--rcheck --seconds 30 --name {name} --rsource",
            "recent update": f"-m recent --update --seconds 30 --hitcount 4 --name {name} --rsource",
            "statistic": f"-m statistic --mode random {self.no()}--probability 0.5",
            "connlimit": f"-m connlimit --connlimit-{self.pick('upto', 'above')} 3",
            "quota": f"-m quota {self.no()}--quota 10000"}[kind], kind

    def u32(self):
        if self.v6 or not self.w.opaque:
            return None
        self.out.doubts.add("opaque")
        port = self.w.port()
        if not self.need("tcp", "udp"):
            return None
        return f'-m u32 --u32 "0>>22&0x3C@0&0xFFFF={port}"', "u32"

    def string(self):
        if not self.w.opaque:
            return None
        self.out.doubts.add("opaque")
        return f'-m string {self.no()}--algo bm --string "GET /x"', "string"

    def flags(self):
        if not self.need("tcp"):
            return None
        return self.pick("--syn", "! --syn", "--tcp-flags FIN,SYN,RST,ACK SYN",
                         "--tcp-flags ALL NONE", "--tcp-option 2"), "tcp flags"

    def ttl(self):
        self.out.doubts.add("unmirrored")
        return "-m hl --hl-eq 64" if self.v6 else "-m ttl --ttl-eq 64", "ttl"

    def misc(self):
        return self.pick("-m pkttype --pkt-type unicast",
                         *(["-m dscp --dscp 0"] if not self.v6 else [])), "misc"

    def rpfilter(self):
        if self.table not in ("raw", "mangle") or self.chain != "PREROUTING":
            return None
        return self.pick("-m rpfilter", "-m rpfilter --invert", "-m rpfilter --loose",
                         "-m rpfilter --validmark --invert"), "rpfilter"

    def protocol(self):
        if self.p is not None:
            return None
        self.p = self.pick("tcp", "udp")
        return f"{'' if self.w.chance(0.7) else '! '}-p {self.p}", "-p"

    def unmirrored(self):
        self.out.doubts.add("unmirrored")
        return self.pick("-m cpu --cpu 0", "-m physdev --physdev-in eth0"), "unmirrored"

    def target(self, jumps, policy):
        if self.table == "nat":
            return self.nat_target()
        roll = self.r.random()
        if roll < 0.55:
            if self.w.chance(0.72 if policy == "DROP" else 0.45):
                return "-j ACCEPT", "ACCEPT", True
            if self.table == "filter" and self.w.chance(0.5):
                return self.reject()
            return "-j DROP", "DROP", True
        if roll < 0.73 and jumps:
            return f"{self.pick('-j', '-j', '-g')} {self.r.choice(jumps)}", "jump, goto", False
        if roll < 0.79:
            return "-j RETURN", "RETURN", True
        if roll < 0.85:
            if self.table == "mangle":
                return f"-j MARK --set-xmark {self.pick('1', '2', '0x1/0x3')}", "MARK", False
            if self.table == "raw":
                return "-j CT --notrack", "notrack", False
            return "-j LOG --log-prefix \"x \"", "LOG", False
        if roll < 0.88 and self.table == "mangle":
            return f"-j CONNMARK --set-mark {self.pick(1, 2)}", "CONNMARK", False
        if roll < 0.90:
            return f"-m recent --set --name s{len(self.out.rules)} --rsource", "recent --set", False
        if roll < 0.905 and self.table in ("filter", "mangle") and \
                self.chain in ("INPUT", "FORWARD", "PREROUTING"):
            self.out.doubts.add("stop")
            return "-j NFQUEUE --queue-num 3 --queue-bypass", "NFQUEUE", True
        return self.pick("-j ACCEPT", "-j DROP"), "ACCEPT, DROP", True

    def reject(self):
        if self.p == "tcp" and self.positive and self.w.chance(0.5):
            return "-j REJECT --reject-with tcp-reset", "REJECT tcp-reset", True
        kinds = (("icmp6-port-unreachable", "icmp6-adm-prohibited", "icmp6-no-route") if self.v6 else
                 ("icmp-port-unreachable", "icmp-host-prohibited", "icmp-admin-prohibited"))
        return f"-j REJECT --reject-with {self.r.choice(kinds)}", "REJECT", True

    def nat_target(self):
        if self.chain == "POSTROUTING":
            return self.pick("-j MASQUERADE", "-j ACCEPT", "-j RETURN"), "MASQUERADE", True
        if self.chain == "INPUT" or self.in_user:
            return self.pick("-j ACCEPT", "-j RETURN"), "nat ACCEPT", True
        if not (self.p and self.positive):
            return self.pick("-j RETURN", "-j ACCEPT"), "nat RETURN", True
        target = self.r.choice((CONTAINER6, CONTAINER6, "fd77::1") if self.v6 else
                               (CONTAINER, CONTAINER, "10.77.0.1", "127.0.0.1"))
        with_port = (f"[{target}]" if self.v6 else target) + f":{self.w.port()}"
        a, b = self.w.port_range()
        kind = self.pick("DNAT", "DNAT", "DNAT plain", "REDIRECT", "REDIRECT", "REDIRECT range",
                         "nat ACCEPT", "DNAT shifted")
        return {"DNAT": f"-j DNAT --to-destination {with_port}",
                "DNAT plain": f"-j DNAT --to-destination {target}",
                "DNAT shifted": f"-j DNAT --to-destination {target}",
                "REDIRECT": f"-j REDIRECT --to-ports {self.w.port()}",
                "REDIRECT range": f"-j REDIRECT --to-ports {a}",
                "nat ACCEPT": "-j ACCEPT"}[kind], kind, True

    def rule(self, jumps, policy):
        self.p, self.parts, names = None, [], []
        count = self.r.choice((1, 1, 1, 2, 2, 3)) if self.w.chance(0.96) else 0
        pool = self.matches()
        for m in self.r.choices([m for _, m in pool], [w for w, _ in pool], k=count):
            about = ("ports" if m in (self.dport, self.dport_range, self.multiport, self.sport)
                     else m.__name__)
            got = m() if about not in names else None
            if got:
                self.parts.append(got[0])
                names.append(about)
                self.labels.append(got[1])
        self.positive = not any(p.startswith("! -p") for p in self.parts)
        text, name, decides = self.target(jumps, policy)
        labels, self.labels = [*self.labels, name], []
        id_ = f"r{len(self.out.rules)}"
        self.out.rules[id_] = Rule([f"{label}" for label in labels], decides)
        self.out.constructs.update(f"{self.backend} {label}" for label in labels)
        return f"-A {self.name} {' '.join(self.parts)} -m comment --comment {id_} {text}\n"

    def chain_rules(self, name, chain, jumps, policy, low, high):
        self.name, self.chain, self.labels = name, chain, []
        return "".join(self.rule(jumps, policy) for _ in range(self.r.randrange(low, high)))

    def guard(self, chain):
        icmp = "ipv6-icmp" if self.v6 else "icmp"
        return (f"-A {chain} -p {icmp} -j ACCEPT\n"
                f"-A {chain} -p tcp --dport {GUARD[0]}:{GUARD[1]} -j ACCEPT\n"
                f"-A {chain} -p udp --dport {GUARD[0]}:{GUARD[1]} -j ACCEPT\n")

    def one_table(self, table, strict_left):
        self.table, self.in_user = table, False
        heads, body, jumps = "", "", []
        chains = self.r.sample(self.HOOKS[table], self.r.randrange(1, len(self.HOOKS[table]) + 1))
        for i in range(self.r.randrange(0, 3)):
            name = f"U{i}"
            heads += f":{name} - [0:0]\n"
            self.in_user = True
            # what is only allowed in one chain is not put into one for all
            body += self.chain_rules(name, "ANY", list(jumps), "ACCEPT", 1, 5)
            jumps.append(name)
        self.in_user = False
        for chain in self.HOOKS[table]:
            strict = (table == "filter" and chain in ("INPUT", "FORWARD") and chain in chains
                      and strict_left[0] > 0 and self.w.chance(0.35))
            strict_left[0] -= strict
            policy = "DROP" if strict else "ACCEPT"
            heads = f":{chain} {policy} [0:0]\n" + heads
            if chain in chains:
                body += self.guard(chain) + self.chain_rules(chain, chain, jumps, policy, 2, 8)
                self.out.constructs[f"{self.backend} {table} {chain} {policy}"] += 1
        return f"*{table}\n{heads}{body}COMMIT\n"

    def text(self, v6):
        self.v6 = v6
        strict_left = [self.pick(0, 1, 1)]
        tables = [t for t in self.HOOKS if self.w.chance({"filter": 0.95, "nat": 0.55, "mangle": 0.4,
                                                           "raw": 0.35}[t])] or ["filter"]
        return "".join(self.one_table(t, strict_left) for t in tables)


def make_ipsets(w):
    """(text for `ipset restore`, [(name, type, is v6 or None for both)])"""
    lines, sets, members = [], [], []
    for kind in w.r.sample(("hash:ip", "hash:net", "hash:ip,port", "bitmap:port", "list:set",
                            "hash:net,port", "hash:net,iface", "hash:ip", "hash:net"),
                           w.r.randrange(1, 6)):
        v6 = None if kind in ("bitmap:port",) else False if kind == "list:set" else w.chance(0.3)
        name = f"set{len(sets)}"
        extra = {"bitmap:port": "range 0-65535"}.get(kind, "" if kind == "list:set" else
                                                      f"family inet{'6' if v6 else ''}")
        if kind == "list:set" and not members:
            continue
        if w.chance(0.2) and kind != "list:set":
            extra += " counters"
        if w.chance(0.15) and kind.startswith("hash"):
            extra += " timeout 3000"
        lines.append(f"create {name} {kind} {extra}")
        for _ in range(w.r.randrange(1, 6)):
            if kind == "list:set":
                item = w.r.choice(members)
            elif kind == "bitmap:port":
                item = "%d-%d" % w.port_range() if w.chance(0.4) else str(w.port())
            else:
                net = ipaddress.ip_network(w.source(v6))
                while kind.startswith("hash:net") and net.prefixlen == 0:
                    net = ipaddress.ip_network(w.source(v6))
                first = str(net) if kind.startswith("hash:net") else str(
                    net[w.r.randrange(min(net.num_addresses, 200))])
                w.out.addresses.add(first)
                item = first
                if kind.endswith("port"):
                    ports = "%d-%d" % w.port_range() if w.chance(0.3) else str(w.port())
                    if "-" in ports and abs(eval(ports)) > 300:  # each port is an element
                        ports = ports.split("-")[0]
                    item += f",{w.r.choice(('tcp', 'udp'))}:{ports}"
                elif kind == "hash:net,iface":
                    item += f",{w.r.choice(INTERFACES)}"
                elif kind == "hash:net" and w.chance(0.2):
                    item += " nomatch"
            lines.append(f"add -exist {name} {item}" if 0 else f"add {name} {item} -exist")
        sets.append((name, kind, v6))
        if kind in ("hash:ip", "hash:net") and not v6:
            members.append(name)
    return "\n".join(lines) + "\n", sets


# --- the network --------------------------------------------------------------------------------

def make_network(w, out):
    r = w.r
    if w.chance(0.3):
        out.net.append("addr add 10.77.0.5/24 dev eth0")
        out.net.append("addr add fd77::5/64 dev eth0 nodad")
    if w.chance(0.2):
        out.net.append(f"addr add 192.168.5.1/{r.choice((24, 25))} dev eth1")
    if w.chance(0.2):
        out.net.append("link set eth1 group 7")
    for path in ("all", "eth0", "eth1", "eth2"):
        out.sysctls.append((f"ipv4/conf/{path}/rp_filter", r.choice(("0", "0", "1", "2"))))
        if w.chance(0.15) and path == "all":  # the way back needs it, too
            out.sysctls.append((f"ipv4/conf/{path}/route_localnet", "1"))
        if w.chance(0.1):
            out.sysctls.append((f"ipv4/conf/{path}/src_valid_mark", "1"))
    out.forwards = w.chance(0.75)
    out.sysctls.append(("ipv4/ip_forward", str(int(out.forwards))))
    out.sysctls.append(("ipv6/conf/all/forwarding", str(int(out.forwards and w.chance(0.8)))))
    if w.chance(0.3):
        out.net.append(f"route add {r.choice(('10.1.0.0/16', '200.100.0.0/15', '10.0.0.0/8'))} "
                       f"via {r.choice(('172.20.1.2', '8.20.30.2'))}")
        out.constructs["net route"] += 1
    if w.chance(0.12):
        out.net.append("route add 2600:1234::/32 via fd78::2")
    if w.chance(0.15):
        out.net.append(f"route add {r.choice(('blackhole', 'unreachable', 'prohibit'))} "
                       "185.1.2.0/23")
        out.constructs["net refusing route"] += 1
    if w.chance(0.3):
        dev, via = r.choice((("eth1", "172.20.1.2"), ("eth2", "8.20.30.2")))
        out.net.append(f"route add default via {via} dev {dev} table 100")
        # rules of the way in only: answers leave by `lo`
        out.net.append("rule add " + r.choice(
            ("iif eth1", "iif eth0 from 10.0.0.0/8", "iif eth0 fwmark 1", "iif eth2 to 10.88.0.0/16",
             "iif eth0 from 8.0.0.0/8")) + " lookup 100 pref 100")
        out.constructs["net rule"] += 1


def make(seed):
    r = random.Random(seed)
    out = Ruleset(seed)
    w = Words(r, out)
    make_network(w, out)
    kinds = r.choice((["nft"], ["nft"], ["nft"], ["nft"], ["ipt-nft"], ["ipt-nft"], ["legacy"],
                      ["legacy"], ["nft", "legacy"], ["legacy", "nft"], ["nft", "ipt-nft"],
                      ["legacy", "ipt-nft"]))
    sets = []
    if kinds != ["nft"] and w.chance(0.75):
        text, sets = make_ipsets(w)
        out.loads.append((["ipset", "restore"], text))
    for kind in kinds:
        out.constructs["program " + kind] += 1
        if kind == "nft":
            out.loads.append((["nft", "-f", "-"], Nft(w).text()))
            continue
        backend = "nft" if kind == "ipt-nft" else "legacy"
        for v6 in (False, True):
            if w.chance(0.85):
                out.loads.append(([f"ip{'6' if v6 else ''}tables-{backend}-restore"],
                                  Iptables(w, sets, kind).text(v6)))
    return out
