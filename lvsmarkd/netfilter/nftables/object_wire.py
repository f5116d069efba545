"""Tables, chains and rules as the attributes of their messages, and read from these."""

from lvsmarkd.kernel.netlink import NetlinkError, attributes
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_batch import NFGENMSG
from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.expression_wire import expression_parts, read_expression
from lvsmarkd.netfilter.nftables.notes import comment_in, comment_note, userdata
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    ChainType,
    NftChain,
    NftRule,
    NftTable,
    TableFlag,
    TableId,
    UnknownChain,
)

TABLE, NAME = 1, 2
"""The table of a thing in it (NFTA_*_TABLE); the name of a set, the chain of a rule."""
_TABLE_NAME, _TABLE_FLAGS, _TABLE_USERDATA, _TABLE_OWNER = 1, 2, 6, 7  # NFTA_TABLE_*
CHAIN_NAME = 3  # NFTA_CHAIN_NAME
_CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 4, 5, 7  # NFTA_CHAIN_*
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2  # NFTA_HOOK_*
RULE_HANDLE = 3  # NFTA_RULE_HANDLE
_RULE_EXPRESSIONS, _RULE_USERDATA = 4, 7  # NFTA_RULE_*
_ACCEPTS, _DROPS = 1, 0  # NF_ACCEPT, NF_DROP
_COMMENT = 0  # NFTNL_UDATA_TABLE_COMMENT, NFTNL_UDATA_RULE_COMMENT

_HOOKS = {
    Hook.PREROUTING: 0,
    Hook.INPUT: 1,
    Hook.FORWARD: 2,
    Hook.OUTPUT: 3,
    Hook.POSTROUTING: 4,
}
"""NF_INET_*; netdev counts otherwise, and is not written."""
_HOOK_OF: dict[tuple[NftFamily, int], Hook] = {
    (family, number): hook
    for hook, number in _HOOKS.items()
    for family in NftFamily
    if family is not NftFamily.NETDEV
}


def table_parts(table: NftTable) -> bytes:
    """The attributes of a table."""
    return (
        wire.text(_TABLE_NAME, table.id.name)
        + wire.be32(_TABLE_FLAGS, table.flags)
        + userdata(_TABLE_USERDATA, comment_note(_COMMENT, table.comment))
    )


def read_table(body: bytes) -> NftTable:
    """The table of a message. Raises NetlinkError where it is none."""
    family, parts = opened(body)
    return NftTable(
        TableId(family, wire.name(parts.get(_TABLE_NAME, b""))),
        TableFlag(wire.number(parts.get(_TABLE_FLAGS, b""))),
        comment_in(parts.get(_TABLE_USERDATA, b""), _COMMENT),
        wire.number(parts.get(_TABLE_OWNER, b"")),
    )


def chain_parts(chain: NftChain) -> bytes:
    """The attributes of a chain."""
    found = wire.text(TABLE, chain.table.name) + wire.text(CHAIN_NAME, chain.name)
    if (base := chain.base) is None:
        return found
    return (
        found
        + wire.nest(
            _CHAIN_HOOK,
            wire.be32(_HOOK_NUMBER, _HOOKS[base.hook]),
            wire.be32(_HOOK_PRIORITY, base.priority),
        )
        + wire.be32(_CHAIN_POLICY, _DROPS if base.drops else _ACCEPTS)
        + wire.text(_CHAIN_TYPE, base.type)
    )


def read_chain(body: bytes) -> NftChain | UnknownChain:
    """The chain of a message. Raises NetlinkError where it is none."""
    family, parts = opened(body)
    table = TableId(family, wire.name(parts.get(TABLE, b"")))
    name = wire.name(parts.get(CHAIN_NAME, b""))
    if _CHAIN_HOOK not in parts:
        return NftChain(table, name)
    hook = attributes(parts[_CHAIN_HOOK])
    at = _HOOK_OF.get((family, wire.number(hook.get(_HOOK_NUMBER, b""))))
    kind = wire.name(parts.get(_CHAIN_TYPE, b""))
    if at is None or kind not in set(ChainType):
        return UnknownChain(table, name)
    return NftChain(
        table,
        name,
        ChainBase(
            at,
            wire.signed(hook.get(_HOOK_PRIORITY, b"")),
            ChainType(kind),
            drops=wire.number(parts.get(_CHAIN_POLICY, b"\1")) == _DROPS,
        ),
    )


def rule_parts(rule: NftRule) -> bytes:
    """The attributes of a rule."""
    return (
        wire.text(TABLE, rule.table.name)
        + wire.text(NAME, rule.chain)
        + (wire.be64(RULE_HANDLE, rule.handle) if rule.handle else b"")
        + wire.listed(_RULE_EXPRESSIONS, map(expression_parts, rule.expressions))
        + userdata(_RULE_USERDATA, comment_note(_COMMENT, rule.comment))
    )


def read_rule(body: bytes) -> NftRule:
    """The rule of a message. Raises NetlinkError where it is none."""
    family, parts = opened(body)
    return NftRule(
        TableId(family, wire.name(parts.get(TABLE, b""))),
        wire.name(parts.get(NAME, b"")),
        tuple(map(read_expression, wire.list_of(parts.get(_RULE_EXPRESSIONS, b"")))),
        comment_in(parts.get(_RULE_USERDATA, b""), _COMMENT),
        wire.number(parts.get(RULE_HANDLE, b"")),
    )


def opened(body: bytes) -> tuple[NftFamily, dict[int, bytes]]:
    """The family and the attributes of a message. Raises NetlinkError where it has none of ours."""
    if len(body) < NFGENMSG.size:
        raise NetlinkError(f"a message of {len(body)} bytes is none")
    number = NFGENMSG.unpack_from(body)[0]
    try:
        return NftFamily(number), attributes(body, NFGENMSG.size)
    except ValueError as error:
        raise NetlinkError(f"family {number} is none of those that are written") from error
