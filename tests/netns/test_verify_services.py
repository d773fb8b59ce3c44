# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify's impostors: ports on which another protocol is spoken than their program's or their number's;
and everybody who must not be called one.
"""
import os
import socket
import subprocess
import time

import pytest

from harness import PYTHON, SLOW, ip, need_program, require_namespaces, wait_until
from verifying import OWN, SPEAKER, SSH, Machine, found, services


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path)


# --- impostors ----------------------------------------------------------------------------------

def test_number(machine):
    """redis's number by a process that speaks ssh; the same on a number that stands for nothing."""
    machine.speak(f"6379:{SSH}", f"8080:{SSH}", "22:http")
    answer = machine.verify("--json", "-p", "1-10000", code=1)
    assert set(found(answer)) == {("impostor", 6379), ("impostor", 22)}
    one = found(answer)["impostor", 6379]
    assert one["contradicts"] == {"what": "number", "service": "redis"}
    assert one["outside"]["service"]["name"] == "ssh"
    assert one["outside"]["service"]["product"] == "OpenSSH"
    assert one["inside"]["program"] == PYTHON
    assert answer.json["open"] == 3 and answer.json["complete"]
    assert services(answer)[8080]["version"] == "9.2p1"
    text = machine.verify("-p", "6379,8080", code=1).text
    assert f"6379/tcp ({OWN}): the number stands for redis, and what speaks there is ssh." in text
    assert "ssh OpenSSH 9.2p1" in text and "8080/tcp" not in text
    assert "Asked what speaks there: 2 open ports." in text and "cannot be told" not in text


def test_one_line_for_each_port(machine):
    """An impostor at three addresses is one, with three addresses."""
    more = ("10.5.0.8", "10.5.0.9")
    for address in more:
        ip("-n", machine.ns.name, "addr", "add", f"{address}/24", "dev", "eth0")
    machine.speak(f"6379:{SSH}", "22:http")
    text = machine.verify("-p", "22,6379", code=1).text
    assert text.count("the number stands for redis") == 1
    assert f"6379/tcp ({', '.join((OWN, *more))}): the number stands for redis" in text
    assert f"22/tcp ({', '.join((OWN, *more))}): the number stands for ssh" in text
    machine.speak("7000:", "7001:http")
    text = machine.verify("-p", "7000,7001", OWN, code=0).text
    assert "Asked what speaks there: 2 open ports." in text
    assert "Of these, what speaks there cannot be told: 1." in text
    assert "Asked what speaks there: 1 open port." in machine.verify("-p", "7001", OWN,
                                                                      code=0).text


def test_program(machine):
    """Under the name of sshd, on numbers that stand for nothing."""
    machine.speak("40001:http", f"40002:{SSH}", "40003:hello", program="sshd")
    answer = machine.verify("--json", "-p", "40000-40010", code=1)
    assert set(found(answer)) == {("impostor", 40001)}
    assert found(answer)["impostor", 40001]["contradicts"] == {"what": "program", "service": "ssh"}
    text = machine.verify("-p", "40001", code=1).text
    assert f"40001/tcp ({OWN}): its program never speaks anything but ssh, and there it speaks http." in text
    assert "impostor: it speaks another protocol" in text


def test_real_sshd_on_another_services_number(machine):
    """An impostor, until the policy says that sshd is meant to be there."""
    machine.sshd(3306, 443)
    answer = machine.verify("--json", "-p", "1-4000", code=1)
    assert set(found(answer)) == {("impostor", 3306), ("impostor", 443)}
    machine.declare("openings:\n- ports: [443/tcp]\n  program: /usr/sbin/sshd\n  from: [internet]\n"
                    "- ports: [3306/tcp]\n  from: [internet]\n")
    answer = machine.verify("--json", "-p", "1-4000", code=1)
    assert set(found(answer)) == {("impostor", 3306)}, "an opening for anybody names nobody"
    machine.declare("openings:\n- ports: [443/tcp, 3306/tcp]\n  program: /usr/sbin/sshd\n"
                    "  from: [internet]\n")
    assert machine.verify("--json", "-p", "1-4000", code=0).json["open"] == 2


def test_policy_is_no_excuse_for_a_program(machine):
    machine.speak("40001:http", program="sshd")
    machine.declare(f"openings:\n- ports: [40001/tcp]\n  program: {machine.dir}/sshd\n"
                    "  from: [internet]\n")
    assert set(found(machine.verify("--json", "-p", "40001", code=1))) == {("impostor", 40001)}


def test_a_host_with_all_three(machine, make_ns):
    """A published port, a dropped service, one that is shadowed, and an impostor."""
    container = make_ns()
    machine.ns.connect(container, name="ct0", mac="02:00:00:00:00:02",
                       addresses=("10.88.0.1/24",))
    with container:
        subprocess.run(["ip", "addr", "add", "10.88.0.2/24", "dev", "eth0"], check=True)
        subprocess.run(["ip", "route", "add", "default", "via", "10.88.0.1"], check=True)
    container.python(SPEAKER, "80:http")
    machine.ns.sysctl(ipv4__ip_forward=1)
    machine.ns.nft("table ip nat { chain pre { type nat hook prerouting priority -100;\n"
                   f"ip daddr {OWN} tcp dport 8080 dnat to 10.88.0.2:80\n}}\n}}\n"
                   "table inet host { chain in { type filter hook input priority 0;\n"
                   "tcp dport 5432 drop\n}\n}\n")
    machine.speak(f"6379:{SSH}", "5432:http")
    machine.ns.tcp(OWN, 9300, backlog=0)
    waiting = []
    with machine.ns:
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex((OWN, 9300))
    answer = machine.verify("--json", OWN, code=1)
    assert set(found(answer)) == {("impostor", 6379), ("shadowed", 9300)}
    assert services(answer)[8080]["name"] == "http"
    assert answer.json["open"] == 2 and answer.json["not_open"] == 65535 - 3
    assert set(services(answer)) == {8080, 6379}
    for w in waiting:
        w.close()


def test_gone_at_the_second_look(machine):
    """What speaks like an impostor once only is none."""
    once = SPEAKER.replace('def talk(c, words):', 'def talk(c, words):\n    global said\n'
                           '    words = words if not said else "SSH-2.0-OpenSSH_9.2p1"\n'
                           '    said = True').replace("HTTP =", "said = False\nHTTP =")
    machine.ns.python(once, "22:220 ftp.example ESMTP Postfix")
    answer = machine.verify("--json", "-p", "22", code=0).json
    assert answer["changed"] == 1 and answer["disagreements"] == []


# --- who is none --------------------------------------------------------------------------------

def start_nginx(machine):
    nginx, d = need_program("nginx"), machine.dir
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                    "/CN=test.example", "-keyout", d / "key", "-out", d / "cert", "-days", "2"],
                   check=True, capture_output=True)
    (d / "nginx.conf").write_text(
        f"daemon off; pid {d}/nginx.pid; error_log {d}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {d}/b; proxy_temp_path {d}/p;\n"
        f"fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;\n"
        "server { listen 80; listen 8443 ssl; listen 443 ssl;\n"
        f"ssl_certificate {d}/cert; ssl_certificate_key {d}/key; }} }}\n")
    machine.ns.start([nginx, "-c", d / "nginx.conf"])
    machine.wait_for(80, 443, 8443)


def test_no_false_accusations(machine):
    start_nginx(machine)
    machine.sshd(22, 2222)
    machine.ns.start([PYTHON, "-m", "http.server", "8000"])
    machine.wait_for(8000)
    # what nobody knows, what says nothing, and a protocol that numbers do not stand for
    machine.speak("25:hello", "5900:", "8888:http", f"9000:{SSH}", "5000:http")
    answer = machine.verify("--json", code=0).json
    assert answer["disagreements"] == [] and answer["changed"] == 0 and answer["complete"]
    heard = {s["port"]: s["service"]["name"] for s in answer["services"]}
    assert heard == {80: "http", 443: "http", 8443: "http", 22: "ssh", 2222: "ssh", 8000: "http",
                     25: None, 5900: None, 8888: "http", 9000: "ssh", 5000: "http"}


def test_without_services(machine):
    machine.speak(f"6379:{SSH}")
    answer = machine.verify("--json", "--no-services", "-p", "6379", code=0).json
    assert answer["services"] is None and answer["open"] == 1
    assert "Asked what speaks" not in machine.verify("--no-services", "-p", "6379", code=0).text
    assert machine.verify("--json", "-p", "1-1000", code=0).json["services"] == []


def test_silence_is_bounded(machine):
    """A port whose connections nobody takes: asked for some seconds, and no reason for doubt."""
    machine.ns.tcp(OWN, 4000)
    answer = machine.verify("--json", "-p", "4000", code=0).json
    assert answer["complete"] and answer["services"][0]["service"]["end"] == "unresponsive"
    assert answer["seconds"] < 15 * SLOW


def test_killed_while_it_asks(machine):
    machine.ns.tcp(OWN, 4000)
    process = machine.begin("-p", "4000")
    name = wait_until(lambda: machine.links() - {"lo", "eth0"}, seconds=20 * SLOW)
    time.sleep(1)  # some moment while it asks
    process.kill()
    process.wait()
    wait_until(lambda: not machine.links() & name, seconds=60 * SLOW, what="the visitor is gone")
    assert not any(" verify " in c for c in command_lines(machine))


def command_lines(machine):
    """Of the processes that ask the machine's own state folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if str(machine.state_dir).encode() not in f.read():
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                yield f.read().replace(b"\0", b" ").decode()
        except OSError:
            continue
