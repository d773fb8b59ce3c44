# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rooms in which real firewall front ends run: each case has a network namespace (with a peer, see
truth.Wire), private mount and pid namespaces, and a root directory that looks like this machine's
with the packages of a layer above it (make-layer, enter). Nothing is installed on the machine, and
nothing of it is changed: see Guard.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import truth
from harness import (
    ROOT, Netns, die_with_parent, ip, janitor, need_feature, portero, read_line, wait_until)

HERE = Path(__file__).resolve().parent
CACHE = ROOT / "build" / "frontends"
CGROUP = f"portero-test-{os.getpid()}"
TABLE = {}  # key: [what the front end says, what packets do, what portero says]
COMPARED = []  # (test, truth.Comparison)


def packages(variable):
    """Those of a variable of tools/packages.sh."""
    text = subprocess.run(["sh", "-c", f'. tools/packages.sh; echo ${variable}'], cwd=ROOT,
                          capture_output=True, text=True, check=True).stdout
    return text.split()


def child_of(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(wait_until(lambda: children.read_text().split(), what="a child")[0])


class Layer:
    """The installed packages, for all cases of a run. Skips where there can be none."""

    def __init__(self, names=None, cache=CACHE, seconds=400):
        for program in ("apt-get", "unshare", "nsenter", "tar"):
            need_feature(f"program {program}", shutil.which(program))
        need_feature("overlay", "\toverlay\n" in Path("/proc/filesystems").read_text())
        self.dir = tempfile.mkdtemp(prefix=janitor.PREFIX + "layer-")
        self.cases = 0
        cache.mkdir(parents=True, exist_ok=True)
        self.ns = Netns()
        self.complaints = open(cache / "complaints", "w+")
        self.process = janitor.add(subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.ns.name}", "unshare", "-m", "-p", "-f",
             "--kill-child", "--propagation", "private", str(HERE / "make-layer"), self.dir,
             str(cache), f"/proc/{os.getpid()}/ns/net", *(names or packages("FRONTEND_PACKAGES"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints,
            preexec_fn=die_with_parent))
        try:
            read_line(self.process, seconds)
        except AssertionError:
            self.complaints.seek(0)
            why = self.complaints.read().strip()[-600:]
            self.close()
            need_feature("packages", False, why)
        self.holder = child_of(self.process)
        check_apart(self.holder)

    def close(self):
        janitor.end(self.process)
        self.ns.close()
        self.complaints.close()
        os.rmdir(self.dir)


def check_apart(pid):
    """Nothing may run in the machine's own mount or network namespace."""
    for kind in ("mnt", "net", "pid"):
        theirs, ours = (os.stat(f"/proc/{p}/ns/{kind}").st_ino for p in (pid, "self"))
        assert theirs != ours, f"in the machine's own {kind} namespace"


class Case:
    """One machine with front ends: `run` runs shell scripts in it, `wire` sends packets to it."""

    def __init__(self, layer, more=()):
        layer.cases += 1
        self.wire = truth.Wire(more)
        self.ears, self.senders = [], []
        self.process = janitor.add(subprocess.Popen(
            ["nsenter", f"--net={self.wire.host_path}", f"--mount=/proc/{layer.holder}/ns/mnt",
             "unshare", "-m", "-p", "-f", "--kill-child", "--propagation", "private",
             str(HERE / "enter"), f"{layer.dir}/upper", f"{layer.dir}/case-{layer.cases}",
             "sh", "-c", "echo ready; cat >/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent))
        read_line(self.process)
        self.first = child_of(self.process)
        check_apart(self.first)

    def run(self, script, check=True, timeout=60):
        """What a shell script wrote. Background programs in it must redirect their output."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-r", "-w", "timeout", "-k", "1",
             str(timeout), "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "bash", "-euc", script],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout + 10,
            preexec_fn=die_with_parent, check=False)
        assert not check or done.returncode == 0, \
            f"exit {done.returncode} of\n{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path, text):
        self.run(f"mkdir -p {shlex.quote(os.path.dirname(path))}\n"
                 f"cat > {shlex.quote(path)} <<'END_OF_FILE'\n{text}\nEND_OF_FILE\n")

    def nft(self, rules):
        self.run(f"nft -f - <<'END_OF_RULES'\n{rules}\nEND_OF_RULES\n")

    def netns_of(self, pid):
        """The path, out here, of the network namespace of a process in there."""
        statuses = {}
        for path in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(line.split(":\t", 1) for line in path.read_text().splitlines()
                             if ":\t" in line)
            except OSError:
                continue
            statuses[int(path.parent.name)] = lines["NSpid"].split(), int(lines["PPid"])
        level = len(statuses[self.first][0]) - 1  # pids in there are at this place of NSpid
        for found, (pids, parent) in statuses.items():
            while parent not in (0, self.first):
                parent = statuses.get(parent, ((), 0))[1]
            if parent == self.first and pids[level:level + 1] == [str(pid)]:
                return f"/proc/{found}/ns/net"
        raise AssertionError(f"no process {pid} in the case")

    def add_sender(self, bridge):
        """Somebody at a bridge of the host who can send from any address, and has none."""
        sender, host = Netns(), self.wire.host.name
        self.senders.append(sender)
        port = f"sender{len(self.senders)}"
        ip("link", "add", port, "netns", host, "type", "veth", "peer", "name", "eth0", "netns",
           sender.name)
        ip("-n", host, "link", "set", port, "master", bridge, "up")
        ip("-n", sender.name, "link", "set", "eth0", "addrgenmode", "none", "up")
        self.wire.links[bridge] = truth.Link(f"/run/netns/{sender.name}", "eth0",
                                             self.wire.mac_of(self.wire.host, bridge))
        # portero's link-local sources may be outside of fe80::/64, where no answer would go
        ip("-n", host, "route", "replace", "fe80::/10", "dev", bridge, check=False)

    def add_container(self, netns, bridge, *addresses):
        """All ports of a container are listened on; what comes from its addresses it sends."""
        self.ears.append(truth.Ears(netns))
        if bridge not in self.wire.links:
            self.add_sender(bridge)
        link = self.wire.links[bridge]
        link.other = truth.Link(netns, "eth0", link.mac, addresses, link.other)

    def knock(self, port, source="10.77.0.9", to=None, proto="tcp"):
        return self.wire.knock(source, to or ("fd77::1" if ":" in source else "10.77.0.1"), proto,
                               port)

    def hear(self, ports):
        """Listens on some ports of the host; for tests that knock at few."""
        ears = self.wire.listen(ports)
        self.ears.append(ears)
        return ears

    def deafen(self):
        for ears in self.ears:
            ears.close()
        self.ears.clear()
        for link in self.wire.links.values():
            link.other = None

    def portero(self, *args):
        result = portero(*args, "--json", ns=self.wire.host, check=False, timeout=120, reach=True)
        assert result.out and result.code in (0, 1, 2), repr(result)
        return json.loads(result.out)

    def reach(self, *args):
        return Reach(self.portero("reach", *args))

    def close(self):
        self.deafen()
        janitor.end(self.process)
        self.wire.close()
        for sender in self.senders:
            sender.close()


def note(key, says=None, packets=None, portero_says=None):
    """Fills a row of the table that is printed at the end."""
    row = TABLE.setdefault(key, ["", "", "(not asked)"])
    for i, text in enumerate((says, packets, portero_says)):
        if text is not None:
            row[i] = text


class Reach:
    """The answer of `portero reach --json`."""

    def __init__(self, answer):
        self.json = answer

    def at(self, port, source="10.77.0.9", to=None, proto="tcp", iface="veth0"):
        """The interval which says what happens to a packet from that class of sources."""
        to = to or ("fd77::1" if ":" in source else "10.77.0.1")
        found = [c for c in self.json["classes"] if c["interface"] == iface and
                 c["proto"] == proto and c["destination"] == to and c["name"] == source]
        assert found, f"no class {source} via {iface} to {to}, {proto}; there are " + "; ".join(
            map(truth.title_of, self.json["classes"]))
        intervals = [i for c in found for i in c["intervals"] if i["from"] <= port <= i["to"]]
        return intervals[0]

    def verdict(self, *args, **kw):
        return self.at(*args, **kw)["verdict"]


def compare_all(case, unsure=None, skipped=(), unheard=()):
    """
    Every class of reach, every port, against packets; not with --full, which asks for every port
    too, but as people ask: that the answer holds between the ports that were asked is the point.
    `unsure` is what portero may leave open and must: {(proto, verdict): [(first, last), ...]};
    `skipped` are interfaces which nobody can send to; `unheard` (interface, destination) whose
    answers cannot come back, which is no fault of the answers.
    """
    reach = case.portero("reach")
    assert reach["classes"], f"no reach: {reach['missing']}"
    with case.wire.listen():
        seen = truth.compare(case.wire, reach, lambda c: (c["interface"], c["destination"])
                             not in unheard)
    print(seen)
    COMPARED.append((os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0], seen))
    assert seen.differences == [], str(seen)
    left = {}
    for title, ports, verdict, why in seen.unsure:
        proto = title.rsplit(", ", 1)[1]
        left.setdefault((proto, verdict), set()).add(ports)
    wanted = {key: {truth.list_ports([i]) for i in intervals}
              for key, intervals in (unsure or {}).items()}
    assert left == wanted, str(seen)
    strange = [s for s in seen.skipped if not any(f" via {i}," in s for i in skipped) and
               not any(f" via {i}," in s and f" to {to}," in s for i, to in unheard) and
               "asks itself" not in s]
    assert not strange, strange


# --- the machine stays as it is -----------------------------------------------------------------

VOLATILE = re.compile(r"\.(random\.|nr|file-nr|inode-nr|inode-state|dentry-state|aio-nr|"
                      r"ns_last_pid|nf_conntrack_count|usage|cost|max_newidle_lb_cost)|"
                      r"^kernel\.(random|pty|sched_domain)|^fs\.(quota|inotify|dentry|inode|file)|"
                      r"^dev\.|^vm\.(stat_refresh|compact_memory)")


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


class Guard:
    """Compares what the machine is before and after."""

    def __init__(self):
        self.before = self.look()

    @staticmethod
    def look():
        seen = {
            "nft": output("nft", "list", "ruleset"),
            "links": output("ip", "-br", "link") + output("ip", "-br", "address"),
            "routes": output("ip", "route", "show", "table", "all"),
            "sysctls": "\n".join(line for line in output("sysctl", "-a").splitlines()
                                 if not VOLATILE.search(line.split(" = ")[0])),
            "mounts": "\n".join(line for line in Path("/proc/self/mounts").read_text().splitlines()
                                if f"{janitor.PREFIX}layer-" in line or "overlay" in line),
            "cgroups": "\n".join(map(str, Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"))),
        }
        names = Path("/proc/net/ip_tables_names")
        seen["legacy"] = names.read_text() if names.exists() else ""
        if seen["legacy"]:  # asking would register tables where there are none
            seen["legacy rules"] = output("iptables-legacy-save")
        return seen

    def check(self):
        after = self.look()
        for what, before in self.before.items():
            old, new = before.splitlines(), after[what].splitlines()
            gone, came = sorted(set(old) - set(new)), sorted(set(new) - set(old))
            assert not gone and not came, f"the machine's {what} changed: -{gone} +{came}"


def remove_cgroups():
    """Those which Docker made under the one name that it was given, and those of runs that are no
    more; they are empty by now."""
    for top in Path("/sys/fs/cgroup").glob("*/portero-test-*"):
        pid = top.name.rsplit("-", 1)[1]
        if top.name != CGROUP and (not pid.isdigit() or os.path.exists(f"/proc/{pid}")):
            continue
        for directory, _, _ in os.walk(top, topdown=False):
            for _ in range(50):
                try:
                    os.rmdir(directory)
                    break
                except OSError:
                    time.sleep(0.02)


# --- containers ---------------------------------------------------------------------------------

SERVE = "while :; do echo {what} | /bin/nc -l -p {port}; done"
IMAGE = """
mkdir -p /tmp/bb/bin
cp /bin/busybox /tmp/bb/bin
for a in sh nc echo sleep; do ln -sf busybox /tmp/bb/bin/$a; done
tar -C /tmp/bb -cf /tmp/bb.tar .
"""


def serve(engine, name, published, port):
    return (f"{engine} run -d --name {name} -p {published}:{port} bb:1 /bin/sh -c "
            + shlex.quote(SERVE.format(what=name, port=port)) + " >/dev/null\n")


def start_docker(case, options=""):
    """Docker with `web` (published on 8080) and `adm` (published on the host's loopback only)."""
    case.run(IMAGE + f"""
mkdir -p /var/lib/docker
mount -t tmpfs tmpfs /var/lib/docker
dockerd --cgroup-parent /{CGROUP} {options} >/var/log/dockerd 2>&1 &
for i in $(seq 200); do docker info >/dev/null 2>&1 && break; sleep 0.05; done
docker import /tmp/bb.tar bb:1 >/dev/null
""" + serve("docker", "web", "8080", 80) + serve("docker", "adm", "127.0.0.1:9090", 90))


def inside(case, engine, name):
    return case.netns_of(case.run(f"{engine} inspect -f '{{{{.State.Pid}}}}' {name}").strip())


def let_send(case, engine, bridge, names):
    for name in names:
        fields = case.run(f"{engine} inspect -f '{{{{range .NetworkSettings.Networks}}}}"
                          f"{{{{.IPAddress}}}}{{{{end}}}}' {name}").split()
        case.add_container(inside(case, engine, name), bridge, *fields)


def start_podman(case, backend):
    """The same with podman; what listens on 0.0.0.0:8080 is a place holder."""
    case.write("/etc/containers/containers.conf",
               f'[network]\nnetwork_backend="{backend}"\n[engine]\ncgroup_manager="cgroupfs"\n'
               'runtime="crun"\n[containers]\ncgroups="disabled"')
    # crun refuses machines that have both versions of cgroups; here there are no cgroups at all
    case.run("! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified")
    case.run(IMAGE + """
mkdir -p /var/lib/containers
mount -t tmpfs tmpfs /var/lib/containers
podman import /tmp/bb.tar bb:1 >/dev/null 2>&1
""" + serve("podman", "web", "8080", 80) + serve("podman", "adm", "127.0.0.1:9090", 90))
