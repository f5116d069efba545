"""A backend that may not be there yet: looked for again until it is, and when it changes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lvsmarkd.backends.absent import down
from lvsmarkd.backends.backend import Applied, Backend, Identity
from lvsmarkd.model.observed import Observed
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.report import NO_BACKEND
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble

_CHAIN_KEYS = tuple(ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in Hook)


@dataclass(slots=True)
class BackendSelector:
    """For the daemon: a firewall that is missing is a state with a sentence, no end.

    ``find`` looks for the backend and raises FirewallError where there is none; ``stamp``
    is a value that differs when another would be found (an alternative was switched, a
    package was installed).
    """

    find: Callable[[], Backend]
    stamp: Callable[[], object]
    last: bool = False
    slots: int = 15
    interfaces: bool = True
    macs: int | None = None
    _found: Backend | None = None
    _stamp: object = None
    _identity: Identity = field(default_factory=lambda: Identity(NO_BACKEND, ""))

    @property
    def identity(self) -> Identity:
        """Which firewall it is; ``none`` while there is none."""
        return self._identity

    def observe(self) -> Observed:
        """Read what is there; all is unknown where there is no firewall to ask."""
        try:
            seen = self._backend().observe()
            if self._unread(seen) and self.stamp() != self._stamp:
                seen = self._backend().observe()  # another one keeps the rules since just now
        except FirewallError as error:
            if error.down:
                return down(str(error))
            return Observed(dict.fromkeys(_CHAIN_KEYS, Unknown(str(error))))
        if self._unread(seen):
            self._found = None  # its programs may be elsewhere by now
        return seen

    @staticmethod
    def _unread(seen: Observed) -> bool:
        return not seen.chains or any(isinstance(c, Unknown) for c in seen.chains.values())

    def apply(self, plan: Plan) -> Applied:
        """Carry out the plan's steps, in the firewall that was looked at: of another one the
        plan knows nothing, nor of what the coming of another one made of this one's rules.
        """
        if self._found is None:
            raise FirewallError(Trouble.GONE, "there is no firewall to write to: see before")
        if self.stamp() != self._stamp:
            raise FirewallError(Trouble.BUSY, "another firewall keeps the rules now: planned anew")
        try:
            return self._found.apply(plan)
        except FirewallError as error:
            if error.trouble is Trouble.GONE:
                self._found = None
            raise

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written."""
        return self._backend().script(plan)

    def reset_backoff(self) -> None:
        """Let what was given up be tried again."""
        if self._found is not None:
            self._found.reset_backoff()

    def purge(self) -> Plan:
        """Remove all that is ours."""
        return self._backend().purge()

    def _backend(self) -> Backend:
        stamp = self.stamp()
        if self._found is None or stamp != self._stamp:
            self._found, self._stamp, self._identity = None, stamp, Identity(NO_BACKEND, "")
            self._found = self.find()
            self._identity = self._found.identity
            self.slots, self.last = self._found.slots, self._found.last
            self.interfaces, self.macs = self._found.interfaces, self._found.macs
        return self._found
