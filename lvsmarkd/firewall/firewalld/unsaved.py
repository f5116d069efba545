"""What others would lose by a reload of firewalld."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lvsmarkd.firewall.firewalld.holdings import OUR_POLICY, Holdings
from lvsmarkd.firewall.firewalld.listing import Listing, Settings
from lvsmarkd.model.rule import Plane

_NETWORK_MANAGER = Path("/run/NetworkManager")
"""There while NetworkManager runs, which tells firewalld anew which zone an interface is in."""


def losses(runtime: Listing, permanent: Listing, own: Mapping[Plane, Holdings]) -> Iterator[str]:
    """What is in force now and not permanent, apart from what is ours; each in a few words."""
    ours = {held.text for each in own.values() for held in each.held}
    for kind, now, then in (
        ("zone", runtime.zones, permanent.zones),
        ("policy", runtime.policies, permanent.policies),
    ):
        for name, settings in now.items():
            if kind == "policy" and name == OUR_POLICY.name:
                continue
            for what in _differences(settings, then.get(name, {}), ours):
                yield f"{kind} {name}: {what}"
    lost = len(set(runtime.direct) - set(permanent.direct))
    lost += len(set(runtime.passthroughs) - set(permanent.passthroughs))
    if lost:
        yield f"{lost} direct rule(s)"


def _differences(now: Settings, then: Settings, ours: set[str]) -> Iterator[str]:
    for key in sorted({*now, *then}):
        if key in {"short", "description", "version"}:
            continue
        if key == "interfaces" and _NETWORK_MANAGER.exists():
            continue
        here, there = _comparable(now.get(key), ours), _comparable(then.get(key), ours)
        if here != there:
            yield _NAMES.get(key, key.replace("_", " "))


_NAMES: Mapping[str, str] = {"rules_str": "rich rules", "rich_rules": "rich rules"}


def _comparable(value: object, ours: set[str]) -> object:
    if value is None or value is False:
        return None
    if isinstance(value, list | tuple):
        return frozenset(str(item) for item in value if str(item) not in ours) or None
    return value
