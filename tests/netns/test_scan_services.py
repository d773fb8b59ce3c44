# SPDX-License-Identifier: GPL-2.0-or-later
"""
scan -sV: what speaks on open ports, real servers and hostile ones; and that it takes no longer than
it may.
"""
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import AS_NOBODY, PYTHON, SLOW, check_json, portero, read_line, wait_until
from scanning import MINUTES, TARGET, TARGET6, Pair, begin_scan
from speakers import start


@pytest.fixture
def pair(make_ns, tmp_path):
    return Pair(make_ns, tmp_path)


HOSTILE = {"paints": "named", "closes": "hung-up", "tls_garbage": "unnamed", "babbles": "unnamed",
           "endless": "unnamed"}


def services(done):
    (host,) = done.json["hosts"]
    return {p["port"]: p["service"] for p in host["ports"]}


def test_what_speaks(pair):
    """By both families in one scan, since a port that greets late is waited for."""
    _, (web, tls, mail, late) = start(pair.host, "web", "tls_web", "mail", "greets_late")
    hosts = pair.scan("-sV", "-p", "40000-40010", TARGET6, code=(0,)).json["hosts"]
    assert [host["address"] for host in hosts] == [TARGET6, TARGET]
    for host in hosts:
        found = {p["port"]: p["service"] for p in host["ports"]}
        assert {p: found[p]["name"] for p in found} == {web: "http", tls: "http", mail: "smtp",
                                                        late: "ssh"}
        for port in (web, tls):
            assert (found[port]["product"], found[port]["version"]) == ("nginx", "1.2.3")
            assert found[port]["notes"]["title"] == "a page?[1m"
            assert found[port]["confidence"] > 0.9
        assert found[web]["tls"] is None
        assert found[tls]["tls"]["subject"] == "www.example" and not found[tls]["tls"]["inside"]
        assert found[mail]["tls"]["inside"] and found[mail]["product"] == "Postfix"


def test_who_does_not_answer_in_time_is_not_said_to_hang(pair):
    """It took every connection; that it left them half closed is all that was seen."""
    _, (port,) = start(pair.host, "deaf")
    done = portero("scan", "-sV", "-p", port, "--scope-file", pair.scope, TARGET, ns=pair.visitor, code=(0,))
    assert "says nothing, and does not end what is half closed: it may hang" in done.text
    assert services(pair.scan("-sV", "-p", port))[port]["end"] == "unresponsive"


def test_without_the_flag_nobody_is_asked(pair):
    process, (web,) = start(pair.host, "web")
    assert services(pair.scan("-p", str(web), code=(0,))) == {web: None}
    assert select.select([process.stdout], [], [], 0.3)[0] == []  # it tells of every connection


def test_a_real_server(pair, tool_dir):
    """Of many hosts, on ports that say nothing of it, by connections and without root."""
    with pair.host:
        subprocess.run(["ip", "addr", "add", "192.0.2.3/24", "dev", "eth0"], check=True)
    pair.host.start([PYTHON, "-m", "http.server", "-b", "0.0.0.0", "7000"])
    pair.scope = tool_dir / "scope"  # readable by nobody, too
    pair.scope.write_text("192.0.2.0/24 the test itself\n")
    wait_until(lambda: services(pair.scan("-p7000")), 20 * SLOW, "the server")
    done = pair.scan("-sV", "-p6990-7010", "192.0.2.3", prefix=AS_NOBODY, code=(0,))
    assert done.json["method"] == "connect"
    for host in done.json["hosts"]:
        (port,) = host["ports"]
        assert port["port"] == 7000 and port["service"]["name"] == "http"
        assert port["service"]["product"] == "Python http.server"


def test_who_is_hostile_is_not_believed(pair):
    _, ports = start(pair.host, *HOSTILE)
    done = pair.scan("-sV", "-p", ",".join(map(str, ports)), code=(0,))
    found = services(done)
    assert {k: found[p]["end"] for k, p in zip(HOSTILE, ports)} == HOSTILE
    babble = found[ports[list(HOSTILE).index("babbles")]]
    assert bytes.fromhex(babble["unknown_answer"]["hex"]) == b"what do you mean?\r\n"
    # harness.py looks at the bytes of the table, too
    table = portero("scan", "-sV", "--scope-file", pair.scope, "-p",
                    ",".join(str(p) for k, p in zip(HOSTILE, ports) if k not in ("endless", "tls_garbage")),
                    TARGET, ns=pair.visitor, code=(0,))
    assert "what do you mean?" in table.text and "closes every connection" in table.text
    assert "OpenSSH 9.2" in table.text


def test_services_take_no_longer_than_their_host_may(pair):
    """Of a silent port nothing is known by then; of the other all."""
    _, (web, silent) = start(pair.host, "web", "silent")
    began = time.monotonic()
    done = pair.scan("-sV", "-p", "40000,40001", "--host-timeout", f"{4 * SLOW}s", code=(2,))
    assert time.monotonic() - began < 14 * SLOW
    (host,) = done.json["hosts"]
    assert host["trouble"] == "timed-out" and not done.json["complete"]
    assert services(done)[web]["product"] == "nginx"
    assert services(done)[silent]["end"] == "out-of-time"
    assert services(done)[silent]["name"] is None


def locked_child_of(pid):
    """The child under seccomp that reads strangers' bytes; None: it is not there."""
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if re.search(r"^Seccomp:\s2$", Path(f"/proc/{child}/status").read_text(), re.M):
                return int(child)
    except FileNotFoundError:
        pass
    return None


def test_a_child_that_dies_gives_no_host_more_time(pair):
    """Killed again and again, each time with one port that is given up: those that are left had no time."""
    _, ports = start(pair.host, *["silent"] * 12)
    p, out = begin_scan(pair, "-sV", "-p", "40000-40011", "--host-timeout", f"{3 * SLOW}s")
    killed = set()
    while p.poll() is None:
        child = locked_child_of(p.pid)
        if child and child not in killed:
            time.sleep(0.4 * SLOW)
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                break  # the time was over meanwhile
            killed.add(child)
        time.sleep(0.02)
    assert p.wait() == 2 and len(killed) >= 2
    out.seek(0)
    (host,) = check_json(out.read())["hosts"]
    out.close()
    ends = [port["service"]["end"] for port in host["ports"]]
    assert len(ends) == len(ports) and "lost" in ends and host["trouble"] == "timed-out"
    assert ends.count("not-asked") + ends.count("out-of-time") >= 4


def test_ctrl_c_shows_which_services_are_known(pair):
    """More silent ports than are asked at once: the last of them have not been asked at all."""
    process, ports = start(pair.host, "web", *["silent"] * 9)
    p, out = begin_scan(pair, "-sV", "-p", "40000-40009")
    assert "40000" in read_line(process)  # the web server's visitor is gone: all is known of it
    time.sleep(0.5 * SLOW)
    p.send_signal(signal.SIGINT)
    assert p.wait(20 * SLOW) == 2
    out.seek(0)
    answer = check_json(out.read())
    out.close()
    (host,) = answer["hosts"]
    ends = {port["port"]: port["service"]["end"] for port in host["ports"]}
    assert host["trouble"] == "interrupted"
    assert ends == {ports[0]: "named", **{port: "not-asked" for port in ports[1:]}}


def test_who_opens_every_port_is_not_asked_on_all(pair):
    pair.host.nft("table inet t { chain p { type nat hook prerouting priority -100;\n"
                  "tcp dport 1-65535 redirect to :80\n}\n}\n")
    pair.listen([80])
    done = pair.scan("-sV", "-p1-1000", code=(2,))
    assert all(s["end"] == "not-asked" for s in services(done).values())
    table = portero("scan", "-sV", "--scope-file", pair.scope, "-p1-1000", TARGET, ns=pair.visitor,
                    timeout=MINUTES, code=(2,))
    assert "1000 open ports were not asked what speaks there" in table.text
