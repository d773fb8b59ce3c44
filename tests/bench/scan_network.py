# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene G of bench.py, its half for many hosts: 256 addresses of a namespace with 1,000 TCP ports each,
of which three or a few more are open on each: portero scan next to nmap -sS -T4 and masscan; and one
port of each, open on every other address, next to zmap, which asks no more than one. How fast, how
many packets, and how many open ports were missed.
"""
import json
import random
import re
import shutil
import statistics
import subprocess
import sys

PREFIX, PORTS, OPEN_EACH = "203.0.113", 1000, 3
NETWORK = f"{PREFIX}.0/24"
ONE_PORT = 8443

LISTEN = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
for place in sys.stdin.readline().split():
    address, port = place.split(":")
    held.append(socket.create_server((address, int(port))))
print("ready", flush=True)
sys.stdin.read()
"""


def choose(everywhere):
    """What is open besides the ports where the scene's listener serves every address."""
    chance = random.Random(11)
    others = [port for port in range(1, PORTS + 1) if port not in everywhere]
    return {(f"{PREFIX}.{n}", port) for n in range(256) for port in chance.sample(others, OPEN_EACH)}


def give_addresses(s):
    """To each its own; the peer finds them as neighbours."""
    subprocess.run(["ip", "-n", s.host, "-batch", "-"], text=True, check=True, input="".join(
        f"addr add {PREFIX}.{n}/32 dev eth0\n" for n in range(256)))
    subprocess.run(["ip", "-n", s.peer, "route", "add", NETWORK, "dev", "eth0"], check=True)


def packets_sent(s):
    text = subprocess.run(["ip", "-n", s.peer, "-s", "-j", "link", "show", "eth0"], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    return json.loads(text)[0]["stats64"]["tx"]["packets"]


def ask_portero(s, ports):
    sample, text = s.run([*s.portero[:-1], "-p", ports, NETWORK])
    return sample, {(h["address"], p["port"]) for h in json.loads(text)["hosts"] for p in h["ports"]}


def greppable(text):
    """A line for each host, or for each port."""
    return {(host[1], int(port)) for line in text.splitlines()
            if (host := re.search(r"Host: (\S+)", line))
            for port in re.findall(r"(\d+)/open/tcp", line)}


def ask_nmap(s, ports):
    sample, text = s.run(["nmap", "-n", "-Pn", "-sS", "-T4", "-p", ports, "-oG", "-", NETWORK])
    return sample, greppable(text)


def ask_masscan(s, ports):
    sample, text = s.masscan(ports, NETWORK)
    return sample, greppable(text)


def ask_zmap(s, port):
    """It knows no network for documentation; so fast, and it waits for answers as long as it does."""
    sample, text = s.run(["zmap", "-q", "-p", port, "-i", "eth0", "-G", s.mac, "-b", "/dev/null",
                          "-B", "100M", NETWORK])
    return sample, {(address, int(port)) for address in text.split()}


def measure(s, what, is_so, askers, ports, rounds):
    """{who: (median seconds, open ports missed)}, in interleaved rounds."""
    times, packets, results = {}, {}, {}
    missed, extra = dict.fromkeys(askers, 0), dict.fromkeys(askers, 0)
    for _ in range(rounds):
        for who, ask in askers.items():
            before = packets_sent(s)
            sample, found = ask(s, ports)
            packets.setdefault(who, []).append(packets_sent(s) - before)
            times.setdefault(who, []).append(sample.seconds)
            missed[who] += len(is_so - found)
            extra[who] += len(found - is_so)
    print(f"  256 addresses, {what}, {len(is_so)} open, {rounds} rounds:")
    for who, took in times.items():
        seconds, sent = statistics.median(took), statistics.median(packets[who])
        results[who] = (seconds, missed[who])
        print(f"    {who:10}{seconds:9.2f} s ({min(took):.2f} to {max(took):.2f}); missed "
              f"{missed[who]} of {rounds * len(is_so):,}; {sent:,.0f} packets, "
              f"{sent / len(is_so):,.1f} for each open port")
    if missed["portero"] or extra["portero"]:
        raise RuntimeError(f"network: portero missed {missed['portero']} open ports, and made up "
                           f"{extra['portero']}")
    return results


def compare(s, everywhere, rounds):
    few = choose(everywhere)
    many = few | {(f"{PREFIX}.{n}", port) for n in range(256) for port in everywhere
                  if port <= PORTS}
    one = {(f"{PREFIX}.{n}", ONE_PORT) for n in range(0, 256, 2)}
    askers = {"portero": ask_portero}
    askers |= {who: ask for who, ask in (("nmap", ask_nmap), ("masscan", ask_masscan))
               if shutil.which(who)}
    give_addresses(s)
    with subprocess.Popen(["ip", "netns", "exec", s.host, sys.executable, "-c", LISTEN],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listener:
        listener.stdin.write(" ".join(f"{a}:{p}" for a, p in sorted(few | one)) + "\n")
        listener.stdin.flush()
        if listener.stdout.readline() != "ready\n":
            raise RuntimeError("nobody listens")
        results = measure(s, f"{PORTS:,} ports each", many, askers, f"1-{PORTS}", rounds)
        askers |= {"zmap": ask_zmap} if shutil.which("zmap") else {}
        results["one port"] = measure(s, "one port", one, askers, str(ONE_PORT), rounds)
        listener.stdin.close()
    return results
