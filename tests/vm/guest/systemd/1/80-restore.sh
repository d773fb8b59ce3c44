# SPDX-License-Identifier: GPL-2.0-or-later
# portero.service beside nftables.service, which flushes all rules whenever it starts, is reloaded and
# ends. The last of this start: what is opened here and not confirmed, the next start must undo.
# Checked by test_systemd.py.
# files: usr/lib/systemd/system/nftables.service
rules() { # LABEL COMMAND...: whether portero's are there when what it began is done
	label=$1
	shift
	show "$label" "$@"
	wait-for 30 sh -c '! systemctl list-jobs | grep -q portero'
	show "$label-rules" nft list chain inet portero check
}
# What a machine does to bring up its network, in the order that systemd.special(7) asks for; and a
# service that does not care.
cat >/etc/systemd/system/the-network.service <<-'UNIT'
	[Unit]
	DefaultDependencies=no
	Wants=network-pre.target network.target
	After=network-pre.target
	Before=network.target
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	StandardOutput=truncate:/run/rules-of-network
	ExecStart=-/usr/sbin/nft list ruleset
	[Install]
	WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/early.service <<-'UNIT'
	[Service]
	StandardOutput=truncate:/run/rules-of-early
	ExecStart=-/usr/sbin/nft list ruleset
	[Install]
	WantedBy=multi-user.target
UNIT
show enable systemctl enable portero nftables the-network early
systemctl daemon-reload
show confirm portero rollback 1 --no-confirm
systemctl start nftables.service
rules start systemctl start portero.service
rules nft-reload systemctl reload nftables.service
rules nft-restart systemctl restart nftables.service
systemctl stop nftables.service
rules nft-start systemctl start nftables.service
nft flush ruleset
rules reload systemctl reload portero.service
show status systemctl show --property=ActiveState,Result,ExecMainStatus portero.service

# While a change waits to be confirmed, that is what is loaded. With the process that undoes it, or
# without: then there is a new one, which is not the service's to end.
show open portero open 881/tcp --from internet --yes --confirm 1h
rules pending-restart systemctl restart nftables.service
show pending-undo undo-process
systemctl stop 'portero-undo-*'
show stopped-undo undo-process
rules lonely-restart systemctl restart nftables.service
show lonely-undo undo-process
systemctl stop nftables.service
show left-undo undo-process
rules left-start systemctl start nftables.service
show ports nft list map inet portero tcp_ports
show extend portero confirm --extend 2s
show due wait-for 30 sh -c '! nft list map inet portero tcp_ports | grep -q 881'
wait-for 10 sh -c '! undo-process'
show due-files ls /etc/portero/policy.d
show due-log portero policy log --json

show open-again portero open 881/tcp --from internet --yes --confirm 1h
show open-again-files ls /etc/portero/policy.d
show output cat /run/portero.out
show log portero policy log --json
