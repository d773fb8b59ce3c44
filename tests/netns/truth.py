# SPDX-License-Identifier: GPL-2.0-or-later
"""
What packets really do, and whether portero says the same.

A Wire is two namespaces joined by a cable: the host, whose rules are tried, and the peer, which can
send from any address. The oracle (oracle/main.c) listens on all ports of the host and knocks at
them from the peer. `compare` holds the answers of `portero reach --json` against that, port by
port.
"""
import ipaddress
import json
import os
import random
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness import Netns, die_with_parent, ip, janitor, read_line

ORACLE = os.environ.get("ORACLE", str(Path(os.environ.get("PORTERO", "build/portero")).parent
                                      / "netns" / "oracle"))
VERDICTS = {"drop": ord("d"), "accept": ord("a"), "reject": ord("r"), "rate-limited": ord("l"),
            "unknown": ord("u")}
NAMES = {code: name for name, code in VERDICTS.items()}
UNSURE = (VERDICTS["rate-limited"], VERDICTS["unknown"])
ALL = "1-65535"
ALL_PORTS = os.environ.get("PORTERO_ALL_PORTS", "") == "1"  # of every class, in every comparison
AT_ONCE = 3  # scans; each may leave 65,535 tracked connections, of 262,144


def spread(intervals):
    """A verdict for each port: one byte each, at the port's index; 0 where there is none."""
    ports = bytearray(65536)
    for i in intervals:
        ports[i["from"]:i["to"] + 1] = bytes([VERDICTS[i["verdict"]]]) * (i["to"] - i["from"] + 1)
    return ports


def fold(ports, *verdicts):
    """The intervals [(first, last)] of the ports that have one of the verdicts (names)."""
    wanted = b"[" + bytes(VERDICTS[v] for v in verdicts) + b"]+"
    return [(m.start(), m.end() - 1) for m in re.finditer(wanted, bytes(ports))]


def differing(one, other):
    """The intervals in which two say different things, with what they say."""
    found = []
    if one == other:
        return found
    for port in range(1, 65536):
        pair = (one[port], other[port])
        if pair[0] == pair[1] or pair[0] in UNSURE:
            continue
        if found and found[-1][1] == port - 1 and found[-1][2] == pair:
            found[-1][1] = port
        else:
            found.append([port, port, pair])
    return found


def list_ports(intervals):
    """[(1, 3), (7, 7)] in words: "1-3,7"."""
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in intervals)


@dataclass
class Link:
    """Where packets for an interface of the host are sent from."""
    netns: str  # a path
    iface: str
    mac: str  # the host's
    own: tuple = ()  # addresses that somebody there has
    other: "Link | None" = None  # another sender at the same interface

    def find(self, source):
        """The sender to ask with: whoever has the source (the answers go there), else the first."""
        link = self
        while link:
            if source in link.own:
                return link
            link = link.other
        return self


def oracle(netns, *args, **kw):
    return subprocess.run([ORACLE, "--netns", netns, *map(str, args)], capture_output=True,
                          text=True, timeout=120, preexec_fn=die_with_parent, check=True, **kw)


class Ears:
    """Listeners on all ports of a namespace (given as a path), until closed."""

    def __init__(self, netns, ports=ALL):
        self.process = janitor.add(subprocess.Popen(
            [ORACLE, "--netns", netns, "listen", ports], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=die_with_parent))
        said = read_line(self.process, 60).split()
        assert said[0] == "ready", said
        self.taken = said[1:]  # by others: "tcp/8080"

    def close(self):
        janitor.end(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def quiet_errors(name):
    """Refusals of a namespace are not counted: each refused packet gets its answer."""
    for key, value in (("ipv4/icmp_ratelimit", "0"), ("ipv4/icmp_ratemask", "0"),
                       ("ipv6/icmp/ratelimit", "0"), ("ipv6/icmp/ratemask", "")):
        with name:
            path = Path("/proc/sys/net") / key
            if path.exists():
                path.write_text(value + "\n")


def mac_of_many(destination):
    """Where frames for a multicast or broadcast address are sent; None for others."""
    address = ipaddress.ip_address(destination)
    if address.version == 6:
        head, tail = "33:33", address.packed[12:]
    else:
        head, tail = "01:00:5e", (address.packed[1] & 127, *address.packed[2:])
    if address.is_multicast:
        return ":".join([head, *(f"{b:02x}" for b in tail)])
    # of the networks here none is so small that an ordinary address would end like this
    return "ff:ff:ff:ff:ff:ff" if address.version == 4 and address.packed[3] == 255 else None


class Wire:
    """
    Host (10.77.0.1, fd77::1 on veth0) and peer (.2, ::2), which is also the host's way to the
    internet. `more` are further networks on the same cable: ("192.0.2.1/24", ...).
    """
    IFACE = "veth0"

    def __init__(self, more=("192.0.2.1/24",)):
        self.host, self.peer = Netns(), Netns()
        host, peer = self.host.name, self.peer.name
        for ns in (self.host, self.peer):
            with ns:  # link-local addresses are used at once, and not only after a second
                for which in ("all", "default"):
                    path = Path(f"/proc/sys/net/ipv6/conf/{which}/accept_dad")
                    if path.exists():
                        path.write_text("0\n")
        ip("link", "add", self.IFACE, "netns", host, "type", "veth", "peer", "name", self.IFACE,
           "netns", peer)
        for name, last in ((host, "1"), (peer, "2")):
            for address in ("10.77.0.1/24", "fd77::1/64", *more):
                address = address.replace(".1/", f".{last}/").replace("::1/", f"::{last}/")
                ip("-n", name, "addr", "add", address, "dev", self.IFACE,
                   *(["nodad"] if ":" in address else []))
            ip("-n", name, "link", "set", self.IFACE, "up")
        self.host_path, self.peer_path = f"/run/netns/{host}", f"/run/netns/{peer}"
        self.mac, self.peer_mac = self.mac_of(self.host), self.mac_of(self.peer)
        for via in ("10.77.0.2", "fd77::2"):
            self.know(via)
            ip("-n", host, "route", "add", "default", "via", via)
        quiet_errors(self.host)
        self.links = {self.IFACE: Link(self.peer_path, self.IFACE, self.mac),
                      None: Link(self.host_path, "lo", "00:00:00:00:00:00")}

    def mac_of(self, ns, iface=IFACE):
        return json.loads(ip("-n", ns.name, "-j", "link", "show", iface).stdout)[0]["address"]

    def know(self, address):
        """The rules of the host may keep it from learning who has an address."""
        ip("-n", self.host.name, "neigh", "replace", address, "lladdr", self.peer_mac, "dev",
           self.IFACE, "nud", "permanent")

    def listen(self, ports=ALL):
        return Ears(self.host_path, ports)

    def forget(self):
        """Tracked connections of the host, which would decide for packets to come."""
        oracle(self.host_path, "flush")

    def scan(self, source, destination, proto, ports=ALL, iface=IFACE, tries=3,
             sport=None):
        """
        What happened to a packet for each port: spread(). Silence is asked again, `tries` times in
        all, and until the kernel had room for every frame.
        """
        link = self.links[iface].find(source)
        if iface == self.IFACE:
            self.know(source)
        many = mac_of_many(destination)
        said = json.loads(oracle(
            link.netns, "scan", "--from", source, "--to", destination, "--iface", link.iface,
            "--mac", link.mac, "--tries", tries, *(["--many", many] if many else []),
            *(["--sport", sport] if sport else []), proto, ports).stdout)
        assert said["unread"] == 0, said
        return spread(said["intervals"])

    def knock(self, source, destination, proto, port, iface=IFACE):
        """The verdict on one port, of a connection that nothing knew before."""
        self.forget()
        return NAMES[self.scan(source, destination, proto, str(port), iface)[port]]

    def close(self):
        self.host.close()
        self.peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- portero against it -------------------------------------------------------------------------

@dataclass
class Comparison:
    classes: int = 0
    ports: int = 0
    differences: list = field(default_factory=list)  # sentences
    unsure: list = field(default_factory=list)  # (class's title, "first-last,...", verdict, why)
    skipped: list = field(default_factory=list)  # titles of classes that nothing was compared of

    def __str__(self):
        lines = [f"{self.classes} classes, {self.ports} ports compared, "
                 f"{len(self.differences)} differences"]
        lines += [f"  difference: {d}" for d in self.differences[:40]]
        lines += [f"  {verdict}: {title}: {ports} ({why})"
                  for title, ports, verdict, why in self.unsure]
        lines += [f"  not compared: {s}" for s in self.skipped]
        return "\n".join(lines)


def title_of(c):
    return (f"{c['name']} via {c['interface'] or 'itself'}, {c['source']}"
            + (f" ({c['sources']})" if c["sources"] else "")
            + f" to {c['destination']}, {c['family']}, {c['proto']}")


def source_port(c):
    """That of a class of those who send from a port which the rules mention; else None."""
    found = re.search(r"from port (\d+)", c["sources"] or "")
    return int(found[1]) if found else None


def check_cover(c):
    """The intervals cover 1-65535, in order, without gaps."""
    port = 1
    for i in c["intervals"]:
        assert i["from"] == port <= i["to"], f"{title_of(c)}: {i} where {port} should begin"
        port = i["to"] + 1
    assert port == 65536, f"{title_of(c)}: ends at {port - 1}"


def source_of(wire, c):
    """The class's representative; if somebody has that address, another one of its network."""
    source = c["source"]
    if c["name"] == "link" and source in wire.links[c["interface"]].find(source).own:
        return source.rsplit(".", 1)[0] + ".200"
    return source


def compare_class(wire, c, ports, out):
    says, iface, sport = spread(c["intervals"]), c["interface"], source_port(c)
    source = source_of(wire, c)
    seen = wire.scan(source, c["destination"], c["proto"], ports, iface, tries=1,
                     sport=sport)
    if c["name"] == "forged" and c["proto"] == "tcp":
        # the answer leaves by the other interface: world.py and test_forged.py look there
        for port, pair in enumerate(zip(says, seen)):
            if pair == (VERDICTS["accept"], VERDICTS["drop"]):
                seen[port] = VERDICTS["accept"]
    if ports != ALL:
        for port in range(1, 65536):
            if not seen[port]:
                says[port] = 0
    differs = differing(says, seen)
    # a packet may get lost, but not again; the one listener that gets all answers of a machine which
    # asks itself at the same time is late
    for pause in (0, 2, 5):
        if not differs or len(differs) >= 500:
            break
        time.sleep(pause)
        again = wire.scan(source, c["destination"], c["proto"],
                          list_ports([d[:2] for d in differs]), iface, sport=sport)
        for first, last, _ in differs:
            seen[first:last + 1] = again[first:last + 1]
        differs = differing(says, seen)
    for pair in sorted({d[2] for d in differs}):
        ports = list_ports([d[:2] for d in differs if d[2] == pair])
        out.differences.append(f"{title_of(c)}: portero says {NAMES[pair[0]]}, packets say "
                               f"{NAMES[pair[1]]}: {ports[:300]}")
    for i in c["intervals"]:
        if VERDICTS[i["verdict"]] in UNSURE:
            if not i.get("why"):
                out.differences.append(f"{title_of(c)}: {i['from']}-{i['to']} {i['verdict']}, and "
                                       "portero does not say why")
            out.unsure.append((title_of(c), list_ports([(i["from"], i["to"])]), i["verdict"],
                               i.get("why", "")))
    out.classes += 1
    out.ports += sum(says.count(v) for v in b"dar")


def choose_ports(classes, all_ports):
    """
    [(class, ports to ask for)]. All ports of one class of each different answer; of those which are
    said to be treated alike, the ports around every edge that any class has, and 3,000 more.
    """
    edges = {e + d for c in classes for i in c["intervals"] for e in (i["from"], i["to"])
             for d in (-1, 0, 1)}
    answers, chosen = set(), []
    for c in classes:
        check_cover(c)
        answer = (c["family"], c["proto"], c["behind"], c["name"] == "host",
                  bytes(spread(c["intervals"])))
        if all_ports or answer not in answers:
            answers.add(answer)
            chosen.append((c, ALL))
            continue
        dice = random.Random(title_of(c))
        ports = {p for p in edges if 0 < p < 65536} | set(dice.sample(range(1, 65536), 3000))
        chosen.append((c, ",".join(map(str, sorted(ports)))))
    return chosen


def compare(wire, reach, wanted=lambda c: True, all_ports=ALL_PORTS):
    """
    Holds every class of a `portero reach --json` against packets (see choose_ports). The host must
    listen on all ports (and so must what is behind it, or its refusals count as the host's). What
    portero calls rate-limited or unknown, and says why, is no difference, and is listed; so are the
    classes that nobody can ask for.
    """
    out = Comparison()
    classes = []
    for c in reach["classes"]:
        if c["interface"] in wire.links and c["interface"] and \
                source_of(wire, c) == c["destination"]:
            out.skipped.append(f"{title_of(c)}: nobody asks itself by another machine")
        elif c["interface"] in wire.links and wanted(c):
            classes.append(c)
        else:
            out.skipped.append(title_of(c))
    chosen = choose_ports(classes, all_ports)
    for full, at_once in ((True, AT_ONCE), (False, 4 * AT_ONCE)):
        these = [c for c in chosen if (c[1] == ALL) == full]
        with ThreadPoolExecutor(at_once) as pool:
            for i in range(0, len(these), at_once):
                wire.forget()
                list(pool.map(lambda c: compare_class(wire, *c, out), these[i:i + at_once]))
    return out
