"""Marks of services that somebody else uses too."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.claim import Claim, Use
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.service import Service


def overlaps(services: Iterable[Service], claims: Iterable[Claim]) -> tuple[Finding, ...]:
    """Every service whose mark concerns somebody else: whom, and what becomes of its packets.

    A warning; a note where the claim on the mark is meant (see `Claim`).
    """
    known = tuple(dict.fromkeys(claims))
    return tuple(finding for service in services for finding in _of(service, known))


def _of(service: Service, claims: tuple[Claim, ...]) -> Iterator[Finding]:
    key = service.key
    for claim in claims:
        if claim.family in (None, key.family) and claim.concerns(key.mark):
            yield Finding(
                Kind.CLAIMED,
                Severity.NOTE if claim.meant else Severity.WARNING,
                _sentence(key.mark, claim),
                key,
                family=key.family,
                origins=service.origins,
            )


def _sentence(mark: int, claim: Claim) -> str:
    who = f"{claim.owner} ({claim.where})"
    if claim.meant:
        return (
            f"{who} routes packets with mark {mark} by a table of their own; leave it if that is"
            " how they reach IPVS, else choose another mark"
        )
    match claim.use:
        case Use.ROUTE:
            return (
                f"{who} routes packets with mark {mark} otherwise than those without a mark, so"
                " that they may not reach IPVS; choose another mark"
            )
        case Use.MATCH:
            return f"{who} takes packets with mark {mark} for its own; choose another mark"
        case Use.FIELD:
            return (
                f"{who} uses {claim}, and mark {mark} has {mark & claim.mask:#x} of them: it may"
                " take these packets for its own, and once it changes a bit IPVS does not know"
                " them; choose a mark without these bits"
            )
