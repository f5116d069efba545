"""``lvsmarkd pause``."""

import argparse

from lvsmarkd.cli.commands.status import ask_and_print
from lvsmarkd.cli.exits import Exit


def run(options: argparse.Namespace) -> Exit:
    """Ask the daemon to write nothing for a while."""
    ask_and_print(options, {"command": "pause", "seconds": options.seconds})
    return Exit.OK  # it is done; what is found meanwhile is what status ends with
