# SPDX-License-Identifier: GPL-2.0-or-later
# The start after 1/80-restore.sh. Checked by test_systemd.py.
show network-rules cat /run/rules-of-network
show early-rules cat /run/rules-of-early
show ports nft list map inet portero tcp_ports
show files ls /etc/portero/policy.d
show output cat /run/portero.out
show status systemctl show --property=ActiveState,Result,ExecMainStatus portero.service
show undo undo-process
show log portero policy log --json
