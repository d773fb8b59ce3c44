# SPDX-License-Identifier: GPL-2.0-or-later
"""
The ruleset that ../vm/guest/60-policy.sh tries on other kernels is what portero makes today, of the
policy and with the options that the script names. UPDATE_GOLDEN=1 writes it anew.
"""
import os
import re
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "vm" / "guest" / "60-policy.sh"
TOOL = str(Path(os.environ.get("PORTERO", "build/portero")).parent / "netns" / "policy_rules")
NAME = "rules_vrf.yaml"  # in the comments of the rules


def test_the_ruleset_of_the_virtual_machines(tmp_path):
    text = SCRIPT.read_text()
    head, rest = text.split("cat >/tmp/rules <<'RULES'\n")
    written, tail = rest.split("RULES\n", 1)
    words = re.search(r"\(policy_rules (.*?) rules FILE\)", head.replace("\n# ", " "))[1].split()
    policy = re.search(r"\n#   openings:\n(#    .*\n)+", head)[0]
    path = tmp_path / NAME
    path.write_text(re.sub(r"(?m)^#   ", "", policy.lstrip("\n")))
    made = subprocess.run([TOOL, *words, "rules", str(path)], capture_output=True, text=True,
                          check=True).stdout
    assert "iifkind" in made and "rate" in made, "the policy is not what the script is about"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        SCRIPT.write_text(f"{head}cat >/tmp/rules <<'RULES'\n{made}RULES\n{tail}")
    else:
        assert made == written
