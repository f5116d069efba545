"""What others would lose by a reload of firewalld."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lvsmarkd.firewall.firewalld.holdings import OUR_POLICY, Holdings
from lvsmarkd.firewall.firewalld.kernel import NFTABLES
from lvsmarkd.firewall.firewalld.listing import Listing, Settings
from lvsmarkd.model.observed import Observed
from lvsmarkd.model.rule import Plane

_NETWORK_MANAGER = Path("/run/NetworkManager")
"""There while NetworkManager runs, which tells firewalld anew which zone an interface is in."""
KEEPS_IPTABLES = (2, 0)
"""The first version whose reload leaves the rules of others in iptables alone (b7faa74d)."""


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


def wiped(seen: Observed | None, version: str, backend: str) -> Iterator[str]:
    """The rules in iptables that a reload of this version takes away, with whatever backend."""
    parts = version.split(".")
    new = parts[0].isdecimal() and int(parts[0]) >= KEEPS_IPTABLES[0]
    if seen is None or new:
        return
    theirs = sorted(_chains_of_others(seen.names, backend))
    if theirs:
        yield f"iptables' chain(s) {', '.join(theirs[:5])}, which firewalld {version} flushes"


_RFC3964 = "RFC3964_IPv4"
"""firewalld's own, against 6to4 addresses that are none."""
_BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


def _chains_of_others(names: Iterable[str], backend: str) -> Iterator[str]:
    """Chains that somebody else made. firewalld's own have these beginnings and ends."""
    for name in names:
        if name in _BUILT_IN or name.startswith("LVSMARKD"):
            continue
        head, _, tail = name.partition("_")
        if backend != NFTABLES or tail == "direct":
            known = head in _BUILT_IN or head in {"PRE", "IN", "FWD", "FWDI", "FWDO", "POST", "OUT"}
            if (known and tail) or name == _RFC3964:
                continue
        yield name
