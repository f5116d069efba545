"""What is seen where a firewall should keep the rules, and neither it nor its rules are there."""

from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.snapshot import Snapshot


def down(
    sentence: str, firewall: FirewallIdentity = NO_FIREWALL, limits: Limits = DEFAULT_LIMITS
) -> Snapshot:
    """Nothing of ours is in force, and that is known: no write, and an alarm."""
    notice = Notice(NoticeKind.DOWN, sentence)
    return Snapshot({}, notices=(notice,), inert=sentence, firewall=firewall, limits=limits)
