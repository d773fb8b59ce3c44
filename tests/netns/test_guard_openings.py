# SPDX-License-Identifier: GPL-2.0-or-later
"""Openings that the guard has to understand: those that end, and those for containers."""
import hashlib
import shutil
import time

import pytest

from guarding import HOME, TRY, need_guard
from harness import need_program, preload, wait_until
from test_guard_apply import Host, host  # noqa: F401

DOCKER_PROXY = "/usr/sbin/docker-proxy"


def declare(host, *openings):
    file = host.policy / "10.yaml"
    file.write_text("settings: {guard: enforce}\nopenings:\n" + "".join(
        f"  - {{{o}, from: [internet]}}\n" for o in openings))
    file.chmod(0o644)


def judgement(look, number):
    """What the guard says of a TCP port."""
    port, = (p for p in look["ports"] if (p["port"], p["proto"]) == (number, "tcp"))
    return port["policy"]["guard"]


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# --- until --------------------------------------------------------------------------------------

HOUR = 3600


class Clock:
    """What portero does as if somebody had set the machine's clock. (A namespace of time has no wall clock.)"""

    def __init__(self, host, directory):
        self.host, self.library = host, preload(directory, "clock")

    def at(self, by):
        return self.library | {"CLOCK_SET": str(round(by))}

    def refresh_before(self, end):
        """The guard is told of the end anew, so that this is a moment away; True: it was not yet there
        when that was done."""
        for seconds in (2, 4, 8, 16, 32):
            self.host.portero("guard", "refresh", env=self.at(end - time.time() - seconds))
            if self.host.reach(HOME[0], 80) == "open":
                return True
        return False


@pytest.fixture
def clock(host, tool_dir):  # noqa: F811
    return Clock(host, tool_dir)


def declare_ends(host, end):
    declare(host, f"ports: [80/tcp, 80/udp], program: {host.good}, until: '{utc(end)}'",
            f"ports: [81/tcp], until: '{utc(end)}'", f"ports: [82/tcp], program: {host.good}")
    host.portero("apply", "--yes", "--no-confirm")


def test_an_end(host, clock):  # noqa: F811
    """Nobody gets the port any more, the listener is cut off, and what has no end goes on."""
    end = int(time.time()) + HOUR
    declare_ends(host, end)
    tcp, udp, any_, lasting = (host.start(p) for p in (host.good, host.good, host.other, host.good))
    assert host.wins(tcp, 80) is host.wins(udp, 80, "udp") is True
    assert host.wins(any_, 81) is host.wins(lasting, 82) is True
    assert host.wins(host.start(), 80) == "EPERM"
    assert judgement(host.json("status"), 80) == "guarded"
    # for the firewall that is an hour away: it is not what closes them
    assert clock.refresh_before(end)
    wait_until(lambda: host.reach(HOME[0], 80) == "dropped", 60, "the end")
    for program in (host.good, host.other):
        assert host.start(program).open("tcp", "0.0.0.0", 80) == "EPERM"
        assert host.start(program).open("udp", "0.0.0.0", 80) == "EPERM"
        assert host.start(program).open("tcp", "0.0.0.0", 81) == "EPERM"
    assert host.reach(HOME[0], 81) == "dropped"
    assert not host.hears(udp, HOME[0], 80)
    assert host.reach(HOME[0], 82) == "open"
    # as of every port that nobody declared, the machine itself may have it
    assert host.reach("127.0.0.1", 80, ns=host.ns) == "open"
    look = host.json("status", code=(0, 1))
    assert judgement(look, 80) == "cut-off"
    assert judgement(look, 82) == "guarded"


def test_the_clock_is_set(host, clock):  # noqa: F811
    """While an opening has an end: nothing moves for the guard until it is told, and that it has to be is said."""
    declare_ends(host, int(time.time()) + HOUR)
    program, lasting = host.start(host.good), host.start(host.good)
    assert host.wins(program, 80) is host.wins(lasting, 82) is True
    assert host.json("guard")["intact"]
    for by, before, after in ((2 * HOUR, "open", "dropped"), (0, "dropped", "open"),
                              (-HOUR, "open", "open")):
        fault, = host.json("guard", code=1, env=clock.at(by))["faults"]
        assert (fault["id"], fault["severity"]) == ("clock-was-set", "high"), by
        assert "portero guard refresh" in host.portero("guard", code=1, env=clock.at(by))
        assert host.reach(HOME[0], 80) == before, by
        host.portero("guard", "refresh", env=clock.at(by))
        assert host.json("guard", env=clock.at(by))["intact"], by
        assert host.reach(HOME[0], 80) == after and host.reach(HOME[0], 82) == "open", by


def test_the_clock_does_not_matter_without_ends(host, clock):  # noqa: F811
    declare(host, f"ports: [80/tcp], program: {host.good}")
    host.portero("apply", "--yes", "--no-confirm")
    assert host.json("guard", env=clock.at(2 * HOUR))["intact"]


# --- containers ---------------------------------------------------------------------------------

class Docker(Host):
    """A machine of its own, as far as Docker's package goes: what the kernel executes is that file."""

    def __init__(self):
        super().__init__()
        self.dpkg, self.sbin = self.folder / "dpkg", self.folder / "sbin"
        for name in ("status", "info/docker.io.list", "info/docker.io.md5sums"):
            (self.dpkg / name).parent.mkdir(parents=True, exist_ok=True)
            (self.dpkg / name).write_text("")
        shutil.copytree("/usr/sbin", self.sbin, symlinks=True)
        self.install(TRY.read_bytes())

    def install(self, content, vouched=None):
        path = self.sbin / "docker-proxy"
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
        md5 = hashlib.md5(vouched or content).hexdigest()
        (self.dpkg / "status").write_text("Package: docker.io\nStatus: install ok installed\n"
                                          "Architecture: amd64\nVersion: 1\n\n")
        (self.dpkg / "info/docker.io.list").write_text(f"/.\n/usr/sbin\n{DOCKER_PROXY}\n")
        (self.dpkg / "info/docker.io.md5sums").write_text(f"{md5}  {DOCKER_PROXY[1:]}\n")

    def argv(self, *args, **kw):
        """In mounts of its own, where Docker's package is there."""
        return [need_program("unshare"), "-m", "sh", "-c",
                f"mount --bind {self.dpkg} /var/lib/dpkg && mount --bind {self.sbin} /usr/sbin && "
                'exec "$@"', "sh", *map(str, super().argv(*args, **kw))]

    def start_as(self, unit, path=None):
        return self.start(path or self.sbin / "docker-proxy", cgroup=self.group(unit))


@pytest.fixture
def docker():
    need_guard()
    made = Docker()
    try:
        yield made
    finally:
        made.close()


def test_dockers_proxy_has_the_port_of_a_container(docker):
    """By its file, as Docker's package brought it, and in Docker's unit; nobody else has it."""
    declare(docker, "ports: [80/tcp], container: web", f"ports: [81/tcp], program: {docker.good}")
    docker.portero("apply", "--yes", "--no-confirm")
    unit = "system.slice/docker.service"
    assert docker.wins(docker.start_as(unit), 81) == "EPERM", "it is no container's"
    assert docker.wins(docker.start_as("system.slice/evil.service"), 80) == "EPERM"
    copy = docker.copy("docker-proxy")
    assert docker.wins(docker.start_as(unit, copy), 80) == "EPERM"
    proxy = docker.start_as(unit)
    assert docker.wins(proxy, 80) is True
    assert docker.json("guard")["intact"]
    proxy.end()
    # an upgrade that the package vouches for is learned; any other content is not
    time.sleep(0.05)
    docker.install(TRY.read_bytes() + b"\0")
    assert docker.wins(docker.start_as(unit), 80) == "EPERM"
    docker.portero("guard", "refresh")
    proxy = docker.start_as(unit)
    assert docker.wins(proxy, 80) is True
    proxy.end()
    time.sleep(0.05)
    docker.install(TRY.read_bytes() + b"\0\0", vouched=b"something else")
    assert "another program" in docker.portero("guard", "refresh", code=1)
    assert docker.wins(docker.start_as(unit), 80) == "EPERM"


def test_a_proxy_that_no_package_brought(docker):
    """Its name is not enough: the policy's check tells, and it gets no port."""
    docker.install(TRY.read_bytes(), vouched=b"something else")
    declare(docker, "ports: [80/tcp], container: web")
    assert f"published by {DOCKER_PROXY}, whose content no package vouches for" in \
        docker.portero("policy", "check", code=1)
    docker.portero("apply", "--yes", "--no-confirm")
    assert docker.wins(docker.start_as("system.slice/docker.service"), 80) == "EPERM"


# --- a kernel without -------------------------------------------------------------------------------

class Old(Host):
    """Where no cgroup v2 is mounted, which the guard would be attached to."""

    def argv(self, *args, **kw):
        words = [str(word) for word in super().argv(*args, **kw)]
        at = words.index("--cgroup")
        return [need_program("unshare"), "-m", "sh", "-c",
                'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh",
                *words[:at], *words[at + 2:]]


@pytest.fixture
def old():
    need_guard()
    made = Old()
    try:
        yield made
    finally:
        made.close()


def test_a_kernel_that_can_have_no_guard(old):
    """The firewall does its half, and nobody is told that all of the policy is in force."""
    said = old.portero("apply", "--yes", "--no-confirm", code=2)
    assert "Applied, to stay" in said and "the guard is not in force" in said
    assert old.reach(HOME[0], 8080) == "dropped"
    assert "not in force" in old.portero("restore", code=2)
    old.declare(old.good, "off")
    old.portero("apply", "--yes", "--no-confirm")
    old.portero("restore")
