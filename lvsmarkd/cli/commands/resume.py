"""``lvsmarkd resume``."""

import argparse

from lvsmarkd.cli.commands.status import ask_and_print
from lvsmarkd.cli.exits import Exit


def run(options: argparse.Namespace) -> Exit:
    """Ask the daemon to write again; it looks at once."""
    ask_and_print(options, {"command": "resume"})
    return Exit.OK  # it is done; what is left to do is what status ends with
