# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real daemons, asked by portero: over a cable, over loopback, and on a port that says nothing about them. The
expectations are in daemons.yaml. DAEMONS=all, or names; NMAP=1 asks nmap as well, for the table.
"""
import daemon
import seen


def wrong(expected, said, running, port):
    """What is wrong about an answer, or nothing."""
    protocol, product, version = expected
    complaints = []
    if said.get("protocol") != protocol:
        complaints.append(f"protocol {said.get('protocol')}, not {protocol}")
    if (said.get("product") or None) != product:
        complaints.append(f"product {said.get('product')}, not {product}")
    package = running.package_version() if version == "package" else ""
    if not daemon.version_fits(version, said.get("version"), package):
        complaints.append(f"version {said.get('version')}, not {version} {package}")
    if port in running.recipe.get("tls", ()) and not said.get("tls"):
        complaints.append("no TLS")
    return complaints


def test_a_daemon_is_known(running, name):
    complaints = []
    for port, expected in running.ports.items():
        running.wait([port], 30)
        wire = running.case.wire
        places = [(wire.peer_path, daemon.ADDRESS, port)]
        if running.recipe.get("loopback", True) in (True, port.split("/")[1]):
            places.append((wire.host_path, "127.0.0.1", port))
        if running.recipe.get("redirected", True):
            other = running.redirect(port)
            places.append((wire.peer_path, daemon.ADDRESS, other))
        for netns, address, asked in places:
            said = seen.detect(netns, address, asked)
            complaints += [f"{name} {port} at {address} {asked}: {complaint}"
                           for complaint in wrong(expected, said, running, port)]
            theirs = seen.nmap(netns, address, asked) if seen.NMAP and address == daemon.ADDRESS else None
            if address == daemon.ADDRESS:
                seen.ROWS.append((name, asked, " ".join(filter(None, expected[:2])), said, theirs))
        if running.recipe.get("redirected", True):
            running.unredirect()
    assert not complaints, "\n".join(complaints)
