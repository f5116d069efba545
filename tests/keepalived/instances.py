"""What the real keepalived keeps of its vrrp_instances: its own dump of them (--dump-conf).

keepalived/vrrp/vrrp_data.c, dump_vrrp; the same lines from 2.2.7 to 2.4.3.
"""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.service import Address, Family
from tests.keepalived.oracle import VRRP_OPTIONS, Oracle
from tests.keepalived.standing import End, StandingKeepalived

INTERFACES = ("eth0", "eth1")
"""Those that its namespace has, besides the loopback."""

_DUMPED = "< Global definitions >"
_OF_THE_HOST = (
    "Non-existent interface specified in configuration",
    "Unicast peers are not supported in strict mode",
)
_STAMP = re.compile(r"(?m)^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}: ")


@dataclass(frozen=True, slots=True)
class Held:
    """An instance: the family that it speaks, its addresses, and whether by ``auth_type AH``."""

    name: str
    family: Family
    vips: frozenset[Address]
    ah: bool = False

    @classmethod
    def of(cls, instance: VrrpInstance) -> "Held":
        """The same, as lvsmarkd has it."""
        return cls(instance.name, instance.family, frozenset(instance.vips), instance.auth_ah)

    def __str__(self) -> str:
        vips = " ".join(sorted(map(str, self.vips)))
        return f"{self.name} {self.family}{' AH' if self.ah else ''} ({vips})"


@dataclass(frozen=True, slots=True)
class InstancesAnswer:
    """What keepalived's VRRP process holds, and how keepalived ended."""

    held: frozenset[Held]
    end: End
    log: str

    @property
    def starts(self) -> bool:
        """Whether the VRRP process came to where it serves, or was not needed."""
        if self.end.text == "serves":
            # One that the limit of fork_server.c ends is killed, too.
            return _DUMPED in self.log
        return self.end.text == "exits with 0" and "Starting VRRP child" not in self.log

    @property
    def blames_the_host(self) -> bool:
        """Whether it ended for what the namespace's interfaces are, or are not."""
        return any(said in self.log for said in _OF_THE_HOST)

    @property
    def finds_router_twice(self) -> bool:
        """Whether it ended for two instances with one virtual_router_id: with
        ``dynamic_interfaces`` only where their interface is there.
        """
        return "both use VRID" in self.log


class InstancesOracle(StandingKeepalived):
    """A keepalived that waits, to be asked for its vrrp_instances; as `StandingOracle`."""

    def __init__(self, oracle: Oracle, directory: Path, config_id: str) -> None:
        super().__init__(
            oracle, directory, [*VRRP_OPTIONS, "--config-id", config_id], instances=True
        )

    def ask(self) -> InstancesAnswer:
        """What keepalived makes of the configuration that now lies in its directory."""
        end = self.run()
        log = self.log.read_text(errors="replace")
        return InstancesAnswer(frozenset(held(log)), end, log)


@dataclass(slots=True)
class _Reading:
    name: str
    family: Family = Family.INET
    ah: bool = False
    vips: set[Address] = field(default_factory=set)


def held(log: str) -> list[Held]:
    """The instances in a dump."""
    found: list[_Reading] = []
    listed = False
    for line in _STAMP.sub("", log).splitlines():
        if line.startswith(" VRRP Instance = "):
            found.append(_Reading(line.partition(" = ")[2]))
        elif line.startswith(" ") and found:
            if line == "   Using Native IPv6":
                found[-1].family = Family.INET6
            elif line == "   Authentication type = IPSEC_AH":
                found[-1].ah = True
            elif listed and line.startswith("     "):
                found[-1].vips.add(ip_address(line.split()[0].partition("/")[0]))
                continue
            listed = line.startswith("   Virtual IP")
    return [Held(each.name, each.family, frozenset(each.vips), each.ah) for each in found]
