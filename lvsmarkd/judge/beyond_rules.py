"""What keepalived and the host do to packets of services, whatever the rules say."""

from collections.abc import Iterator

from lvsmarkd.judge.closed_vips import closed_vips
from lvsmarkd.judge.delivery import undelivered
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.forwarding import unforwarded, untracked
from lvsmarkd.judge.later_packets import broken_later, unanswered
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.reverse_path import unreturnable
from lvsmarkd.model.finding import Finding
from lvsmarkd.model.snapshot import Snapshot


def beyond_rules(desired: Desired, seen: Snapshot, now: Outlook | None = None) -> Iterator[Finding]:
    """All of it. ``now`` tells which packets come with the marks of services without flows."""
    yield from lost_beyond_rules(desired, seen, now)
    yield from unforwarded(desired, seen.host)
    yield from untracked(desired, seen)
    yield from unanswered(desired, seen)


def lost_beyond_rules(
    desired: Desired, seen: Snapshot, now: Outlook | None = None
) -> Iterator[Finding]:
    """That by which packets certainly do not come to IPVS."""
    yield from closed_vips(desired, now)
    yield from undelivered(desired, seen.host)
    yield from unreturnable(desired, seen.host)
    yield from broken_later(desired, seen)
