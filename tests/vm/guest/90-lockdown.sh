# SPDX-License-Identifier: GPL-2.0-or-later
# Locks the kernel down, which cannot be undone: the last script. Checked by test_lockdown.py.
echo confidentiality >/sys/kernel/security/lockdown
show state cat /sys/kernel/security/lockdown
show web portero --no-reach --json 80/tcp
show doctor portero doctor --json
show ladder ladder
