# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene G of bench.py: 65,535 TCP ports of a host in a namespace, over a veth: portero scan next to
nmap -sS -T4 and masscan, in interleaved rounds; a host that answers, one that drops, and ways that
lose packets. How fast, how many packets, and above all how many open ports were missed.
"""
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import scan_network
import scan_udp

HOST, PEER = "198.51.100.1", "198.51.100.2"
OPEN = sorted(random.Random(5).sample(range(1, 65536), 38))
FASTER, DROPPING_S = 2.0, 1.0
LOSSES = (1, 5, 20)
MASSCAN_S = 40

LISTEN = """
import socket, sys
held = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.read()
"""

DROPPING = """
table inet host {
	chain in { type filter hook input priority 0; policy drop;
		tcp dport { %s } accept
	}
}
""" % ", ".join(map(str, OPEN))


def losing(percent):
    chains = "".join(f"chain {hook} {{ type filter hook {hook} priority -300;\n"
                     f"meta l4proto tcp numgen random mod 100 < {percent} drop\n}}\n"
                     for hook in ("prerouting", "output"))
    return f"table inet weather {{\n{chains}}}\n"


class Scene:
    def __init__(self, bench, prefix, stack):
        self.bench = bench
        self.host, self.peer = (f"{prefix}{os.getpid()}-{n}" for n in "hp")
        for name in (self.host, self.peer):
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "add", "eth0", "netns", self.host, "type", "veth", "peer",
                        "name", "eth0", "netns", self.peer], check=True)
        for name, address in ((self.host, HOST), (self.peer, PEER)):
            subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input=f"""
                addr add {address}/24 dev eth0
                link set lo up
                link set eth0 up
                """)
        listener = subprocess.Popen(
            ["ip", "netns", "exec", self.host, sys.executable, "-c", LISTEN, *map(str, OPEN)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(listener.wait)
        stack.callback(listener.stdin.close)
        if listener.stdout.readline() != "ready\n":
            raise RuntimeError("nobody listens")
        links = subprocess.run(["ip", "-n", self.host, "-j", "link", "show", "eth0"], text=True,
                               stdout=subprocess.PIPE, check=True).stdout
        self.mac = json.loads(links)[0]["address"]
        self.netns = f"/run/netns/{self.peer}"
        folder = Path(os.environ["PORTERO_RUNTIME_DIR"]).parent
        self.out = folder / "scan.out"
        scope = folder / "scope"
        scope.write_text(f"{HOST} the bench itself\n{scan_network.NETWORK} the same\n")
        self.portero = [bench.portero[0], "scan", "--json", "--scope-file", str(scope), HOST]

    def rules(self, text):
        subprocess.run(["ip", "netns", "exec", self.host, "nft", "-f", "-"], text=True, check=True,
                       input="flush ruleset\n" + text)

    def run(self, command):
        """The time of the whole process, and what it wrote."""
        script = '"$@" > "$0"'
        sample = self.bench.time(self.netns, ["sh", "-c", script, str(self.out), *command])
        return sample, self.out.read_text()

    def ask_portero(self):
        sample, text = self.run(self.portero)
        answer = json.loads(text)
        return sample, {p["port"] for p in answer["hosts"][0]["ports"]}, answer["sent"]

    def ask_nmap(self):
        sample, text = self.run(["nmap", "-n", "-Pn", "-sS", "-p-", "-T4", "-oG", "-", HOST])
        return sample, {int(p) for p in re.findall(r"(\d+)/open/tcp", text)}, None

    def masscan(self, ports, targets):
        """It does not always end: then what it had found counts, and so does the time."""
        # the way has no gateway, which masscan would look for
        return self.run(["sh", "-c", f'timeout {MASSCAN_S} masscan "$@" || test $? -eq 124', "sh",
                         "--rate", "100000", "--wait", "1", "-p", ports, "--router-mac", self.mac,
                         "-e", "eth0", "-oG", "-", targets])

    def ask_masscan(self):
        sample, text = self.masscan("1-65535", HOST)
        return sample, {int(p) for p in re.findall(r"(\d+)/open/tcp", text)}, None

    def compare(self, name, askers, rounds):
        """{who: (median seconds, missed, made up)}, in interleaved rounds."""
        times, missed, extra, sent = {}, {}, {}, []
        for _ in range(rounds):
            for who, ask in askers.items():
                sample, found, packets = ask()
                times.setdefault(who, []).append(sample.seconds)
                missed[who] = missed.get(who, 0) + len(set(OPEN) - found)
                extra[who] = extra.get(who, 0) + len(found - set(OPEN))
                sent += [packets] if packets else []
        print(f"  {name}, {rounds} rounds:")
        for who, took in times.items():
            packets = (f"; {statistics.median(sent):,.0f} packets, "
                       f"{statistics.median(sent) / len(OPEN):,.0f} for each open port"
                       if who == "portero" else "")
            print(f"    {who:10}{statistics.median(took) * 1000:9.1f} ms ({min(took) * 1000:.0f} "
                  f"to {max(took) * 1000:.0f}); missed {missed[who]} of {rounds * len(OPEN):,}"
                  f"{packets}")
        if missed["portero"] or extra["portero"]:
            raise RuntimeError(f"{name}: portero missed {missed['portero']} open ports, and made "
                               f"up {extra['portero']}")
        return {who: statistics.median(took) for who, took in times.items()}


def scene(bench, options, prefix):
    rounds = 2 if options.quick else max(10, options.rounds)
    print(f"G. 65,535 TCP ports of a host over a veth, {len(OPEN)} of them open")
    results = {}
    with ExitStack() as stack:
        s = Scene(bench, prefix, stack)
        askers = {"portero": s.ask_portero}
        if shutil.which("nmap"):
            askers["nmap"] = s.ask_nmap
        else:
            print("  nmap is not installed (BENCH_PACKAGES): not compared")
        s.rules("")
        results["answering"] = s.compare("it answers", askers, rounds)
        if shutil.which("masscan"):
            results["masscan"] = s.compare(
                "the same with masscan", {"portero": s.ask_portero, "masscan": s.ask_masscan},
                1 if options.quick else 2)
        s.rules(DROPPING)
        results["dropping"] = s.compare("it drops", {"portero": s.ask_portero}, rounds)
        if not options.quick and "nmap" in askers:
            results["dropping, nmap"] = s.compare("the same with nmap", askers, 1)
        for percent in LOSSES if not options.quick else (5,):
            for text, name in (("", "answers"), (DROPPING, "drops")):
                s.rules(text + losing(percent))
                what = f"{percent} % lost each way, it {name}"
                results[what] = s.compare(what, {"portero": s.ask_portero},
                                          2 if options.quick else 5)
        s.rules("")
        results["network"] = scan_network.compare(s, OPEN, 1 if options.quick else 5)
        if not options.quick:
            results["udp"] = scan_udp.compare(s, HOST)
    bench.results["G"] = results
    drops = results["dropping"]["portero"]
    verdict = bench.judge(f"{DROPPING_S} s", f"scan of a dropping host {drops:.2f} s",
                          drops <= DROPPING_S)
    print(f"  it drops: {drops:.2f} s{verdict}")
    words = f"65,535 ports: {results['answering']['portero'] * 1000:.0f} ms"
    if "nmap" in askers:
        ratio = results["answering"]["nmap"] / results["answering"]["portero"]
        verdict = bench.judge(f"{FASTER}x", f"nmap / portero scan {ratio:.1f}x", ratio >= FASTER)
        print(f"  it answers: nmap / portero {ratio:.1f}x{verdict}")
        words += f" ({ratio:.1f}x nmap -T4)"
    return words + f", of a host that drops {drops * 1000:.0f} ms; nothing missed"
