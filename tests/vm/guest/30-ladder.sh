# SPDX-License-Identifier: GPL-2.0-or-later
# Which of portero's BPF programs this kernel takes. Checked by test_ladder.py.
show ladder ladder
