"""What every backend can do."""

from dataclasses import dataclass
from typing import Protocol

from lvsmarkd.model.observed import Observed
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Rule


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan: the rules that were refused, each with the reason."""

    rejected: tuple[tuple[Rule, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which firewall it is: `iptables-nft`, `iptables-legacy`; and its version."""

    name: str
    version: str


class Backend(Protocol):
    """One kind of firewall. All calls block and are bounded in time.

    ``slots``, ``interfaces`` and ``macs`` are what a rule can say, ``last`` whether
    our jump belongs at the end of its hook.
    """

    @property
    def identity(self) -> Identity:
        """Which firewall it is."""

    @property
    def slots(self) -> int:
        """How many ports one rule may name, a range counting two."""

    @property
    def interfaces(self) -> bool:
        """Whether a rule may name the interface by which packets come in."""

    @property
    def macs(self) -> int | None:
        """How many senders' MACs a rule may leave out; None: any number."""

    @property
    def last(self) -> bool:
        """Whether our jump belongs at the end of its hook, not at its head."""

    def observe(self) -> Observed:
        """Read what is there. What cannot be read is Unknown in the answer, no error."""

    def apply(self, plan: Plan) -> Applied:
        """Carry out the plan's steps, each family's at once.

        Raises FirewallError where a family's could not be carried out at all.
        """

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written: each program, with what it is given to read."""

    def reset_backoff(self) -> None:
        """A person asks: what was given up for a while is tried again at once."""

    def purge(self) -> Plan:
        """Remove all that is ours and nothing else; gives what was done."""
