"""Services by address and port: what keepalived programmes into IPVS beside those by mark."""

from msgspec import Struct

from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets


class AddressService(Struct, frozen=True):
    """One ``virtual_server ADDRESS PORT``, or a line of a group with an address. IPVS looks up the
    mark first (ip_vs_ctl.c, ip_vs_service_find): a packet that bears one of a service's does not
    come here. ``origin`` is None for one that only IPVS tells of.
    """

    packets: Packets
    origin: Origin | None = None

    def __str__(self) -> str:
        """With its place, for a sentence."""
        return f"the virtual_server {self.packets} ({self.origin or 'in IPVS'})"
