"""The view of keepalived's parent: it reads global_defs, and starts the checker only if there
is work for it.
"""

from msgspec import Struct

from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler
from lvsmarkd.keepalived.conf.checker_keywords import VIRTUAL_SERVER
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.include_stack import IncludeStack
from lvsmarkd.keepalived.conf.includes import Fatal
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.nftables_ipvs import NftablesIpvs, OpenNftablesIpvs
from lvsmarkd.keepalived.conf.parent_keywords import GLOBAL_DEFS, PARENT
from lvsmarkd.keepalived.conf.stops import KeepalivedStops, incomplete
from lvsmarkd.keepalived.conf.unknown_words import UnknownWords
from lvsmarkd.keepalived.conf.vrrp_defaults import OpenVrrpDefaults, VrrpDefaults
from lvsmarkd.keepalived.conf.vrrp_keywords import VRRP_INSTANCE
from lvsmarkd.model.keepalived import Namespace
from lvsmarkd.model.origin import Origin, Problem

_NAMESPACES = ("net_namespace", "net_namespace_ipvs")
_NEED_VRRP = frozenset({VRRP_INSTANCE, "static_ipaddress", "static_routes", "static_rules"})
_CHECKS = {
    "read": Fatal.UNREADABLE,
    "match": Fatal.MISSING,
    "wildcard_match": Fatal.WILDCARD,
    "brace_match": Fatal.SOME_MISSING,
}


class ParentConfig(Struct, frozen=True):
    """What the parent keeps, as far as marks go."""

    checker_starts: bool = False
    """Whether it meets a virtual_server (core/main.c, running_checker)."""
    nftables_ipvs: NftablesIpvs | None = None
    """Set where keepalived marks the packets of groups of addresses by itself."""
    namespace: Namespace | None = None
    """Where IPVS is, if not where keepalived is started (core/namespaces.c)."""
    vrrp: VrrpDefaults = VrrpDefaults()
    vrrp_starts: bool = False
    """Whether it meets what needs VRRP (have_vrrp_config, vrrp_parser.c:129-402)."""
    strict: Origin | None = None
    """Of ``reload_check_config``, with which keepalived does not start where it warns."""
    warned: tuple[Origin, ...] = ()
    """Where it warns of global_defs."""


class Parent(BlockHandler):
    """What the parent makes of the lines, while they are read: ``include_check`` bears on what
    ``stack`` opens from then on.

    It passes over every block but its own by counting braces, and so sees another structure
    than the checker where they do not balance.
    """

    def __init__(self, stack: IncludeStack, problems: list[Problem]) -> None:
        self._stack = stack
        self._found = self._needs_vrrp = False
        self._complaints = Complaints(problems)
        self._words = UnknownWords(PARENT, stack.dialect)
        self._strict: Origin | None = None
        self._nftables_ipvs = OpenNftablesIpvs(problems)
        self._vrrp = OpenVrrpDefaults()
        self._namespaces: dict[str, Namespace] = {}

    def config(self) -> ParentConfig:
        """What it keeps in the end."""
        spaces = self._namespaces
        namespace = spaces.get("net_namespace_ipvs") or spaces.get("net_namespace")
        return ParentConfig(
            self._found,
            self._nftables_ipvs.close(),
            namespace,
            self._vrrp.close(),
            self._needs_vrrp,
            self._strict,
            tuple(self._complaints.warned),
        )

    def line(self, block: str, line: LogicalLine) -> bool:
        """Take in a line; nothing is skipped for it."""
        if block == TOP and line.words[0] == VIRTUAL_SERVER:
            self._found = True
        elif block == TOP and line.words[0] in _NEED_VRRP:
            self._needs_vrrp = True
        elif block == TOP and line.words[0] in _NAMESPACES and len(line.words) > 1:
            self._namespaces.setdefault(line.words[0], Namespace(line.words[1], line.origin))
        elif block == GLOBAL_DEFS and line.words[0] == "include_check":
            self._stack.always_fatal = _checked(line.words[1:], self._stack.always_fatal)
        elif block == GLOBAL_DEFS and line.words[0] == "reload_check_config":
            self._strict = line.origin
        elif block == GLOBAL_DEFS:
            self._nftables_ipvs.line(line)
            self._vrrp.line(line)
        return False

    def unknown(self, block: str, line: LogicalLine, known: KeywordTable) -> None:
        """Tell of it; what stands at top level, the checker's view tells."""
        if block != TOP:
            self._complaints.tell(line.origin, self._words.message(block, line, known))

    def incomplete(self, block: str, line: LogicalLine) -> None:
        """Exit, as it does."""
        del block
        raise KeepalivedStops(incomplete(line, "exits"))


def _checked(names: list[str], before: Fatal) -> Fatal:
    """lib/parser.c, include_check_set: words alone set, with a sign they add or remove."""
    if not names:
        return Fatal.UNREADABLE | Fatal.MISSING | Fatal.WILDCARD | Fatal.SOME_MISSING
    now = before
    for index, name in enumerate(names):
        sign = name[:1] if name[:1] in {"+", "-"} else ""
        if not sign and not index:
            now = Fatal.NOTHING
        elif not sign:
            continue
        check = _CHECKS.get(name.removeprefix(sign), Fatal.NOTHING)
        now = now & ~check if sign == "-" else now | check
    return now
