"""The last good reading of keepalived.conf, kept over a boot: what a file that keepalived does not
start with said before it was broken.
"""

from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
from msgspec import Struct

from lvsmarkd.kernel.own_files import read_own, write_whole
from lvsmarkd.model.keepalived import (
    Annotation,
    Completeness,
    Namespace,
    Reading,
    ReservedMarks,
    VipClosing,
    VrrpInstance,
)
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.service import MAX_MARK, Family, Service, ServiceKey

_MOST = 64 << 20
"""Bytes: some 100,000 services."""


class _Instance(Struct, frozen=True):
    """A vrrp_instance, its addresses as text."""

    name: str
    origin: Origin
    interface: str | None
    vips: tuple[str, ...]
    family: Family
    auth_ah: bool
    closing: VipClosing | None = None

    @classmethod
    def of(cls, known: VrrpInstance) -> "_Instance":
        vips = tuple(map(str, known.vips))
        return cls(
            known.name,
            known.origin,
            known.interface,
            vips,
            known.family,
            known.auth_ah,
            known.closing,
        )

    def read(self) -> VrrpInstance:
        vips = tuple(map(ip_address, self.vips))
        return VrrpInstance(
            self.name,
            self.origin,
            self.interface,
            vips,
            self.family,
            self.auth_ah,
            self.closing,
        )


class _KeptService(Struct, frozen=True):
    """A service by mark, without what only suggestions are made of, its addresses as text."""

    key: ServiceKey
    origins: tuple[Origin, ...]
    group: str | None = None
    real_ports: tuple[int, ...] = ()
    nat_servers: tuple[str, ...] = ()

    @classmethod
    def of(cls, known: Service) -> "_KeptService":
        servers = tuple(map(str, known.nat_servers))
        return cls(known.key, known.origins, known.group, known.real_ports, servers)

    def read(self) -> Service:
        _checked(self.key.mark)
        servers = tuple(map(ip_address, self.nat_servers))
        return Service(self.key, self.origins, self.group, self.real_ports, nat_servers=servers)


class _Kept(Struct, frozen=True):
    """A reading without what was said about it, of which file, read with which config id."""

    path: str
    config_id: str | None
    services: tuple[_KeptService, ...]
    instances: tuple[_Instance, ...]
    annotations: tuple[Annotation, ...]
    reserved: ReservedMarks | None
    namespace: Namespace | None
    local: tuple[str, ...] = ()

    def reading(self) -> Reading:
        for annotation in self.annotations:
            _checked(*annotation.marks)
        return Reading(
            Completeness.WHOLE,
            tuple(service.read() for service in self.services),
            tuple(instance.read() for instance in self.instances),
            self.annotations,
            files=(self.path,),
            reserved=self.reserved,
            namespace=self.namespace,
            local=tuple(map(ip_network, self.local)),
        )


def _checked(*marks: int) -> None:
    """Raises ValueError for what is no mark."""
    if not all(1 <= mark <= MAX_MARK for mark in marks):
        raise ValueError(f"no marks: {marks}")


class LastGood(Struct):
    """Kept at ``path``; without one, in memory only. A file that says nothing is none.

    Where it only ``reads``, what is new is not written down: a command changes nothing.
    """

    path: Path | None = None
    reads: bool = False
    _known: _Kept | None = None
    _written: _Kept | None = None

    def take(self, reading: Reading, path: Path, config_id: str | None) -> None:
        """Remember a good reading. One that cannot be written down is still known."""
        if self.reads:
            return
        now = _Kept(
            str(path),
            config_id,
            tuple(map(_KeptService.of, reading.services)),
            tuple(map(_Instance.of, reading.instances)),
            reading.annotations,
            reading.reserved,
            reading.namespace,
            tuple(map(str, reading.local)),
        )
        if now == self._last() == self._written:
            return
        self._known = now
        self.write()

    def write(self) -> None:
        """Write down what is known and is not written yet: what failed is tried again."""
        now = self._known
        if self.reads or now is None or now == self._written:
            return
        if self.path is None:
            self._written = now
            return
        # Bytes that are no text have no JSON.
        with suppress(OSError, ValueError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self.path, msgspec.json.encode(now))
            self._written = now

    def of(self, path: Path, config_id: str | None) -> Reading | None:
        """The last good reading of a file; None where another one was read last."""
        known = self._last()
        if known is None or (known.path, known.config_id) != (str(path), config_id):
            return None
        # What another version wrote may not be understood.
        with suppress(ValueError):
            return known.reading()
        return None

    def _last(self) -> _Kept | None:
        if self._known is None and self.path is not None:
            with suppress(OSError, ValueError, RecursionError):
                self._known = msgspec.json.decode(read_own(self.path, _MOST), type=_Kept)
                self._written = self._known
        return self._known
