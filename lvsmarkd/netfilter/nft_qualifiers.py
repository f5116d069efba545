"""Qualifiers as ``nft -j`` lists them. Source: libnftables-json(5), MATCH."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier


class NftMatch(Struct, frozen=True):
    """How one qualifier is said: by a match of what is on the ``left`` by ``op``. ``read`` takes
    the right side, and gives None where that means something else.
    """

    left: Mapping[str, object]
    op: str
    read: Callable[[object], Qualifier | None]


def _interface(right: object) -> InInterface | None:
    if not isinstance(right, str) or right.endswith("*"):
        return None
    return InInterface.of(right)


def _sender(right: object) -> NotFromMac | None:
    return NotFromMac.of(right.lower()) if isinstance(right, str) else None


MATCHES: dict[type[Qualifier], NftMatch] = {
    InInterface: NftMatch({"meta": {"key": "iifname"}}, "==", _interface),
    NotFromMac: NftMatch({"payload": {"protocol": "ether", "field": "saddr"}}, "!=", _sender),
}
"""All that is understood."""


def read_match(left: object, op: str, right: object) -> Qualifier | None:
    """The qualifier that a match is; None where it is none: a named set's values are its own."""
    if isinstance(right, str) and right.startswith("@"):
        return None
    for match in MATCHES.values():
        if match.op == op and match.left == left:
            return match.read(right)
    return None
