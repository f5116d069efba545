"""The rules that a packet may meet as the judge sees them: one effect of one rule each."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.rule import Accept, ChainKey, Hook, SetMark
from lvsmarkd.model.rule_spec import (
    Effect,
    MapMark,
    RestoreMark,
    RuleSpec,
    SetConnmark,
    SetsUnknownMark,
    Verdict,
)
from lvsmarkd.model.ruleset import Lister, TableKey
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.model.snapshot import Drop, ForeignEffect, ForeignRule, LeavesTable, Side
from lvsmarkd.netfilter.walk import ReachableRule

_LEAVES = frozenset({Verdict.RETURN, Verdict.QUEUE, Verdict.SOCKET})
"""What comes back from a queue goes on in the next table."""


def foreign_rules(
    meetings: Iterable[ReachableRule], chain_key: ChainKey, *, only_marks: bool = False
) -> Iterator[ForeignRule]:
    """What the rules do that matters at a chain of ours; nothing for what does not (LOG …).

    With ``only_marks`` what else they do is not told, but narrows what comes after it.
    """
    places: dict[tuple[TableKey, str], str] = {}
    for met in meetings:
        for effect in effects_of(met.spec, chain_key.hook, met):
            if only_marks and not isinstance(effect, SetMark | SetsUnknownMark):
                continue
            key, chain, way = met.hooked.table.key, met.chain.name, met.way
            where = places.get((key, chain))
            if where is None:
                where = places[key, chain] = key.rule(chain, 0, "").where
            said = f"-A {chain} {met.rule.text}"
            if key.source is Lister.NFT:
                said = f"{' '.join(p.text(prefixes=True) for p in way.path) or 'any'} {effect}"
            yield ForeignRule(
                chain_key,
                Side.AFTER if met.is_after else Side.BEFORE,
                effect,
                way.path,
                where,
                said,
                way.is_narrowed or (only_marks and met.past_verdict),
                way.mark_tests,
                met.is_later and chain_key.hook is Hook.PREROUTING,
                table=key,
                chain=chain,
                line=met.rule.line,
            )


def effects_of(
    spec: RuleSpec, hook: Hook, met: ReachableRule | None = None
) -> Iterator[ForeignEffect]:
    """What a rule does that matters at a hook. ``met`` tells where it stands, if anywhere."""
    at_base = met is None or met.at_base
    native = met is not None and met.hooked.table.key.source is Lister.NFT
    if met is not None and met.after_goto:
        if at_base:
            yield LeavesTable()
        return
    for effect in _lasting(spec.effects):
        match effect:
            case SetMark() | SetConnmark() | SetsUnknownMark():
                yield effect
            case RestoreMark():
                name = "meta mark set ct mark" if native else "CONNMARK --restore-mark"
                yield SetsUnknownMark(name, restores=True)
            case MapMark():
                yield SetsUnknownMark("meta mark set" if native else "SET --map-mark")
            case Verdict.ACCEPT:
                yield Accept() if hook is Hook.INPUT else LeavesTable()
            case Verdict.DROP | Verdict.STOLEN:
                yield Drop()
            case Verdict() if effect is not Verdict.RETURN or at_base:
                yield LeavesTable()
            case _:
                continue


def _lasting(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """Without the marks that a later effect of the same rule certainly overwrites."""
    kept: list[Effect] = []
    overwritten = False
    for effect in reversed(effects):
        if not (overwritten and isinstance(effect, SetMark | SetsUnknownMark)):
            kept.append(effect)
        overwritten = overwritten or (isinstance(effect, SetMark) and effect.mask == MAX_MARK)
    return tuple(reversed(kept))
