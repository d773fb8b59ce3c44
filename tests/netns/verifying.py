# SPDX-License-Identifier: GPL-2.0-or-later
"""
A machine for verify to look at, and those who make outside and inside disagree: what answers without
a socket, and what speaks any protocol on any port.
"""
import json
import os
import shutil
import subprocess
import time

from harness import (PORTERO, PYTHON, SLOW, base_environment, ip, need_feature, need_program,
                     portero, wait_until)

OWN, OWN6 = "10.5.0.1", "fd05::1"
MINUTES = 600 * SLOW  # a guard against hanging, no measure

RULES = """
table inet host {
	chain in {
		type filter hook input priority 0; policy accept;
		tcp dport { 2000-3000, 7000-9000 } drop
		tcp dport 4000 reject with tcp reset
		tcp dport 4001 reject
	}
}
"""

# Answers every SYN to its ports (FIRST LAST) past the kernel's TCP and its rules: what a backdoor
# without a socket does. Rules keep the kernel itself silent there.
ANSWERER = """
import socket, struct, sys
first, last = int(sys.argv[1]), int(sys.argv[2])
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
print("ready", flush=True)
while True:
    packet, where = heard.recvfrom(65535)
    if len(packet) < 40 or packet[9] != 6 or where[2] == 4 or packet[33] & 0x12 != 2:
        continue
    sport, dport, seq = struct.unpack("!HHI", packet[20:28])
    if not first <= dport <= last:
        continue
    head = packet[16:20] + packet[12:16]
    tcp = struct.pack("!HHIIBBHHH", dport, sport, 7, seq + 1 & 0xffffffff, 0x50, 0x12, 1024, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(head + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    ipv4 = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + head
    out.sendto(ipv4 + tcp, (socket.inet_ntoa(packet[12:16]), 0))
"""

# PORT:WORDS...: greets with the words, or answers each request with HTTP when they are "http".
SPEAKER = r"""
import socket, sys, threading
HTTP = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 2\r\n\r\nhi"
def talk(c, words):
    try:
        if words != "http":
            c.sendall(words.encode() + b"\r\n")
        while c.recv(4096):
            if words == "http":
                c.sendall(HTTP)
                return
    except OSError:
        pass
    finally:
        c.close()
def serve(s, words):
    while True:
        threading.Thread(target=talk, args=(s.accept()[0], words), daemon=True).start()
for arg in sys.argv[1:]:
    port, _, words = arg.partition(":")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(50)
    threading.Thread(target=serve, args=(s, words), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
SSH = "SSH-2.0-OpenSSH_9.2p1 Debian-2"


class Machine:
    """Who is looked at, with a state folder of its own, and a neighbour."""

    def __init__(self, make_ns, directory, addresses=(f"{OWN}/24",), rules=""):
        self.ns, self.peer, self.dir = make_ns(), make_ns(), directory
        self.ns.connect(self.peer, addresses=addresses)
        if rules:
            self.ns.nft(rules)
        self.state_dir, self.policy = directory / "state", directory / "policy.d"
        self.env = {"PORTERO_STATE_DIR": str(self.state_dir)}

    def run(self, *args, **kw):
        env = self.env | kw.pop("env", {})
        return portero(*args, ns=self.ns, reach=True, timeout=MINUTES, env=env, **kw)

    def verify(self, *args, **kw):
        return self.run("verify", *args, **kw)

    def begin(self, *args, prefix=()):
        """A verify that is not waited for; what it prints is in self.out, then in self.errors."""
        self.out, self.errors = self.dir / "out", self.dir / "errors"
        script = f'exec "$@" >{self.out} 2>{self.errors}'
        return self.ns.start(["sh", "-c", script, "sh", *prefix, PORTERO, "verify", *args],
                             env=base_environment() | self.env)

    def answer(self, first, last):
        return self.ns.python(ANSWERER, first, last)

    def links(self):
        return {link["ifname"] for link in json.loads(ip("-n", self.ns.name, "-j", "link").stdout)}

    def settled(self):
        """What it is before: some routes come by themselves, a moment after their interface."""
        seen = []
        wait_until(lambda: seen.append(self.state()) or time.sleep(0.2) or
                   seen[-1] == self.state(), what="routes stay")
        return seen[-1]

    def state(self):
        """Everything that the visitor could have left behind."""
        return [ip("-n", self.ns.name, *words).stdout for words in (
            ("link",), ("addr",), ("route", "show", "table", "all"), ("-6", "route"), ("neigh",),
            ("rule",))]

    def speak(self, *args, program=None):
        """As what the interpreter is called, or under another name."""
        if not program:
            return self.ns.python(SPEAKER, *args)
        path = self.dir / program
        shutil.copy(PYTHON, path)
        return self.ns.start([str(path), "-c", SPEAKER, *args], ready=True,
                             env=dict(os.environ, PYTHONHOME="/usr"))

    def sshd(self, *ports):
        need_program("sshd")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        key, config = self.dir / "host_key", self.dir / "sshd_config"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        config.write_text("".join(f"Port {p}\n" for p in ports) + f"HostKey {key}\n"
                          "ListenAddress 0.0.0.0\nUsePAM no\nPidFile none\nMaxStartups 100\n")
        process = self.ns.start(["/usr/sbin/sshd", "-D", "-f", config])
        self.wait_for(*ports)
        return process

    def wait_for(self, *ports):
        def listens():
            out = subprocess.run(["nsenter", f"--net=/run/netns/{self.ns.name}", "ss", "-Htln"],
                                 capture_output=True, text=True, check=True).stdout
            return all(f":{p} " in out for p in ports)
        wait_until(listens, seconds=20 * SLOW, what="the server listens")

    def declare(self, text):
        self.policy.mkdir(mode=0o755, exist_ok=True)
        (self.policy / "10-test.yaml").write_text(text)
        self.env["PORTERO_POLICY_DIR"] = str(self.policy)


def kinds(answer):
    return {(d["kind"], d["address"], d["port"]) for d in answer.json["disagreements"]}


def found(answer):
    return {(d["kind"], d["port"]): d for d in answer.json["disagreements"]}


def services(answer):
    return {s["port"]: s["service"] for s in answer.json["services"]}


def small_table(directory):
    """A command behind which the kernel's table of connections seems to have little room."""
    limit = "/proc/sys/net/netfilter/nf_conntrack_max"
    need_feature("connection tracking", os.path.exists(limit))
    small = directory / "small"
    small.write_text("1000\n")
    return ("unshare", "-m", "sh", "-c", f"mount --bind {small} {limit} && exec \"$@\"", "sh")
