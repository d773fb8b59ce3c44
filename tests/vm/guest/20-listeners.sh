# SPDX-License-Identifier: GPL-2.0-or-later
# Starts listeners of each kind and asks portero about them. Checked by test_listeners.py.
# modules: tcp_diag udp_diag raw_diag mptcp_diag af_packet_diag unix_diag netlink_diag
# modules: vsock vsock_diag sctp sctp_diag dccp_ipv4 dccp_ipv6 dccp_diag
for name in web six both device client dns pool inner user many mptcp odd sctp dccp lite vsock; do
	ln /usr/bin/serve /usr/bin/$name
done
mkdir -p /sys/fs/cgroup/system.slice/web.service
show start sh -e <<'LISTENERS'
sh -c 'echo $$ >/sys/fs/cgroup/system.slice/web.service/cgroup.procs; exec web tcp=0.0.0.0/80'
six tcp=::/81,v6only
both tcp=::/82,dual
dns udp=0.0.0.0/53 udp=::1/53 tcp=127.0.0.1/53
pool workers=3 tcp=0.0.0.0/8080,reuseport
inner newns tcp=0.0.0.0/80 udp=127.0.0.1/53
user uid=1000 tcp=127.0.0.1/9000
mptcp mptcp=0.0.0.0/8443
lite udplite=0.0.0.0/5000
device tcp=0.0.0.0/83,device=lo
odd packet icmp
rm /usr/bin/user
LISTENERS

# No module is loaded on demand: what portero can do without *_diag, and with some.
modprobe=$(cat /proc/sys/kernel/modprobe)
echo >/proc/sys/kernel/modprobe
show bare portero --no-reach --json --all
show bare-doctor portero doctor --json
modprobe -a tcp_diag udp_diag
show no-mptcp portero --no-reach --json --all
show no-mptcp-doctor portero doctor --json
echo "$modprobe" >/proc/sys/kernel/modprobe

# As on a machine: what is asked for is loaded.
show demand portero --no-reach --json --all
show loaded lsmod
# of what is loaded by hand only, some kernels have no module
for module in sctp dccp_ipv4 vsock; do
	modprobe $module
done
show start-sctp sctp sctp=0.0.0.0/7001 sctp-many=127.0.0.1/7002
show start-dccp dccp dccp=0.0.0.0/7003
show start-vsock vsock vsock=any/7004
show bpf portero --no-reach --json --all
show no-bpf portero --no-reach --json --all --no-bpf
show own portero --no-reach --json
show doctor portero doctor --json
show no-bpf-doctor portero doctor --json --no-bpf
show human portero --no-reach
show closed portero --no-reach show 4
show as-nobody su -s /bin/sh nobody -c "portero --no-reach --json"
show as-nobody-doctor su -s /bin/sh nobody -c "portero doctor --json"

# Connections and clients.
sleep 60 | nc 127.0.0.1 80 &
until grep -q ':0050 .* 01 ' /proc/net/tcp; do
	sleep 0.1
done
show connection portero --no-reach --json show 80
client client
show no-clients portero --no-reach --json
show clients portero --no-reach --json --clients
show clients-no-bpf portero --no-reach --json --clients --no-bpf

# More listeners of one process than the fast program writes.
many tcp=127.0.0.1/20000,count=250
show many portero --no-reach --csv many
show many-doctor portero doctor --json
