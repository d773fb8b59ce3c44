# SPDX-License-Identifier: GPL-2.0-or-later
"""
data/probes/*.yaml as Python sees them: the same patterns, tried in the same order as the engine does, on bytes.
Nearly PCRE2: `$` is the end of the answer, `.` fits every byte.
"""
import functools
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DIRECTORY = ROOT / "data" / "probes"
TEXTS = ("product", "version", "extra", "host", "os")


def as_bytes(text):
    return text.encode("latin-1")


@functools.cache
def compile_pattern(pattern):
    # Python's $ fits before a last \n as well
    ends = re.sub(r"(\\.|\[(?:\\.|[^\]\\])*\])|\$", lambda m: m[1] or r"\Z", pattern, flags=re.S)
    return re.compile(as_bytes(ends), re.S)


def as_list(value):
    return value if isinstance(value, list) else [value]


class Match:
    """One of `matches` or `notes`; `on` with the file's name before each request."""

    def __init__(self, file, keys):
        self.file, self.keys = file, keys
        self.on = [on if on == "greeting" or "/" in on else f"{file.name}/{on}"
                   for on in as_list(keys["on"])]
        self.weak = keys.get("weak") == "true"
        self.protocol = keys.get("protocol", file.protocol)
        then = keys.get("then")
        self.then = then if then in (None, "tls") or "/" in then else f"{file.name}/{then}"

    def __repr__(self):
        return f"{self.file.name}.yaml, on {self.keys['on']}: {self.keys['pattern']}"

    def fit(self, answer):
        return compile_pattern(self.keys["pattern"]).search(answer)

    def says(self, found):
        said = {"protocol": self.protocol}
        for key in TEXTS:
            text = render(str(self.keys[key]), found) if key in self.keys else ""
            if text:
                said[key] = text
        return said


def number(data, how):
    if how == "hex":
        return data.hex()
    return str(int.from_bytes(data, "little" if how.startswith("le") else "big"))


def render(template, found):
    """Its text with the groups filled in; empty when it has groups and all are empty."""
    seen = []

    def fill(m):
        if m[0] == "$$":
            return "$"
        data = found[int(m[1] or m[2])] or b""
        seen.append(data)
        return number(data, m[3]) if m[3] and data else data.decode("utf-8", "replace")
    text = re.sub(r"\$\$|\$(?:(\d)|\{(\d)\})(?::(be16|be32|le16|le32|u8|hex))?", fill, template)
    return "" if seen and not any(seen) else text.strip()


class File:
    def __init__(self, path):
        self.name = path.stem
        # BaseLoader: all scalars are text; others take "on" for a boolean
        self.keys = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
        self.protocol = self.keys["protocol"]
        self.ports = self.keys.get("ports", [])
        self.requests = self.keys.get("requests", {})
        self.matches = [Match(self, keys) for keys in self.keys.get("matches", [])]
        self.notes = [Match(self, keys) for keys in self.keys.get("notes", [])]


class Probes:
    def __init__(self, directory=DIRECTORY):
        self.files = {path.stem: File(path) for path in sorted(directory.glob("*.yaml"))}

    def request(self, name):
        """The keys of FILE/REQUEST."""
        file, request = name.split("/")
        return self.files[file].requests[request]

    def order(self, on):
        """Matches in the order in which they are tried: of other files, of its own, of greetings."""
        own = on.split("/")[0]
        of = {True: [], False: []}
        greetings = []
        for file in self.files.values():
            for match in file.matches:
                if on in match.on:
                    of[file.name == own].append(match)
                elif "greeting" in match.on:
                    greetings.append(match)
        return of[False] + of[True] + greetings

    def match(self, on, answer):
        """(match, its groups) of what decides about an answer: the first that fits, weak ones last."""
        weak = None, None
        for match in self.order(on):
            found = match.fit(answer)
            if found and not match.weak:
                return match, found
            if found and not weak[0]:
                weak = match, found
        return weak

    def notes(self, on, answer):
        """(name, value) of every note that fits."""
        for file in self.files.values():
            for note in file.notes:
                found = note.fit(answer) if on in note.on else None
                if found:
                    yield note.keys["name"], render(note.keys["value"], found)

    def at_port(self, port):
        """The requests of the files that name a port ("22/tcp")."""
        number_, proto = port.split("/")
        names = []
        for file in self.files.values():
            for entry in file.ports:
                numbers, kind = entry.split("/")
                first, _, last = numbers.partition("-")
                if kind.replace("tls", "tcp") == proto and \
                        int(first) <= int(number_) <= int(last or first):
                    names += [f"{file.name}/{name}" for name, keys in file.requests.items()
                              if proto in as_list(keys.get("over", "tcp"))]
        return names
