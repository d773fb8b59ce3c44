# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who is right about a daemon: what daemons.yaml says is there, against what portero and nmap say. Nmap's words are
read generously (nmap_names.yaml), portero's must be ours.
"""
import functools
import re
from pathlib import Path

import yaml

import daemon

HERE = Path(__file__).resolve().parent
WHAT = ("service", "product", "version")


@functools.cache
def names():
    return yaml.safe_load((HERE / "nmap_names.yaml").read_text(encoding="utf-8"))


def wanted(expected):
    """Which of WHAT can be right at all: what is unknowable is nobody's fault."""
    protocol, product, version = expected
    return [bool(protocol), bool(product), version not in (None, "*")]


def of_portero(expected, said, package_version):
    """[is the service right, the product, the version]; None where there is nothing to know."""
    protocol, product, version = expected
    right = [said.get("protocol") == protocol, said.get("product") == product,
             version is None or daemon.version_fits(version, said.get("version"), package_version)]
    return [r if w else None for r, w in zip(right, wanted(expected))]


def says_version(expected, package_version, text):
    """Is it somewhere in what nmap says? "15" is not in "151"."""
    if expected == "package":
        expected = re.split(r"[+~]", package_version)[0]
    elif expected == "14 to 17":
        return re.search(r"\b1[4-7]\b|or later", text) is not None
    return re.search(rf"(?<![\d.]){re.escape(expected.rstrip('*'))}" +
                     ("" if expected.endswith("*") else r"(?![\d])"), text) is not None


def of_nmap(expected, said, package_version):
    """The same; of a guess by the port's number nothing is right."""
    protocol, product, version = expected
    name = said.get("protocol") or ""
    service = name in names()["services"].get(protocol, ()) or name == protocol
    text = " ".join(said.get(key) or "" for key in ("product", "version", "extra"))
    named = service and any(word.lower() in text.lower()
                            for word in (names()["products"].get(product) or [product or ""]))
    right = [service, named, named and (version in (None, "*") or
                                        says_version(version, package_version, text))]
    return [r if w else None for r, w in zip(right, wanted(expected))]
