# SPDX-License-Identifier: GPL-2.0-or-later
"""`portero policy init`: a policy from what is open now, on machines of the tests' own."""
import os

import pytest
import yaml

from harness import AS_NOBODY, ip, janitor, portero

PLACE = "/srv"  # covered by a tmpfs, in a mount namespace of the host's own

RULES = """
table inet filter {
  set office { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport { 22, 80, 443, 6379, 7000, 8080 } accept
    udp dport 53 accept
    ip saddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 } tcp dport 5432 accept
    ip6 saddr fc00::/7 tcp dport 5432 accept
    ip saddr 203.0.113.0/24 tcp dport 9000 accept
    ip saddr @office tcp dport 9001 accept
  }
}
"""


@pytest.fixture
def host(ns, make_ns, holder):
    """A host on the internet with sshd, a web server, a stray Redis, and more."""
    ns.peer = make_ns()
    ns.connect(ns.peer, addresses=("192.0.2.1/24", "2001:db8:1::1/64"))
    for family, gateway in (("-4", "192.0.2.2"), ("-6", "2001:db8:1::2")):
        ip("-n", ns.peer.name, "addr", "add", gateway + ("/24" if family == "-4" else "/64"),
           "dev", "eth0", *(["nodad"] if family == "-6" else []))
        ip("-n", ns.name, family, "route", "add", "default", "via", gateway)
    ns.nft(RULES)
    # the programs are in a place that not everybody may write
    keeper = ns.start(["unshare", "-m", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs "
                       f"none {PLACE} && mount -t tmpfs none /dev/shm && exec '{holder}'"], ready=True)
    inside = ("nsenter", "-m", "-t", str(keeper.pid))

    def run(name, *sockets, prefix=(), where=PLACE):
        path = f"{where}/{name}"
        janitor.end(ns.start([*inside, "cp", str(holder), path]), how=0)
        return ns.start([*inside, *prefix, path], give=sockets, ready=True)

    def inside_portero(*args, prefix=(), **kw):
        return portero(*args, ns=ns, prefix=(*inside, *prefix), **kw)

    ns.run, ns.portero, ns.inside = run, inside_portero, inside
    run("sshd", ns.tcp("::", 22))
    run("webd", ns.tcp("::", 80), ns.tcp("::", 443), ns.udp("::", 53))
    run("redis-server", ns.tcp("0.0.0.0", 6379))
    run("database", ns.tcp("::", 5432))
    run("listed", ns.tcp("::", 9000))
    run("named", ns.tcp("::", 9001))
    run("closed", ns.tcp("::", 9999))
    run("inner", ns.tcp("127.0.0.1", 8081))
    return ns


def parts(text):
    """What counts, and what would if each comment with an opening were none."""
    plain = yaml.load(text, yaml.BaseLoader)
    lines = [line[1:] if line.startswith("#  ") else line for line in text.splitlines()]
    return plain, yaml.load("\n".join(lines), yaml.BaseLoader)


def find(policy, port):
    found = [o for o in policy["openings"] or [] if port in o["ports"]]
    assert len(found) <= 1, f"{port} is in several openings"
    return found[0] if found else None


def check(host, folder):
    return host.portero("policy", "check", folder, code=0)


def test_init(host, tmp_path):
    folder = tmp_path / "etc" / "portero" / "policy.d"
    result = host.portero("policy", "init", folder, code=0)
    assert f"Written: {folder}/10-init.yaml" in result.text
    text = (folder / "10-init.yaml").read_text()
    plain, whole = parts(text)
    assert plain["settings"] == {"undeclared": "drop", "protect": ["22/tcp"]}
    assert find(plain, "22/tcp")["from"] == ["internet"]
    web = find(plain, "443/tcp")
    assert web["ports"] == ["80/tcp", "443/tcp", "53/udp"]
    assert web["from"] == ["internet"]
    assert find(plain, "5432/tcp")["from"] == ["private"]
    assert find(plain, "9000/tcp")["from"] == ["203.0.113.0/24"]
    for port in ("9999/tcp", "8081/tcp"):
        assert find(whole, port) is None
    assert find(plain, "6379/tcp") is None
    assert find(whole, "6379/tcp")["from"] == ["internet"]
    assert "Redis: hardly ever for the internet (severity high)" in text
    assert "redis-server" in text.split("are you sure?")[1]
    check(host, folder)
    assert os.stat(folder / "10-init.yaml").st_mode & 0o777 == 0o644
    assert sorted(os.listdir(folder)) == ["10-init.yaml"]


def test_uncommented(host, tmp_path):
    """Somebody takes all the '#' away: it is still a policy."""
    text = host.portero("policy", "init", "-", code=0).text
    lines = [line[1:] if line.startswith("#  ") else line for line in text.splitlines()]
    folder = tmp_path / "policy.d"
    folder.mkdir(mode=0o755)
    (folder / "a.yaml").write_text("\n".join(lines) + "\n")
    (folder / "a.yaml").chmod(0o644)
    check(host, folder)


def test_named_set(host):
    """The networks of a set are written, or it is said that they could not be."""
    text = host.portero("policy", "init", "-", code=0).text
    plain, whole = parts(text)
    assert find(whole, "9001/tcp")
    if find(plain, "9001/tcp"):
        assert find(plain, "9001/tcp")["from"] == ["198.51.100.0/24"]
    else:
        assert "which are not written here" in text


def test_left_alone(host, tmp_path):
    folder = tmp_path / "policy.d"
    folder.mkdir(mode=0o755)
    (folder / "50-mine.yaml").write_text("openings: []\n")
    (folder / "50-mine.yaml").chmod(0o644)
    result = host.portero("policy", "init", folder, code=2)
    assert "is a policy in" in result.errors and "init -" in result.errors
    assert sorted(os.listdir(folder)) == ["50-mine.yaml"]
    host.portero("policy", "init", "-", code=0)


def test_places(host, tmp_path):
    folder = tmp_path / "a" / "b"
    host.portero("policy", "init", "--policy-dir", folder, code=0)
    assert (folder / "10-init.yaml").exists()
    file = tmp_path / "file"
    file.write_text("")
    assert "not a folder" in host.portero("policy", "init", file, code=2).errors
    assert "10-init.yaml" in host.portero("policy", "init", "/proc/portero", code=2).errors
    assert "one folder" in host.portero("policy", "init", "a", "b", code=2).errors
    assert "--json" in host.portero("policy", "init", "--json", "-", code=2).errors


def test_ssh_connection(host):
    text = host.portero("policy", "init", "-", code=0,
                        env={"SSH_CONNECTION": "192.0.2.2 40000 192.0.2.1 2222"}).text
    assert parts(text)[0]["settings"]["protect"] == ["22/tcp", "2222/tcp"]
    text = host.portero("policy", "init", "-", code=0,
                        env={"SSH_CONNECTION": "192.0.2.2 40000 192.0.2.1 22"}).text
    assert parts(text)[0]["settings"]["protect"] == ["22/tcp"]
    text = host.portero("policy", "init", "-", code=0, env={"SSH_CONNECTION": "a b c d"}).text
    assert parts(text)[0]["settings"]["protect"] == ["22/tcp"]


def test_suspicious(host):
    """A program in /tmp, and one whose file is gone: never kept without a question."""
    host.run("miner", host.tcp("::", 7000), where="/dev/shm")
    gone = host.run("gone", host.tcp("::", 8080))
    janitor.end(host.start([*host.inside, "rm", f"{PLACE}/gone"]), how=0)
    assert gone.poll() is None
    text = host.portero("policy", "init", "-", code=0).text
    plain, whole = parts(text)
    assert find(plain, "7000/tcp") is None
    assert "a program in a folder that everybody may write" in text
    assert find(plain, "8080/tcp") is None
    assert find(whole, "8080/tcp")


def test_hostile_names(host, tmp_path):
    """A name that would be YAML, or a line of its own."""
    for port, name in ((80801, 'a"b'), (80802, "x\n  - ports: [1-65535"), (80803, "a: b # c"),
                       (80804, "\x1b[31mred"), (80805, "null"), (80806, "\u202eevil")):
        host.run(name, host.tcp("::", port - 72801))
    host.nft("insert rule inet filter input tcp dport 8000-8010 accept")
    folder = tmp_path / "policy.d"
    host.portero("policy", "init", folder, code=0)
    check(host, folder)
    text = (folder / "10-init.yaml").read_text()
    plain, _ = parts(text)
    found = {o.get("program") for o in plain["openings"]} if plain["openings"] else set()
    assert not any("ports: [1-65535" in line and not line.startswith("  #")
                   for line in text.splitlines() if "program" not in line)
    assert "\x1b" not in text and "\u202e" not in text
    assert all(p is None or p.startswith("/") for p in found)


def test_two_on_one_port(host, tmp_path):
    """Two programs on one number, for two addresses: one opening, for neither alone."""
    ip("-n", host.name, "addr", "add", "192.0.2.77/24", "dev", "eth0")
    host.run("one", host.tcp("192.0.2.1", 7000))
    host.run("two", host.tcp("192.0.2.77", 7000), prefix=AS_NOBODY)
    text = host.portero("policy", "init", "-", code=0).text
    _, whole = parts(text)
    opening = find(whole, "7000/tcp")
    assert "program" not in opening and "user" not in opening
    assert "/one" in text and "/two" in text


def test_unknown_reach(host):
    """Without a look at the firewall nothing is kept, and the exit code says so."""
    result = host.portero("policy", "init", "-", prefix=AS_NOBODY, code=2)
    plain, _ = parts(result.text)
    assert not plain["openings"]
    assert "not everything could be looked at" in result.errors


def test_nothing_open(ns):
    text = ns.portero("policy", "init", "-", code=0).text
    plain, _ = parts(text)
    assert not plain["openings"]
    assert plain["settings"] == {"undeclared": "drop"}
