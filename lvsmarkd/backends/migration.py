"""From the firewall that kept our rules before to the one that keeps them now.

Both are backends, each with its own means. Reading goes through the present one, whose snapshot
has what the previous one still holds of ours (packets meet both, so that it looks there anyway).
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, CommandBackend
from lvsmarkd.backends.iptables.chains import LOCATIONS
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import ChainKey
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.netfilter.errors import FirewallError, Trouble


class MigratingBackend(Struct):
    """Writes to the ``present`` backend, and removes what is ours from the ``previous`` one, None
    where that is not there any more.

    ``keeps`` says whether the present firewall still keeps the rules: nothing is taken away
    elsewhere where it may have ended just now. ``purges_both``: a purge is meant for either.
    """

    present: CommandBackend
    previous: Callable[[], CommandBackend | None]
    keeps: Callable[[], bool] = lambda: True
    purges_both: bool = True

    def read(self) -> Snapshot:
        """As the present one."""
        return self.present.read()

    def apply(self, plan: Plan) -> Applied:
        """Carry out each step where its chain is, in the present firewall first."""
        now, before = _parted(plan)
        applied = self.present.apply(now) if now.steps else Applied()
        if not before.steps:
            return applied
        return replace(applied, error=applied.error or self._clean_up(before))

    def close(self) -> None:
        """Close the present one: the previous one is asked for when it is needed."""
        self.present.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written to either."""
        now, before = _parted(plan)
        texts = dict(self.present.script(now))
        if before.steps and (previous := self.previous()) is not None:
            texts |= previous.script(before)
        return texts

    def purge(self) -> Plan:
        """Remove what is ours from the present one, and from the previous one if that is meant."""
        steps = self.present.purge().steps
        if self.purges_both and (previous := self.previous()) is not None:
            steps += previous.purge().steps
        return Plan(steps=steps)

    def _clean_up(self, plan: Plan) -> FirewallError | None:
        if not self.keeps():
            return FirewallError(Trouble.BUSY, "the firewall has just ended: planned anew")
        previous = self.previous()
        return None if previous is None else previous.apply(plan).error


def left_in_iptables(iptables: Snapshot) -> PreviousRules:
    """Our chains there, for a firewall that keeps the rules now. One that holds nothing of ours,
    and something else, is not ours.
    """
    return PreviousRules(
        {
            replace(chain_key, previous=Program.IPTABLES): replace(
                chain, container=_name(chain_key)
            )
            for chain_key, chain in iptables.chains.items()
            if isinstance(chain, Chain)
            and (chain.rules or (chain.jumps and not chain.unknown_rules))
        }
    )


def _name(chain_key: ChainKey) -> str:
    location = LOCATIONS[chain_key.hook]
    return f"iptables' chain {location.chain} (table {location.table})"


def _parted(plan: Plan) -> tuple[Plan, Plan]:
    """The steps for the present firewall, and those for the previous one."""
    before = tuple(step for step in plan.steps if step.chain_key.of_previous)
    now = tuple(step for step in plan.steps if not step.chain_key.of_previous)
    return replace(plan, findings=(), steps=now), replace(plan, findings=(), steps=before)
