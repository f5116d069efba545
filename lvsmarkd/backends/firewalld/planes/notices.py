"""What firewalld is like, besides its rules."""

from collections.abc import Iterable, Iterator

from lvsmarkd.backends.firewalld.client.calls import RunState
from lvsmarkd.backends.firewalld.client.states import SENTENCES
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel
from lvsmarkd.backends.firewalld.planes.listing import Listing, rich_rules
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Container,
    ContainerKind,
    zone,
)
from lvsmarkd.backends.firewalld.planes.reader import FirewalldState
from lvsmarkd.backends.firewalld.rich.rich_rule import read_rich_rule
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.unknown import Unknown

_OF_STATES = {RunState.PANIC: NoticeKind.PANIC, RunState.FAILED: NoticeKind.FAILED}


def notices_of_state(state: RunState, broken: tuple[str, ...] = ()) -> tuple[Notice, ...]:
    """What is to be noticed of a state by itself, also where nothing could be read. ``broken`` are
    the files of a configuration that could not be loaded.
    """
    if state not in _OF_STATES:
        return ()
    return (Notice(_OF_STATES[state], SENTENCES[state], broken),)


def notices_of(
    firewalld_state: FirewalldState, *, not_at_boot: str, reload_blocker: str
) -> Iterator[Notice]:
    """All of them. ``not_at_boot`` is how firewalld's unit is, where it is not started at boot;
    ``reload_blocker`` is why a reload that is needed is not made.
    """
    yield from notices_of_state(firewalld_state.state)
    yield from _of_kernel(firewalld_state)
    if reload_blocker:
        yield from _unreloaded(firewalld_state, reload_blocker)
    yield from _in_the_way(firewalld_state)
    seen = set()
    for plane, container, line in _masked(firewalld_state.listings()):
        if line not in seen:
            seen.add(line)
            rule = RuleRef("", str(container), line, keeper=Keeper.FIREWALLD)
            yield Notice(NoticeKind.MASKED, plane=plane, rule=rule)
    if not_at_boot:
        yield Notice(NoticeKind.NOT_AT_BOOT, not_at_boot, plane=Plane.PERMANENT)


def _of_kernel(firewalld_state: FirewalldState) -> Iterator[Notice]:
    if isinstance(firewalld_state.kernel, Unknown):
        yield Notice(NoticeKind.KERNEL_UNSEEN, firewalld_state.kernel.reason)
    elif firewalld_state.kernel.dropping and firewalld_state.state is not RunState.PANIC:
        yield Notice(NoticeKind.DROPPING)
    elif not firewalld_state.kernel.whole:
        yield Notice(NoticeKind.FLUSHED)
    if isinstance(firewalld_state.kernel, Kernel):
        yield from unseen_tables(firewalld_state.kernel.ruleset)


def unseen_tables(ruleset: Ruleset) -> Iterator[Notice]:
    """The native tables that could not be read, each by itself."""
    for key, table in ruleset.tables.items():
        if isinstance(table, Unknown):
            yield Notice(NoticeKind.OTHERS_TABLE_UNSEEN, table.reason, names=(key.family, key.name))


def _unreloaded(firewalld_state: FirewalldState, reload_blocker: str) -> Iterator[Notice]:
    lacking = firewalld_state.lacking()
    if lacking:
        own_rules = tuple(dict.fromkeys(rule for _, rule in lacking))
        yield Notice(NoticeKind.LISTED_ONLY, reload_blocker, own=own_rules)
    elif (own := firewalld_state.own[Plane.RUNTIME]).interim:
        there = sum(listed.container in own.targets for listed in own.listed)
        names = (own.name, str(OUR_POLICY))
        yield Notice(NoticeKind.INTERIM, reload_blocker, names=names, count=there)


def _in_the_way(firewalld_state: FirewalldState) -> Iterator[Notice]:
    """Zones that packets enter by and that do not hold our rules, where zones should."""
    for each in firewalld_state.own.values():
        if each.lost:
            names = tuple(container.name for container in each.lost)
            yield Notice(NoticeKind.NO_ZONE, names=names, plane=each.plane)
    own = firewalld_state.own[Plane.RUNTIME]
    if own.targets == (OUR_POLICY,) or own.interim or not own.listed:
        return
    zones = {container.name for container in own.targets if container.kind is ContainerKind.ZONE}
    for name, ways in sorted(firewalld_state.runtime.active.items()):
        if name not in zones:
            entries = [f"interface {w}" if not w.startswith("source ") else w for w in ways]
            yield Notice(NoticeKind.OTHER_ENTRANCE, names=(name, *entries))
    if not_entered(firewalld_state):
        yield Notice(NoticeKind.NOT_ENTERED, names=tuple(sorted(zones)))


def not_entered(firewalld_state: FirewalldState) -> bool:
    """Whether no packet meets our rules: none enters by a zone that holds them."""
    own = firewalld_state.own[Plane.RUNTIME]
    zones = [container.name for container in own.targets if container.kind is ContainerKind.ZONE]
    if own.targets and not zones:
        return False
    return not own.interim and not any(firewalld_state.enters(name) for name in zones)


def _masked(listings: Iterable[Listing]) -> Iterator[tuple[Plane, Container, str]]:
    """The rich rules that set a mark with a mask, which firewalld's backends take differently."""
    for listing in listings:
        containers = [(zone(name), each) for name, each in listing.zones.items()]
        containers += [
            (Container(ContainerKind.POLICY, name), each) for name, each in listing.policies.items()
        ]
        for container, settings in containers:
            for line in rich_rules(settings):
                if " mark " in line and "/" in line and _has_mask(line):
                    yield listing.plane, container, line


def _has_mask(line: str) -> bool:
    try:
        mark = read_rich_rule(line).mark
    except RichRuleError:
        return False
    return mark is not None and mark.mask is not None
