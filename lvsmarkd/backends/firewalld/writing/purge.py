"""Removing all that is ours from firewalld, and nothing else."""

from lvsmarkd.backends.firewalld.client.calls import FirewalldClient
from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.backends.firewalld.planes.listing import Listing, rich_rules
from lvsmarkd.backends.firewalld.planes.own_rules import OUR_POLICY, Change, Container
from lvsmarkd.backends.firewalld.planes.reader import FirewalldState
from lvsmarkd.backends.firewalld.writing.writer import PermanentWriter, RuntimeWriter
from lvsmarkd.model.plan import Plan, RemoveChain, Step
from lvsmarkd.model.rule import ChainKey, Plane


def purge(firewalld: FirewalldClient, firewalld_state: FirewalldState) -> Plan:
    """Remove our rules from every zone, and our policy; gives what was done.

    Raises BusError, FirewalldError.
    """
    steps: list[Step] = []
    for plane, own in firewalld_state.own.items():
        listing = firewalld_state.runtime if plane is Plane.RUNTIME else firewalld_state.permanent
        if not isinstance(listing, Listing):
            continue
        change = _removal(listing, [(listed.container, listed.text) for listed in own.listed])
        keys = {ChainKey(plane, listed.rule.family, listed.rule.hook) for listed in own.listed}
        for chain_key in sorted(keys):
            rules = tuple(listed.rule for listed in own.of(chain_key))
            steps.append(RemoveChain(chain_key, 1, rules, own.name))
        if plane is Plane.RUNTIME:
            RuntimeWriter(firewalld, listing).remove(change)
        else:
            PermanentWriter(firewalld, listing).write(change, frozenset())
    return Plan(steps=tuple(steps))


def _removal(listing: Listing, listed: list[tuple[Container, str]]) -> Change:
    remove: dict[Container, list[str]] = {}
    for container, text in listed:
        if container != OUR_POLICY:
            remove.setdefault(container, []).append(text)
    settings = listing.policies.get(POLICY)
    if settings is not None:
        # The object is ours alone, with all that is in it.
        remove[OUR_POLICY] = list(rich_rules(settings))
    return Change(
        remove={container: tuple(texts) for container, texts in remove.items()},
        dissolve=settings is not None,
    )
