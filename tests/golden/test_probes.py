# SPDX-License-Identifier: GPL-2.0-or-later
"""
data/probes/*.yaml: what is written there can be used, and what real daemons answered (tests/unit/data/answers,
which the engine's own test reads, too) is told apart by it.
"""
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "daemons"))

import probes  # noqa: E402

ANSWERS = ROOT / "tests" / "unit" / "data" / "answers"
ALL = probes.Probes()
KEYS = {"protocol", "ports", "greets", "alone", "requests", "matches", "notes", "starttls"}
REQUEST_KEYS = {"send", "over", "after", "rarity", "wait", "until"}
MATCH_KEYS = {"on", "pattern", "protocol", "confidence", "weak", "then", *probes.TEXTS}


def all_names():
    return {f"{file.name}/{request}" for file in ALL.files.values() for request in file.requests}


@pytest.mark.parametrize("file", ALL.files.values(), ids=list(ALL.files))
def test_a_file_is_well_formed(file):
    assert set(file.keys) <= KEYS
    assert re.fullmatch(r"[a-z0-9-]+", file.name) and re.fullmatch(r"[a-z0-9-]+", file.protocol)
    for port in file.ports:
        m = re.fullmatch(r"(\d+)(?:-(\d+))?/(tcp|udp|tls)", port)
        assert m and 0 < int(m[1]) <= int(m[2] or m[1]) < 65536, port
    for name, keys in file.requests.items():
        assert re.fullmatch(r"[a-z0-9-]+", name) and name != "greeting"
        assert set(keys) <= REQUEST_KEYS, name
        assert 0 < len(probes.as_bytes(keys["send"])) <= 1400, name
        assert "rarity" not in keys or keys["rarity"] in set("123456789"), name
        assert keys.get("after", "greeting") == "greeting"
        assert set(probes.as_list(keys.get("over", "tcp"))) <= {"tcp", "udp"}
        if "until" in keys:
            probes.compile_pattern(keys["until"])
    for step in file.keys.get("starttls", []):
        assert step and set(step) <= {"expect", "send"}
        if "expect" in step:
            probes.compile_pattern(step["expect"])


@pytest.mark.parametrize("file", ALL.files.values(), ids=list(ALL.files))
def test_what_matches_name_is_there(file):
    names = all_names()
    for match in file.matches + file.notes:
        assert set(match.on) - {"greeting"} <= names, match
        assert match.then in (None, "tls") or match.then in names, match
        groups = probes.compile_pattern(match.keys["pattern"]).groups
        texts = [text for key, text in match.keys.items() if key in {*probes.TEXTS, "value"}]
        used = [int(n) for text in texts for n in re.findall(r"\$\{?(\d)", text.replace("$$", ""))]
        assert max(used, default=0) <= groups, match
        assert 0 < float(match.keys.get("confidence", 1)) <= 1, match
    for match in file.matches:
        assert set(match.keys) <= MATCH_KEYS, match
    for note in file.notes:
        assert set(note.keys) == {"on", "pattern", "name", "value"}, note


def test_no_two_files_ask_a_port_by_the_same_words():
    seen = {}
    for file in ALL.files.values():
        for name, keys in file.requests.items():
            if "rarity" in keys:
                assert seen.setdefault(keys["send"], file.name) == file.name, f"{file.name}/{name}"


def read_records(path):
    """[{on, protocol, product, ..., notes}, answer] of a file of answers."""
    for record in re.split(r"\n\n(?=on: )", path.read_text(encoding="utf-8").rstrip("\n")):
        head, lines = record.split("\n\n")
        said, notes = {}, []
        for line in head.splitlines():
            key, value = line.split(": ", 1)
            if key == "note":
                notes.append(tuple(value.split("=", 1)))
            else:
                said[key] = value
        yield said, notes, b"".join(map(unescape, lines.splitlines()))


def unescape(line):
    assert line[0] == line[-1] == '"'
    known = {"n": b"\n", "r": b"\r", "t": b"\t", '"': b'"', "\\": b"\\"}
    return b"".join(bytes([int(octal, 8)]) if octal else known[letter] if letter else
                    probes.as_bytes(plain)
                    for octal, letter, plain in re.findall(r'\\(?:(\d{3})|(.))|(.)', line[1:-1]))


HTTP = {"http-proxy", "ipp", "socks5", "mongodb", "tor-control"}  # answer it as HTTP does
FILES = sorted(ANSWERS.glob("*.txt"))


def test_there_are_answers():
    assert len(FILES) >= 100


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_what_a_daemon_answered_is_told(path):
    for said, notes, answer in read_records(path):
        on = said.pop("on")
        match, found = ALL.match(on, answer)
        assert (match.says(found) if match else {}) == said, f"{on}: {match}"
        assert list(ALL.notes(on, answer)) == notes


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_no_other_protocol_takes_an_answer(path):
    """Whatever the order of the files: another protocol fits only where it is weaker."""
    for said, _, answer in read_records(path):
        fits = [m for m in ALL.order(said["on"]) if m.fit(answer)]
        others = {m.protocol for m in fits if not m.weak} - {said.get("protocol")}
        general = {"http"} if said.get("protocol") in HTTP else set()
        assert not others - general, f"{said}: {others}"



@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_the_half_of_an_answer_says_nothing_else(path):
    """An answer that is cut off may tell less, not something else: no other protocol."""
    for said, _, answer in read_records(path):
        if "protocol" not in said:
            continue
        for end in range(1, min(len(answer), 400), 7):
            match, _ = ALL.match(said["on"], answer[:end])
            if match and not match.weak:
                assert match.protocol in {said["protocol"], "http"}, f"{said}, {end} bytes: {match}"
