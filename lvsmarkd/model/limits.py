"""What the rules of a firewall can say, and where our jump stands in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the firewall that keeps the rules: part of every snapshot of it.

    The defaults are those of iptables.
    """

    max_ports_per_rule: int = 15
    """A range counts two. 15 is iptables' multiport (measured: 16 are refused)."""
    can_match_interface: bool = True
    """Whether a rule may name the interface by which packets come in."""
    max_excluded_macs: int | None = None
    """How many senders' MACs a rule may leave out; None: any number."""
    jump_at_end: bool = False
    """Whether our jump belongs at the end of its hook, not at its head."""


DEFAULT_LIMITS = Limits()
