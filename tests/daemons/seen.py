# SPDX-License-Identifier: GPL-2.0-or-later
"""Who says what about a port: portero, and nmap where it is asked as well; and the table of it."""
import json
import os
import shutil
import statistics
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from harness import ROOT, die_with_parent

SERVICE = ROOT / os.environ.get("BUILD", "build") / "netns" / "service"
NMAP = shutil.which("nmap") if os.environ.get("NMAP") == "1" else None
MOST_SECONDS = 60    # of portero, for one port
NMAP_SECONDS = 120
ROWS = []            # (daemon, port, what was expected, portero's answers, nmap's)


def run(netns, argv, seconds):
    """(what it wrote, how long it took in ms)"""
    started = time.monotonic()
    done = subprocess.run(["nsenter", f"--net={netns}", *argv], capture_output=True, text=True,
                          timeout=seconds, preexec_fn=die_with_parent, check=False)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}: {done.stderr}"
    return done.stdout, (time.monotonic() - started) * 1000


def detect(netns, address, port):
    """What portero says of one port ("22/tcp"): {protocol, product, version, extra, tls, ms}."""
    number, proto = port.split("/")
    asked = number if proto == "tcp" else port
    out, _ = run(netns, [str(SERVICE), address, asked], MOST_SECONDS)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [a["port"] for a in answers] == [int(number)], out
    return answers[0]


def nmap(netns, address, port):
    """The same of nmap; `protocol` is its name of the service."""
    number, proto = port.split("/")
    try:
        out, ms = run(netns, [NMAP, "-n", "-Pn", *(["-sU"] if proto == "udp" else []), "-sV", "-p", number,
                              "-oX", "-", address], NMAP_SECONDS)
    except subprocess.TimeoutExpired:
        return {"ms": NMAP_SECONDS * 1000, "gave up": True}
    service = ElementTree.fromstring(out).find(".//service")
    found = dict(service.attrib) if service is not None else {}
    sure = found.get("method") == "probed"
    return {"protocol": found.get("name", "") + ("" if sure else "?"), "ms": ms,
            "product": found.get("product"), "version": found.get("version"),
            "extra": found.get("extrainfo")}


def short(answer):
    if answer is None:
        return "-"
    if answer.get("gave up"):
        return "gave up"
    words = [answer.get(key) for key in ("protocol", "product", "version")]
    return " ".join(w for w in words if w) or "nothing"


def table():
    """What was asked in this run, as Markdown, and the times."""
    if not ROWS:
        return []
    lines = ["| daemon | port | expected | portero | ms | nmap -sV | ms |", "|---|---|---|---|---|---|---|"]
    for name, port, expected, ours, theirs in ROWS:
        lines.append(f"| {name} | {port} | {expected} | {short(ours)} | {ours['ms']:.0f} | {short(theirs)} | "
                     f"{theirs['ms']:.0f} |" if theirs else
                     f"| {name} | {port} | {expected} | {short(ours)} | {ours['ms']:.0f} | - | - |")
    for who, times in (("portero", [ours["ms"] for *_, ours, _ in ROWS]),
                       ("nmap", [theirs["ms"] for *_, theirs in ROWS if theirs])):
        if times:
            lines.append(f"{who}: {len(times)} answers, median {statistics.median(times):.0f} ms, "
                         f"sum {sum(times) / 1000:.1f} s")
    return lines
