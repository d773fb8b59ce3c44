# SPDX-License-Identifier: GPL-2.0-or-later
# Services and sockets of systemd, and the units that portero names. Checked by test_systemd.py.
# modules: tcp_diag udp_diag
service() { # NAME WORDS: a unit whose program goes into the background, as serve does
	cat >"/run/systemd/system/$1.service" <<-UNIT
		[Service]
		Type=forking
		$3
		ExecStart=/usr/bin/serve $2
	UNIT
}
socket() { # NAME LINES
	cat >"/run/systemd/system/$1.socket" <<-UNIT
		[Socket]
		$2
	UNIT
}
mkdir -p /run/systemd/system
service plain tcp=0.0.0.0/8001
service sliced tcp=0.0.0.0/8002 Slice=deep-down.slice
service many@ tcp=0.0.0.0/800%i
service delegated tcp=0.0.0.0/8004 Delegate=yes
service held tcp=127.0.0.1/9999
socket held 'ListenStream=8005
ListenDatagram=127.0.0.1:8005'
service behind tcp=127.0.0.1/9998
socket front 'ListenStream=[::1]:8006
Service=behind.service'
# this one takes what it was handed, and goes on with it
cat >/run/systemd/system/taken.service <<-'UNIT'
	[Service]
	ExecStart=/bin/sleep 1000
UNIT
socket taken ListenStream=0.0.0.0:8007
cat >/run/systemd/system/each@.service <<-'UNIT'
	[Service]
	StandardInput=socket
	ExecStart=/bin/cat
UNIT
socket each 'ListenStream=0.0.0.0:8008
Accept=yes'
systemctl daemon-reload
show start systemctl start plain sliced many@3 delegated held.socket front.socket taken.socket \
	each.socket
systemd-run --quiet --unit=transient --service-type=forking serve tcp=0.0.0.0/8009
systemd-run --quiet --scope --unit=scoped serve tcp=0.0.0.0/8010
serve tcp=0.0.0.0/8011
nc 127.0.0.1 8007 </dev/null >/dev/null 2>&1 &
wait-for 10 systemctl is-active taken.service
sleep 1000 | nc 127.0.0.1 8008 >/dev/null 2>&1 &
wait-for 10 sh -c 'systemctl list-units "each@*" | grep -q running'
show status portero --no-reach --json
systemctl --no-block stop plain sliced many@3 delegated held.socket front.socket taken.socket \
	taken.service each.socket transient scoped.scope
