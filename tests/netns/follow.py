# SPDX-License-Identifier: GPL-2.0-or-later
"""
Is the rule that `portero explain` names really the one that decides? It is taken away, and the
answer must change, or another rule be named; until it has changed or there is none left.
"""
import json
import re
import subprocess
from collections import Counter

from harness import portero

STEPS = 40  # rules one behind the other that say the same


class Wrong(AssertionError):
    pass


def run(ns, *argv, text=None, check=True):
    with ns:
        done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=60,
                              check=False)
    if check and done.returncode:
        raise RuntimeError(f"{argv}: {done.stderr}")
    return done


def explain(ns, port, proto, **options):
    """The answer of `portero explain`; options by their names, "from_" for --from."""
    argv = []
    for name, value in options.items():
        if value is not None:
            argv += [f"--{name.rstrip('_')}", value]
    said = portero("explain", f"{port}/{proto}", "--json", *argv, ns=ns)
    if not said.json:
        raise Wrong(f"no answer for {port}/{proto} {argv}: {said.errors}")
    return said.json


def tool_of(step):
    return ("ip6tables" if step["family"] == "ip6" else "iptables") + \
        ("-legacy" if step["tables"] == "legacy" else "-nft")


def is_anonymous(step):
    return bool(re.fullmatch(r"__chain\d+", step["chain"] or ""))


def chain_handles(ns, step):
    """Handles of the chain's rules, in order: what the kernel has, not what nft prints of it."""
    listed = run(ns, "nft", "-a", "-j", "list", "chain", step["family"], step["table"],
                 step["chain"], check=False)
    if listed.returncode == 0:
        return [e["rule"]["handle"] for e in json.loads(listed.stdout)["nftables"] if "rule" in e]
    text = run(ns, "nft", "-a", "list", "chain", step["family"], step["table"], step["chain"])
    return [int(n) for n in re.findall(r"# handle (\d+)$", text.stdout, re.M)][1:]


def verify(ns, step):
    """The named rule is where it is said to be, and says what it is said to say."""
    if step["policy"]:
        return
    if step["tables"] == "legacy":
        text = run(ns, tool_of(step), "-t", step["table"], "-S", step["chain"],
                   str(step["number"])).stdout.strip()
        if plain(step["rule"]) != text:
            raise Wrong(f"named {step['rule']!r}, there stands {text!r}")
        return
    if is_anonymous(step):
        return
    handles = chain_handles(ns, step)
    if step["handle"] not in handles or handles.index(step["handle"]) + 1 != step["number"]:
        raise Wrong(f"handle {step['handle']} number {step['number']}, but there are {handles}")
    if step["rule"] is None:
        raise Wrong(f"no words for {step}")
    if step["rule"].startswith("-A "):
        text = run(ns, tool_of(step), "-t", step["table"], "-S", step["chain"],
                   str(step["number"])).stdout.strip()
        if plain(step["rule"]) != text:
            raise Wrong(f"named {step['rule']!r}, there stands {text!r}")
    else:
        listed = run(ns, "nft", "-a", "list", "chain", step["family"], step["table"],
                     step["chain"]).stdout
        wanted = f"{plain(step['rule'])} # handle {step['handle']}"
        if uncounted(wanted) not in map(uncounted, (line.strip() for line in listed.split("\n"))):
            raise Wrong(f"named {wanted!r}, there stands\n{listed}")


def plain(text):
    return text.replace("\\\\", "\\")


def uncounted(line):
    return re.sub(r"(packets|bytes) \d+|expires \w+", "", line)


def jump_to(answer, index):
    """The last rule of a chain with a name through which the packet came to that step."""
    for step in reversed(answer["path"][:index]):
        if step["verdict"] in ("jump", "goto") and not is_anonymous(step):
            return step
    raise Wrong("nothing leads to the anonymous chain")


def index_of(answer, rule):
    for i, step in enumerate(answer["path"]):
        if all(step[k] == rule[k] for k in step):
            return i
    raise Wrong(f"what is named is not on the way: {rule}")


def take_away(ns, answer):
    """Deletes the named rule; gives a policy the other verdict. Says what was done."""
    rule = answer["decided_by"]
    if rule["policy"]:
        other = "accept" if rule["verdict"] in ("drop", "reject") else "drop"
        if rule["tables"] == "legacy":
            run(ns, tool_of(rule), "-t", rule["table"], "-P", rule["chain"], other.upper())
        else:
            run(ns, "nft", "chain", rule["family"], rule["table"], rule["chain"],
                f"{{ policy {other}; }}")
        return "policy"
    kind = "rule"
    if is_anonymous(rule):
        rule = jump_to(answer, index_of(answer, rule))
        kind = "anonymous"
    if rule["tables"] == "legacy":
        run(ns, tool_of(rule), "-t", rule["table"], "-D", rule["chain"], str(rule["number"]))
        return "legacy rule"
    run(ns, "nft", "delete", "rule", rule["family"], rule["table"], rule["chain"], "handle",
        str(rule["handle"]))
    return kind


def place_of(rule):
    return tuple(rule[k] for k in ("tables", "family", "table", "chain", "policy")) + \
        ((rule["handle"] or rule["number"]) if not rule["policy"] else 0,)


class Follower:
    """Counts what was checked."""

    def __init__(self):
        self.counts = Counter()

    def follow(self, ns, said, port, proto, **options):
        """One answer of reach (its verdict). The rules must be loaded anew afterwards."""
        answer = explain(ns, port, proto, **options)
        if answer["verdict"] != said:
            raise Wrong(f"reach says {said}, explain: {answer['answer']} {answer['why']}")
        seen = set()
        for _ in range(STEPS):
            rule = answer["decided_by"]
            self.check(ns, answer)
            if rule is None:
                self.end_without_rule(ns, answer)
                return
            index_of(answer, rule)
            verify(ns, rule)
            # the numbers of legacy rules move up when one is deleted
            if rule["tables"] != "legacy" and place_of(rule) in seen:
                raise Wrong(f"named again although it is gone: {rule}")
            seen.add(place_of(rule))
            self.counts[take_away(ns, answer)] += 1
            before, answer = answer, explain(ns, port, proto, **options)
            if answer["verdict"] != before["verdict"]:
                self.check(ns, answer)
                self.counts["changed"] += 1
                return
            if answer["decided_by"] == rule:
                raise Wrong(f"taken away without effect: {rule}")
        raise Wrong(f"there is no end to it: now {answer['answer']}")

    def check(self, ns, answer):
        """Each answer on the way, with the rules that it is about: for who knows more."""

    def end_without_rule(self, ns, answer):
        if answer["verdict"] == "accept":
            self.counts["no rule against it"] += 1
            return
        if answer["verdict"] in ("drop", "reject") and \
                re.search("routing|no route leads", answer["answer"]):
            self.counts["routing"] += 1
            return
        if answer["verdict"] == "unknown" and answer["why"]:
            self.counts["unknown without a rule"] += 1
            return
        raise Wrong(f"{answer['verdict']}, and no rule is named: {answer['answer']}")

    def __str__(self):
        return ", ".join(f"{n} x {what}" for what, n in sorted(self.counts.items()))
