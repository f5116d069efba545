"""What firewalld is like, besides its rules."""

from collections.abc import Iterator

from lvsmarkd.backends.firewalld.client.calls import RunState
from lvsmarkd.backends.firewalld.client.states import SENTENCES
from lvsmarkd.backends.firewalld.planes.foreign import masked
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.firewalld.planes.own_rules import OUR_POLICY, ContainerKind
from lvsmarkd.backends.firewalld.planes.reader import FirewalldState
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.unknown import Unknown

_OF_STATES = {RunState.PANIC: NoticeKind.PANIC, RunState.FAILED: NoticeKind.FAILED}


def notices_of_state(state: RunState) -> tuple[Notice, ...]:
    """What is to be noticed of a state by itself, also where nothing could be read."""
    return (Notice(_OF_STATES[state], SENTENCES[state]),) if state in _OF_STATES else ()


def notices_of(state_seen: FirewalldState, *, not_at_boot: str, hindrance: str) -> Iterator[Notice]:
    """All of them. ``not_at_boot`` is how firewalld's unit is, where it is not started at boot;
    ``hindrance`` is why a reload that is needed is not made.
    """
    yield from notices_of_state(state_seen.state)
    yield from _of_kernel(state_seen)
    if hindrance:
        yield from _unreloaded(state_seen, hindrance)
    yield from _in_the_way(state_seen)
    listings = [
        each for each in (state_seen.runtime, state_seen.permanent) if isinstance(each, Listing)
    ]
    seen = set()
    for plane, container, line in masked(listings):
        if line not in seen:
            seen.add(line)
            rule = RuleRef("", str(container), line, keeper=Keeper.FIREWALLD)
            yield Notice(NoticeKind.MASKED, plane=plane, rule=rule)
    if not_at_boot:
        yield Notice(NoticeKind.NOT_AT_BOOT, not_at_boot, plane=Plane.PERMANENT)


def _of_kernel(state_seen: FirewalldState) -> Iterator[Notice]:
    if isinstance(state_seen.kernel, Unknown):
        yield Notice(NoticeKind.KERNEL_UNSEEN, state_seen.kernel.reason)
    elif state_seen.kernel.dropping and state_seen.state is not RunState.PANIC:
        yield Notice(NoticeKind.DROPPING)
    elif not state_seen.kernel.whole:
        yield Notice(NoticeKind.FLUSHED)
    if isinstance(state_seen.kernel, Kernel):
        yield from unseen_tables(state_seen.kernel.ruleset)


def unseen_tables(ruleset: Ruleset) -> Iterator[Notice]:
    """The native tables that could not be read, each by itself."""
    for key, table in ruleset.tables.items():
        if isinstance(table, Unknown):
            yield Notice(NoticeKind.OTHERS_TABLE_UNSEEN, table.reason, names=(key.family, key.name))


def _unreloaded(state_seen: FirewalldState, hindrance: str) -> Iterator[Notice]:
    lacking = state_seen.lacking()
    if lacking:
        yield Notice(NoticeKind.LISTED_ONLY, hindrance, count=len(lacking))
    elif (own := state_seen.own[Plane.RUNTIME]).interim:
        there = sum(listed.container in own.targets for listed in own.listed)
        names = (own.name, str(OUR_POLICY))
        yield Notice(NoticeKind.INTERIM, hindrance, names=names, count=there)


def _in_the_way(state_seen: FirewalldState) -> Iterator[Notice]:
    """Zones that packets enter by and that do not hold our rules, where zones should."""
    for each in state_seen.own.values():
        if each.lost:
            names = tuple(container.name for container in each.lost)
            yield Notice(NoticeKind.NO_ZONE, names=names, plane=each.plane)
    own = state_seen.own[Plane.RUNTIME]
    if own.targets == (OUR_POLICY,) or own.interim or not own.listed:
        return
    zones = {container.name for container in own.targets if container.kind is ContainerKind.ZONE}
    for zone, ways in sorted(state_seen.runtime.active.items()):
        if zone not in zones:
            entries = [f"interface {w}" if not w.startswith("source ") else w for w in ways]
            yield Notice(NoticeKind.OTHER_ENTRANCE, names=(zone, *entries))
    if not_entered(state_seen):
        yield Notice(NoticeKind.NOT_ENTERED, names=tuple(sorted(zones)))


def not_entered(state_seen: FirewalldState) -> bool:
    """Whether no packet meets our rules: none enters by a zone that holds them."""
    own = state_seen.own[Plane.RUNTIME]
    zones = [container.name for container in own.targets if container.kind is ContainerKind.ZONE]
    if own.targets and not zones:
        return False
    return not own.interim and not any(state_seen.enters(name) for name in zones)
