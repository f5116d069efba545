"""What ``ipset save`` prints: the sets that iptables' rules name."""

import shlex
import shutil
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from lvsmarkd.model.fields import Interval, Value
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import Element
from lvsmarkd.model.ruleset import TableSet
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run, search_path
from lvsmarkd.netfilter.protocols import protocol_number

_MARK = "skbmark"
_EXCEPTED = "nomatch"
_SILENT = frozenset({"comment", "packets", "bytes", "timeout"})
"""Options of an entry that do not change which packets it is about."""


def read_ipsets() -> Mapping[str, TableSet] | Unknown:
    """All sets with their elements; none where there is no ipset."""
    program = shutil.which("ipset", path=search_path())
    if program is None:
        return {}
    try:
        answer = run([program, "save"])
    except FirewallError as error:
        return Unknown(str(error))
    if answer.status != 0:
        return Unknown(f"ipset failed: {answer.error or answer.status}")
    return sets_of(answer.output)


def sets_of(text: str) -> Mapping[str, TableSet]:
    """The sets of a listing. The type tells what the parts of an element are: ``hash:ip,port``.

    An element that is not understood keeps its words.
    """
    types: dict[str, tuple[str, ...]] = {}
    elements: dict[str, list[Element]] = {}
    for line in text.splitlines():
        words = _words(line)
        match words:
            case ["create", name, kind, *_]:
                _, _, parts = kind.partition(":")
                types[name] = tuple(parts.split(","))
                elements.setdefault(name, [])
            case ["add", name, entry, *options]:
                known = types.get(name, ())
                elements.setdefault(name, []).append(_element(known, entry, options))
            case _:
                continue
    return {
        name: TableSet(name, types.get(name, ()), elements=tuple(found))
        for name, found in elements.items()
    }


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _element(types: tuple[str, ...], entry: str, options: list[str]) -> Element:
    parts = entry.split(",")
    if len(parts) != len(types):
        return Element(entry, None, (entry, *options))
    try:
        values = tuple(map(_value, types, parts))
        mark, rest = _mark(options)
    except ValueError:
        return Element(entry, None, (entry, *options))
    key = values[0] if len(values) == 1 else values
    unclear = tuple(word for word in rest if word != _EXCEPTED)
    return Element(key, mark, unclear, excepted=_EXCEPTED in rest)


def _value(kind: str, text: str) -> Value:
    match kind:
        case "ip" | "net":
            first, dash, last = text.partition("-")
            if dash:
                return Interval(ip_address(first), ip_address(last))
            return ip_network(text, strict=False)
        case "port":
            return _port(text)
        case "mark":
            return int(text, 0)
        case _:
            return text


def _port(text: str) -> Value:
    """``tcp:80``, ``udp:53-60``: a protocol and ports; without a protocol ports alone."""
    name, colon, ports = text.rpartition(":")
    first, _, last = ports.partition("-")
    interval = Interval(int(first), int(last or first))
    if not colon:
        return interval
    number = protocol_number(name)
    if number is None:
        raise ValueError(text)
    return (number, interval)


def _mark(options: list[str]) -> tuple[int | SetMark | None, list[str]]:
    """The mark that ``SET --map-mark`` gives for it; what else is said of it."""
    mark: int | SetMark | None = None
    rest, words = list[str](), iter(options)
    for word in words:
        if word in _SILENT:
            next(words, None)
        elif word == _MARK:
            said = next(words, "")
            value, slash, mask = said.partition("/")
            if slash and int(mask, 0) != MAX_MARK:
                mark = SetMark(int(value, 0), int(mask, 0))
            else:
                mark = int(value, 0)
        else:
            rest.append(word)
    return mark, rest
