"""All declarations together: names become addresses, and no packet gets two marks."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.declarations.union import union
from lvsmarkd.model.declaration import Declaration, Declared, DeclaredFlow, DeclaredName
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.lanes import Lanes
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.refusal import RefusalError, nearest
from lvsmarkd.model.service import Address, Family, Network, ServiceKey

_NAMES_SHOWN = 10


def resolve(
    declarations: Iterable[Declaration],
    instances: Iterable[VrrpInstance],
    used: Collection[ServiceKey] | None = None,
) -> Declared:
    """What is declared for each service, and what cannot be followed.

    ``used`` are the services that there are, where they are known: a declaration for another
    makes no rule, and so takes no packet from anybody.

    A name stands for all addresses of its vrrp_instance; the family of an address is that of
    the service. A name without addresses, and packets that two marks claim, are problems,
    fatal for their marks; what else is declared is there nevertheless. Pure; never raises.
    """
    vips: dict[str, tuple[Address, ...]] = {}
    for instance in instances:
        vips[instance.name] = vips.get(instance.name, ()) + instance.vips
    problems: list[Problem] = []
    claims: list[_FlowClaim] = []
    spelt_out: set[ServiceKey] = set()
    names: dict[int, tuple[DeclaredName, ...]] = {}
    for declaration in declarations:
        networks: list[Network] = []
        for target in declaration.to:
            if isinstance(target, str):
                name = DeclaredName(target, declaration.origin)
                names[declaration.mark] = (*names.get(declaration.mark, ()), name)
            else:
                spelt_out.add(ServiceKey(Family.of(target), declaration.mark))
            try:
                networks += _networks(target, vips)
            except RefusalError as refusal:
                problems.append(
                    Problem(declaration.origin, str(refusal), (declaration.mark,), fatal=True)
                )
        claims += _claims(declaration, networks)
    by_key: dict[ServiceKey, list[DeclaredFlow]] = {}
    for claim in claims:
        by_key.setdefault(claim.key, []).append(claim.declared)
    flows = {key: union(declared) for key, declared in by_key.items()}
    named = frozenset(flows.keys() - spelt_out)
    rivals = [claim for claim in claims if used is None or claim.key in used]
    return Declared(flows, (*problems, *_conflicts(rivals)), named, names)


class _FlowClaim(Struct, frozen=True):
    """One flow of one declaration."""

    key: ServiceKey
    declared: DeclaredFlow

    @property
    def mark(self) -> int:
        """The mark that it gives the packets."""
        return self.key.mark

    def __str__(self) -> str:
        return f"{self.declared.flow} under mark {self.mark} ({self.declared.origin})"


def _networks(target: Network | str, vips: Mapping[str, tuple[Address, ...]]) -> list[Network]:
    """The networks that a target stands for. Raises RefusalError."""
    if not isinstance(target, str):
        return [target]
    if target not in vips:
        raise _unknown(target, vips)
    if not vips[target]:
        hint = f"give {target} one in keepalived.conf, or write the addresses themselves"
        raise RefusalError(target, "a vrrp_instance with a virtual_ipaddress", hint)
    # By number: the scope of a link-local address is no part of what packets bear.
    return [
        IPv4Network(int(vip)) if Family.of(vip) is Family.INET else IPv6Network(int(vip))
        for vip in vips[target]
    ]


def _unknown(name: str, known: Iterable[str]) -> RefusalError:
    names = sorted(known)
    if not names:
        hint = "keepalived.conf has no vrrp_instance, so write the addresses themselves"
        return RefusalError(name, "an address", hint)
    listed = ", ".join(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        listed += f" and {len(names) - _NAMES_SHOWN} more"
    expected = f"an address or the name of a vrrp_instance in keepalived.conf ({listed})"
    near = nearest(name, names)
    lookup = "host names are not looked up" if "." in name else ""
    return RefusalError(name, expected, f"did you mean {near}?" if near else lookup)


def _claims(declaration: Declaration, networks: Iterable[Network]) -> Iterator[_FlowClaim]:
    parts = [
        Packets(
            protocol=int(each.transport),
            ports=() if each.ports is None else (each.ports,),
            qualifiers=declaration.qualifiers,
        )
        for each in declaration.ports
    ] or [Packets(qualifiers=declaration.qualifiers)]
    for network in networks:
        for part in parts:
            declared = DeclaredFlow(
                flow=replace(part, destination=network),
                accept=declaration.accept,
                origin=declaration.origin,
            )
            yield _FlowClaim(ServiceKey(Family.of(network), declaration.mark), declared)


def _conflicts(claims: Sequence[_FlowClaim]) -> list[Problem]:
    """One problem for each two marks that claim the same packets."""
    lanes = Lanes((claim.declared.flow, claim) for claim in claims)
    found: dict[tuple[int, int], tuple[_FlowClaim, _FlowClaim]] = {}
    for claim in claims:
        for _, other in lanes.around(claim.declared.flow):
            if other.mark != claim.mark:
                first, second = (claim, other) if claim.mark < other.mark else (other, claim)
                found.setdefault((first.mark, second.mark), (first, second))
    return [
        Problem(
            second.declared.origin,
            f"found {first} and {second}, expected one mark for each packet:"
            " take the flow out of one of the two declarations",
            marks,
            fatal=True,
        )
        for marks, (first, second) in sorted(found.items(), key=lambda item: item[0])
    ]
