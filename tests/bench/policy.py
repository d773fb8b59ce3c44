# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene E of bench.py: what a policy costs. Its ruleset is made and loaded; then new connections and
bytes from a peer, in interleaved rounds (paired.py), against rulesets of the same meaning in the manner
of others (rulesets.py: naive, ufw, firewalld), against connection tracking alone and no firewall at all.
"""
import os
import random
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paired
import rulesets

HERE = Path(__file__).resolve().parent
HOST, PEER = "198.51.100.1", "198.51.100.2"
SIZES, QUICK_SIZES = (1, 100, 1000, 10000), (1, 100)
NETWORKS, QUICK_NETWORKS = 50000, 500  # of all openings
OTHERS_LIMIT = 1000  # openings: more take others minutes to load
ASKED = 50  # ports that are connected to
CONNECTIONS, POUR_MS = 2000, 200
LOAD_S, FORMAT_S, THROUGHPUT, FLAT = 5.0, 1.0, 0.97, 1.25
NOTHING = "no firewall"
TRACKED = "tracking alone"  # what no firewall that knows connections can do without
TRACKING = """table inet t {
	chain input { type filter hook input priority 0; policy accept;
		ct state established accept
	}
}
"""


def openings_of(count, networks):
    """[(port, [network])]: the peer's address is among the networks of each."""
    dice = random.Random(count)
    found = []
    for i in range(count):
        sources = {f"{PEER}/32"}
        while len(sources) < networks // count:
            bits = dice.choice((16, 20, 24, 24, 28, 32))
            value = dice.randrange(0x01000000, 0xc0000000) >> (32 - bits) << (32 - bits)
            sources.add(f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/{bits}")
        found.append((1 + i * 6, dice.sample(sorted(sources), len(sources))))
    return found


def policy_of(openings):
    lines = ["openings:"]
    for port, sources in openings:
        lines += [f"  - ports: {port}/tcp", f"    from: [{', '.join(sources)}]", "    why: bench"]
    return "\n".join(lines) + "\n"


def manners():
    """{name: (who loads it, who writes it)}: ufw as Debian has it, on nf_tables."""
    found = {}
    legacy, compat = (shutil.which(f"iptables-{kind}-restore") for kind in ("legacy", "nft"))
    if legacy or compat:
        found["naive"] = ([legacy or compat], rulesets.naive)
        found["ufw"] = ([compat or legacy], rulesets.ufw)
    found["firewalld"] = (["nft", "-f", "-"], rulesets.firewalld)
    return found


@contextmanager
def pair(tool, prefix, number, ports):
    """Two namespaces with a cable, and who listens in the first."""
    host, peer = f"{prefix}{os.getpid()}-h{number}", f"{prefix}{os.getpid()}-p{number}"
    server = None
    try:
        for name in (host, peer):
            subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "link", "add", "eth0", "netns", host, "type", "veth", "peer", "name",
                        "eth0", "netns", peer], check=True)
        for name, address in ((host, HOST), (peer, PEER)):
            subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input=f"""
                addr add {address}/24 dev eth0
                link set lo up
                link set eth0 up
                """)
        server = subprocess.Popen([tool, f"/run/netns/{host}", "serve", *map(str, ports)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=paired.on_cpu(paired.ends()[0]))
        if server.stdout.readline() != "ready\n":
            raise RuntimeError("nobody listens")
        yield host, f"/run/netns/{peer}"
    finally:
        if server:
            server.stdin.close()
            server.wait()
            server.stdout.close()
        for name in (host, peer):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def timed(command, text=None, **kw):
    began = time.monotonic()
    out = subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE,
                         **kw).stdout
    return time.monotonic() - began, out


class Scene:
    def __init__(self, bench, options, prefix):
        self.bench, self.prefix = bench, prefix
        self.quick = options.quick
        self.rounds = 4 if self.quick else max(21, options.rounds)
        directory = Path(bench.tool).parent
        self.tool = str(directory / "traffic")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", self.tool,
                        str(HERE / "traffic.c")], check=True)
        self.rules = str(Path(bench.portero[0]).parent / "netns" / "policy_rules")
        self.file = directory / "bench.yaml"
        self.peers = {}  # name: (namespace of the peer, ports)
        self.numbers = {}

    def add(self, stack, name, openings, argv=None, text=None):
        """A pair with that ruleset; how long it took to load."""
        ports = [p for p, _ in openings]
        ports = ports[::max(1, len(ports) // ASKED)]
        host, peer = stack.enter_context(pair(self.tool, self.prefix, len(self.peers), ports))
        self.peers[name] = (peer, ports)
        return timed(["ip", "netns", "exec", host, *argv], text)[0] if argv else 0

    def prepare(self, stack):
        networks = QUICK_NETWORKS if self.quick else NETWORKS
        self.add(stack, NOTHING, openings_of(ASKED, ASKED))
        self.add(stack, TRACKED, openings_of(ASKED, ASKED), ["nft", "-f", "-"], TRACKING)
        for count in QUICK_SIZES if self.quick else SIZES:
            openings = openings_of(count, networks)
            self.file.write_text(policy_of(openings))
            made, script = timed([self.rules, "rules", str(self.file)])
            loaded = self.add(stack, f"portero {count}", openings, ["nft", "-f", "-"], script)
            line = f"  {count:6} openings, {networks} networks: read and made in {made:.2f} s, " \
                   f"{len(script) / 1e6:.1f} MB, loaded in {loaded:.2f} s"
            self.numbers[f"portero {count}"] = {"made_s": made, "loaded_s": loaded}
            others = self.add_others(stack, openings) if count <= OTHERS_LIMIT else ""
            print(line + others + self.bench.judge(f"{LOAD_S:.0f} s", f"{count} openings {made + loaded:.1f} s",
                                          loaded <= LOAD_S and made <= FORMAT_S))

    def add_others(self, stack, openings):
        took = []
        for manner, (argv, write) in manners().items():
            name = f"{manner} {len(openings)}"
            loaded = self.add(stack, name, openings, argv, write(openings))
            self.numbers[name] = {"loaded_s": loaded}
            took.append(f"{manner} {loaded:.2f} s")
        return f" ({', '.join(took)})"

    def ask(self, peer, *words):
        return timed([self.tool, peer, *map(str, words)],
                     preexec_fn=paired.on_cpu(paired.ends()[1]))[1]

    def measure(self):
        """{name: [seconds per connection]}, {name: [bytes per second]}"""
        connects = {name: [] for name in self.peers}
        bytes_ = {name: [] for name in self.peers}
        for number, name in paired.rounds_of(self.peers, self.rounds + 1):
            peer, ports = self.peers[name]
            few = self.quick or not name.startswith(("portero", NOTHING, TRACKED))
            count = CONNECTIONS // 10 if few else CONNECTIONS
            took = int(self.ask(peer, "connect", HOST, count, *ports))
            poured = float(self.ask(peer, "pour", HOST, ports[-1], POUR_MS))
            if number:
                connects[name].append(took / count / 1e9)
                bytes_[name].append(poured)
        return connects, bytes_


def ratio(samples, name, other):
    return paired.ratio(samples[name], samples[other])


def print_samples(connects, bytes_):
    for name, samples in connects.items():
        print(f"  {name:16}{statistics.median(samples) * 1e6:9.1f} us a connection, "
              f"{paired.words(ratio(connects, name, NOTHING))}x; "
              f"{statistics.median(bytes_[name]) / 1e9:6.2f} GB/s, "
              f"{paired.words(ratio(bytes_, name, NOTHING))}x")


def print_flat(bench, connects):
    """What a connection costs with many openings, by what it costs with one: of everybody."""
    answers = {}
    for manner in ("portero", *manners()):
        sizes = [n for n in connects if n.startswith(manner + " ")]
        answers[manner] = flat = ratio(connects, sizes[-1], sizes[0])[0]
        line = f"  {sizes[-1]} / {sizes[0]}: {flat:.2f}x a connection"
        if manner == "portero":
            line += bench.judge(f"{FLAT}x", f"{sizes[-1]} {flat:.2f}x {sizes[0]}", flat <= FLAT)
        else:
            same = f"portero {sizes[-1].split()[1]}"
            line += f"; {ratio(connects, sizes[-1], same)[0]:.2f}x {same}"
        print(line)
    return answers["portero"]


def print_kept(bench, connects, bytes_, name, other):
    """What is left of the connections and bytes a second; judged next to nothing at all."""
    for what, samples, others in (("connections", connects[other], connects[name]),
                                  ("bytes", bytes_[name], bytes_[other])):
        kept = paired.ratio(samples, others)  # seconds a connection: the other way round
        verdict = bench.judge(THROUGHPUT, f"{name} {kept[0]:.2f} of the {what} a second",
                              kept[0] >= THROUGHPUT) if other == NOTHING else ""
        print(f"  {name} / {other}: {paired.words(kept)} of the {what} a second{verdict}")
    return kept[0]


def scene(bench, options, prefix):
    print("E. what a policy costs: made, loaded, and what a connection and a byte take")
    with ExitStack() as stack:
        s = Scene(bench, options, prefix)
        s.prepare(stack)
        connects, bytes_ = s.measure()
    print_samples(connects, bytes_)
    flat = print_flat(bench, connects)
    last = [n for n in connects if n.startswith("portero")][-1]
    print_kept(bench, connects, bytes_, last, TRACKED)
    through = print_kept(bench, connects, bytes_, last, NOTHING)
    bench.results["E"] = {"load": s.numbers, "connect_s": connects, "bytes_per_s": bytes_}
    return f"{last.split()[1]} openings: {flat:.2f}x a connection of 1, {through:.2f} of the bytes"
