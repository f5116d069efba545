"""A vrrp_instance while it is read: its family is settled by the first word that has one.

keepalived/vrrp/vrrp_parser.c and vrrp_data.c; lines of 2.2.7, of 2.4.3 where it has moved.
"""

from enum import Enum, auto

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import endpoint, parse_address
from lvsmarkd.keepalived.conf.closing import OpenClosing
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.mark_words import marks_named
from lvsmarkd.keepalived.conf.unsigned import read_plain, read_unsigned
from lvsmarkd.keepalived.conf.virtual_address import (
    MAX_INTERFACE,
    Dropped,
    VirtualAddress,
    virtual_address,
)
from lvsmarkd.keepalived.conf.vrrp_defaults import VERSIONS, VrrpDefaults, multicast
from lvsmarkd.model.keepalived import VipClosing, VrrpInstance
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import Address, Family

_LOOPBACK = "lo"
_IPVLAN_TYPES = frozenset({"bridge", "private", "vepa"})
_TRUE = frozenset({"true", "on", "yes"})
_FALSE = frozenset({"false", "off", "no"})
_UNICAST = frozenset(
    {"unicast_peer", "unicast_fault_no_peer", "check_unicast_src", "old_unicast_checksum"}
)
_MAX_VRID = 255


class Auth(Enum):
    """``auth_type``."""

    NONE = auto()
    PASS = auto()
    AH = auto()


class OpenInstance(Struct):
    """What of an instance matters to packet rules, and to whether keepalived starts with it."""

    name: str
    origin: Origin
    problems: list[Problem]
    dialect: Dialect
    family: Family | None = None
    settled: Origin | None = None
    """The line that decided on the family."""
    interface: str | None = None
    router: int = 0
    """The virtual_router_id; 0 is none."""
    version: int = 0
    strict: bool | None = None
    source: Address | None = None
    """``unicast_src_ip``, ``mcast_src_ip``, or the address of ``use_ipvlan``."""
    group: Address | None = None
    peers: list[Address] = field(default_factory=list)
    unicast: bool = False
    """Whether a word about unicast was there."""
    no_vips: bool = False
    auth: Auth = Auth.NONE
    password: bool = False
    hmac: bool = False
    vips: list[VirtualAddress] = field(default_factory=list)
    excluded: list[VirtualAddress] = field(default_factory=list)
    closing: VipClosing | None = None
    """What has its addresses closed; known once it is settled."""
    _closing: OpenClosing = field(default_factory=OpenClosing)
    _ipvlan: bool = False

    def line(self, line: LogicalLine) -> None:
        """A line in the block itself."""
        match line.words:
            case ["mcast_src_ip", str(word), *_]:
                self._source(line, word)
            case ["unicast_src_ip", str(word), *_]:
                self.unicast = True
                self._source(line, word)
            case ["mcast_dst_ip", str(word), *_]:
                self._group(line, word)
            case ["native_ipv6", *_]:
                self._native_ipv6(line)
            case ["use_ipvlan", *words]:
                self._use_ipvlan(line, words)
            case [str(word), *_] if word in _UNICAST:
                self.unicast = True
            case _:
                self._setting(line)

    def _setting(self, line: LogicalLine) -> None:
        """A line that has no say in the family."""
        self._closing.line(line)
        match line.words:
            case ["interface", str(name), *_]:
                self._interface(line, name)
            case ["virtual_router_id", str(word), *_]:
                # vrrp_vrid_handler, 1083: nothing may follow the digits here.
                self.router = read_plain(word, 1, _MAX_VRID) or self.router
            case ["version", str(word), *_]:
                self._version(word)
            case ["strict_mode", *rest]:
                self._strict(rest)
            case ["no_virtual_ipaddress", *_]:
                self.no_vips = True
            case ["auth_hmac", *_]:
                self.hmac = True

    def authentication(self, line: LogicalLine) -> None:
        """A line of ``authentication``."""
        match line.words:
            case ["auth_type", "AH", *_]:
                self.auth = Auth.AH
            case ["auth_type", "PASS", *_]:
                self.auth = Auth.PASS
            case ["auth_pass", str(word), *_]:
                self.password = bool(word)

    def peer(self, line: LogicalLine) -> None:
        """A line of ``unicast_peer`` (alloc_vrrp_unicast_peer, vrrp_data.c:970-1022)."""
        if (peer := self._address(line, line.words[0], "unicast_peer")) is not None:
            self.peers.append(peer)

    def vip(self, line: LogicalLine) -> None:
        """A line of ``virtual_ipaddress`` (alloc_vrrp_vip, vrrp_data.c:1113; 2.4.3: 1219)."""
        if (vip := self._vip(line)) is None:
            return
        if self._agrees(line, vip.address):
            if not self._has(vip, excluded=False):
                self.vips.append(vip)
            return
        self._say(
            line,
            f"keepalived drops {line.words[0]} of vrrp_instance {self.name}, {self._why()}: write "
            "it into virtual_ipaddress_excluded, or give it a vrrp_instance of its own",
        )

    def excluded_vip(self, line: LogicalLine) -> None:
        """A line of ``virtual_ipaddress_excluded``: of whichever family, and it decides nothing
        (alloc_vrrp_evip, vrrp_data.c:1141).
        """
        vip = self._vip(line)
        if vip is not None and not self._has(vip, excluded=True):
            self.excluded.append(vip)

    def settle(self, defaults: VrrpDefaults) -> None:
        """What holds where nothing said otherwise (vrrp_complete_instance, vrrp.c:2829)."""
        self.family = self.family or Family.INET
        self.strict = defaults.strict if self.strict is None else self.strict
        if self.family is Family.INET6 and (self.strict or not self.version):
            self.version = 3
        self.version = self.version or defaults.version
        self.closing = self._closing.settled(
            defaults, self.dialect, self.version, strict=self.strict
        )
        if self.interface is None and self.dialect.runs_without_interface:
            self.vips = self._placed(self.vips)
            self.excluded = self._placed(self.excluded)

    def settled_as(self) -> VrrpInstance:
        """What is left of it, once that is settled."""
        held = (vip.address for vip in (*self.vips, *self.excluded))
        return VrrpInstance(
            self.name,
            self.origin,
            self.interface,
            tuple(dict.fromkeys(held)),
            self.family or Family.INET,
            self._speaks_ah(),
            self.closing,
        )

    def _placed(self, vips: list[VirtualAddress]) -> list[VirtualAddress]:
        """vrrp_complete_instance (2.2.7: 3768-3772): without an interface an address needs one
        of its own.
        """
        if not self.unicast:
            return vips
        for vip in vips:
            if vip.device is None:
                message = (
                    f"keepalived drops {vip.address} of vrrp_instance {self.name}, which has no "
                    "interface: give it a 'dev'"
                )
                self.problems.append(Problem(self.origin, message))
        return [vip for vip in vips if vip.device is not None]

    def _speaks_ah(self) -> bool:
        """vrrp.c:2923-2946 (2.4.3: 119-151 for auth_hmac): what takes authentication away."""
        away = self.strict or self.version != VERSIONS[0] or not self.password or self.hmac
        return self.auth is Auth.AH and self.family is Family.INET and not away

    def _interface(self, line: LogicalLine, name: str) -> None:
        """vrrp_int_handler, 812-832: too long a name changes nothing, a loopback is none."""
        if len(name.encode(errors="surrogateescape")) <= MAX_INTERFACE:
            self.interface = None if name == _LOOPBACK else name
            return
        self._say(
            line,
            f"keepalived passes over interface {name!r}, which is longer than {MAX_INTERFACE} "
            "characters: write a name that an interface can have",
        )

    def _version(self, word: str) -> None:
        """vrrp_version_handler, 1845-1864: one that contradicts what is settled is ignored."""
        version = read_unsigned(word, *VERSIONS)
        if version is None or (self.version and self.version != version):
            return
        if not (version == VERSIONS[0] and self.family is Family.INET6):
            self.version = version

    def _strict(self, words: list[str]) -> None:
        if not words or words[0] in _TRUE:
            self.strict = True
        elif words[0] in _FALSE:
            self.strict = False

    def _source(self, line: LogicalLine, word: str) -> None:
        """vrrp_srcip_handler, 908-930 (2.4.3: 966-987)."""
        self.source = self._address(line, word, line.words[0])

    def _group(self, line: LogicalLine, word: str) -> None:
        """vrrp_mcast_dstip_handler, 942-969: it decides on the family before it is looked at."""
        self.group = None
        if (address := self._address(line, word, "mcast_dst_ip")) is None:
            return
        self.group = multicast(word, Family.of(address))
        if self.group is None:
            self._say(line, f"keepalived passes over mcast_dst_ip {word}: write a multicast group")

    def _native_ipv6(self, line: LogicalLine) -> None:
        """vrrp_native_ipv6_handler, 772-784."""
        if self.family is Family.INET:
            self._say(
                line, f"keepalived passes over native_ipv6 here, {self._why()}: write it before"
            )
            return
        self._settled(line, Family.INET6)
        self.version = 3

    def _use_ipvlan(self, line: LogicalLine, words: list[str]) -> None:
        """vrrp_ipvlan_handler, 596-720: the first line of them, and the first address in it."""
        if self._ipvlan:
            return
        self._ipvlan = True
        for word in words:
            if word in _IPVLAN_TYPES or (address := _with_prefix(word)) is None:
                continue
            if self._agrees(line, address):
                self.source = self.source or address
                return
            self._say(line, f"keepalived passes over {word} of use_ipvlan, {self._why()}")

    def _vip(self, line: LogicalLine) -> VirtualAddress | None:
        vip = virtual_address(line.words)
        if isinstance(vip, Dropped):
            self._say(
                line,
                f"keepalived drops {' '.join(line.words)!r} of vrrp_instance {self.name}, since "
                f"{vip.reason}: {vip.advice}",
                marks_named(line.words),
            )
            return None
        for doubt in vip.doubts:
            self._say(line, f"keepalived {doubt}")
        return vip

    def _has(self, vip: VirtualAddress, *, excluded: bool) -> bool:
        """vip_is_duplicate (2.4.3: vrrp_data.c:1182-1216): by address, and where one of both is
        excluded, by ``dev`` too. Families are not told apart there.
        """
        if not self.dialect.drops_duplicates:
            return False
        here = [old for old in self.vips if not excluded or old.device == vip.device]
        beside = [
            old
            for old in self.excluded
            if old.device == vip.device and old.address.version == vip.address.version
        ]
        length = len(vip.address.packed)
        new = vip.address.packed
        return any(old.address.packed.ljust(16, b"\0")[:length] == new for old in here + beside)

    def _address(self, line: LogicalLine, word: str, keyword: str) -> Address | None:
        """An address that has to be of the instance's family, or decides on it."""
        found = endpoint(word)
        if found is None:
            self._say(line, f"keepalived passes over {keyword} {word!r}: write an address")
        elif self._agrees(line, found.address):
            return found.address
        else:
            self._say(
                line,
                f"keepalived passes over {keyword} {word}, {self._why()}: write an address of "
                "that family, or write this one first",
            )
        return None

    def _agrees(self, line: LogicalLine, address: Address) -> bool:
        family = Family.of(address)
        if self.family is None:
            self._settled(line, family)
        return self.family is family

    def _settled(self, line: LogicalLine, family: Family) -> None:
        if self.family is None:
            self.settled = line.origin
        self.family = family

    def _why(self) -> str:
        name = "IPv4" if self.family is Family.INET else "IPv6"
        return f"since {self.settled} makes it an instance of {name}"

    def _say(self, line: LogicalLine, message: str, marks: tuple[int, ...] = ()) -> None:
        self.problems.append(Problem(line.origin, message, marks))


def _with_prefix(word: str) -> Address | None:
    """check_valid_ipaddress (lib/utils.c:605): an address, or one with a proper prefix."""
    text, slash, prefix = word.partition("/")
    address = parse_address(text) if ":" in word or "." in word else None
    if address is None or not slash:
        return address
    return address if read_plain(prefix, 0, address.max_prefixlen) is not None else None
