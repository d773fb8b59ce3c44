# SPDX-License-Identifier: GPL-2.0-or-later
"""
What only a machine with a running systemd tells: guest/systemd/. Which units portero names; that a
change is undone whatever becomes of who made it; that portero.service loads what was confirmed, before
the network is there, and again when other rules were loaded.
"""
import re

import pytest

from harness import check_json, rows

GONE = "No such file or directory"

# port, protocol -> unit of who holds it; socket unit, service and program behind it
OWNERS = {
    (8001, "tcp"): ("plain.service", None),
    (8002, "tcp"): ("sliced.service", None),
    (8003, "tcp"): ("many@3.service", None),
    (8004, "tcp"): ("delegated.service", None),
    (8005, "tcp"): ("init.scope", ("held.socket", "held.service", "/usr/bin/serve")),
    (8005, "udp"): ("init.scope", ("held.socket", "held.service", "/usr/bin/serve")),
    (8006, "tcp"): ("init.scope", ("front.socket", "behind.service", "/usr/bin/serve")),
    (8007, "tcp"): ("taken.service", ("taken.socket", "taken.service", "/bin/sleep")),
    (8008, "tcp"): ("init.scope", ("each.socket", "each@.service", "/bin/cat")),
    (8009, "tcp"): ("transient.service", None),
    (8010, "tcp"): ("scoped.scope", None),
    (8011, "tcp"): ("guest.service", None),
}


def worked(machine, *names):
    for name in names:
        got = machine.answer(name)
        assert (got.code, got.err) == (0, ""), f"{name}: exit {got.code}\n{got.err}{got.out}"


def changes(ask, name):
    return [(e["what"], e["state"], e["loaded"], e["why"]) for e in ask(name)["entries"]]


def test_units(ask_systemd):
    found = {}
    for r in rows(ask_systemd("units status")):
        a = r["activation"]
        key = (r["port"], r["proto"])
        assert key not in found
        found[key] = (r["unit"], a and (a["socket_unit"], a["service"], a["program"]))
    assert found == OWNERS


# --- the undo process ---------------------------------------------------------------------------

def undo_unit(machine, label):
    """The pid of the one undo process, and its unit."""
    worked(machine, f"undo {label}-undo")
    place = machine.answer(f"undo {label}-cgroup").out
    found = re.fullmatch(r"0::/system\.slice/(portero-undo-[\d-]+\.service)\n", place)
    assert found, place
    return machine.answer(f"undo {label}-undo").out.strip(), found[1]


def test_apply_closes(systemd):
    worked(systemd, "undo shell-done", "undo open-knock")
    assert systemd.answer("undo open-knock").out == "hello\n"
    assert systemd.answer("undo applied-knock").out == ""


def test_undo_outlives_the_service_that_applied(systemd):
    """Its unit is ended with all processes that it has."""
    worked(systemd, "undo shell-end")
    assert GONE in systemd.answer("undo shell-left").err
    assert undo_unit(systemd, "shell") == undo_unit(systemd, "shell-ended")
    assert systemd.answer("undo shell-ended-knock").out == ""
    assert systemd.answer("undo oom").out == "-1000\n"


def test_undone_at_the_deadline(systemd, ask_systemd):
    worked(systemd, "undo extend", "undo due", "undo due-knock")
    assert systemd.answer("undo due-knock").out == "hello\n"
    assert systemd.answer("undo due").until_s - systemd.answer("undo extend").since_s >= 2
    assert changes(ask_systemd, "undo log")[-1] == ("undo", 1, 0, "not confirmed in time")


@pytest.mark.parametrize("label", ("due", "rollback"))
def test_no_unit_is_left(systemd, label):
    worked(systemd, f"undo {label}-gone")


def test_undo_outlives_a_service_with_its_own_mounts(systemd):
    worked(systemd, "undo boxed-done", "undo boxed-end")
    assert GONE in systemd.answer("undo boxed-left").err
    undo_unit(systemd, "boxed")


def test_undo_outlives_another_target(systemd):
    """Other services do not."""
    worked(systemd, "undo isolate")
    assert systemd.answer("undo isolated").out == "inactive\n"
    assert undo_unit(systemd, "isolated") == undo_unit(systemd, "boxed")


@pytest.mark.parametrize("before, signal", (("isolated", "TERM"), ("TERM", "KILL")))
def test_undo_is_started_again(systemd, before, signal):
    old, new = undo_unit(systemd, before), undo_unit(systemd, signal)
    assert old[1] == new[1] and old[0] != new[0]


def test_rollback_ends_it(systemd):
    worked(systemd, "undo rollback")
    assert "State 1 is undone" in systemd.answer("undo rollback").out


# --- the guard ----------------------------------------------------------------------------------

def guard(systemd, name, code=0):
    got = systemd.answer(f"guard {name}")
    assert got.code == code, got
    return check_json(got.out.encode())


def test_the_service_puts_up_the_guard(systemd):
    """With no more privileges than portero.service, also for programs in /home."""
    assert systemd.answer("guard apply").code == 0, systemd.answer("guard apply")
    worked(systemd, "guard off", "guard restore")
    assert guard(systemd, "applied")["intact"]
    assert [f["id"] for f in guard(systemd, "gone", 1)["faults"]] == ["absent"]
    is_content(systemd, "guard status")
    seen = guard(systemd, "restored")
    assert (seen["intact"], seen["mode"], seen["programs"]) == (True, "enforce", 1), seen
    assert seen["older_sockets_known"] == (systemd.kernel.version >= (5, 11))


def test_a_port_is_its_programs(systemd):
    """At the root of the cgroups, by systemd's names of units."""
    assert systemd.answer("guard right").out == "hello\n"
    for name in ("other-unit", "other-program"):
        assert systemd.answer(f"guard {name}").out == ""
    worked(systemd, "guard again-off", "guard rollback", "guard ended")


def test_services_of_an_upgraded_package(systemd):
    """They are refused their port, unless their start has the guard learn what dpkg vouches for."""
    assert systemd.answer("upgrade apply").code == 0, systemd.answer("upgrade apply")
    told = {name: systemd.answer(f"upgrade {name}").out for name in (
        "first", "without", "with-8922", "with-8923", "again", "unvouched")}
    assert told == {"first": "hello\n", "without": "", "with-8922": "hello\n",
                    "with-8923": "hello\n", "again": "hello\n", "unvouched": ""}
    worked(systemd, "upgrade off", "upgrade rollback")


# --- portero.service ----------------------------------------------------------------------------

def is_content(machine, name):
    lines = machine.answer(name).out.split()
    assert sorted(lines) == ["ActiveState=active", "ExecMainStatus=0", "Result=success"], lines


def ports(text):
    """Of the map of portero's that decides by the port."""
    return [int(n) for n in re.findall(r"(\d+) : jump", text)]


def test_enabled(systemd):
    worked(systemd, "restore confirm")
    got = systemd.answer("restore enable")
    assert got.code == 0 and got.err.count("portero.service") == 2 * 2, got


@pytest.mark.parametrize("label", ("start", "nft-reload", "nft-restart", "nft-start", "reload",
                                   "pending-restart", "lonely-restart", "left-start"))
def test_rules_are_loaded_again(systemd, label):
    """portero.service does so itself, and when nftables.service has flushed them."""
    worked(systemd, f"restore {label}", f"restore {label}-rules")


def test_the_service_is_content(systemd):
    for name in ("restore status", "undone status", "confirmed status"):
        is_content(systemd, name)


def test_what_is_pending_is_loaded_while_it_is(systemd, ask_systemd):
    worked(systemd, "restore open", "restore ports")
    assert ports(systemd.answer("restore ports").out) == [880, 881]
    assert systemd.answer("restore output").out.splitlines() == \
        ["The firewall has state 1."] * 5 + ["The firewall has state 2."] * 3
    assert ask_systemd("restore log")["pending"]["state"] == 3


def test_there_is_who_undoes_it_then(systemd):
    """Also when there was none any more; that process is not ended with the service."""
    assert systemd.answer("restore stopped-undo").out == "\n"
    worked(systemd, "restore pending-undo", "restore lonely-undo", "restore left-undo")
    assert systemd.answer("restore lonely-undo").out == systemd.answer("restore left-undo").out


def test_it_can_undo_what_the_service_may(systemd, ask_systemd):
    """With no more privileges, nor other files to write to, than portero.service."""
    worked(systemd, "restore extend", "restore due")
    assert systemd.answer("restore due-files").out == "10-base.yaml\n"
    assert changes(ask_systemd, "restore due-log")[-1] == ("undo", 2, 1, "not confirmed in time")


@pytest.mark.parametrize("start", ("undone", "confirmed"))
@pytest.mark.parametrize("who", ("network", "early"))
def test_rules_are_there_first(systemd, start, who):
    """Before the network, and before a service that has nothing to do with it."""
    rules = systemd.answer(f"{start} {who}-rules").out
    assert "table inet filter" in rules and "table inet portero" in rules
    assert ports(rules) == [880]


def test_unconfirmed_is_undone_at_start(systemd, ask_systemd):
    worked(systemd, "restore open-again")
    assert systemd.answer("restore open-again-files").out == "10-base.yaml\n50-open-881-tcp.yaml\n"
    assert systemd.answer("undone files").out == "10-base.yaml\n"
    assert ports(systemd.answer("undone ports").out) == [880]
    assert systemd.answer("undone undo").out == "\n"
    assert systemd.answer("undone output").out == (
        "portero: state 3 was not confirmed in time, and is undone: the firewall has state 1\n"
        "The firewall has state 1.\n")
    assert changes(ask_systemd, "undone log")[-1] == \
        ("undo", 3, 1, "the machine was started again before it was confirmed")


def test_confirmed_is_loaded_at_start(systemd, ask_systemd):
    assert systemd.answer("confirmed output").out == "The firewall has state 1.\n"
    assert changes(ask_systemd, "confirmed log")[-1] == ("restore", 1, 1, "")
