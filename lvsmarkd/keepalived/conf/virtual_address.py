"""One line of ``virtual_ipaddress`` or ``virtual_ipaddress_excluded``.

keepalived/vrrp/vrrp_ipaddress.c, alloc_ipaddress and parse_ipaddress (2.2.7: 457-724 and
379-425; 2.3.3 and 2.4.3: 466-734, which read the same).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network

from msgspec import Struct

from lvsmarkd.keepalived.conf.addresses import parse_address
from lvsmarkd.keepalived.conf.mark_words import marks_named
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import Address, Network

MAX_INTERFACE = 15
"""Characters of an interface's name, and of an address's label (IFNAMSIZ less the NUL)."""

_WITH_VALUE = frozenset({"dev", "scope", "broadcast", "brd", "label", "peer", "preferred_lft"})
_ALONE = frozenset(
    {"home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track", "use_vmac"}
)


class VirtualAddress(Struct, frozen=True):
    """An address that keepalived takes; ``doubts`` are what it passes over in its line.

    ``device`` is that of ``dev``. Whether there is such an interface, the file does not show.
    """

    address: Address
    device: str | None = None
    doubts: tuple[str, ...] = ()


class Dropped(Struct, frozen=True):
    """Why keepalived drops a line: a clause, and what to write instead."""

    reason: str
    advice: str


def virtual_address(words: list[str]) -> VirtualAddress | Dropped:
    """What becomes of a line that has these words."""
    text, slash, prefix = words[0].partition("/")
    address = parse_address(text)
    if address is None:
        if marks_named(words):
            advice = "a mark belongs into a virtual_server line or a virtual_server_group"
        elif "-" in text:
            advice = "write each address of the range on a line of its own"
        else:
            advice = "correct it"
        return Dropped(f"{text!r} is no address", advice)
    doubts: list[str] = []
    if slash and read_unsigned(prefix, 0, address.max_prefixlen) is None:
        doubts.append(
            f"reads {words[0]!r} as {text}/{address.max_prefixlen}: write the prefix as a number "
            f"from 0 to {address.max_prefixlen}"
        )
    options = _AddressWords(address, doubts)
    why = options.read(words)
    return why or VirtualAddress(address, options.device, tuple(doubts))


def made_local(words: list[str], *, is_route: bool) -> Iterator[Network]:
    """What a line of ``static_ipaddress``, or of a list of routes, makes local (static_routes and
    virtual_routes with ``local`` first, vrrp_iproute.c: alloc_route).
    """
    if is_route:
        if words[0] != "local" or len(words) < 2:
            return
        words = words[1:]
    text, _, prefix = words[0].partition("/")
    address = parse_address(text)
    if is_route and words[0] == "default":
        yield ip_network("::/0" if "inet6" in words else "0.0.0.0/0")
    elif address is not None:
        length = read_unsigned(prefix, 0, address.max_prefixlen) if is_route and prefix else None
        longest = address.max_prefixlen if length is None else length
        yield ip_network((address, longest), strict=False)


class _AddressWords:
    """The words after the address, in the order of alloc_ipaddress."""

    def __init__(self, address: Address, doubts: list[str]) -> None:
        self.device: str | None = None
        self._address = address
        self._doubts = doubts
        self._peer = False

    def read(self, words: list[str]) -> Dropped | None:
        """Read them all; why the address is dropped for one of them."""
        at = 1
        while at < len(words):
            word = words[at]
            if word in _WITH_VALUE:
                if at + 1 >= len(words):
                    return Dropped(f"{word!r} lacks its word", "complete the line, or remove it")
                at += 1
                if word == "peer" and self._peer:
                    # A second one is reported, and what follows it read as a word of its own.
                    continue
                if why := self._option(word, words[at]):
                    return why
            elif word not in _ALONE:
                self._doubts.append(
                    f"passes over {word!r} after {self._address}: correct or remove it"
                )
            at += 1
        return None

    def _option(self, word: str, value: str) -> Dropped | None:
        match word:
            case "dev" if self.device is not None:
                return Dropped("it has two of 'dev'", "write one")
            case "dev":
                self.device = value
            case "label" if len(value.encode(errors="surrogateescape")) > MAX_INTERFACE:
                return Dropped(
                    f"its label {value!r} is longer than {MAX_INTERFACE} characters", "shorten it"
                )
            case "brd" | "broadcast" if self._address.version == 6:
                return Dropped("IPv6 has no broadcast", f"remove {word!r} and its word")
            case "brd" | "broadcast" if value not in {"-", "+"} and not _is_v4(value):
                return Dropped(f"{value!r} is no broadcast address", "correct it, or write '+'")
            case "peer":
                peer = parse_address(value)
                self._peer = peer is not None and peer.version == self._address.version
        return None


def _is_v4(text: str) -> bool:
    return isinstance(parse_address(text), IPv4Address)
