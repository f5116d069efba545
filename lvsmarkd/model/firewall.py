"""Which firewall it is."""

from enum import StrEnum

from msgspec import Struct


class Program(StrEnum):
    """A program that keeps a host's firewall. The names are a contract: reports begin with them."""

    NONE = "none"
    """There is no firewall to ask."""
    IPTABLES = "iptables"
    FIREWALLD = "firewalld"
    NFTABLES = "nftables"
    """No program: a table of our own in nf_tables."""


class FirewallIdentity(Struct, frozen=True):
    """``variant`` is ``nft`` or ``legacy`` of iptables, and of firewalld the backend that it has
    itself, where that is known.
    """

    program: Program
    variant: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """As metrics and reports name it: ``iptables-nft``, ``firewalld-nftables``."""
        return "-".join(filter(None, (self.program, self.variant)))


NO_FIREWALL = FirewallIdentity(Program.NONE)
