# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scene F of bench.py: what the guard costs. The same programs run in two cgroups, one of which is
guarded, in turns: sockets that listen, connections, bytes and datagrams. The median of the rounds'
ratios (paired.py). And how long it takes from listen() to a line of portero watch.
"""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paired

HERE = Path(__file__).resolve().parent
HOST, PEER = "198.51.100.1", "198.51.100.2"
LISTENS, CONNECTIONS, POUR_MS, ASK_MS = 20000, 2000, 200, 200
TELL_ROUNDS = 5
TELLS, TOLD_US, TOLD_99_US = 100, 100, 5000
FORMS = {"in words": (), "in JSON": ("--json",), "bare reader": None}  # the last: ring_reader.c
OPENINGS = 10000
LISTEN_LIMIT, TRAFFIC = 1.25, 0.97
# ports of who is guarded, and of who is not
PORTS = {"guarded": (80, 81, 82), "free": (180, 181, 182)}


def cgroup_root():
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return Path(line.split()[1])
    raise RuntimeError("no cgroup v2 is mounted")


class Scene:
    def __init__(self, bench, options, prefix, stack):
        self.stack, self.prefix, self.quick = stack, prefix, options.quick
        self.rounds = 4 if self.quick else max(30, options.rounds)
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        self.tool = self.folder / "traffic"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", self.tool,
                        HERE / "traffic.c"], check=True)
        self.reader = self.folder / "ring_reader"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", self.reader,
                        HERE / "ring_reader.c", "-lbpf"], check=True)
        self.portero = bench.portero[0]
        self.loader = Path(bench.portero[0]).parent / "netns" / "guard_load"
        self.host, self.peer = (f"{prefix}{os.getpid()}-{n}" for n in "hp")
        self.cgroups = {name: cgroup_root() / f"{prefix}{os.getpid()}-{name}" for name in PORTS}
        self.pins = self.folder / "bpf" / "portero"

    def prepare(self):
        for cgroup in self.cgroups.values():
            cgroup.mkdir()
            self.stack.callback(remove_cgroup, cgroup)
        for name in (self.host, self.peer):
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "add", "eth0", "netns", self.host, "type", "veth", "peer",
                        "name", "eth0", "netns", self.peer], check=True)
        for name, address in ((self.host, HOST), (self.peer, PEER)):
            subprocess.run(["ip", "-n", name, "-batch", "-"], text=True, check=True, input=f"""
                addr add {address}/24 dev eth0
                link set lo up
                link set eth0 up
                """)
        self.pins.parent.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.pins.parent], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", self.pins.parent], check=False)
        (self.folder / "state").mkdir(mode=0o700)

    def load(self, openings):
        """Puts it up; how long that took."""
        rules = [f"{port}/{proto}=program:{self.tool}" for port in PORTS["guarded"]
                 for proto in ("tcp", "udp")]
        rules += [f"{1000 + i * 6}/tcp=program:{self.tool},unit:u{i}.service"
                  for i in range(openings)]
        began = time.monotonic()
        subprocess.run(["nsenter", f"--net=/run/netns/{self.host}", self.loader,
                        self.cgroups["guarded"], self.pins, self.folder / "state", "enforce",
                        *rules], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    def start(self, name, *words, stdin=subprocess.PIPE, cpu=None):
        def enter():
            (self.cgroups[name] / "cgroup.procs").write_text("0")
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        return subprocess.Popen([self.tool, f"/run/netns/{self.host}", *map(str, words)],
                                stdin=stdin, stdout=subprocess.PIPE, text=True, preexec_fn=enter)

    @contextmanager
    def server(self, name, *words):
        process = self.start(name, *words, cpu=paired.ends()[0])
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("nobody serves")
            yield
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def number(self, name, *words):
        out, _ = self.start(name, *words).communicate()
        return float(out)

    def ask_peer(self, *words):
        return float(subprocess.run([self.tool, f"/run/netns/{self.peer}", *map(str, words)],
                                    check=True, capture_output=True, text=True,
                                    preexec_fn=paired.on_cpu(paired.ends()[1])).stdout)

    def measure(self):
        """{what: {name: [numbers]}}; times are turned into rates, so that more is better"""
        found = {what: {name: [] for name in PORTS} for what in ("listen", "connect", "pour", "ask")}
        count = LISTENS // 20 if self.quick else LISTENS
        for number, name in paired.rounds_of(PORTS, self.rounds + 1):
            listen, tcp, udp = PORTS[name]
            took = {
                "listen": count / self.number(name, "listen", count, listen) * 1e9,
                "connect": CONNECTIONS / self.ask_peer("connect", HOST, CONNECTIONS, tcp) * 1e9,
                "pour": self.ask_peer("pour", HOST, tcp, POUR_MS),
                "ask": self.ask_peer("ask", HOST, udp, ASK_MS),
            }
            for what, value in took.items() if number else ():
                found[what][name].append(value)
        return found

    def watch(self, options):
        """Microseconds from each listen() to its line."""
        command = [self.reader, self.pins / "guard_ring"] if options is None else \
            [self.portero, "watch", "--pin-dir", self.pins, "--quiet", *options]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            tell = self.start("guarded", "tell", TELLS // 5 if self.quick else TELLS,
                              PORTS["guarded"][0] + 2, stdin=watch.stdout)
            return [int(word) / 1000 for word in tell.communicate()[0].split()]
        finally:
            watch.kill()
            watch.wait()
            watch.stdout.close()

    def memory(self):
        """Bytes of all its maps, as the kernel counts them."""
        total = 0
        for pin in sorted(self.pins.glob("guard_*")):
            done = subprocess.run([shutil.which("bpftool"), "-j", "map", "show", "pinned", pin],
                                  check=True, capture_output=True, text=True)
            total += int(json.loads(done.stdout).get("bytes_memlock", 0))
        return total


def remove_cgroup(path):
    for _ in range(100):
        try:
            path.rmdir()
            return
        except OSError:
            time.sleep(0.02)


def scene(bench, options, prefix):
    print("F. what the guard costs: the same programs in a cgroup that is guarded and in one that is not")
    with ExitStack() as stack:
        s = Scene(bench, options, prefix, stack)
        s.prepare()
        first = s.load(0)
        openings = 100 if options.quick else OPENINGS
        many = s.load(openings)
        for name, (_, tcp, udp) in PORTS.items():
            stack.enter_context(s.server(name, "serve", tcp))
            stack.enter_context(s.server(name, "echo", udp))
        found = s.measure()
        told = {form: [] for form in FORMS}
        for _, form in paired.rounds_of(FORMS, 2 if options.quick else TELL_ROUNDS):
            told[form] += s.watch(FORMS[form])
        memory = s.memory()
    print(f"  put up in {first:.2f} s; {openings} openings in {many:.2f} s, "
          f"{memory / 1e6:.1f} MB in the kernel")
    ratios = {}
    for what, unit in (("listen", "us for socket+bind+listen+close"), ("connect", "us a connection"),
                       ("pour", "GB/s"), ("ask", "thousand datagrams/s")):
        middle = {name: statistics.median(values) for name, values in found[what].items()}
        ratios[what] = paired.ratio(found[what]["guarded"], found[what]["free"])
        scale = 1e9 if what == "pour" else 1e3
        shown = {name: f"{v / scale:.2f}" if what in ("pour", "ask") else f"{1e6 / v:.2f}"
                 for name, v in middle.items()}
        print(f"  {unit:33} without {shown['free']:>7}, with {shown['guarded']:>7}")
    slower = tuple(1 / value for value in ratios["listen"])
    slower = slower[0], slower[2], slower[1]
    print(f"  listening: {paired.words(slower)}x the time" + bench.judge(
        f"{LISTEN_LIMIT}x", f"listening {slower[0]:.2f}x", slower[0] <= LISTEN_LIMIT))
    for what, name in (("connect", "connections"), ("pour", "bytes"), ("ask", "datagrams")):
        kept = ratios[what]
        print(f"  {name}: {paired.words(kept)} of those without" + bench.judge(
            TRAFFIC, f"{name} {kept[0]:.2f}", kept[0] >= TRAFFIC))
    told = {form: sorted(took) for form, took in told.items()}
    bare = told.pop("bare reader")
    print(f"  a reader that does nothing with it: {bare[len(bare) // 2]:.0f} us after listen(), "
          f"99 of 100 in {bare[len(bare) * 99 // 100]:.0f} us")
    for form, took in told.items():
        median, most = took[len(took) // 2], took[len(took) * 99 // 100]
        print(f"  watch, {form}: {median:.0f} us after listen() ({median / bare[len(bare) // 2]:.2f}x), "
              f"99 of 100 in {most:.0f} us" +
              bench.judge(f"{TOLD_US} and {TOLD_99_US} us", f"watch {form} {median:.0f} us",
                          median <= TOLD_US and most <= TOLD_99_US))
    bench.results["F"] = {"samples": found, "told_us": told, "load_s": [first, many], "memory": memory}
    return (f"guard: listening {slower[0]:.2f}x, connections {ratios['connect'][0]:.2f}, "
            f"bytes {ratios['pour'][0]:.2f}")
