"""What a rule of iptables does, by its target and the words that this is told."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from itertools import pairwise

from lvsmarkd.model.fields import Interval
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import (
    ConntrackTemplate,
    Effect,
    FillSet,
    Jump,
    Lookup,
    MapMark,
    NeedsListener,
    NeedsSocket,
    Other,
    RestoreMark,
    SaveMark,
    SetConnmark,
    SetsUnknownMark,
    TranslateDestination,
    UnknownTarget,
    Untrack,
    Verdict,
)
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.netfilter.iptables_words import Words

_ENDS: dict[str, tuple[Effect, ...]] = {
    "ACCEPT": (Verdict.ACCEPT,),
    "DROP": (Verdict.DROP,),
    "REJECT": (Verdict.DROP,),
    "TARPIT": (Verdict.DROP,),
    "RETURN": (Verdict.RETURN,),
    "QUEUE": (Verdict.QUEUE,),
    "SYNPROXY": (Verdict.STOLEN,),
    "HMARK": (SetsUnknownMark("HMARK"),),
    "NOTRACK": (Untrack(),),
}
_HARMLESS = frozenset(
    {"AUDIT", "CHECKSUM", "CLASSIFY", "CONNSECMARK", "DSCP", "ECN", "HL", "IDLETIMER"}
    | {"LED", "LOG", "NFLOG", "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS"}
    | {"TRACE", "TTL", "ULOG"}
    | {"MASQUERADE", "SAME", "SNAT"}
)
"""Targets after which the packet goes on as it came, as far as its mark and its destination go.
Those of the last line change its source, behind IPVS.
"""


_CHANGES = frozenset({"--add-set", "--del-set"})


def masked(text: str) -> tuple[int, int]:
    """``VALUE`` or ``VALUE/MASK``. Raises ValueError."""
    value, slash, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if slash else MAX_MARK


def effects_of(words: Words) -> tuple[Effect, ...]:
    """What the rule does, in order. Never fails."""
    target, said = words.target, words.target_words
    if not target:
        return ()
    if words.goto:
        return (Jump(target, goto=True),)
    if target in _ENDS:
        return _ENDS[target]
    try:
        if (effect := _understood(target, said)) is not None:
            return effect
    except (ValueError, IndexError):
        return (SetsUnknownMark(target),)
    # A chain of the table, or a target that needs no words: the table knows.
    return (named_target(target, said),) if said else (Jump(target),)


def named_target(target: str, said: Sequence[str] = ()) -> Effect:
    """A target that is no chain, and that was not understood any further."""
    kind = Other if target in _HARMLESS else UnknownTarget
    return kind(target, tuple(said))


def _understood(target: str, said: Sequence[str]) -> tuple[Effect, ...] | None:
    match target:
        case "MARK":
            return (SetMark(*_xmark(said)),)
        case "CONNMARK":
            return (_connmark(said),)
        case "TPROXY":
            return _to_socket(said)
        case "NFQUEUE":
            return NeedsListener(_queues(said), "--queue-bypass" in said), Verdict.QUEUE
        case "SET" if "--map-mark" in said:
            at = said.index("--map-set")
            return (MapMark(Lookup(said[at + 1], (), tuple(said[at + 2].split(",")))),)
        case "SET" if not _CHANGES.isdisjoint(said):
            at = min(said.index(option) for option in _CHANGES if option in said)
            return (FillSet(said[at + 1], is_ipset=True),)
        case "CT" if "--notrack" in said:
            return (Untrack(),)
        case "CT":
            return (ConntrackTemplate(tuple(said)),)
        case "DNAT":
            return (_destination(said),)
        case "NETMAP":
            # The rest of the address stays; at POSTROUTING, behind IPVS, the source is meant.
            to = ip_network(said[said.index("--to") + 1], strict=False)
            network = Interval(to.network_address, to.broadcast_address)
            return (TranslateDestination(network, keeps_host=True),)
        case "REDIRECT":
            port = said[said.index("--to-ports") + 1] if "--to-ports" in said else ""
            return (TranslateDestination(port=_ports(port), here=True),)
    return None


def _to_socket(said: Sequence[str]) -> tuple[Effect, ...]:
    """``--on-port 50080 [--on-ip ADDRESS] [--tproxy-mark VALUE[/MASK]]``."""
    words = dict(zip(said[::2], said[1::2], strict=False))
    socket = NeedsSocket(int(words["--on-port"]))
    if "--tproxy-mark" not in words:
        return socket, Verdict.SOCKET
    value, mask = masked(words["--tproxy-mark"])
    return socket, SetMark(value, mask), Verdict.SOCKET


def _queues(said: Sequence[str]) -> Interval:
    """``--queue-num 7``, ``--queue-balance 0:3``; nothing is the first."""
    words = dict(pairwise(said))
    first, _, last = words.get("--queue-balance", words.get("--queue-num", "0")).partition(":")
    return Interval(int(first), int(last or first))


def _destination(said: Sequence[str]) -> TranslateDestination:
    """``--to-destination [ADDRESS[-ADDRESS]][:PORT[-PORT]]``, an IPv6 address with a port in
    brackets.
    """
    if "--to-destination" not in said:
        return TranslateDestination(is_untold=True)
    text = said[said.index("--to-destination") + 1]
    if text.startswith("["):
        addresses, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") > 1:
        addresses, port = text, ""
    else:
        addresses, _, port = text.partition(":")
    first, _, last = addresses.partition("-")
    to = Interval(ip_address(first), ip_address(last or first)) if first else None
    return TranslateDestination(to, _ports(port), shifts_port="/" in port)


def _ports(text: str) -> Interval | None:
    """``80``, ``80-90``, ``80-90/1000``; nothing: the port stays."""
    if not text:
        return None
    first, _, last = text.partition("/")[0].partition("-")
    return Interval(int(first), min(int(last or first), MAX_PORT))


def _xmark(said: Sequence[str]) -> tuple[int, int]:
    """Value and mask as ``--set-xmark`` has them, which is how each spelling is listed."""
    option, text = said
    value, mask = masked(text)
    match option:
        case "--set-xmark":
            return value, mask
        case "--set-mark":
            return value, value | mask
        case "--or-mark":
            return value, value
        case "--and-mark":
            return 0, ~value & MAX_MARK
        case "--xor-mark":
            return value, 0
        case _:
            raise ValueError(option)


def _connmark(said: Sequence[str]) -> Effect:
    masks = dict(zip(said[1::2], said[2::2], strict=False))
    both = masks.get("--mask", hex(MAX_MARK))
    of_packet = int(masks.get("--nfmask", both), 0)
    of_connection = int(masks.get("--ctmask", both), 0)
    match said[0]:
        case "--save-mark":
            return SaveMark(of_packet, of_connection)
        case "--restore-mark":
            return RestoreMark(of_connection, of_packet)
        case _:
            return SetConnmark(*_xmark(said))
