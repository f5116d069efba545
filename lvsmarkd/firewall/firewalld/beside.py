"""iptables where firewalld has tables of its own in the kernel, whether it runs or has ended."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lvsmarkd.firewall.backend import Applied, Backend, FirewallError, Identity
from lvsmarkd.firewall.firewalld.direct import Natives
from lvsmarkd.firewall.firewalld.kernel import TABLE
from lvsmarkd.firewall.program import run, search_path
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.observed import ForeignRule, Observed
from lvsmarkd.model.plan import Plan

_BOTH = Finding(
    Kind.MIXED,
    Severity.WARNING,
    "firewalld runs here, and lvsmarkd keeps its rules in iptables: what firewalld marks is the"
    " last word, and what it refuses at INPUT no rule in iptables opens; set firewall.backend ="
    ' "auto" or "firewalld"',
)


@dataclass(slots=True)
class BesideFirewalld:
    """The iptables backend, which sees what firewalld's nftables rules do to its marks: they are
    met after those of iptables, and outlive a firewalld that is killed or loses its bus.

    ``runs`` says whether it keeps a firewall here besides, which is reported.
    """

    inner: Backend
    runs: Callable[[], bool] = lambda: False

    @property
    def identity(self) -> Identity:
        """That of iptables."""
        return self.inner.identity

    @property
    def slots(self) -> int:
        """As iptables."""
        return self.inner.slots

    @property
    def interfaces(self) -> bool:
        """As iptables."""
        return self.inner.interfaces

    @property
    def macs(self) -> int | None:
        """As iptables."""
        return self.inner.macs

    @property
    def last(self) -> bool:
        """As iptables."""
        return self.inner.last

    def observe(self) -> Observed:
        """Read iptables, and what firewalld's table does after it."""
        seen = self.inner.observe()
        remarks = (*seen.remarks, _BOTH) if self.runs() else seen.remarks
        return replace(seen, foreign=(*seen.foreign, *_left()), remarks=remarks)

    def apply(self, plan: Plan) -> Applied:
        """Write to iptables."""
        return self.inner.apply(plan)

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written to iptables."""
        return self.inner.script(plan)

    def pardon(self) -> None:
        """As iptables."""
        self.inner.pardon()

    def purge(self) -> Plan:
        """Remove what is ours from iptables."""
        return self.inner.purge()


def _left() -> Iterator[ForeignRule]:
    """The marks that firewalld's table sets, whoever put them there."""
    nft = shutil.which("nft", path=search_path())
    if nft is None:
        return
    try:
        answer = run([nft, "-j", "-t", "list", "table", "inet", TABLE])
        objects = json.loads(answer.output)["nftables"] if answer.status == 0 else []
    except (FirewallError, ValueError, KeyError, TypeError):
        return
    yield from Natives(objects).foreign()
