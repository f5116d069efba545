"""Findings that only this backend can make."""

from collections.abc import Iterator

from lvsmarkd.backends.firewalld.calls import State
from lvsmarkd.backends.firewalld.foreign import masked
from lvsmarkd.backends.firewalld.listing import Listing
from lvsmarkd.backends.firewalld.own_rules import OUR_POLICY, ContainerKind
from lvsmarkd.backends.firewalld.reader import FirewalldState, nowhere
from lvsmarkd.backends.firewalld.states import SENTENCES
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.unknown import Unknown


def remarks(state_seen: FirewalldState, *, not_at_boot: str, hindrance: str) -> Iterator[Finding]:
    """All of them. ``not_at_boot`` is how firewalld's unit is, where it is not started at boot;
    ``hindrance`` is why a reload that is needed is not made.
    """
    yield from _states(state_seen, hindrance)
    yield from _in_the_way(state_seen)
    listings = [
        each for each in (state_seen.runtime, state_seen.permanent) if isinstance(each, Listing)
    ]
    seen = set()
    for plane, container, line in masked(listings):
        if line not in seen:
            seen.add(line)
            yield Finding(
                Kind.CONFLICT,
                f"a rich rule in firewalld's {container} sets a mark with a mask, which firewalld's"
                " nftables and iptables backends take for opposite things, and IPVS compares the"
                " whole mark",
                "write it without the mask",
                plane=plane,
                rule=RuleRef("", str(container), line, keeper=Keeper.FIREWALLD),
            )
    if not_at_boot:
        yield Finding(
            Kind.FLEETING,
            f"firewalld runs and is {not_at_boot} at boot: the next boot brings none of these"
            " rules",
            f"run systemctl {'unmask' if 'masked' in not_at_boot else 'enable'} firewalld",
            plane=Plane.PERMANENT,
            subject="not at boot",
        )


def remarks_unread(state: State) -> Iterator[Finding]:
    """The findings where nothing could be read."""
    if state is State.FAILED:
        yield Finding(Kind.BROKEN, SENTENCES[state], subject=state)


def _states(state_seen: FirewalldState, hindrance: str) -> Iterator[Finding]:
    if state_seen.state is State.PANIC:
        yield Finding(Kind.BROKEN, SENTENCES[state_seen.state], subject=state_seen.state)
    if isinstance(state_seen.kernel, Unknown):
        yield Finding(
            Kind.UNSEEN,
            "whether the kernel has what firewalld lists could not be seen:"
            f" {state_seen.kernel.reason}",
            subject="firewalld in the kernel",
        )
    elif state_seen.kernel.dropping and state_seen.state is not State.PANIC:
        yield Finding(
            Kind.BROKEN,
            "a reload of firewalld failed and left it dropping every new connection (table inet"
            " firewalld_policy_drop)",
            "run firewall-cmd --reload",
            subject="dropping",
        )
    elif not state_seen.kernel.whole:
        yield Finding(
            Kind.BROKEN,
            "firewalld's tables are not in the kernel, so that nothing it lists is in force:"
            " somebody flushed them",
            "run firewall-cmd --reload, twice if the first one fails",
            subject="not in the kernel",
        )
    if not hindrance:
        return
    lacking = state_seen.lacking()
    if lacking:
        yield Finding(
            Kind.BROKEN,
            f"firewalld lists {len(lacking)} rule(s) of ours that the kernel does not have, which"
            " only a reload mends",
            hindrance,
            subject="listed only",
        )
    elif (own := state_seen.own[Plane.RUNTIME]).interim:
        there = any(listed.container in own.targets for listed in own.listed)
        yield Finding(
            Kind.FLEETING,
            f"the rules {'stand' if there else 'would stand'} in {own.name} until firewalld is"
            f" reloaded and knows its {OUR_POLICY}",
            hindrance,
            graded=Severity.NOTE,
            subject="interim",
        )


def _in_the_way(state_seen: FirewalldState) -> Iterator[Finding]:
    """Zones that packets enter by and that do not hold our rules, where zones should."""
    for each in state_seen.own.values():
        if each.lost:
            yield Finding(
                Kind.BYPASSED,
                nowhere(each),
                graded=Severity.CRITICAL if each.plane is Plane.RUNTIME else None,
                plane=each.plane,
                subject="no zone",
            )
    own = state_seen.own[Plane.RUNTIME]
    if own.targets == (OUR_POLICY,) or own.interim or not own.listed:
        return
    names = {container.name for container in own.targets if container.kind is ContainerKind.ZONE}
    for zone, ways in sorted(state_seen.runtime.active.items()):
        if zone in names:
            continue
        entries = [f"interface {w}" if not w.startswith("source ") else w for w in ways]
        yield Finding(
            Kind.BYPASSED,
            f"packets that enter by {', '.join(entries)} are in firewalld's zone {zone}, where no"
            " rule of ours stands, so that they are not marked",
            "add the zone to firewall.firewalld.zones, or set"
            ' firewall.firewalld.placement = "policy"',
            subject=zone,
        )
    if not_entered(state_seen):
        yield Finding(
            Kind.BYPASSED,
            f"no packet enters by firewalld's zone {', '.join(sorted(names))}, where our rules"
            " stand",
            "name the zones that packets enter by in firewall.firewalld.zones",
            graded=Severity.CRITICAL,
            subject="not entered",
        )


def not_entered(state_seen: FirewalldState) -> bool:
    """Whether no packet meets our rules: none enters by a zone that holds them."""
    own = state_seen.own[Plane.RUNTIME]
    zones = [container.name for container in own.targets if container.kind is ContainerKind.ZONE]
    if own.targets and not zones:
        return False
    return not own.interim and not any(state_seen.enters(name) for name in zones)
