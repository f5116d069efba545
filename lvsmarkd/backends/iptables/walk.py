"""The way of a packet through a hook, flattened: foreign rules in the order they are met.

Jumps are followed; each rule keeps the matches of the jumps that lead to it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lvsmarkd.backends.iptables.chains import LOCATIONS, is_plain_jump
from lvsmarkd.backends.iptables.listing import Line
from lvsmarkd.backends.iptables.syntax import Syntax, number, set_mark_of
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import Accept, ChainKey, Hook, SetMark
from lvsmarkd.model.snapshot import (
    Drop,
    Effect,
    ForeignRule,
    LeavesTable,
    MarkGuard,
    SetConnmark,
    SetsUnknownMark,
    Side,
)

DEPTH = 256
"""Jumps deeper than this are not followed; nf_tables allows 16, legacy has no such limit."""
LENGTH = 50_000
"""Rules met after this many are not judged: a tree of jumps can grow without bound."""
_LOOPBACK = InInterface.of("lo")


@dataclass(frozen=True, slots=True)
class _Way:
    """What led to a chain."""

    path: tuple[Packets, ...] = ()
    partial: bool = False
    guards: tuple[MarkGuard, ...] = ()
    depth: int = 0


@dataclass(slots=True)
class Walk:
    """A walk through one hook of one table.

    ``later`` says that the hook comes after the one that our jump is in. ``read`` understands
    a rule's text.
    """

    chain_key: ChainKey
    table: str
    base_chain: str
    rules: Mapping[str, list[Line]]
    read: Callable[[str], Syntax]
    later: bool = False
    side: Side = Side.BEFORE
    met: int = 0

    def foreign(self) -> Iterator[ForeignRule]:
        """All foreign rules with an effect, in order."""
        if self.later:
            self.side = Side.AFTER
        yield from self._chain(self.base_chain, _Way())

    def _chain(self, chain: str, way: _Way) -> Iterator[ForeignRule]:
        own = LOCATIONS[self.chain_key.hook]
        unsure = way.partial
        for line in self.rules.get(chain, ()):
            self.met += 1
            if self.met > LENGTH:
                return
            rule = self.read(line.text)
            if self._passed_over(rule):
                continue
            if rule.target == own.chain:
                # A jump of somebody else's, on some condition, leads there for some packets.
                if chain == self.base_chain and is_plain_jump(rule, line.text, own.chain):
                    self.side = Side.AFTER
                continue
            here = _Way(
                (*way.path, rule.match) if rule.match != EVERY_PACKET else way.path,
                unsure or rule.partial,
                (*way.guards, *rule.guards),
                way.depth + 1,
            )
            if rule.target in self.rules or rule.goto:
                if here.depth < DEPTH:
                    yield from self._chain(rule.target, here)
                if rule.goto and chain == self.base_chain:
                    yield self._foreign(LeavesTable(), here, chain, line)
                unsure = unsure or rule.goto
                continue
            if rule.target == "RETURN" and chain != self.base_chain:
                unsure = True  # what follows in this chain is met by some packets only
                continue
            for effect in effects_of(rule, self.chain_key.hook):
                yield self._foreign(effect, here, chain, line)

    def _passed_over(self, rule: Syntax) -> bool:
        """Whether a rule cannot matter: to set a mark, the first packet of each connection
        counts, that of a related one too.
        """
        late = rule.stale_only and not (rule.related and self.chain_key.hook is Hook.PREROUTING)
        return late or rule.match.qualifier(InInterface) == _LOOPBACK

    def _foreign(self, effect: Effect, way: _Way, chain: str, line: Line) -> ForeignRule:
        return ForeignRule(
            self.chain_key,
            self.side,
            effect,
            way.path,
            f"table {self.table}, chain {chain}",
            f"-A {chain} {line.text}",
            way.partial,
            way.guards,
            self.later,
        )


def effects_of(rule: Syntax, hook: Hook) -> tuple[Effect, ...]:
    """What a rule does that matters at a place; nothing for what does not (LOG, counters…)."""
    mark = set_mark_of(rule)
    if mark is not None:
        return (SetMark(*mark),)
    match rule.target:
        case "ACCEPT":
            return (Accept() if hook is Hook.INPUT else LeavesTable(),)
        case "RETURN" | "NFQUEUE" | "QUEUE":
            return (LeavesTable(),)  # what comes back from a queue goes on in the next table
        case "DROP" | "REJECT" | "SYNPROXY":
            return (Drop(),)
        case "TPROXY":
            return (SetsUnknownMark(rule.target), LeavesTable())
        case "MARK" | "HMARK":
            return (SetsUnknownMark(rule.target),)
        case "CONNMARK" if "--restore-mark" in rule.options:
            return (SetsUnknownMark("CONNMARK --restore-mark"),)
        case "CONNMARK" if rule.options[:1] == ("--set-xmark",):
            return (SetConnmark(number(rule.options[1])),)
        case "CONNMARK" if "--save-mark" in rule.options:
            return (SetConnmark(None),)
        case "SET" if "--map-mark" in rule.options:
            return (SetsUnknownMark("SET --map-mark"),)
        case _:
            return ()
