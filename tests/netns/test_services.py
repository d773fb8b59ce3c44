# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages, and sockets that somebody else opened for a service."""
import os
import socket
import subprocess

import pytest

from harness import (PYTHON, find, find_listener, need_program, note_ids, portero, wait_until)


def package_of(path):
    dpkg = need_program("dpkg")
    for one in (path, path.removeprefix("/usr")):
        answer = subprocess.run([dpkg, "-S", one], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return answer.stdout.split(":")[0]
    pytest.skip(f"program: no package owns {path} here")
    return None


@pytest.mark.parametrize("how", [(), ("--no-bpf",)])
def test_package_of_a_program(ns, how):
    ns.tcp("127.0.0.1", 8801)
    port = find(ns.status(*how), 8801)
    assert port["listeners"][0]["package"] == package_of(PYTHON)
    assert "unpackaged" not in note_ids(port)
    assert package_of(PYTHON) in ns.portero(*how).text
    assert find(ns.status(package_of(PYTHON), *how), 8801)


def test_unpackaged_program(ns, holder):
    ns.start([holder], give=[ns.tcp("127.0.0.1", 8802)], ready=True)
    port = find(ns.status(), 8802)
    assert port["listeners"][0]["package"] is None
    assert "unpackaged" in note_ids(port)


def test_nginx(ns, tmp_path):
    nginx = need_program("nginx")
    config = tmp_path / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 2; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {tmp_path}/a; proxy_temp_path {tmp_path}/b;
  fastcgi_temp_path {tmp_path}/c; uwsgi_temp_path {tmp_path}/d; scgi_temp_path {tmp_path}/e;
  server {{ listen 80; listen [::]:80; listen 127.0.0.1:2222; return 204; }}
}}
""")
    p = ns.start([nginx, "-c", str(config)], stderr=subprocess.DEVNULL)
    status = wait_until(lambda: (s := ns.status())["ports"] and
                        all(len(x["listeners"][0]["pids"]) == 3 for x in s["ports"]) and s)
    web = find(status, 80)
    for one in web["listeners"]:
        assert one["program"] == os.path.realpath(nginx)
        assert one["pid"] == p.pid, "the master"
        assert one["package"] == package_of(os.path.realpath(nginx))
    assert {one["address"] for one in web["listeners"]} == {"0.0.0.0", "::"}
    assert not note_ids(web) & {"unexpected-program", "reserved-for-other-service", "unpackaged",
                                "shared-socket"}
    lines = [x for x in ns.portero("80").text.splitlines() if x.startswith("80/tcp")]
    assert len(lines) == 1 and "nginx" in lines[0] and "(3)" in lines[0]
    assert find(ns.status("nginx", "80/tcp"), 80)
    shown = ns.portero("show", "80/tcp").text
    assert "Package" in shown and "nginx: master process" in shown


def test_sshd(ns, tmp_path):
    sshd = need_program("sshd")
    keygen = need_program("ssh-keygen")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", f"{tmp_path}/key"], check=True)
    # it wants /run/sshd, which is there only where it was started as a service: a /run of its own
    run = "mount -t tmpfs run /run && mkdir -m 755 /run/sshd && exec \"$@\""
    p = ns.start(["unshare", "-m", "sh", "-c", run, "sh", sshd, "-D", "-f", "/dev/null", "-h",
                  f"{tmp_path}/key", "-p", "22", "-o", f"PidFile={tmp_path}/pid"],
                 stderr=subprocess.DEVNULL)
    status = wait_until(lambda: (s := ns.status())["ports"] and s)
    port = find(status, 22)
    assert {one["pid"] for one in port["listeners"]} == {p.pid}
    assert port["listeners"][0]["package"] == package_of(os.path.realpath(sshd))
    assert not note_ids(port) & {"unexpected-program", "reserved-for-other-service"}


def test_python_on_the_port_of_ssh(ns):
    ns.tcp("0.0.0.0", 22)
    assert "unexpected-program" in note_ids(find(ns.status(), 22))
    assert "ssh" in ns.portero("22/tcp").text


def test_systemd_socket_activate(ns, holder):
    """First the one that holds the socket for the service is shown, then the service."""
    activate = need_program("systemd-socket-activate")
    p = ns.start([activate, "-l", "127.0.0.1:8803", holder], stderr=subprocess.DEVNULL)
    status = wait_until(lambda: (s := ns.status())["ports"] and s)
    one = find_listener(status, 8803)
    assert one["pid"] == p.pid and one["program"] == os.path.realpath(activate)
    shown = next(x for x in ns.portero("show", "8803/tcp").text.splitlines() if "Service " in x)
    assert shown.split() == ["Service", holder], "no unit: only the program that will be started"
    with ns:
        client = socket.create_connection(("127.0.0.1", 8803))
    wait_until(lambda: os.readlink(f"/proc/{p.pid}/exe") == holder)
    for how in ((), ("--no-bpf",)):
        one = find_listener(ns.status(*how), 8803)
        assert one["pid"] == p.pid and one["program"] == holder
    client.close()


def test_activator_of_a_program_without_a_path(ns, holder):
    """The program of the one must not keep the packages of all others from being found."""
    activate = need_program("systemd-socket-activate")
    ns.start([activate, "-l", "127.0.0.1:8805", "cat"], stderr=subprocess.DEVNULL)
    ns.tcp("127.0.0.1", 8806)
    status = wait_until(lambda: len((s := ns.status())["ports"]) == 2 and s)
    assert find_listener(status, 8805)["activation"]["program"] == "cat"
    assert find_listener(status, 8806)["package"], "python's, by whose process it is held"


def test_posing_as_an_activator(ns, holder):
    """In a mount namespace any program can stand at its path, and be given any arguments."""
    activate = os.path.realpath(need_program("systemd-socket-activate"))
    p = ns.start(["unshare", "-m", "sh", "-c", f'mount --make-rprivate / && '
                  f'mount --bind "{holder}" {activate} && exec {activate} /usr/sbin/sshd'],
                 give=[ns.tcp("127.0.0.1", 8807)], ready=True)
    one = find_listener(ns.status(), 8807)
    assert one["pid"] == p.pid and one["activation"] is None and one["package"] is None
    assert "/usr/sbin/sshd" not in ns.portero("8807").text


MANAGER = "/usr/lib/systemd/systemd"


def start_manager(ns, holder, tmp_path, *become):
    """
    In a mount namespace of its own, a program that stands at systemd's place and holds a socket,
    and the units which say what for.
    """
    if not os.path.exists(MANAGER):
        pytest.skip("program: systemd is not installed")
    units = tmp_path / "units"
    units.mkdir()
    (units / "door.socket").write_text("[Socket]\nListenStream=127.0.0.1:8804\n")
    (units / "door.service").write_text(f"[Service]\nExecStart={PYTHON} -m door\n")
    script = (f'mount --make-rprivate / && mount --bind "{holder}" {MANAGER} && '
              f'mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && '
              f'mkdir /run/systemd/system && cp "{units}"/* /run/systemd/system/ && '
              f'exec {" ".join(become)} {MANAGER}')
    s = ns.tcp("127.0.0.1", 8804)
    return ns.start(["unshare", "-m", "sh", "-c", script], give=[s], ready=True)


@pytest.fixture
def manager(ns, holder, tmp_path):
    return start_manager(ns, holder, tmp_path)


def test_manager_of_a_user(ns, holder, tmp_path):
    """Its units are the user's, even where one of the machine has the port or the name."""
    p = start_manager(ns, holder, tmp_path, "setpriv", "--reuid=65534", "--clear-groups")
    inside = ("nsenter", "-m", "-t", str(p.pid))
    one = find_listener(ns.portero("--json", prefix=inside).json, 8804)
    assert one["pid"] == p.pid and one["activation"] is None
    assert one["program"] == MANAGER and one["user"] != "root"


def test_socket_activation_shows_the_service(ns, manager):
    inside = ("nsenter", "-m", "-t", str(manager.pid))
    status = ns.portero("--json", prefix=inside).json
    port = find(status, 8804)
    one = port["listeners"][0]
    assert one["pid"] == manager.pid
    assert one["activation"] is not None
    assert one["activation"]["socket_unit"] == "door.socket"
    assert one["activation"]["service"] == "door.service"
    assert one["activation"]["program"] == PYTHON
    assert "socket-activation" in note_ids(port)
    row = next(x for x in ns.portero(prefix=inside).text.splitlines() if x.startswith("8804/"))
    assert PYTHON in row and "door.service" in row and "socket activation (door.socket)" in row
    assert f"Service      door.service, {PYTHON}\n" in ns.portero("show", "8804",
                                                                    prefix=inside).text
    for word in ("door", "door.service", "door.socket", "--unit=door"):
        assert find(ns.portero("--json", word, prefix=inside).json, 8804)


def test_nothing_at_all_changes_the_machine(ns):
    """Reading is all that it does: the same interfaces, files and rules afterwards."""
    def state():
        with ns:
            return (subprocess.run(["ip", "addr"], capture_output=True, check=True).stdout,
                    sorted(os.listdir("/run")), sorted(os.listdir("/sys/fs/bpf"))
                    if os.path.isdir("/sys/fs/bpf") else None)
    before = state()
    for args in ((), ("show", "22"), ("doctor",), ("--all", "22")):
        portero(*args, ns=ns)
    assert state() == before
