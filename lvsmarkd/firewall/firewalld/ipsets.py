"""firewalld's sets of addresses: which entries a reload takes away (fail2ban keeps its bans so)."""

import json
from collections.abc import Iterator

from lvsmarkd.firewall.backend import FirewallError
from lvsmarkd.firewall.firewalld.calls import (
    CONFIG_PATH,
    Firewalld,
    FirewalldError,
    Interface,
)
from lvsmarkd.firewall.firewalld.kernel import NFTABLES
from lvsmarkd.firewall.program import run


def ipset_losses(firewalld: Firewalld, backend: str) -> Iterator[str]:
    """The sets with entries that are not permanent. Raises BusError, FirewalldError."""
    names = firewalld.call(Interface.IPSET, "getIPSets")
    for name in names if isinstance(names, list | tuple) else ():
        try:
            now = firewalld.call(Interface.IPSET, "getEntries", name)
            path = firewalld.call(Interface.CONFIG, "getIPSetByName", name, path=CONFIG_PATH)
            then = firewalld.call(Interface.CONFIG_IPSET, "getEntries", path=str(path))
        except FirewalldError as error:
            if error.code == "INVALID_IPSET":
                yield f"ipset {name}"
            elif error.code != "IPSET_WITH_TIMEOUT":
                yield f"ipset {name}, which cannot be read ({error.code or error})"
            elif _may_have_entries(str(name), backend):
                yield f"entries of ipset {name}, which end by themselves"
            continue
        if (
            isinstance(now, list | tuple)
            and isinstance(then, list | tuple)
            and set(now) - set(then)
        ):
            yield f"entries of ipset {name}"


def _may_have_entries(name: str, backend: str) -> bool:
    """Whether the kernel has some, or may have: of those with a timeout firewalld keeps none."""
    if backend != NFTABLES:
        return True
    try:
        answer = run(["nft", "-j", "list", "set", "inet", "firewalld", name])
        objects = json.loads(answer.output)["nftables"]
        return any("set" in each and each["set"].get("elem") for each in objects)
    except (FirewallError, ValueError, KeyError, TypeError):
        return True
