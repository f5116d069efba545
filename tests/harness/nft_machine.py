"""What a table of ours does to a packet of the small universe, expression by expression: told in
the plainest way, as nf_tables_core.c goes about it.
"""

from ipaddress import IPv4Address
from sys import byteorder

from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables.datatypes import DataType, key_length, packed, padded
from lvsmarkd.netfilter.nftables.expressions import (
    Bitwise,
    Cmp,
    CmpRange,
    Comparison,
    Counts,
    Expression,
    Immediate,
    LoadMeta,
    MetaKey,
    NftVerdict,
    Payload,
    PayloadBase,
    SetLookup,
    StoreMeta,
    VerdictCode,
)
from lvsmarkd.netfilter.nftables.objects import NftElement, NftRule, NftSet, TableContents
from tests.model.universe import Packet


class Machine:
    """One packet on its way through the chains of a table at PREROUTING."""

    def __init__(self, table: TableContents, packet: Packet, mark: int = 0) -> None:
        self.table = table
        self.packet = packet
        self.mark = mark
        self.found: list[NftElement] = []
        """The elements that it was found by, of maps of marks."""
        self._registers = bytearray(64)

    def run(self) -> int:
        """Its mark at the end."""
        for chain in self.table.chains:
            base = getattr(chain, "base", None)
            if base is not None and base.hook is Hook.PREROUTING:
                self._chain(chain.name)
        return self.mark

    def _chain(self, name: str) -> VerdictCode:
        """ACCEPT or DROP where it ends the way, CONTINUE where the chain ends."""
        for rule in self.table.rules[name]:
            verdict = self._rule(rule)
            match verdict.code:
                case VerdictCode.RETURN:
                    break
                case VerdictCode.ACCEPT | VerdictCode.DROP as code:
                    return code
                case VerdictCode.JUMP | VerdictCode.GOTO as code:
                    ended = self._chain(verdict.chain)
                    if ended is not VerdictCode.CONTINUE or code is VerdictCode.GOTO:
                        return ended
        return VerdictCode.CONTINUE

    def _rule(self, rule: NftRule) -> NftVerdict:
        for each in rule.expressions:
            match each:
                case Immediate(NftVerdict() as verdict):
                    return verdict
                case SetLookup():
                    verdict = self._lookup(each)
                    if verdict.code is not VerdictCode.CONTINUE:
                        return verdict
                case Cmp() | CmpRange():
                    if not self._compares(each):
                        return NftVerdict(VerdictCode.BREAK)
                case _:
                    self._do(each)
        return NftVerdict(VerdictCode.CONTINUE)

    def _compares(self, test: Cmp | CmpRange) -> bool:
        match test:
            case Cmp(data, comparison, register):
                assert comparison in {Comparison.EQ, Comparison.NEQ}
                equal = self._register(register, len(data)) == data
                return equal is (comparison is Comparison.EQ)
            case CmpRange(first, last, comparison, register):
                assert comparison is Comparison.EQ
                return first <= self._register(register, len(first)) <= last

    def _do(self, step: Expression) -> None:
        match step:
            case Counts():
                pass
            case Immediate(bytes() as data, register):
                self._load(register, data)
            case LoadMeta(key, register):
                self._load(register, self._meta(key))
            case StoreMeta(MetaKey.MARK, register):
                self.mark = int.from_bytes(self._register(register, 4), byteorder)
            case Payload(base, offset, length, register):
                self._load(register, self._payload(base, offset, length))
            case Bitwise(length, mask, xor, source, register):
                held = self._register(source, length)
                masked = zip(held, mask, xor, strict=True)
                self._load(register, bytes((one & bits) ^ flip for one, bits, flip in masked))
            case _:
                raise AssertionError(f"what is {step}?")

    def _lookup(self, lookup: SetLookup) -> NftVerdict:
        (of,) = [each for each in self.table.sets if each.name == lookup.name]
        assert isinstance(of, NftSet)
        key = self._register(lookup.source, key_length(of.key))
        found = [each for each in self.table.elements[of.name] if holds(of, each, key)]
        assert len(found) <= 1, f"{of} has a key twice: {found}"
        if bool(found) is lookup.inverted:
            return NftVerdict(VerdictCode.BREAK)
        for each in found:
            match each.data:
                case NftVerdict():
                    return each.data
                case bytes() if lookup.target is not None:
                    self._load(lookup.target, each.data)
                    self.found.append(each)
        return NftVerdict(VerdictCode.CONTINUE)

    def _load(self, register: int, data: bytes) -> None:
        at = 4 * register
        self._registers[at : at + padded(len(data))] = data.ljust(padded(len(data)), b"\0")

    def _register(self, register: int, length: int) -> bytes:
        return bytes(self._registers[4 * register : 4 * register + length])

    def _meta(self, key: MetaKey) -> bytes:
        match key:
            case MetaKey.MARK:
                return packed(DataType.MARK, self.mark)
            case MetaKey.NFPROTO:
                return b"\x02" if isinstance(self.packet.to, IPv4Address) else b"\x0a"
            case MetaKey.L4PROTO:
                return packed(DataType.INET_PROTO, self.packet.protocol)
            case MetaKey.IIFNAME:
                return packed(DataType.IFNAME, self.packet.interface)
            case MetaKey.IIFTYPE:
                return (1).to_bytes(2, byteorder)
        raise AssertionError(f"what is {key}?")

    def _payload(self, base: PayloadBase, offset: int, length: int) -> bytes:
        network = 16 if isinstance(self.packet.to, IPv4Address) else 24
        match base, offset:
            case PayloadBase.LINK, 6:
                return packed(DataType.ETHER_ADDR, self.packet.mac)
            case PayloadBase.NETWORK, at if at == network:
                return self.packet.to.packed[:length]
            case PayloadBase.TRANSPORT, 2:
                return packed(DataType.INET_SERVICE, self.packet.port or 0)
        raise AssertionError(f"what is at {offset} of {base}?")


def holds(of: NftSet, element: NftElement, key: bytes) -> bool:
    """Whether an element has a key: between its ends in each field."""
    at = 0
    for kind in of.key:
        part = slice(at, at + kind.length)
        if not element.start[part] <= key[part] <= element.end[part]:
            return False
        at += padded(kind.length)
    return True
