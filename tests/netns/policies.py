# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random policies, for test_policy_packets.py. The same seed makes the same policy. Openings are over
few ports, interfaces and networks, so that they meet, lie inside each other and contradict each
other.
"""
import ipaddress
import random

CLASSES = ("internet", "private", "link", "host")
NETWORKS = ("10.0.0.0/8", "10.77.0.0/24", "10.77.0.128/25", "10.1.0.0/16", "10.1.2.3", "172.20.1.0/24",
            "8.0.0.0/6", "8.20.30.0/24", "8.20.30.77", "100.64.0.0/10", "0.0.0.0/0", "128.0.0.0/1",
            "fd00::/8", "fd77::/64", "fd77::/16", "fd78::1234", "2600:77::/64", "2600::/12",
            "2a00:1450::/32", "::/0", "8000::/1")
INTERFACES = ("eth0", "eth1", "eth2", "eth*", "e*", "wlan0", "ct0")
PROTOS = ("tcp", "tcp", "udp")
LAST = 39000  # above, the packets' own ports


class Policy:
    def __init__(self, seed):
        self.seed = seed
        self.r = random.Random(seed * 104729 + 7)
        self.ports = {1, 22, 80, LAST}
        self.networks = set()
        self.undeclared = self.r.choice(("drop", "drop", "reject", "observe"))
        self.pool = sorted({self.r.randrange(1, LAST) for _ in range(self.r.choice((3, 10, 30)))})
        count = self.r.choice((0, 1, 5, 10, 20, 40, 150))
        self.openings = [self.opening() for _ in range(count)]
        named = [p for o in self.openings for p in o["ports"]]
        self.protected = [self.r.choice(named) if named and self.r.random() < 0.6 else self.port()
                          for _ in range(self.r.choice((0, 1, 3, 6)))]

    def port(self):
        base = self.r.choice(self.pool)
        first = max(1, base + self.r.choice((0, 0, 0, -1, 1)))
        last = first
        if self.r.random() < 0.3:
            last = min(LAST, first + self.r.choice((1, 2, 10, 1000, 20000)))
        self.ports |= {first - 1, first, last, last + 1, (first + last) // 2}
        text = str(first) if first >= last else f"{first}-{last}"
        return f"{text}/{self.r.choice(PROTOS)}"

    def network(self):
        if self.r.random() < 0.6:
            text = self.r.choice(NETWORKS)
        else:
            top = int(ipaddress.ip_address(self.r.choice(("8.20.30.0", "10.77.0.0", "172.20.1.0"))))
            bits = self.r.randrange(8, 33)
            text = str(ipaddress.ip_network((top + self.r.randrange(256), bits), strict=False))
        self.networks.add(text)
        return text

    def sources(self):
        if self.r.random() < 0.05:  # a set, and not rules
            base = self.r.randrange(256)
            found = [f"10.77.{base}.{i * 3}" for i in range(30)]
            self.networks |= {found[3], found[20]}
            return found
        return [self.network() if self.r.random() < 0.7 else self.r.choice(CLASSES)
                for _ in range(self.r.choice((1, 1, 2, 3, 6)))]

    def opening(self):
        o = {"ports": sorted({self.port() for _ in range(self.r.choice((1, 1, 2, 4)))}),
             "from": sorted(set(self.sources()))}
        if self.r.random() < 0.25:
            o["interfaces"] = sorted({self.r.choice(INTERFACES)
                                      for _ in range(self.r.choice((1, 1, 2, 3)))})
        if self.r.random() < 0.15:  # so many that none is over it
            o["rate"] = self.r.choice(("50000/second", "100000/minute", "100000/hour", "100000/day"))
        if self.r.random() < 0.35:
            o["until"] = self.r.choice(("2020-01-01", "2099-12-31"))
        if self.r.random() < 0.3:
            o["why"] = self.r.choice(("web", "the \\\"shop\\\"", "caf\u00e9 {}; drop", "x" * 200))
        return o

    def yaml(self):
        lines = ["settings:", f"  undeclared: {self.undeclared}"]
        if self.protected:
            lines.append(f"  protect: [{', '.join(self.protected)}]")
        if self.openings:
            lines.append("openings:")
        for o in self.openings:
            lines.append(f"  - ports: [{', '.join(o['ports'])}]")
            quoted = ", ".join(f'"{s}"' for s in o["from"])
            lines.append(f"    from: [{quoted}]")
            if "interfaces" in o:
                quoted = ", ".join(f'"{s}"' for s in o["interfaces"])
                lines.append(f"    interfaces: [{quoted}]")
            lines += [f"    {key}: {o[key]}" for key in ("rate", "until") if key in o]
            if "why" in o:
                lines.append(f"    why: \"{o['why']}\"")
        return "\n".join(lines) + "\n"
