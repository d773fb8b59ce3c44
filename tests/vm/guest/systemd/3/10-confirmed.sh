# SPDX-License-Identifier: GPL-2.0-or-later
# A start with nothing but a confirmed state. Checked by test_systemd.py.
show network-rules cat /run/rules-of-network
show early-rules cat /run/rules-of-early
show output cat /run/portero.out
show status systemctl show --property=ActiveState,Result,ExecMainStatus portero.service
show log portero policy log --json
