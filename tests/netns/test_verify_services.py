# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify's impostors: ports on which another protocol is spoken than their program's or their number's;
and everybody who must not be called one. Then what show tells of the last look.
"""
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from harness import (AS_NOBODY, PORTERO, PYTHON, SLOW, base_environment, need_program, portero,
                     require_namespaces, wait_until)

OWN = "10.5.0.1"
MINUTES = 600 * SLOW  # a guard against hanging, no measure

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
    def __init__(self, make_ns, directory):
        self.ns, self.peer, self.dir = make_ns(), make_ns(), directory
        self.ns.connect(self.peer, addresses=(f"{OWN}/24",))
        self.state, self.policy = directory / "state", directory / "policy.d"
        self.env = {"PORTERO_STATE_DIR": str(self.state)}

    def run(self, *args, **kw):
        env = self.env | kw.pop("env", {})
        return portero(*args, ns=self.ns, reach=True, timeout=MINUTES, env=env, **kw)

    def verify(self, *args, **kw):
        return self.run("verify", *args, **kw)

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


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path)


def found(answer):
    return {(d["kind"], d["port"]): d for d in answer.json["disagreements"]}


def services(answer):
    return {s["port"]: s["service"] for s in answer.json["services"]}


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
    assert "6379/tcp: the number stands for redis, and what speaks there is ssh." in text
    assert "ssh OpenSSH 9.2p1" in text and "8080/tcp" not in text
    assert "Asked what speaks there: 2 open ports. Not to be told: 0." in text


def test_program(machine):
    """Under the name of sshd, on numbers that stand for nothing."""
    machine.speak("40001:http", f"40002:{SSH}", "40003:hello", program="sshd")
    answer = machine.verify("--json", "-p", "40000-40010", code=1)
    assert set(found(answer)) == {("impostor", 40001)}
    assert found(answer)["impostor", 40001]["contradicts"] == {"what": "program", "service": "ssh"}
    text = machine.verify("-p", "40001", code=1).text
    assert "40001/tcp: its program never speaks anything but ssh, and there it speaks http." in text
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
    assert answer["complete"] and answer["services"][0]["service"]["end"] == "not-taken"
    assert answer["seconds"] < 15 * SLOW


def test_killed_while_it_asks(machine):
    machine.ns.tcp(OWN, 4000)
    process = machine.ns.start([PORTERO, "verify", "-p", "4000"],
                               env=base_environment() | machine.env)
    name = wait_until(lambda: link_names(machine) - {"lo", "eth0"}, seconds=20 * SLOW)
    time.sleep(1)  # some moment while it asks
    process.kill()
    process.wait()
    wait_until(lambda: not link_names(machine) & name, seconds=60 * SLOW, what="the visitor is gone")
    assert not any(" verify " in c for c in command_lines(machine))


def link_names(machine):
    out = subprocess.run(["ip", "-n", machine.ns.name, "-j", "link"], capture_output=True,
                         text=True, check=True).stdout
    return {link["ifname"] for link in json.loads(out)}


def command_lines(machine):
    """Of the processes that ask the machine's own state folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if str(machine.state).encode() not in f.read():
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                yield f.read().replace(b"\0", b" ").decode()
        except OSError:
            continue


# --- what show tells ----------------------------------------------------------------------------

def outside(machine, port, **kw):
    return machine.run("show", f"{port}/tcp", "--json", **kw).json["outside"]


def test_show(machine):
    machine.sshd(22)
    assert outside(machine, 22) == []
    assert "Outside" not in machine.run("show", "22").text
    machine.verify("-p", "1-100", code=0)
    (one,) = outside(machine, 22)
    assert one["state"] == "open" and one["address"] == OWN and one["own"] and one["this_boot"]
    assert one["service"]["name"] == "ssh" and one["service"]["product"] == "OpenSSH"
    assert one["from"] is None and 0 <= one["age_s"] < 600 * SLOW
    text = " ".join(machine.run("show", "22").text.split())
    assert "Outside open, ssh OpenSSH " in text
    assert f"({OWN}): seen " in text and "ago by a visitor on this machine" in text
    assert outside(machine, 23)[0]["state"] == "closed"
    assert outside(machine, 101) == [] and "Outside" not in machine.run("show", "22/udp").text
    # a look at other ports leaves what was known; one at all takes its place
    machine.verify("-p", "200", code=0)
    assert outside(machine, 22) == [one | {"age_s": outside(machine, 22)[0]["age_s"]}]
    machine.verify(code=0)
    assert len(json.loads((machine.state / "outside.json").read_text())["looks"]) == 1
    assert (machine.state / "outside.json").stat().st_mode & 0o777 == 0o600
    for _ in range(3):
        machine.verify("-p", "22", code=0)
    assert len(json.loads((machine.state / "outside.json").read_text())["looks"]) == 2


def change(machine, **new):
    path = machine.state / "outside.json"
    seen = json.loads(path.read_text())
    seen["looks"][0].update(new)
    path.write_text(json.dumps(seen))


def test_show_is_honest_about_age_boot_and_address(machine):
    machine.speak("80:http")
    machine.verify("-p", "80", code=0)
    change(machine, boot="another", time=int(time.time()) - 7200)
    (one,) = outside(machine, 80)
    assert not one["this_boot"] and 7200 <= one["age_s"] < 9000
    text = " ".join(machine.run("show", "80").text.split())
    assert "seen 2 h ago" in text and "the machine was started again since" in text
    change(machine, time=int(time.time()) + 9999)
    assert outside(machine, 80)[0]["age_s"] is None
    assert "a time that has not come yet" in " ".join(machine.run("show", "80").text.split())
    subprocess.run(["ip", "-n", machine.ns.name, "addr", "add", "10.5.0.9/24", "dev", "eth0"],
                   check=True)
    subprocess.run(["ip", "-n", machine.ns.name, "addr", "del", f"{OWN}/24", "dev", "eth0"],
                   check=True)
    assert not outside(machine, 80)[0]["own"]
    assert "has not that address now" in " ".join(machine.run("show", "80").text.split())


def test_show_with_a_file_of_anybody(machine):
    """Every truncation, and what others might write: a sentence, never a crash, nothing shown raw."""
    machine.speak("80:http")
    machine.verify("-p", "79-81", code=0)
    path = machine.state / "outside.json"
    whole = path.read_bytes()
    looks = json.loads(whole)
    bad = [whole[:n] for n in range(0, len(whole), max(1, len(whole) // 12))]
    bad += [b"", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b"{" * 100,
            json.dumps(looks | {"schema": "portero.outside/2"}).encode()]
    for key, value in (("time", "x"), ("time", 10**18), ("time", -1), ("boot", 7),
                       ("hosts", [{"address": "x"}]), ("hosts", [7]),
                       ("hosts", [{"address": OWN, "intervals": [{"first": 1, "last": 99999,
                                                                  "proto": "tcp",
                                                                  "reason": "reset"}]}])):
        bad.append(json.dumps(looks | {"looks": [looks["looks"][0] | {key: value}]}).encode())
    for text in bad:
        path.write_bytes(text)
        assert outside(machine, 80) is None, text[:80]
    assert "not as portero wrote it" in " ".join(machine.run("show", "80").text.split())
    host = looks["looks"][0]["hosts"][0]
    host["ports"][0]["service"]["product"] = "\x1b[31mred\u202e" + "x" * 5000
    looks["looks"][0]["from"] = "\x1b]0;title\x07" * 50
    path.write_text(json.dumps(looks))
    assert outside(machine, 80)[0]["service"]["product"].startswith("?[31mred?")
    machine.run("show", "80")  # harmless: portero() looks
    # nonsense makes room for the next look
    path.write_bytes(b"nonsense")
    machine.verify("-p", "80", code=0)
    assert outside(machine, 80)[0]["state"] == "open"


def test_what_was_seen_cannot_be_kept(machine):
    """A full disk, one that is read-only, a folder of others: the answer is as it would be."""
    machine.speak("80:http")
    machine.state.mkdir(mode=0o700)
    for options in ("mode=700,nr_inodes=1", "mode=700,ro"):
        prefix = ("unshare", "-m", "--propagation", "private", "sh", "-e", "-c",
                  f"mount -t tmpfs -o {options} none {machine.state}\nexec \"$@\"", "sh")
        answer = machine.verify("--json", "-p", "80", code=0, prefix=prefix)
        assert answer.json["open"] == 1
        assert "could not be kept for portero show" in answer.errors
    machine.state.chmod(0o777)
    answer = machine.verify("--json", "-p", "80", code=2)  # of the guard, it cannot tell
    assert "others may write" in answer.errors and not list(machine.state.iterdir())
    assert answer.json["open"] == 1
    assert outside(machine, 80) is None


def test_show_without_root(machine):
    machine.speak("80:http")
    machine.verify("-p", "80", code=0)
    os.chmod(machine.dir, 0o755)
    answer = machine.run("show", "80/tcp", "--json", prefix=AS_NOBODY).json
    assert answer["outside"] is None
