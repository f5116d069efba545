"""Which rules have the kernel track connections: it does so while one of them is there.

Sources: nf_ct_netns_get in net/netfilter/nft_ct.c, nft_nat.c, nft_masq.c, xt_conntrack.c,
xt_connmark.c, xt_CT.c, xt_nat.c. A table nat without one of them is met by no packet (measured).
"""

from lvsmarkd.model.fields import Field
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    ConntrackTemplate,
    Effect,
    FieldTest,
    Opaque,
    Other,
    RestoreMark,
    RuleSpec,
    SaveMark,
    SetConnmark,
    SetsUnknownConnmark,
    SetTest,
    StateTest,
    TranslateDestination,
    When,
)

_FIELDS = frozenset({Field.CT_STATE, Field.CT_DIRECTION, Field.CT_STATUS, Field.CONNMARK})
_MODULES = frozenset({"connlimit", "connbytes", "conntrack", "helper"})
_TARGETS = frozenset({"MASQUERADE", "SNAT", "masquerade", "snat"})


def asks_conntrack(spec: RuleSpec) -> bool:
    """Whether a rule is one of them."""
    return any(map(_asks, spec.conditions)) or any(map(_needs, spec.effects))


def _asks(condition: Condition) -> bool:
    match condition:
        case StateTest() | ConnmarkTest():
            return True
        case FieldTest(field):
            return field in _FIELDS
        case SetTest(lookup):
            return not _FIELDS.isdisjoint(part for part in lookup.key if isinstance(part, Field))
        case Opaque(module):
            return module in _MODULES
        case _:
            return False


def _needs(effect: Effect) -> bool:
    match effect:
        case SetConnmark() | SaveMark() | RestoreMark() | SetsUnknownConnmark():
            return True
        case TranslateDestination() | ConntrackTemplate():
            return True
        case Other(target):
            return target in _TARGETS
        case When(spec):
            return asks_conntrack(spec)
        case _:
            return False
