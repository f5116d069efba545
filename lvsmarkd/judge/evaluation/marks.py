"""How rules change what packets and their connections bear."""

from msgspec.structs import replace

from lvsmarkd.judge.evaluation.packet_class import PacketClass, Tracking
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import (
    ConntrackTemplate,
    Effect,
    RestoreMark,
    SaveMark,
    SetConnmark,
    SetsUnknownConnmark,
    SetsUnknownMark,
    Untrack,
)
from lvsmarkd.model.service import MAX_MARK


def marked(effect: Effect, packets: PacketClass) -> PacketClass | None:  # noqa: C901, PLR0912 - a row for each effect
    """The packets after an effect that only changes what they bear; None: it is no such one."""
    mark, connmark = packets.mark, packets.connmark
    connected = packets.is_connected
    match effect:
        case SetMark(value, mask):
            if mask == MAX_MARK:
                return replace(packets, mark=value)
            return packets if mark is None else replace(packets, mark=(mark & ~mask) ^ value)
        case SetsUnknownMark():
            return replace(packets, mark=None)
        case SetConnmark(value, mask):
            if not connected:
                return packets
            if mask == MAX_MARK:
                return replace(packets, connmark=value)
            if connmark is None:
                return packets
            return replace(packets, connmark=(connmark & ~mask) ^ value)
        case SaveMark(of, to, flip):
            if not connected:
                return packets
            if mark is None or (connmark is None and to != MAX_MARK):
                return replace(packets, connmark=None)
            return replace(packets, connmark=((connmark or 0) & ~to) ^ (mark & of) ^ flip)
        case RestoreMark(of, to, flip):
            if packets.tracking is Tracking.ASSIGNED:
                return replace(packets, mark=None)
            if not connected:
                return packets
            if connmark is None or (mark is None and to != MAX_MARK):
                return replace(packets, mark=None)
            return replace(packets, mark=((mark or 0) & ~to) ^ (connmark & of) ^ flip)
        case SetsUnknownConnmark():
            return replace(packets, connmark=None) if connected else packets
        case Untrack():
            if packets.tracking is Tracking.BEFORE:
                return replace(packets, tracking=Tracking.UNTRACKED)
            return packets
        case ConntrackTemplate():
            if packets.tracking is Tracking.BEFORE:
                return replace(packets, tracking=Tracking.ASSIGNED)
            return packets
        case _:
            return None
