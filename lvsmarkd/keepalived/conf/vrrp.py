"""The VRRP process's view: instances and their addresses.

keepalived/vrrp/vrrp_parser.c; vrrp_data.c, alloc_vrrp_vip; vrrp_ipaddress.c, parse_ipaddress.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import parse_address
from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler, process_stream
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import Item, LogicalLine
from lvsmarkd.keepalived.conf.mark_words import marks_named
from lvsmarkd.keepalived.conf.vrrp_keywords import (
    AUTHENTICATION,
    VIRTUAL_IPADDRESS,
    VIRTUAL_IPADDRESS_EXCLUDED,
    VRRP,
    VRRP_INSTANCE,
)
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import Address, Family

_MAX_INTERFACE = 15
"""Characters of an interface's name (IFNAMSIZ less the NUL)."""


def vrrp_instances(
    items: Iterable[Item], problems: list[Problem], dialect: Dialect
) -> tuple[VrrpInstance, ...]:
    """The instances, in the order written."""
    vrrp = _Vrrp(problems)
    process_stream(items, VRRP, vrrp, dialect)
    return tuple(vrrp.instances.values())


class _OpenInstance(Struct):
    name: str
    origin: Origin
    family: Family | None = None
    interface: str | None = None
    auth_ah: bool = False
    vips: dict[Address, None] = field(default_factory=dict)

    def close(self) -> VrrpInstance:
        return VrrpInstance(
            self.name, self.origin, self.interface, tuple(self.vips), self.family, self.auth_ah
        )


class _Vrrp(BlockHandler):
    # What is wrong with the structure, the checker's view says.

    def __init__(self, problems: list[Problem]) -> None:
        self.instances: dict[str, VrrpInstance] = {}
        self._problems = problems
        self._open: _OpenInstance | None = None

    def line(self, block: str, line: LogicalLine) -> bool:
        instance = self._open
        match line.words:
            case ["vrrp_instance", *rest] if block == TOP:
                # Without exactly one name, and with a name that is taken, the block is skipped.
                taken = len(rest) != 1 or rest[0] in self.instances
                self._open = None if taken else _OpenInstance(rest[0], line.origin)
                return taken
            case _ if instance is None:
                return False
            case ["interface", str(name), *_] if block == VRRP_INSTANCE:
                if len(name) <= _MAX_INTERFACE:
                    instance.interface = name
            case ["auth_type", "AH" | "PASS" as kind, *_] if block == AUTHENTICATION:
                instance.auth_ah = kind == "AH"
        return False

    def value(self, block: str, line: LogicalLine) -> None:
        if (instance := self._open) is None:
            return
        if block not in (VIRTUAL_IPADDRESS, VIRTUAL_IPADDRESS_EXCLUDED):
            return
        address = parse_address(line.words[0].partition("/")[0])
        if address is None:
            if marks := marks_named(line.words):
                message = (
                    f"{' '.join(line.words)!r} is no address, and keepalived drops it: a mark "
                    "belongs into a virtual_server line or a virtual_server_group"
                )
                self._problems.append(Problem(line.origin, message, marks))
            return
        if block == VIRTUAL_IPADDRESS:
            # The first one decides on the family of the instance; the others are ignored.
            family = Family.of(address)
            instance.family = instance.family or family
            if instance.family is not family:
                return
        instance.vips[address] = None

    def end(self, block: str, closing: LogicalLine | None) -> None:
        del closing
        if block == VRRP_INSTANCE and (instance := self._open) is not None:
            self.instances[instance.name] = instance.close()
            self._open = None
