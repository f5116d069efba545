"""Our table where another firewall keeps the rules now: what it still holds of ours."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, CommandBackend
from lvsmarkd.backends.nftables.backend import NftablesBackend
from lvsmarkd.backends.nftables.view import OWN_TABLE
from lvsmarkd.kernel.nf_tables import NamedTables, named_tables
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import Plan, Step
from lvsmarkd.model.rule import ChainKey
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError


class BesideOwnTable(Struct):
    """The ``present`` firewall, and our table, which is removed once all of it is there.

    Whether there is a table costs no program. ``keeps`` says whether the present firewall still
    keeps the rules: nothing is taken away where it may have ended just now.
    """

    present: CommandBackend
    table: NftablesBackend
    names: Callable[[], NamedTables | Unknown] = named_tables

    def read(self) -> Snapshot:
        """As the present one; what our table holds besides is told as of a previous one."""
        seen = self.present.read()
        if not self._is_there():
            return seen
        left = left_in_table(self.table.read())
        return replace(seen, previous=(*seen.previous, left)) if left.chains else seen

    def apply(self, plan: Plan) -> Applied:
        """Carry out each step where its chain is, in the present firewall first."""
        now, before = _parted(plan)
        applied = self.present.apply(now) if now.steps else Applied()
        if not before.steps:
            return applied
        return replace(applied, error=applied.error or self.table.apply(before).error)

    def close(self) -> None:
        """Close both."""
        self.table.close()
        self.present.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written to either."""
        now, before = _parted(plan)
        texts = self.present.script(now) if now.steps or not before.steps else {}
        return {**texts, **(self.table.script(before) if before.steps else {})}

    def purge(self) -> Plan:
        """Of both: nobody else has such a table. Raises FirewallError, once all was tried."""
        steps: tuple[Step, ...] = ()
        failure: FirewallError | None = None
        try:
            steps = self.present.purge().steps
        except FirewallError as error:
            failure = error
        if self._is_there():
            steps += self.table.purge().steps
        if failure is not None:
            raise failure
        return Plan(steps=steps)

    def _is_there(self) -> bool:
        there = self.names()
        return isinstance(there, NamedTables) and any(
            (each.family, each.name) == ("inet", OWN_TABLE) for each in there.tables
        )


def left_in_table(seen: Snapshot) -> PreviousRules:
    """Our rules there, for a firewall that keeps the rules now."""
    return PreviousRules(
        {
            replace(key, previous=Program.NFTABLES): chain
            for key, chain in seen.chains.items()
            if isinstance(chain, Chain) and (chain.rules or chain.incomplete)
        }
    )


def _parted(plan: Plan) -> tuple[Plan, Plan]:
    """The steps of the present firewall and what it knows of, and those for our table."""

    def is_ours(chain_key: ChainKey) -> bool:
        return chain_key.previous is Program.NFTABLES

    before = tuple(step for step in plan.steps if is_ours(step.chain_key))
    now = tuple(step for step in plan.steps if not is_ours(step.chain_key))
    return replace(plan, findings=(), steps=now), replace(plan, findings=(), steps=before)
