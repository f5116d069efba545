"""Marks of services that somebody else uses too."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.service import Service


def overlaps(services: Iterable[Service], claims: Iterable[MarkClaim]) -> tuple[Finding, ...]:
    """Every service whose mark concerns somebody else: whom, and what becomes of its packets.

    A warning; a note where the claim on the mark is meant (see `MarkClaim`).
    """
    known = tuple(dict.fromkeys(claims))
    return tuple(finding for service in services for finding in _of(service, known))


def _of(service: Service, claims: tuple[MarkClaim, ...]) -> Iterator[Finding]:
    key = service.key
    for claim in claims:
        if claim.family in (None, key.family) and claim.concerns(key.mark):
            fact, advice = _words(key.mark, claim)
            yield Finding(
                Kind.CLAIMED,
                fact,
                advice,
                graded=Severity.NOTE if claim.meant else None,
                service=key,
                family=key.family,
                origins=service.origins,
                subject=claim,
            )


def _words(mark: int, claim: MarkClaim) -> tuple[str, str]:
    """What somebody's claim does to packets with a mark, and what to do about it."""
    who = f"{claim.owner} ({claim.where})"
    if claim.meant:
        fact = f"{who} routes packets with mark {mark} by a table of their own"
        return fact, "leave it if that is how they reach IPVS, else choose another mark"
    match claim.use:
        case Use.ROUTE:
            fact = (
                f"{who} routes packets with mark {mark} otherwise than those without a mark, so"
                " that they may not reach IPVS"
            )
        case Use.MATCH:
            fact = f"{who} takes packets with mark {mark} for its own"
        case Use.FIELD:
            fact = (
                f"{who} uses {claim}, and mark {mark} has {mark & claim.mask:#x} of them: it may"
                " take these packets for its own, and once it changes a bit IPVS does not know"
                " the packets any more"
            )
            return fact, "choose a mark without these bits"
    return fact, "choose another mark"
