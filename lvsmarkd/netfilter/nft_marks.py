"""What a statement that sets something (``mangle``) does, as ``nft -j`` prints it."""

from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import (
    ConntrackTemplate,
    Effect,
    MapMark,
    Other,
    RestoreMark,
    SaveMark,
    SetConnmark,
    SetsUnknownConnmark,
    SetsUnknownMark,
    UnknownTarget,
)
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.netfilter.nft_values import NotUnderstoodError, lookup_of
from lvsmarkd.netfilter.nft_words import words_of

MARK = {"meta": {"key": "mark"}}
CONNMARK = {"ct": {"key": "mark"}}


def reads_connection(value: object) -> bool:
    """Whether a value is made of something of the connection."""
    match value:
        case {"ct": _}:
            return True
        case {"&": [left, *_]} | {"|": [left, *_]} | {"^": [left, *_]}:
            return reads_connection(left)
        case _:
            return False


def changed(key: object, new: object) -> Effect:
    """What a mangle statement does."""
    if key not in (MARK, CONNMARK):
        return _rewritten(key, new)
    match new:
        case {"map": {"key": looked_up, "data": data}} if key == MARK:
            return MapMark(lookup_of(looked_up, data))
    try:
        base, keep, flip = _bits(new)
    except NotUnderstoodError:
        if key == CONNMARK:
            return SetsUnknownConnmark("ct mark set")
        return SetsUnknownMark("meta mark set")
    constant = SetMark if key == MARK else SetConnmark
    if base in (None, key):
        return constant(flip, ~keep & MAX_MARK)
    return RestoreMark(keep, flip=flip) if key == MARK else SaveMark(keep, flip=flip)


def _rewritten(key: object, new: object) -> Effect:
    """What a statement does that writes into the packet, or notes something else of it."""
    match key:
        case {"ct": {"key": "zone"}}:
            return ConntrackTemplate((words_of(key), words_of(new)))
        case {"payload": {"field": "saddr" | "daddr" | "sport" | "dport" | "protocol"}}:
            return UnknownTarget("mangle", (words_of(key), words_of(new)))
        case {"payload": {"base": _}}:
            return UnknownTarget("mangle", (words_of(key), words_of(new)))
        case _:
            return Other("mangle", (words_of(key), words_of(new)))


def _bits(value: object) -> tuple[object, int, int]:
    """A mark as ``(base & keep) ^ flip``; ``base`` None where it is the number ``flip``.

    Raises NotUnderstoodError where it is anything else.
    """
    match value:
        case bool():
            pass
        case int():
            return None, 0, value
        case {"meta": {"key": "mark"}} | {"ct": {"key": "mark"}}:
            return value, MAX_MARK, 0
        case {"&": [left, int(bits)]}:
            base, keep, flip = _bits(left)
            return base, keep & bits, flip & bits
        case {"|": [left, int(bits)]}:
            base, keep, flip = _bits(left)
            return base, keep & ~bits, flip & ~bits | bits
        case {"^": [left, int(bits)]}:
            base, keep, flip = _bits(left)
            return base, keep, flip ^ bits
    raise NotUnderstoodError(words_of(value))
