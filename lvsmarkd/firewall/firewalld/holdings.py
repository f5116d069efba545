"""Our own rules in what firewalld lists: where they are, and where they should be."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lvsmarkd.firewall.firewalld.frame import NOTHING_ELSE, flaw_of
from lvsmarkd.firewall.firewalld.listing import Listing, rich_rules
from lvsmarkd.firewall.firewalld.own import POLICY, PRIORITY, own_rule
from lvsmarkd.firewall.firewalld.rich import Verb, read_rich_rule
from lvsmarkd.firewall.firewalld.words import NotUnderstoodError
from lvsmarkd.model.observed import Chain
from lvsmarkd.model.rule import Match, Place, Plane, Rule, Spot
from lvsmarkd.model.service import Family


class HolderKind(StrEnum):
    """What can hold rich rules."""

    POLICY = "policy"
    ZONE = "zone"


@dataclass(frozen=True, slots=True, order=True)
class Holder:
    """A zone, or our policy."""

    kind: HolderKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


OUR_POLICY = Holder(HolderKind.POLICY, POLICY)


def zone(name: str) -> Holder:
    """A zone as a holder."""
    return Holder(HolderKind.ZONE, name)


@dataclass(frozen=True, slots=True)
class Held:
    """One listed rule of ours: ``text`` is what firewalld calls it, for its removal."""

    holder: Holder
    text: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Holdings:
    """Our rules in one plane.

    ``targets`` are the holders that must have each of them. ``aliens`` are rules in our policy
    that we cannot have written, each with the spot it belongs to. ``flaw`` says what is wrong
    with our policy, where it should hold the rules. ``interim`` says that zones hold them until
    a reload makes the policy known at runtime. ``lost`` are the zones that should hold them and
    that there are none of.
    """

    plane: Plane
    targets: tuple[Holder, ...]
    held: tuple[Held, ...] = ()
    aliens: tuple[tuple[Spot, str], ...] = ()
    policy_is_there: bool = False
    flaw: str = ""
    interim: bool = False
    lost: tuple[Holder, ...] = ()

    @property
    def name(self) -> str:
        """What holds the rules, in words."""
        if self.targets == (OUR_POLICY,):
            return f"firewalld's {OUR_POLICY}"
        return f"firewalld's zone {', '.join(holder.name for holder in self.targets)}"

    def of(self, spot: Spot) -> tuple[Held, ...]:
        """The rules that belong to a spot."""
        return tuple(
            held
            for held in self.held
            if held.rule.family is spot.family and held.rule.place is spot.place
        )


Marks = dict[tuple[Family, Match], int]
"""Which service an accept serves, by what it matches: a rich rule bears no comment, and every
accept of ours matches what a mark of ours matches."""


def holdings(listing: Listing, *, by_policy: bool, zones: Iterable[str], marks: Marks) -> Holdings:
    """Find our rules in a listing. ``marks`` is what is known from before, and learns.

    Without ``by_policy`` the ``zones`` hold the rules, the default zone where none is named.
    """
    settings = listing.policies.get(POLICY)
    flaw = flaw_of(settings) if by_policy else ""
    lost: tuple[Holder, ...] = ()
    interim = by_policy and bool(flaw) and listing.plane is Plane.RUNTIME
    if interim:
        # What packets enter by now, until the policy is known: see reload.py.
        targets = tuple(sorted({zone(listing.default_zone), *map(zone, listing.active)}))
    elif by_policy:
        targets = (OUR_POLICY,)
    else:
        targets = tuple(dict.fromkeys(map(zone, zones))) or (zone(listing.default_zone),)
        lost = tuple(target for target in targets if target.name not in listing.zones)
        targets = tuple(target for target in targets if target not in lost)
    held: list[Held] = []
    aliens: list[tuple[Spot, str]] = []
    for name, each in listing.zones.items():
        held += _own(zone(name), rich_rules(each))
    for text in rich_rules(settings or {}):
        found = list(_own(OUR_POLICY, [text]))
        if interim:
            continue  # it is not met, and goes with the reload
        held += found
        if not found:
            aliens.append((_spot(listing.plane, text), text))
    if settings is not None and not interim:
        spot = Spot(listing.plane, Family.INET, Place.MARK)
        others = ((key, settings.get(key)) for key in NOTHING_ELSE)
        aliens += [(spot, f"{key.replace('_', ' ')} {value}") for key, value in others if value]
    known = _named(held, marks)
    return Holdings(
        listing.plane,
        targets,
        known,
        tuple(_at_home(aliens, known)),
        settings is not None,
        "" if interim else flaw,
        interim,
        lost,
    )


def _own(holder: Holder, texts: Iterable[str]) -> Iterable[Held]:
    for text in texts:
        # Nearly all rules of a large zone are others': look no closer than is needed.
        if f'priority="{PRIORITY}"' not in text:
            continue
        try:
            rule = own_rule(read_rich_rule(text))
        except NotUnderstoodError:
            continue
        if rule is not None:
            yield Held(holder, text, rule)


def _named(held: list[Held], marks: Marks) -> tuple[Held, ...]:
    """Give each accept the mark of the service that it serves, where that is known."""
    for each in held:
        if each.rule.place is Place.MARK and each.rule.mark is not None:
            marks[each.rule.family, each.rule.match] = each.rule.mark
    return tuple(
        replace(each, rule=replace(each.rule, mark=marks.get((each.rule.family, each.rule.match))))
        if each.rule.place is Place.ACCEPT
        else each
        for each in held
    )


def _spot(plane: Plane, text: str) -> Spot:
    try:
        rich = read_rich_rule(text)
    except NotUnderstoodError:
        return Spot(plane, Family.INET, Place.MARK)
    place = Place.MARK if rich.verb is Verb.MARK else Place.ACCEPT
    return Spot(plane, rich.family or Family.INET, place)


def _at_home(aliens: list[tuple[Spot, str]], held: tuple[Held, ...]) -> Iterable[tuple[Spot, str]]:
    """Each alien at a spot with rules of ours, if there is one: it is there that our policy is
    known to be ours.
    """
    own = {(each.rule.family, each.rule.place) for each in held if each.holder == OUR_POLICY}
    for spot, text in aliens:
        if own and (spot.family, spot.place) not in own:
            family, place = min(own)
            yield Spot(spot.plane, family, place), text
        else:
            yield spot, text


def chain_of(
    spot: Spot, found: Holdings, is_met: Callable[[Holder, Rule], bool] = lambda _h, _r: True
) -> Chain:
    """A spot as the judge sees it. ``is_met`` tells whether the kernel has a rule.

    A rule is in force where every target lists it and the kernel has it. Each further listing,
    in another spelling or in a holder that is no target, counts as a repetition.
    """
    where: dict[Rule, Counter[Holder]] = {}
    for held in found.of(spot):
        where.setdefault(held.rule, Counter())[held.holder] += 1
    rules: list[Rule] = []
    partial: list[Rule] = []
    for rule, counts in where.items():
        if all(counts[target] and is_met(target, rule) for target in found.targets):
            rules += [rule] * (1 + counts.total() - len(found.targets))
        else:
            partial.append(rule)
    return Chain(
        exists=found.policy_is_there or found.targets != (OUR_POLICY,),
        anchors=0 if found.flaw else 1,
        rules=tuple(rules),
        aliens=tuple(text for at, text in found.aliens if at == spot),
        partial=tuple(partial),
        holder=found.name,
        flaw=found.flaw,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done in one plane, holder by holder.

    ``add`` are the rules that a holder lacks, ``remove`` the texts that it lists too much.
    ``frame`` says that our policy is to be made or mended, ``dissolve`` that nothing is left
    in it and it goes.
    """

    add: Mapping[Holder, tuple[Rule, ...]] = field(default_factory=dict)
    remove: Mapping[Holder, tuple[str, ...]] = field(default_factory=dict)
    frame: bool = False
    dissolve: bool = False

    @property
    def additions(self) -> int:
        """How many rules are to be added, over all holders."""
        return sum(map(len, self.add.values()))

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.frame or self.dissolve)
