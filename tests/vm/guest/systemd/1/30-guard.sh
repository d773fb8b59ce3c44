# SPDX-License-Identifier: GPL-2.0-or-later
# The guard with the privileges of portero.service, at the root of the cgroups, with systemd's own units.
# Its states are of a folder of their own. Checked by test_systemd.py.
state=/var/lib/portero/guarded places="--state-dir $state --policy-dir /run/guarded.d --runtime-dir /run/guarded"
mkdir -p $state /run/guarded.d /run/guarded /home/app
chmod 700 $state
cp /bin/busybox /home/app/busybox
cat >/run/guarded.d/10.yaml <<-'POLICY'
	settings:
	  guard: enforce
	openings:
	  - ports: [890/tcp]
	    from: [internet]
	    program: /home/app/busybox
	    unit: guarded-890.service
POLICY
serve() { # LABEL UNIT PORT PROGRAM: does it listen, and answer its peer?
	systemd-run --quiet --unit="$2" "$4" nc -ll -p "$3" -e echo hello
	wait-for 3 sh -c "echo | nc 127.0.0.1 $3"
	show "$1" ip netns exec peer timeout 2 nc 10.9.0.1 "$3" </dev/null
	systemctl stop "$2"
	systemctl reset-failed "$2"
}
sed "s|portero restore|portero restore $places|" /usr/lib/systemd/system/portero.service \
	>/run/systemd/system/guarded.service
systemctl daemon-reload
show apply portero apply $places --yes --no-confirm --force
show applied portero guard $places --json
show off portero guard off $places
show gone portero guard $places --json
show restore systemctl start guarded.service
show status systemctl show --property=ActiveState,Result,ExecMainStatus guarded.service
show restored portero guard $places --json
serve right guarded-890 890 /home/app/busybox
serve other-unit other-890 890 /home/app/busybox
serve other-program guarded-890 890 /bin/busybox
show again-off portero guard off $places
systemctl stop guarded.service
show rollback portero rollback 0 --no-confirm $places
show ended sh -c '! nft list table inet portero 2>&1'
