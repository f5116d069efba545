"""Native tables of nf_tables, as ``nft -j`` lists them: one by one, so that one that makes nft
crash or hang hides itself and no other.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.model.fields import Field
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_spec import Verdict
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
    TableSet,
)
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.iptables_save import is_iptables, lacking_right
from lvsmarkd.netfilter.nft_rule import read_statements
from lvsmarkd.netfilter.nft_values import element_of
from lvsmarkd.netfilter.program import READ_TIMEOUT, run, search_path

_Objects = Iterable[object]
_HOOKS = {str(hook): hook for hook in Hook}
_FIELDS = {
    "ipv4_addr": Field.DESTINATION,
    "ipv6_addr": Field.DESTINATION,
    "inet_proto": Field.PROTOCOL,
    "inet_service": Field.DESTINATION_PORT,
    "ifname": Field.IN_INTERFACE,
    "mark": Field.MARK,
}
"""A field whose values are like those of a set's type."""
_TABLE_FLAGS = frozenset({"dormant", "owner", "persist"})
_NAME = re.compile(r"[^\s\"{},=]+")


def nft() -> str | None:
    """The program, by absolute path."""
    return shutil.which("nft", path=search_path())


def read_native(
    wanted: Callable[[str, str], bool] = lambda family, name: not is_iptables(family, name),
    *,
    elements: bool = False,
) -> Ruleset:
    """The native tables that are ``wanted`` (family, name); all that iptables does not list.

    ``elements`` asks for those of named sets and maps, too: they may be a million. What cannot
    be read is Unknown in the answer, no error.
    """
    program = nft()
    if program is None:
        return Ruleset(unread={Lister.NFT: Unknown("nft was not found in PATH: install nftables")})
    names = _names(program)
    if isinstance(names, Unknown):
        return Ruleset(unread={Lister.NFT: names})
    tables: dict[TableKey, Table | Unknown] = {}
    for family, name in names:
        if not wanted(family, name):
            continue
        found = read_table(family, name, elements=elements)
        if found is not None:
            tables[TableKey(Lister.NFT, family, name)] = found
    return Ruleset(tables)


def read_table(family: str, name: str, *, elements: bool = False) -> Table | Unknown | None:
    """One table; None where it is not there (any more)."""
    program = nft()
    if program is None:
        return Unknown("nft was not found in PATH: install nftables")
    terse = [] if elements else ["-t"]
    listed = _listed([program, "-j", *terse, "list", "table", family, name])
    if isinstance(listed, Unknown):
        there = _names(program)
        if not isinstance(there, Unknown) and (family, name) not in there:
            return None
        return listed
    try:
        table = table_of(TableKey(Lister.NFT, family, name), listed, elements=elements)
    except ValueError as error:  # whatever a program puts there: it hides itself, and no other
        return Unknown(f"table {family} {name} holds what could not be read: {error}")
    return _with_devices(program, table)


def _flags(listed: object) -> frozenset[str] | None:
    """The flags of a table; None where what is listed is none."""
    words = [listed] if isinstance(listed, str) else listed or []
    if not isinstance(words, list) or not _TABLE_FLAGS.issuperset(map(str, words)):
        return None
    return frozenset(map(str, words))


def _with_devices(program: str, table: Table) -> Table:
    """The same, with the interfaces at which its chains are registered: nft 1.0.6 tells of them in
    its own language alone (measured). Where they cannot be had they are none: not known.
    """
    chains = [chain for chain in table.chains.values() if _lacks_devices(chain)]
    if not chains:
        return table
    try:
        answer = run([program, "list", "chains", table.key.family], timeout=READ_TIMEOUT)
    except FirewallError:
        return table
    found = dict(_devices_in(answer.output, table.key.name))
    settled = {
        chain.name: replace(chain, base=replace(chain.base, devices=found[chain.name]))
        for chain in chains
        if chain.base is not None and chain.name in found
    }
    return replace(table, chains={**table.chains, **settled})


def _lacks_devices(chain: TableChain) -> bool:
    base = chain.base
    return base is not None and base.hook is Hook.INGRESS and not base.devices


def _devices_in(text: str, table: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The chains of a table with their interfaces, as ``nft list chains`` has them."""
    at, chain = "", ""
    for line in text.splitlines():
        match line.split():
            case ["table", _, name, "{"]:
                at = name
            case ["chain", name, "{"]:
                chain = name
            case ["type", _, "hook", _, ("device" | "devices"), *_] if at == table:
                said = line.partition("device")[2].partition("priority")[0]
                yield chain, tuple(_NAME.findall(said.removeprefix("s")))
            case _:
                continue


def _listed(command: list[str]) -> _Objects | Unknown:
    try:
        answer = run(command, timeout=READ_TIMEOUT)
    except FirewallError as error:
        return Unknown(str(error))
    if answer.status != 0:
        said = " ".join(answer.error.split())
        return Unknown(f"nft failed: {said or answer.status}{lacking_right(Lister.NFT, said)}")
    try:
        objects = json.loads(answer.output)["nftables"]
    except (ValueError, KeyError, TypeError):
        return Unknown("nft printed what is no ruleset in JSON")
    return objects if isinstance(objects, list) else Unknown("nft printed no list of objects")


def _names(program: str) -> list[tuple[str, str]] | Unknown:
    """The tables that there are, in nft's own language: where several have flags, what 1.0.6 prints
    as JSON breaks off (measured).
    """
    try:
        answer = run([program, "list", "tables"], timeout=READ_TIMEOUT)
    except FirewallError as error:
        return Unknown(str(error))
    if answer.status != 0:
        return Unknown(f"nft failed: {answer.error or answer.status}")
    found = []
    for line in answer.output.splitlines():
        match line.split():
            case ["table", family, name]:
                found.append((family, name))
            case [] | ["#", *_]:
                continue
            case _:
                return Unknown(f"nft listed what is no table: {line}")
    return found


class _NftTableDraft(Struct):
    """A table that is being read."""

    chains: dict[str, tuple[BaseChain | None, int | None]] = field(default_factory=dict)
    rules: dict[str, list[TableRule]] = field(default_factory=dict)
    sets: dict[str, TableSet] = field(default_factory=dict)
    handle: int | None = None
    dormant: bool = False
    expiries: list[float] = field(default_factory=list)
    """Seconds until elements end."""


def table_of(key: TableKey, objects: _Objects, *, elements: bool = False) -> Table:
    """A table from the objects that ``nft -j list table`` prints, or a whole ruleset's."""
    draft = _NftTableDraft()
    for each in objects:
        if not isinstance(each, Mapping) or len(each) != 1:
            continue
        ((kind, found),) = each.items()
        if isinstance(found, Mapping) and _belongs(key, kind, found):
            _add(draft, str(kind), found, elements=elements)
    names = dict.fromkeys((*draft.chains, *draft.rules))
    chains = {
        name: TableChain(
            name, tuple(draft.rules.get(name, ())), *draft.chains.get(name, (None, None))
        )
        for name in names
    }
    settled_for = min(draft.expiries, default=None)
    return Table(
        key,
        chains,
        draft.sets,
        handle=draft.handle,
        dormant=draft.dormant,
        settled_for=settled_for,
    )


def _belongs(key: TableKey, kind: object, found: Mapping[str, Any]) -> bool:
    name = found.get("name" if kind == "table" else "table")
    return (found.get("family"), name) == (key.family, key.name)


def _add(draft: _NftTableDraft, kind: str, found: Mapping[str, Any], *, elements: bool) -> None:
    name = str(found.get("name"))
    match kind:
        case "table":
            # Of nft 1.0.6 they may be anything (measured): kernel/nf_tables.py knows them.
            draft.dormant = "dormant" in (_flags(found.get("flags")) or ())
            draft.handle = _number(found.get("handle"))
        case "chain":
            draft.chains[name] = (_base(found), _number(found.get("handle")))
        case "rule":
            rules = draft.rules.setdefault(str(found.get("chain")), [])
            rules.append(_rule(found, len(rules) + 1))
        case "set" | "map":
            draft.sets[name] = _set(found, name, elements=elements)
            draft.expiries += _expiries(found.get("elem", ()))
        case _:
            return  # counters, quotas, helpers: what uses them says so


def _base(found: Mapping[str, Any]) -> BaseChain | None:
    hook = _HOOKS.get(str(found.get("hook")))
    if hook is None:
        return None
    policy = Verdict.DROP if found.get("policy") == "drop" else Verdict.ACCEPT
    named = found.get("dev") or ()
    devices = (named,) if isinstance(named, str) else tuple(map(str, named))
    priority = _number(found.get("prio")) or 0
    return BaseChain(hook, priority, policy, str(found.get("type")), devices)


def _rule(found: Mapping[str, Any], line: int) -> TableRule:
    statements = found.get("expr")
    comment = found.get("comment")
    return TableRule(
        read_statements(statements, comment if isinstance(comment, str) else None),
        line,
        packets=_packets(statements),
        handle=_number(found.get("handle")),
    )


def _packets(statements: object) -> int | None:
    for each in statements if isinstance(statements, list) else ():
        match each:
            case {"counter": {"packets": int(packets)}}:
                return packets
            case _:
                continue
    return None


def _set(found: Mapping[str, Any], name: str, *, elements: bool) -> TableSet:
    types = found.get("type")
    data = found.get("map")
    names = tuple(map(str, types if isinstance(types, list) else [types]))
    fields = tuple(map(_FIELDS.get, names))
    inside = found.get("elem", ())
    return TableSet(
        name,
        names,
        data if isinstance(data, str) else "",
        tuple(element_of(fields, each) for each in inside) if elements else None,
    )


def _expiries(elements: Iterable[object]) -> Iterator[float]:
    for each in elements:
        match each:
            case {"elem": {"expires": int(seconds)}} | [{"elem": {"expires": int(seconds)}}, _]:
                yield seconds
            case _:
                continue


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
