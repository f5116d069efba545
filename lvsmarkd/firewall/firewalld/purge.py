"""Removing all that is ours from firewalld, and nothing else."""

from lvsmarkd.firewall.firewalld.calls import Firewalld
from lvsmarkd.firewall.firewalld.holdings import OUR_POLICY, Change, Holder
from lvsmarkd.firewall.firewalld.listing import Listing, rich_rules
from lvsmarkd.firewall.firewalld.look import Sight
from lvsmarkd.firewall.firewalld.own import POLICY
from lvsmarkd.firewall.firewalld.writer import PermanentWriter, RuntimeWriter
from lvsmarkd.model.plan import Dissolve, Plan, Step
from lvsmarkd.model.rule import Plane, Spot


def purge(firewalld: Firewalld, sight: Sight) -> Plan:
    """Remove our rules from every zone, and our policy; gives what was done.

    Raises BusError, FirewalldError.
    """
    steps: list[Step] = []
    for plane, own in sight.own.items():
        listing = sight.runtime if plane is Plane.RUNTIME else sight.permanent
        if not isinstance(listing, Listing):
            continue
        change = _removal(listing, [(held.holder, held.text) for held in own.held])
        spots = {Spot(plane, held.rule.family, held.rule.place) for held in own.held}
        for spot in sorted(spots):
            rules = tuple(held.rule for held in own.of(spot))
            steps.append(Dissolve(spot, 1, rules, own.name))
        if plane is Plane.RUNTIME:
            RuntimeWriter(firewalld, listing).remove(change)
        else:
            PermanentWriter(firewalld, listing).write(change, frozenset())
    return Plan(steps=tuple(steps))


def _removal(listing: Listing, held: list[tuple[Holder, str]]) -> Change:
    remove: dict[Holder, list[str]] = {}
    for holder, text in held:
        if holder != OUR_POLICY:
            remove.setdefault(holder, []).append(text)
    settings = listing.policies.get(POLICY)
    if settings is not None:
        # The object is ours alone, with all that is in it.
        remove[OUR_POLICY] = list(rich_rules(settings))
    return Change(
        remove={holder: tuple(texts) for holder, texts in remove.items()},
        dissolve=settings is not None,
    )
