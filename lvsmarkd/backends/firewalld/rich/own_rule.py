"""Rules of ours as rich rules, and which of the listed ones are ours."""

from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import PRIORITY
from lvsmarkd.backends.firewalld.rich.qualifiers import element_words, read_source
from lvsmarkd.backends.firewalld.rich.rich_rule import Party, Protocol, RichPorts, RichRule, Verb
from lvsmarkd.model.packets import Packets, written
from lvsmarkd.model.protocols import PROTOCOL_NAMES, Transport
from lvsmarkd.model.rule import Accept, Action, Hook, Rule, SetMark
from lvsmarkd.model.service import Family

_FAMILY_NAMES = {Family.INET: "ipv4", Family.INET6: "ipv6"}


class UnrenderableError(ValueError):
    """firewalld has no such rich rule. A sentence that says what to do."""


def rich_text(rule: Rule) -> str:
    """A rule of ours as firewalld takes and lists it.

    Never with a mask: firewalld's two backends take one for opposite things (measured). Raises
    UnrenderableError for what a rich rule cannot say.
    """
    match = rule.match
    words = [f'rule priority="{PRIORITY}" family="{_FAMILY_NAMES[rule.family]}"']
    try:
        words += element_words(match.qualifiers)
    except ValueError as error:
        raise UnrenderableError(str(error)) from error
    if match.destination is not None and match.destination.prefixlen:
        words.append(f'destination address="{written(match.destination)}"')
    if len(match.ports) > 1:
        raise UnrenderableError("a rich rule names one port or one range of ports")
    if match.ports:
        if match.protocol not in set(Transport):
            raise UnrenderableError(f"protocol {match.protocol} has no ports")
        words.append(f'port port="{match.ports[0]}" protocol="{Transport(match.protocol)}"')
    elif match.protocol is not None:
        name = PROTOCOL_NAMES.get(match.protocol, str(match.protocol))
        words.append(f'protocol value="{name}"')
    match rule.action:
        case SetMark(value, _):
            words.append(f"mark set={value}")
        case Accept():
            words.append("accept")
    return " ".join(words)


def own_rule(rich: RichRule) -> Rule | None:
    """The rule of ours that a rich rule is; None if we cannot have written it.

    An accept does not tell which service it serves: ``mark`` is None (see ``planes/own_rules.py``).
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


def _match(rich: RichRule) -> Packets | None:
    qualifiers = read_source(rich)
    to = rich.destination or Party()
    if qualifiers is None or to.inverted or to.ipset is not None:
        return None
    packets = Packets(
        destination=to.network if to.network is not None and to.network.prefixlen else None,
        qualifiers=qualifiers,
    )
    match rich.what:
        case None:
            return packets
        case RichPorts(protocol, ports, False):
            return replace(packets, protocol=protocol, ports=(ports,))
        case Protocol(number):
            return replace(packets, protocol=number)
        case _:
            return None
