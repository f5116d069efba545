"""ansible.posix.firewalld, where it is installed: nothing is installed for it."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.firewalld_bench import ZONE
from tests.harness.netns import run

MISSING = "missing here: ansible with the collection ansible.posix (apt-get install ansible)"
_PLAYBOOK = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.posix.firewalld": {
                    "zone": ZONE,
                    "rich_rule": "{{ item }}",
                    "permanent": True,
                    "immediate": True,
                    "state": "enabled",
                },
                "loop": "{{ rules }}",
            }
        ],
    }
]
"""It knows no policies."""


@dataclass(frozen=True, slots=True)
class Ansible:
    """It, with all its files in ``home``."""

    home: Path

    def command(self, rules: Sequence[str]) -> list[str]:
        """A playbook that has these rules in both planes of the zone."""
        playbook = self.home / "playbook.yml"
        playbook.write_text(json.dumps(_PLAYBOOK))  # JSON is YAML
        return [
            *("env", f"HOME={self.home}", "ansible-playbook", "-i", "localhost,", "-c", "local"),
            *("-e", json.dumps({"rules": list(rules)}), str(playbook)),
        ]

    def play(self, rules: Sequence[str]) -> None:
        """Run it once."""
        run(*self.command(rules), timeout=120)


@cache
def installed() -> bool:
    """Whether it is here, and the collection."""
    if shutil.which("ansible-doc") is None or shutil.which("ansible-playbook") is None:
        return False
    with TemporaryDirectory() as home:
        found = subprocess.run(
            ["env", f"HOME={home}", "ansible-doc", "-t", "module", "ansible.posix.firewalld"],
            capture_output=True,
            check=False,
            timeout=60,
        )
    return found.returncode == 0 and b"rich_rule" in found.stdout
