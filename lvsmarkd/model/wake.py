"""Why to look: a wake-up carries a reason, never data."""

from enum import StrEnum

from msgspec import Struct


class Trigger(StrEnum):
    """What made us look. The names are a contract: metrics and journal bear them."""

    STARTUP = "startup"
    FILE = "file"
    """keepalived.conf, an include or lvsmarkd.toml changed."""
    NETLINK = "netlink"
    """The kernel told of a change of nf_tables."""
    LOCK = "lock"
    """Somebody opened the xtables lock, as iptables-legacy does to write."""
    DBUS = "dbus"
    """firewalld told of a change in it, or came, or went."""
    KEEPALIVED = "keepalived"
    """keepalived started, ended, or read its configuration again."""
    IPVS = "ipvs"
    """Services by mark came to IPVS, or left it."""
    TIMER = "timer"
    """The slow full check."""
    RECHECK = "recheck"
    """A look again after our own write, a failure, or when a lingering rule's time comes."""
    SIGNAL = "signal"
    CONTROL = "control"


class Actor(Struct, frozen=True):
    """The program that changed a firewall, as far as it could be seen before it ended."""

    pid: int
    name: str
    command: str = ""

    def __str__(self) -> str:
        if self.name == "firewalld":
            # It changes rules for whoever asks it on the bus, and does not say for whom.
            return "somebody through firewalld (firewall-cmd, Ansible, Cockpit …)"
        return f"{self.command or self.name} (pid {self.pid})"


class Wake(Struct, frozen=True):
    """One wake-up. ``actor`` is who caused it, where that is known."""

    trigger: Trigger
    actor: Actor | None = None
