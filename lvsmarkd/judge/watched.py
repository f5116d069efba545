"""What rules of others mark for a service that nobody declared, and how to declare just that."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lvsmarkd.judge.desired import Coverage, Desired, Policy
from lvsmarkd.judge.foreign import givers, marked_by_others
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.flow import Flow, PortRange, Transport
from lvsmarkd.model.observed import Chain, ForeignRule, Observed
from lvsmarkd.model.rule import ChainKey, Hook, Match, Plane, Rule, SetMark, flows_of
from lvsmarkd.model.service import MAX_MARK, ServiceKey


@dataclass(frozen=True, slots=True)
class Watched:
    """The flows of the rules that mark a service, and those rules that no flow can describe: a
    condition narrows them that is not understood, or about the sender.
    """

    flows: tuple[Flow, ...] = ()
    obscure: tuple[ForeignRule, ...] = ()


def watched(key: ServiceKey, observed: Observed) -> Watched:
    """What foreign rules mark for a service."""
    flows: dict[Flow, None] = {}
    obscure = []
    for rule in givers(key, observed):
        own = _flows(key, rule)
        if own is None:
            obscure.append(rule)
        else:
            flows |= dict.fromkeys(own)
    return Watched(tuple(flows), tuple(obscure))


def advice(key: ServiceKey, desired: Desired, observed: Observed) -> str | None:
    """What to paste, to declare a service: what rules of others mark for it, as far as they are
    understood, else the guess. None where nothing is to be declared.
    """
    guess = desired.suggestions.get(key)
    if guess is None:
        return None
    flows = tuple(_keepable(watched(key, observed).flows, desired.policy))
    return "\n".join(_annotations(key.mark, flows)) or guess.text()


def _flows(key: ServiceKey, rule: ForeignRule) -> tuple[Flow, ...] | None:
    """The flows that a rule marks; None where that cannot be said by flows."""
    masked = isinstance(rule.effect, SetMark) and rule.effect.mask != MAX_MARK
    if rule.partial or rule.guards or masked:
        return None
    match = Match()
    for each in rule.path:
        both = _both(match, each)
        if both is None:
            return ()  # no packet meets it
        match = both
    if match.protocol is not None and match.protocol not in set(Transport):
        return None
    return flows_of(Rule(key.family, Hook.PREROUTING, match, SetMark(key.mark), key.mark))


def _both(one: Match, other: Match) -> Match | None:
    """What matches both; None where nothing does."""
    protocols = {one.protocol, other.protocol} - {None}
    interfaces = {one.in_interface, other.in_interface} - {None}
    networks = [n for n in (one.destination, other.destination) if n is not None]
    ports = one.ports or other.ports
    if one.ports and other.ports:
        ports = tuple(_shared(one.ports, other.ports))
        if not ports:
            return None
    if len(protocols) > 1 or len(interfaces) > 1:
        return None
    if len(networks) > 1 and not networks[0].overlaps(networks[1]):
        return None
    return Match(
        max(networks, key=lambda network: network.prefixlen, default=None),
        next(iter(protocols), None),
        ports,
        next(iter(interfaces), None),
        tuple(sorted({*one.not_from_mac, *other.not_from_mac})),
    )


def _shared(some: Iterable[PortRange], others: tuple[PortRange, ...]) -> Iterator[PortRange]:
    for one in some:
        for other in others:
            if one.overlaps(other):
                yield PortRange(max(one.first, other.first), min(one.last, other.last))


def _keepable(flows: Iterable[Flow], policy: Policy) -> Iterator[Flow]:
    """Flows that the firewall can hold: in a zone of firewalld's that is entered by an interface,
    a rule of ours need not name it.
    """
    for flow in flows:
        bare = replace(flow, in_interface=None) if policy.refusal(flow) else flow
        if not policy.refusal(bare):
            yield bare


_Ports = tuple[tuple[Transport | None, tuple[PortRange, ...]], ...]


def _annotations(mark: int, flows: Iterable[Flow]) -> Iterator[str]:
    """As few declarations as say these flows: one for all destinations that have the same."""
    spans: dict[Flow, dict[Transport | None, set[PortRange | None]]] = {}
    for flow in flows:
        bare = replace(flow, transport=None, ports=None)
        spans.setdefault(bare, {}).setdefault(flow.transport, set()).add(flow.ports)
    alike: dict[tuple[_Ports, tuple[str, ...], str | None], list[str]] = {}
    for bare, by_transport in spans.items():
        same = (_ports(by_transport), bare.not_from_mac, bare.in_interface)
        alike.setdefault(same, []).append(str(Flow(bare.destination)))
    for (ports, macs, interface), to in alike.items():
        words = [f"# lvsmarkd: fwmark {mark} to {','.join(to)}"]
        for transport, ranges in ports:
            words += [str(transport), *filter(None, [",".join(map(str, ranges))])]
        words += [f"not-from-mac {','.join(macs)}"] if macs else []
        words += [f"in-interface {interface}"] if interface else []
        yield " ".join(words)


def _ports(by_transport: dict[Transport | None, set[PortRange | None]]) -> _Ports:
    """Each transport with its ports, none where all are meant; nothing where every packet is."""
    if None in by_transport:
        return ()
    return tuple(
        (transport, () if None in ports else tuple(sorted(filter(None, ports))))
        for transport, ports in by_transport.items()
    )


def fleeting(desired: Desired, observed: Observed) -> Iterator[Finding]:
    """Services that only others mark, where these do so only until the next reload or boot.

    Where there is no permanent plane (iptables), others see to that, and nothing can be said.
    """
    for key, coverage in sorted(desired.coverage.items()):
        permanent = observed.chains.get(ChainKey(Plane.PERMANENT, key.family, Hook.PREROUTING))
        if coverage is not Coverage.NONE or not isinstance(permanent, Chain):
            continue
        giving = [
            rule
            for rule in observed.foreign
            if rule.chain_key == ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)
            and isinstance(rule.effect, SetMark)
            and rule.effect.value == key.mark
        ]
        lasting = marked_by_others(key, observed, Plane.PERMANENT)
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
                paste=advice(key, desired, observed) or "",
            )
