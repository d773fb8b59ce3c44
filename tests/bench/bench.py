# SPDX-License-Identifier: GPL-2.0-or-later
"""
How fast portero is and how much memory it takes, next to ss and lsof in the same run, in
interleaved rounds: what slows the machine down for a while slows all of them down.

  A  2,000 processes with 10,000 TCP listeners: portero, ss -tulpn and lsof -nP -i, and that the
     three of them list the same; then again with processes whose program a package owns
  B  10,000, 30,000 and 100,000 sockets: time and peak memory of portero
  C  this machine as it is: portero, portero --no-bpf and ss -tulpn
  D  a host with 200 rules: portero reach from a twin, from the cache, and asking every port;
     portero with it and without; nmap -sS -p- from a peer, and that both find the same open ports
  E  policies of 1 to 10,000 openings with 50,000 networks: loading them, new connections and bytes,
     next to rules of the same meaning as others write them, and to no firewall (policy.py)
  F. the guard: listening, connecting, bytes and datagrams with it, next to without (guard.py)
  G. all TCP ports of a host over a veth: portero scan next to nmap, masscan and zmap, with and without
     packets lost, and that no open port is missed (scan.py)

A, B and C are about who listens: they run portero --no-reach.

Needs root. The load lives in a network namespace of its own, which is removed in the end. lsof and
ss look into every process of the machine whatever the namespace; so does portero.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import guard
import policy
import scan

HERE = Path(__file__).resolve().parent
PREFIX = "portero-bench-"

SS = ["ss", "-tulpn"]
LSOF = ["lsof", "-nP", "-i"]
FILES = 40  # descriptors of a process besides its listeners

SS_RATIO, LSOF_RATIO = 10, 20  # scene A: so many times as fast, at least
MEMORY_KIB = 100 * 1024  # scene B, at every size
ORDINARY_S = 0.100  # scene C
COLD_S, CACHED_S, STATUS_S = 2.0, 0.020, 0.5  # scene D
REACH_MEMORY_KIB = 64 * 1024
NMAP = ["nmap", "-sS", "-p-", "-n", "-Pn", "-oG", "-"]
NMAP_HURRY = ["-T5", "--min-rate", "20000"]  # with --quick: less patient than anybody is


@dataclass
class Sample:
    """One run of one command."""
    seconds: float
    user_s: float
    system_s: float
    memory_kib: int
    status: int


class Bench:
    """The tool that makes load and takes times, and where the results go."""

    def __init__(self, portero, directory, quick):
        self.portero = [portero, "--no-reach"]  # ss and lsof do not look at the firewall
        self.quick = quick
        self.tool = str(Path(directory) / "load")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", self.tool,
                        str(HERE / "load.c")], check=True)
        self.results = {}
        self.missed = []

    def time(self, netns, command):
        """Runs it once. The command's own exit code says nothing about its speed."""
        out = subprocess.run([self.tool, netns, "time", *command], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
        wall, user, system, memory, status = (int(word) for word in out.split())
        if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) > 2:
            raise RuntimeError(f"{' '.join(command)}: wait status {status}")
        return Sample(wall / 1e9, user / 1e9, system / 1e9, memory, status)

    def rounds(self, netns, commands, count):
        """{name: samples}: every command once in each round. The first round does not count."""
        samples = {name: [] for name in commands}
        for number in range(count + 1):
            for name, command in commands.items():
                sample = self.time(netns, command)
                if number:
                    samples[name].append(sample)
        return samples

    def read(self, netns, command):
        return subprocess.run([self.tool, netns, "exec", *command], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False).stdout

    @contextmanager
    def load(self, processes, listeners, packaged=False):
        """
        A namespace with that load in it; gives its file. `packaged`: the program that runs is, by
        /proc/PID/exe, the dynamic loader, which a package owns, and not our own tool.
        """
        name = f"{PREFIX}{os.getpid()}"
        netns = f"/run/netns/{name}"
        holder = None
        try:
            subprocess.run(["ip", "netns", "add", name], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
            holder = subprocess.Popen(
                [*([self.loader()] if packaged else []), self.tool, netns, "hold",
                 str(processes), str(listeners), str(FILES)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if holder.stdout.readline() != "ready\n":
                raise RuntimeError(f"no load of {processes} processes")
            yield netns
        finally:
            if holder:  # it ends its children, then itself
                holder.stdin.close()
                holder.wait()
                holder.stdout.close()
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def loader(self):
        """The tool's dynamic loader (PT_INTERP is a path that ends in a NUL)."""
        found = re.search(rb"(/lib[\w/.-]*/ld[\w.-]*\.so[\w.]*)\0", Path(self.tool).read_bytes())
        if not found:
            raise RuntimeError("no dynamic loader in " + self.tool)
        return found[1].decode()

    def judge(self, budget, what, met):
        """The end of a line: the budgets are for the full load, on a machine that does no more."""
        if self.quick:
            return ""
        if not met:
            self.missed.append(f"{what}, budget {budget}")
        return f"; budget {budget}: {'met' if met else 'MISSED'}"


def remove_leftovers():
    """Namespaces of runs that were killed: those named after a process that is no more."""
    for path in Path("/run/netns").glob(PREFIX + "*"):
        if not os.path.exists(f"/proc/{path.name[len(PREFIX):].split('-')[0]}"):
            subprocess.run(["ip", "netns", "del", path.name], check=False)


# --- the same answers? --------------------------------------------------------------------------

def portero_listeners(text):
    found = set()
    for port in json.loads(text)["ports"]:
        for listener in port["listeners"]:
            for pid in listener["pids"]:
                found.add((listener["address"], port["port"], pid))
    return found


def unbracket(address):
    return address.strip("[]")


def ss_listeners(text):
    found = set()
    for line in text.splitlines()[1:]:
        address, _, port = line.split()[4].rpartition(":")
        for pid in re.findall(r"pid=(\d+)", line):
            found.add((unbracket(address), int(port), int(pid)))
    return found


def lsof_listeners(text):
    found, pid = set(), None
    for line in text.splitlines():
        if line[0] == "p":
            pid = int(line[1:])
        elif line[0] == "n":
            address, _, port = line[1:].rpartition(":")
            found.add((unbracket(address), int(port), pid))
    return found


def compare_answers(bench, netns, expected):
    """Prints how many they agree on; an error when they do not: then the times mean nothing."""
    answers = {"portero": portero_listeners(bench.read(netns, [*bench.portero, "--json"]))}
    if shutil.which("ss"):
        answers["ss"] = ss_listeners(bench.read(netns, SS))
    if shutil.which("lsof"):
        answers["lsof"] = lsof_listeners(bench.read(netns, LSOF + ["-Fn"]))
    for name, found in answers.items():
        if len(found) != expected or found != answers["portero"]:
            extra = sorted(found - answers["portero"])[:3]
            lacks = sorted(answers["portero"] - found)[:3]
            raise RuntimeError(f"{name} lists {len(found):,} listeners, not {expected:,}; "
                               f"{extra} only {name}, {lacks} only portero")
    print(f"  the same (address, port, pid) in {', '.join(answers)}: {expected:,}")


# --- numbers ------------------------------------------------------------------------------------

def seconds(samples):
    return [s.seconds for s in samples]


def median(samples):
    return statistics.median(seconds(samples))


def spread(samples):
    """Noise: half of all runs are within this part of the median."""
    if len(samples) < 4:
        return (max(seconds(samples)) - min(seconds(samples))) / median(samples)
    low, _, high = statistics.quantiles(seconds(samples), n=4)
    return (high - low) / median(samples)


def ms(value):
    return f"{value * 1000:9.1f} ms"


def count_processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def print_samples(samples):
    print(f"  {'':22}{'min':>12}{'median':>12}{'max':>12}{'noise':>8}{'user+sys':>12}"
          f"{'memory':>10}")
    for name, runs in samples.items():
        cpu = statistics.median(s.user_s + s.system_s for s in runs)
        print(f"  {name:22}{ms(min(seconds(runs)))}{ms(median(runs))}{ms(max(seconds(runs)))}"
              f"{spread(runs):7.0%} {ms(cpu)}{max(s.memory_kib for s in runs) / 1024:7.1f} MB")


def raw(samples):
    return {name: [asdict(s) for s in runs] for name, runs in samples.items()}


def ratio_line(bench, samples, peer, budget):
    ratio = median(samples[peer]) / median(samples["portero"])
    each = sorted(p.seconds / own.seconds
                  for p, own in zip(samples[peer], samples["portero"]))
    verdict = bench.judge(f"{budget}x", f"{peer} / portero {ratio:.1f}x", ratio >= budget)
    print(f"  {peer + ' / portero':22}{ratio:8.1f}x (by rounds {each[0]:.1f} to {each[-1]:.1f})"
          f"{verdict}")
    return ratio


# --- the scenes ---------------------------------------------------------------------------------

def scene_a(bench, options):
    processes, listeners = (200, 5) if options.quick else (2000, 5)
    total = processes * listeners
    print(f"A. {processes:,} processes with {listeners} TCP listeners and {FILES} other "
          f"descriptors each; {options.rounds} rounds; portero --no-reach")
    peers = {" ".join(c): (c, b) for c, b in ((SS, SS_RATIO), (LSOF, LSOF_RATIO))
             if shutil.which(c[0])}
    commands = {"portero": bench.portero}
    commands.update({name: command for name, (command, _) in peers.items()})
    commands["(true)"] = ["true"]  # what it costs to start a process at all
    with bench.load(processes, listeners) as netns:
        samples = bench.rounds(netns, commands, options.rounds)
        compare_answers(bench, netns, total)
    print_samples(samples)
    ratios = {name: ratio_line(bench, samples, name, budget)
              for name, (_, budget) in peers.items()}
    print("  the same, where a package owns the program:")
    commands.pop(" ".join(LSOF), None)
    with bench.load(processes, listeners, packaged=True) as netns:
        packaged = bench.rounds(netns, commands, options.rounds)
    print_samples(packaged)
    bench.results["A"] = {"processes": processes, "listeners": total, "ratios": ratios,
                          "samples": raw(samples), "samples_packaged": raw(packaged)}
    words = [f"{processes:,} processes with {total:,} listeners: portero "
             f"{median(samples['portero']) * 1000:.0f} ms"]
    words += [f"{name} {median(samples[name]) * 1000:.0f} ms ({ratio:.0f}x)"
              for name, ratio in ratios.items()]
    return ", ".join(words)


def scene_b(bench, options):
    sizes = (1000, 3000) if options.quick else (10000, 30000, 100000)
    each, rounds = 1000, min(options.rounds, 5)
    print(f"B. many sockets, {each:,} to a process; {rounds} rounds; portero --no-reach")
    bench.results["B"] = {}
    for total in sizes:
        with bench.load(total // each, each) as netns:
            samples = bench.rounds(netns, {"portero": bench.portero}, rounds)["portero"]
        memory = max(s.memory_kib for s in samples)
        verdict = bench.judge(f"{MEMORY_KIB // 1024} MB", f"{total:,} sockets "
                              f"{memory / 1024:.0f} MB", memory <= MEMORY_KIB)
        print(f"  {total:7,} sockets {ms(min(seconds(samples)))} {ms(median(samples))} "
              f"{ms(max(seconds(samples)))}; for 10,000: {ms(median(samples) / total * 10000)}; "
              f"{memory / 1024:.1f} MB{verdict}")
        bench.results["B"][total] = raw({"portero": samples})
    return f"{total:,} sockets: {median(samples):.2f} s, {memory / 1024:.0f} MB"


def scene_c(bench, options):
    rounds = 5 if options.quick else max(20, options.rounds)
    count = count_processes()
    print(f"C. this machine as it is, {count} processes; {rounds} rounds; portero --no-reach")
    commands = {"portero": bench.portero, "portero --no-bpf": [*bench.portero, "--no-bpf"]}
    if shutil.which("ss"):
        commands[" ".join(SS)] = SS
    commands["(true)"] = ["true"]
    samples = bench.rounds("-", commands, rounds)
    print_samples(samples)
    own = median(samples["portero"])
    difference = (own - median(samples["portero --no-bpf"])) * 1000
    verdict = bench.judge(f"{ORDINARY_S * 1000:.0f} ms", f"an ordinary machine {own * 1000:.0f} ms",
                          own <= ORDINARY_S)
    print(f"  {own * 1000:.1f} ms, of which {difference:+.1f} ms because BPF (loaded, then one "
          f"pass) is asked and not /proc{verdict}")
    bench.results["C"] = {"processes": count, "samples": raw(samples)}
    return f"an ordinary machine ({count} processes): {own * 1000:.0f} ms"


# --- scene D: a host and its peer ---------------------------------------------------------------

HOST, PEER = "198.51.100.1", "198.51.100.2"


def ufw_like(family):
    """100 rules in the manner of ufw, for iptables-restore."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f":ufw-{name}-input - [0:0]" for name in ("before", "user", "after")]
    lines += [f"-A INPUT -j ufw-{name}-input" for name in ("before", "user", "after")]
    lines += ["-A ufw-before-input -i lo -j ACCEPT",
              "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP"]
    lines += [f"-A ufw-after-input -p udp --dport {port} -j DROP" for port in (137, 138)]
    lines += [f"-A ufw-user-input -p tcp --dport {port} -j ACCEPT" for port in (22, 80, 443)]
    for i in range(89):
        port = 1000 + 37 * i
        source = f"10.{i}.0.0/16" if family == 4 else f"2001:db8:{i}::/48"
        lines.append("-A ufw-user-input " + (
            f"-p tcp --dport {port} -j ACCEPT", f"-p udp --dport {port} -j ACCEPT",
            f"-s {source} -p tcp --dport {port} -j ACCEPT",
            f"-p tcp -m multiport --dports {port},{port + 5}:{port + 9} -j REJECT")[i % 4])
    return "\n".join(lines) + "\nCOMMIT\n"


LISTEN = """
import socket, sys
held = []
for port in (22, 80, 443, *range(1000, 5000, 37), *range(20000, 20050)):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    held.append(s)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def guarded_host():
    """Two namespaces with a cable; the host has rules, and listens on ports in and out of them."""
    host, peer = f"{PREFIX}{os.getpid()}", f"{PREFIX}{os.getpid()}-peer"
    listener = None
    try:
        for name in (host, peer):
            subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-batch", "-"], text=True, check=True, input=f"""
            link add eth0 netns {host} type veth peer name eth0 netns {peer}
            """)
        for name, last in ((host, 1), (peer, 2)):
            subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input=f"""
                addr add 198.51.100.{last}/24 dev eth0
                addr add 2001:db8:77::{last}/64 dev eth0 nodad
                link set lo up
                link set eth0 up
                """)
        subprocess.run(["ip", "-n", host, "route", "add", "default", "via", PEER], check=True)
        subprocess.run(["ip", "-n", host, "-6", "route", "add", "default", "via",
                        "2001:db8:77::2"], check=True)
        for restore, family in (("iptables-nft-restore", 4), ("ip6tables-nft-restore", 6)):
            subprocess.run(["ip", "netns", "exec", host, restore], text=True, check=True,
                           input=ufw_like(family))
        listener = subprocess.Popen(["ip", "netns", "exec", host, sys.executable, "-c", LISTEN],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if listener.stdout.readline() != "ready\n":
            raise RuntimeError("nobody listens")
        time.sleep(2)  # until the link-local addresses are in use
        yield f"/run/netns/{host}", f"/run/netns/{peer}"
    finally:
        if listener:
            listener.stdin.close()
            listener.wait()
            listener.stdout.close()
        for name in (host, peer):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def portero_open(bench, netns):
    """TCP ports that listen, and which a packet from the peer gets to."""
    listening = {p["port"] for p in json.loads(bench.read(netns, [
        *bench.portero, "--json"]))["ports"] if p["proto"] == "tcp"}
    classes = json.loads(bench.read(netns, [
        bench.portero[0], "reach", "--json", "--from", PEER, "--to", HOST, "--in", "eth0", "--tcp"]))
    accepted = [i for c in classes["classes"] for i in c["intervals"] if i["verdict"] == "accept"]
    return {p for p in listening if any(i["from"] <= p <= i["to"] for i in accepted)}


def compare_with_nmap(bench, options, host, peer, cold):
    """The ratio, and a sentence; (None, a note) where nmap is not installed."""
    if not shutil.which("nmap"):
        print("  nmap is not installed (BENCH_PACKAGES): not compared")
        return None
    command = NMAP + (NMAP_HURRY if options.quick else []) + [HOST]
    began = time.monotonic()
    text = bench.read(peer, command)
    took = time.monotonic() - began
    found = {int(port) for port in re.findall(r"(\d+)/open/tcp", text)}
    ours = portero_open(bench, host)
    if found != ours:
        raise RuntimeError(f"open ports: only nmap {sorted(found - ours)[:9]}, only portero "
                           f"{sorted(ours - found)[:9]}")
    print(f"  {' '.join(command)}: {took:.1f} s, one address, one protocol; the same "
          f"{len(found)} open ports; portero reach is {took / cold:.0f}x as fast, for every "
          "address, source, family and protocol")
    return took / cold


def scene_d(bench, options):
    rounds = 3 if options.quick else max(10, options.rounds)
    print(f"D. a host with 200 rules, IPv4 and IPv6, tcp and udp; internet, private, link and this "
          f"machine; {rounds} rounds")
    kept = os.environ["PORTERO_RUNTIME_DIR"]
    commands = {
        "reach, cold": [bench.portero[0], "reach", "--no-cache"],
        "reach, cached": [bench.portero[0], "reach"],
        "portero, cold": [bench.portero[0], "--no-cache"],
        "portero, cached": [bench.portero[0]],
        "portero --no-reach": bench.portero,
        "(true)": ["true"],
    }
    with guarded_host() as (host, peer):
        samples = bench.rounds(host, commands, rounds)
        print_samples(samples)
        if not list(Path(kept).glob("reach-*")):
            raise RuntimeError("nothing was kept in the cache")
        full = bench.time(host, [bench.portero[0], "reach", "--full", "--no-cache"])
        print(f"  {'reach --full':22}{ms(full.seconds)} (once; {full.memory_kib / 1024:.1f} MB)")
        cold = median(samples["reach, cold"])
        ratio = compare_with_nmap(bench, options, host, peer, cold)
    for name, budget in (("reach, cold", COLD_S), ("reach, cached", CACHED_S),
                         ("portero, cold", STATUS_S)):
        took = median(samples[name])
        verdict = bench.judge(f"{budget * 1000:.0f} ms", f"{name} {took * 1000:.0f} ms",
                              took <= budget)
        print(f"  {name:22}{ms(took)}{verdict}")
    own = median(samples["reach, cached"]) - median(samples["portero --no-reach"])
    print(f"  {'of that, not listeners':22}{ms(own)} (cached)")
    memory = max(s.memory_kib for name in samples for s in samples[name])
    verdict = bench.judge(f"{REACH_MEMORY_KIB // 1024} MB", f"reach {memory / 1024:.0f} MB",
                          memory <= REACH_MEMORY_KIB)
    print(f"  {'memory':22}{memory / 1024:9.1f} MB{verdict}")
    bench.results["D"] = {"samples": raw(samples), "full_s": full.seconds, "nmap_ratio": ratio}
    return (f"200 rules: reach {cold * 1000:.0f} ms, cached "
            f"{median(samples['reach, cached']) * 1000:.0f} ms"
            + (f", {ratio:.0f}x nmap -sS -p-" if ratio else ""))


# --- the machine --------------------------------------------------------------------------------

def first_match(pattern, text, default="?"):
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else default


def version(command, pattern):
    if not shutil.which(command[0]):
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return first_match(pattern, done.stdout + done.stderr)


def describe(portero):
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        "cpu": first_match(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text()),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "processes": count_processes(),
        "portero": version([portero, "--version"], r"(\d[\w.~+-]*)"),
        "ss": version(["ss", "-V"], r"iproute2-(\S+)"),
        "lsof": version(["lsof", "-v"], r"revision: (\S+)"),
    }


def parse_options():
    parser = argparse.ArgumentParser(description="portero's speed and memory next to its peers")
    parser.add_argument("--rounds", type=int, help="rounds of scene A (7)")
    parser.add_argument("--scenes", default="ABCDEFG", help="which of them to run (ABCDEFG)")
    parser.add_argument("--quick", action="store_true",
                        help="small loads, few rounds: that all of it works, not how fast it is")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a budget is missed")
    parser.add_argument("--json", metavar="FILE", help="all numbers, for programs")
    options = parser.parse_args()
    options.rounds = max(1, options.rounds or (3 if options.quick else 7))
    return options


def stop(number, _frame):
    sys.exit(128 + number)


def run(options, portero):
    machine = describe(portero)
    print(f"{machine['kernel']}, {machine['cpus']} x {machine['cpu']}, load "
          f"{machine['load'][0]:.2f}, {machine['processes']} processes; portero "
          f"{machine['portero']}, ss {machine['ss']}, lsof {machine['lsof']}")
    scenes = {"A": scene_a, "B": scene_b, "C": scene_c, "D": scene_d,
              "E": lambda bench, options: policy.scene(bench, options, PREFIX),
              "F": lambda bench, options: guard.scene(bench, options, PREFIX),
              "G": lambda bench, options: scan.scene(bench, options, PREFIX)}
    remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as directory:
        os.environ["PORTERO_RUNTIME_DIR"] = f"{directory}/run"
        bench = Bench(portero, directory, options.quick)
        lines = [scenes[letter](bench, options) for letter in scenes if letter in options.scenes]
    machine["load_after"] = os.getloadavg()
    if options.json:
        Path(options.json).write_text(json.dumps(
            {"machine": machine, "quick": options.quick, "missed": bench.missed,
             "scenes": bench.results}, indent=1) + "\n")
    if bench.missed:
        print("missed: " + "; ".join(bench.missed))
    print(f"{'; '.join(lines)} ({machine['kernel'].rsplit(' ', 1)[0]}, {machine['cpus']} x "
          f"{machine['cpu']})")
    return 1 if bench.missed and options.strict else 0


def main():
    options = parse_options()
    portero = os.path.abspath(os.environ.get("PORTERO", HERE.parent.parent / "build/portero"))
    if os.geteuid() != 0:
        sys.exit("bench: must be run by root: ss, lsof and portero see only their own otherwise")
    os.environ["LC_ALL"] = "C"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.stdout.reconfigure(line_buffering=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        return run(options, portero)
    except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
