"""Own rules: what is missing, altered, stale or double, and the steps that mend it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.handover import Substitute, substitute
from lvsmarkd.judge.notices import awaiting_reload
from lvsmarkd.judge.own_jump import displacing_rule
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Part,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
)
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.model.unknown import Unknown

_ADDS = "it is to be added"
_MENDS = "it is to be put right"
_REMOVES = "it is to be removed"
_LEAVES_ONE = "one is to be left"


class History(Struct, frozen=True):
    """What is known from before.

    ``lingers`` says of a rule whose service is gone that its time has not come yet: a service
    leaves the file before it leaves the kernel. ``ours`` says of a chain that our rules were
    seen there.
    """

    lingers: Callable[[Rule], bool] = lambda _rule: False
    ours: Callable[[ChainKey], bool] = lambda _key: False


class ChainDiff(Struct, frozen=True):
    """What was found at one chain, and the steps for it."""

    findings: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()


def judge_chain(chain_key: ChainKey, prospects: Prospects, *, history: History) -> ChainDiff:
    """Judge one chain."""
    desired = prospects.desired
    want = [r for r in desired.rules if r.family is chain_key.family and r.hook is chain_key.hook]
    chain = prospects.seen.chains.get(chain_key)
    match chain:
        case None:
            return ChainDiff()
        case Unknown(reason):
            return _unread(chain_key, desired, want, reason)
    return _ChainJudge(chain_key, chain, want, prospects, history.ours(chain_key)).judge(
        lambda rule: stays(rule, desired, want, history.lingers)
    )


def stays(
    rule: Rule, desired: Desired, want: Iterable[Rule], lingers: Callable[[Rule], bool]
) -> bool:
    """Whether a rule that is not wanted is left for now; never one that harms a wanted one."""
    service = rule.service
    if service is not None and _in_use(service, desired):
        return True
    is_frozen = rule.mark in desired.frozen_marks
    if desired.removable and not is_frozen and not lingers(rule):
        return False
    return not any(rule.contradicts(other) for other in want)


def _in_use(service: ServiceKey, desired: Desired) -> bool:
    """Whether the rules of a service whose flows are not known serve it, or may."""
    if service in desired.services:
        return desired.leaving(service) and not desired.flows[service]
    return desired.blind


def _unread(chain_key: ChainKey, desired: Desired, want: list[Rule], reason: str) -> ChainDiff:
    """Unknown is not absent: no writes. It is told where something depends on it."""
    served = any(key.family is chain_key.family for key in desired.services)
    if not want and not (served and chain_key.hook is Hook.PREROUTING):
        return ChainDiff()
    return ChainDiff(
        (
            Finding(
                Kind.UNKNOWN,
                f"our rules for {chain_key.place} could not be read, so nothing is changed there:"
                f" {reason}",
                plane=chain_key.plane,
                family=chain_key.family,
                chain=chain_key,
            ),
        )
    )


class _ChainJudge(Struct, frozen=True):
    chain_key: ChainKey
    chain: Chain
    want: list[Rule]
    prospects: Prospects
    ours: bool

    def judge(self, stays: Callable[[Rule], bool]) -> ChainDiff:
        there = Counter(self.chain.rules)
        wanted = set(self.want)
        extra = {rule: n for rule, n in there.items() if rule not in wanted}
        extra |= {r: 1 for r in self.chain.incomplete if r not in wanted and r not in extra}
        kept = [rule for rule in extra if stays(rule)]
        # What is in use keeps its packets: the rules of those that wait for them come later.
        wanted = {rule for rule in wanted if not any(rule.contradicts(k) for k in kept)}
        missing = sorted(wanted - there.keys(), key=_order)
        gone = [rule for rule in extra if rule not in kept]
        if self._anothers:
            return ChainDiff((self._not_ours(),) if wanted else ())
        if not wanted and not kept:
            return self._remove_chain(gone)
        repeats = {rule: n - 1 for rule, n in there.items() if n > 1 and rule not in gone}
        pairs = _pairs(missing, gone)
        left_over = [rule for rule in gone if rule not in pairs.values()]
        findings = [*self._missing(missing, pairs), *self._surplus(left_over, repeats)]
        steps: list[Step] = []
        if not self.chain.exists or self.chain.unknown_rules:
            rules = tuple(sorted([*wanted, *kept], key=_order))
            fresh = not self.chain.exists
            steps.append(
                ReplaceChain(self.chain_key, rules, fresh=fresh, container=self.chain.container)
            )
        else:
            steps += [AddRule(self.chain_key, rule) for rule in missing]
            steps += [RemoveRule(self.chain_key, r) for r in gone for _ in range(extra[r])]
            steps += [RemoveRule(self.chain_key, r) for r, n in repeats.items() for _ in range(n)]
        about_jump = self._judge_jump()
        if about_jump is not None:
            findings.append(about_jump)
            steps.append(EnsureJump(self.chain_key, self.chain.jumps, self.chain.container))
        return ChainDiff(tuple(findings), tuple(steps))

    @property
    def _anothers(self) -> bool:
        """Whether somebody else's chain has the name of ours: we never leave one without a
        rule of our own, nor with only others'.
        """
        own = self.chain.rules or self.chain.incomplete
        return bool(self.chain.unknown_rules) and not own and not self.ours

    def _not_ours(self) -> Finding:
        what = self.chain.container or "the chain that should be ours"
        it = "it" if self.chain.container else "that chain"
        first = self._unknown_rule(self.chain.unknown_rules[0])
        fact = (
            f"{what} ({self.chain_key.place}) holds only rules of somebody else's, the"
            f" first of them “{first}”, so lvsmarkd leaves it alone"
        )
        advice = f"give {it} another name, or empty it"
        finding = self._find(Kind.CONFLICT, fact, advice, Part.CHAIN, Severity.CRITICAL)
        return replace(finding, rule=first)

    def _unknown_rule(self, text: str) -> RuleRef:
        return RuleRef("", self.chain.container or "our chain", text)

    def _find(
        self,
        kind: Kind,
        fact: str,
        advice: str,
        about: Rule | Part,
        graded: Severity | None = None,
    ) -> Finding:
        service = None if isinstance(about, Part) else about.service
        flows = self.prospects.desired.flows.get(service, ()) if service else ()
        return Finding(
            kind,
            fact,
            advice,
            graded=graded,
            service=service,
            plane=self.chain_key.plane,
            family=self.chain_key.family,
            chain=self.chain_key,
            rule=None if isinstance(about, Part) else about,
            origins=tuple(dict.fromkeys(declared.origin for declared in flows)),
            subject=about if isinstance(about, Part) else None,
        )

    def _missing(self, missing: list[Rule], pairs: Mapping[Rule, Rule]) -> Iterator[Finding]:
        """A missing rule beside one that resembles it was altered; both mean lost packets, but
        for those that somebody else marks meanwhile.
        """
        awaited = awaiting_reload(self.prospects.seen)
        for rule in missing:
            like = pairs.get(rule)
            other = self._substitute(rule)
            severity = self._severity if other is None else Severity.WARNING
            kind, mends = Kind.MISSING, _MENDS
            if self.chain_key.plane is Plane.RUNTIME and rule in awaited:
                fact = f"the rule “{rule}”{self._where} is listed by firewalld and not in force"
                mends = f"only a reload of firewalld mends that: {awaited[rule]}"
            elif rule in self.chain.incomplete:
                fact = f"the rule “{rule}”{self._where} is not in force everywhere it should be"
            elif like is None:
                fact, mends = f"the rule “{rule}”{self._where} is not there", _ADDS
            else:
                kind = Kind.ALTERED
                fact = f"the rule{self._where} reads “{like}” and should read “{rule}”"
            finding = self._find(kind, fact, f"{mends}{_meanwhile(other)}", rule, severity)
            yield replace(finding, instead=like) if kind is Kind.ALTERED else finding

    def _substitute(self, rule: Rule) -> Substitute | None:
        return substitute(rule, self.chain_key.plane, self.prospects)

    @property
    def _severity(self) -> Severity:
        """How bad it is that something is missing: what is not permanent is there for now."""
        if self.chain_key.hook is Hook.INPUT or self.chain_key.plane is Plane.PERMANENT:
            return Severity.WARNING
        return Severity.CRITICAL

    @property
    def _where(self) -> str:
        """The place and the plane, where they are not the usual ones."""
        lasting = (
            " in the permanent configuration" if self.chain_key.plane is Plane.PERMANENT else ""
        )
        match self.chain_key.hook:
            case Hook.PREROUTING:
                return lasting
            case Hook.OUTPUT:
                return f" for the director's own packets{lasting}"
            case other:
                return f" at {other.name}{lasting}"

    def _surplus(self, gone: list[Rule], repeats: dict[Rule, int]) -> Iterator[Finding]:
        for rule in gone:
            if rule.service in self.prospects.desired.services:
                why = "is asked for no more by the declarations and settings"
            elif rule.mark is None:
                why = "is asked for no more"
            else:
                why = "serves nothing that keepalived uses"
            yield self._find(Kind.STALE, f"“{rule}”{self._where} {why}", _REMOVES, rule)
        for rule, count in repeats.items():
            fact = f"“{rule}”{self._where} is there {count + 1} times"
            yield self._find(Kind.DUPLICATE, fact, _LEAVES_ONE, rule)
        for unknown in map(self._unknown_rule, self.chain.unknown_rules):
            fact = f"{unknown.chain} holds a rule that is not ours: {unknown}"
            finding = self._find(Kind.ALTERED, fact, _REMOVES, Part.CHAIN, Severity.WARNING)
            yield replace(finding, rule=unknown)

    def _judge_jump(self) -> Finding | None:
        """Judge the jump: one, and where nothing keeps our packets from its rules."""
        name = f"the jump to our chain ({self.chain_key.place})"
        if self.chain.jumps == 0:
            fact, mends, part = (
                f"{name} is not there, so none of its rules is met",
                _ADDS,
                Part.JUMP,
            )
            if self.chain.container:
                fault = self.chain.fault or "is not there"
                fact = f"{self.chain.container} ({self.chain_key.place}) {fault}"
                mends, part = _MENDS, Part.CONTAINER
            met = self.want and all(self._substitute(rule) for rule in self.want)
            severity = Severity.WARNING if met else self._severity
            return self._find(Kind.MISSING, fact, mends, part, severity)
        if self.chain.jumps > 1:
            fact = f"{name} is there {self.chain.jumps} times"
            return self._find(Kind.DUPLICATE, fact, _LEAVES_ONE, Part.JUMP)
        displacing = self._displacing()
        if displacing is None:
            return None
        fact = f"{name} has lost its place to “{displacing}”"
        finding = self._find(Kind.ALTERED, fact, "it is to be moved back", Part.JUMP)
        return replace(finding, rule=displacing)

    def _displacing(self) -> RuleRef | None:
        """Find the rule of somebody else's that our jump has to pass. At INPUT one that refuses is
        an operator's word, and is reported as `unaccepted`, not overruled.
        """
        place = self.prospects.seen.places.get(self.chain_key)
        if place is None or self.chain_key.hook is Hook.INPUT:
            return None
        return displacing_rule(place, self.want, self.prospects.seen)

    def _remove_chain(self, gone: list[Rule]) -> ChainDiff:
        # An empty chain that stays, because a rule of somebody else's jumps there, does nothing;
        # nor does what holds the rules of other chains too.
        holds_any = self.chain.rules or self.chain.incomplete or self.chain.unknown_rules
        if not holds_any and (self.chain.container or not self.chain.jumps):
            return ChainDiff()
        step = RemoveChain(self.chain_key, self.chain.jumps, tuple(gone), self.chain.container)
        return ChainDiff(tuple(self._surplus(gone, {})), (step,))


def _meanwhile(other: Substitute | None) -> str:
    """What is to be said of a rule that stands in for a missing one."""
    if other is None:
        return ""
    if other.is_guard:
        return "; meanwhile the guard marks these packets"
    then = ", which can go once ours is there" if other.can_go else ""
    return f"; meanwhile a rule in {other.rule.where} marks these packets (“{other.rule}”){then}"


def _pairs(missing: list[Rule], gone: list[Rule]) -> dict[Rule, Rule]:
    """Each missing rule with the one that stands in its place, if one does; none twice."""
    pairs: dict[Rule, Rule] = {}
    left = list(gone)
    for rule in missing:
        like = next((g for g in left if g.match == rule.match), None)
        like = like or next((g for g in left if g.mark == rule.mark), None)
        if like is not None:
            pairs[rule] = like
            left.remove(like)
    return pairs


def _order(rule: Rule) -> tuple[int, str]:
    return (rule.mark or 0, str(rule))
