"""Whether services are covered, and why that is not known where it is not."""

from lvsmarkd.judge.beyond_rules import lost_beyond_rules
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.model.snapshot import Chain, Snapshot


def covered(
    desired: Desired, snapshot: Snapshot, outlooks: Outlooks | None = None
) -> dict[ServiceKey, bool | None]:
    """Whether each service's packets come to IPVS with its mark now, whoever's rules set it. None
    where that is not known. This is the SLI.
    """
    now = Prospects(desired, snapshot, outlooks or Outlooks()).now
    lost = {finding.service for finding in lost_beyond_rules(desired, snapshot, now)}
    return {
        key: _covered(key, desired, snapshot, now, lost=key in lost) for key in desired.services
    }


def _covered(
    key: ServiceKey, desired: Desired, snapshot: Snapshot, now: Outlook, *, lost: bool
) -> bool | None:
    if waits(key, desired):
        return None
    if lost:
        return False
    if snapshot.unread(key.family) is not None:
        return None
    known = now.covered(key)
    return held_up(key, desired, snapshot) if known and key in desired.short else known


def why_unknown(
    key: ServiceKey, desired: Desired, snapshot: Snapshot, outlooks: Outlooks | None = None
) -> str:
    """Why it is not known whether a service is covered, where ``covered`` says None for it."""
    unread = snapshot.unread(key.family)
    if unread is not None:
        return f"the rules that mark {key.family} packets could not be read: {unread.reason}"
    if waits(key, desired):
        return (
            "IPVS does not have it yet, and its packets may belong to another service until that"
            " has left IPVS"
        )
    return Prospects(desired, snapshot, outlooks or Outlooks()).now.why_unknown(key)


def waits(key: ServiceKey, desired: Desired) -> bool:
    """Whether a service is not in IPVS yet, and waits for packets of one that has not left."""
    kernel = desired.runtime_state.kernel
    if kernel is None or in_ipvs(kernel, key) is not False:
        return key in desired.waiting and kernel is None
    return key in desired.waiting or any(map(desired.leaving, desired.services))


def held_up(key: ServiceKey, desired: Desired, snapshot: Snapshot) -> bool:
    """Whether rules of an earlier declaration mark a service whose present one is refused, or
    went with it from its file while it is in use still.
    """
    if not (key.mark in desired.frozen_marks or desired.leaving(key)):
        return False
    where = (Plane.RUNTIME, key.family, Hook.PREROUTING)
    return any(
        rule.service == key and rule not in desired.rules
        # What a previous firewall still has marks packets too.
        for at, chain in snapshot.held.items()
        if (at.plane, at.family, at.hook) == where and isinstance(chain, Chain) and chain.jumps
        for rule in chain.rules
    )
