# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures and hooks of the namespace tests: all in harness.py, which the golden tests share."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import (  # noqa: E402,F401
    bpf, holder, make_ns, ns, pytest_configure, pytest_sessionfinish, pytest_terminal_summary,
    pytest_unconfigure, tool_dir)
