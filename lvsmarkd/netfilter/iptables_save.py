"""What ``iptables-save`` prints, table by table, whichever variant, with counters or without."""

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.iptables_rule import read_rule
from lvsmarkd.netfilter.iptables_targets import named_target
from lvsmarkd.netfilter.program import run

Read = Callable[[str], RuleSpec]
"""Understands the text of a rule. It is told the same texts again and again."""
FAMILY_NAMES = {Family.INET: "ip", Family.INET6: "ip6"}
"""What netfilter calls the families that iptables and ip6tables keep tables of."""
_RULE = re.compile(r"(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)", re.DOTALL)
_WORD = re.compile(r'(?: |^)"(?:[^"\\]|\\.)*("?)', re.DOTALL)
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[\d+:\d+\])?")
_INCOMPATIBLE = re.compile(r"# Table `(?P<name>[^']+)' (?P<how>is|contains) incompatible")
MANGLE_PRIORITY = -150
_PRIORITIES = {"raw": -300, "mangle": MANGLE_PRIORITY, "nat": -100, "filter": 0, "security": 50}
_LATE = {"nat": 100}
"""At INPUT and POSTROUTING nat comes last."""
_SECURITY_OF_NFT = 150
_HOOKS = {hook.upper(): hook for hook in Hook}
_POLICIES = {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP}
"""A policy that is neither: in no listing seen."""
_IPTABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})


def is_iptables(family: str, name: str) -> bool:
    """Whether a table bears the name of one that iptables keeps: iptables-save lists it better,
    since nft tells of iptables' own matches and targets but their names.
    """
    return family in {"ip", "ip6"} and name in _IPTABLES


class ListingError(ValueError):
    """The text is not a whole listing. Says what was found."""


class _SavedTableDraft(Struct):
    """A table that is being read."""

    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[TableRule]] = field(default_factory=dict)
    hidden: str = ""


def read_saved(
    text: str,
    source: Lister,
    family: str,
    read: Read = read_rule,
    *,
    ends: bool = True,
) -> dict[str, Table | Unknown]:
    """Read a listing of one table or all; an empty text is one of no table.

    ``family`` is netfilter's name: ip, ip6, bridge. ``ends`` says that each table ends with
    COMMIT (ebtables-save prints none). A table is Unknown where iptables-nft says that nft wrote
    it in a way that it cannot show at all (it exits 0 then, measured).

    Raises ListingError where the listing breaks off.
    """
    drafts: dict[str, _SavedTableDraft] = {}
    hidden: dict[str, str] = {}
    unshown: dict[str, Unknown] = {}
    table, unfinished = None, ""
    for line in _lines(text):
        begin = line[:1]
        if begin in {"[", "-"}:
            found = _RULE.match(line)
            if found is None or table is None:
                raise ListingError(f"a line of the listing was not understood: {line}")
            packets, chain, said = found.groups()
            rules = table.rules.setdefault(chain, [])
            count = None if packets is None else int(packets)
            rules.append(TableRule(read(said), len(rules) + 1, said, count))
        elif begin == ":":
            declared = _CHAIN.match(line)
            if declared is None or table is None:
                raise ListingError(f"a line of the listing was not understood: {line}")
            table.policies[declared[1]] = declared[2]
        elif begin == "*":
            unfinished = line[1:]
            table = drafts.setdefault(unfinished, _SavedTableDraft())
        elif line == "COMMIT":
            table, unfinished = None, ""
        elif begin == "#":
            _remark(line, hidden, unshown)
        elif line:
            raise ListingError(f"a line of the listing was not understood: {line}")
    if unfinished and ends:
        raise ListingError(f"the listing of table {unfinished} breaks off")
    for name, said in hidden.items():
        drafts.setdefault(name, _SavedTableDraft()).hidden = said
    read_tables = {
        name: _table(TableKey(source, family, name), draft) for name, draft in drafts.items()
    }
    return {**read_tables, **unshown}


def _remark(line: str, hidden: dict[str, str], unshown: dict[str, Unknown]) -> None:
    """What iptables-nft says in a comment: that nft made a table, or base chains in one."""
    found = _INCOMPATIBLE.match(line)
    if found is None:
        return
    name = found["name"]
    if found["how"] == "is":
        unshown[name] = Unknown(
            f"table {name} holds rules that iptables cannot show; see: nft list table"
        )
    else:
        hidden[name] = line.strip("# ")


def save(
    program: str,
    source: Lister,
    family: str,
    read: Read = read_rule,
    tables: Iterable[str] = (),
) -> dict[str, Table | Unknown]:
    """All tables that a program lists; those of ``tables`` in any case: empty where they are not
    there, Unknown where they could not be read, each by itself where not all could be.
    """
    found = _saved([program, "-c"], source, family, read)
    if isinstance(found, dict):
        absent = {name: Table(TableKey(source, family, name)) for name in tables}
        return {**absent, **found}
    alone: dict[str, Table | Unknown] = {}
    for name in tables:
        one = _saved([program, "-c", "-t", name], source, family, read)
        empty = Table(TableKey(source, family, name))
        alone[name] = one.get(name, empty) if isinstance(one, dict) else one
    return alone


def _saved(
    command: list[str], source: Lister, family: str, read: Read
) -> dict[str, Table | Unknown] | Unknown:
    try:
        answer = run(command)
        if answer.status != 0:
            said = " ".join(answer.error.split()) or str(answer.status)
            return Unknown(f"{command[0]} failed: {said}{lacking_right(source, said)}")
        return read_saved(answer.output, source, family, read)
    except (FirewallError, ListingError) as error:
        return Unknown(str(error))


def lacking_right(source: Lister, said: str) -> str:
    """Which right is missing where that is what a program says; else nothing."""
    if "Permission denied" not in said and "Operation not permitted" not in said:
        return ""
    if source is Lister.IPTABLES_LEGACY:
        return (
            " (CAP_NET_ADMIN and CAP_NET_RAW are needed: the unit's drop-in iptables-legacy.conf"
            " gives the second: see /usr/share/doc/lvsmarkd/install.md)"
        )
    return " (CAP_NET_ADMIN is needed)"


def _lines(text: str) -> Iterator[str]:
    """The lines of a listing; a comment may hold line breaks, and stands in quotes."""
    parts: list[str] = []
    for part in text.split("\n"):
        if not parts and '"' not in part:
            yield part
            continue
        parts.append(part)
        whole = "\n".join(parts)
        if _quotes_are_closed(whole):
            yield whole
            parts.clear()
    if parts:
        yield "\n".join(parts)


def _quotes_are_closed(line: str) -> bool:
    """Whether every quoted word ends. A word is quoted where it begins with a quote: one in
    the middle of a chain's or an interface's name is a letter of it (measured).
    """
    at = 0
    while (word := _WORD.search(line, at)) is not None:
        if not word[1]:
            return False
        at = word.end()
    return True


def _table(key: TableKey, draft: _SavedTableDraft) -> Table:
    names = dict.fromkeys((*draft.policies, *draft.rules))
    chains = {
        name: TableChain(
            name,
            tuple(_settled(rule, names) for rule in draft.rules.get(name, ())),
            _base(key, name, draft.policies.get(name, "-")),
        )
        for name in names
    }
    return Table(key, chains, hidden=draft.hidden)


def _settled(rule: TableRule, chains: dict[str, None]) -> TableRule:
    """A rule that leads to no chain of its table does something that we do not know."""
    effect = rule.spec.only_effect
    if not isinstance(effect, Jump) or effect.goto or effect.chain in chains:
        return rule
    return replace(rule, spec=replace(rule.spec, effects=(named_target(effect.chain),)))


def _base(key: TableKey, chain: str, policy: str) -> BaseChain | None:
    hook = _HOOKS.get(chain)
    if policy == "-" or hook is None:
        return None
    priority = _PRIORITIES.get(key.name, 0)
    if key.name == "security" and key.source is Lister.IPTABLES_NFT:
        priority = _SECURITY_OF_NFT
    if hook in {Hook.INPUT, Hook.POSTROUTING}:
        priority = _LATE.get(key.name, priority)
    kind = "nat" if key.name == "nat" else "filter"
    return BaseChain(hook, priority, _POLICIES.get(policy, Verdict.ACCEPT), kind)
