"""What is known of keepalived beside its files: its process, what it has read, the kernel."""

from dataclasses import dataclass

from lvsmarkd.model.claim import MarkClaim
from lvsmarkd.model.ipvs import KernelServices
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.running import Running


@dataclass(frozen=True, slots=True)
class RuntimeState:
    """Seen at one moment. What is None was not asked for.

    ``copy`` is what the running keepalived has read last. ``kernel`` are the services in IPVS,
    ``claims`` are others' uses of marks. ``ipvs_here`` says whether the network namespace that
    keepalived.conf names for IPVS is ours; None where it names none. ``unseen`` are sentences
    about what could not be seen.
    """

    running: Running | None = None
    copy: Reading | None = None
    kernel: KernelServices | None = None
    claims: tuple[MarkClaim, ...] = ()
    ipvs_here: bool | None = None
    unseen: tuple[str, ...] = ()


UNASKED = RuntimeState()
"""Nothing was asked for."""
