# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene G of bench.py, its UDP half: a hundred ports of a host, of which some answer, one keeps silent
and the others are closed, which Linux tells of once a second: portero scan -sU next to nmap -sU -T4,
and from 17 addresses in turn.
How fast, and how many ports are told as they are.
"""
import json
import re
import shutil
import subprocess
import sys
import time

ANSWERING, MUTE = [19, 53, 69], [88]
PORTS = "1-100"
REFILL_S = 8  # until the host may tell of as many at once again

SERVE = """
import select, socket, sys
held = {}
for port in sys.argv[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", abs(int(port))))
    held[s] = int(port) > 0
print("ready", flush=True)
while True:
    ready = select.select([*held, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    for s in ready:
        sender = s.recvfrom(2000)[1]
        if held[s]:
            s.sendto(b"yes?", sender)
"""


def truth():
    first, last = map(int, PORTS.split("-"))
    return {p: "open" if p in ANSWERING else "open|filtered" if p in MUTE else "closed"
            for p in range(first, last + 1)}


def ask_portero(s, *more):
    sample, text = s.run([*s.portero, "-sU", "-p", PORTS, *more])
    answer = json.loads(text)
    told = {port: i["state"] for i in answer["hosts"][0]["intervals"]
            for port in range(i["first"], i["last"] + 1)}
    wrong = sum(told.get(port) != state for port, state in truth().items())
    return sample.seconds, wrong, answer["sent"]


def ask_nmap(s, host):
    """It counts the ports of a state that many are in, and names the others."""
    sample, text = s.run(["nmap", "-n", "-Pn", "-sU", "-T4", "-p", PORTS, "-oX", "-", host])
    told = re.findall(r'portid="(\d+)"><state state="([a-z|]+)"', text)
    counts = {state: int(count) for state, count in
              re.findall(r'<extraports state="([a-z|]+)" count="(\d+)"', text)}
    is_so = truth()
    right = sum(is_so[int(port)] == state for port, state in told)
    for state, count in counts.items():
        right += min(count, sum(state == so for port, so in is_so.items()
                                if str(port) not in dict(told)))
    return sample.seconds, len(is_so) - right, None


def compare(s, host):
    """{who: (seconds, ports that are told wrong)}"""
    is_so, results = truth(), {}
    sources = [f"198.51.100.{n}" for n in range(101, 118)]
    subprocess.run(["ip", "-n", s.peer, "-batch", "-"], text=True, check=True, input="".join(
        f"addr add {address}/24 dev eth0\n" for address in sources))
    askers = {"portero": lambda: ask_portero(s),
              "17 sources": lambda: ask_portero(s, "--sources", ",".join(sources))}
    if shutil.which("nmap"):
        askers["nmap"] = lambda: ask_nmap(s, host)
    with subprocess.Popen(["ip", "netns", "exec", s.host, sys.executable, "-c", SERVE,
                           *map(str, ANSWERING), *(f"-{p}" for p in MUTE)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout.readline() != "ready\n":
            raise RuntimeError("nobody serves")
        print(f"  {len(is_so)} UDP ports, {len(ANSWERING)} of them open:")
        for who, ask in askers.items():
            time.sleep(REFILL_S)
            seconds, wrong, packets = ask()
            results[who] = (seconds, wrong)
            print(f"    {who:10}{seconds:9.1f} s; told wrong {wrong} of {len(is_so)}"
                  f"{f'; {packets} packets' if packets else ''}")
        server.stdin.close()
    for who in ("portero", "17 sources"):
        if results[who][1]:
            raise RuntimeError(f"UDP: portero ({who}) told {results[who][1]} ports wrong")
    return results
