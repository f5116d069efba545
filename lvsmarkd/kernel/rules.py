"""Policy routing: the ``ip rule`` entries of both families, who looks at marks in them, and to
which tables they lead.
"""

import struct

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.kernel.local_routes import is_empty
from lvsmarkd.kernel.netlink import (
    NETLINK_ROUTE,
    Dump,
    NetlinkError,
    NetlinkSocket,
    attributes,
    number,
)
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.host import ANY_TABLE, RouteLookup
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0

_GETRULE = 34  # RTM_GETRULE
# struct fib_rule_hdr: family, lengths of dst and src, tos, table, 2 reserved, action, flags
_RULE = struct.Struct("=BBBBBBBBI")
_PRIORITY, _FWMARK, _TABLE, _FWMASK, _PROTOCOL = 6, 10, 15, 16, 21  # FRA_*
_L3MDEV = 19  # FRA_L3MDEV
_OTHER_CONDITIONS = frozenset({1, 2, 3, 12, 17, _L3MDEV, 20, 22, 23, 24})
"""FRA_DST, SRC, IIFNAME, TUN_ID, OIFNAME, L3MDEV, UID_RANGE, IP_PROTO, SPORT_RANGE, DPORT_RANGE."""
_INVERT = 0x2  # FIB_RULE_INVERT: "ip rule add not …"
_KEEPALIVED = 18  # RTPROT_KEEPALIVED: its virtual_rules and static_rules bear it (measured)
_AF = {Family.INET: 2, Family.INET6: 10}
_ACTIONS = {2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}  # FR_ACT_*
_TO_TABLE = 1  # FR_ACT_TO_TBL


def policy_rules(timeout: float = TIMEOUT_SECONDS) -> tuple[MarkClaim, ...] | Unknown:
    """The claims of policy routing, of the calling thread's network namespace.

    Anybody may ask for it. It ends within ``timeout`` seconds. Raises nothing: what could not be
    read is Unknown. A kernel without IPv6 answers for it with nothing.
    """
    try:
        with NetlinkSocket(NETLINK_ROUTE, timeout) as kernel:
            claims: list[MarkClaim] = []
            for family in Family:
                claims += claims_of_rules(_rules_of(kernel, family), family)
            return tuple(claims)
    except NetlinkError as error:
        return Unknown(f"the kernel's policy rules were not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its policy rules: {error.strerror or error}")


def route_lookups(timeout: float = TIMEOUT_SECONDS) -> tuple[RouteLookup, ...] | Unknown:
    """The rules that lead to a routing table, of the calling thread's network namespace; of tables
    for packets of one mark it is asked whether they are empty. As `policy_rules`.
    """
    try:
        with NetlinkSocket(NETLINK_ROUTE, timeout, strict=True) as kernel:
            found: list[RouteLookup] = []
            for family in Family:
                for body in _rules_of(kernel, family).bodies:
                    lookup = _lookup(_PolicyRule.read(body), family)
                    if lookup is not None and lookup.is_for(lookup.value):
                        empty = is_empty(kernel, lookup.table, family)
                        lookup = replace(lookup, is_empty=empty)
                    found += [lookup] if lookup is not None else []
            return tuple(found)
    except NetlinkError as error:
        return Unknown(f"the kernel's policy rules were not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its policy rules: {error.strerror or error}")


def _lookup(rule: "_PolicyRule", family: Family) -> RouteLookup | None:
    if rule.af != _AF[family] or rule.action != _TO_TABLE:
        return None
    by_mark = bool({_FWMARK, _FWMASK} & rule.found.keys())
    # With other conditions, one that is inverted may take any mark.
    mask = rule.number(_FWMASK, MAX_MARK) if by_mark else 0
    others = rule.found.keys() & _OTHER_CONDITIONS
    return RouteLookup(
        family,
        rule.number(_PRIORITY),
        ANY_TABLE if _L3MDEV in rule.found else rule.table,
        rule.number(_FWMARK),
        0 if rule.inverted and others else mask,
        rule.inverted,
    )


def _rules_of(kernel: NetlinkSocket, family: Family) -> Dump:
    return kernel.steady_dump(_GETRULE, _RULE.pack(_AF[family], 0, 0, 0, 0, 0, 0, 0, 0))


def claims_of_rules(answer: Dump, family: Family) -> tuple[MarkClaim, ...]:
    """The rules with a mark in a dump. Raises NetlinkError at a malformed one.

    One that keepalived made (``virtual_rules``, ``static_rules``) is a claim like any other, and
    is named as its: whole, its mark is meant; under a mask it may meet a service by accident.
    """
    return tuple(
        claim
        for body in answer.bodies
        if (claim := _claim(_PolicyRule.read(body), family)) is not None
    )


class _PolicyRule(Struct, frozen=True):
    af: int
    action: int
    inverted: bool
    table: int
    found: dict[int, bytes]

    @classmethod
    def read(cls, body: bytes) -> "_PolicyRule":
        if len(body) < _RULE.size:
            raise NetlinkError(f"a rule of {len(body)} bytes is none")
        af, _, _, _, table, _, _, action, flags = _RULE.unpack_from(body)
        found = attributes(body, _RULE.size)
        if _TABLE in found:
            table = number(found[_TABLE])
        return cls(af, action, bool(flags & _INVERT), table, found)

    def number(self, kind: int, default: int = 0) -> int:
        return number(self.found[kind]) if kind in self.found else default


def _claim(rule: _PolicyRule, family: Family) -> MarkClaim | None:
    # For a family that it does not know the kernel answers with the rules of all.
    if rule.af != _AF[family] or not {_FWMARK, _FWMASK} & rule.found.keys():
        return None
    value, mask = rule.number(_FWMARK), rule.number(_FWMASK, MAX_MARK)
    # Much as `ip rule` prints it.
    words = [f"ip rule {rule.number(_PRIORITY)}:", *(("not",) if rule.inverted else ())]
    words.append(f"fwmark {value:#x}" + ("" if mask == MAX_MARK else f"/{mask:#x}"))
    to_table = rule.action == _TO_TABLE
    words.append(
        f"lookup {rule.table}" if to_table else _ACTIONS.get(rule.action, f"action {rule.action}")
    )
    return MarkClaim(
        value,
        mask,
        "keepalived" if rule.number(_PROTOCOL) == _KEEPALIVED else "policy routing",
        " ".join(words),
        Use.ROUTE,
        family,
        meant=mask == MAX_MARK and not rule.inverted and to_table,
    )
