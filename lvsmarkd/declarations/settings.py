"""lvsmarkd.toml and conf.d beside it: all of it checked before any of it is in force."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.declarations.checking import faults
from lvsmarkd.declarations.documents import UnreadableError, document, drop_ins
from lvsmarkd.declarations.listening import listening
from lvsmarkd.declarations.tables import Daemon, Document, Firewall, Keepalived, MarkTable
from lvsmarkd.model.declaration import Declaration
from lvsmarkd.model.origin import Origin, Problem

DROP_INS = "conf.d"


class ConfigError(Exception):
    """The settings cannot be followed. ``problems`` are all that were found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Metrics:
    """``[metrics]``: the addresses and ports to serve them on; none switches them off."""

    listen: tuple[tuple[str, int], ...] = (("127.0.0.1", 10965),)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that lvsmarkd.toml says, apart from declarations."""

    keepalived: Keepalived = field(default_factory=Keepalived)
    firewall: Firewall = field(default_factory=Firewall)
    daemon: Daemon = field(default_factory=Daemon)
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read. ``files`` are all files read; ``lookups`` the absolute glob patterns of
    those that may appear.
    """

    settings: Settings = field(default_factory=Settings)
    declarations: tuple[Declaration, ...] = ()
    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


def load(path: Path, *, required: bool) -> Loaded:
    """Read the file and the drop-ins beside it.

    A file that is not there gives the defaults, unless it is ``required``. Raises ConfigError
    with all that is wrong.
    """
    documents, problems = _read(path, required=required)
    for file, content in documents.items():
        problems += [
            Problem(Origin(file, key=fault.key), fault.message)
            for fault in faults(content, Document)
        ]
    merged, repeated = _merged(documents)
    problems += repeated
    if problems:
        raise ConfigError(tuple(problems))
    # What is checked converts; if it did not, this would be a fault of ours, to be seen.
    whole = msgspec.convert(merged, Document)
    listen = tuple(dict.fromkeys(map(listening, whole.metrics.listen)))
    absolute = path.absolute()
    return Loaded(
        Settings(whole.keepalived, whole.firewall, whole.daemon, Metrics(listen)),
        tuple(_declarations(documents)),
        tuple(documents),
        (glob.escape(str(absolute)), f"{glob.escape(str(absolute.parent))}/{DROP_INS}/*.toml"),
    )


_Documents = dict[str, dict[str, object]]


def _read(path: Path, *, required: bool) -> tuple[_Documents, list[Problem]]:
    documents: _Documents = {}
    problems: list[Problem] = []
    paths = [path]
    try:
        paths += drop_ins(path.parent / DROP_INS)
    except UnreadableError as error:
        problems.append(error.problem)
    for each in paths:
        try:
            documents[str(each)] = document(each)
        except UnreadableError as error:
            problems.append(error.problem)
        except FileNotFoundError:
            if required or each is not path:
                message = "found no such file, expected lvsmarkd's settings in TOML"
                problems.append(Problem(Origin(str(each)), message))
    return documents, problems


def _merged(documents: _Documents) -> tuple[dict[str, object], list[Problem]]:
    """All settings in one table; those that stand in two files are problems."""
    merged: dict[str, object] = {}
    problems: list[Problem] = []
    files: dict[tuple[str, ...], str] = {}
    for file, content in documents.items():
        for keys, value in _leaves(content):
            if keys in files:
                message = (
                    f"found the setting here and in {files[keys]}, expected it in one file:"
                    " delete it from one of the two"
                )
                problems.append(Problem(Origin(file, key=".".join(keys)), message))
            files.setdefault(keys, file)
            _put(merged, keys, value)
    return merged, problems


def _leaves(
    table: dict[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if (*above, key) == ("mark",):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _put(table: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            return  # one file has a value where another has a table: a fault, found before
        table = inner
    table[keys[-1]] = value


def _declarations(documents: _Documents) -> Iterator[Declaration]:
    for file, content in documents.items():
        for at, table in enumerate(msgspec.convert(content, Document).mark):
            yield _declaration(table, Origin(file, key=f"mark[{at}]"))


def _declaration(table: MarkTable, origin: Origin) -> Declaration:
    to = [table.to] if isinstance(table.to, str) else table.to
    macs = table.not_from_mac
    return Declaration(
        table.fwmark,
        tuple(dict.fromkeys(map(values.target, to))),
        port_ranges.normal(each for entry in table.ports for each in port_ranges.entry(entry)),
        origin,
        table.accept,
        tuple(sorted(set(map(values.mac, [macs] if isinstance(macs, str) else macs)))),
        table.in_interface,
    )
