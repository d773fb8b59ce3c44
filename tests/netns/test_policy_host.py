# SPDX-License-Identifier: GPL-2.0-or-later
"""
A machine whose policy closes nearly everything, and all that must work on it nevertheless: its own
connections, those that were there before, path MTU, neighbours, DHCP, fragments, what it routes for
others; and what else a ruleset does: rates, ends, refusals, echo, broadcast, multicast.
"""
import re
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import harness
from harness import Netns, die_with_parent, ip, need_program, require_namespaces, wait_until
from test_policy_packets import TOOL

HOST, PEER = ("10.77.0.1", "fd77::1"), ("10.77.0.2", "fd77::2")
BOTH = pytest.mark.parametrize("v6", (False, True), ids=("ipv4", "ipv6"))
CLOSED = "openings: []\n"
SHORT = 0.4  # seconds in which a packet arrives, if it does


def opening(ports, source="internet", **more):
    lines = [f"  - ports: {ports}", f"    from: {source}"]
    return "\n".join(lines + [f"    {k}: {v}" for k, v in more.items()]) + "\n"


class Machine:
    """A host, a peer at its eth0, and one at its eth1 (10.78.0.2, fd78::2)."""

    def __init__(self, directory):
        self.host, self.peer, self.other = Netns(), Netns(), Netns()
        self.path = directory / "policy.yaml"
        self.held = []
        for ns in (self.host, self.peer, self.other):
            with ns:
                for key in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{key}/accept_dad").write_text("0")
                Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")
                Path("/proc/sys/net/ipv6/icmp/ratelimit").write_text("0")
        for iface, ns, net in (("eth0", self.peer, "77"), ("eth1", self.other, "78")):
            ip("link", "add", iface, "netns", self.host.name, "type", "veth", "peer", "name", "eth0",
               "netns", ns.name)
            for name, dev, last in ((self.host.name, iface, 1), (ns.name, "eth0", 2)):
                ip("-n", name, "addr", "add", f"10.{net}.0.{last}/24", "dev", dev, "broadcast", "+")
                ip("-n", name, "addr", "add", f"fd{net}::{last}/64", "dev", dev, "nodad")
                ip("-n", name, "link", "set", dev, "up")
            for via in (f"10.{net}.0.1", f"fd{net}::1"):
                ip("-n", ns.name, "route", "add", "default", "via", via)

        self.wait()

    def wait(self):
        """Interfaces take a moment until they work."""
        end = time.monotonic() + 10
        for ns in (self.peer, self.other):
            for address in (HOST[0], HOST[1]):
                while not echoes(ns, address, 0.1):
                    assert time.monotonic() < end, f"{address} does not answer"

    def close(self):
        for s in self.held:
            s.close()
        for ns in (self.host, self.peer, self.other):
            ns.close()

    def load(self, policy, *options, change=lambda script: script):
        self.path.write_text(policy)
        done = subprocess.run([TOOL, "--link", "eth0", "10.77.0.1/24", "--link", "eth0",
                               "fd77::1/64", *options, "rules", str(self.path)], text=True,
                              capture_output=True, preexec_fn=die_with_parent, check=False)
        assert done.returncode == 0, done.stderr
        self.host.nft(change(done.stdout))

    def counters(self):
        with self.host:
            text = subprocess.run(["nft", "list", "table", "inet", "portero"], text=True,
                                  capture_output=True, check=True).stdout
        return [(int(n), comment) for n, comment in
                re.findall(r"counter packets (\d+) bytes \d+.*? comment \"(.*)\"", text)]

    def count(self, start):
        return sum(n for n, comment in self.counters() if comment.startswith(start))

    def udp(self, ns, address="::", port=0):
        self.held.append(ns.udp(address, port))
        return self.held[-1]

    def tcp(self, ns, port, address="::"):
        self.held.append(ns.tcp(address, port))
        return self.held[-1]

    def connect(self, ns, address, port, source=None):
        """The connection, or what became of the attempt: "drop", "reject"."""
        with ns:
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.held.append(s)
        s.settimeout(SHORT)
        if source:
            s.bind((source, 0))
        try:
            with ns:
                s.connect(socket.getaddrinfo(address, port)[0][4])
        except TimeoutError:
            return "drop"
        except ConnectionRefusedError:
            return "reject"
        return s

    def accepted(self, listener):
        listener.settimeout(2)
        s = listener.accept()[0]
        self.held.append(s)
        return s


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def echoes(ns, address, wait=SHORT):
    """Is an ICMP echo request answered?"""
    v6 = ":" in address
    request = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 77, 1)
    if not v6:
        request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
    with ns:
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    with s:
        try:
            s.sendto(request, (address, 0))
        except OSError:  # no route yet
            time.sleep(wait)
            return False
        end = time.monotonic() + wait
        while select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            data, who = s.recvfrom(1000)
            if who[0] == address and data[0 if v6 else 20] == (129 if v6 else 0):
                return True
    return False


def arrives(s):
    """The next datagram, or None."""
    return s.recv(65536) if select.select([s], [], [], SHORT)[0] else None


def talk(one, other):
    """Both hear each other."""
    for a, b in ((one, other), (other, one)):
        a.sendall(b"word")
        b.settimeout(2)
        assert b.recv(100) == b"word"


@pytest.fixture
def machine(tmp_path):
    require_namespaces()
    need_program("nft")
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.close()


# --- what must go on ----------------------------------------------------------------------------

@BOTH
def test_own_connections(machine, v6):
    machine.load(CLOSED)
    listener = machine.tcp(machine.peer, 80)
    mine = machine.connect(machine.host, PEER[v6], 80)
    talk(mine, machine.accepted(listener))
    server, client = machine.udp(machine.peer, "::", 53), machine.udp(machine.host)
    client.sendto(b"question", (PEER[v6] if v6 else f"::ffff:{PEER[v6]}", 53))
    data, who = server.recvfrom(100)
    server.sendto(b"answer", who)
    assert arrives(client) == b"answer"
    assert machine.count("undeclared") == 0


@BOTH
def test_the_machine_itself(machine, v6):
    machine.load("settings:\n  icmp: {echo: drop}\n" + CLOSED)
    listener = machine.tcp(machine.host, 80)
    talk(machine.connect(machine.host, HOST[v6], 80), machine.accepted(listener))
    assert echoes(machine.host, HOST[v6])


@BOTH
@pytest.mark.parametrize("options", ((), ("--no-socket",)), ids=("socket", "no-socket"))
def test_connections_of_before(machine, v6, options):
    """Connections that are older than connection tracking, idle, both ways; who speaks first?"""
    pairs = []
    for ns, server, address in ((machine.peer, machine.host, HOST[v6]),
                                (machine.host, machine.peer, PEER[v6])):
        listener = machine.tcp(server, 80)
        for _ in range(2):
            client = machine.connect(ns, address, 80)
            pairs.append((client, machine.accepted(listener)))
    machine.load(CLOSED, *options)
    assert machine.connect(machine.peer, HOST[v6], 80) == "drop"
    for i, pair in enumerate(pairs):
        first, other = pair if i % 2 else reversed(pair)
        if options and (first is pair[0]) == (i < 2):
            continue  # the peer speaks first, and nothing knows the connection
        talk(first, other)
    pairs[0][0].close()  # and they end
    pairs[0][1].settimeout(2)
    if not options:
        assert pairs[0][1].recv(1) == b""


@BOTH
def test_errors_of_others(machine, v6):
    """ICMP errors reach the socket: nobody listens at the peer."""
    machine.load(CLOSED)
    client = machine.udp(machine.host, HOST[v6])
    client.connect((PEER[v6], 53))
    client.send(b"question")
    assert select.select([client], [], [], 2)[0]
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)


@BOTH
def test_path_mtu(machine, v6):
    """A router on the way has a smaller link: what it says is heard, of connections in and out."""
    machine.load("openings:\n" + opening("80/tcp"))
    far = Netns()
    try:
        ip("link", "add", "far", "netns", machine.peer.name, "type", "veth", "peer", "name", "eth0",
           "netns", far.name)
        for name, dev, last in ((machine.peer.name, "far", 1), (far.name, "eth0", 2)):
            ip("-n", name, "addr", "add", f"10.79.0.{last}/24", "dev", dev)
            ip("-n", name, "addr", "add", f"fd79::{last}/64", "dev", dev, "nodad")
            ip("-n", name, "link", "set", dev, "mtu", "1300")
            ip("-n", name, "link", "set", dev, "up")
        # the far end believes in 1,500, so that it offers such segments
        ip("-n", far.name, "link", "set", "eth0", "mtu", "1500")
        machine.peer.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        for name, via, net in ((far.name, "10.79.0.1", "default"), (far.name, "fd79::1", "default"),
                               (machine.host.name, PEER[0], "10.79.0.0/24"),
                               (machine.host.name, PEER[1], "fd79::/64")):
            ip("-n", name, "route", "add", net, "via", via)
        listener = machine.tcp(machine.host, 80)
        client = machine.connect(far, HOST[v6], 80)
        served = machine.accepted(listener)
        served.sendall(b"x" * 100000)
        client.settimeout(3)
        got = 0
        while got < 100000:
            got += len(client.recv(65536))
        with machine.host:
            text = subprocess.run(["ip", "-6" if v6 else "-4", "route", "get",
                                   "fd79::2" if v6 else "10.79.0.2"], text=True,
                                  capture_output=True, check=True).stdout
        assert "mtu 1300" in text, text
    finally:
        far.close()


@BOTH
def test_neighbours(machine, v6):
    """ARP, neighbour solicitations, both ways."""
    machine.load("openings:\n" + opening("80/tcp"))
    listener = machine.tcp(machine.host, 80)
    for ns in (machine.host, machine.peer):
        ip("-n", ns.name, "neigh", "flush", "dev", "eth0")
    talk(machine.connect(machine.peer, HOST[v6], 80), machine.accepted(listener))


def test_link_local(machine):
    machine.load("openings:\n" + opening("80/tcp", "link"))
    with machine.host:
        text = Path("/proc/thread-self/net/if_inet6").read_text()
    found = re.search(r"^(fe80\w+) .* eth0$", text, re.M)[1]
    address = ":".join(found[i:i + 4] for i in range(0, 32, 4))
    for port in (80, 81):
        listener = machine.tcp(machine.host, port)
        got = machine.connect(machine.peer, f"{address}%eth0", port)
        if port == 80:
            talk(got, machine.accepted(listener))
        else:
            assert got == "drop"
    # from an address of the link at its own interface, not at another
    assert machine.connect(machine.peer, HOST[0], 80) != "drop"
    assert machine.connect(machine.other, HOST[0], 80) == "drop"


def send_raw_udp(ns, source, sport, destination, dport, payload=b"hello", mac=b"\xff" * 6):
    """A datagram from any address, to the link's broadcast address."""
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    with ns, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0))
        s.send(mac + b"\x02\0\0\0\0\x09\x08\0" + head + udp)


def test_dhcp(machine):
    machine.load("openings:\n" + opening("67/udp", "link"))
    client = machine.udp(machine.host, "0.0.0.0", 68)
    with machine.host:
        Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("0")
        Path("/proc/sys/net/ipv4/conf/eth0/rp_filter").write_text("0")
    for destination in ("255.255.255.255", HOST[0]):
        send_raw_udp(machine.peer, "10.1.2.3", 67, destination, 68)
        assert arrives(client) == b"hello", destination
        send_raw_udp(machine.peer, "10.1.2.3", 1067, destination, 68)
        assert arrives(client) is None, destination
    # a server hears those who have no address yet
    server = machine.udp(machine.host, "0.0.0.0", 67)
    send_raw_udp(machine.peer, "0.0.0.0", 68, "255.255.255.255", 67)
    assert arrives(server) == b"hello"


@BOTH
def test_fragments(machine, v6):
    machine.load("openings:\n" + opening("53/udp"))
    sender = machine.udp(machine.peer, PEER[v6])
    for port in (53, 54):
        server = machine.udp(machine.host, HOST[v6], port)
        sender.sendto(b"x" * 5000, (HOST[v6], port))
        assert (arrives(server) is not None) == (port == 53)


def test_broadcast_and_multicast(machine):
    machine.load("openings:\n" + opening("5353/udp", "link"))
    with machine.peer:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    machine.held.append(sender)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    group6 = "ff02::fb"
    for port in (5353, 5354):
        heard = machine.udp(machine.host, "0.0.0.0", port)
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                         socket.inet_aton("224.0.0.251") + socket.inet_aton(HOST[0]))
        for destination in ("10.77.0.255", "255.255.255.255", "224.0.0.251"):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
            sender.sendto(b"all", (destination, port))
            assert (arrives(heard) is not None) == (port == 5353), (destination, port)
        with machine.host:
            heard = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            machine.held.append(heard)
            heard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            heard.bind(("::", port))
            heard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                             socket.inet_pton(socket.AF_INET6, group6) +
                             struct.pack("i", socket.if_nametoindex("eth0")))
        with machine.peer:
            index = socket.if_nametoindex("eth0")
        sender6 = machine.udp(machine.peer)
        sender6.sendto(b"all", (group6, port, 0, index))
        assert (arrives(heard) is not None) == (port == 5353), port


@BOTH
def test_what_is_routed_through(machine, v6):
    machine.load(CLOSED)
    machine.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    listener = machine.tcp(machine.other, 80)
    got = machine.connect(machine.peer, "fd78::2" if v6 else "10.78.0.2", 80)
    talk(got, machine.accepted(listener))
    # but an address of the machine is its own, whatever the interface
    machine.tcp(machine.host, 80)
    assert machine.connect(machine.peer, "fd78::1" if v6 else "10.78.0.1", 80) == "drop"


@BOTH
def test_published_ports(machine, v6):
    """A port that is passed on to a container obeys by the number at which packets arrive."""
    machine.host.nft("""table inet docker {
        chain prerouting {
            type nat hook prerouting priority dstnat;
            fib daddr type local tcp dport 8080 dnat ip to 10.78.0.2:80
            fib daddr type local tcp dport 8080 dnat ip6 to [fd78::2]:80
        }
    }""")
    machine.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    listener = machine.tcp(machine.other, 80)
    before = machine.connect(machine.peer, HOST[v6], 8080)
    served = machine.accepted(listener)
    machine.load("openings:\n" + opening("80/tcp"))
    assert machine.connect(machine.peer, HOST[v6], 8080) == "drop"
    talk(before, served)
    machine.load("openings:\n" + opening("8080/tcp"))
    talk(machine.connect(machine.peer, HOST[v6], 8080), machine.accepted(listener))
    # and the container gets out
    listener = machine.tcp(machine.peer, 443)
    talk(machine.connect(machine.other, PEER[v6], 443), machine.accepted(listener))


# --- what else a ruleset does -------------------------------------------------------------------

@BOTH
def test_rate(machine, v6):
    machine.load("openings:\n" + opening("80/tcp", rate="3/hour") + opening("81/tcp"))
    for port in (80, 81):
        machine.tcp(machine.host, port)
    near = "fd77::99" if v6 else "10.77.0.99"
    far = "fd99::99" if v6 else None
    ip("-n", machine.peer.name, "addr", "add", near, "dev", "eth0", *(["nodad"] if v6 else []))
    # neighbours know each other by then: a packet that is lost for that counts, too
    wait_until(lambda: machine.connect(machine.peer, HOST[v6], 81) != "drop")
    got = [machine.connect(machine.peer, HOST[v6], 80) for _ in range(5)]
    assert [g == "drop" for g in got] == [False] * 3 + [True] * 2, got
    got[0].sendall(b"goes on")
    # an address is a source of its own, but an IPv6 network is one
    assert (machine.connect(machine.peer, HOST[v6], 80, source=near) == "drop") == v6
    if far:
        ip("-n", machine.peer.name, "addr", "add", far, "dev", "eth0", "nodad")
        ip("-n", machine.host.name, "route", "add", far, "via", PEER[1])
        assert machine.connect(machine.peer, HOST[v6], 80, source=far) != "drop"
    assert machine.connect(machine.peer, HOST[v6], 81) != "drop"
    machine.load("settings:\n  protect: [80/tcp]\nopenings:\n" + opening("80/tcp", rate="3/hour"))
    assert machine.connect(machine.peer, HOST[v6], 80) != "drop", "a new table begins anew"


@BOTH
def test_rate_of_datagrams(machine, v6):
    """What has no answer is no new connection each time; what is over the rate is none at all."""
    machine.load("openings:\n" + opening("514/udp", rate="2/hour"))
    server = machine.udp(machine.host, HOST[v6], 514)
    senders = [machine.udp(machine.peer, PEER[v6]) for _ in range(3)]
    for i, sender in enumerate(senders):
        for _ in range(4):
            sender.sendto(b"line", (HOST[v6], 514))
            assert (arrives(server) is not None) == (i < 2), i


def test_rate_is_not_used_up_by_others(machine):
    """Connections that another opening lets in do not count."""
    machine.load("openings:\n" + opening("[80/tcp, 81/tcp]", rate="1/hour")
                 + opening("80/tcp", PEER[0]))
    for port in (80, 81):
        machine.tcp(machine.host, port)
    for port, expected in ((80, True), (80, True), (81, True), (81, False)):
        assert (machine.connect(machine.peer, HOST[0], port) != "drop") == expected, port


def test_end(machine):
    """The kernel's clock ends an opening; that of a protected port does not end."""
    end = int(time.time()) + 2
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    machine.load("settings:\n  protect: [81/tcp]\nopenings:\n"
                 + opening("[80/tcp, 81/tcp]", until=f'"{until}"'))
    for port in (80, 81):
        machine.tcp(machine.host, port)
    assert machine.connect(machine.peer, HOST[0], 80) != "drop"
    time.sleep(max(0, end + 0.1 - time.time()))
    assert machine.connect(machine.peer, HOST[0], 80) == "drop"
    assert machine.connect(machine.peer, HOST[0], 81) != "drop"


@BOTH
def test_refusal(machine, v6):
    machine.load("settings:\n  undeclared: reject\n" + CLOSED)
    machine.tcp(machine.host, 80)
    assert machine.connect(machine.peer, HOST[v6], 80) == "reject"
    client = machine.udp(machine.peer, PEER[v6])
    machine.udp(machine.host, HOST[v6], 53)
    client.connect((HOST[v6], 53))
    client.send(b"question")
    assert select.select([client], [], [], 2)[0]
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)
    assert machine.count("undeclared") == 2


@BOTH
def test_observe(machine, v6):
    machine.load("settings:\n  icmp: {echo: drop}\n" + CLOSED, "--observe")
    listener = machine.tcp(machine.host, 80)
    talk(machine.connect(machine.peer, HOST[v6], 80), machine.accepted(listener))
    assert echoes(machine.peer, HOST[v6])
    assert machine.count("undeclared") == 1
    assert machine.count("echo") == 1


@BOTH
@pytest.mark.parametrize("echo", ("accept", "drop"))
def test_echo(machine, v6, echo):
    machine.load(f"settings:\n  icmp: {{echo: {echo}}}\n" + CLOSED)
    for ns, address, gets in ((machine.peer, HOST[v6], echo == "accept"),
                              (machine.host, PEER[v6], True)):
        assert echoes(ns, address) == gets, address


def test_counters(machine):
    machine.load("openings:\n" + opening("80/tcp", why="the shop"))
    machine.tcp(machine.host, 80)
    for _ in range(3):
        machine.connect(machine.peer, HOST[0], 80)
    assert machine.connect(machine.peer, HOST[0], 81) == "drop"
    assert machine.count("policy.yaml:2 the shop") == 3
    assert machine.count("undeclared") >= 1


def test_other_protocols(machine):
    """SCTP, DCCP and UDP-Lite have ports; what has none is not touched."""
    machine.load("openings:\n" + opening("[80/udplite]"))
    for port in (80, 81):
        server = machine.host.socket("udplite", HOST[0], port)
        machine.held.append(server)
        with machine.peer:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, harness.IPPROTO_UDPLITE)
        machine.held.append(client)
        client.sendto(b"light", (HOST[0], port))
        assert (arrives(server) is not None) == (port == 80)
    with machine.host:
        gre = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    with machine.peer:
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    machine.held += [gre, sender]
    sender.sendto(b"\0\0\x08\0", (HOST[0], 0))
    assert arrives(gre) is not None


def send_tcp(raw, port, sport, flags):
    tcp = struct.pack("!HHIIBBHHH", sport, port, 1, 1, 0x50, flags, 1024, 0, 0)
    pseudo = socket.inet_aton(PEER[0]) + socket.inet_aton(HOST[0]) + \
        struct.pack("!BBH", 0, 6, len(tcp)) + tcp
    raw.sendto(tcp[:16] + struct.pack("!H", checksum(pseudo)) + tcp[18:], (HOST[0], 0))


def raw_tcp(machine):
    with machine.peer:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    machine.held.append(raw)
    return raw


SYN, RST, ACK = 2, 4, 16


def test_stray_segments(machine):
    """What belongs to no connection gets nothing from a closed port."""
    machine.load(CLOSED)
    machine.tcp(machine.host, 80, "0.0.0.0")
    raw = raw_tcp(machine)
    for flags in (ACK, ACK | SYN, ACK | 1, 1, 0, RST, 0x29):
        send_tcp(raw, 80, 40000 + flags, flags)
    assert arrives(raw) is None
    assert machine.count("undeclared") == 7


def test_no_way_in_behind_a_stray_segment(machine):
    """
    An ACK to a socket that listens at one address gets to it, since it might be of a connection:
    the answer is a reset, and what connection tracking makes of it lets no SYN in.
    """
    machine.load(CLOSED)
    machine.tcp(machine.host, 80, HOST[0])
    machine.peer.nft("table inet quiet { chain output { type filter hook output priority 0; "
                     "tcp sport 41000-41999 tcp flags rst drop; }; }")
    raw = raw_tcp(machine)
    for sport, first in ((41001, ACK), (41002, ACK | SYN), (41003, ACK | 1)):
        for flags in (first, SYN, first, SYN, SYN):
            send_tcp(raw, 80, sport, flags)
        while (got := arrives(raw)) is not None:
            assert got[20 + 13] & RST, (sport, got)
