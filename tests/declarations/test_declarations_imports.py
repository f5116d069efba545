"""What must start fast does not import what reads TOML."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["annotation", "resolve"])
def test_the_core_needs_no_tomllib(module: str) -> None:
    code = (
        f"import sys, lvsmarkd.declarations.{module}\n"
        "print(sorted({'tomllib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"
