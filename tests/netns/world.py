# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random rulesets (rulesets.py) in a machine of three networks and a container, and real packets
against what `portero reach` says of them. As a program: world.py FIRST [COUNT] tries seeds.

The machine: eth0 10.77.0.1, fd77::1 (the default route); eth1 172.20.1.1, fd78::1; eth2 8.20.30.1,
2600:77::1; ct0 10.88.0.1, fd88::1 to a container at .2, ::2, which listens. All other ends are in
one namespace, whose kernel has no addresses: the oracle speaks for everybody there. Interfaces
have no ARP, as the rules would have to let it pass.
"""
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import rulesets
from harness import Netns, die_with_parent, ip
from truth import Ears, ORACLE, oracle, quiet_errors

LINKS = {"eth0": ("10.77.0.1/24", "fd77::1/64"), "eth1": ("172.20.1.1/24", "fd78::1/64"),
         "eth2": ("8.20.30.1/24", "2600:77::1/64")}
SPECIAL = [ipaddress.ip_network(n) for n in (
    "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "2001::/23",
    "2001:db8::/32", "2002::/16", "3fff::/20", "ff00::/8", "::/127")]
PRIVATE = [ipaddress.ip_network(n) for n in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")]
TIMEOUT = 60  # of portero
FLOWS = 120  # that a ruleset is tried with
# why something is unknown that no construct of the rules makes so
EXCUSES = re.compile("follow no order|cannot be sent|too many addresses|time ran out|"
                     "the order of .* is not known")
# whether it is let in is certain, but not where to
RATES = re.compile("limit|hashlimit|quota|ct count|connlimit|recent|statistic|numgen|[a-z]+ with a "
                   "limit|update|add")
UNSURE = ("rate-limited", "unknown")


class Mismatch(Exception):
    pass


def batch(name, lines):
    done = subprocess.run(["ip", "-n", name, "-force", "-batch", "-"], input="\n".join(lines) + "\n",
                          text=True, capture_output=True, check=False)
    return done.stderr


def run_in(ns, argv, text=None, check=True):
    with ns:
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    out, err = p.communicate(text, timeout=60)
    if check and p.returncode:
        raise RuntimeError(f"{argv}: {err}")
    return p.returncode, out, err


class World:
    def __init__(self):
        self.host, self.peer, self.container = Netns(), Netns(), Netns()
        h, p, c = self.host.name, self.peer.name, self.container.name
        with self.peer:
            for key in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{key}/disable_ipv6").write_text("1")
        for ns in (self.host, self.container):
            with ns:
                for key in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{key}/addr_gen_mode").write_text("1")
                    Path(f"/proc/sys/net/ipv6/conf/{key}/accept_dad").write_text("0")
            quiet_errors(ns)
        for name in LINKS:
            ip("link", "add", name, "netns", h, "type", "veth", "peer", "name", name, "netns", p)
        ip("link", "add", "ct0", "netns", h, "type", "veth", "peer", "name", "eth0", "netns", c)
        lines = []
        for name, addresses in LINKS.items():
            lines += [f"link set {name} arp off up",
                      *(f"addr add {a} dev {name} {'nodad' if ':' in a else ''}" for a in addresses)]
            batch(p, [f"link set {name} up"])
        batch(h, lines + ["link set ct0 arp off up", "addr add 10.88.0.1/24 dev ct0",
                          "addr add fd88::1/64 dev ct0 nodad",
                          "route add default via 10.77.0.2", "route add default via fd77::2"])
        batch(c, ["link set eth0 arp off up", "addr add 10.88.0.2/24 dev eth0",
                  "addr add fd88::2/64 dev eth0 nodad", "route add default via 10.88.0.1",
                  "route add default via fd88::1"])
        # without ARP frames go to the sender's own link address, which the receiver must take
        for ns, dev, other, odev in ((h, "ct0", c, "eth0"),):
            mac = json.loads(ip("-n", ns, "-j", "link", "show", dev).stdout)[0]["address"]
            batch(other, [f"link set {odev} address {mac}"])
        self.macs = {name: json.loads(ip("-n", h, "-j", "link", "show", name).stdout)[0]["address"]
                     for name in LINKS}
        self.sockets = [self.host.tcp("0.0.0.0", 22), self.host.tcp("::", 80, v6only=True)]
        self.container_sockets = [self.container.tcp("0.0.0.0", 80, freebind=True),
                                  self.container.tcp("::", 80, v6only=True)]
        self.legacy = set()
        self.undo = []
        self.uses = 0
        self.sysctls = {}
        with self.host:
            for kind in ("all", *LINKS):
                for key in ("rp_filter", "route_localnet", "src_valid_mark"):
                    path = f"ipv4/conf/{kind}/{key}"
                    self.sysctls[path] = Path("/proc/sys/net", path).read_text().strip()

    def close(self):
        for ns in (self.host, self.peer, self.container):
            ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- loading

    def clear_rules(self):
        run_in(self.host, ["nft", "flush", "ruleset"])
        for program in self.legacy:
            tables = "".join(f"*{t}\n{''.join(f':{c} ACCEPT [0:0]' + chr(10) for c in chains)}COMMIT\n"
                             for t, chains in rulesets.Iptables.HOOKS.items())
            run_in(self.host, [program], tables)
        self.legacy.clear()
        run_in(self.host, ["ipset", "flush"])  # of lists, which hold others
        for _ in range(50):  # nf_tables lets go of what it used a little later
            if run_in(self.host, ["ipset", "destroy"], check=False)[0] == 0:
                break
            time.sleep(0.05)
        else:
            run_in(self.host, ["ipset", "destroy"])

    def reset(self):
        self.uses += 1
        self.clear_rules()
        batch(self.host.name, self.undo)
        self.undo = []
        with self.host:
            for path, value in self.sysctls.items():
                Path("/proc/sys/net", path).write_text(value)

    @staticmethod
    def is_kept(line):
        return line.strip().startswith(("elements", "type", "table", "}")) or \
            line.startswith(("*", ":", "COMMIT", "create"))

    def load_text(self, argv, text, dropped):
        """What a program refuses is left out, line by line, and said."""
        for _ in range(40):
            code, _, err = run_in(self.host, argv, text, check=False)
            if code == 0:
                return text
            found = (re.search(r"stdin:(\d+):", err) or re.search(r"line (\d+) failed", err)
                     or re.search(r"line: (\d+)", err) or re.search(r"line (\d+):", err)
                     or re.search(r"at line (\d+)", err))
            if not found:
                raise RuntimeError(f"{argv}: {err}\n{text}")
            lines = text.split("\n")
            at = int(found[1]) - 1
            dropped.append((lines[at], err.strip().split("\n")[0]))
            if lines[at].startswith("COMMIT"):  # the kernel does not say which it refused
                at -= 1
            if self.is_kept(lines[at]):
                raise RuntimeError(f"{argv}: {err}\n{text}")
            del lines[at]
            text = "\n".join(lines)
        raise RuntimeError(f"{argv} refuses too much: {err}")

    def load(self, rules):
        self.reset()
        dropped = []
        with self.host:
            for path, value in rules.sysctls:
                Path("/proc/sys/net", path).write_text(value)
        err = batch(self.host.name, rules.net)
        assert not err, (rules.net, err)
        for line in reversed(rules.net):
            words = line.replace(" nodad", "")
            self.undo.append(words.replace(" add ", " del ", 1) if " add " in line
                             else re.sub(r"group \d+", "group 0", line))
        for i, (argv, text) in enumerate(rules.loads):
            if "tables-legacy" in argv[0]:
                self.legacy.add(argv[0])
            rules.loads[i] = (argv, self.load_text(argv, text, dropped))
        for line, _ in dropped:
            for id_ in re.findall(r"comment \"?(r\d+)", line):
                rules.rules.pop(id_, None)
        return dropped

    # --- counters

    def decided(self):
        """Ids of rules that a packet matched to the end."""
        ids = set()
        _, out, _ = run_in(self.host, ["nft", "list", "ruleset"], check=False)
        ids.update(re.findall(r"counter packets [1-9]\d* .*comment \"(r\d+)\"", out))
        for program in ("iptables-nft-save", "ip6tables-nft-save"):
            _, out, _ = run_in(self.host, [program, "-c"], check=False)
            ids.update(re.findall(r"^\[[1-9]\d*:.*--comment (r\d+)", out, re.M))
        for program in self.legacy:
            _, out, _ = run_in(self.host, [program.replace("restore", "save"), "-c"], check=False)
            ids.update(re.findall(r"^\[[1-9]\d*:.*--comment (r\d+)", out, re.M))
        return ids

    # --- asking and sending

    def ask(self, *options):
        result = harness.portero("reach", "--json", *options, ns=self.host, check=False,
                                 timeout=TIMEOUT)
        assert result.code in (0, 2), result.err
        result.json = json.loads(result.out)
        return result

    def send(self, probes, first=0):
        """
        probes: [(interface or None, source, destination, proto, ports)] -> [{port: verdict}]. Another
        `first`, and they come from other ports: what still answers those before is not taken for
        an answer.
        """
        parts = {True: [], False: []}
        for i, (iface, source, destination, proto, ports) in enumerate(probes):
            line = (f"{iface or 'lo'} {self.macs.get(iface, '00:00:00:00:00:00')} {source} "
                    f"{destination} {rulesets.JUDGE + (first + i) % 890} {proto} "
                    f"{','.join(map(str, sorted(ports)))}\n")
            parts[iface is None].append((i, line))
        oracle(self.host_path(self.host), "flush")
        results = [None] * len(probes)

        def run(own):
            if not parts[own]:
                return
            argv = ([self.host_path(self.host), "many", "lo"] if own
                    else [self.host_path(self.peer), "many"])
            out = subprocess.run([ORACLE, "--netns", *argv], text=True, capture_output=True,
                                 input="".join(line for _, line in parts[own]), timeout=120,
                                 preexec_fn=die_with_parent, check=True).stdout
            for (i, _), line in zip(parts[own], out.splitlines(), strict=True):
                results[i] = {p: v["verdict"] for v in json.loads(line)
                              for p in range(v["from"], v["to"] + 1)}

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, (True, False)))
        return results

    @staticmethod
    def host_path(ns):
        return f"/run/netns/{ns.name}"

    def arrivals(self):
        """(source, source port, proto, destination, port) -> (address, port) after NAT."""
        found = {}
        with self.host:
            text = Path("/proc/thread-self/net/nf_conntrack").read_text()
        for line in text.splitlines():
            m = re.search(r"(tcp|udp) .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=(\S+) "
                          r"dst=\S+ sport=(\d+) dport", line)
            if m:
                key = (str(ipaddress.ip_address(m[2])), int(m[4]), m[1],
                       str(ipaddress.ip_address(m[3])), int(m[5]))
                found[key] = (str(ipaddress.ip_address(m[6])), int(m[7]))
        return found


# --- what portero says of one packet ------------------------------------------------------------

class Said:
    """The classes of an answer, by (interface, destination, proto)."""

    def __init__(self, answer):
        self.answer = answer
        self.groups = defaultdict(list)
        for c in answer["classes"]:
            port = 1
            for i in c["intervals"]:
                assert i["from"] == port <= i["to"], (c, i)
                port = i["to"] + 1
            assert port == 65536, c
            c["nets"], c["vague"] = [], False
            c["odd ports"] = "whoever sends from" in (c["sources"] or "")
            self.groups[(c["interface"], c["destination"], c["proto"])].append(c)

    @staticmethod
    def read_sources(group):
        for c in group:
            for part in (c["sources"] or "").split(", ") if not c["nets"] else ():
                try:
                    c["nets"].append(ipaddress.ip_network(part.split(" and ")[0]))
                    c["vague"] |= " and " in part
                except ValueError:
                    c["vague"] |= bool(part) and "sends from" not in part

    def class_of(self, key, source):
        """The class that a source belongs to; None when the texts leave it open."""
        a = ipaddress.ip_address(source)
        group = self.groups[key]
        self.read_sources(group)
        for c in group:
            if c["source"] == source and not c["odd ports"]:
                return c
        listed = [c for c in group if c["name"] == "listed"]
        for c in listed:
            if any(a in n for n in c["nets"] if n.version == a.version):
                return c
        if any(c["vague"] for c in listed):
            return None
        best = None
        for c in group:
            for n in c["nets"] if c["name"] in ("link", "private") else ():
                if n.version == a.version and a in n and \
                        (best is None or n.prefixlen > best[0]):
                    best = (n.prefixlen, c)
        if best:
            return best[1]
        if any(a in n for n in PRIVATE if n.version == a.version):
            return None
        return next((c for c in group if c["name"] == "internet"), None)

    def forged_class_of(self, key, source):
        """Of one whose network is elsewhere: that which names it, or "at most" what others get."""
        a = ipaddress.ip_address(source)
        group = self.groups[key]
        self.read_sources(group)
        forged = [c for c in group if c["name"] == "forged"]
        for c in forged:
            if c["source"] == source or any(a in n for n in c["nets"] if n.version == a.version):
                return c
        found = None if any(c["vague"] for c in forged) else self.class_of(key, source)
        return found and {**found, "at most": True}

    @staticmethod
    def interval(c, port):
        return next(i for i in c["intervals"] if i["from"] <= port <= i["to"])


# --- one seed -----------------------------------------------------------------------------------

class Trial:
    def __init__(self, world, seed, rules=None):
        self.world, self.seed = world, seed
        self.r = random.Random(seed * 7919 + 1)
        self.rules = rules or rulesets.make(seed)
        self.counts = Counter()
        self.mismatches = []
        self.seconds = 0.0

    def own_networks(self):
        """Networks that other interfaces than eth0 lead to."""
        text = ip("-n", self.world.host.name, "-j", "route", "show", "table", "all").stdout
        text6 = ip("-n", self.world.host.name, "-6", "-j", "route", "show", "table", "all").stdout
        found, locals_ = [], set()
        for route in json.loads(text) + json.loads(text6):
            dst = route["dst"]
            if route.get("type") in ("local", "broadcast", "anycast"):
                locals_.add(dst)
            elif dst != "default" and "dev" in route and not dst.startswith(("ff00", "fe80")):
                found.append((ipaddress.ip_network(dst), route["dev"]))
        return found, locals_

    def plausible(self, source, iface, networks, locals_):
        """Is it a sender at all, and is its network behind another interface?"""
        a = ipaddress.ip_address(source)
        if source in locals_ or a.is_link_local or \
                any(a in n for n in SPECIAL if n.version == a.version):
            return False, False
        best = max(((n.prefixlen, dev == iface, n) for n, dev in networks
                    if n.version == a.version and a in n), default=None, key=lambda b: b[:2])
        elsewhere = bool(best) and not best[1]
        if best and a.version == 4 and best[2].prefixlen < 31 and \
                a in (best[2][0], best[2][-1]):
            return False, elsewhere
        if best and a == best[2][0]:
            return False, elsewhere
        return a.version == 4 or int(a) >> 125 == 1 or int(a) >> 121 == 0x7e, elsewhere

    def random_source(self, v6):
        if v6:
            head = self.r.choice((0x2600, 0x2a00, 0x2001, 0x2400, 0xfd00, 0xfd77, 0xfd12, 0xfd78))
            return str(ipaddress.ip_address((head << 112) + self.r.randrange(1 << 112)
                                            if self.r.random() < 0.5 else
                                            (head << 112) + self.r.randrange(1, 1 << 16)))
        roll = self.r.random()
        if roll < 0.4:
            return str(ipaddress.ip_address(self.r.randrange(0x01000000, 0xdf000000)))
        base = ipaddress.ip_network(self.r.choice(("10.0.0.0/8", "10.77.0.0/24", "172.20.1.0/24",
                                                   "192.168.0.0/16", "100.64.0.0/10",
                                                   "8.20.30.0/24")))
        return str(base[self.r.randrange(base.num_addresses)])

    def source_pool(self, v6):
        """Edges of what the rules mention, and any."""
        found = []
        for text in self.rules.addresses:
            n = ipaddress.ip_network(text)
            if (n.version == 6) != v6:
                continue
            first, last = int(n[0]), int(n[-1])
            for value in {first - 1, first, last, last + 1, (first + last) // 2}:
                if 0 < value < 1 << (128 if v6 else 32):
                    found.append(str((ipaddress.IPv6Address if v6 else ipaddress.IPv4Address)(value)))
        self.r.shuffle(found)
        return found

    def ports_for(self, classes):
        ports = set()
        for c in classes:
            intervals = c["intervals"]
            if len(intervals) > 24:
                intervals = self.r.sample(intervals, 24)
            for i in intervals:
                ports |= {i["from"], i["to"], self.r.randrange(i["from"], i["to"] + 1)}
        pool = sorted(self.rules.ports)
        for p in self.r.sample(pool, min(len(pool), 5)):
            ports |= {p, p - 1, p + 1}
        ports |= {self.r.randrange(1, 65536) for _ in range(4)}
        return {p for p in ports if 0 < p < 65536 and not rulesets.GUARD[0] <= p
                <= rulesets.GUARD[1]}

    def plan(self, said):
        networks, locals_ = self.own_networks()
        probes = []
        keys = sorted(said.groups, key=str)
        self.r.shuffle(keys)
        for key in keys:
            if len(probes) >= FLOWS:
                break
            # sources with other source ports: the guards let back only what goes to ordinary ones
            group = [c for c in said.groups[key] if not c["odd ports"]]
            if not group:
                continue
            iface, destination, _ = key
            if iface not in (None, *LINKS) or "%" in destination or \
                    destination.startswith("fe80"):
                continue
            if group[0]["behind"] and destination not in (rulesets.CONTAINER, rulesets.CONTAINER6):
                continue
            a = ipaddress.ip_address(destination)
            if a.is_multicast or destination in rulesets.BROADCASTS:
                continue  # an answer comes from another address
            v6 = ":" in destination
            if iface is None:
                for c in group:
                    probes.append((key, c["source"], c))
                continue
            chosen = [c for c in group if not c["source"].startswith("fe80")]
            if len(chosen) > 6:
                chosen = self.r.sample(chosen, 6)
            probes += [(key, c["source"], c) for c in chosen]
            pool = self.source_pool(v6)[:12] + [self.random_source(v6) for _ in range(6)]
            taken = 0
            for source in pool:
                if taken == 4:
                    break
                sends, elsewhere = self.plausible(source, iface, networks, locals_)
                if not sends:
                    continue
                c = said.forged_class_of(key, source) if elsewhere else said.class_of(key, source)
                if c is None:
                    self.counts["sources that the texts leave open"] += 1
                elif c["source"] != source:
                    probes.append((key, source, c))
                    taken += 1
        return [(key, source, c, self.ports_for([c])) for key, source, c in probes]

    def listen(self, plan):
        ports = set(self.rules.ports)
        for _, _, c, wanted in plan:
            ports |= wanted
            for i in c["intervals"]:
                if "target" in i:
                    base = i["target"]["port"]
                    ports.add(base)
                    ports |= {base + p - i["from"] for p in wanted
                              if i["target"]["shifts"] and i["from"] <= p <= i["to"]}
        text = ",".join(str(p) for p in sorted(ports) if 0 < p < 65536)
        return (Ears(World.host_path(self.world.host), text),
                Ears(World.host_path(self.world.container), text))

    def judge(self, said, item, seen, arrivals, sport):
        key, source, c, ports = item
        iface, destination, proto = key
        found = []
        for port in sorted(ports):
            i = said.interval(c, port)
            self.counts[i["verdict"]] += 1
            if i["verdict"] in UNSURE:
                self.counts[f"{i['verdict']}: {re.split(' in |:', i.get('why', ''))[0]}"] += 1
                self.check_doubt(i)
                continue
            self.counts["compared"] += 1
            went = (arrivals or {}).get((source, sport, proto, destination, port))
            if went and seen[port] == "drop" and i["verdict"] == "accept":
                # what conntrack has confirmed was let through; no way back: routes that refuse,
                # or an answer that seems to come from the machine itself
                self.counts["let in, and the answer lost"] += 1
                seen = {**seen, port: "accept"}
            if c.get("at most") and (seen[port] in ("drop", "reject") or i["verdict"] == "accept"):
                self.counts["forged, and no more than others"] += 1
            elif seen[port] != i["verdict"]:
                if (i["verdict"], seen[port]) == ("reject", "drop") and \
                        "rate" in self.rules.doubts:
                    self.counts["closed, one way or the other by a count"] += 1
                    continue
                found.append((port, i["verdict"], seen[port]))
            elif i["verdict"] == "accept" and arrivals is not None:
                target = i.get("target")
                if i.get("several"):
                    self.counts["one target of several"] += 1
                    continue
                wants = (destination, port) if not target else (
                    target["address"],
                    target["port"] + (port - i["from"] if target["shifts"] else 0))
                if went is not None:
                    self.counts["targets compared"] += 1
                    if went != wants:
                        found.append((port, f"to {wants}", f"to {went}"))
        return found

    def check_doubt(self, i):
        doubts = self.rules.doubts
        by_cpu = (i.get("why") or "").startswith("cpu ")  # which of them takes the interrupt is chance
        if i["verdict"] == "rate-limited" and "rate" not in doubts and not by_cpu:
            self.mismatches.append(f"rate-limited without a reason: {i}")
        if i["verdict"] == "unknown" and not doubts & {"unmirrored", "stop", "masked", "opaque"} \
                and not EXCUSES.search(i.get("why", "")) and \
                not ("rate" in doubts and RATES.match(i.get("why", ""))):
            self.mismatches.append(f"unknown without a reason: {i}")

    def lap(self, what):
        now = time.monotonic()
        self.counts[f"ms: {what}"] += int((now - self.began) * 1000)
        self.began = now

    def run(self):
        w = self.world
        self.began = time.monotonic()
        self.dropped = w.load(self.rules)
        self.lap("loading")
        if "opaque" in self.rules.doubts:  # every port of every class: of a part
            asked = w.ask(*self.part())
        else:
            asked = w.ask()
        self.seconds = asked.seconds
        said = Said(asked.json)
        self.answer = said.answer
        self.lap("reach")
        if "opaque" not in self.rules.doubts and self.r.random() < 0.2:
            self.compare_full()
        plan = self.plan(said)
        self.lap("planning")
        ears = self.listen(plan)
        self.lap("listening")
        try:
            probes = [(key[0], source, key[1], key[2], ports) for key, source, _, ports in plan]
            results = w.send(probes)
            self.counts["probes"] += sum(len(p[4]) for p in probes)
            self.counts["flows"] += len(probes)
            arrivals = w.arrivals()
            self.lap("packets")
            wrong = []
            for n, (item, seen) in enumerate(zip(plan, results)):
                found = self.judge(said, item, seen, arrivals, rulesets.JUDGE + n % 890)
                if found:
                    wrong.append((item, found))
            self.lap("judging")
            self.decided = w.decided()
            self.lap("counters")
            for item, found in wrong[:12]:
                self.again(said, item, found)
        finally:
            for e in ears:
                e.close()
            self.lap("again, closing")
        return self

    def again(self, said, item, found):
        """A packet may get lost, but not again: each alone, of a machine that remembers nothing."""
        key, source, c, _ = item
        ports = {f[0] for f in found}
        seen = self.world.send([(key[0], source, key[1], key[2], ports)])[0]
        still = self.judge(said, (key, source, c, ports), seen, self.world.arrivals(),
                           rulesets.JUDGE)
        if still:
            self.mismatches.append(
                f"{c['name']} {c['sources']} [{c['source']}]: from {source} via "
                f"{key[0] or 'itself'} to {key[1]} {key[2]}: "
                + "; ".join(f"{p}: portero {a}, packets {b}" for p, a, b in still[:8])
                + (f" and {len(still) - 8} more" if len(still) > 8 else ""))

    def part(self):
        """Of what is asked, so little that all ports are few."""
        to = self.r.choice(("10.77.0.1", "8.20.30.1", "fd77::1", rulesets.CONTAINER))
        return ("--in", self.r.choice(("eth0", "eth1")), "--to", to, "--proto",
                self.r.choice(("tcp", "udp")))

    def compare_full(self):
        c = self.r.choice([c for c in self.answer["classes"] if c["interface"]])
        part = ("--in", c["interface"], "--from", c["source"], "--to", c["destination"],
                "--proto", c["proto"])
        some, every = (Said(self.world.ask(*part, *more).json).groups
                       for more in ((), ("--full",)))
        self.counts["compared with --full"] += 1
        for key, group in some.items():
            other = {c["source"]: c for c in every.get(key, [])}
            for c in group:
                if c["source"] not in other:
                    self.mismatches.append(f"--full lacks {key} {c['source']} {c['sources']}")
                elif c["intervals"] != other[c["source"]]["intervals"]:
                    self.mismatches.append(f"--full differs for {key} {c['source']}: "
                                           + differs(c, other[c["source"]]))


def differs(a, b):
    for x, y in zip(a["intervals"], b["intervals"]):
        if x != y:
            return f"{x} / {y}"
    return "in length"


class Tally:
    def __init__(self):
        self.counts, self.made, self.decided = Counter(), Counter(), Counter()
        self.dropped, self.reach, self.trials, self.rules = Counter(), [], 0, 0
        self.began = time.monotonic()

    def add(self, trial):
        self.trials += 1
        self.rules += len(trial.rules.rules)
        self.counts.update(trial.counts)
        self.made.update(trial.rules.constructs)
        for id_ in trial.decided:
            rule = trial.rules.rules.get(id_)
            if rule:
                self.decided.update(rule.constructs)
        self.dropped.update(f"{err}: {line.strip()}"[:200] for line, err in trial.dropped)
        self.reach.append(trial.seconds)

    def __str__(self):
        seconds = time.monotonic() - self.began
        ordered = sorted(self.reach) or [0]
        lines = [f"{self.trials} rulesets in {seconds:.0f} s ({seconds / max(1, self.trials):.2f} s "
                 f"each); reach: median {ordered[len(ordered) // 2] * 1000:.0f} ms, at most "
                 f"{ordered[-1] * 1000:.0f} ms"]
        lines += [f"  {n:8} {what}" for what, n in self.counts.most_common()]
        lines.append("  construct: rules with it, of which a packet matched")
        for what, n in sorted(self.made.items()):
            name = what.split(" ", 1)[1]
            lines.append(f"  {n:6} {self.decided.get(name, 0):6}  {what}")
        if self.dropped:
            lines.append(f"  {sum(self.dropped.values())} lines were refused, for example:")
            lines += [f"    {n} {what}" for what, n in self.dropped.most_common(
                int(os.environ.get("REFUSED", "3")))]
        return "\n".join(lines)


def main():
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    tally, bad, world = Tally(), [], World()
    for seed in range(first, first + count):
        try:
            trial = Trial(world, seed)
            trial.run()
            tally.add(trial)
            if trial.mismatches:
                bad.append(seed)
                print(f"--- seed {seed}", *trial.mismatches[:6], sep="\n  ", flush=True)
                if count == 1:
                    print(trial.rules)
        except (RuntimeError, AssertionError, subprocess.CalledProcessError) as e:
            bad.append(seed)
            print(f"--- seed {seed}: {type(e).__name__} {e} {getattr(e, 'stderr', '')}"[:1500],
                  flush=True)
        if world.uses % 100 == 0:
            world.close()
            world = World()
    world.close()
    print(tally)
    print("bad seeds:", bad)


if __name__ == "__main__":
    main()
