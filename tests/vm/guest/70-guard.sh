# SPDX-License-Identifier: GPL-2.0-or-later
# The guard at the root of cgroup v2: what it denies, marks, drops, and lets be. Checked by test_guard.py.
# modules: veth sctp dccp dccp_ipv4 vsock
# programs: ip
try=/usr/bin/guard_try
good=/tmp/good
other=/tmp/other
for copy in $good $other; do
	cp $try $copy
done
mkdir -p /tmp/guard-state
ip netns add peer
ip link add eth0 type veth peer name eth0 netns peer
ip addr add 10.9.0.1/24 dev eth0
ip -6 addr add fd09::1/64 dev eth0 nodad
ip link set eth0 up
ip -n peer addr add 10.9.0.2/24 dev eth0
ip -n peer -6 addr add fd09::2/64 dev eth0 nodad
ip -n peer link set eth0 up

load() {
	label=$1
	shift
	show "$label" guard_load /sys/fs/cgroup /sys/fs/bpf/portero /tmp/guard-state "$@"
}
# start NAME PROGRAM COMMAND...: in the background; what it says is in /tmp/said-NAME. It says a line
# for each command but the last, which waits.
start() {
	name=$1
	shift
	"$@" >/tmp/said-$name 2>&1 &
	until [ "$(wc -l </tmp/said-$name)" -ge $(($# - 2)) ]; do
		sleep 0.02
	done
}
# connect LABEL ADDRESS PORT: from the peer
connect() {
	family=4
	[ "${2#*:}" = "$2" ] || family=6
	show "$1" ip netns exec peer timeout 2 $try "socket tcp $family" "connect $2 $3"
}
# hear LABEL PROGRAM PORT: does it hear what the peer sends?
hear() {
	start "$1" $2 "socket udp 4" "bind 0.0.0.0 $3" "recv 3000"
	heard "$1" $3
}
heard() {
	ip netns exec peer $try "socket udp 4" "send 10.9.0.1 $2" >/dev/null
	wait $!
	show "$1" cat /tmp/said-$1
}

# older than the guard
start old-good $good "socket tcp 4" "bind 0.0.0.0 8050" listen hold
start old-good6 $good "socket tcp 6" "bind :: 8010" listen hold
start old-other $other "socket tcp 4" "bind 0.0.0.0 8001" listen hold
start old-other6 $other "socket tcp 6" "bind :: 8011" listen hold
start old-undeclared $other "socket tcp 4" "bind 0.0.0.0 7000" listen hold
start old-mptcp-good $good "socket mptcp 4" "bind 0.0.0.0 8002" listen hold
start old-mptcp-other $other "socket mptcp 4" "bind 0.0.0.0 8003" listen hold
load first enforce 8000-8099/tcp=program:$good 8000-8099/udp=program:$good 8100/tcp=unit:foo.service \
	8101/tcp=user:65534 8102/tcp
load again enforce 8000-8099/tcp=program:$good 8000-8099/udp=program:$good 8100/tcp=unit:foo.service \
	8101/tcp=user:65534 8102/tcp
connect old-good 10.9.0.1 8050
connect old-good6 fd09::1 8010
connect old-other 10.9.0.1 8001
connect old-other6 10.9.0.1 8011
connect old-undeclared 10.9.0.1 7000
show old-undeclared-lo timeout 2 $try "socket tcp 4" "connect 127.0.0.1 7000"
connect old-mptcp-good 10.9.0.1 8002
connect old-mptcp-other 10.9.0.1 8003

# bind
for kind in tcp udp mptcp; do
	for at in "4 0.0.0.0" "6 ::"; do
		for who in good other; do
			show bind-$kind-${at% *}-$who /tmp/$who "socket $kind ${at% *}" "bind ${at#* } 8020"
		done
	done
	show bind-$kind-loopback $other "socket $kind 4" "bind 127.0.0.1 8021"
	show bind-$kind-undeclared $good "socket $kind 4" "bind 0.0.0.0 7001"
done
show bind-udplite $good "socket udplite 4" "bind 0.0.0.0 8022"
show bind-anybody $other "socket tcp 4" "bind 0.0.0.0 8102"
show bind-posing $other "user 65534" "unshare 0x10000000" "pose $good" "socket tcp 4" "bind 0.0.0.0 8023"
show bind-away $other "socket tcp 4" "unshare 0x40000000" "bind 0.0.0.0 8024"
show bind-elsewhere ip netns exec peer $other "socket tcp 4" "bind 0.0.0.0 8024"
show bind-user $other "user 65534" "socket tcp 4" "bind 0.0.0.0 8101"
show bind-other-user $other "socket tcp 4" "bind 0.0.0.0 8101"
for path in foo.service a.slice/foo.service bar.service/foo.service user@1000.service/foo.service; do
	mkdir -p /sys/fs/cgroup/$path
	show bind-unit-$path $other "cgroup /sys/fs/cgroup/$path" "socket tcp 4" "bind 0.0.0.0 8100"
done
ln $good /tmp/good-link
show bind-touched $good "socket tcp 4" "bind 0.0.0.0 8025"
load refreshed refresh 8000-8099/tcp=program:$good 8000-8099/udp=program:$good \
	8100/tcp=unit:foo.service 8101/tcp=user:65534 8102/tcp
show bind-refreshed $good "socket tcp 4" "bind 0.0.0.0 8025"

# listen and packets
start listen-good $good "socket tcp 4" "bind 0.0.0.0 8030" listen hold
connect listen-good 10.9.0.1 8030
start listen-mptcp $good "socket mptcp 4" "bind 0.0.0.0 8031" listen hold
connect listen-mptcp 10.9.0.1 8031
echo 8032 8032 >/proc/sys/net/ipv4/ip_local_port_range
start listen-chosen $other "socket tcp 4" listen hold
echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range
show listen-chosen-said cat /tmp/said-listen-chosen
connect listen-chosen 10.9.0.1 8032
hear udp-good $good 8040
# a client, whose port the kernel chose
echo 8041 8041 >/proc/sys/net/ipv4/ip_local_port_range
start udp-client $other "socket udp 4" "send 10.9.0.2 53" "recv 3000"
heard udp-client 8041
echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range

# what only a security module sees; of these, some are only loaded by hand
for module in dccp_ipv4 vsock; do
	modprobe $module
done
show lsm cat /sys/kernel/security/lsm
portero watch --json-lines --quiet --for 1s >/dev/null # what was before is not looked at
for kind in sctp dccp; do
	show lsm-$kind $good "socket $kind 4" "bind 0.0.0.0 8060" listen
	show lsm-$kind-away ip netns exec peer $good "socket $kind 4" "bind 0.0.0.0 8061" listen
done
show lsm-sctp-chosen $good "socket sctp 4" listen
show lsm-vsock $good "socket vsock" "bind-vsock 8062" listen
show lsm-packet $good "socket packet"
show lsm-xdp $good "socket xdp"
show lsm-told portero watch --json-lines --for 1s

# other modes
load observe observe 8000-8099/tcp=program:$good
connect observe-old-other 10.9.0.1 8001
show observe-bind $other "socket tcp 4" "bind 0.0.0.0 8020"
show observe-sctp $good "socket sctp 4" "bind 0.0.0.0 8063" listen
load off off
show off-pins ls -d /sys/fs/bpf/portero
show off-bind $other "socket tcp 4" "bind 0.0.0.0 8020"
show off-sctp $good "socket sctp 4" "bind 0.0.0.0 8064" listen
connect off-old-other 10.9.0.1 8001
for job in $(jobs -p); do
	kill $job
done
ip link del eth0 # the namespace ends later than it loses its name
ip netns del peer
