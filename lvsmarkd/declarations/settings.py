"""lvsmarkd.toml and conf.d beside it: all of it checked before any of it is in force."""

import glob
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.declarations.checking import faults
from lvsmarkd.declarations.documents import Toml, UnreadableError, document, drop_ins
from lvsmarkd.declarations.listening import listening
from lvsmarkd.declarations.tables import (
    Daemon,
    Firewall,
    Keepalived,
    MarkTable,
    mark_table,
)
from lvsmarkd.declarations.tables import document as document_table
from lvsmarkd.model.declaration import Declaration
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.qualifiers import Qualifier, in_order, kinds
from lvsmarkd.model.refusal import RefusalError

DROP_INS = "conf.d"


class ConfigError(Exception):
    """The settings cannot be followed. ``problems`` are all that were found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class MetricsSettings(Struct, frozen=True):
    """``[metrics]``: the addresses and ports to serve them on; none switches them off."""

    listen: tuple[tuple[str, int], ...] = (("127.0.0.1", 10965),)


class Settings(Struct, frozen=True):
    """All that lvsmarkd.toml says, apart from declarations."""

    keepalived: Keepalived = field(default_factory=Keepalived)
    firewall: Firewall = field(default_factory=Firewall)
    daemon: Daemon = field(default_factory=Daemon)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


class Loaded(Struct, frozen=True):
    """What was read. ``files`` are all files read; ``lookups`` the absolute glob patterns of
    those that may appear. ``refused`` says which ``[[mark]]`` tables cannot be followed: each
    of them concerns no mark but its own.
    """

    settings: Settings = field(default_factory=Settings)
    declarations: tuple[Declaration, ...] = ()
    refused: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


def load(path: Path, *, required: bool) -> Loaded:
    """Read the file and the drop-ins beside it.

    A file that is not there gives the defaults, unless it is ``required``. Raises ConfigError
    with all that is wrong outside of ``[[mark]]`` tables.
    """
    documents, problems = _read(path, required=required)
    refused: dict[tuple[str, int], list[Problem]] = {}
    for file, toml in documents.items():
        for fault in faults(toml.content, document_table()):
            at = _table_of(fault.key)
            problem = Problem(_origin(file, toml, fault.key), fault.message)
            if at is None:
                problems.append(problem)
            else:
                marks = _marks(toml, at)
                bad = replace(problem, marks=marks, fatal=True)
                refused.setdefault((file, at), []).append(bad)
    merged, repeated = _merged(documents)
    problems += repeated
    if problems:
        raise ConfigError(tuple(problems))
    # What is checked converts; if it did not, this would be a fault of ours, to be seen.
    whole = msgspec.convert(merged, document_table())
    listen = tuple(dict.fromkeys(map(listening, whole.metrics.listen)))
    return Loaded(
        Settings(whole.keepalived, whole.firewall, whole.daemon, MetricsSettings(listen)),
        tuple(_declarations(documents, refused.keys())),
        tuple(problem for bad in refused.values() for problem in bad),
        tuple(documents),
        lookups_of(path),
    )


def lookups_of(path: Path) -> tuple[str, ...]:
    """The absolute glob patterns of the files that ``load`` reads for a path."""
    absolute = path.absolute()
    return (glob.escape(str(absolute)), f"{glob.escape(str(absolute.parent))}/{DROP_INS}/*.toml")


_Documents = dict[str, Toml]
_TABLE = re.compile(r"mark\[([0-9]+)\]")


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
    for file, toml in documents.items():
        for keys, value in _leaves(toml.content):
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


def _declarations(
    documents: _Documents, refused: Collection[tuple[str, int]]
) -> Iterator[Declaration]:
    for file, toml in documents.items():
        for at, table in enumerate(_tables(toml)):
            if (file, at) not in refused:
                origin = _origin(file, toml, f"mark[{at}]")
                yield _declaration(msgspec.convert(table, mark_table()), origin)


def _table_of(key: str) -> int | None:
    """Which ``[[mark]]`` table a key is in."""
    found = _TABLE.match(key)
    return int(found[1]) if found else None


def _tables(toml: Toml) -> list[Any]:
    tables = toml.content.get("mark", [])
    return tables if isinstance(tables, list) else []


def _marks(toml: Toml, at: int) -> tuple[int, ...]:
    """The mark of a table that cannot be followed, where at least that can be read."""
    try:
        return (values.mark(_tables(toml)[at]["fwmark"]),)
    except (RefusalError, KeyError, TypeError):
        return ()


def _origin(file: str, toml: Toml, key: str) -> Origin:
    """The place of a key, with the line where its table begins, if that is known."""
    at = _table_of(key)
    # Tables written in another way than as [[mark]] have no line each.
    known = at is not None and len(toml.mark_lines) == len(_tables(toml))
    return Origin(file, toml.mark_lines[at] if known and at is not None else 0, key)


def _declaration(table: MarkTable, origin: Origin) -> Declaration:
    to = [table.to] if isinstance(table.to, str) else table.to
    return Declaration(
        mark=table.fwmark,
        to=tuple(dict.fromkeys(map(values.target, to))),
        ports=port_ranges.normal(
            each for entry in table.ports for each in port_ranges.entry(entry)
        ),
        origin=origin,
        accept=table.accept,
        qualifiers=in_order(_qualifiers(table)),
    )


def _qualifiers(table: MarkTable) -> Iterator[Qualifier]:
    for kind in kinds():
        written = getattr(table, kind.key())
        texts = [written] if isinstance(written, str) else written
        if texts:
            yield kind.of(*map(kind.checked, texts))
