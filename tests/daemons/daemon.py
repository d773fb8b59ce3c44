# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemons of daemons.yaml, each as a machine of its own: a case of tests/frontends/room.py."""
import re
import shlex
import time
from pathlib import Path

import yaml

import room

HERE = Path(__file__).resolve().parent
CACHE = room.ROOT / "build" / "daemons"
ADDRESS = "10.77.0.1"  # of truth.Wire's host, over the cable
OTHER_PORT = 40123
PRELUDE = """
DIR=/tmp/d
mkdir -p $DIR; chmod 777 $DIR; cd $DIR
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
# nobody to ask for names: a refusal at once is quicker than silence
rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 > /etc/resolv.conf
export LD_LIBRARY_PATH=$(echo /opt/*/usr/lib/x86_64-linux-gnu | tr ' ' :)
nobody() { chown -R nobody:nogroup $DIR; exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; }
www() { mkdir -p $DIR/www/sub; echo hi > $DIR/www/a.txt; }
cert() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=dm -days 2 -keyout $DIR/key.pem -out $DIR/cert.pem 2>/dev/null
	cat $DIR/key.pem $DIR/cert.pem > $DIR/both.pem
}
"""


def load():
    return yaml.safe_load((HERE / "daemons.yaml").read_text(encoding="utf-8"))


class Daemon:
    """One of them, running and ready."""

    def __init__(self, layer, name, recipe):
        self.name, self.recipe = name, recipe
        self.case = room.Case(layer)
        self.ports = recipe["ports"]
        try:
            started = time.monotonic()
            self.start()
            self.wait(recipe.get("ready", [next(iter(self.ports))]), recipe.get("seconds", 30))
            self.seconds = time.monotonic() - started
        except BaseException:
            self.close()
            raise

    def start(self):
        exports = "".join(f"export {key}={shlex.quote(value)}\n"
                          for key, value in {"MORE": "", "BANNER": "",
                                             **self.recipe.get("environment", {})}.items())
        self.case.write("/tmp/start", PRELUDE + exports + self.recipe["start"])
        self.case.run("setsid unshare --uts sh -c 'hostname dm.test; bash /tmp/start; echo ended: $?' </dev/null >/tmp/log 2>&1 &")

    def wait(self, ports, seconds):
        """Until all of them are bound."""
        end = time.monotonic() + seconds
        while not all(self.bound(port) for port in ports):
            time.sleep(0.05)
            if time.monotonic() > end or re.search(r"^ended: \d+$", self.log(), re.M):
                raise AssertionError(f"{self.name} did not start: " + self.log()[-1500:])

    def bound(self, port):
        number, proto = port.split("/")
        state = "0A" if proto == "tcp" else "07"
        table = "".join(Path(f"/proc/{self.case.first}/net/{proto}{family}").read_text()
                        for family in ("", "6"))
        return re.search(rf":\s\w+:{int(number):04X} \w+:0000 {state}", table) is not None

    def log(self):
        return self.case.run("cat /tmp/log", check=False)

    def redirect(self, port):
        """The same daemon at OTHER_PORT, from here and from elsewhere."""
        number, proto = port.split("/")
        self.case.nft(f"""
            table ip other {{
                chain pre {{ type nat hook prerouting priority -100;
                    {proto} dport {OTHER_PORT} redirect to :{number}; }}
                chain out {{ type nat hook output priority -100;
                    ip daddr 127.0.0.1 {proto} dport {OTHER_PORT} redirect to :{number}; }}
            }}""")
        return f"{OTHER_PORT}/{proto}"

    def unredirect(self):
        self.case.run("nft delete table ip other")

    def package_version(self):
        """What Debian calls it: without epoch and revision."""
        package = self.recipe["package"]
        said = self.case.run(f"""
            said=$(dpkg-query -W -f '${{Version}}' {package} 2>/dev/null || true)
            [ -n "$said" ] || said=$(apt-cache policy {package} | awk '/Candidate/ {{ print $2 }}')
            echo "$said" """)
        return re.sub(r"-[^-]*$", "", re.sub(r"^\d+:", "", said.strip()))

    def close(self):
        self.case.close()


def version_fits(expected, said, package_version):
    """`expected` as in daemons.yaml: null (none may be said), "package", "*" (any or none), "10.11*"."""
    if expected is None:
        return not said
    if expected == "package":
        return said in (package_version, re.split(r"[+~]", package_version)[0])
    if expected.endswith("*"):
        return (said or "").startswith(expected[:-1])
    return said == expected
