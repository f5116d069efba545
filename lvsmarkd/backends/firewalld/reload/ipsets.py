"""firewalld's sets of addresses: which entries a reload takes away (fail2ban keeps its bans so)."""

import json
import re
from collections.abc import Iterator, Mapping

from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    FirewalldClient,
    FirewalldError,
    Interface,
)
from lvsmarkd.backends.firewalld.names import NFTABLES
from lvsmarkd.backends.firewalld.planes.listing import of_the_shape_expected
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run

_COUNT = re.compile(r"^Number of entries: (\d+)$", re.MULTILINE)
_OPTIONS = 4
"""The place of the options in a set's settings (firewalld.dbus(5), getIPSetSettings)."""


def ipset_losses(firewalld: FirewalldClient, backend: str) -> Iterator[str]:
    """The sets with entries that are not permanent. Raises BusError, FirewalldError."""
    with of_the_shape_expected():
        yield from _losses(firewalld, backend)


def _losses(firewalld: FirewalldClient, backend: str) -> Iterator[str]:
    names = firewalld.call(Interface.IPSET, "getIPSets")
    for name in names if isinstance(names, list | tuple) else ():
        if _ends_by_itself(firewalld, name):
            # Their entries are the kernel's alone: firewalld lists none of them (1.3.3, measured).
            if _may_have_entries(str(name), backend):
                yield f"entries of ipset {name}, which end by themselves"
            continue
        try:
            now = firewalld.call(Interface.IPSET, "getEntries", name)
            path = firewalld.call(Interface.CONFIG, "getIPSetByName", name, path=CONFIG_PATH)
            then = firewalld.call(Interface.CONFIG_IPSET, "getEntries", path=str(path))
        except FirewalldError as error:
            unsaved = error.code == "INVALID_IPSET"
            yield f"ipset {name}" + ("" if unsaved else f", which cannot be read ({error})")
            continue
        if (
            isinstance(now, list | tuple)
            and isinstance(then, list | tuple)
            and set(now) - set(then)
        ):
            yield f"entries of ipset {name}"


def _ends_by_itself(firewalld: FirewalldClient, name: object) -> bool:
    """Whether the entries of a set have a timeout."""
    settings = firewalld.call(Interface.IPSET, "getIPSetSettings", name)
    if not isinstance(settings, list | tuple) or len(settings) <= _OPTIONS:
        return True
    options = settings[_OPTIONS]
    return not isinstance(options, Mapping) or options.get("timeout", "0") != "0"


def _may_have_entries(name: str, backend: str) -> bool:
    """Whether the kernel has some, or cannot be asked."""
    try:
        if backend == NFTABLES:
            answer = run(["nft", "-j", "list", "set", "inet", "firewalld", name])
            objects = json.loads(answer.output)["nftables"]
            return any("set" in each and each["set"].get("elem") for each in objects)
        count = _COUNT.search(run(["ipset", "list", "-terse", name]).output)
        return count is None or count[1] != "0"
    except (FirewallError, ValueError, KeyError, TypeError):
        return True
