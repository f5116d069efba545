"""What firewalld's benchmarks share: it in a fresh namespace, the kernel looked at, and the hand
of somebody else.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import CONFIG_PATH, FirewalldError, Interface, Request
from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.backends.firewalld.planes.listing import rich_rules
from tests.bench.ground import address, fresh
from tests.harness.firewalld import RealFirewalld, firewalld
from tests.harness.netns import run

ZONE = "public"
"""The default zone, by which all packets come."""
_SLOW = 60.0
_MARKING = re.compile(r"(?:ip daddr |-d )([0-9.]+).*(?:meta mark set|--set-xmark)")


def settings(placement: str = "policy") -> str:
    """The daemon's: left to itself, as it is shipped."""
    return f'[firewall]\nbackend = "auto"\n[firewall.firewalld]\nplacement = "{placement}"\n'


def typed(*arguments: str) -> str:
    """What somebody types, with all that it takes to start: the tests' own way is quicker."""
    return run("firewall-cmd", *arguments)


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody who makes the D-Bus calls that firewall-cmd makes, without the time that it takes
    to start.
    """

    firewalld: BusFirewalld

    def rules(self) -> list[str]:
        """Our policy's rich rules at runtime."""
        found = self.firewalld.call(Interface.POLICY, "getPolicySettings", POLICY)
        assert isinstance(found, Mapping)
        return list(rich_rules(found))

    def rule_of(self, number: int) -> str:
        """That of the n-th service."""
        return next(rule for rule in self.rules() if f'"{address(number)}"' in rule)

    def remove(self, rule: str) -> None:
        """From our policy, at runtime."""
        new = {"rich_rules": [each for each in self.rules() if each != rule]}
        self.firewalld.call(Interface.POLICY, "setPolicySettings", POLICY, new, timeout=_SLOW)

    def reload(self) -> None:
        """What is permanent."""
        self.firewalld.call(Interface.MAIN, "reload", timeout=_SLOW)

    def reload_with(self, rules: Sequence[str], holder: str = POLICY) -> None:
        """A policy or a zone with just these rich rules.

        In one go: what others say to the first call, firewalld hears after the second.
        """
        zone = holder == ZONE
        name = "getZoneByName" if zone else "getPolicyByName"
        path = str(self.firewalld.call(Interface.CONFIG, name, holder, path=CONFIG_PATH))
        change = (
            Request(Interface.CONFIG_ZONE, "update2", ({"rules_str": list(rules)},), path)
            if zone
            else Request(Interface.CONFIG_POLICY, "update", ({"rich_rules": list(rules)},), path)
        )
        for answer in self.firewalld.calls(
            [change, Request(Interface.MAIN, "reload")], timeout=_SLOW
        ):
            if isinstance(answer, FirewalldError):
                raise answer


@dataclass(frozen=True, slots=True)
class FirewalldBench:
    """``directory`` is for whatever runs beside it."""

    bed: RealFirewalld
    hand: Hand
    directory: Path

    def marked(self, holder: str = POLICY) -> list[str]:
        """The addresses whose packets the kernel marks, for our policy or for a zone."""
        if self.bed.backend == "nftables":
            listing = run("nft", "list", "chain", "inet", "firewalld", _chain(holder), check=False)
        else:
            listing = run("iptables", "-t", "mangle", "-S", f"PRE_{holder}_post", check=False)
        return _MARKING.findall(listing)

    def saved(self, holder: str = POLICY) -> int:
        """How many marking rules are permanent. The file tells it without keeping firewalld."""
        file = self.bed.etc / ("policies" if holder == POLICY else "zones") / f"{holder}.xml"
        return file.read_text().count("<mark ") if file.exists() else 0

    def delete_in_kernel(self, number: int) -> None:
        """A service's rule in our policy, with the tools of firewalld's own backend."""
        if self.bed.backend == "nftables":
            chain = ("inet", "firewalld", _chain(POLICY))
            listing = run("nft", "-a", "list", "chain", *chain).splitlines()
            found = next(line for line in listing if f"daddr {address(number)} " in line)
            run("nft", "delete", "rule", *chain, "handle", found.split()[-1])
        else:
            listing = run("iptables", "-t", "mangle", "-S", f"PRE_{POLICY}_post").splitlines()
            found = next(line for line in listing if f"-d {address(number)}/32 " in line)
            run("iptables", "-t", "mangle", *shlex.split(found.replace("-A", "-D", 1)))


def _chain(holder: str) -> str:
    return f"mangle_PRE_{'policy_' if holder == POLICY else ''}{holder}_post"


@contextmanager
def firewalld_bench(backend: str = "nftables") -> Iterator[FirewalldBench]:
    """firewalld runs in a fresh namespace; all that is started takes its bus for the system's."""
    directory = fresh()
    with (
        firewalld(backend) as bed,
        patch.dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bed.address),
        BusFirewalld() as client,
    ):
        yield FirewalldBench(bed, Hand(client), directory)
