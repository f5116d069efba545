"""IP protocols: by number, and by the names that people read."""

from enum import IntEnum


class Transport(IntEnum):
    """The transport protocols whose ports a declaration may name, by their IP protocol number."""

    TCP = 6
    UDP = 17
    DCCP = 33
    SCTP = 132

    def __str__(self) -> str:
        return self.name.lower()


VRRP_PROTOCOL = 112
AH_PROTOCOL = 51
TRANSPORTS: dict[str, Transport] = {str(transport): transport for transport in Transport}
"""By name."""
PROTOCOL_NAMES: dict[int, str] = {VRRP_PROTOCOL: "vrrp", AH_PROTOCOL: "ah"} | {
    int(transport): str(transport) for transport in Transport
}
"""The protocols that rules of ours are about."""
