"""A firewall that keeps the rules now, and one beside it that may still hold some of before.

``backends/migration.py`` is about two firewalls of which the present one's look shows both. Here
the other one is looked at by its own backend.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, CommandBackend
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import Plan, Step
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.netfilter.errors import FirewallError


class WithPrevious(Struct):
    """``find`` gives the backend of the ``program`` that kept the rules; None where it, and so
    anything of ours, is not there. Where it is ``dear`` to look at, it is asked until it was seen
    to hold none.
    """

    present: CommandBackend
    program: Program
    find: Callable[[], CommandBackend | None]
    dear: bool = False
    _is_clean: bool = False

    def read(self) -> Snapshot:
        """As the present one, with what the other one holds of ours."""
        seen = self.present.read()
        previous = None if self._is_clean else self.find()
        if previous is None:
            return seen
        there = previous.read()
        left = self._left(there)
        self._is_clean = self.dear and there.whole and not left.chains
        return replace(seen, previous=(*seen.previous, left)) if left.chains else seen

    def apply(self, plan: Plan) -> Applied:
        """Carry out each step where its chain is, in the present firewall first."""
        now, before = self._parted(plan)
        applied = self.present.apply(now) if now.steps else Applied()
        previous = self.find() if before.steps else None
        if previous is None:
            return applied
        return replace(applied, error=applied.error or previous.apply(before).error)

    def close(self) -> None:
        """Close the present one; what the other one was reached by is whoever's that gave it."""
        self.present.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written to either."""
        now, before = self._parted(plan)
        texts = dict(self.present.script(now)) if now.steps else {}
        previous = self.find() if before.steps else None
        return texts if previous is None else texts | previous.script(before)

    def purge(self) -> Plan:
        """Of both. Raises FirewallError, once both were tried."""
        done: tuple[Step, ...] = ()
        failure: FirewallError | None = None
        for each in (self.present, self.find()):
            try:
                done += each.purge().steps if each is not None else ()
            except FirewallError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return Plan(steps=done)

    def _left(self, there: Snapshot) -> PreviousRules:
        return PreviousRules(
            {
                replace(key, previous=self.program): chain
                for key, chain in there.chains.items()
                if isinstance(chain, Chain) and (chain.rules or chain.incomplete)
            }
        )

    def _parted(self, plan: Plan) -> tuple[Plan, Plan]:
        """What is for the present firewall and those that it sees, and what is for the other one,
        in that one's own words.
        """

        def ours(steps: Iterable[Step], *, of_previous: bool) -> tuple[Step, ...]:
            return tuple(
                step for step in steps if (step.chain_key.previous is self.program) is of_previous
            )

        before = tuple(
            replace(step, chain_key=replace(step.chain_key, previous=Program.NONE))
            for step in ours(plan.steps, of_previous=True)
        )
        now = ours(plan.steps, of_previous=False)
        return replace(plan, findings=(), steps=now), replace(plan, findings=(), steps=before)
