# SPDX-License-Identifier: GPL-2.0-or-later
# What the kernel had to say. Checked by test_log.py.
show dmesg dmesg
