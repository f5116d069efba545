"""Which backend keeps the rules: chosen anew by every reading."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, Backend, down
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import OWN_HOOKS, ChainKey, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble

_CHAIN_KEYS = tuple(
    ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in OWN_HOOKS
)


class BackendSelector(Struct):
    """For the daemon: a firewall that is missing is a state with a sentence, no end.

    ``find`` looks for the backend and raises FirewallError where there is none; ``stamp``
    is a value that differs when another would be found (an alternative was switched, a
    package was installed).
    """

    find: Callable[[], Backend]
    stamp: Callable[[], object]
    release: Callable[[], None] = lambda: None
    """Ends what all that is found shares."""
    _found: Backend | None = None
    _stamp: object = None
    _doubtful: bool = False
    """Not all could be read: the next reading looks for the backend anew, since its programs may be
    elsewhere by then. What was read may be written by until then."""
    _limits: Limits = DEFAULT_LIMITS
    """Of the last firewall that was found: while there is none, nobody forgets what was asked."""

    def read(self) -> Snapshot:
        """Read the firewall that keeps the rules now; all is unknown where there is none to ask."""
        try:
            seen = self._backend().read()
            if not seen.whole and self.stamp() != self._stamp:
                seen = self._backend().read()  # another one keeps the rules since just now
        except FirewallError as error:
            return replace(_unread(error), limits=self._limits)
        self._doubtful = not seen.whole
        self._limits = seen.limits
        return seen

    def apply(self, plan: Plan) -> Applied:
        """Carry out the plan's steps, in the firewall that was looked at: of another one the
        plan knows nothing, nor of what the coming of another one made of this one's rules.
        """
        if self._found is None:
            return _failed(Trouble.GONE, "there is no firewall to write to: see before")
        if self.stamp() != self._stamp:
            return _failed(Trouble.BUSY, "another firewall keeps the rules now: planned anew")
        applied = self._found.apply(plan)
        if applied.error is not None and applied.error.trouble is Trouble.GONE:
            self._found = None
        return applied

    def close(self) -> None:
        """Let go of the firewall that was found."""
        if self._found is not None:
            self._found.close()
        self._found = None
        self.release()

    def _backend(self) -> Backend:
        stamp = self.stamp()
        if self._found is None or self._doubtful or stamp != self._stamp:
            self._found, self._stamp, self._doubtful = None, stamp, False
            self._found = self.find()
        return self._found


def _unread(error: FirewallError) -> Snapshot:
    if error.down:
        return down(str(error))
    return Snapshot(dict.fromkeys(_CHAIN_KEYS, Unknown(str(error))))


def _failed(trouble: Trouble, sentence: str) -> Applied:
    return Applied(error=FirewallError(trouble, sentence))
