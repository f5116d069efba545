"""The firewalld backend: rich rules by D-Bus, in both planes, and the kernel is looked at."""

from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from time import monotonic

from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, Backend, down
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.client.calls import (
    BusError,
    FirewalldClient,
    FirewalldError,
    RunState,
)
from lvsmarkd.backends.firewalld.client.states import (
    ABSENT,
    SENTENCES,
    failure,
    not_ready,
    trouble_of,
)
from lvsmarkd.backends.firewalld.planes.direct import beside, direct_rules
from lvsmarkd.backends.firewalld.planes.files import (
    TOLD,
    broken_files,
    has_room,
    worth_keeping,
)
from lvsmarkd.backends.firewalld.planes.frame import has_policies
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel, is_in_kernel
from lvsmarkd.backends.firewalld.planes.listed_rules import (
    listed_rules,
    own_places,
    service_names,
)
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.firewalld.planes.notices import notices_of, notices_of_state
from lvsmarkd.backends.firewalld.planes.reader import (
    Choices,
    FirewalldReader,
    FirewalldState,
    unknown,
)
from lvsmarkd.backends.firewalld.reload.boot import Boot
from lvsmarkd.backends.firewalld.reload.own_file import OwnFile
from lvsmarkd.backends.firewalld.reload.reloader import Reloader
from lvsmarkd.backends.firewalld.reload.unmended import Unmended
from lvsmarkd.backends.firewalld.reload.unsaved import ReloadImpact
from lvsmarkd.backends.firewalld.rich.qualifiers import rich_rule_limits
from lvsmarkd.backends.firewalld.rich.services import Services, ask_services
from lvsmarkd.backends.firewalld.writing.apply import Application, renderable
from lvsmarkd.backends.firewalld.writing.changes import change_of, commands
from lvsmarkd.backends.firewalld.writing.purge import purge
from lvsmarkd.backends.migration import left_in_iptables
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.notice import Notice
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.ruleset import Lister, Ruleset
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble

_NOT_ENTERED = "no packet enters by the zones that hold our rules"
FRESH = 1.0
"""Seconds for which what was seen may be written by."""


class FirewalldBackend:
    """firewalld, with its nftables or its iptables backend.

    ``iptables`` is the backend that reads iptables' tables, if there is any iptables: direct
    rules are there, and those of whoever uses it besides.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is wired from
        self,
        firewalld: FirewalldClient,
        backup: Backup,
        choices: Choices,
        version: str,
        iptables: Callable[[], Backend | None] = lambda: None,
        boot: Boot | None = None,
    ) -> None:
        self.firewalld = firewalld
        self.backup = backup
        self.choices = choices
        self.version = version
        self.iptables = iptables
        self.boot = Boot() if boot is None else boot
        self._variant: str = ""
        self._unmended = Unmended()
        self._last_state: tuple[float, FirewalldState | None] = (-inf, None)
        choices = self.choices
        if choices.by_policy and not has_policies(self.version):
            choices = replace(choices, by_policy=False)
        self._reader = FirewalldReader(self.firewalld, choices)
        self._own_file = OwnFile(self.firewalld, self.backup, choices)

    @classmethod
    def open(
        cls,
        firewalld: FirewalldClient,
        backup: Backup,
        choices: Choices,
        *,
        iptables: Callable[[], Backend | None] = lambda: None,
        boot: Boot | None = None,
    ) -> "FirewalldBackend":
        """A backend for the firewalld that runs.

        Raises FirewallError (GONE, BUSY) where it does not run, with what to do. One that failed
        runs, and ``read`` tells over what.
        """
        state = firewalld.state()
        if not state.readable and state is not RunState.FAILED:
            down = state in ABSENT and not is_in_kernel()
            raise FirewallError(trouble_of(state), SENTENCES[state], down=down)
        try:
            version = str(firewalld.property("version"))
        except (BusError, FirewalldError) as error:
            raise failure(error) from error
        made = cls(firewalld, backup, choices, version, iptables, boot or Boot())
        made._variant = made._reader.backend()
        return made

    def read(self) -> Snapshot:
        """Read both planes, the kernel, and what others have in iptables and nftables."""
        state = self.firewalld.state()
        self._last_state = (-inf, None)  # what was seen before is not to be written by
        if not state.readable:
            if state in ABSENT and not is_in_kernel():
                return down(SENTENCES[state], self._identity, rich_rule_limits())
            broken = broken_files(self.choices.etc) if state is RunState.FAILED else ()
            seen = self._unread(SENTENCES[state], notices_of_state(state, broken))
            return replace(seen, chains={**seen.chains, **self._own_file.known(state)})
        try:
            firewalld_state = self._reader.look(state)
            iptables = self._iptables()
            services = ask_services(self.firewalld, service_names(*firewalld_state.listings()))
            reload_blocker = self._reload_blocker(firewalld_state)
        except (BusError, FirewalldError) as error:
            return self._unread(str(error))
        self._variant = firewalld_state.backend
        self._last_state = (monotonic(), firewalld_state)
        self._unmended.seen(firewalld_state.lacking())
        notices = notices_of(
            firewalld_state,
            not_at_boot=self.boot.trouble(),
            reload_blocker=reload_blocker,
        )
        ruleset = _ruleset(firewalld_state.kernel)
        if iptables is not None:
            ruleset |= iptables.ruleset
        runtime, permanent = firewalld_state.runtime, firewalld_state.permanent
        lasting = None
        if isinstance(permanent, Listing):
            others = beside(ruleset, firewalld_state.backend, runtime)
            lasting = others | self._listed(permanent, firewalld_state, services)
        return Snapshot(
            firewalld_state.chains(),
            tuple(notices),
            iptables.names if iptables is not None else frozenset(),
            self._identity,
            rich_rule_limits(),
            (left_in_iptables(iptables),) if iptables is not None else (),
            ruleset,
            self._listed(runtime, firewalld_state, services),
            lasting,
            places=own_places(permanent) if isinstance(permanent, Listing) else {},
        )

    def apply(self, plan: Plan) -> Applied:
        """Carry out the steps, of both planes.

        Errors: BUSY (panic mode, no answer in time), GONE, REJECTED (firewalld does not come back
        healthy from a reload).
        """
        if plan.requested:
            self._unmended.reset_backoff()
        try:
            self._own_file.give_way(self._reader, self._reloader)
            firewalld_state = self._seen_just_now() or self._read_state()
            self._save_first(firewalld_state)
        except FirewallError as error:
            return Applied(error=error)
        application = Application(
            self.firewalld,
            self._reloader(firewalld_state),
            self._reader,
            self._unmended,
            partial(has_room, self.choices.etc),
        )
        try:
            application.carry_out(plan, firewalld_state)
        except (BusError, FirewalldError) as error:
            trouble = failure(error, "firewalld's rules are written")
            return Applied(application.refused(), trouble)
        except FirewallError as error:
            return Applied(application.refused(), error)
        return Applied(application.refused())

    def close(self) -> None:
        """Hang up."""
        self.firewalld.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written, in firewall-cmd's words. Raises FirewallError."""
        firewalld_state = self._read_state(write=False)
        by_chain, _ = renderable(plan.by_chain())
        reloader = self._reloader(firewalld_state)
        application = Application(self.firewalld, reloader, self._reader, self._unmended)
        try:
            why = application.needs_reload(by_chain, firewalld_state)
        except (BusError, FirewalldError) as error:
            raise failure(error, "firewalld is read") from error
        texts: dict[str, str] = {}
        for plane, own in sorted(
            firewalld_state.own.items()
        ):  # permanent first: its size tells the cost
            steps = {s: steps for s, steps in by_chain.items() if s.plane is plane}
            change = change_of(steps, own)
            lines = list(commands(plane, change))
            if plane is Plane.PERMANENT:
                reloader.rules += change.additions
            elif why:
                lines = [f"# {why}; {reloader.cost}", "firewall-cmd --reload"]
            if lines:
                texts[f"firewall-cmd ({plane})"] = "".join(f"{line}\n" for line in lines)
        return texts

    def purge(self) -> Plan:
        """Remove our policy and our rules in zones, from both planes.

        The policy's empty object stays known at runtime until the next reload: nothing can
        remove it sooner, and it does nothing.
        """
        firewalld_state = self._read_state()
        try:
            return purge(self.firewalld, firewalld_state)
        except FirewalldError as error:
            raise FirewallError(
                Trouble.REJECTED,
                "our rules could not be removed from firewalld: run firewall-cmd --reload, so that"
                f" the kernel has what it lists, and purge again ({error.code or error})",
            ) from error
        except BusError as error:
            raise failure(error, "our rules are to be removed from firewalld") from error

    def _save_first(self, firewalld_state: FirewalldState) -> None:
        permanent = firewalld_state.permanent
        if isinstance(permanent, Listing):
            copy = partial(worth_keeping, firewalld_state.runtime, permanent, self.choices.etc)
            self.backup.save_once(TOLD, copy)

    @property
    def _identity(self) -> FirewallIdentity:
        return FirewallIdentity(Program.FIREWALLD, self._variant, self.version)

    def _unread(self, reason: str, notices: Iterable[Notice] = ()) -> Snapshot:
        return Snapshot(
            unknown(reason),
            notices=tuple(notices),
            firewall=self._identity,
            limits=rich_rule_limits(),
        )

    def _seen_just_now(self) -> FirewalldState | None:
        """What the plan was made from, if rules can be changed by it: a look takes longer than
        the change. Whether to reload is decided by a new look only.
        """
        at, firewalld_state = self._last_state
        self._last_state = (-inf, None)
        if (
            firewalld_state is None
            or monotonic() - at > FRESH
            or firewalld_state.state is not RunState.RUNNING
        ):
            return None
        well = (
            firewalld_state.whole
            and not firewalld_state.lacking()
            and not firewalld_state.own[Plane.RUNTIME].interim
        )
        return firewalld_state if well else None

    def _read_state(self, *, write: bool = True) -> FirewalldState:
        state = self.firewalld.state()
        trouble = not_ready(state)
        if trouble is not None and (write or not state.readable):
            raise trouble
        try:
            return self._reader.look(state)
        except (BusError, FirewalldError) as error:
            raise failure(error, "firewalld is read") from error

    def _iptables(self) -> Snapshot | None:
        backend = self.iptables()
        return None if backend is None else backend.read()

    def _listed(self, listing: Listing, state: FirewalldState, services: Services) -> Ruleset:
        """What a plane does to marks, in firewalld's words."""
        own = state.own[listing.plane]
        return listed_rules(listing, own, services, state.runtime.active) | direct_rules(listing)

    def _reload_blocker(self, firewalld_state: FirewalldState) -> str:
        """Why a reload that is needed is not made; empty where none is, or it may be."""
        if firewalld_state.state is RunState.PANIC:
            return ""
        if (
            firewalld_state.whole
            and not firewalld_state.lacking()
            and not firewalld_state.own[Plane.RUNTIME].interim
        ):
            return ""
        return self._reloader(firewalld_state).reload_blocker(firewalld_state)

    def _reloader(self, firewalld_state: FirewalldState) -> Reloader:
        impact = ReloadImpact(self.firewalld, self.version, firewalld_state.backend)
        rules = sum(len(own.listed) for own in firewalld_state.own.values())
        return Reloader(self.firewalld, self.choices.reload, impact, self._reader.kernel, rules)


def _ruleset(kernel: Kernel | Unknown) -> Ruleset:
    if isinstance(kernel, Unknown):
        return Ruleset(unread={Lister.NFT: kernel})
    return kernel.ruleset
