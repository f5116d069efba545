"""The nfts that are asked side by side: the one that is installed, and Debian 13's."""

import json
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
FETCH_SECONDS = 600
EDITIONS = {"installed": None, "debian 13": "trixie"}
"""By names: what ``Nft.of`` takes."""


class Nft:
    """One of them, as a program that is run in the network namespace of the test."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    @classmethod
    def of(cls, edition: str) -> "Nft":
        """That one. It fails where it cannot be had."""
        suite = EDITIONS[edition]
        return cls(("nft",) if suite is None else _of_debian(suite))

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """Run it; gives what it printed, and, where it may fail, what it complained of."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"nft {arguments}: {done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def load(self, script: str) -> None:
        """Have it do a script."""
        self.run("-f", "-", stdin=script)

    def listed(self) -> list[tuple[str, Any]]:
        """The whole ruleset as it tells it: what each thing is, and the thing."""
        found = json.loads(self.run("-j", "list", "ruleset"))["nftables"]
        return [item for each in found for item in each.items() if item[0] != "metainfo"]

    def of_kind(self, kind: str) -> list[Any]:
        """The things of a kind among these: "table", "chain", "rule", "set", "map"."""
        return [thing for name, thing in self.listed() if name == kind]


@cache
def _of_debian(suite: str) -> tuple[str, ...]:
    fetch = ["sh", str(REPOSITORY / "packaging" / "debian-of.sh"), suite, "nftables"]
    done = subprocess.run(fetch, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    assert done.returncode == 0, f"nft of {suite} cannot be had here: {done.stderr}"
    root = Path(done.stdout.strip())
    (loader,) = {file.resolve() for file in root.glob("usr/lib*/ld-linux*.so.*")}
    libraries = {str(file.parent) for file in root.glob("usr/lib/*/libnftables.so*")}
    return (
        str(loader),
        *("--library-path", os.pathsep.join(sorted(libraries))),
        str(root / "usr/sbin/nft"),
    )
