"""``lvsmarkd resume``."""

import argparse

from lvsmarkd.cli.commands.status import ask_and_print
from lvsmarkd.cli.exits import Exit


def run(options: argparse.Namespace) -> Exit:
    """Ask the daemon to write again; it looks at once."""
    return ask_and_print(options, {"command": "resume"})
