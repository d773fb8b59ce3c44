# SPDX-License-Identifier: GPL-2.0-or-later
# A package is upgraded, and its services start again before anybody has told the guard: what becomes of them without
# the drop-in that portero(1) has for that, and with it. Checked by test_systemd.py.
state=/var/lib/portero/upgraded places="--state-dir $state --policy-dir /run/upgraded.d --runtime-dir /run/upgraded"
units=/run/systemd/system
mkdir -p $state /run/upgraded.d /run/upgraded /opt/app
chmod 700 $state
unpack() { # CONTENT: as dpkg does it, but for the sums
	cat /bin/busybox - >/opt/app/busybox.dpkg-new <<-END
		$1
	END
	chmod 755 /opt/app/busybox.dpkg-new
	mv /opt/app/busybox.dpkg-new /opt/app/busybox
}
vouch() {
	(cd / && md5sum opt/app/busybox) >/var/lib/dpkg/info/app.md5sums
}
printf '\nPackage: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n' >>/var/lib/dpkg/status
printf '/.\n/opt\n/opt/app\n/opt/app/busybox\n' >/var/lib/dpkg/info/app.list
unpack 1
vouch
cat >/run/upgraded.d/10.yaml <<-'POLICY'
	settings:
	  guard: enforce
	openings:
	  - ports: [8921-8923/tcp]
	    from: [internet]
	    program: /opt/app/busybox
POLICY
for port in 8921 8922 8923; do
	printf '[Service]\nUser=65534\nProtectSystem=strict\nPrivateTmp=yes\nExecStart=/opt/app/busybox nc -ll -p %s -e echo hello\n' \
		$port >$units/app-$port.service
done
for port in 8922 8923; do
	mkdir $units/app-$port.service.d
	printf '[Service]\nExecStartPre=-+/usr/bin/portero guard refresh -q %s\n' "$places" \
		>$units/app-$port.service.d/refresh.conf
done
systemctl daemon-reload
start() { # UNIT...: all of them at once
	systemctl restart "$@"
	sleep 1
}
ask() { # LABEL PORT: does it answer its peer?
	show "$1" ip netns exec peer timeout 2 nc 10.9.0.1 "$2" </dev/null
}
show apply portero apply $places --yes --no-confirm --force
start app-8921
ask first 8921
unpack 2
vouch
start app-8921
ask without 8921
start app-8922 app-8923
for port in 8922 8923; do
	ask with-$port $port
done
start app-8921
ask again 8921
# what no package vouches for gets nothing by being started
unpack 3
start app-8922
ask unvouched 8922
systemctl stop app-8921 app-8922 app-8923
show off portero guard off $places
show rollback portero rollback 0 --no-confirm $places
