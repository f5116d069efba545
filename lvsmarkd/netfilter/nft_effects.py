"""What statements of ``nft -j`` do with a packet besides marks, jumps and maps of verdicts."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from lvsmarkd.model.fields import Field, Interval, Value
from lvsmarkd.model.rule_spec import (
    Effect,
    NeedsListener,
    Other,
    SetsUnknownConnmark,
    SetsUnknownMark,
    TranslateDestination,
    UnknownTarget,
    Untrack,
    Verdict,
)
from lvsmarkd.netfilter.nft_values import VERDICTS, NotUnderstoodError, value_of
from lvsmarkd.netfilter.nft_words import words_of

_XT: dict[str, tuple[Effect, ...]] = {
    **{name: (SetsUnknownMark(name),) for name in ("MARK", "HMARK", "SET")},
    "CONNMARK": (SetsUnknownMark("CONNMARK"), SetsUnknownConnmark("CONNMARK")),
}
"""iptables' targets that change marks; nft tells their names and nothing else (measured)."""
_ACTIONS = frozenset(
    {"snat", "masquerade", "flow", "dup", "fwd"}
    | {"ct helper", "ct timeout", "ct expectation", "secmark", "map"}
)


def effects_of(name: str, value: object) -> tuple[Effect, ...]:
    """What a statement does that is no condition; nothing where it may be one."""
    match name, value:
        case "xt", {"type": "target", "name": str(target)}:
            return _XT.get(target, (UnknownTarget(target),))
        case "notrack", _:
            return (Untrack(),)
        case (("dnat" | "redirect"), _):
            return (_destination(value, here=name == "redirect"),)
        case "queue", _:
            return _queue(value)
        case _ if name in VERDICTS:
            return (VERDICTS[name],)
        case _ if name in _ACTIONS:
            return (Other(name, (words_of(value),)),)
        case _:
            return ()


def _queue(value: object) -> tuple[Effect, ...]:
    """``{"num": 7 or a range, "flags": "bypass" or several}``; which queue may be computed."""
    said = value if isinstance(value, Mapping) else {}
    flags = said.get("flags") or ()
    try:
        queues = _interval(value_of(Field.DESTINATION_PORT, said.get("num", 0)))
    except NotUnderstoodError:
        return (Verdict.QUEUE,)
    return NeedsListener(queues, "bypass" in flags), Verdict.QUEUE


def _destination(value: object, *, here: bool) -> TranslateDestination:
    """Where a dnat or redirect statement sends the packet."""
    said = value if isinstance(value, Mapping) else {}
    try:
        to = said.get("addr")
        addresses = None if to is None else _interval(value_of(Field.DESTINATION, to))
        port = said.get("port")
        ports = None if port is None else _interval(value_of(Field.DESTINATION_PORT, port))
    except NotUnderstoodError:
        return TranslateDestination(here=here, is_untold=True)
    return TranslateDestination(addresses, ports, here)


def _interval(value: Value) -> Interval:
    match value:
        case Interval():
            return value
        case IPv4Network() | IPv6Network():
            return Interval(value.network_address, value.broadcast_address)
        case _:
            raise NotUnderstoodError(str(value))
