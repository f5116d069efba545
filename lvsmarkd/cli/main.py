"""The command line: which command, with which options. Commands are imported lazily."""

import argparse
import sys
from collections.abc import Sequence
from errno import ENOSPC
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from lvsmarkd import __version__
from lvsmarkd.cli.duration import seconds_of
from lvsmarkd.cli.exits import CommandError, Exit

_COMMANDS = {
    "run": "the daemon: keep the rules, until stopped",
    "marks": "what keepalived uses, which flows are declared, what is covered",
    "plan": "what differs, and the exact changes that would mend it",
    "explain": "which rules packets meet, in order, and what mark comes out",
    "apply": "one pass: carry out the plan",
    "status": "ask the running daemon",
    "pause": "let the running daemon judge and report, and write nothing",
    "resume": "end a pause",
    "purge": "remove all rules of lvsmarkd, and nothing else",
}
_LOCAL = ("run", "marks", "plan", "explain", "apply", "purge")
"""The commands that read files and the firewall themselves."""
_LOCAL_OPTIONS = ("--config", "--keepalived-conf", "--config-id", "--backend")
_JUDGING = ("plan", "apply", "status")
"""The commands whose exit status says what they found; that of the others, whether it is done."""
_DONE = "exit status: 0 done, 1 an error"
_EXITS = {
    "run": "exit status: 0 stopped as asked, 1 an error",
    "explain": "exit status: 0 done; of a mark: all packets of the service come to IPVS with it, 2"
    " some do not, or may not; 1 an error",
    "marks": f"{_DONE}; 0 also where a service is uncovered: that is what plan tells",
    **dict.fromkeys(
        _JUDGING,
        "exit status: 0 in sync, 2 drift, a finding that is no mere note, or a plan that is not"
        " empty, 1 an error, or something that matters could not be read",
    ),
}
_EPILOG = (
    "exit status: 0 done; of plan, apply and status: in sync, too; 2, of these three: drift, a"
    " finding that is no mere note, or a plan that is not empty, and of explain MARK: packets that"
    " are lost, or may be; 1 an error. With --json an error"
    " is told on stdout as well, by a JSON object whose `error` says what is wrong."
)
_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files"}
"""Names of files, as shtab completes them: it makes the packages' completions, and is only there
when these are built."""


class _OfDaemon(argparse.Action):
    """An option of other commands, where the running daemon is asked."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        _values: object,
        option_string: str | None = None,
    ) -> None:
        parser.error(
            f"{option_string} is not for this command: the running daemon answers, by the files and"
            " the firewall that it was started with"
        )


class _Parser(argparse.ArgumentParser):
    """Exits with 1 on bad usage: 2 says drift here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise CommandError(message)


def parser() -> argparse.ArgumentParser:
    """The whole command line, for help texts and completions too."""
    top = _Parser(
        prog="lvsmarkd",
        description="Keeps a packet rule in place for every firewall mark that keepalived uses.",
        epilog=_EPILOG,
    )
    top.add_argument("--version", action="version", version=f"lvsmarkd {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        epilog = _EXITS.get(name, _DONE)
        command = commands.add_parser(name, help=text, description=text, epilog=epilog)
        if name != "run":
            command.add_argument("--json", action="store_true", help="print JSON, errors too")
        if name in _LOCAL:
            _add_local_options(command)
        else:
            for option in _LOCAL_OPTIONS:
                command.add_argument(option, nargs="?", action=_OfDaemon, help=argparse.SUPPRESS)
        if name == "explain":
            command.add_argument(
                "question",
                nargs="+",
                metavar="WORD",
                help="MARK, or ADDRESS [tcp|udp|sctp|dccp [PORTS]] [from ADDRESS] [in INTERFACE]",
            )
        if name == "pause":
            command.add_argument(
                "--for",
                dest="seconds",
                type=seconds_of,
                metavar="TIME",
                help="end by itself after this time: 90s, 30m, 2h, 1d (default: until resume)",
            )
    return top


def _add_local_options(command: argparse.ArgumentParser) -> None:
    files = {
        "--config": "lvsmarkd's settings; conf.d/*.toml beside it"
        " (default /etc/lvsmarkd/lvsmarkd.toml)",
        "--keepalived-conf": "read this keepalived.conf, not the one that the settings name",
    }
    for name, text in files.items():
        option = command.add_argument(name, type=Path, metavar="FILE", help=text)
        vars(option)["complete"] = _FILES
    command.add_argument("--config-id", metavar="ID", help="keepalived's config id, for @ID lines")
    command.add_argument(
        "--backend",
        choices=["auto", "iptables", "firewalld", "nftables"],
        help="which firewall keeps the rules (default: the settings)",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status. No exception leaves it.

    What goes wrong is told on stderr; with ``--json`` also on stdout, as an object's ``error``.
    """
    for stream in (sys.stdout, sys.stderr):
        # A comment in somebody's rule may hold any bytes: shown as escapes, and JSON stays JSON.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser().parse_args(arguments)
        command = import_module(f"lvsmarkd.cli.commands.{options.command}")
        status = int(command.run(options))
        sys.stdout.flush()  # here, where a full disk or a reader that left is still met
        return status  # noqa: TRY300 - what follows is for what went wrong
    except CommandError as error:
        _tell(error, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; there is nothing more to say
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        sys.stderr.write(f"lvsmarkd: the output cannot be written: {error.strerror}\n")
    except KeyboardInterrupt:
        _tell(CommandError("interrupted"), as_json=as_json)
    return Exit.ERROR


def _tell(error: CommandError, *, as_json: bool) -> None:
    if as_json:
        from lvsmarkd.cli.output import print_json  # noqa: PLC0415 - seldom needed

        print_json({**error.form, "error": str(error)})
    print(f"lvsmarkd: {error}", file=sys.stderr)
