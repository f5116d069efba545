"""Any tables, chains, rules, sets and elements, for Hypothesis."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.datatypes import DataType, Value
from lvsmarkd.netfilter.nftables.expressions import (
    VERDICT_REGISTER,
    Bitwise,
    Cmp,
    CmpRange,
    Comparison,
    Counts,
    CtKey,
    Expression,
    FibResult,
    Immediate,
    LoadCt,
    LoadFib,
    LoadMeta,
    MetaKey,
    NftVerdict,
    Payload,
    PayloadBase,
    SetLookup,
    StoreCt,
    StoreMeta,
    UnknownExpression,
    VerdictCode,
)
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    ChainType,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    TableFlag,
    TableId,
)

names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
comments = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
registers = st.integers(0, 15)
_values = st.binary(min_size=1, max_size=16)
_counters = st.integers(0, 2**64 - 1)

verdicts = st.one_of(
    st.builds(NftVerdict, st.sampled_from([code for code in VerdictCode if code > -3])),
    st.builds(NftVerdict, st.sampled_from([VerdictCode.JUMP, VerdictCode.GOTO]), names),
)
expressions: st.SearchStrategy[Expression] = st.one_of(
    st.builds(
        Payload, st.sampled_from(PayloadBase), st.integers(0, 255), st.integers(1, 16), registers
    ),
    st.builds(LoadMeta, st.sampled_from(MetaKey), registers),
    st.builds(StoreMeta, st.sampled_from(MetaKey), registers),
    st.builds(LoadCt, st.sampled_from(CtKey), st.none() | st.integers(0, 1), registers),
    st.builds(StoreCt, st.sampled_from(CtKey), registers),
    st.builds(LoadFib, st.sampled_from(FibResult), st.integers(1, 31), registers),
    st.builds(Cmp, _values, st.sampled_from(Comparison), registers),
    st.builds(CmpRange, _values, _values, st.sampled_from(Comparison), registers),
    st.builds(Bitwise, st.integers(1, 16), _values, _values, registers, registers),
    st.builds(SetLookup, names, registers, st.none() | registers, st.booleans()),
    st.builds(Immediate, _values, registers),
    st.builds(Immediate, verdicts, st.just(VERDICT_REGISTER)),
    st.builds(Counts, _counters, _counters),
    st.builds(
        UnknownExpression,
        st.sampled_from(["limit", "log", "xfrm"]),
        st.binary(max_size=8).map(lambda data: wire.attribute(1, data)),
    ),
)

table_ids = st.builds(TableId, st.sampled_from(NftFamily), names)
tables = st.builds(
    NftTable,
    table_ids,
    st.integers(0, 7).map(TableFlag),
    comments,
    st.integers(0, 2**32 - 1),
)
_hooks = [Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING]
_bases = st.builds(
    ChainBase,
    st.sampled_from(_hooks),
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from(ChainType),
    drops=st.booleans(),
)
_of_ip = st.builds(TableId, st.sampled_from([NftFamily.INET, NftFamily.IP, NftFamily.IP6]), names)
chains = st.builds(NftChain, _of_ip, names, st.none() | _bases)
rules = st.builds(
    NftRule,
    table_ids,
    names,
    st.lists(expressions, max_size=6).map(tuple),
    comments,
    st.integers(0, 2**64 - 1),
)

FIELDS = [each for each in DataType if each is not DataType.VERDICT]
_keys = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=5).map(tuple)


@st.composite
def sets(draw: st.DrawFn) -> NftSet:
    """A set or a map that the kernel can hold."""
    key = draw(_keys)
    ordered = DataType.MARK not in key and key != (DataType.IFNAME,)
    return NftSet(
        draw(table_ids),
        draw(names),
        key,
        draw(st.none() | st.sampled_from(DataType)),
        interval=ordered and draw(st.booleans()),
        counters=draw(st.booleans()),
        size=draw(st.integers(0, 2**32 - 1)),
        comment=draw(comments),
    )


def values(kind: DataType) -> st.SearchStrategy[Value]:
    """Any values of a type."""
    match kind:
        case DataType.IPV4_ADDR:
            return st.integers(0, 2**32 - 1).map(IPv4Address)
        case DataType.IPV6_ADDR:
            return st.integers(0, 2**128 - 1).map(IPv6Address)
        case DataType.ETHER_ADDR:
            return st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))
        case DataType.IFNAME:
            return st.from_regex(r"[a-z][a-z0-9.]{0,14}", fullmatch=True)
        case _:
            return st.integers(0, 256**kind.length - 1)


@st.composite
def filled_sets(draw: st.DrawFn) -> tuple[NftSet, tuple[NftElement, ...]]:
    """A set, and elements that it can hold together, sorted by keys."""
    of = draw(sets())
    keys = st.tuples(*map(values, of.key)).map(lambda key: of.element(*key, data=None).start)
    found = sorted(draw(st.sets(keys, max_size=8)))
    if of.interval:
        found = found[: len(found) // 2 * 2]
        pairs = list(zip(found[::2], found[1::2], strict=True))
    else:
        pairs = [(key, key) for key in found]
    counts = st.builds(Counts, _counters, _counters) if of.counters else st.none()
    return of, tuple(NftElement(start, end, draw(_data(of)), draw(counts)) for start, end in pairs)


def _data(of: NftSet) -> st.SearchStrategy[bytes | NftVerdict | None]:
    if of.data is None:
        return st.none()
    if of.data is DataType.VERDICT:
        return verdicts
    return st.binary(min_size=of.data.length, max_size=of.data.length)
