"""Our own rules in what firewalld lists: where they are, and where they should be."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import POLICY, PRIORITY
from lvsmarkd.backends.firewalld.planes.frame import NOTHING_ELSE, fault_of
from lvsmarkd.backends.firewalld.planes.listing import Listing, rich_rules
from lvsmarkd.backends.firewalld.rich.own_rule import own_rule
from lvsmarkd.backends.firewalld.rich.rich_rule import Verb, read_rich_rule
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain


class ContainerKind(StrEnum):
    """What can hold rich rules."""

    POLICY = "policy"
    ZONE = "zone"


class Container(Struct, frozen=True, order=True):
    """A zone, or our policy."""

    kind: ContainerKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


OUR_POLICY = Container(ContainerKind.POLICY, POLICY)


def zone(name: str) -> Container:
    """A zone as a container."""
    return Container(ContainerKind.ZONE, name)


class ListedRule(Struct, frozen=True):
    """One listed rule of ours: ``text`` is what firewalld calls it, for its removal."""

    container: Container
    text: str
    rule: Rule


class OwnRules(Struct, frozen=True):
    """Our rules in one plane.

    ``targets`` are the containers that must have each of them. ``unknown_rules`` are rules in our
    policy that we cannot have written, each with the chain it belongs to. ``fault`` says what is
    wrong with our policy, where it should hold the rules. ``interim`` says that zones hold them
    until a reload makes the policy known at runtime. ``lost`` are the zones that should hold them
    and that there are none of.
    """

    plane: Plane
    targets: tuple[Container, ...]
    listed: tuple[ListedRule, ...] = ()
    unknown_rules: tuple[tuple[ChainKey, str], ...] = ()
    policy_is_there: bool = False
    fault: str = ""
    interim: bool = False
    lost: tuple[Container, ...] = ()

    @property
    def name(self) -> str:
        """What holds the rules, in words."""
        if self.targets == (OUR_POLICY,):
            return f"firewalld's {OUR_POLICY}"
        return f"firewalld's zone {', '.join(container.name for container in self.targets)}"

    def of(self, chain_key: ChainKey) -> tuple[ListedRule, ...]:
        """The rules that belong to a chain."""
        return tuple(
            listed
            for listed in self.listed
            if listed.rule.family is chain_key.family and listed.rule.hook is chain_key.hook
        )


Marks = dict[tuple[Family, Packets], int]
"""Which service an accept serves, by what it matches: a rich rule bears no comment, and every
accept of ours matches what a mark of ours matches."""


def own_rules(listing: Listing, *, by_policy: bool, zones: Iterable[str], marks: Marks) -> OwnRules:
    """Find our rules in a listing. ``marks`` is what is known from before, and learns.

    Without ``by_policy`` the ``zones`` hold the rules, the default zone where none is named.
    """
    settings = listing.policies.get(POLICY)
    fault = fault_of(settings) if by_policy else ""
    lost: tuple[Container, ...] = ()
    interim = by_policy and bool(fault) and listing.plane is Plane.RUNTIME
    if interim:
        # What packets enter by now, until the policy is known: see reload/.
        targets = tuple(sorted({zone(listing.default_zone), *map(zone, listing.active)}))
    elif by_policy:
        targets = (OUR_POLICY,)
    else:
        targets = tuple(dict.fromkeys(map(zone, zones))) or (zone(listing.default_zone),)
        lost = tuple(target for target in targets if target.name not in listing.zones)
        targets = tuple(target for target in targets if target not in lost)
    listed: list[ListedRule] = []
    unknown_rules: list[tuple[ChainKey, str]] = []
    for name, each in listing.zones.items():
        listed += _own(zone(name), rich_rules(each))
    for text in rich_rules(settings or {}):
        found = list(_own(OUR_POLICY, [text]))
        if interim:
            continue  # it is not met, and goes with the reload
        listed += found
        if not found:
            unknown_rules.append((_chain_key_of(listing.plane, text), text))
    if settings is not None and not interim:
        chain_key = ChainKey(listing.plane, Family.INET, Hook.PREROUTING)
        others = ((key, settings.get(key)) for key in NOTHING_ELSE)
        unknown_rules += [
            (chain_key, f"{key.replace('_', ' ')} {value}") for key, value in others if value
        ]
    known = _named(listed, marks)
    return OwnRules(
        listing.plane,
        targets,
        known,
        tuple(_at_home(unknown_rules, known)),
        settings is not None,
        "" if interim else fault,
        interim,
        lost,
    )


def _own(container: Container, texts: Iterable[str]) -> Iterable[ListedRule]:
    for text in texts:
        # Nearly all rules of a large zone are others': look no closer than is needed.
        if f'priority="{PRIORITY}"' not in text:
            continue
        try:
            rule = own_rule(read_rich_rule(text))
        except RichRuleError:
            continue
        if rule is not None:
            yield ListedRule(container, text, rule)


def _named(listed: list[ListedRule], marks: Marks) -> tuple[ListedRule, ...]:
    """Give each accept the mark of the service that it serves, where that is known."""
    for each in listed:
        if each.rule.hook is Hook.PREROUTING and each.rule.mark is not None:
            marks[each.rule.family, each.rule.match] = each.rule.mark
    return tuple(
        replace(each, rule=replace(each.rule, mark=marks.get((each.rule.family, each.rule.match))))
        if each.rule.hook is Hook.INPUT
        else each
        for each in listed
    )


def _chain_key_of(plane: Plane, text: str) -> ChainKey:
    try:
        rich = read_rich_rule(text)
    except RichRuleError:
        return ChainKey(plane, Family.INET, Hook.PREROUTING)
    hook = Hook.PREROUTING if rich.verb is Verb.MARK else Hook.INPUT
    return ChainKey(plane, rich.family or Family.INET, hook)


def _at_home(
    unknown_rules: list[tuple[ChainKey, str]], listed: tuple[ListedRule, ...]
) -> Iterable[tuple[ChainKey, str]]:
    """Each unknown rule at a chain with rules of ours, if there is one: it is there that our policy
    is known to be ours.
    """
    own = {(each.rule.family, each.rule.hook) for each in listed if each.container == OUR_POLICY}
    for chain_key, text in unknown_rules:
        if own and (chain_key.family, chain_key.hook) not in own:
            family, hook = min(own)
            yield ChainKey(chain_key.plane, family, hook), text
        else:
            yield chain_key, text


def chain_of(
    chain_key: ChainKey,
    found: OwnRules,
    is_met: Callable[[Container, Rule], bool] = lambda _h, _r: True,
) -> Chain:
    """A chain as the judge sees it. ``is_met`` tells whether the kernel has a rule.

    A rule is in force where every target lists it and the kernel has it. Each further listing,
    in another spelling or in a container that is no target, counts as a repetition.
    """
    where: dict[Rule, Counter[Container]] = {}
    for listed in found.of(chain_key):
        where.setdefault(listed.rule, Counter())[listed.container] += 1
    rules: list[Rule] = []
    incomplete: list[Rule] = []
    for rule, counts in where.items():
        if all(counts[target] and is_met(target, rule) for target in found.targets):
            rules += [rule] * (1 + counts.total() - len(found.targets))
        else:
            incomplete.append(rule)
    return Chain(
        exists=found.policy_is_there or found.targets != (OUR_POLICY,),
        jumps=0 if found.fault else 1,
        rules=tuple(rules),
        unknown_rules=tuple(text for at, text in found.unknown_rules if at == chain_key),
        incomplete=tuple(incomplete),
        container=found.name,
        fault=found.fault,
    )


class Change(Struct, frozen=True):
    """What is to be done in one plane, container by container.

    ``add`` are the rules that a container lacks, ``remove`` the texts that it lists too much.
    ``frame`` says that our policy is to be made or mended, ``dissolve`` that nothing is left
    in it and it goes.
    """

    add: Mapping[Container, tuple[Rule, ...]] = field(default_factory=dict)
    remove: Mapping[Container, tuple[str, ...]] = field(default_factory=dict)
    frame: bool = False
    dissolve: bool = False

    @property
    def additions(self) -> int:
        """How many rules are to be added, over all containers."""
        return sum(map(len, self.add.values()))

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.frame or self.dissolve)
