"""What is known of keepalived beside its files: its process, what it has read, the kernel."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from lvsmarkd.model.claim import MarkClaim
from lvsmarkd.model.ipvs import KernelServices
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.running import Running, RunningKeepalived, Stopped
from lvsmarkd.model.unknown import Unknown


class HostSource(Enum):
    """What is looked at beside the files."""

    PROCESS = "keepalived's process"
    COPY = "what keepalived has read last"
    POLICY_ROUTING = "policy routing"
    IPVS = "IPVS"


class RuntimeState(Struct, frozen=True):
    """Seen at one moment. What is None was not asked for.

    ``copy`` is what the running keepalived has read last. ``kernel`` are the services in IPVS,
    ``claims`` are others' uses of marks. ``ipvs_here`` says whether the network namespace that
    keepalived.conf names for IPVS is ours; None where it names none. ``unseen`` is what could
    not be seen, and why.
    """

    running: Running | None = None
    copy: Reading | None = None
    kernel: KernelServices | None = None
    claims: tuple[MarkClaim, ...] = ()
    ipvs_here: bool | None = None
    unseen: Mapping[HostSource, Unknown] = field(default_factory=dict)

    @property
    def keepalived_runs(self) -> bool | None:
        """Whether there is a keepalived that runs; None where that was not, or cannot be, seen."""
        match self.running:
            case RunningKeepalived():
                return True
            case Stopped():
                return False
            case _:
                return None


UNASKED = RuntimeState()
"""Nothing was asked for."""
