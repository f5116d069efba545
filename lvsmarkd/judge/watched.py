"""What rules of others mark for a service that nobody declared, and how to declare just that."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.foreign import givers, marked_by_others
from lvsmarkd.model.declaration import Declaration, Ports
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, Qualifier
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark, flows_of
from lvsmarkd.model.service import MAX_MARK, FlowSource, Network, ServiceKey
from lvsmarkd.model.snapshot import Chain, ForeignRule, Snapshot


class Watched(Struct, frozen=True):
    """The flows of the rules that mark a service, and those rules that no flow can describe: a
    condition narrows them that is not understood, or about the sender.
    """

    flows: tuple[Packets, ...] = ()
    obscure: tuple[ForeignRule, ...] = ()


def watched(key: ServiceKey, snapshot: Snapshot) -> Watched:
    """What foreign rules mark for a service."""
    flows: dict[Packets, None] = {}
    obscure = []
    for rule in givers(key, snapshot):
        own = _flows(key, rule)
        if own is None:
            obscure.append(rule)
        else:
            flows |= dict.fromkeys(own)
    return Watched(tuple(flows), tuple(obscure))


def advice(key: ServiceKey, desired: Desired, snapshot: Snapshot) -> str | None:
    """What to paste, to declare a service: what rules of others mark for it, as far as they are
    understood, else the guess. None where nothing is to be declared.
    """
    guess = desired.suggestions.get(key)
    if guess is None:
        return None
    flows = tuple(_keepable(watched(key, snapshot).flows, desired.policy))
    return "\n".join(_annotations(key.mark, flows)) or guess.text()


def _flows(key: ServiceKey, rule: ForeignRule) -> tuple[Packets, ...] | None:
    """The flows that a rule marks; None where that cannot be said by flows."""
    masked = isinstance(rule.effect, SetMark) and rule.effect.mask != MAX_MARK
    if rule.narrowed or rule.guards or masked:
        return None
    packets = EVERY_PACKET
    for each in rule.path:
        both = packets.intersect(each)
        if both is None:
            return ()  # no packet meets it
        packets = both
    if packets.protocol is not None and packets.protocol not in set(Transport):
        return None
    return flows_of(Rule(key.family, Hook.PREROUTING, packets, SetMark(key.mark), key.mark))


def _keepable(flows: Iterable[Packets], policy: Options) -> Iterator[Packets]:
    """Flows that the firewall can hold: in a zone of firewalld's that is entered by an interface,
    a rule of ours need not name it.
    """
    for flow in flows:
        bare = flow.without(InInterface) if policy.refusal(flow) else flow
        if not policy.refusal(bare):
            yield bare


def _annotations(mark: int, flows: Iterable[Packets]) -> Iterator[str]:
    """As few declarations as say these flows: one for all destinations that have the same."""
    spans: dict[Packets, dict[int | None, list[Packets]]] = {}
    for flow in flows:
        bare = replace(flow, protocol=None, ports=())
        spans.setdefault(bare, {}).setdefault(flow.protocol, []).append(flow)
    alike: dict[tuple[tuple[Ports, ...], tuple[Qualifier, ...]], list[Network]] = {}
    for bare, by_protocol in spans.items():
        if bare.destination is not None:
            same = (tuple(_ports(by_protocol)), bare.qualifiers)
            alike.setdefault(same, []).append(bare.destination)
    for (ports, qualifiers), to in alike.items():
        declaration = Declaration(
            mark=mark, to=tuple(to), ports=ports, origin=Origin(""), qualifiers=qualifiers
        )
        yield f"# lvsmarkd: {declaration.text()}"


def _ports(by_protocol: Mapping[int | None, Iterable[Packets]]) -> Iterator[Ports]:
    """Each transport with its ports, none where all are meant; nothing where every packet is."""
    if None in by_protocol:
        return
    for protocol, flows in by_protocol.items():
        if protocol is not None:
            transport = Transport(protocol)
            if all(flow.ports for flow in flows):
                ranges = sorted({ports for flow in flows for ports in flow.ports})
                yield from (Ports(transport, each) for each in ranges)
            else:
                yield Ports(transport)


def fleeting(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Services that only others mark, where these do so only until the next reload or boot.

    Where there is no permanent plane (iptables), others see to that, and nothing can be said.
    """
    for key, coverage in sorted(desired.coverage.items()):
        permanent = snapshot.chains.get(ChainKey(Plane.PERMANENT, key.family, Hook.PREROUTING))
        if coverage is not FlowSource.NONE or not isinstance(permanent, Chain):
            continue
        giving = [
            rule
            for rule in snapshot.foreign
            if rule.chain_key == ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)
            and isinstance(rule.effect, SetMark)
            and rule.effect.value == key.mark
        ]
        lasting = marked_by_others(key, snapshot, Plane.PERMANENT)
        # What is set past the firewall that has the planes is not its to keep.
        if giving and not lasting and all(rule.fleeting for rule in giving):
            yield Finding(
                Kind.FLEETING,
                f"mark {key.mark} is set by a rule in {giving[0].where} that is in force now and"
                " not in the permanent configuration: the next reload or boot loses it",
                "make it permanent, or declare what the mark stands for",
                service=key,
                plane=Plane.PERMANENT,
                family=key.family,
                rule=giving[0].ref,
                origins=desired.services[key].origins,
                paste=advice(key, desired, snapshot) or "",
            )
