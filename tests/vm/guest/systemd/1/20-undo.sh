# SPDX-License-Identifier: GPL-2.0-or-later
# `portero apply` in a service: the process that would undo it is a unit of its own, which lives on
# whatever becomes of that service. Checked by test_systemd.py.
# modules: veth tun nf_tables nft_ct nft_log nft_limit nft_reject_inet nft_fib_inet nft_fib_ipv4
# modules: nft_fib_ipv6 nft_socket nfnetlink_log nf_conntrack nf_conntrack_netlink
# programs: nft ip
ip netns add peer
ip link add eth0 type veth peer name eth0 netns peer
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
ip -n peer addr add 10.9.0.2/24 dev eth0
ip -n peer link set eth0 up
for port in 880 881; do
	systemd-run --quiet --unit=hello-$port nc -ll -p $port -e echo hello
done
wait-for 10 sh -c 'echo | nc 127.0.0.1 881'
mkdir -p /etc/portero/policy.d
cat >/etc/portero/policy.d/10-base.yaml <<-'POLICY'
	openings:
	  - ports: [880/tcp]
	    from: [internet]
POLICY
knock() { # LABEL: what the peer gets from the port that is not declared
	show "$1-knock" ip netns exec peer timeout 2 nc 10.9.0.1 881 </dev/null
}
in_service() { # NAME PROPERTY COMMAND...: in a service that goes on when the command is done
	name=$1 property=$2
	shift 2
	systemd-run --quiet --unit="$name" --property=KillMode=control-group --property="$property" \
		sh -c "$* >/run/$name.out 2>&1; echo \$? >/run/$name.code; exec sleep 1000"
	wait-for 60 test -s "/run/$name.code"
	show "$name-done" sh -c "cat /run/$name.out; exit $(cat "/run/$name.code")"
}
end() { # NAME: the service, with all that is in it
	show "$1-end" systemctl stop "$1"
	show "$1-left" ls "/sys/fs/cgroup/system.slice/$1.service"
}
undo() { # LABEL: the undo process, and where it is
	show "$1-undo" undo-process
	pid=$(undo-process)
	show "$1-cgroup" cat "/proc/$pid/cgroup"
}
no_undo() { # LABEL
	show "$1-gone" wait-for 20 sh -c '! systemctl list-units --all --full | grep -q portero-undo-'
}

knock open
in_service shell PrivateTmp=no portero apply --yes --confirm 1h
knock applied
undo shell
end shell
undo shell-ended
knock shell-ended
show oom cat "/proc/$pid/oom_score_adj"
show extend portero confirm --extend 2s
show due wait-for 30 sh -c '! nft list table inet portero'
knock due
no_undo due
show log portero policy log --json

# A service with a mount namespace of its own; and what else may befall the process.
in_service boxed PrivateTmp=yes portero rollback 1 --confirm 1h
end boxed
undo boxed
cat >/run/systemd/system/other.target <<-'UNIT'
	[Unit]
	AllowIsolate=yes
	Requires=basic.target
	After=basic.target
UNIT
systemctl daemon-reload
show isolate systemctl isolate other.target
show isolated systemctl is-active hello-880
undo isolated
for signal in TERM KILL; do
	kill -$signal "$pid"
	wait-for 10 sh -c "[ ! -e /proc/$pid ]"
	wait-for 10 undo-process
	undo $signal
done
show rollback portero rollback
no_undo rollback
