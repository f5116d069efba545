"""What the rules of a firewall can say, and where our jump stands in it."""

from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.model.qualifiers import Qualifier


class Limits(Struct, frozen=True):
    """Of the firewall that keeps the rules: part of every snapshot of it.

    The defaults are those of iptables.
    """

    max_ports_per_rule: int = 15
    """A range counts two. 15 is iptables' multiport (measured: 16 are refused)."""
    max_values: Mapping[type[Qualifier], int] = field(default_factory=dict)
    """How many values a qualifier of a kind may have in one rule, 0 where no rule can say it. Any
    number, where its kind is not here.
    """
    jump_at_end: bool = False
    """Whether our jump belongs at the end of its hook, not at its head."""
    accepts: bool = True
    """Whether a rule of ours can let packets in that others refuse at INPUT."""
    joins_ports: bool = False
    """Whether ports that touch are one range there, however they were declared."""


DEFAULT_LIMITS = Limits()
