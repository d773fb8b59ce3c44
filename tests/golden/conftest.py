# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixtures and hooks of the golden tests: all in ../netns/harness.py."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "netns"))

from harness import (  # noqa: E402,F401
    bpf, holder, make_ns, ns, pytest_configure, pytest_sessionfinish, pytest_terminal_summary,
    pytest_unconfigure, tool_dir)
