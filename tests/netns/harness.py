# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the end-to-end tests share: network namespaces of their own, programs that listen in them,
and one function that runs portero, checks that what it wrote is harmless and, for JSON, valid.

Sockets are opened by the test process itself, inside the namespace (setns), and handed to the
programs that are to hold them. Whatever is made here is also unmade here: see Janitor.
"""
import array
import atexit
import contextlib
import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PORTERO = os.path.abspath(os.environ.get("PORTERO", ROOT / "build" / "portero"))
SAN = os.environ.get("SAN", "0") == "1"
STRICT = os.environ.get("PORTERO_CI_STRICT", "") == "1"
PYTHON = os.path.realpath("/usr/bin/python3")
SLOW = 8 if SAN else 1  # sanitizers make everything slower

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
IPPROTO_MPTCP = 262
IPPROTO_UDPLITE = 136
IP_FREEBIND = 15
SO_BINDTODEVICE = 25

libc = ctypes.CDLL(None, use_errno=True)


# --- skipping, loudly ---------------------------------------------------------------------------

# What every kernel that the suite is meant for has: where strict, its absence is a failure.
REQUIRED_FEATURES = {"root", "netns", "veth", "bpf-iterator", "SOCK_DESTROY"}


def need_feature(feature, present, why=""):
    """Skips when the kernel (or this user) lacks something; fails instead in a strict run."""
    if present:
        return
    reason = f"kernel: no {feature}" + (f" ({why})" if why else "")
    if STRICT and feature in REQUIRED_FEATURES:
        pytest.fail(reason + "; PORTERO_CI_STRICT=1 demands it")
    pytest.skip(reason)


def need_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"program: {name} is not installed")
    return path


def hooks_are_told():
    """Has this kernel CONFIG_NETFILTER_NETLINK_HOOK? (Of chains of type nat: only since 6.17.)"""
    done = subprocess.run(["nft", "list", "hooks"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "hook" in done.stdout


def skip_sanitized(why):
    if SAN:
        pytest.skip(f"sanitizers: {why}")


# --- cleaning up --------------------------------------------------------------------------------

def descendants(pid):
    """Descriptors (pidfd) of the processes below one, which a reused pid cannot turn into others."""
    found = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*"))
    except OSError:
        return found  # it ended meanwhile
    for tid in tasks:
        try:
            children = (tid / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            try:
                found.append(os.pidfd_open(child))
            except ProcessLookupError:
                continue
            found += descendants(child)
    return found


class Janitor:
    """Knows every process, namespace and directory that the tests made, and ends them all."""

    PREFIX = "portero-test-"

    def __init__(self):
        self.processes = {}
        self.namespaces = set()
        self.pid = os.getpid()
        self.count = 0

    def new_name(self):
        self.count += 1
        return f"{self.PREFIX}{self.pid}-{self.count}"

    def add(self, process):
        self.processes[process.pid] = process
        return process

    @staticmethod
    def wait_for_worker(worker):
        """Nobody tells when a worker has ended: until then, it still listens."""
        ended = select.poll()
        ended.register(worker, select.POLLIN)
        if not ended.poll(10_000):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker, signal.SIGKILL)
            ended.poll(10_000)
        os.close(worker)

    def end(self, process, how=signal.SIGKILL):
        """Ends one of ours, and what it started (the workers of a server outlive a killed master).
        The pid cannot have been reused: nobody has waited for it yet."""
        if process.poll() is None:
            workers = descendants(process.pid)
            process.send_signal(how)
            for worker in workers:
                try:
                    signal.pidfd_send_signal(worker, how)
                except ProcessLookupError:
                    pass
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            for worker in workers:
                self.wait_for_worker(worker)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        self.processes.pop(process.pid, None)

    def delete_namespaces(self, names):
        names = [n for n in names if os.path.exists(f"/run/netns/{n}")]
        if names:
            subprocess.run(["ip", "-force", "-batch", "-"], text=True, capture_output=True,
                           input="".join(f"netns del {n}\n" for n in names), check=False)
        self.namespaces.difference_update(names)

    def clean(self):
        if os.getpid() != self.pid:
            return
        for process in list(self.processes.values()):
            self.end(process)
        self.delete_namespaces(sorted(self.namespaces))

    def clean_leftovers(self):
        """Namespaces of a run that was killed: those named after a process that is no more."""
        if not os.path.isdir("/run/netns"):
            return
        dead = []
        for name in os.listdir("/run/netns"):
            m = re.fullmatch(re.escape(self.PREFIX) + r"(\d+)-\d+", name)
            if m and not os.path.exists(f"/proc/{m[1]}"):
                dead.append(name)
        self.delete_namespaces(dead)


janitor = Janitor()
atexit.register(janitor.clean)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # a shell ignores it for what it starts in the background, and that is inherited
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ip(*args, check=True):
    return subprocess.run(["ip", *args], check=check, capture_output=True, text=True)


def wait_until(condition, seconds=10, what="it"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {seconds} s")


# --- namespaces and what listens in them --------------------------------------------------------

class Netns:
    """A network namespace; `with ns:` puts the calling thread (and what it starts) inside."""

    def __init__(self, up=True, name=None):
        self.name = name or janitor.new_name()
        janitor.delete_namespaces([name] if name else [])
        janitor.namespaces.add(self.name)
        ip("netns", "add", self.name)
        self.sockets = []
        self.mine = []
        self.depth = 0
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino
        if up:
            ip("-n", self.name, "link", "set", "lo", "up")

    def __enter__(self):
        if self.depth == 0:
            self.back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            if libc.setns(self.fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        self.depth += 1
        return self

    def __exit__(self, *_):
        self.depth -= 1
        if self.depth == 0:
            assert libc.setns(self.back, CLONE_NEWNET) == 0
            os.close(self.back)

    def add_veth(self, name="v0", addresses=("192.0.2.1/24", "2001:db8:1::1/64")):
        """A pair of interfaces with both ends here; False where the kernel has no veth."""
        made = ip("-n", self.name, "link", "add", name, "type", "veth", "peer", "name", name + "p",
                  check=False)
        need_feature("veth", made.returncode == 0, made.stderr.strip())
        for end in (name, name + "p"):
            ip("-n", self.name, "link", "set", end, "up")
        for address in addresses:
            ip("-n", self.name, "addr", "add", address, "dev", name,
               *(["nodad"] if ":" in address else []))

    def socket(self, kind, address, port=0, *, family=None, proto=0, v6only=None, backlog=16,
               reuseport=False, device=None, freebind=False, listen=None):
        """A bound socket of this namespace, held by the test process. kind: tcp, udp, ..."""
        family = family or (socket.AF_INET6 if ":" in address else socket.AF_INET)
        type_ = socket.SOCK_DGRAM if kind in ("udp", "udplite") else socket.SOCK_STREAM
        proto = proto or {"udplite": IPPROTO_UDPLITE, "mptcp": IPPROTO_MPTCP}.get(kind, 0)
        with self:
            s = socket.socket(family, type_, proto)
        self.sockets.append(s)
        if v6only is not None:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        if kind in ("tcp", "mptcp"):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuseport:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if device:
            s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode() + b"\0")
        if freebind:
            s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        s.bind((address, port))
        if listen if listen is not None else kind in ("tcp", "mptcp"):
            s.listen(backlog)
        return s

    def tcp(self, address="0.0.0.0", port=0, **kw):
        return self.socket("tcp", address, port, **kw)

    def udp(self, address="0.0.0.0", port=0, **kw):
        return self.socket("udp", address, port, **kw)

    def release(self, s):
        """Closes the test process's own hold on a socket."""
        s.close()
        if s in self.sockets:
            self.sockets.remove(s)

    def start(self, argv, *, give=(), keep=False, executable=None, ready=False, **kw):
        """
        Starts a program inside; it inherits the sockets in `give`, which the test then closes
        (unless `keep`). It gets a pipe as its standard input and is expected to live as long as
        that is open. With `ready`, waits for its first line and returns it in `.line`.
        """
        with self:
            p = subprocess.Popen(argv, executable=executable, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
                                 pass_fds=[s.fileno() for s in give],
                                 preexec_fn=die_with_parent, **kw)
        janitor.add(p)
        self.mine.append(p)
        if not keep:
            for s in give:
                self.release(s)
        if ready:
            p.line = read_line(p)
        return p

    def python(self, code, *args, **kw):
        """Runs a Python program inside; it must print one line when it is ready."""
        return self.start([PYTHON, "-c", code, *map(str, args)], ready=True, **kw)

    def nft(self, rules):
        need_program("nft")
        with self:
            done = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True,
                                  timeout=60 * SLOW, check=False)
        assert done.returncode == 0, done.stderr

    def sysctl(self, **values):
        """ipv4__ip_forward=1 writes net.ipv4.ip_forward."""
        with self:
            for key, value in values.items():
                Path("/proc/sys/net", *key.split("__")).write_text(f"{value}\n")

    def connect(self, other, name="eth0", peer="eth0", mac="02:00:00:00:00:01", addresses=()):
        """An interface here whose other end is in another namespace; without link-local
        addresses, which take time to come up."""
        made = ip("link", "add", name, "address", mac, "netns", self.name, "type", "veth", "peer",
                  "name", peer, "netns", other.name, check=False)
        need_feature("veth", made.returncode == 0, made.stderr.strip())
        for ns, dev in ((self, name), (other, peer)):
            ip("-n", ns.name, "link", "set", dev, "addrgenmode", "none")
            ip("-n", ns.name, "link", "set", dev, "up")
        for address in addresses:
            ip("-n", self.name, "addr", "add", address, "dev", name,
               *(["nodad"] if ":" in address else []))

    def portero(self, *args, **kw):
        return portero(*args, ns=self, **kw)

    def status(self, *args, **kw):
        """The JSON of `portero status`, validated."""
        return self.portero("--json", *args, **kw).json

    def close(self):
        for process in self.mine:
            janitor.end(process)
        for s in self.sockets:
            s.close()
        self.sockets.clear()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        janitor.delete_namespaces([self.name])


def read_line(process, seconds=20):
    end = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        poll = select.poll()  # select() has a limit of 1024 descriptors
        poll.register(process.stdout, select.POLLIN)
        if not poll.poll(max(0, end - time.monotonic()) * 1000):
            raise AssertionError(f"{process.args!r} said nothing for {seconds} s")
        byte = os.read(process.stdout.fileno(), 1)
        if not byte:
            raise AssertionError(f"{process.args!r} ended with {process.wait(5)}")
        line += byte
    return line.decode().strip()


# --- helper programs ----------------------------------------------------------------------------

_tools = {}


def build_tool(name, directory):
    """Compiles tests/netns/NAME.c once per run; static, so that copies of it run anywhere."""
    if name not in _tools:
        cc = shutil.which("cc") or shutil.which("gcc") or need_program("cc")
        out = directory / name
        subprocess.run([cc, "-O1", "-Wall", "-Werror", "-o", str(out), str(HERE / f"{name}.c")],
                       check=True)
        _tools[name] = str(out)
    return _tools[name]


def preload(directory, name):
    """The environment in which tests/netns/NAME.c is preloaded into portero."""
    skip_sanitized("a preloaded library and AddressSanitizer do not go together")
    path = f"{directory}/{name}.so"
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-D_GNU_SOURCE", "-Wall", "-o", path,
                    f"{HERE}/{name}.c", "-ldl"], check=True, timeout=60)
    return {"LD_PRELOAD": path}


# --- running portero ----------------------------------------------------------------------------

_validators = {}


def validator(schema_id):
    if schema_id not in _validators:
        name, version = schema_id.rsplit("/", 1)
        path = ROOT / "data" / "schemas" / f"{name}.{version}.json"
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        _validators[schema_id] = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.FormatChecker())
    return _validators[schema_id]


def check_json(text):
    """Parses and validates a --json output."""
    seen = json.loads(text.decode("ascii"))  # pure ASCII by contract
    assert next(iter(seen)) == "schema", "the schema's name is the first field"
    errors = sorted(validator(seen["schema"]).iter_errors(seen), key=lambda e: list(e.path))
    assert not errors, "\n".join(
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in errors[:5])
    return seen


ESCAPE_SEQUENCE = re.compile(rb"\x1b\[[0-9;]*m")
# C0 (but newline), DEL, C1, bidi controls, line separators, zero-width and byte order marks
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e"
                       "\u2060-\u2069\ufeff]")


def assert_harmless(out, *, csv=False, colored=False, tabs=False):
    """Nothing that a terminal would act on, and valid UTF-8."""
    if tabs:
        out = out.replace(b"\t", b" ")
    if colored:
        out = ESCAPE_SEQUENCE.sub(b"", out)
    if csv:
        out = out.replace(b"\r\n", b"\n")
    text = out.decode("utf-8")  # fails when it is not
    found = DANGEROUS.search(text)
    assert not found, f"{found[0]!r} in {text[max(0, found.start() - 40):found.end() + 40]!r}"


class Result:
    def __init__(self, code, out, err, seconds=0.0, cpu=0.0):
        self.code, self.out, self.err, self.seconds, self.cpu = code, out, err, seconds, cpu
        self.json = None

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def errors(self):
        return self.err.decode("utf-8")

    def __repr__(self):
        return f"<exit {self.code}\n--- stdout\n{self.text}--- stderr\n{self.errors}>"


_runtime = []


def runtime_dir():
    """Where portero keeps things during this run: never in the machine's own /run."""
    if not _runtime:
        _runtime.append(tempfile.TemporaryDirectory(prefix=f"{janitor.PREFIX}run-"))
    return _runtime[0].name


def base_environment():
    keep = ("PATH", "HOME", "TMPDIR")
    env = {k: os.environ[k] for k in keep if k in os.environ}
    env["LC_ALL"] = "C.UTF-8"
    env["PORTERO_RUNTIME_DIR"] = runtime_dir()
    # no policy of the machine's own, and no states
    env["PORTERO_POLICY_DIR"] = f"{runtime_dir()}/no-policy.d"
    env["PORTERO_STATE_DIR"] = f"{runtime_dir()}/no-state"
    env["PORTERO_SCOPE_FILE"] = f"{runtime_dir()}/no-scope"
    if SAN:
        env["ASAN_OPTIONS"] = os.environ.get(
            "ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1:allocator_may_return_null=1")
        env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    return env


# A small process in between: a child's memory counts from the fork on, so with what pytest has.
MEASURE = (PYTHON, "-S", "-c",
           "import os, resource, sys\n"
           "code = os.waitstatus_to_exitcode(os.waitpid(\n"
           "    os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)[1])\n"
           "with open(sys.argv[1], 'w') as f:\n"
           "    f.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n"
           "sys.exit(code if code >= 0 else 128 - code)")


FINDINGS = {"hidden-listener", "program-in-memory", "program-deleted", "poses-as-kernel-thread"}


def expected_code(answer):
    """What status, show, reach and policy check must exit with when they give this answer."""
    if answer["schema"].startswith("portero.policy-check"):
        return 2 if answer["errors"] else 1 if answer["warnings"] else 0
    if answer["schema"].startswith("portero.guard"):
        return 1 if answer["faults"] else 0
    if answer["schema"].startswith("portero.verify") and answer["disagreements"]:
        return 1
    if answer["complete"] is not True:
        return 2
    if answer["schema"].startswith("portero.verify"):
        return 0
    if "proof" in answer:
        if not answer["proof"]["holds"] or answer["proof"]["unknown"] or \
                not answer["proof"]["complete"]:
            return 2
        holes = answer["holes"]
        return 1 if answer["changes"] or not answer["applied"] or \
            holes["before"] != holes["after"] else 0
    if "ports" not in answer:
        return 0
    if any(p["policy"] and p["policy"]["declared"] in ("undeclared", "other") and
           p["state"] in ("open", "unknown") for p in answer["ports"]):
        return 1
    if any(p["policy"] and p["policy"]["guard"] == "cut-off" and
           p["policy"]["declared"] != "undeclared" for p in answer["ports"]):
        return 1
    notes = {n["id"] for p in answer["ports"] for n in p["notes"]}
    return 1 if notes & FINDINGS else 0


OPTIONS_WITH_VALUES = {"--from", "--to", "--in", "--proto", "--listening-on", "--user", "--unit",
                       "--sort", "--confirm", "--extend", "--why", "--for", "--until", "--rate",
                       "--owner", "--program", "--container", "--policy-dir", "--state-dir",
                       "--runtime-dir", "--scope-file", "--count", "--pin-dir",
                       "--cgroup", "--ports", "-p", "--targets", "-iL", "--exclude", "--max-rate", "--excludefile", "--sources",
                       "--host-timeout", "--timing", "-T"}
OTHER_COMMANDS = {"reach", "explain", "policy", "plan", "apply", "open", "allow", "close", "deny",
                  "confirm", "rollback", "restore", "guard", "watch", "scan", "verify", "doctor",
                  "completion", "help", "version"}


def command_of(args):
    """The word by which portero takes its command (it may be none of the commands), or None."""
    words = iter(args)
    for word in words:
        if word == "--":
            return next(words, None)
        if word in OPTIONS_WITH_VALUES:
            next(words, None)
        elif not word.startswith("-") or word == "-":
            return word
    return None


def without_reach(args):
    """The same question, of the inventory only: these answers do not wait for the firewall's."""
    if command_of(args) in OTHER_COMMANDS or "--no-reach" in args:
        return args
    return ["--no-reach", *args]


def portero(*args, ns=None, prefix=(), env=None, code=(0, 1, 2), timeout=180, preexec=None,
            check=True, validate=True, reach=False):
    """
    Runs portero (inside `ns`, behind the command in `prefix`) and checks what must always hold: it
    ends in time, by itself, with an allowed exit code; no sanitizer complains; its output is
    harmless; JSON is valid. Returns a Result, with the time that it took, and what it used of the
    processors (`cpu`, seconds: what a test may judge, as others may keep them busy). `validate=False` is only for
    repeated runs over so many sockets that the validation itself would take the time. Only with
    `reach=True` do status and show look at the firewall.
    """
    environment = base_environment()
    environment.update(env or {})
    args = [str(a) for a in args]
    argv = [*map(str, prefix), PORTERO, *(args if reach else without_reach(args))]

    def before():
        die_with_parent()
        if preexec:
            preexec()

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began, used = time.monotonic(), cpu_of_children()
        if ns:
            ns.__enter__()
        try:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 env=environment, preexec_fn=before)
        finally:
            if ns:
                ns.__exit__()
        janitor.add(p)
        wait_for(p, timeout * SLOW)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        result = Result(p.returncode, out.read(), err.read(), seconds, cpu_of_children() - used)
    assert_no_complaint(result)
    if check:
        assert result.code in (code if isinstance(code, tuple) else (code,)), repr(result)
        assert_harmless(result.out, csv="--csv" in args, tabs="completion" in args or "-oG" in args)
        assert_harmless(result.err)
        if "--json" in args[:args.index("--") if "--" in args else None] and result.out:
            result.json = check_json(result.out) if validate else json.loads(result.out)
            if "complete" in result.json and \
                    not result.json["schema"].startswith("portero.doctor"):
                assert result.code == expected_code(result.json), \
                    f"exit {result.code}, complete {result.json.get('complete')}"
    return result


def cpu_of_children():
    """What those that ended used of the processors, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def assert_no_complaint(result):
    for mark in (b"AddressSanitizer", b"LeakSanitizer", b"runtime error:"):
        assert mark not in result.err, result.err.decode(errors="replace")
    assert result.code >= 0, f"ended by signal {-result.code}: {result.err!r}"


def wait_for(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        where = read_stack(process.pid)
        janitor.end(process)
        raise AssertionError(
            f"{process.args!r} took more than {seconds} s; it was in\n{where}") from None
    janitor.end(process)


def read_stack(pid):
    try:
        return Path(f"/proc/{pid}/stack").read_text()
    except OSError as e:
        return str(e)


AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
             "--inh-caps=-all", "--no-new-privs")


# --- reading the answers ------------------------------------------------------------------------

def in_place_of(tools, replacement):
    """A command behind which those tools are another file."""
    binds = "".join(f"t=$(readlink -f \"$(command -v {t})\") && mount --bind {replacement} $t\n"
                    for t in tools)
    return ("unshare", "-m", "--propagation", "private", "sh", "-e", "-c",
            f"PATH=/usr/sbin:/usr/bin:/sbin:/bin\n{binds}exec \"$@\"", "sh")


def rows(status):
    """Every listener of a status with its port: a flat list of dicts."""
    flat = []
    for port in status["ports"]:
        for listener in port["listeners"]:
            flat.append({**listener, "port": port["port"], "proto": port["proto"],
                         "notes": {n["id"] for n in port["notes"]}})
    return flat


def find(status, port, proto="tcp"):
    """The one port of that number."""
    found = [p for p in status["ports"] if p["port"] == port and p["proto"] == proto]
    assert len(found) == 1, f"{port}/{proto} is there {len(found)} times"
    return found[0]


def find_listener(status, port, proto="tcp"):
    listeners = find(status, port, proto)["listeners"]
    assert len(listeners) == 1, listeners
    return listeners[0]


def note_ids(port):
    return {n["id"] for n in port["notes"]}


def stable(text):
    """Without the sentence, however wrapped, that counts what others do elsewhere on the machine."""
    words = (r"\d+ listeners? in other network namespaces (is|are) not shown "
             r"\(--all shows (it|them)\)\.")
    return re.sub(words.replace(" ", r"\s+") + r"\n", "", text)


def port_of(s):
    return s.getsockname()[1]


def inode_of(s):
    return os.fstat(s.fileno()).st_ino


def all_processes_readable():
    """Can root look at every process here? On some virtual machines it cannot."""
    try:
        os.listdir("/proc/1/fd")
        for fd in os.listdir("/proc/1/fd")[:1]:
            os.readlink(f"/proc/1/fd/{fd}")
        return True
    except OSError:
        return False


def send_descriptors(over, fds):
    over.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


@contextmanager
def scene(*made):
    try:
        yield made
    finally:
        for ns in made:
            ns.close()


# --- hooks and fixtures that both test folders use ----------------------------------------------

def install_signals():
    """SIGTERM ends the run as Ctrl-C does: fixtures are torn down."""
    def stop(_signal, _frame):
        raise KeyboardInterrupt("SIGTERM")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)


def pytest_configure(config):
    if getattr(config, "portero_configured", False):
        return
    config.portero_configured = True
    install_signals()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    if os.geteuid() == 0:
        janitor.clean_leftovers()


def pytest_unconfigure(config):
    janitor.clean()


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and exitstatus == 0 and reporter.stats.get("skipped") and \
            not reporter.stats.get("passed"):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    if getattr(config, "portero_summed_up", False):
        return
    config.portero_summed_up = True
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {}
    for report in skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons.setdefault(text.removeprefix("Skipped: "), []).append(report.nodeid)
    terminalreporter.write_line(f"skipped: {len(skipped)}")
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"  {len(tests)} x {reason}: "
                                    + ", ".join(t.split('::')[-1] for t in tests[:6])
                                    + (", ..." if len(tests) > 6 else ""))
    if skipped and not terminalreporter.stats.get("passed"):
        terminalreporter.write_line("every test was skipped: nothing was tested, so this fails")


def require_namespaces():
    need_feature("root", os.geteuid() == 0, "the tests make network namespaces: run them as root")
    if "netns" not in _tools:
        try:
            Netns(up=False).close()
            _tools["netns"] = ""
        except (OSError, subprocess.CalledProcessError) as e:
            _tools["netns"] = str(getattr(e, "stderr", "") or e)
    need_feature("netns", not _tools["netns"], _tools["netns"])


def bpf_works():
    if "bpf" not in _tools:
        doctor = portero("doctor", "--json").json
        checks = {c["id"]: c for c in doctor["checks"]}
        _tools["bpf"] = checks["bpf-iterator"]
    return _tools["bpf"]["health"] == "ok"


@pytest.fixture
def ns():
    """A network namespace with loopback up."""
    require_namespaces()
    made = Netns()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def make_ns():
    """Makes more of them."""
    require_namespaces()
    made = []

    def make(**kw):
        made.append(Netns(**kw))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.close()


@pytest.fixture
def bpf():
    """For what only the BPF iterator can tell."""
    require_namespaces()
    need_feature("bpf-iterator", bpf_works(), _tools["bpf"]["state"])


@pytest.fixture(scope="session")
def tool_dir(tmp_path_factory):
    made = tmp_path_factory.mktemp("tools")
    # nobody must be able to reach what is in it
    for part in (made, *made.parents):
        if part == Path("/tmp") or part == Path("/"):
            break
        part.chmod(0o755)
    return made


@pytest.fixture(scope="session")
def holder(tool_dir):
    """A program that holds what it inherits until its standard input ends (see holder.c)."""
    return build_tool("holder", tool_dir)
