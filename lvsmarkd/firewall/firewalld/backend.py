"""The firewalld backend: rich rules by D-Bus, in both planes, and the kernel is looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic
from typing import ClassVar

from lvsmarkd.firewall.absent import down
from lvsmarkd.firewall.backend import Applied, Backend, FirewallError, Identity, Trouble
from lvsmarkd.firewall.firewalld.apply import Application, renderable
from lvsmarkd.firewall.firewalld.backup import Backup
from lvsmarkd.firewall.firewalld.boot import Boot
from lvsmarkd.firewall.firewalld.calls import BusError, Firewalld, FirewalldError, State
from lvsmarkd.firewall.firewalld.changes import change_of
from lvsmarkd.firewall.firewalld.commands import commands
from lvsmarkd.firewall.firewalld.direct import Natives, of_direct, of_iptables
from lvsmarkd.firewall.firewalld.foreign import Walk, service_names
from lvsmarkd.firewall.firewalld.former import former_chains, parted
from lvsmarkd.firewall.firewalld.frame import has_policies
from lvsmarkd.firewall.firewalld.holdings import OUR_POLICY
from lvsmarkd.firewall.firewalld.intruders import foreign as intruding
from lvsmarkd.firewall.firewalld.kernel import Kernel, is_in_kernel
from lvsmarkd.firewall.firewalld.listing import Listing
from lvsmarkd.firewall.firewalld.look import Choices, Looker, Sight, unknown
from lvsmarkd.firewall.firewalld.purge import purge
from lvsmarkd.firewall.firewalld.reload import Reloader
from lvsmarkd.firewall.firewalld.remarks import not_entered, remarks, remarks_unread
from lvsmarkd.firewall.firewalld.services import ask_services
from lvsmarkd.firewall.firewalld.states import (
    ABSENT,
    SENTENCES,
    failure,
    not_ready,
    trouble_of,
)
from lvsmarkd.firewall.firewalld.unmended import Unmended
from lvsmarkd.firewall.firewalld.unsaved import Losses
from lvsmarkd.model.observed import ForeignRule, Observed
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Plane

SLOTS = 1
"""A rich rule names one port or one range of ports."""
FRESH = 1.0
"""Seconds for which what was seen may be written by."""


@dataclass(slots=True)
class FirewalldBackend:
    """firewalld, with its nftables or its iptables backend.

    A rich rule names no interface and leaves out one sender: see own.py.

    ``iptables`` is the backend that reads iptables' tables, if there is any iptables: direct
    rules are there, and those of whoever uses it besides.
    """

    interfaces: ClassVar[bool] = False
    macs: ClassVar[int | None] = 1
    firewalld: Firewalld
    backup: Backup
    choices: Choices
    version: str
    iptables: Callable[[], Backend | None] = lambda: None
    boot: Boot = field(default_factory=Boot)
    last: bool = False
    _backend: str = ""
    _looker: Looker = field(init=False)
    _unmended: Unmended = field(default_factory=Unmended)
    _last_sight: tuple[float, Sight | None] = (-inf, None)

    def __post_init__(self) -> None:
        choices = self.choices
        if choices.by_policy and not has_policies(self.version):
            choices = replace(choices, by_policy=False)
        self._looker = Looker(self.firewalld, choices)

    @classmethod
    def open(
        cls,
        firewalld: Firewalld,
        backup: Backup,
        choices: Choices,
        *,
        iptables: Callable[[], Backend | None] = lambda: None,
        boot: Boot | None = None,
    ) -> "FirewalldBackend":
        """A backend for the firewalld that runs.

        Raises FirewallError (GONE, BUSY) where it does not run, with what to do.
        """
        state = firewalld.state()
        if not state.readable:
            down = state in ABSENT and not is_in_kernel()
            raise FirewallError(trouble_of(state), SENTENCES[state], down=down)
        try:
            version = str(firewalld.property("version"))
        except (BusError, FirewalldError) as error:
            raise failure(error) from error
        made = cls(firewalld, backup, choices, version, iptables, boot or Boot())
        made._backend = made._looker.backend()
        return made

    @property
    def identity(self) -> Identity:
        """``firewalld-nftables`` or ``firewalld-iptables``."""
        return Identity("-".join(filter(None, ("firewalld", self._backend))), self.version)

    @property
    def slots(self) -> int:
        """1, see SLOTS."""
        return SLOTS

    def observe(self) -> Observed:
        """Read both planes, the kernel, and what others have in iptables and nftables."""
        state = self.firewalld.state()
        if not state.readable:
            if state in ABSENT and not is_in_kernel():
                return down(SENTENCES[state])
            return Observed(unknown(SENTENCES[state]), remarks=tuple(remarks_unread(state)))
        try:
            sight = self._looker.look(state)
            iptables = self._iptables()
            foreign = tuple(self._foreign(sight, iptables))
            hindrance = self._hindrance(sight)
        except (BusError, FirewalldError) as error:
            return Observed(unknown(str(error)))
        self._backend = sight.backend
        self._last_sight = (monotonic(), sight)
        self._unmended.seen(sight.lacking())
        found = remarks(
            sight,
            not_at_boot=self.boot.trouble(),
            hindrance=hindrance,
        )
        former = dict(former_chains(iptables)) if iptables is not None else {}
        return Observed(
            sight.chains() | former,
            foreign,
            iptables.refusing if iptables is not None else frozenset(),
            tuple(found),
            iptables.names if iptables is not None else frozenset(),
            "no packet enters by the zones that hold our rules" if not_entered(sight) else "",
        )

    def apply(self, plan: Plan) -> Applied:
        """Carry out the steps, of both planes.

        Raises FirewallError: BUSY (panic mode, no answer in time), GONE, REJECTED (firewalld
        does not come back healthy from a reload).
        """
        plan, past = parted(plan)
        applied = self._apply(plan) if plan.steps else Applied()
        if past.steps and (iptables := self._backend_of_iptables()) is not None:
            if not self.firewalld.here():
                raise FirewallError(Trouble.BUSY, "firewalld has just ended: planned anew")
            iptables.apply(past)
        return applied

    def _apply(self, plan: Plan) -> Applied:
        sight = self._seen_just_now() or self._sight()
        if isinstance(sight.permanent, Listing):
            self.backup.save_once(sight.runtime, sight.permanent)
        application = Application(
            self.firewalld, self._reloader(sight), self._looker, self._unmended, self.backup.room
        )
        try:
            rejected = application.carry_out(plan, sight)
        except (BusError, FirewalldError) as error:
            raise failure(error, "firewalld's rules are written") from error
        return Applied(tuple(rejected))

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written, in firewall-cmd's words. Raises FirewallError."""
        sight = self._sight(write=False)
        plan, past = parted(plan)
        by_spot, _ = renderable(plan.by_spot())
        reloader = self._reloader(sight)
        application = Application(self.firewalld, reloader, self._looker, self._unmended)
        try:
            why = application.needs_reload(by_spot, sight)
        except (BusError, FirewalldError) as error:
            raise failure(error, "firewalld is read") from error
        texts: dict[str, str] = {}
        for plane, own in sorted(sight.own.items()):  # permanent first: its size tells the cost
            steps = {s: steps for s, steps in by_spot.items() if s.plane is plane}
            change = change_of(steps, own)
            lines = list(commands(plane, change))
            if plane is Plane.PERMANENT:
                reloader.rules += change.additions
            elif why:
                lines = [f"# {why}; {reloader.cost}", "firewall-cmd --reload"]
            if lines:
                texts[f"firewall-cmd ({plane})"] = "".join(f"{line}\n" for line in lines)
        if past.steps and (iptables := self._backend_of_iptables()) is not None:
            texts |= iptables.script(past)
        return texts

    def pardon(self) -> None:
        """Let all that a reload did not mend be a reason for another one."""
        self._unmended.pardon()

    def purge(self) -> Plan:
        """Remove our policy and our rules in zones, from both planes.

        The policy's empty object stays known at runtime until the next reload: nothing can
        remove it sooner, and it does nothing.
        """
        sight = self._sight()
        try:
            return purge(self.firewalld, sight)
        except FirewalldError as error:
            raise FirewallError(
                Trouble.REJECTED,
                "our rules could not be removed from firewalld: run firewall-cmd --reload, so that"
                f" the kernel has what it lists, and purge again ({error.code or error})",
            ) from error
        except BusError as error:
            raise failure(error, "our rules are to be removed from firewalld") from error

    def _seen_just_now(self) -> Sight | None:
        """What the plan was made from, if rules can be changed by it: a look takes longer than
        the change. Whether to reload is decided by a new look only.
        """
        at, sight = self._last_sight
        self._last_sight = (-inf, None)
        if sight is None or monotonic() - at > FRESH or sight.state is not State.RUNNING:
            return None
        well = sight.whole and not sight.lacking() and not sight.own[Plane.RUNTIME].interim
        return sight if well else None

    def _sight(self, *, write: bool = True) -> Sight:
        state = self.firewalld.state()
        trouble = not_ready(state)
        if trouble is not None and (write or not state.readable):
            raise trouble
        try:
            return self._looker.look(state)
        except (BusError, FirewalldError) as error:
            raise failure(error, "firewalld is read") from error

    def _iptables(self) -> Observed | None:
        backend = self._backend_of_iptables()
        return None if backend is None else backend.observe()

    def _backend_of_iptables(self) -> Backend | None:
        try:
            return self.iptables()
        except FirewallError:
            return None  # no iptables here: nobody has rules in it

    def _foreign(self, sight: Sight, iptables: Observed | None) -> Iterator[ForeignRule]:
        listings = [each for each in (sight.runtime, sight.permanent) if isinstance(each, Listing)]
        services = ask_services(self.firewalld, service_names(*listings))
        if iptables is not None:
            yield from of_iptables(iptables, sight.backend, sight.runtime)
        if isinstance(sight.kernel, Kernel):
            yield from Natives(sight.kernel.foreign).foreign()
            own = sight.own[Plane.RUNTIME]
            if own.targets == (OUR_POLICY,):
                yield from intruding(sight.kernel.intruders, {held.rule for held in own.held})
        for listing in listings:
            walk = Walk(listing, sight.own[listing.plane], services, sight.runtime.active)
            yield from walk.foreign()
        if isinstance(sight.permanent, Listing):
            yield from of_direct(sight.permanent)

    def _hindrance(self, sight: Sight) -> str:
        """Why a reload that is needed is not made; empty where none is, or it may be."""
        if sight.state is State.PANIC:
            return ""
        if sight.whole and not sight.lacking() and not sight.own[Plane.RUNTIME].interim:
            return ""
        return self._reloader(sight).hindrance(sight)

    def _reloader(self, sight: Sight) -> Reloader:
        losses = Losses(self.firewalld, self.version, sight.backend)
        rules = sum(len(own.held) for own in sight.own.values())
        return Reloader(self.firewalld, self.choices.reload, losses, self._looker.kernel, rules)
