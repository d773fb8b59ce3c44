# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene E of bench.py: what a policy costs. Its ruleset is made and loaded; then new connections and
bytes from a peer, the best of interleaved rounds, against a naive ruleset of the same meaning (one rule for
each port and network, one after the other, as ufw writes them too) and against no firewall at all.
"""
import os
import random
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST, PEER = "198.51.100.1", "198.51.100.2"
SIZES, QUICK_SIZES = (1, 100, 1000, 10000), (1, 100)
NETWORKS, QUICK_NETWORKS = 50000, 500  # of all openings
NAIVE_LIMIT = 1000  # openings
ASKED = 50  # ports that are connected to
CONNECTIONS, POUR_MS = 2000, 200
LOAD_S, FORMAT_S, THROUGHPUT, FLAT = 5.0, 1.0, 0.97, 1.25


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


def naive_of(openings):
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
             "-A INPUT -i lo -j ACCEPT",
             "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
    lines += [f"-A INPUT -p tcp -s {source} --dport {port} -j ACCEPT"
              for port, sources in openings for source in sources]
    return "\n".join(lines) + "\nCOMMIT\n"


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
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
        self.rounds = 3 if self.quick else max(15, options.rounds)
        directory = Path(bench.tool).parent
        self.tool = str(directory / "traffic")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", self.tool,
                        str(HERE / "traffic.c")], check=True)
        self.rules = str(Path(bench.portero[0]).parent / "netns" / "policy_rules")
        self.file = directory / "bench.yaml"
        self.restore = shutil.which("iptables-legacy-restore") or \
            shutil.which("iptables-nft-restore")
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
        self.add(stack, "no firewall", openings_of(ASKED, ASKED))
        for count in QUICK_SIZES if self.quick else SIZES:
            openings = openings_of(count, networks)
            self.file.write_text(policy_of(openings))
            made, script = timed([self.rules, "rules", str(self.file)])
            loaded = self.add(stack, f"portero {count}", openings, ["nft", "-f", "-"], script)
            line = f"  {count:6} openings, {networks} networks: read and made in {made:.2f} s, " \
                   f"{len(script) / 1e6:.1f} MB, loaded in {loaded:.2f} s"
            self.numbers[f"portero {count}"] = {"made_s": made, "loaded_s": loaded}
            if count <= NAIVE_LIMIT and self.restore:
                took = self.add(stack, f"naive {count}", openings, [self.restore],
                                naive_of(openings))
                line += f" (naive rules: {took:.2f} s)"
            print(line + self.bench.judge(f"{LOAD_S:.0f} s", f"{count} openings {made + loaded:.1f} s",
                                          loaded <= LOAD_S and made <= FORMAT_S))

    def measure(self):
        """{name: [seconds per connection]}, {name: [bytes per second]}"""
        connects = {name: [] for name in self.peers}
        bytes_ = {name: [] for name in self.peers}
        for number in range(self.rounds + 1):
            for name, (peer, ports) in self.peers.items():
                count = CONNECTIONS // 10 if self.quick or name.startswith("naive") else CONNECTIONS
                took = int(timed([self.tool, peer, "connect", HOST, str(count),
                                  *map(str, ports)])[1])
                poured = float(timed([self.tool, peer, "pour", HOST, str(ports[-1]),
                                      str(POUR_MS)])[1])
                if number:
                    connects[name].append(took / count / 1e9)
                    bytes_[name].append(poured)
        return connects, bytes_


def best(samples, name):
    """Of all rounds: whatever else the machine does only makes it worse."""
    return max(samples[name]) if samples[name][0] > 1 else min(samples[name])


def ratio(samples, name, other):
    return best(samples, name) / best(samples, other)


def scene(bench, options, prefix):
    print("E. what a policy costs: made, loaded, and what a connection and a byte take")
    with ExitStack() as stack:
        s = Scene(bench, options, prefix)
        s.prepare(stack)
        connects, bytes_ = s.measure()
    base = "no firewall"
    for name, samples in connects.items():
        print(f"  {name:22}{min(samples) * 1e6:9.1f} us a connection (median "
              f"{statistics.median(samples) * 1e6:.1f}), {ratio(connects, name, base):6.2f}x; "
              f"{max(bytes_[name]) / 1e9:6.2f} GB/s (median "
              f"{statistics.median(bytes_[name]) / 1e9:.2f}), {ratio(bytes_, name, base):5.2f}x")
    sizes = [n for n in connects if n.startswith("portero")]
    flat = ratio(connects, sizes[-1], sizes[0])
    through = ratio(bytes_, sizes[-1], base)
    print(f"  {sizes[-1]} / {sizes[0]}: {flat:.2f}x a connection"
          + bench.judge(f"{FLAT}x", f"{sizes[-1]} {flat:.2f}x {sizes[0]}", flat <= FLAT))
    print(f"  {sizes[-1]} / {base}: {through:.2f} of the bytes"
          + bench.judge(THROUGHPUT, f"{sizes[-1]} {through:.2f} of the bytes", through >= THROUGHPUT))
    bench.results["E"] = {"load": s.numbers, "connect_s": connects, "bytes_per_s": bytes_}
    return f"{sizes[-1].split()[1]} openings: {flat:.2f}x a connection of 1, {through:.2f} of the bytes"
