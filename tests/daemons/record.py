#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
record.py [DAEMON...]: starts the daemons and writes down what each answers to what it would be asked on its
ports, and to GET /, as tests/unit/data/answers/PROTOCOL-DAEMON.txt. What the matches say of it goes into the
file, to be read by a person before it is committed. Run as root.
"""
import os
import re
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "frontends"), str(HERE.parent / "netns")]

import daemon  # noqa: E402
import probes  # noqa: E402
import room  # noqa: E402

ANSWERS = room.ROOT / "tests" / "unit" / "data" / "answers"
MOST = 20000  # bytes of an answer


def receive(s, most=MOST, silence=3):
    """Until it is closed, or silent for a while."""
    data = b""
    s.settimeout(silence)
    try:
        while len(data) < most:
            more = s.recv(65536)
            if not more:
                break
            data += more
            s.settimeout(0.4)
    except OSError:
        pass
    return data[:most]


class Asker:
    """Asks one port of a daemon, from the other end of the cable."""

    def __init__(self, running, port, tls=False):
        self.ns, self.tls = running.case.wire.peer, tls
        self.number, self.proto = int(port.split("/")[0]), port.split("/")[1]

    def connect(self):
        with self.ns:
            s = socket.create_connection((daemon.ADDRESS, self.number), timeout=3)
        if self.tls:
            context = ssl._create_unverified_context()
            s = context.wrap_socket(s)
        return s

    def ask(self, keys):
        send = probes.as_bytes(keys["send"].replace("$host", daemon.ADDRESS))
        if self.proto == "udp":
            with self.ns:
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with s:
                s.sendto(send, (daemon.ADDRESS, self.number))
                return self.datagram(s)
        with self.connect() as s:
            if keys.get("after") == "greeting":
                receive(s, silence=5)
            s.sendall(send)
            return receive(s, silence=3)

    @staticmethod
    def datagram(s):
        s.settimeout(3)
        try:
            return s.recv(65536)
        except OSError:
            return b""

    def greeting(self):
        if self.proto == "udp":
            return b""
        with self.connect() as s:
            return receive(s)


def unnamed(answer):
    """Without what only this machine has: its kernel."""
    return answer.replace(os.uname().release.encode(), b"6.1.0-amd64")


def escape(data):
    """A string of C for each line."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    lines = [line[i:i + 60] for line in lines for i in range(0, len(line), 60)]
    return "\n".join('"' + "".join(escape_byte(b) for b in line) + '"' for line in lines)


def escape_byte(byte):
    known = {10: r"\n", 13: r"\r", 9: r"\t", 34: r"\"", 92: r"\\"}
    if byte in known:
        return known[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def answers_of(asker, all_probes, port):
    """(on, answer) of what is asked, and of what the matches want to know then."""
    done = set()
    greeting = asker.greeting()
    todo = [name for name in all_probes.at_port(port) if not name.startswith("http")]
    if greeting:
        yield "greeting", unnamed(greeting)
        match, _ = all_probes.match("greeting", greeting)
        todo = ([match.then] if match and match.then else []) + todo
    elif asker.proto == "tcp":
        todo.append("http/get")
    while todo:
        name = todo.pop(0)
        if name in done or name == "tls":
            continue
        done.add(name)
        try:
            answer = unnamed(asker.ask(all_probes.request(name)))
        except OSError:
            answer = b""
        yield name, answer
        match, _ = all_probes.match(name, answer) if answer else (None, None)
        if match and match.then:
            todo.append(match.then)


def record_port(running, all_probes, port):
    """Writes the file of one port; tells what was found."""
    protocol = running.ports[port][0]
    told, records = [f"  {port}"], []
    try:
        for on, answer in answers_of(Asker(running, port, port in running.recipe.get("tls", ())),
                                     all_probes, port):
            match, found = all_probes.match(on, answer)
            said = match.says(found) if match and answer else {}
            told.append(f"    {on}: {said or answer[:120]}")
            head = [f"on: {on}"] + [f"{key}: {value}" for key, value in said.items()]
            head += [f"note: {name}={value}" for name, value in all_probes.notes(on, answer)]
            if answer:
                records.append("\n".join(head) + "\n\n" + escape(answer) + "\n")
    except OSError as e:
        told.append(f"    {e}")
    if not records:
        told.append("    its log: " + running.log()[-600:])
    else:
        file = ANSWERS / f"{protocol}-{running.name}-{port.replace('/', '-')}.txt"
        file.write_text("\n".join(records), encoding="utf-8")
    return told


def record(layer, name, recipe, all_probes):
    try:
        running = daemon.Daemon(layer, name, recipe)
    except AssertionError as e:
        return [name, f"  {e}"]
    try:
        return [name, *(line for port in running.ports
                        for line in record_port(running, all_probes, port))]
    finally:
        running.close()


def main(names):
    all_daemons = daemon.load()
    all_probes = probes.Probes()
    ANSWERS.mkdir(parents=True, exist_ok=True)
    layer = room.Layer(room.packages("MORE_DAEMON_PACKAGES"), daemon.CACHE / "all", 1800)
    try:
        with ThreadPoolExecutor(4) as pool:
            for told in pool.map(lambda name: record(layer, name, all_daemons[name], all_probes),
                                 names or all_daemons):
                print("\n".join(told), flush=True)
    finally:
        layer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
