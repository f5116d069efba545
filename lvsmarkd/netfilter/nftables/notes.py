"""What nft notes for itself beside tables, rules and sets, as user data (libnftnl's udata.h).

The kernel does not look at it. Comments are in it, and what nft needs to list a set rightly.
"""

from struct import Struct as Layout
from sys import byteorder

from lvsmarkd.netfilter.nftables import wire

_NOTE = Layout("=BB")  # type, length
_MOST_COMMENT = 128  # NFTNL_UDATA_COMMENT_MAXLEN, of nft


def userdata(kind: int, notes: bytes) -> bytes:
    """The attribute that holds notes; nothing where there are none."""
    return wire.attribute(kind, notes) if notes else b""


def comment_note(kind: int, words: str) -> bytes:
    """A comment; nothing where there is none. Raises ValueError where it is too long."""
    if not words:
        return b""
    data = words.encode() + b"\0"
    if len(data) > _MOST_COMMENT:
        raise ValueError(f"a comment of {len(data)} bytes is too long")
    return _NOTE.pack(kind, len(data)) + data


def number_note(kind: int, number: int) -> bytes:
    """A number, in the byte order of the machine."""
    data = number.to_bytes(4, byteorder)
    return _NOTE.pack(kind, len(data)) + data


def comment_in(notes: bytes, kind: int) -> str:
    """The comment among notes; none where there is none, or they are not nft's."""
    at = 0
    while at + _NOTE.size <= len(notes):
        found, length = _NOTE.unpack_from(notes, at)
        at += _NOTE.size
        if found == kind:
            return notes[at : at + length].rstrip(b"\0").decode(errors="replace")
        at += length
    return ""
