"""Carrying out a plan: by small changes where these do, by a reload where nothing else does.

Rules are added before others are removed. The runtime comes first, so that the kernel has taken
what is made permanent; only where the runtime cannot take it without a reload, the permanent
configuration does.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.client.calls import FirewalldClient, FirewalldError
from lvsmarkd.backends.firewalld.client.states import failure
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.firewalld.planes.own_rules import Change
from lvsmarkd.backends.firewalld.planes.reader import FirewalldReader, FirewalldState
from lvsmarkd.backends.firewalld.reload.reloader import PATIENCE, Reloader
from lvsmarkd.backends.firewalld.reload.unmended import Unmended, Unmet
from lvsmarkd.backends.firewalld.rich.own_rule import UnrenderableError, rich_text
from lvsmarkd.backends.firewalld.writing.changes import change_of, wanted_at
from lvsmarkd.backends.firewalld.writing.writer import PermanentWriter, Rejected, RuntimeWriter
from lvsmarkd.model.plan import AddRule, EnsureJump, Plan, ReplaceChain, Step
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.netfilter.errors import FirewallError

_UNMET = (
    "firewalld lists it, and the kernel does not have it, not even after a reload: somebody deletes"
    " it again and again, or firewalld does not load it: see journalctl -u firewalld (is IPv6"
    " switched off here?)"
)


class Application(Struct):
    """One plan's way into firewalld."""

    firewalld: FirewalldClient
    reloader: Reloader
    reader: FirewalldReader
    unmended: Unmended
    room: Callable[[], bool] = lambda: True
    _rejected: Rejected = field(default_factory=list)

    def refused(self) -> tuple[tuple[Rule, str], ...]:
        """The rules that were refused, each with the reason, also where ``carry_out`` raised."""
        return tuple(dict(self._rejected).items())

    def carry_out(self, plan: Plan, firewalld_state: FirewalldState) -> None:
        """Do it. Raises FirewallError, BusError, FirewalldError."""
        steps, self._rejected = renderable(plan.by_chain())
        changes = {
            plane: change_of({s: each for s, each in steps.items() if s.plane is plane}, own)
            for plane, own in firewalld_state.own.items()
        }
        runtime = changes[Plane.RUNTIME]
        permanent = changes.get(Plane.PERMANENT, Change())
        self.reloader.rules += permanent.additions
        lacking = set(self._lacking(steps, firewalld_state))
        why = self._why(firewalld_state, self.unmended.due(lacking), steps)
        reload_blocker = self.reloader.reload_blocker(firewalld_state) if why else ""
        if why and not reload_blocker:
            self._by_reload(firewalld_state, steps, permanent, why)
        else:
            reason = reload_blocker or _UNMET
            self._rejected += [
                (rule, reason) for rule in dict.fromkeys(rule for _, rule in lacking)
            ]
            self._by_calls(firewalld_state, steps, runtime, permanent)

    def needs_reload(
        self, steps: Mapping[ChainKey, tuple[Step, ...]], firewalld_state: FirewalldState
    ) -> str:
        """Why firewalld would be reloaded; empty where it need not or may not be.

        Raises BusError, FirewalldError.
        """
        why = self._why(
            firewalld_state, self.unmended.due(self._lacking(steps, firewalld_state)), steps
        )
        return "" if why and self.reloader.reload_blocker(firewalld_state) else why

    def _why(
        self,
        firewalld_state: FirewalldState,
        lacking: Iterable[Unmet],
        steps: Mapping[ChainKey, tuple[Step, ...]],
    ) -> str:
        """Why firewalld has to be reloaded; empty where it need not be."""
        makes = any(s.plane is Plane.PERMANENT and _frames(each) for s, each in steps.items())
        if not makes and not any(chain_key.plane is Plane.RUNTIME for chain_key in steps):
            return ""
        if not firewalld_state.whole:
            return "its tables in the kernel were flushed"
        count = len(list(lacking))
        if count:
            return f"the kernel lacks {count} rule(s) that it lists"
        permanent = firewalld_state.own.get(Plane.PERMANENT)
        ready = permanent is not None and (makes or not permanent.fault)
        if firewalld_state.own[Plane.RUNTIME].interim and ready:
            return "it does not know the policy lvsmarkd yet"
        return ""

    def _lacking(
        self, steps: Mapping[ChainKey, tuple[Step, ...]], firewalld_state: FirewalldState
    ) -> Iterable[Unmet]:
        """What the steps are about, is listed, and is not in the kernel."""
        lost = firewalld_state.lacking()
        for chain_key, each in steps.items():
            if chain_key.plane is Plane.RUNTIME:
                wanted = wanted_at(chain_key, each, firewalld_state.own[Plane.RUNTIME])
                own = firewalld_state.own[Plane.RUNTIME].of(chain_key)
                named = {rule for _, rule in lost} & (wanted | {listed.rule for listed in own})
                yield from (unmet for unmet in lost if unmet[1] in named)

    def _by_calls(
        self,
        firewalld_state: FirewalldState,
        steps: Mapping[ChainKey, tuple[Step, ...]],
        runtime: Change,
        permanent: Change,
    ) -> None:
        allowed: list[bool] = []

        def worth(seconds: float) -> bool:
            """Whether going on is better than a reload, by what the rest would take."""
            if seconds <= PATIENCE:
                return True
            if not allowed:
                allowed.append(not self.reloader.reload_blocker(firewalld_state))
            return not allowed[0]

        writer = RuntimeWriter(self.firewalld, firewalld_state.runtime, worth)
        rejected = writer.add(runtime)
        self._rejected += rejected
        refused = frozenset(rule for rule, _ in rejected)
        if writer.given_up:
            why = "many rules are to be added, one by one too slowly"
            self._by_reload(firewalld_state, steps, permanent, why, refused)
            return
        self._permanent(firewalld_state, permanent, refused)
        writer.remove(runtime)

    def _by_reload(
        self,
        firewalld_state: FirewalldState,
        steps: Mapping[ChainKey, tuple[Step, ...]],
        permanent: Change,
        why: str,
        refused: frozenset[Rule] = frozenset(),
    ) -> None:
        """Have the permanent configuration right, and firewalld load it.

        Where it cannot be written (a full disk), the rules are put in force all the same.
        """
        try:
            writer = self._permanent(firewalld_state, permanent, refused)
        except FirewalldError as error:
            self._without_it(firewalld_state, steps, str(error))
            raise failure(error, "firewalld's permanent configuration is written") from error
        try:
            self.reloader.run(why, firewalld_state)
        except FirewallError as error:
            after = self.reader.look(firewalld_state.state)
            if after.whole:
                self._without_it(after, steps, str(error))
                return
            if writer is not None and writer.wrote:
                # What was written just now may be what it stumbles over.
                writer.undo()
                self.reloader.run("what it could not load is taken back", firewalld_state)
            raise
        after = self.reader.look(firewalld_state.state)
        # One that was in force before can be: whoever deleted it did so since the reload.
        in_vain = set(after.lacking()) - firewalld_state.met()
        self.unmended.reloaded(in_vain)
        self._rejected += [(rule, _UNMET) for _, rule in in_vain]

    def _without_it(
        self,
        firewalld_state: FirewalldState,
        steps: Mapping[ChainKey, tuple[Step, ...]],
        reason: str,
    ) -> None:
        """What can be done where firewalld refuses to reload: others' configuration is broken."""
        self._rejected += [(rule, reason) for _, rule in self._lacking(steps, firewalld_state)]
        now = {s: each for s, each in steps.items() if s.plane is Plane.RUNTIME}
        writer = RuntimeWriter(self.firewalld, firewalld_state.runtime)
        self._rejected += writer.add(change_of(now, firewalld_state.own[Plane.RUNTIME]))

    def _permanent(
        self, firewalld_state: FirewalldState, change: Change, refused: frozenset[Rule]
    ) -> PermanentWriter | None:
        if not change or not isinstance(firewalld_state.permanent, Listing):
            return None
        writer = PermanentWriter(self.firewalld, firewalld_state.permanent, self.room)
        self._rejected += writer.write(change, refused)
        return writer


def _frames(steps: Iterable[Step]) -> bool:
    return any(isinstance(step, ReplaceChain | EnsureJump) for step in steps)


def renderable(
    steps: Mapping[ChainKey, tuple[Step, ...]],
) -> tuple[dict[ChainKey, tuple[Step, ...]], Rejected]:
    """The steps without the rules that no rich rule can say, and these with the reason."""
    kept: dict[ChainKey, tuple[Step, ...]] = {}
    rejected: Rejected = []
    for chain_key, each in steps.items():
        good: list[Step] = []
        for step in each:
            match step:
                case AddRule(_, rule):
                    refused = list(_unrenderable([rule]))
                    rejected += refused
                    good += [] if refused else [step]
                case ReplaceChain(_, rules, fresh, container):
                    refused = list(_unrenderable(rules))
                    rejected += refused
                    bad = {rule for rule, _ in refused}
                    left = tuple(rule for rule in rules if rule not in bad)
                    good.append(ReplaceChain(chain_key, left, fresh, container))
                case _:
                    good.append(step)
        if good:
            kept[chain_key] = tuple(good)
    return kept, rejected


def _unrenderable(rules: Iterable[Rule]) -> Iterable[tuple[Rule, str]]:
    for rule in rules:
        try:
            rich_text(rule)
        except UnrenderableError as error:
            yield rule, str(error)
