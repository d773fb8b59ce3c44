# SPDX-License-Identifier: GPL-2.0-or-later
"""A host, and who scans it: what the tests of portero scan have in common."""
import os
import random
import re
import subprocess
from pathlib import Path

from harness import (PORTERO, SLOW, base_environment, die_with_parent, janitor, need_program, portero,
                     runtime_dir, wait_until)

TARGET, VISITOR = "192.0.2.2", "192.0.2.1"
TARGET6, VISITOR6 = "2001:db8:5::2", "2001:db8:5::1"
MINUTES = 600 * SLOW  # a guard against hanging, no measure
OPEN = sorted(random.Random(7).sample(range(1, 65536), 30))

DROPPING = """
table inet host {
	chain in {
		type filter hook input priority 0; policy drop;
		iif lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport { %s } accept
	}
}
"""


def losing(percent):
    """Of IP packets, both ways; neighbours find each other."""
    lose = f"numgen random mod 100 < {percent} drop"
    return "table inet weather {\n" + "".join(
        f"chain {hook} {{ type filter hook {hook} priority -300;\n"
        f"meta l4proto tcp {lose}\n}}\n" for hook in ("prerouting", "output")) + "}\n"


RESETS_LIMITED = """
table inet limited {
	chain out {
		type filter hook output priority 0;
		tcp flags & rst == rst limit rate over 400/second drop
	}
}
"""


class Pair:
    """A host that listens, its visitor, and the cable between them."""

    def __init__(self, make_ns, tmp_path):
        self.host, self.visitor = make_ns(), make_ns()
        self.host.connect(self.visitor, addresses=(f"{TARGET}/24", f"{TARGET6}/64"))
        for address in (f"{VISITOR}/24", f"{VISITOR6}/64"):
            with self.visitor:
                subprocess.run(["ip", "addr", "add", address, "dev", "eth0",
                                *(["nodad"] if ":" in address else [])], check=True)
        self.scope = tmp_path / "scope"
        self.scope.write_text(f"# for a test\n{TARGET}/32 the test itself\n{TARGET6} the same\n")

    def listen(self, ports=OPEN):
        for port in ports:
            self.host.tcp("::", port, v6only=False)

    def scan(self, *args, target=TARGET, **kw):
        return portero("scan", "--json", "--scope-file", self.scope, *args, target,
                       ns=self.visitor, timeout=MINUTES, **kw)

    def states(self, *args, **kw):
        (host,) = self.scan(*args, code=(0,), **kw).json["hosts"]
        return {port: i["state"] for i in host["intervals"]
                for port in range(i["first"], i["last"] + 1)}


def of_state(states, wanted):
    return sorted(port for port, state in states.items() if state == wanted)


def nmap(pair, *args, target=TARGET):
    """{port: state}: nmap has no word of its own for what portero calls rejected."""
    need_program("nmap")
    with pair.visitor:
        text = subprocess.run(["nmap", "-n", "-Pn", "-sS", "-T4", "-oG", "-", *args, target],
                              capture_output=True, text=True, check=True, timeout=MINUTES).stdout
    ports = re.search(r"Ports: ([^\t\n]*)", text)
    seen = {}
    for word in ports[1].split(", ") if ports else ():
        number, state = word.split("/")[:2]
        seen[int(number)] = state
    rest = re.search(r"Ignored State: (\w+)", text)
    return seen, rest[1] if rest else None


def packets_seen(ns, device="eth0"):
    with ns:
        text = Path("/proc/thread-self/net/dev").read_text()
    return int(re.search(rf"{device}: *\d+ +(\d+)", text)[1])


def begin_scan(pair, *args):
    out = open(f"{runtime_dir()}/scan-{os.getpid()}", "w+b")
    with pair.visitor:
        p = subprocess.Popen([PORTERO, "scan", "--json", "--scope-file", str(pair.scope),
                              *args, TARGET], stdout=out, stderr=subprocess.DEVNULL,
                             env=base_environment(), preexec_fn=die_with_parent)
    return janitor.add(p), out


def start_scan(pair, *args):
    """One that takes long, and has begun."""
    before = packets_seen(pair.host)
    p, out = begin_scan(pair, "--rate", "500", *args)
    wait_until(lambda: packets_seen(pair.host) > before + 20, 60 * SLOW, "the scan's first packets")
    return p, out


def state_of(ns):
    """What a scan could leave behind, on either machine."""
    with ns:
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True,
                               check=True).stdout
        packet = Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]
        raw = [line for name in ("raw", "raw6", "tcp", "tcp6")
               for line in Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]
               if line.split()[3] != "0A"]  # not the listeners
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True,
                               check=True).stdout
        half_open = subprocess.run(["ss", "-Htan", "state", "syn-recv"], capture_output=True,
                                   text=True, check=True).stdout
    return rules, packet, raw, [line.split(":")[1] for line in links.splitlines()], half_open
