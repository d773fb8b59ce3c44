#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
compare.py [--write FILE] [--jobs N] [--fresh | --alone] [DAEMON...]: portero scan -sV next to nmap -sV on the daemons of daemons.yaml,
over a cable, on the port of each and on a port that says nothing about it. Whole processes are timed, one port each.
A daemon starts and portero is timed while nobody else does; nmap, which mostly waits, may do so beside another nmap.
Prints a table as it goes, and writes the document about it. Run as root, by `make bench-services`.

What is known stands in build/daemons/compare.jsonl: a run that was cut off goes on where it was (--fresh: from the
beginning).
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "frontends"), str(HERE.parent / "netns")]

import compare_table  # noqa: E402
import daemon  # noqa: E402
import judge  # noqa: E402
import room  # noqa: E402
import seen  # noqa: E402

KNOWN = daemon.CACHE / "compare.jsonl"
NOBODY = {"ms": 0, "protocol": None}  # --alone
ALONE = threading.Lock()


def ask_portero(netns, port, scope):
    """`portero scan -sV` as a whole, as seen.nmap's answer."""
    number, proto = port.split("/")
    argv = [os.environ["PORTERO"], "scan", "-sV", *(["-sU"] if proto == "udp" else []), "-p", number,
            "--json", "--scope-file", scope, daemon.ADDRESS]
    began = time.monotonic()
    done = subprocess.run(["nsenter", f"--net={netns}", *argv], capture_output=True, text=True,
                          timeout=seen.MOST_SECONDS, preexec_fn=seen.die_with_parent, check=False)
    ms = (time.monotonic() - began) * 1000
    ports = json.loads(done.stdout)["hosts"][0]["ports"]
    service = (ports[0]["service"] if ports else None) or {}
    return {"protocol": service.get("name"), "product": service.get("product"),
            "version": service.get("version"), "end": service.get("end"), "ms": ms}


def ask(running, port, asked, scope):
    """One row of the table."""
    expected, version = running.ports[port], ""
    if expected[2] == "package":
        version = running.package_version()
    with ALONE:
        ours = ask_portero(running.case.wire.peer_path, asked, scope)
    theirs = seen.nmap(running.case.wire.peer_path, daemon.ADDRESS, asked) if seen.NMAP else NOBODY
    return {"daemon": running.name, "port": port, "asked": asked, "expected": expected,
            "version": version, "ours": ours, "theirs": theirs,
            "right": judge.of_portero(expected, ours, version),
            "theirs right": judge.of_nmap(expected, theirs, version)}


def compare(layer, name, recipe, scope):
    """All rows of a daemon."""
    with ALONE:
        running = daemon.Daemon(layer, name, recipe)
    try:
        rows = []
        for port in running.ports:
            running.wait([port], 30)
            rows.append(ask(running, port, port, scope))
            if recipe.get("redirected", True):
                rows.append(ask(running, port, running.redirect(port), scope))
                running.unredirect()
        return rows
    finally:
        running.close()


def processor():
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}"


def machine():
    version = subprocess.run([seen.NMAP, "--version"], capture_output=True, text=True, check=True)
    own = subprocess.run([os.environ["PORTERO"], "--version"], capture_output=True, text=True, check=True)
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(encoding="utf-8"), re.M))
    return {"date": time.strftime("%Y-%m-%d"), "processor": processor(),
            "kernel": platform.release().split("-")[0], "system": release.get("PRETTY_NAME", "?"),
            "nmap": re.search(r"version (\S+)", version.stdout)[1],
            "portero": own.stdout.strip().splitlines()[0]}


def load_known(fresh):
    if fresh and KNOWN.exists():
        KNOWN.unlink()
    rows = {}
    for line in KNOWN.read_text(encoding="utf-8").splitlines() if KNOWN.exists() else ():
        of_daemon = json.loads(line)
        for row in of_daemon:  # nmap_names.yaml may know more words by now
            row["theirs right"] = judge.of_nmap(row["expected"], row["theirs"], row["version"])
        rows[of_daemon[0]["daemon"]] = of_daemon
    return rows


def keep(rows):
    with open(KNOWN, "a", encoding="utf-8") as file:
        file.write(json.dumps(rows) + "\n")


def run(names, recipes, jobs, scope, known):
    """Asks about all that are not known yet."""
    failed, left = {}, [name for name in names if name not in known]
    if not left:
        return failed
    layer = room.Layer(room.packages("MORE_DAEMON_PACKAGES"), daemon.CACHE / "all", 1800)

    def one(name):
        try:
            return name, compare(layer, name, recipes[name], scope)
        except (AssertionError, subprocess.TimeoutExpired, OSError) as e:
            return name, str(e)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            for name, rows in pool.map(one, left):
                if isinstance(rows, str):
                    failed[name] = rows
                    print(f"{name}: {rows[-600:]}", flush=True)
                    continue
                known[name] = rows
                if seen.NMAP:
                    keep(rows)
                print("\n".join(map(compare_table.line, rows)), flush=True)
    finally:
        layer.close()
    return failed


def main():
    parser = argparse.ArgumentParser(description="portero scan -sV next to nmap -sV on real daemons")
    parser.add_argument("--write", metavar="FILE", help="the document about it")
    parser.add_argument("--jobs", type=int, default=3, help="daemons at once, for nmap waits (3)")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run has found")
    parser.add_argument("--alone", action="store_true", help="leave nmap out, and keep nothing")
    parser.add_argument("daemons", nargs="*")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("compare.py: run it as root: it makes network namespaces")
    seen.NMAP, seen.NMAP_SECONDS = None if args.alone else shutil.which("nmap"), 60
    if not seen.NMAP and not args.alone:
        sys.exit("compare.py: nmap is not installed")
    daemon.CACHE.mkdir(parents=True, exist_ok=True)
    scope = daemon.CACHE / "scope"
    scope.write_text("10.77.0.0/24 the machines of this test\n", encoding="utf-8")
    recipes = daemon.load()
    names = args.daemons or list(recipes)
    known = {} if args.alone else load_known(args.fresh)
    failed = run(names, recipes, args.jobs, str(scope), known)
    rows = [row for name in names for row in known.get(name, ())]
    if not rows:
        sys.exit("compare.py: nothing could be asked")
    for text in compare_table.summary(rows):
        print(text)
    if args.write:
        Path(args.write).parent.mkdir(exist_ok=True)
        Path(args.write).write_text(compare_table.document(rows, machine(), failed), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
