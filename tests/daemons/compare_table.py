# SPDX-License-Identifier: GPL-2.0-or-later
"""What compare.py has found, as lines and as a document."""
import statistics

import judge
import seen

HEAD = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
<!-- made by `make bench-services` (tests/daemons/compare.py): do not edit -->
# Service detection: portero and nmap on the same daemons

{date}, {system}, Linux {kernel}, {processor} (a virtual machine); {portero}, nmap {nmap}.

{daemons} real daemons of the distribution, each in namespaces of its own, are asked over a veth pair: on their own port,
and on 40123, which says nothing about them. Each time is that of a whole process for one port: `portero scan -sV -p PORT`
and, right after it, `nmap -n -Pn -sV -p PORT` (both with `-sU` for UDP); nmap is given up after 60 s, and its time counts as
that. Several daemons are under way at once, since nmap mostly waits (this slows both); two of portero's never are. What is there is known from how the daemon was started (tests/daemons/daemons.yaml); what a daemon does not tell
anybody counts for neither (`-`). nmap's words are read generously (tests/daemons/nmap_names.yaml).

"""
AGAIN = """
## Again
```
sudo make bench-services                                goes on where it was cut off; BENCH_SERVICES=--fresh: from the beginning
sudo make bench-services DAEMONS="redis samba"          only some of them, no document
```
It fetches the daemons (MORE_DAEMON_PACKAGES of tools/packages.sh) into build/daemons/, and installs none of them on the machine. It
takes about {minutes} minutes, nearly all of it nmap's (BENCH_SERVICES="--jobs 6": more daemons at once).
"""


def marks(right):
    """Yes, no or nothing to know, of service, product and version."""
    return "".join({True: "y", False: "n", None: "-"}[r] for r in right)


def words(answer):
    return seen.short(answer).replace("|", "\\|")


def line(row):
    ours, theirs = row["ours"], row["theirs"]
    return (f"{row['daemon']} {row['port']}" + (f" at {row['asked']}" if row["asked"] != row["port"] else "") +
            f": portero {words(ours)} [{marks(row['right'])}] {ours['ms'] / 1000:.2f} s; "
            f"nmap {words(theirs)} [{marks(row['theirs right'])}] {theirs['ms'] / 1000:.1f} s")


def count(rows, key, what):
    """(how many are right, of how many that can be)"""
    i = judge.WHAT.index(what)
    known = [row[key][i] for row in rows if row[key][i] is not None]
    return sum(known), len(known)


def parts(rows):
    yield "own port", [row for row in rows if row["asked"] == row["port"]]
    yield "port 40123", [row for row in rows if row["asked"] != row["port"]]


def median(rows, who):
    return statistics.median(row[who]["ms"] for row in rows) / 1000


def total(rows, who):
    return sum(row[who]["ms"] for row in rows) / 1000


def summary(rows):
    """The table of the sums, as Markdown."""
    yield "| | services right | products | versions | median | sum | slowest |"
    yield "|---|---|---|---|---|---|---|"
    for title, part in parts(rows):
        for who, name, key in (("ours", "portero", "right"), ("theirs", "nmap", "theirs right")):
            if part:
                numbers = ["{} of {}".format(*count(part, key, what)) for what in judge.WHAT]
                slowest = max(row[who]["ms"] for row in part) / 1000
                yield (f"| {name}, {title} | {' | '.join(numbers)} | {median(part, who):.2f} s | "
                       f"{total(part, who):.1f} s | {slowest:.1f} s |")


def lost(rows):
    """(daemon, port) whose answer at 40123 says less than at its own port."""
    own = {(row["daemon"], row["port"]): row["right"] for row in rows if row["asked"] == row["port"]}
    return [row for row in rows if row["asked"] != row["port"] and
            row["right"] != own[row["daemon"], row["port"]]]


def all_right(row, key):
    return False not in row[key]


def findings(rows):
    better = [row for row in rows if all_right(row, "right") and not all_right(row, "theirs right")]
    worse = [row for row in rows if not all_right(row, "right")]
    yield (f"Of {len(rows)} answers, portero has {sum(all_right(row, 'right') for row in rows)} wholly right, nmap "
           f"{sum(all_right(row, 'theirs right') for row in rows)}; {len(better)} that nmap has not are right with portero, "
           f"{sum(all_right(row, 'theirs right') for row in worse)} the other way round. The sum of portero's times is "
           f"1/{total(rows, 'theirs') / total(rows, 'ours'):.0f} of nmap's.")
    yield ""
    yield ("On port 40123 portero loses nothing." if not lost(rows) else "On port 40123 portero loses something of: " +
           ", ".join(f"{row['daemon']} {row['port']}" for row in lost(rows)) + ".")
    if worse:
        yield ""
        yield "Not wholly right with portero: " + ", ".join(
            f"{row['daemon']} {row['port']}" + (" at 40123" if row["asked"] != row["port"] else "")
            for row in worse) + "."


def table(rows):
    yield "| daemon | port | portero | right | s | nmap | right | s |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        ours, theirs = row["ours"], row["theirs"]
        yield (f"| {row['daemon']} | {row['port']}{'' if row['asked'] == row['port'] else ' at 40123'} | {words(ours)} | "
               f"{marks(row['right'])} | {ours['ms'] / 1000:.2f} | {words(theirs)} | {marks(row['theirs right'])} | "
               f"{theirs['ms'] / 1000:.1f} |")


def document(rows, machine, failed):
    text = HEAD.format(daemons=len({row["daemon"] for row in rows}), **machine)
    text += "\n".join(summary(rows)) + "\n\n" + "\n".join(findings(rows)) + "\n"
    if failed:
        text += "\nNot started in this run: " + ", ".join(failed) + ".\n"
    text += AGAIN.format(minutes=max(10, 10 * round(total(rows, "theirs") / 60 / 3 / 10)))
    text += "\n## Each answer\n`right`: the service, the product and the version: y, n, or - where there is nothing to know.\n\n"
    return text + "\n".join(table(rows)) + "\n"
