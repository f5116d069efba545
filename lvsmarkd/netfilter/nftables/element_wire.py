"""Elements of sets as attributes.

A set that is no interval has one for each key. An interval set of several fields has one for each
range (pipapo). One of a single field has two (rbtree): where the range begins, and, marked as an
end, the key behind its last one; none where no key is behind it. A start behind a start ends the
range before it.
"""

from collections.abc import Iterable, Iterator

from lvsmarkd.kernel.netlink import NetlinkError, attributes
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.expression_wire import (
    data_parts,
    expression_parts,
    read_data,
    read_expression,
)
from lvsmarkd.netfilter.nftables.expressions import Counts, Data
from lvsmarkd.netfilter.nftables.objects import NftElement, NftSet

_KEY, _DATA, _FLAGS, _EXPRESSION, _KEY_END, _EXPRESSIONS = 1, 2, 3, 7, 10, 11
# NFTA_SET_ELEM_KEY, _DATA, _FLAGS, _EXPR, _KEY_END, _EXPRESSIONS
_INTERVAL_END = 1  # NFT_SET_ELEM_INTERVAL_END
_VALUE = 1  # NFTA_DATA_VALUE


def element_parts(of: NftSet, element: NftElement) -> tuple[bytes, ...]:
    """The attributes of an element: of one, or of two that the kernel has for it.

    Raises ValueError where it is no element of such a set.
    """
    if not of.interval and element.start != element.end:
        raise ValueError(f"{of} has no intervals")
    if (of.data is None) != (element.data is None):
        raise ValueError(f"an element of {of} has something to give, or has nothing")
    start = key_parts(element.start)
    rest = b""
    if element.data is not None:
        rest += wire.nest(_DATA, data_parts(element.data))
    if element.counts is not None:
        rest += wire.nest(_EXPRESSION, expression_parts(element.counts))
    if of.concatenated or not of.interval:
        end = wire.nest(_KEY_END, wire.attribute(_VALUE, element.end)) if of.interval else b""
        return (start + rest + end,)
    behind = int.from_bytes(element.end) + 1
    if behind == 1 << 8 * len(element.end):
        return (start + rest,)
    end = key_parts(behind.to_bytes(len(element.end)))
    return (start + rest, end + wire.be32(_FLAGS, _INTERVAL_END))


def key_parts(key: bytes) -> bytes:
    """The attribute that an element begins with: by it the kernel finds one."""
    return wire.nest(_KEY, wire.attribute(_VALUE, key))


def read_elements(of: NftSet, found: Iterable[bytes]) -> tuple[NftElement, ...]:
    """The elements that attributes are, sorted by keys. Raises NetlinkError for odd ones."""
    parts = (attributes(each) for each in found)
    if of.interval and not of.concatenated:
        return tuple(_ranges(sorted((_edge(each) for each in parts), key=_in_order)))
    return tuple(sorted((_whole(each) for each in parts), key=lambda each: each.start))


def _whole(parts: dict[int, bytes]) -> NftElement:
    start = _key(parts, _KEY)
    end = _key(parts, _KEY_END) if _KEY_END in parts else start
    return NftElement(start, end, _data(parts), _counts(parts))


_Edge = tuple[bool, NftElement]
"""Whether it ends a range, and, where it begins one, that as far as it is known."""


def _edge(parts: dict[int, bytes]) -> _Edge:
    ends = bool(wire.number(parts.get(_FLAGS, b"")) & _INTERVAL_END)
    return ends, _whole(parts)


def _in_order(edge: _Edge) -> tuple[bytes, bool]:
    """An end comes before the beginning at the same key."""
    return edge[1].start, not edge[0]


def _ranges(edges: Iterable[_Edge]) -> Iterator[NftElement]:
    begun: NftElement | None = None
    for ends, each in edges:
        if begun is not None:
            yield _until(begun, int.from_bytes(each.start) - 1)
        begun = None if ends else each
    if begun is not None:
        yield _until(begun, (1 << 8 * len(begun.start)) - 1)


def _until(begun: NftElement, last: int) -> NftElement:
    return NftElement(begun.start, last.to_bytes(len(begun.start)), begun.data, begun.counts)


def _key(parts: dict[int, bytes], kind: int) -> bytes:
    found = read_data(parts.get(kind, b""))
    if not isinstance(found, bytes):
        raise NetlinkError("a verdict for a key")
    return found


def _data(parts: dict[int, bytes]) -> Data | None:
    return read_data(parts[_DATA]) if _DATA in parts else None


def _counts(parts: dict[int, bytes]) -> Counts | None:
    """What it counted, among what else it may have."""
    found = [parts[_EXPRESSION]] if _EXPRESSION in parts else []
    found += wire.list_of(parts.get(_EXPRESSIONS, b""))
    known = (read_expression(each) for each in found)
    return next((each for each in known if isinstance(each, Counts)), None)
