"""Rules of ours as rich rules, and which of the listed ones are ours."""

from lvsmarkd.backends.firewalld.rich import Party, Ports, Protocol, RichRule, Verb
from lvsmarkd.model.flow import Transport
from lvsmarkd.model.rule import (
    AH_PROTOCOL,
    VRRP_PROTOCOL,
    Accept,
    Action,
    Hook,
    Match,
    Rule,
    SetMark,
)
from lvsmarkd.model.service import Family

POLICY = "lvsmarkd"
"""The policy object that is ours alone."""
PRIORITY = 10965
"""The rich rule priority that tells our rules in a zone from others'. It is positive: firewalld
puts these behind the zone's own marks, and the last to mark wins; and behind what the zone
refuses, which is the operator's word."""
_FAMILY_NAMES = {Family.INET: "ipv4", Family.INET6: "ipv6"}
_PROTOCOL_NAMES = {VRRP_PROTOCOL: "vrrp", AH_PROTOCOL: "ah"} | {
    int(transport): str(transport) for transport in Transport
}


class UnrenderableError(ValueError):
    """firewalld has no such rich rule. A sentence that says what to do."""


def rich_text(rule: Rule) -> str:
    """A rule of ours as firewalld takes and lists it.

    Never with a mask: firewalld's two backends take one for opposite things (measured). Raises
    UnrenderableError for what a rich rule cannot say.
    """
    match = rule.match
    words = [f'rule priority="{PRIORITY}" family="{_FAMILY_NAMES[rule.family]}"']
    if match.in_interface is not None:
        raise UnrenderableError(
            f"a rich rule cannot name an interface ({match.in_interface}): leave in_interface out,"
            " or use the iptables backend"
        )
    if len(match.not_from_mac) > 1:
        raise UnrenderableError(
            f"a rich rule can leave out one sender's MAC, not {len(match.not_from_mac)}: use the"
            " iptables backend"
        )
    words += [f'source NOT mac="{mac.upper()}"' for mac in match.not_from_mac]
    if match.destination is not None and match.destination.prefixlen:
        whole = match.destination.prefixlen == match.destination.max_prefixlen
        to = match.destination.network_address if whole else match.destination
        words.append(f'destination address="{to}"')
    if len(match.ports) > 1:
        raise UnrenderableError("a rich rule names one port or one range of ports")
    if match.ports:
        if match.protocol not in set(Transport):
            raise UnrenderableError(f"protocol {match.protocol} has no ports")
        words.append(f'port port="{match.ports[0]}" protocol="{Transport(match.protocol)}"')
    elif match.protocol is not None:
        name = _PROTOCOL_NAMES.get(match.protocol, str(match.protocol))
        words.append(f'protocol value="{name}"')
    match rule.action:
        case SetMark(value, _):
            words.append(f"mark set={value}")
        case Accept():
            words.append("accept")
    return " ".join(words)


def own_rule(rich: RichRule) -> Rule | None:
    """The rule of ours that a rich rule is; None if we cannot have written it.

    An accept does not tell which service it serves: ``mark`` is None (see ``listing.py``).
    """
    if rich.family is None or rich.limit is not None or rich.logs or rich.priority != PRIORITY:
        return None
    action = _action(rich)
    match = _match(rich)
    if action is None or match is None:
        return None
    hook = Hook.INPUT if isinstance(action, Accept) else Hook.PREROUTING
    return Rule(
        rich.family, hook, match, action, action.value if isinstance(action, SetMark) else None
    )


def _action(rich: RichRule) -> Action | None:
    if rich.verb is Verb.ACCEPT:
        return Accept()
    if rich.mark is None or rich.mark.mask is not None or rich.mark.value == 0:
        return None
    return SetMark(rich.mark.value)


def _match(rich: RichRule) -> Match | None:
    macs: tuple[str, ...] = ()
    if rich.source is not None:
        if rich.source.mac is None or not rich.source.inverted:
            return None
        macs = (rich.source.mac,)
    to = rich.destination or Party()
    if to.inverted or to.ipset is not None:
        return None
    network = to.network if to.network is not None and to.network.prefixlen else None
    match rich.what:
        case None:
            return Match(network, not_from_mac=macs)
        case Ports(protocol, ports, False):
            return Match(network, protocol, (ports,), not_from_mac=macs)
        case Protocol(number):
            return Match(network, number, not_from_mac=macs)
        case _:
            return None
