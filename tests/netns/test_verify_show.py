# SPDX-License-Identifier: GPL-2.0-or-later
"""
What show tells of how a port looked from outside: verify keeps it in outside.json.
"""
import json
import os
import signal
import subprocess
import time

import pytest

from harness import AS_NOBODY, SLOW, require_namespaces, wait_until
from verifying import OWN, RULES, SSH, Machine, small_table


@pytest.fixture
def machine(make_ns, tmp_path):
    require_namespaces()
    return Machine(make_ns, tmp_path)


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
    assert one["heard"]["this_boot"] and one["heard"]["time"] == one["time"]
    # a look at other ports leaves what was known; all is in one entry, however often it is looked at
    machine.verify("-p", "200", code=0)
    assert outside(machine, 22) == [one | {name: outside(machine, 22)[0][name]
                                           for name in ("age_s", "heard")}]
    machine.verify(code=0)
    for _ in range(10):
        machine.verify("-p", "200", code=0)
    (entry,) = kept(machine)
    assert len(entry["looks"]) == 2 and len(entry["services"]) == 1
    assert (machine.state_dir / "outside.json").stat().st_mode & 0o777 == 0o600
    assert outside(machine, 22)[0]["service"]["name"] == "ssh"


def kept(machine):
    return json.loads((machine.state_dir / "outside.json").read_text())["hosts"]


def test_a_poorer_look_leaves_what_was_known(machine):
    """What speaks there stays, with its own time, while the port is open; then it goes."""
    speaker = machine.speak("80:http", f"6379:{SSH}")
    machine.verify(code=1)
    first = time.time() - 7200
    change(machine, time=int(first))
    machine.verify("--no-services", "-p", "80", code=0)
    machine.verify("--no-services", "-p", "1-100", "-4", code=0)
    (one,) = outside(machine, 80)
    assert one["service"]["product"] == "nginx" and one["age_s"] < 3600
    assert 7200 <= one["heard"]["age_s"] < 9000
    text = " ".join(machine.run("show", "80").text.split())
    assert "http nginx 1.22.1" in text and "what speaks there was seen 2 h ago" in text
    (other,) = outside(machine, 6379)
    assert other["age_s"] >= 7200 and other["service"]["name"] == "ssh"
    assert outside(machine, 101)[0]["state"] == "closed", "only the first look asked that"
    speaker.kill()
    speaker.wait()
    machine.verify("--no-services", "-p", "80", code=0)
    (one,) = outside(machine, 80)
    assert (one["state"], one["service"], one["heard"]) == ("closed", None, None)


def test_what_could_not_be_told_leaves_what_was_known(machine, tmp_path):
    """A look that was interrupted, or whose time was over, asked nothing of most ports."""
    machine.speak("80:http")
    machine.verify("-p", "1-100", code=0)
    process = machine.begin("-p", "1-60000", prefix=small_table(tmp_path))
    wait_until(lambda: machine.links() - {"lo", "eth0"}, seconds=20 * SLOW)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60 * SLOW) == 2
    assert outside(machine, 80)[0]["service"]["product"] == "nginx"
    assert outside(machine, 101) == []


def test_impostor(machine):
    """What verify found about a port is told of it, and until a look does not find it any more."""
    speaker = machine.speak(f"6379:{SSH}", "80:http")
    machine.verify("-p", "80,6379", code=1)
    (one,) = outside(machine, 6379)
    assert one["disagreements"] == [
        {"kind": "impostor", "contradicts": {"what": "number", "service": "redis"}}]
    text = " ".join(machine.run("show", "6379").text.split())
    assert "impostor: the number stands for redis, and what speaks there is ssh." in text
    assert outside(machine, 80)[0]["disagreements"] == []
    machine.verify("--no-services", "-p", "6379", code=0)
    assert outside(machine, 6379)[0]["disagreements"] == one["disagreements"]
    speaker.kill()
    speaker.wait()
    machine.speak(f"6379:-NOAUTH Authentication required.")
    machine.verify("-p", "6379")
    assert outside(machine, 6379)[0]["disagreements"] == []
    assert "impostor" not in machine.run("show", "6379").text


def test_ghost_and_middlebox(machine):
    machine.ns.nft(RULES)
    answerer = machine.answer(7000, 8999)
    machine.verify("-p", "7777", code=1)
    assert [d["kind"] for d in outside(machine, 7777)[0]["disagreements"]] == ["ghost"]
    assert "nobody is known to listen" in " ".join(machine.run("show", "7777").text.split())
    machine.verify("-p", "7000-8999", code=1)
    for port in (7000, 7777):
        assert [d["kind"] for d in outside(machine, port)[0]["disagreements"]] == ["middlebox"]
    answerer.kill()
    answerer.wait()
    machine.verify("-p", "7777", code=0)
    assert outside(machine, 7777)[0]["disagreements"] == []


def test_file_of_another_version(machine):
    """It is said, and the next look replaces it."""
    machine.speak("80:http")
    machine.verify("-p", "80", code=0)
    path = machine.state_dir / "outside.json"
    path.write_text('{"schema": "portero.outside/1", "looks": []}')
    assert outside(machine, 80) is None
    assert "is of another version of portero: the next portero verify replaces it" in \
        " ".join(machine.run("show", "80").text.split())
    machine.verify("-p", "80", code=0)
    assert outside(machine, 80)[0]["service"]["product"] == "nginx"


def test_confidence_is_as_it_was_meant(machine):
    """0.95, and not 0.94999999999999996: everywhere."""
    machine.speak("80:http")
    for words in (("verify", "-p", "80"), ("show", "80/tcp")):
        out = machine.run(*words, "--json").text
        assert '"confidence": 0.95' in out and "99999" not in out
    assert b'"confidence":0.95' in (machine.state_dir / "outside.json").read_bytes()


def change(machine, **new):
    path = machine.state_dir / "outside.json"
    seen = json.loads(path.read_text())
    for look in seen["hosts"][0]["looks"]:
        look[:] = [new.get("time", look[0]), new.get("boot", look[1])]
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
    path = machine.state_dir / "outside.json"
    whole = path.read_bytes()
    hosts = json.loads(whole)
    (entry,) = hosts["hosts"]
    bad = [whole[:n] for n in range(0, len(whole), max(1, len(whole) // 12))]
    bad += [b"", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b"{" * 100,
            json.dumps(hosts | {"schema": "portero.outside/3"}).encode(),
            json.dumps(hosts | {"schema": "portero.outside/"}).encode(),
            json.dumps(hosts | {"hosts": [entry] * 5000}).encode()]
    service = entry["services"]["80"]
    for key, value in (("looks", [["x", "y"]]), ("looks", [[10**18, "y"]]), ("looks", [[-1, "y"]]),
                       ("looks", [[5, 7]]), ("looks", []), ("address", "x"), ("address", 7),
                       ("ports", 7), ("ports", [7]), ("ports", [[1, 99999, "reset", 0]]),
                       ("ports", [[0, 80, "reset", 0]]), ("ports", [[80, 80, "reset", 1]]),
                       ("ports", [[80, 80, "reset", -1]]), ("ports", [[80, 80, "reset", "0"]]),
                       ("ports", [[80, 80, "x", 0]]), ("ports", [[80, 80, "reset", 0, "x"]]),
                       ("services", {"80": 7}), ("services", {"80": service | {"look": 3}}),
                       ("services", {"80": service | {"contradicts": {"what": "x"}}}),
                       ("services", {"80": service | {"contradicts": {"what": "number"}}})):
        bad.append(json.dumps(hosts | {"hosts": [entry | {key: value}]}).encode())
    for text in bad:
        path.write_bytes(text)
        assert outside(machine, 80) is None, text[:80]
    assert "not as portero wrote it" in " ".join(machine.run("show", "80").text.split())
    # an entry of nonsense makes room for the next look at that address
    machine.verify("-p", "80", code=0)
    assert outside(machine, 80)[0]["state"] == "open"
    service["service"]["product"] = "\x1b[31mred\u202e" + "x" * 5000
    service["contradicts"] = {"what": "number", "service": "\x1b[31mred\u202e" * 50}
    entry["from"] = "\x1b]0;title\x07" * 50
    path.write_text(json.dumps(hosts))
    assert outside(machine, 80)[0]["service"]["product"].startswith("?[31mred?")
    machine.run("show", "80")  # harmless: portero() looks
    # nonsense makes room for the next look
    path.write_bytes(b"nonsense")
    machine.verify("-p", "80", code=0)
    assert outside(machine, 80)[0]["state"] == "open"


def test_what_was_seen_cannot_be_kept(machine):
    """A full disk, one that is read-only, a folder of others: the answer is as it would be."""
    machine.speak("80:http")
    machine.state_dir.mkdir(mode=0o700)
    for options in ("mode=700,nr_inodes=1", "mode=700,ro"):
        prefix = ("unshare", "-m", "--propagation", "private", "sh", "-e", "-c",
                  f"mount -t tmpfs -o {options} none {machine.state_dir}\nexec \"$@\"", "sh")
        answer = machine.verify("--json", "-p", "80", code=0, prefix=prefix)
        assert answer.json["open"] == 1
        assert "could not be kept for portero show" in answer.errors
    machine.state_dir.chmod(0o777)
    answer = machine.verify("--json", "-p", "80", code=2)  # of the guard, it cannot tell
    assert "others may write" in answer.errors and not list(machine.state_dir.iterdir())
    assert answer.json["open"] == 1
    assert outside(machine, 80) is None


def test_show_without_root(machine):
    machine.speak("80:http")
    machine.verify("-p", "80", code=0)
    os.chmod(machine.dir, 0o755)
    answer = machine.run("show", "80/tcp", "--json", prefix=AS_NOBODY).json
    assert answer["outside"] is None
