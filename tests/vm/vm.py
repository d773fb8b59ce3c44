# SPDX-License-Identifier: GPL-2.0-or-later
"""
Virtual machines of the kernel tests: a kernel from Debian's archive, an initramfs made here, and
what the scripts in guest/ answered. Everything is kept below build/vm/; nothing is installed.

A script may say in its first comments what must be in the machine:
    # modules: nf_tables tun        kernel modules, with those that they need
    # programs: nft ip              programs of this machine, with their libraries
    # files: usr/lib/*/xtables/*    other files of this machine (a pattern), where there are any
"""
import lzma
import os
import re
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PORTERO = os.environ.get("PORTERO", str(ROOT / "build" / "portero"))
TOOLS = os.environ.get("VM_TOOLS", "").split()
KEPT = ROOT / "build" / "vm"
SCRIPTS = sorted((HERE / "guest").glob("*.sh"))
BOOT_LIMIT_S = 360
QEMU = "qemu-system-x86_64"
# tcg works on every machine, as every user
ACCELERATOR = os.environ.get("PORTERO_VM_ACCEL", "tcg")


class Missing(Exception):
    """A kernel that cannot be had here; the text says why."""


class OldLists(Missing):
    """Perhaps only because apt's lists are old, or were never fetched."""


def run(*argv, **kw):
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, **kw)


def series_list():
    """VM_KERNELS of tools/packages.sh, the one place where packages are named."""
    return run("sh", "-c", '. tools/packages.sh; echo "$VM_KERNELS"', cwd=ROOT).stdout.split()


# --- kernels ------------------------------------------------------------------------------------

ENGLISH = {**os.environ, "LC_ALL": "C"}


def version_key(name):
    return [int(n) for n in re.findall(r"\d+", name)]


def find_package(series):
    """The newest kernel of a series, such as 6.1, that the configured archives have."""
    names = run("apt-cache", "pkgnames", f"linux-image-{series}.").stdout.split()
    wanted = re.compile(rf"linux-image-{re.escape(series)}\.[0-9.+-]*(deb\d+-|-)?cloud-amd64")
    for name in sorted(filter(wanted.fullmatch, names), key=version_key, reverse=True):
        if re.search(r"Candidate: \d", run("apt-cache", "policy", name, env=ENGLISH).stdout):
            return name
    why = f"no archive that apt is configured for has a kernel {series}"
    if not run("apt-cache", "pkgnames", "linux-image-").stdout:
        raise OldLists(why)
    raise Missing(why)


def fetch_package(series, to):
    name = find_package(series)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    got = run("apt-get", "-q", "download", name, cwd=to)
    found = sorted(to.glob(f"{name}_*.deb"))
    if got.returncode != 0 or not found:
        raise OldLists(f"{name} could not be fetched: {got.stderr.strip()}")
    unpacked = run("dpkg-deb", "-x", str(found[0]), str(to / "root"))
    if unpacked.returncode != 0:
        raise Missing(f"{found[0].name}: {unpacked.stderr.strip()}")
    found[0].unlink()


@dataclass
class Kernel:
    series: str
    release: str
    image: Path
    modules: Path  # of lib/modules/RELEASE
    missing_modules: set = field(default_factory=set)  # asked for, and not to be had

    @property
    def version(self):
        return tuple(version_key(self.series))


def kernel_below(series, root):
    image = next((root / "boot").glob("vmlinuz-*"))
    release = image.name.removeprefix("vmlinuz-")
    modules = next(d for d in (root / "lib/modules", root / "usr/lib/modules") if d.is_dir())
    return Kernel(series, release, image, modules / release)


updated_lists = []  # not empty: it was tried in this run


def get_kernel(series):
    """From build/vm/ when it was fetched before, whatever the archive has now."""
    if os.uname().machine != "x86_64":
        raise Missing("the kernels are of x86_64, and what was built here is not")
    kept = KEPT / "kernels" / series
    if not kept.is_dir():
        fresh = KEPT / "kernels" / f"{series}.new"
        try:
            fetch_package(series, fresh)
        except OldLists:
            if updated_lists or os.geteuid() != 0:
                raise
            updated_lists.append(run("apt-get", "-q", "update"))
            fetch_package(series, fresh)
        fresh.rename(kept)
    return kernel_below(series, kept / "root")


# --- modules ------------------------------------------------------------------------------------

def module_name(path):
    return re.sub(r"\.ko(\.xz)?$", "", path.name).replace("-", "_")


def module_bytes(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def module_info(data, key):
    return [v.decode() for v in re.findall(rb"\0" + key + rb"=([^\0]+)", data)]


def collect_modules(kernel, names):
    """What belongs in /lib/modules/RELEASE: the modules, those that they need, and the lists that
    modprobe reads (depmod's, which the package does not have before it is installed)."""
    where = {module_name(p): p for p in kernel.modules.rglob("*.ko*")}
    builtin = {module_name(Path(line)) for line in
               (kernel.modules / "modules.builtin").read_text().split()}
    data, needs = {}, {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in data or name in builtin:
            continue
        if name not in where:
            kernel.missing_modules.add(name)
            continue
        data[name] = module_bytes(where[name])
        depends = module_info(data[name], b"depends")
        needs[name] = [n.replace("-", "_") for n in ",".join(depends).split(",") if n]
        todo += needs[name]

    def all_needs(name):
        """In the order in which they are to be loaded."""
        found = []
        for other in needs.get(name, ()):
            found += [*all_needs(other), other]
        return [n for n in dict.fromkeys(found) if n in data]

    files = {f"{name}.ko": content for name, content in data.items()}
    files["modules.dep"] = "".join(
        f"{name}.ko:{''.join(f' {n}.ko' for n in reversed(all_needs(name)))}\n"
        for name in data).encode()
    files["modules.alias"] = "".join(
        f"alias {alias} {name}\n" for name, content in data.items()
        for alias in module_info(content, b"alias")).encode()
    return files


# --- initramfs ----------------------------------------------------------------------------------

def libraries_of(program):
    return re.findall(r"(/\S+) \(0x", run("ldd", program).stdout)


def script_words(key):
    """What the scripts ask for in their first comments."""
    words = []
    for script in SCRIPTS:
        for line in script.read_text().splitlines():
            if not line.startswith("#"):
                break
            if line.startswith(f"# {key}: "):
                words += line.split(": ", 1)[1].split()
    return list(dict.fromkeys(words))


def find_program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(f"the program {name} is not installed here")
    return path


def collect_files(kernel):
    """Path in the machine to bytes; everything may be run."""
    files = {"init": (HERE / "init").read_bytes(), "bin/show": (HERE / "show").read_bytes(),
             "bin/busybox": Path(find_program("busybox")).read_bytes(),
             "etc/passwd": b"root:x:0:0::/:/bin/sh\noperator:x:1000:1000::/:/bin/sh\n"
                           b"nobody:x:65534:65534::/:/bin/sh\n",
             "var/lib/dpkg/status": b"Package: web\nStatus: install ok installed\n"
                                    b"Architecture: amd64\nVersion: 1.0\n",
             "var/lib/dpkg/info/web.list": b"/usr\n/usr/bin\n/usr/bin/web\n"}
    for script in SCRIPTS:
        files[f"guest/{script.name}"] = script.read_bytes()
    programs = {n: find_program(n) for n in script_words("programs")}
    for path in [PORTERO, *TOOLS]:
        programs[Path(path).name] = path
    for name, path in programs.items():
        files[f"usr/bin/{name}"] = Path(path).read_bytes()
        for library in libraries_of(path):
            files[library.lstrip("/")] = Path(library).read_bytes()
    for pattern in script_words("files"):
        for path in Path("/").glob(pattern):
            files[str(path).lstrip("/")] = path.read_bytes()
    for name, content in collect_modules(kernel, script_words("modules")).items():
        files[f"lib/modules/{kernel.release}/{name}"] = content
    return files


def archive_member(number, path, mode, content):
    """One file in the kernel's format of an initramfs (cpio newc: initramfs/buffer-format.rst)."""
    name = path.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def write_initramfs(files, path):
    folders = {str(p) for f in files for p in Path(f).parents if str(p) != "."}
    with open(path, "wb") as out:
        for number, folder in enumerate(sorted(folders), 1):
            out.write(archive_member(number, folder, stat.S_IFDIR | 0o755, b""))
        for number, (name, content) in enumerate(sorted(files.items()), 10000):
            out.write(archive_member(number, name, stat.S_IFREG | 0o755, content))
        out.write(archive_member(0, "TRAILER!!!", 0, b""))


# --- the machine --------------------------------------------------------------------------------

@dataclass
class Answer:
    code: int
    out: str
    err: str
    since_s: float  # of the machine's clock
    until_s: float

    @property
    def seconds(self):
        return self.until_s - self.since_s


@dataclass
class Machine:
    kernel: Kernel
    seconds: float
    console: str
    answers: dict  # "SCRIPT LABEL": what `show` sent

    def answer(self, name):
        assert name in self.answers, \
            f"{self.kernel.release} gave no answer {name!r}; its console ends:\n" + \
            self.console[-3000:]
        return self.answers[name]


HEADING = re.compile(rb"@@ (\S+) (\S+) (\d+) ([\d.]+) ([\d.]+) (\d+) (\d+)\n")


def parse_answers(data):
    answers, at = {}, 0
    while True:
        m = HEADING.match(data, at)
        if not m:
            return answers
        out_end = m.end() + int(m[6])
        at = out_end + int(m[7])
        answers[f"{m[1].decode()} {m[2].decode()}"] = Answer(
            int(m[3]), data[m.end():out_end].decode(), data[out_end:at].decode(), float(m[4]),
            float(m[5]))


def boot(kernel):
    """Boots it, lets it run all scripts, and returns what they answered."""
    work = KEPT / "runs" / kernel.series
    work.mkdir(parents=True, exist_ok=True)
    initramfs, console, sent = (work / n for n in ("initramfs", "console", "answers"))
    write_initramfs(collect_files(kernel), initramfs)
    for old in (console, sent):
        old.write_bytes(b"")
    since = time.monotonic()
    qemu = [find_program(QEMU), "-accel", ACCELERATOR, "-cpu", "max", "-m", "512", "-smp", "1",
            "-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(kernel.image),
            "-initrd", str(initramfs), "-append", "console=ttyS0 panic=-1 quiet",
            "-serial", f"file:{console}", "-serial", f"file:{sent}"]
    try:
        ended = subprocess.run(qemu, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=BOOT_LIMIT_S, check=False)
        problem = ended.stderr if ended.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"it did not switch itself off within {BOOT_LIMIT_S} s"
    machine = Machine(kernel, time.monotonic() - since,
                      console.read_text(errors="replace"), parse_answers(sent.read_bytes()))
    assert not problem and "init off" in machine.answers, \
        f"{kernel.release}: {problem}\n{machine.console[-3000:]}"
    return machine
