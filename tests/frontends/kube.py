# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules in the shape of kube-proxy's iptables mode, for `iptables-restore --noflush`."""
from dataclasses import dataclass

CLUSTER = "10.244.0.0/16"  # where the pods are


@dataclass
class Service:
    name: str
    ip: str
    port: int
    endpoints: list  # [(address, port)]
    node_port: int = 0

    def chain(self, kind):
        return f"KUBE-{kind}-{self.name.upper()}"


def rules(services):
    chains, nat, refused = [], [], []
    for s in services:
        at_ip = f"-d {s.ip}/32 -p tcp -m comment --comment {s.name} -m tcp --dport {s.port}"
        if not s.endpoints:
            refused.append(f"-A KUBE-SERVICES {at_ip} -j REJECT")
            if s.node_port:
                refused.append(f"-A KUBE-EXTERNAL-SERVICES -m addrtype --dst-type LOCAL -p tcp "
                               f"-m tcp --dport {s.node_port} -j REJECT")
            continue
        chains += [s.chain("SVC"), s.chain("EXT")]
        nat.append(f"-A KUBE-SERVICES {at_ip} -j {s.chain('SVC')}")
        if s.node_port:
            nat += [f"-A KUBE-NODEPORTS -p tcp -m comment --comment {s.name} -m tcp --dport "
                    f"{s.node_port} -j {s.chain('EXT')}",
                    f"-A {s.chain('EXT')} -j KUBE-MARK-MASQ",
                    f"-A {s.chain('EXT')} -j {s.chain('SVC')}"]
        nat.append(f"-A {s.chain('SVC')} ! -s {CLUSTER} {at_ip} -j KUBE-MARK-MASQ")
        left = len(s.endpoints)
        for number, (address, port) in enumerate(s.endpoints):
            chance = (f"-m statistic --mode random --probability {1 / left:.5f} "
                      if left > 1 else "")
            one = f"{s.chain('SEP')}-{number}"
            chains.append(one)
            nat += [f"-A {s.chain('SVC')} {chance}-j {one}",
                    f"-A {one} -s {address}/32 -j KUBE-MARK-MASQ",
                    f"-A {one} -p tcp -m tcp -j DNAT --to-destination {address}:{port}"]
            left -= 1
    return "\n".join([
        "*nat",
        *(f":{c} - [0:0]" for c in ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-MARK-MASQ",
                                    "KUBE-POSTROUTING", *chains)),
        "-A PREROUTING -m comment --comment services -j KUBE-SERVICES",
        "-A OUTPUT -m comment --comment services -j KUBE-SERVICES",
        "-A POSTROUTING -j KUBE-POSTROUTING",
        "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
        "-A KUBE-POSTROUTING -j MASQUERADE",
        *nat,
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
        "COMMIT",
        "*filter",
        *(f":{c} - [0:0]" for c in ("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD",
                                    "KUBE-FIREWALL")),
        "-I INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES",
        "-I INPUT -j KUBE-FIREWALL",
        "-I FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES",
        "-I FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES",
        "-I FORWARD -j KUBE-FORWARD",
        "-I OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES",
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
        "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate "
        "RELATED,ESTABLISHED,DNAT -j DROP",
        *refused,
        "COMMIT", ""])
