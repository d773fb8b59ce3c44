# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rulesets that mean the same, as others write them, to be compared with portero's: each opening is a port
and the networks that may reach it.
"""

UFW_INPUT = """\
-A INPUT -j ufw-before-logging-input
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A INPUT -j ufw-after-logging-input
-A INPUT -j ufw-reject-input
-A INPUT -j ufw-track-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp --icmp-type 3 -j ACCEPT
-A ufw-before-input -p icmp --icmp-type 11 -j ACCEPT
-A ufw-before-input -p icmp --icmp-type 12 -j ACCEPT
-A ufw-before-input -p icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp --dport 5353 -j ACCEPT
-A ufw-before-input -d 239.255.255.250/32 -p udp --dport 1900 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-after-input -p udp --dport 138 -j ufw-skip-to-policy-input
-A ufw-after-input -p tcp --dport 139 -j ufw-skip-to-policy-input
-A ufw-after-input -p tcp --dport 445 -j ufw-skip-to-policy-input
-A ufw-after-input -p udp --dport 67 -j ufw-skip-to-policy-input
-A ufw-after-input -p udp --dport 68 -j ufw-skip-to-policy-input
-A ufw-after-input -m addrtype --dst-type BROADCAST -j ufw-skip-to-policy-input
-A ufw-skip-to-policy-input -j DROP
"""
UFW_CHAINS = ("ufw-before-logging-input", "ufw-before-input", "ufw-after-input",
              "ufw-after-logging-input", "ufw-reject-input", "ufw-track-input", "ufw-not-local",
              "ufw-user-input", "ufw-logging-deny", "ufw-skip-to-policy-input")

FIREWALLD = """\
table inet firewalld {
%(sets)s
	chain filter_PREROUTING {
		type filter hook prerouting priority filter + 10; policy accept;
		icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}
	chain filter_IN_public_pre {
	}
	chain filter_IN_public_log {
	}
	chain filter_IN_public_deny {
	}
	chain filter_IN_public_allow {
%(rules)s
	}
	chain filter_IN_public_post {
	}
	chain filter_INPUT_POLICIES_pre {
		jump filter_IN_policy_allow-host-ipv6
	}
	chain filter_IN_policy_allow-host-ipv6 {
		icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit, nd-router-advert, nd-redirect } accept
	}
	chain filter_INPUT_POLICIES_post {
	}
	chain filter_IN_public {
		jump filter_INPUT_POLICIES_pre
		jump filter_IN_public_pre
		jump filter_IN_public_log
		jump filter_IN_public_deny
		jump filter_IN_public_allow
		jump filter_IN_public_post
		jump filter_INPUT_POLICIES_post
		meta l4proto { icmp, ipv6-icmp } accept
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_ZONES {
		iifname "eth0" goto filter_IN_public
		goto filter_IN_public
	}
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_ZONES
		reject with icmpx admin-prohibited
	}
}
"""


def linear(openings, chain):
    return [f"-A {chain} -p tcp -s {source} --dport {port} -j ACCEPT"
            for port, sources in openings for source in sources]


def table(lines, chains=()):
    """For iptables-restore."""
    heads = ["*filter", ":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    return "\n".join(heads + [f":{c} - [0:0]" for c in chains] + lines) + "\nCOMMIT\n"


def naive(openings):
    """One rule for each port and network."""
    return table(["-A INPUT -i lo -j ACCEPT",
                  "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                  *linear(openings, "INPUT")])


def ufw(openings):
    """`ufw allow proto tcp from NETWORK to any port PORT`, as ufw 0.36 loads it."""
    return table(UFW_INPUT.splitlines() + linear(openings, "ufw-user-input"), UFW_CHAINS)


def firewalld(openings):
    """A zone with a rich rule and an ipset for each opening, as firewalld 1.3 loads it: the best that
    it has for many networks."""
    sets = [f"\tset o{port} {{ type ipv4_addr; flags interval; auto-merge; elements = {{ "
            f"{', '.join(sources)} }} }}" for port, sources in openings]
    rules = [f"\t\tmeta nfproto ipv4 ip saddr @o{port} tcp dport {port} accept"
             for port, _ in openings]
    return FIREWALLD % {"sets": "\n".join(sets), "rules": "\n".join(rules)}
