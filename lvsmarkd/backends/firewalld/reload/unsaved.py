"""What a reload of firewalld would change for others."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from lvsmarkd.backends.firewalld.client.calls import FirewalldClient
from lvsmarkd.backends.firewalld.names import POLICY, PRIORITY
from lvsmarkd.backends.firewalld.planes.listing import Listing, Settings
from lvsmarkd.backends.firewalld.reload.flushed import Saved, saved_rules, wiped
from lvsmarkd.backends.firewalld.reload.ipsets import ipset_losses
from lvsmarkd.model.unknown import Unknown

_NETWORK_MANAGER = Path("/run/NetworkManager")
"""There while NetworkManager runs, which tells firewalld anew which zone an interface is in."""
_OURS = f'priority="{PRIORITY}"'
_NAMES: Mapping[str, str] = {"rules_str": "rich rules", "rich_rules": "rich rules"}


class ReloadImpact(Struct, frozen=True):
    """What others would lose, or get, by a reload of this version and backend."""

    firewalld: FirewalldClient
    version: str
    backend: str
    saved: Saved = saved_rules

    def flushed(self, runtime: Listing) -> Iterator[str]:
        """What they have in iptables, which is in force whatever firewalld's tables are."""
        return wiped(self.saved, self.version, self.backend, runtime)

    def unsaved(self, runtime: Listing, permanent: Listing | Unknown) -> Iterator[str]:
        """What firewalld has in force and not for good, or the other way round.

        Raises BusError, FirewalldError.
        """
        if isinstance(permanent, Unknown):
            yield "the permanent configuration could not be read"
            return
        yield from differences(runtime, permanent)
        yield from ipset_losses(self.firewalld, self.backend)


def differences(runtime: Listing, permanent: Listing) -> Iterator[str]:
    """Where the planes differ, apart from what is ours; each in a few words."""
    for kind, now, then in (
        ("zone", runtime.zones, permanent.zones),
        ("policy", runtime.policies, permanent.policies),
    ):
        for name in dict.fromkeys((*now, *then)):
            if kind == "policy" and name == POLICY:
                continue
            if name not in now:
                yield f"{kind} {name}, which is not loaded yet"
                continue
            for what in _settings(now[name], then.get(name, {})):
                yield f"{kind} {name}: {what}"
    here, there = (_direct(listing) for listing in (runtime, permanent))
    if here - there:
        yield f"{len(here - there)} direct rule(s)"
    if there - here:
        yield f"{len(there - here)} direct rule(s) that are not loaded yet"


def _direct(listing: Listing) -> set[object]:
    return {*listing.direct, *listing.passthroughs}


def _settings(now: Settings, then: Settings) -> Iterator[str]:
    for key in sorted({*now, *then}):
        if key in {"short", "description", "version"}:
            continue
        if key == "interfaces" and _NETWORK_MANAGER.exists():
            continue
        if _comparable(now.get(key)) != _comparable(then.get(key)):
            yield _NAMES.get(key, key.replace("_", " "))


def _comparable(value: object) -> object:
    if value is None or value is False:
        return None
    if isinstance(value, list | tuple):
        return frozenset(_others(map(str, value))) or None
    return value


def _others(items: Iterable[str]) -> Iterator[str]:
    return (item for item in items if _OURS not in item)
