"""The policy object that holds our rules: what it must be like, beside its rules.

It leads from every zone to the host, so that it does not matter by which zone a packet comes.
Its priority is positive and the last: firewalld then passes it after the zone's own rules and
every other policy's, in all zones, so that its marks are the last written and its accepts come
after what the operator refuses, and still before the zone's target (read in 1.3.3's nftables.py
and measured in both of firewalld's backends).
"""

from typing import Final

from lvsmarkd.backends.firewalld.planes.listing import Settings, number, strings, text

POLICY_PRIORITY: Final = 32767
FIRST_VERSION: Final = (0, 9)
"""The first version of firewalld that has policies."""
FRAME: Final[Settings] = {
    "target": "CONTINUE",
    "priority": POLICY_PRIORITY,
    "ingress_zones": ["ANY"],
    "egress_zones": ["HOST"],
}
NOTHING_ELSE: Final[Settings] = {
    "services": [],
    "ports": [],
    "protocols": [],
    "source_ports": [],
    "forward_ports": [],
    "icmp_blocks": [],
    "masquerade": False,
}
"""What else a policy may hold; ours holds none of it."""
NEW: Final[Settings] = {
    "short": "lvsmarkd",
    "description": "Kept by lvsmarkd: the firewall marks that keepalived uses, and what goes with"
    " them. What is changed here by hand is changed back.",
    **FRAME,
}
"""The settings of the policy when it is made, without its rules."""


def fault_of(settings: Settings | None) -> str:
    """What is wrong with the policy; empty where it is as it should be."""
    if settings is None:
        return "is not there"
    if text(settings, "target") != FRAME["target"]:
        return f"has the target {text(settings, 'target') or 'default'}, not CONTINUE"
    if number(settings, "priority") != POLICY_PRIORITY:
        return f"has the priority {number(settings, 'priority')}, not {POLICY_PRIORITY}"
    for key, wanted in (("ingress_zones", "ANY"), ("egress_zones", "HOST")):
        found = strings(settings, key)
        if found != (wanted,):
            return f"has the {key.replace('_', ' ')} {', '.join(found) or 'none'}, not {wanted}"
    return ""


def has_policies(version: str) -> bool:
    """Whether this version of firewalld has policies."""
    parts = version.split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= FIRST_VERSION
    except (ValueError, IndexError):
        return True
